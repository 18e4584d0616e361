/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wardian doctor: what this machine has of what Wardian needs.  Asks no server, for it is most
 * wanted when none starts; the settings are read as wardiand reads them.
 */
#include "cli_internal.h"

#include "conf.h"
#include "environment.h"
#include "host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

enum {
	LOOK_MS = 10000,
	SETTING_SIZE = 1100, /* of one setting with its name */
	JSON_MAX = 1 << 20,
	EXIT_MISSING = 1
};

static const char *const parts[] = { "check", "state", "detail", "fix" };

struct doctor {
	struct conf conf;
	struct environments *environments; /* NULL: they could not be read, see why */
	struct err why;
	struct host_simulator *simulators;
	struct host_options options;
	struct host_report report;
};

static void
doctor_done(struct doctor *d)
{
	conf_done(&d->conf);
	environments_free(d->environments);
	free(d->simulators);
}
#define AUTO_DOCTOR __attribute__((cleanup(doctor_done))) struct doctor

/* --- settings --------------------------------------------------------------------------------- */

/* "--section.key=value" of each --set, and of --state, which stands for --set state.dir=. */
static int
read_settings(const struct cli *cli, struct conf *ret, struct err *e)
{
	AUTO_FREE char *texts = calloc(cli->n_options + 1, SETTING_SIZE);
	const char *config = cli_option(cli, "--config");
	char *args[CLI_OPTIONS];
	size_t n = 0;

	if (texts == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for settings");
	for (size_t i = 0; i < cli->n_options; i++) {
		const struct cli_option *o = &cli->options[i];
		const char *name = strcmp(o->name, "--state") == 0 ? "state.dir=" : "";

		if (name[0] == '\0' && strcmp(o->name, "--set") != 0)
			continue;
		args[n] = texts + n * SETTING_SIZE;
		if (snprintf(args[n++], SETTING_SIZE, "--%s%s", name, o->value) >= SETTING_SIZE)
			return err_set(e, ERR_USAGE, "the value of %s is too long", o->name);
	}
	return conf_load(
	    config == NULL ? getenv("WARDIAN_CONF") : config, environ, n, args, ret, e);
}

static int
list_simulators(struct doctor *d, struct err *e)
{
	size_t n;

	d->options.simulators_why = d->why.msg;
	if (environments_load(d->conf.environments_dir, &d->environments, &d->why) < 0)
		return 0;
	n = environments_count(d->environments);
	if (n == 0)
		(void)err_set(&d->why, ERR_CONF, "%.180s holds no profile (environments.dir)",
		    d->conf.environments_dir);
	d->simulators = calloc(n + 1, sizeof(*d->simulators));
	if (d->simulators == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for a list of environments");
	for (size_t i = 0; i < n; i++) {
		const struct environment *env = environments_at(d->environments, i);

		d->simulators[i] = (struct host_simulator){ .name = env->name,
			.package = env->package == NULL ? "" : env->package,
			.available = env->available };
	}
	d->options.simulators = d->simulators;
	d->options.n_simulators = n;
	return 0;
}

static int
fill_options(const struct cli *cli, struct doctor *d, struct err *e)
{
	const struct conf *c = &d->conf;

	if (read_settings(cli, &d->conf, e) < 0)
		return -1;
	REQUIRE(c->state_dir != NULL); /* every setting has a value */
	if (c->state_dir[0] != '/')
		return err_set(e, ERR_CONF, "state.dir must be an absolute path");
	d->options = (struct host_options){ .root = "/",
		.state_dir = c->state_dir,
		.user = c->state_user,
		.spawner = c->sandbox_spawner,
		.keeper = c->sandbox_keeper,
		.postgres_dir = c->database_bin_dir,
		.outside_database = c->database_url[0] != '\0',
		.weaker = strcmp(c->sandbox_weaker, "allow") == 0,
		.uid_base = c->sandbox_uid_base,
		.connections = c->http_connections };
	return list_simulators(d, e);
}

/* --- the sandbox as a whole ------------------------------------------------------------------- */

static void
describe_sandbox(const struct host_report *r, struct buf *out)
{
	buf_printf(out, "started by %s: ", r->root ? "root" : "an ordinary user");
	if (r->weak == 0)
		buf_str(out, "every wall stands");
	for (size_t i = 0, n = 0; host_weakness(i) != NULL; i++)
		if ((r->weak & host_weakness(i)->bit) != 0)
			buf_printf(out, "%s%s", n++ == 0 ? "" : "; ", host_weakness(i)->sentence);
}

static void
describe_fixes(const struct host_report *r, struct buf *out)
{
	for (size_t i = 0, n = 0; host_weakness(i) != NULL; i++)
		if ((r->weak & host_weakness(i)->bit) != 0)
			buf_printf(out, "%s%s", n++ == 0 ? "" : "; ", host_weakness(i)->fix);
}

static enum host_state
sandbox_state(const struct host_report *r)
{
	if (r->weak == 0)
		return HOST_OK;
	return host_refused(r) ? HOST_MISSING : HOST_WEAK;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void
put_check(struct json_out *o, const struct host_row *row, const struct host_finding *f)
{
	json_out_begin(o);
	json_put_text(o, "check", row->word);
	json_put_text(o, "state", host_state_word(f->state));
	json_put_text(o, "level", host_level_word(f->level));
	json_put_text(o, "for", row->what);
	json_put_text(o, "detail", f->text);
	json_put_text(o, "fix", f->advised ? row->fix : NULL);
	json_out_end(o);
}

/* The words for what is weak, or the fixes in their order. */
static void
put_weak(struct json_out *o, const struct host_report *r, const char *key, bool fixes)
{
	json_out_key(o, key);
	json_out_begin_array(o);
	for (size_t i = 0; host_weakness(i) != NULL; i++)
		if ((r->weak & host_weakness(i)->bit) != 0)
			json_out_text(o, fixes ? host_weakness(i)->fix : host_weakness(i)->word);
	json_out_end_array(o);
}

static void
put_sandbox(struct json_out *o, const struct host_report *r)
{
	json_out_key(o, "sandbox");
	json_out_begin(o);
	json_put_text(o, "state", host_state_word(sandbox_state(r)));
	put_weak(o, r, "weak", false);
	put_weak(o, r, "fixes", true);
	json_out_end(o);
}

static int
print_json(const struct host_report *r, bool ok, struct err *e)
{
	AUTO_BUF text = { 0 };
	struct json_out o;

	buf_init(&text, JSON_MAX);
	json_out_init(&o, &text);
	json_out_begin(&o);
	json_put_bool(&o, "ok", ok);
	json_put_text(&o, "mode", r->root ? "root" : "user");
	put_sandbox(&o, r);
	json_out_key(&o, "checks");
	json_out_begin_array(&o);
	for (size_t i = 0; i < HOST_CHECKS; i++)
		put_check(&o, host_row((enum host_check)i), &r->at[i]);
	json_out_end_array(&o);
	json_out_end(&o);
	if (buf_check(&text, e) < 0)
		return -1;
	cli_print_raw(&text);
	return 0;
}

/* --- the table -------------------------------------------------------------------------------- */

/* Behind the table of a terminal, where a column of sentences would not fit. */
static void
print_fixes(const struct host_report *r)
{
	bool first = true;

	for (size_t i = 0; i < HOST_CHECKS; i++) {
		if (!r->at[i].advised)
			continue;
		if (first)
			puts("\nWhat would help:");
		first = false;
		printf("  %s: ", host_row((enum host_check)i)->word);
		cli_print_line(stdout, host_row((enum host_check)i)->fix);
		putchar('\n');
	}
}

static int
print_table(const struct host_report *r, struct err *e)
{
	const bool terminal = isatty(STDOUT_FILENO) == 1;
	AUTO_BUF sandbox = { 0 };
	AUTO_BUF fixes = { 0 };
	struct cli_table t;
	int rc;

	buf_init(&sandbox, JSON_MAX);
	buf_init(&fixes, JSON_MAX);
	describe_sandbox(r, &sandbox);
	describe_fixes(r, &fixes);
	if (buf_check(&sandbox, e) < 0 || buf_check(&fixes, e) < 0)
		return -1;
	cli_table_init(&t, ARRAY_LEN(parts) - terminal, parts);
	for (size_t i = 0; i < HOST_CHECKS; i++) {
		const struct host_row *row = host_row((enum host_check)i);
		const struct host_finding *f = &r->at[i];

		cli_table_row(&t, (const char *const[]){ row->word, host_state_word(f->state),
				      f->text, f->advised ? row->fix : "" });
	}
	cli_table_row(&t, (const char *const[]){ "sandbox", host_state_word(sandbox_state(r)),
			      sandbox.p, fixes.n == 0 ? "" : fixes.p });
	rc = cli_table_print(&t, e);
	cli_table_done(&t);
	if (rc == 0 && terminal)
		print_fixes(r);
	return rc;
}

int
cli_doctor(struct cli *cli, struct err *e)
{
	AUTO_DOCTOR d = { 0 };
	size_t missing;

	if (fill_options(cli, &d, e) < 0 || host_examine(&d.options, LOOK_MS, &d.report, e) < 0)
		return -1;
	missing = host_missing(&d.report) + (sandbox_state(&d.report) == HOST_MISSING);
	if (missing > 0)
		cli->exit_status = EXIT_MISSING;
	if (cli->json || cli_flag(cli, "--json"))
		return print_json(&d.report, missing == 0, e);
	if (print_table(&d.report, e) < 0)
		return -1;
	if (missing > 0)
		cli_say("%zu required %s missing: jobs cannot run here%s", missing,
		    missing == 1 ? "thing is" : "things are",
		    d.report.root ? "" : " for this user; root may look again");
	return 0;
}
