/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles: what is read, and that every mistake is told with its place. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "buf.h"
#include "environment.h"
#include "fd.h"
#include "json.h"

#include <fcntl.h>
#include <float.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct environments *
fresh(void)
{
	struct environments *set = NULL;
	struct err e = { 0 };

	assert_int_equal(environments_new(&set, &e), 0);
	return set;
}

/* The lines of a good profile; tests replace or add some. */
#define TOP                                                                                        \
	"name = \"demo\"\ntitle = \"Demo\"\npackage = \"demo\"\nprogram = \"/bin/sh\"\n"           \
	"command = [\"/bin/sh\", \"{deck}\"]\n"
#define DECK "[parameter.deck]\ntype = \"file\"\ntitle = \"the deck\"\nrequired = true\n"

static const char whole[] =
    "name = \"demo\"\n"
    "title = \"Demo\"\n"
    "description = \"All of it.\"\n"
    "package = \"dash\"\n"
    "program = \"/bin/sh\"\n"
    "command = [\"/bin/sh\", \"-s{deck.stem}\", \"{n}\", \"{mode}\", \"{rest}\"]\n"
    "env = [\"A=b\", \"C_1=\"]\n"
    "[defaults]\n"
    "cpus = 2\n"
    "memory = \"64MiB\"\n"
    "wall = \"90s\"\n"
    "[parameter.n]\n"
    "type = \"integer\"\n"
    "title = \"how many\"\n"
    "default = 3\n"
    "min = 1\n"
    "max = 10\n"
    "unit = \"pieces\"\n" DECK "[parameter.mode]\n"
    "type = \"choice\"\n"
    "title = \"how\"\n"
    "choices = [\"slow\", \"fast\"]\n"
    "default = \"fast\"\n"
    "[parameter.rest]\n"
    "type = \"list\"\n"
    "title = \"more\"\n"
    "[result.values]\n"
    "kind = \"json\"\n"
    "file = \"{deck.stem}.json\"\n"
    "[metric.rows]\n"
    "kind = \"table\"\n"
    "file = \"log\"\n"
    "start = \"Step\"\n"
    "step = \"Step\"\n"
    "unit = \"K\"\n"
    "[result.stresses]\n"
    "kind = \"block\"\n"
    "file = \"log\"\n"
    "start = \"stresses\"\n"
    "columns = [\"sxx\", \"syy\"]\n"
    "[success]\n"
    "exit_code = 4\n"
    "absent = [\"*ERROR\"]\n";

static void
a_whole_profile_is_read_in_its_order(void **state)
{
	AUTO(environments) set = fresh();
	const struct environment *env;
	struct err e = { 0 };

	(void)state;
	if (environments_add(set, "demo.toml", whole, strlen(whole), &e) < 0)
		fail_msg("%s", e.msg);
	env = environments_at(set, 0);
	assert_string_equal(env->name, "demo");
	assert_string_equal(env->description, "All of it.");
	assert_string_equal(env->package, "dash");
	assert_int_equal(env->n_command, 5);
	assert_string_equal(env->command[1], "-s{deck.stem}");
	assert_int_equal(env->n_env, 2);
	assert_string_equal(env->env[1], "C_1=");
	assert_true(env->default_cpus == 2);
	assert_int_equal(env->default_memory_bytes, 64 * MIB);
	assert_int_equal(env->default_wall_ms, 90000);
	assert_int_equal(env->n_params, 4);
	assert_string_equal(env->params[0].name, "n");
	assert_int_equal(env->params[0].type, ENVIRONMENT_PARAM_INTEGER);
	assert_string_equal(env->params[0].default_text, "3");
	assert_true(env->params[0].min == 1 && env->params[0].max == 10);
	assert_string_equal(env->params[0].unit, "pieces");
	assert_false(env->params[0].required);
	assert_string_equal(env->params[1].name, "deck");
	assert_true(env->params[1].required);
	assert_true(env->params[1].min == -DBL_MAX && env->params[1].max == DBL_MAX);
	assert_int_equal(env->params[2].n_choices, 2);
	assert_string_equal(env->params[2].choices[1], "fast");
	assert_int_equal(env->params[3].type, ENVIRONMENT_PARAM_LIST);
	assert_int_equal(env->n_rules, 3);
	assert_string_equal(env->rules[0].name, "values");
	assert_int_equal(env->rules[0].kind, ENVIRONMENT_RULE_JSON);
	assert_int_equal(env->rules[1].target, ENVIRONMENT_TARGET_METRIC);
	assert_string_equal(env->rules[1].step, "Step");
	assert_string_equal(env->rules[1].unit, "K");
	assert_int_equal(env->rules[2].target, ENVIRONMENT_TARGET_RESULT);
	assert_string_equal(env->rules[2].columns[1], "syy");
	assert_int_equal(env->success_exit_code, 4);
	assert_string_equal(env->success_absent[0], "*ERROR");
	assert_true(env->available);
	assert_int_equal(strlen(env->digest), 16);
}

#define ROOT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define STOP "[stop]\n"

static void
devices_a_root_and_a_stop_recipe_are_read(void **state)
{
	static const char text[] = TOP "root = \"" ROOT "\"\n[defaults]\ngpus = 64\n" DECK STOP
				       "signal = \"SIGUSR1\"\nfile = \"STOP\"\n"
				       "text = \"now\\n\"\nwait_s = 2.5\n";
	AUTO(environments) set = fresh();
	const struct environment *env;
	struct json_out o;
	AUTO_BUF b = { 0 };
	struct err e = { 0 };

	(void)state;
	if (environments_add(set, "demo.toml", text, strlen(text), &e) < 0)
		fail_msg("%s", e.msg);
	env = environments_at(set, 0);
	assert_string_equal(env->root_digest, ROOT);
	assert_int_equal(env->default_gpus, 64);
	assert_int_equal(env->stop.signal, SIGUSR1);
	assert_string_equal(env->stop.file, "STOP");
	assert_string_equal(env->stop.text, "now\n");
	assert_int_equal(env->stop.wait_ms, 2500);
	buf_init(&b, 1 << 16);
	json_out_init(&o, &b);
	environment_print(env, &o);
	assert_non_null(strstr(b.p, "\"root\":\"" ROOT "\","));
	assert_non_null(strstr(b.p,
	    "\"gpus\":64},\"stop\":{\"signal\":\"SIGUSR1\",\"file\":\"STOP\",\"text\":\"now\\n\","
	    "\"wait_s\":2.5},"));
}

static void
a_recipe_is_a_signal_or_a_file_or_both(void **state)
{
	static const char *const good[] = {
		TOP DECK STOP "signal = \"SIGINT\"\nwait_s = 3600\n",
		TOP DECK STOP "file = \"a b.stop\"\nwait_s = 1\n",
		TOP DECK STOP "file = \"...\"\nwait_s = 0.001\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		AUTO(environments) set = fresh();
		struct err e = { 0 };

		if (environments_add(set, "demo.toml", good[i], strlen(good[i]), &e) < 0)
			fail_msg("%s: %s", good[i], e.msg);
		assert_null(environments_at(set, 0)->stop.text);
	}
}

struct looked_for {
	int found;
	int times;
};

static int
look_for_root(void *ctx, const char *root_digest, const char *program)
{
	struct looked_for *l = ctx;

	assert_string_equal(root_digest, ROOT);
	assert_string_equal(program, "/bin/sh");
	l->times++;
	return l->found;
}

static void
expect_remedy(const struct environment *env, const char *text)
{
	AUTO_BUF b;
	struct json_out o;

	buf_init(&b, 8192);
	json_out_init(&o, &b);
	environment_print(env, &o);
	assert_non_null(strstr(b.p, text));
}

static void
an_environment_with_a_root_is_available_when_its_root_is(void **state)
{
	static const char rooted[] = TOP "root = \"" ROOT "\"\n" DECK;
	AUTO(environments) set = fresh();
	struct looked_for l = { .found = 1 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(environments_add(set, "demo.toml", rooted, strlen(rooted), &e), 0);
	assert_false(
	    environments_at(set, 0)->available); /* /bin/sh is the host's, not the root's */
	environments_find_roots(set, look_for_root, &l);
	assert_int_equal(l.times, 1);
	assert_true(environments_at(set, 0)->available);
	expect_remedy(environments_at(set, 0), "\"remedy\":null");
	l.found = -1;
	environments_find_roots(set, look_for_root, &l);
	assert_false(environments_at(set, 0)->available);
	expect_remedy(environments_at(set, 0), "wardiand root import FILE");
	l.found = 0;
	environments_find_roots(set, look_for_root, &l);
	assert_false(environments_at(set, 0)->available);
	expect_remedy(environments_at(set, 0), "has no program /bin/sh");
}

static void
a_program_that_is_not_there_makes_the_environment_unavailable(void **state)
{
	static const char *const programs[] = { "/nowhere/sh", "/etc/passwd", "/etc" };
	char text[600];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		AUTO(environments) set = fresh();
		struct err e = { 0 };

		(void)snprintf(text, sizeof(text),
		    "name = \"demo\"\ntitle = \"Demo\"\npackage = \"demo\"\nprogram = \"%s\"\n"
		    "command = [\"%s\"]\n",
		    programs[i], programs[i]);
		assert_int_equal(environments_add(set, "demo.toml", text, strlen(text), &e), 0);
		assert_false(environments_at(set, 0)->available);
	}
}

struct bad {
	const char *text;
	const char *message;
};
static const struct bad bad_profiles[] = {
	{ "", "demo.toml: `name` is missing before the first [table]" },
	{ "name = \"demo\"\n" DECK, "demo.toml:3:1: `title` is missing before the first [table]" },
	{ TOP "colour = \"red\"\n", "demo.toml:6:1: \"colour\" is not known here" },
	{ TOP "titel = \"x\"\n", "did you mean \"title\"?" },
	{ TOP DECK "requird = true\n", "did you mean \"required\"?" },
	{ TOP DECK "[paramter.x]\ntype = \"text\"\n", "did you mean \"parameter\"?" },
	{ TOP DECK "[what]\nx = 1\n", "demo.toml:11:1: \"what\" is not known here" },
	{ TOP DECK "[parameter]\ntype = \"text\"\n", "write [parameter.NAME]" },
	{ TOP DECK "[success.x]\nexit_code = 1\n", "write [success] without a name" },
	{ TOP DECK "[parameter.Deck]\ntype = \"text\"\n", "lower-case" },
	{ TOP "[parameter.deck]\ntitle = \"x\"\n",
	    "demo.toml: `type` is missing in [parameter.deck]" },
	{ TOP "[parameter.deck]\ntype = \"file\"\n[success]\nexit_code = 0\n",
	    "`title` is missing" },
	{ TOP "[parameter.deck]\ntype = \"fil\"\ntitle = \"x\"\n",
	    "demo.toml:7:1: `type`: \"fil\" is not known here; did you mean \"file\"?" },
	{ TOP "[parameter.deck]\ntype = 1\ntitle = \"x\"\n",
	    "`type` must be a text, not an integer" },
	{ TOP DECK "min = \"0\"\n", "`min` must be a number, not a text" },
	{ TOP DECK "min = 0\n",
	    "[parameter.deck]: `min` and `max` are for the types integer and number" },
	{ TOP DECK "unit = \"m\"\n", "`unit` is for the types integer and number" },
	{ TOP DECK "choices = [\"a\"]\n", "`choices` belongs to the type choice" },
	{ TOP "[parameter.deck]\ntype = \"choice\"\ntitle = \"x\"\n",
	    "`choices` belongs to the type" },
	{ TOP DECK "choices = []\n", "must have 1 to 64 elements, has 0" },
	{ TOP DECK "default = \"a\"\n", "a parameter with a `default` is not `required`" },
	{ TOP "[parameter.deck]\ntype = \"list\"\ntitle = \"x\"\ndefault = \"a\"\n",
	    "a list has no `default`" },
	{ TOP "[parameter.deck]\ntype = \"integer\"\ntitle = \"x\"\ndefault = 1.5\n",
	    "the `default` is no integer" },
	{ TOP "[parameter.deck]\ntype = \"integer\"\ntitle = \"x\"\ndefault = true\n",
	    "a default is a text or a number" },
	{ TOP "[parameter.deck]\ntype = \"number\"\ntitle = \"x\"\ndefault = 5\nmax = 4\n",
	    "the `default` lies outside `min` and `max`" },
	{ TOP "[parameter.deck]\ntype = \"number\"\ntitle = \"x\"\nmin = 5\nmax = 4\n",
	    "`min` is greater than `max`" },
	{ TOP "[parameter.deck]\ntype = \"choice\"\ntitle = \"x\"\nchoices = [\"a\"]\ndefault = "
	      "\"b\"\n",
	    "the `default` is none of the `choices`" },
	{ TOP, "\"{deck}\" names a parameter that is not declared" },
	{ TOP DECK "[parameter.more]\ntype = \"text\"\ntitle = \"x\"\n",
	    "[parameter.more] is used neither by `command` nor" },
	{ TOP DECK "[result.x]\nkind = \"json\"\n", "`file` is missing in [result.x]" },
	{ TOP DECK "[result.x]\nkind = \"json\"\nfile = \"{no}.json\"\n",
	    "[result.x]: names a parameter that is not declared" },
	{ TOP DECK "[result.x]\nkind = \"json\"\nfile = \"a{deck\"\n", "has a brace" },
	{ TOP DECK "[result.x]\nkind = \"json\"\nfile = \"a\"\nstart = \"b\"\n",
	    "`start` belongs to" },
	{ TOP DECK "[result.x]\nkind = \"table\"\nfile = \"a\"\n", "`start` belongs to" },
	{ TOP DECK "[result.x]\nkind = \"measure\"\nfile = \"a\"\nstep = \"b\"\n",
	    "`step` belongs to" },
	{ TOP DECK "[metric.x]\nkind = \"table\"\nfile = \"a\"\nstart = \"b\"\n", "needs `step`" },
	{ TOP DECK "[result.x]\nkind = \"block\"\nfile = \"a\"\nstart = \"b\"\n",
	    "`columns` belongs to" },
	{ TOP DECK "[result.x]\nkind = \"table\"\nfile = \"a\"\nstart = \"b\"\ncolumns = [\"c\"]\n",
	    "`columns` belongs to" },
	{ TOP DECK "[defaults]\ncpus = -1\n", "`cpus` must be between 0 and 4096" },
	{ TOP DECK "[defaults]\nmemory = \"lots\"\n", "demo.toml:11:1: `memory`: " },
	{ TOP DECK "[defaults]\nwall = 5\n", "`wall` must be a text, not an integer" },
	{ TOP DECK "[success]\nexit_code = 256\n", "`exit_code` must be between 0 and 255" },
	{ TOP DECK "[success]\nexit_code = 1.0\n", "`exit_code` must be an integer, not a number" },
	{ TOP "env = [\"1A=b\"]\n" DECK, "`env`: \"1A=b\" is not NAME=value" },
	{ TOP "env = [\"A\"]\n" DECK, "`env`: \"A\" is not NAME=value" },
	{ TOP "env = [1]\n" DECK, "`env` must be a list of texts, not a list of numbers" },
	{ TOP "title = \"again\"\n" DECK, "a second time" },
	{ TOP DECK DECK, "a second time" },
	{ "name = \"De mo\"\ntitle = \"x\"\npackage = \"x\"\nprogram = \"/x\"\ncommand = "
	  "[\"/x\"]\n",
	    "demo.toml: `name`: a name is 1 to 63 lower-case letters" },
	{ "name = \"\"\n", "`name` must not be empty" },
	{ TOP "root = \"abc\"\n" DECK, "demo.toml:6:1: `root`: must be the SHA-256 of" },
	{ TOP "root = \"00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff\"\n" DECK,
	    "64 lower-case hexadecimal digits" },
	{ TOP "root = \"0000000000000000000000000000000000000000000000000000000000000000\"\n" DECK,
	    "is no digest of anything" },
	{ TOP "root = 5\n" DECK, "`root` must be a text, not an integer" },
	{ TOP DECK "[defaults]\ngpus = 65\n",
	    "demo.toml:11:1: `gpus`: must be between 0 and 64 whole devices" },
	{ TOP DECK "[defaults]\ngpus = -1\n", "must be between 0 and 64" },
	{ TOP DECK "[defaults]\ngpus = 1.0\n", "`gpus` must be an integer, not a number" },
	{ TOP DECK STOP "signal = \"USR1\"\nwait_s = 1\n",
	    "demo.toml:11:1: `signal`: must be one of SIGHUP, SIGINT, " },
	{ TOP DECK STOP "signal = \"SIGKILL\"\nwait_s = 1\n", "`signal`: must be one of" },
	{ TOP DECK STOP "signal = 2\nwait_s = 1\n", "`signal` must be a text, not an integer" },
	{ TOP DECK STOP "signal = \"SIGINT\"\n", "`wait_s` is missing in [stop]" },
	{ TOP DECK STOP "signal = \"SIGINT\"\nwait_s = 0\n",
	    "demo.toml:12:1: `wait_s`: must be between 0.001 and 3600 seconds" },
	{ TOP DECK STOP "signal = \"SIGINT\"\nwait_s = 3601\n", "between 0.001 and 3600" },
	{ TOP DECK STOP "signal = \"SIGINT\"\nwait_s = \"5s\"\n",
	    "`wait_s` must be a number, not a text" },
	{ TOP DECK STOP "wait_s = 1\n", "demo.toml: [stop] needs a `signal`, a `file` or both" },
	{ TOP DECK STOP "signal = \"SIGINT\"\ntext = \"x\"\nwait_s = 1\n",
	    "[stop]: `text` is what `file` will hold" },
	{ TOP DECK STOP "file = \"a/b\"\nwait_s = 1\n",
	    "`file`: must be one name in the working directory" },
	{ TOP DECK STOP "file = \"..\"\nwait_s = 1\n", "must be one name" },
	{ TOP DECK STOP "file = \"\"\nwait_s = 1\n", "must be one name" },
	{ TOP DECK STOP "file = \"{deck.stem}.stop\"\nwait_s = 1\n", "has no {places}" },
	{ TOP DECK "[stop.x]\nwait_s = 1\n", "write [stop] without a name" },
	{ "not toml at all", "demo.toml:1:" },
};

static void
every_mistake_is_told_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad_profiles); i++) {
		const struct bad *b = &bad_profiles[i];
		AUTO(environments) set = fresh();
		struct err e = { 0 };

		if (environments_add(set, "demo.toml", b->text, strlen(b->text), &e) == 0)
			fail_msg("accepted, but: %s", b->message);
		assert_int_equal(e.code, ERR_CONF);
		if (strncmp(e.msg, "demo.toml:", 10) != 0 || strstr(e.msg, b->message) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", e.msg, b->message);
		assert_int_equal(environments_count(set), 0);
	}
}

struct bad_command {
	const char *command;
	const char *message;
};
static const struct bad_command bad_commands[] = {
	{ "[\"sh\", \"{deck}\"]", "the first word of `command` must be `program`" },
	{ "[\"/bin/sh\", \"{deck}\", \"{list}x\"]", "a list must stand alone" },
	{ "[\"/bin/sh\", \"{deck}\", \"-x{list}\"]", "a list must stand alone" },
	{ "[\"/bin/sh\", \"{deck}\", \"{list.stem}\"]", "stem of a parameter that is no file" },
	{ "[\"/bin/sh\", \"{deck}\", \"{\"]", "has a brace" },
	{ "[\"/bin/sh\", \"{deck}\", \"}\"]", "has a brace" },
	{ "[\"/bin/sh\", \"{deck}\", \"{}\"]", "has a brace" },
	{ "[\"/bin/sh\", \"{deck}\", \"{{deck}}\"]", "has a brace" },
	{ "[\"/bin/sh\", \"{deck}\", \"{deck.base}\"]", "not declared" },
	{ "[\"/bin/sh\", \"{deck}\", \"{.stem}\"]", "not declared" },
	{ "[]", "must have 1 to 128 elements" },
};

static void
every_broken_template_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad_commands); i++) {
		AUTO(environments) set = fresh();
		struct err e = { 0 };
		char text[1024];

		(void)snprintf(text, sizeof(text),
		    "name = \"demo\"\ntitle = \"Demo\"\npackage = \"demo\"\nprogram = \"/bin/sh\"\n"
		    "command = %s\n" DECK "[parameter.list]\ntype = \"list\"\ntitle = \"x\"\n",
		    bad_commands[i].command);
		assert_int_equal(environments_add(set, "demo.toml", text, strlen(text), &e), -1);
		if (strstr(e.msg, bad_commands[i].message) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", e.msg, bad_commands[i].message);
	}
}

static void
a_result_file_that_might_have_no_name_is_refused(void **state)
{
	static const char text[] = TOP DECK "[parameter.o]\ntype = \"text\"\ntitle = \"x\"\n"
					    "[result.x]\nkind = \"json\"\nfile = \"{o}.json\"\n";
	AUTO(environments) set = fresh();
	struct err e = { 0 };

	(void)state;
	assert_int_equal(environments_add(set, "demo.toml", text, strlen(text), &e), -1);
	assert_non_null(strstr(e.msg, "needs a parameter that may be absent"));
}

static void
an_oversized_profile_is_refused(void **state)
{
	AUTO(environments) set = fresh();
	struct err e = { 0 };
	AUTO_BUF b = { 0 };

	(void)state;
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 70000; i++)
		buf_char(&b, i % 70 == 69 ? '\n' : '#');
	assert_int_equal(environments_add(set, "demo.toml", b.p, b.n, &e), -1);
	assert_non_null(strstr(e.msg, "at most 65536 bytes"));
}

static void
too_many_parameters_are_refused(void **state)
{
	AUTO(environments) set = fresh();
	struct err e = { 0 };
	AUTO_BUF b = { 0 };

	(void)state;
	buf_init(&b, 1 << 16);
	buf_str(&b, TOP DECK);
	for (int i = 0; i < 64; i++)
		buf_printf(&b, "[parameter.p%d]\ntype = \"text\"\ntitle = \"x\"\n", i);
	assert_int_equal(environments_add(set, "demo.toml", b.p, b.n, &e), -1);
	assert_non_null(strstr(e.msg, "more than 64 parameters"));
}

/* --- sets --------------------------------------------------------------------------------- */

static void
add_named(struct environments *set, const char *name)
{
	struct err e = { 0 };
	char text[600];

	(void)snprintf(text, sizeof(text),
	    "name = \"%s\"\ntitle = \"Demo\"\npackage = \"demo\"\nprogram = \"/bin/sh\"\n"
	    "command = [\"/bin/sh\"]\n",
	    name);
	if (environments_add(set, "x.toml", text, strlen(text), &e) < 0)
		fail_msg("%s", e.msg);
}

static void
environments_are_found_by_name_and_stand_in_its_order(void **state)
{
	static const char twin[] = "name = \"ngspice\"\ntitle = \"t\"\npackage = \"p\"\n"
				   "program = \"/x\"\ncommand = [\"/x\"]\n";
	AUTO(environments) set = fresh();
	struct err e = { 0 };

	(void)state;
	add_named(set, "openfoam");
	add_named(set, "ngspice");
	add_named(set, "calculix");
	assert_int_equal(environments_count(set), 3);
	assert_string_equal(environments_at(set, 0)->name, "calculix");
	assert_string_equal(environments_at(set, 1)->name, "ngspice");
	assert_string_equal(environments_at(set, 2)->name, "openfoam");
	assert_ptr_equal(environments_find(set, "ngspice"), environments_at(set, 1));
	assert_null(environments_find(set, "ngspic"));
	assert_string_equal(environments_nearest(set, "ngspic"), "ngspice");
	assert_string_equal(environments_nearest(set, "OpenFoam"), "openfoam");
	assert_string_equal(environments_nearest(set, "gromacs"), "");
	assert_string_equal(environments_nearest(set, ""), "");
	assert_int_equal(environments_add(set, "y.toml", twin, strlen(twin), &e), -1);
	assert_non_null(strstr(e.msg, "two environments named \"ngspice\""));
}

static void
the_digest_follows_the_text(void **state)
{
	AUTO(environments) set = fresh();
	AUTO(environments) same = fresh();

	(void)state;
	add_named(set, "one");
	add_named(set, "two");
	add_named(same, "one");
	assert_string_equal(environments_at(set, 0)->digest, environments_at(same, 0)->digest);
	assert_string_not_equal(environments_at(set, 0)->digest, environments_at(set, 1)->digest);
}

static void
write_profile(const char *dir, const char *name, const char *text)
{
	AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = { 0 };

	assert_int_equal(fd_write_file(fd, name, text, strlen(text), 0644, &e), 0);
}

static void
a_directory_is_loaded_and_its_first_fault_named(void **state)
{
	char dir[] = "/tmp/wardian-test-profiles-XXXXXX", path[128];
	struct environments *set = NULL;
	struct err e = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_profile(dir, "demo.toml", whole);
	write_profile(dir, "README.md", "no profile");
	write_profile(dir, ".hidden.toml", "no profile");
	assert_int_equal(environments_load(dir, &set, &e), 0);
	assert_int_equal(environments_count(set), 1);
	environments_free(set);
	set = NULL;
	write_profile(dir, "a-broken.toml", "name = 1\n");
	assert_int_equal(environments_load(dir, &set, &e), -1);
	assert_int_equal(e.code, ERR_CONF);
	assert_non_null(strstr(e.msg, "a-broken.toml:1:1: `name` must be a text"));
	write_profile(dir, "a-broken.toml", "");
	assert_int_equal(environments_load(dir, &set, &e), -1);
	assert_non_null(strstr(e.msg, "a-broken.toml: `name` is missing"));
	assert_null(set);
	(void)snprintf(path, sizeof(path), "%s/a-broken.toml", dir);
	unlink(path);
	assert_int_equal(symlink("demo.toml", path), 0);
	assert_int_equal(environments_load(dir, &set, &e), -1);
	assert_int_equal(e.code, ERR_CONF);
	unlink(path);
	(void)snprintf(path, sizeof(path), "%s/demo.toml", dir);
	unlink(path);
	(void)snprintf(path, sizeof(path), "%s/README.md", dir);
	unlink(path);
	(void)snprintf(path, sizeof(path), "%s/.hidden.toml", dir);
	unlink(path);
	assert_int_equal(environments_load(dir, &set, &e), 0);
	assert_int_equal(environments_count(set), 0);
	environments_free(set);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(environments_load(dir, &set, &e), -1);
	assert_int_equal(e.code, ERR_CONF);
}

/* --- the profiles that are shipped -------------------------------------------------------- */

/* The parameters that the environment's example gives. */
struct example {
	const char *environment;
	const char *path;
	const char *argv; /* words joined by blanks */
	const char *result_file;
};
static const struct example examples[] = {
	{ "ngspice", "rc.cir", "/usr/bin/ngspice -b rc.cir", "log" },
	{ "calculix", "cantilever.inp", "/usr/bin/ccx -i cantilever", "cantilever.dat" },
	{ "lammps", "in.melt", "/usr/bin/lmp -in in.melt -log log.lammps", "log" },
	{ "python", "pi.py", "/usr/bin/python3 pi.py 1000000 1", "result.json" },
};

struct given {
	struct environment_value values[8];
	size_t n;
};

static int
collect(void *ctx, const char *name, const struct json_value *v)
{
	struct given *g = ctx;

	assert_true(g->n < ARRAY_LEN(g->values));
	g->values[g->n++] = (struct environment_value){ name, v };
	return 0;
}

static void
assert_example(const struct environments *set, const struct example *x)
{
	const struct environment *env = environments_find(set, x->environment);
	AUTO(arena) mem = arena_new(1 << 20);
	AUTO_FREE char *text = NULL;
	AUTO(json) j = NULL;
	struct environment_argv argv;
	struct given given = { .n = 0 };
	struct err e = { 0 };
	char path[256];
	size_t n;
	AUTO_BUF joined = { 0 };

	assert_non_null(env);
	(void)snprintf(path, sizeof(path), WARDIAN_SOURCE_DIR "/deploy/environments/examples/%s/%s",
	    x->environment, x->path);
	assert_int_equal(access(path, R_OK), 0);
	(void)snprintf(path, sizeof(path),
	    WARDIAN_SOURCE_DIR "/deploy/environments/examples/%s/job.json", x->environment);
	assert_int_equal(fd_read_file(AT_FDCWD, path, 4096, &text, &n, &e), 0);
	assert_int_equal(json_parse(text, n, &j, &e), 0);
	assert_int_equal(
	    json_for_each(json_member(json_root(j), "parameters"), collect, &given), 0);
	if (environment_command(env, given.values, given.n, &x->path, 1, mem, &argv, &e) < 0)
		fail_msg("%s: %s", x->environment, e.msg);
	buf_init(&joined, 4096);
	for (size_t i = 0; i < argv.n; i++)
		buf_printf(&joined, "%s%s", i > 0 ? " " : "", argv.words[i]);
	assert_string_equal(joined.p, x->argv);
	for (size_t i = 0; i < env->n_rules; i++)
		assert_string_equal(
		    environment_rule_file(env, &env->rules[i], given.values, given.n, mem),
		    x->result_file);
}

static void
the_shipped_profiles_load_and_run_their_examples(void **state)
{
	AUTO(environments) set = NULL;
	struct err e = { 0 };

	(void)state;
	if (environments_load(WARDIAN_SOURCE_DIR "/deploy/environments", &set, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(environments_count(set), ARRAY_LEN(examples));
	for (size_t i = 0; i < ARRAY_LEN(examples); i++)
		assert_example(set, &examples[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_profile_is_read_in_its_order),
		cmocka_unit_test(devices_a_root_and_a_stop_recipe_are_read),
		cmocka_unit_test(a_recipe_is_a_signal_or_a_file_or_both),
		cmocka_unit_test(an_environment_with_a_root_is_available_when_its_root_is),
		cmocka_unit_test(a_program_that_is_not_there_makes_the_environment_unavailable),
		cmocka_unit_test(every_mistake_is_told_with_its_place),
		cmocka_unit_test(every_broken_template_is_refused),
		cmocka_unit_test(a_result_file_that_might_have_no_name_is_refused),
		cmocka_unit_test(an_oversized_profile_is_refused),
		cmocka_unit_test(too_many_parameters_are_refused),
		cmocka_unit_test(environments_are_found_by_name_and_stand_in_its_order),
		cmocka_unit_test(the_digest_follows_the_text),
		cmocka_unit_test(a_directory_is_loaded_and_its_first_fault_named),
		cmocka_unit_test(the_shipped_profiles_load_and_run_their_examples),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
