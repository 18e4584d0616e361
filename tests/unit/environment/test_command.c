/* SPDX-License-Identifier: Apache-2.0 */
/* From parameters to a command: every value is checked, no value becomes an option. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "caps.h"
#include "environment.h"

#include <stdio.h>
#include <string.h>

static const char profile[] =
    "name = \"demo\"\n"
    "title = \"Demo\"\n"
    "package = \"dash\"\n"
    "program = \"/bin/sh\"\n"
    "command = [\"/bin/sh\", \"-q\", \"{deck}\", \"out={deck.stem}\", \"{deck.stem}\", "
    "\"--n={n}\",\n"
    "  \"{x}\", \"{mode}\", \"{note}\", \"-m{note}\", \"{rest}\", \"end\"]\n"
    "[parameter.deck]\ntype = \"file\"\ntitle = \"the deck\"\nrequired = true\n"
    "[parameter.n]\ntype = \"integer\"\ntitle = \"n\"\nmin = 1\nmax = 10\nunit = \"pieces\"\n"
    "[parameter.x]\ntype = \"number\"\ntitle = \"x\"\nmin = -1\nmax = 1.5\ndefault = 0.1\n"
    "[parameter.mode]\ntype = \"choice\"\ntitle = \"m\"\nchoices = [\"slow\", \"fast\"]\n"
    "default = \"slow\"\n"
    "[parameter.note]\ntype = \"text\"\ntitle = \"t\"\n"
    "[parameter.rest]\ntype = \"list\"\ntitle = \"r\"\n"
    "[result.r]\nkind = \"json\"\nfile = \"{deck.stem}-{mode}.json\"\n";

static const char *const paths[] = { "a.cir", "sub.dir/deck.v2.inp", "sub.dir/noext", ".hidden",
	"-x.cir", "dir/.cir" };

struct run {
	struct environments *set;
	struct arena *mem;
	struct json *j;
	struct environment_value values[16];
	size_t n_values;
	struct environment_argv argv;
	struct err e;
};

static int
collect(void *ctx, const char *name, const struct json_value *v)
{
	struct run *r = ctx;

	assert_true(r->n_values < ARRAY_LEN(r->values));
	r->values[r->n_values++] = (struct environment_value){ name, v };
	return 0;
}

static int
start(struct run *r, const char *text, const char *parameters)
{
	memset(r, 0, sizeof(*r));
	r->mem = arena_new(4 << 20);
	assert_int_equal(environments_new(&r->set, &r->e), 0);
	if (environments_add(r->set, "demo.toml", text, strlen(text), &r->e) < 0)
		fail_msg("%s", r->e.msg);
	if (json_parse(parameters, strlen(parameters), &r->j, &r->e) < 0)
		fail_msg("%s", r->e.msg);
	assert_int_equal(json_for_each(json_root(r->j), collect, r), 0);
	return environment_command(environments_at(r->set, 0), r->values, r->n_values, paths,
	    ARRAY_LEN(paths), r->mem, &r->argv, &r->e);
}

static void
finish(struct run *r)
{
	json_free(r->j);
	environments_free(r->set);
	arena_free(r->mem);
}

/* argv joined by '|'. */
static void
assert_argv(const char *parameters, const char *want)
{
	struct run r;
	AUTO_BUF b = { 0 };

	if (start(&r, profile, parameters) < 0)
		fail_msg("%s: %s", parameters, r.e.msg);
	buf_init(&b, 1 << 16);
	for (size_t i = 0; i < r.argv.n; i++)
		buf_printf(&b, "%s%s", i > 0 ? "|" : "", r.argv.words[i]);
	assert_string_equal(b.p, want);
	finish(&r);
}

static void
assert_fault(const char *parameters, const char *place, const char *message)
{
	struct run r;

	if (start(&r, profile, parameters) == 0)
		fail_msg("%s was accepted", parameters);
	assert_int_equal(r.e.code, ERR_INVALID);
	if (r.e.n_fields != 1)
		fail_msg("%s: %u faults", parameters, r.e.n_fields);
	assert_string_equal(r.e.fields[0].name, place);
	assert_string_equal(r.e.fields[0].msg, message);
	assert_null(r.argv.words);
	finish(&r);
}

static void
places_are_filled_and_absent_words_left_out(void **state)
{
	(void)state;
	assert_argv("{\"deck\":\"a.cir\"}", "/bin/sh|-q|a.cir|out=a|a|0.1|slow|end");
	assert_argv("{\"deck\":\"a.cir\",\"n\":10,\"x\":-1,\"mode\":\"fast\",\"note\":\"hi\","
		    "\"rest\":[\"p\",\"q\"]}",
	    "/bin/sh|-q|a.cir|out=a|a|--n=10|-1|fast|hi|-mhi|p|q|end");
	assert_argv("{\"deck\":\"a.cir\",\"rest\":[]}", "/bin/sh|-q|a.cir|out=a|a|0.1|slow|end");
	assert_argv("{\"deck\":\"a.cir\",\"x\":1}", "/bin/sh|-q|a.cir|out=a|a|1|slow|end");
	assert_argv("{\"deck\":\"a.cir\",\"x\":1e-7}", "/bin/sh|-q|a.cir|out=a|a|1e-07|slow|end");
}

static void
a_stem_loses_the_last_extension_only(void **state)
{
	(void)state;
	assert_argv("{\"deck\":\"sub.dir/deck.v2.inp\"}",
	    "/bin/sh|-q|sub.dir/deck.v2.inp|out=sub.dir/deck.v2|sub.dir/deck.v2|0.1|slow|end");
	assert_argv("{\"deck\":\"sub.dir/noext\"}",
	    "/bin/sh|-q|sub.dir/noext|out=sub.dir/noext|sub.dir/noext|0.1|slow|end");
	assert_argv(
	    "{\"deck\":\".hidden\"}", "/bin/sh|-q|.hidden|out=.hidden|.hidden|0.1|slow|end");
	assert_argv(
	    "{\"deck\":\"dir/.cir\"}", "/bin/sh|-q|dir/.cir|out=dir/.cir|dir/.cir|0.1|slow|end");
}

static void
what_a_shell_would_act_upon_stays_one_word(void **state)
{
	(void)state;
	assert_argv("{\"deck\":\"a.cir\",\"note\":\"$(id) `id` ; a b\\n* {deck} %s\"}",
	    "/bin/sh|-q|a.cir|out=a|a|0.1|slow|$(id) `id` ; a b\n* {deck} %s|"
	    "-m$(id) `id` ; a b\n* {deck} %s|end");
	assert_argv(
	    "{\"deck\":\"a.cir\",\"note\":\"\"}", "/bin/sh|-q|a.cir|out=a|a|0.1|slow||-m|end");
}

static void
every_fault_has_its_place(void **state)
{
	(void)state;
	assert_fault("{}", "/parameters/deck", "is required: the deck");
	assert_fault("{\"deck\":\"b.cir\"}", "/parameters/deck",
	    "must be the path of one of the job's inputs; did you mean \"a.cir\"?");
	assert_fault("{\"deck\":\"../../etc/passwd\"}", "/parameters/deck",
	    "must be the path of one of the job's inputs");
	assert_fault("{\"deck\":7}", "/parameters/deck", "must be a string, not an integer");
	assert_fault("{\"deck\":null}", "/parameters/deck", "must be a string, not null");
	assert_fault(
	    "{\"deck\":\"a.cir\",\"n\":0}", "/parameters/n", "must be between 1 and 10 pieces");
	assert_fault(
	    "{\"deck\":\"a.cir\",\"n\":11}", "/parameters/n", "must be between 1 and 10 pieces");
	assert_fault("{\"deck\":\"a.cir\",\"n\":2.0}", "/parameters/n",
	    "must be an integer, not a number with a fraction or exponent");
	assert_fault("{\"deck\":\"a.cir\",\"n\":\"2\"}", "/parameters/n",
	    "must be an integer, not a string");
	assert_fault(
	    "{\"deck\":\"a.cir\",\"x\":1.5000001}", "/parameters/x", "must be between -1 and 1.5");
	assert_fault(
	    "{\"deck\":\"a.cir\",\"x\":true}", "/parameters/x", "must be a number, not a boolean");
	assert_fault("{\"deck\":\"a.cir\",\"mode\":\"fas\"}", "/parameters/mode",
	    "must be one of the choices that the environment lists; did you mean \"fast\"?");
	assert_fault("{\"deck\":\"a.cir\",\"mode\":\"\"}", "/parameters/mode",
	    "must be one of the choices that the environment lists");
	assert_fault("{\"deck\":\"a.cir\",\"rest\":\"p\"}", "/parameters/rest",
	    "must be an array of strings, not a string");
	assert_fault("{\"deck\":\"a.cir\",\"rest\":[\"p\",1]}", "/parameters/rest",
	    "must be a string, not an integer");
	assert_fault("{\"deck\":\"a.cir\",\"noe\":1}", "/parameters/noe",
	    "is not a parameter of this environment; did you mean \"note\"?");
	assert_fault("{\"deck\":\"a.cir\",\"a/b~\":1}", "/parameters/a~1b~0",
	    "is not a parameter of this environment");
}

static void
all_faults_are_told_at_once(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(start(&r, profile, "{\"n\":0,\"x\":9,\"mode\":1,\"what\":2}"), -1);
	assert_int_equal(r.e.n_fields, 5);
	finish(&r);
}

static void
no_value_becomes_an_option(void **state)
{
	static const char *const notes[] = { "-", "-c", "--help", "-\\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
		char parameters[128];

		(void)snprintf(parameters, sizeof(parameters),
		    "{\"deck\":\"a.cir\",\"note\":\"%s\"}", notes[i]);
		assert_fault(parameters, "/parameters/note",
		    "must not begin with '-', since the program would take it for an option");
	}
}

static void
no_input_named_like_an_option_is_passed(void **state)
{
	struct run r;

	(void)state;
	assert_int_equal(start(&r, profile, "{\"deck\":\"-x.cir\"}"), -1);
	assert_int_equal(r.e.n_fields, 2); /* {deck} and {deck.stem} */
	assert_string_equal(r.e.fields[0].name, "/parameters/deck");
	assert_string_equal(r.e.fields[1].name, "/parameters/deck");
	finish(&r);
}

static void
long_values_and_commands_are_refused(void **state)
{
	char note[5000];
	AUTO_BUF b = { 0 };

	(void)state;
	buf_init(&b, 1 << 20);
	memset(note, 'n', sizeof(note));
	buf_str(&b, "{\"deck\":\"a.cir\",\"note\":\"");
	buf_append(&b, note, 4097);
	buf_str(&b, "\"}");
	assert_fault(b.p, "/parameters/note",
	    "must have at most 4096 bytes; put longer text into an input file");
	buf_clear(&b);
	buf_str(&b, "{\"deck\":\"a.cir\",\"rest\":[\"x\"");
	for (int i = 0; i < CAP_ARGS; i++)
		buf_str(&b, ",\"x\"");
	buf_str(&b, "]}");
	assert_fault(b.p, "/parameters/rest", "must have at most 128 elements, has 129");
	buf_clear(&b);
	buf_str(&b, "{\"deck\":\"a.cir\",\"rest\":[\"x\"");
	for (int i = 0; i < CAP_ARGS - 1; i++)
		buf_str(&b, ",\"x\"");
	buf_str(&b, "]}");
	assert_fault(b.p, "/parameters",
	    "make a command of more than 128 words or 49152 bytes; put some of it into an input "
	    "file");
	buf_clear(&b);
	buf_str(&b, "{\"deck\":\"a.cir\",\"rest\":[\"x\"");
	for (int i = 0; i < 13; i++) {
		buf_str(&b, ",\"");
		buf_append(&b, note, 4000);
		buf_str(&b, "\"");
	}
	buf_str(&b, "]}");
	assert_fault(b.p, "/parameters",
	    "make a command of more than 128 words or 49152 bytes; put some of it into an input "
	    "file");
}

static void
a_default_file_must_be_among_the_inputs(void **state)
{
	static const char text[] =
	    "name = \"demo\"\ntitle = \"Demo\"\npackage = \"x\"\nprogram = \"/bin/sh\"\n"
	    "command = [\"/bin/sh\", \"{deck}\"]\n"
	    "[parameter.deck]\ntype = \"file\"\ntitle = \"d\"\ndefault = \"main.py\"\n";
	struct run r;

	(void)state;
	assert_int_equal(start(&r, text, "{}"), -1);
	assert_string_equal(r.e.fields[0].name, "/parameters/deck");
	finish(&r);
}

static void
a_rules_file_is_named_after_the_same_values(void **state)
{
	const struct environment *env;
	struct run r;

	(void)state;
	assert_int_equal(
	    start(&r, profile, "{\"deck\":\"sub.dir/deck.v2.inp\",\"mode\":\"fast\"}"), 0);
	env = environments_at(r.set, 0);
	assert_string_equal(environment_rule_file(env, &env->rules[0], r.values, r.n_values, r.mem),
	    "sub.dir/deck.v2-fast.json");
	assert_string_equal(environment_rule_file(env, &env->rules[0], r.values, 1, r.mem),
	    "sub.dir/deck.v2-slow.json");
	assert_null(environment_rule_file(env, &env->rules[0], r.values, 0, r.mem));
	finish(&r);
}

static void
a_short_arena_is_told(void **state)
{
	AUTO(arena) mem = arena_new(64);
	struct environment_argv argv = { 0 };
	struct run r;

	(void)state;
	assert_int_equal(start(&r, profile, "{\"deck\":\"a.cir\"}"), 0);
	while (arena_alloc(mem, 1) != NULL)
		;
	assert_int_equal(environment_command(environments_at(r.set, 0), r.values, r.n_values, paths,
			     ARRAY_LEN(paths), mem, &argv, &r.e),
	    -1);
	assert_int_equal(r.e.code, ERR_TOO_LARGE);
	assert_null(argv.words);
	finish(&r);
}

static void
the_environment_is_printed_as_json(void **state)
{
	static const char head[] = "{\"name\":\"demo\",\"title\":\"Demo\",\"description\":null,"
				   "\"available\":true,\"package\":\"dash\",\"digest\":\"";
	struct json_out o;
	struct run r;
	AUTO_BUF b = { 0 };

	(void)state;
	assert_int_equal(start(&r, profile, "{\"deck\":\"a.cir\"}"), 0);
	buf_init(&b, 1 << 16);
	json_out_init(&o, &b);
	environment_print(environments_at(r.set, 0), &o);
	assert_memory_equal(b.p, head, sizeof(head) - 1);
	assert_non_null(
	    strstr(b.p, "\"parameters\":[{\"name\":\"deck\",\"type\":\"file\",\"title\":\"the "
			"deck\",\"required\":true,"
			"\"default\":null},{\"name\":\"n\",\"type\":\"integer\",\"title\":\"n\","
			"\"required\":false,"
			"\"default\":null,\"min\":1,\"max\":10,\"unit\":\"pieces\"},{\"name\":"
			"\"x\",\"type\":\"number\","
			"\"title\":\"x\",\"required\":false,\"default\":0.1,\"min\":-1,\"max\":1.5,"
			"\"unit\":null},"
			"{\"name\":\"mode\",\"type\":\"choice\",\"title\":\"m\",\"required\":false,"
			"\"default\":\"slow\",\"choices\":[\"slow\",\"fast\"]},"));
	assert_non_null(strstr(b.p,
	    "\"results\":[{\"name\":\"r\",\"kind\":\"json\",\"file\":\"{deck.stem}-{mode}.json\","
	    "\"unit\":null}],\"metrics\":[],\"defaults\":{\"cpus\":null,\"memory_bytes\":null,"
	    "\"wall_s\":null,\"gpus\":0},\"stop\":null,"
	    "\"success\":{\"exit_code\":0,\"absent\":[]}}"));
	assert_non_null(strstr(b.p, "\"root\":null,\"remedy\":null,\"command\":"));
	finish(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_filled_and_absent_words_left_out),
		cmocka_unit_test(a_stem_loses_the_last_extension_only),
		cmocka_unit_test(what_a_shell_would_act_upon_stays_one_word),
		cmocka_unit_test(every_fault_has_its_place),
		cmocka_unit_test(all_faults_are_told_at_once),
		cmocka_unit_test(no_value_becomes_an_option),
		cmocka_unit_test(no_input_named_like_an_option_is_passed),
		cmocka_unit_test(long_values_and_commands_are_refused),
		cmocka_unit_test(a_default_file_must_be_among_the_inputs),
		cmocka_unit_test(a_rules_file_is_named_after_the_same_values),
		cmocka_unit_test(a_short_arena_is_told),
		cmocka_unit_test(the_environment_is_printed_as_json),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
