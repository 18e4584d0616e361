/* SPDX-License-Identifier: Apache-2.0 */
/* wardiand: arguments to a subcommand; everything else is elsewhere. */
#include "daemon_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

struct command_line {
	const char *command;
	const char *action;  /* of migrate, settings and root */
	const char *operand; /* of root */
	bool force;
	const char *config;
	struct bootstrap bootstrap;
	char *settings[128];
	size_t n_settings;
	bool help;
	bool version;
};

static const char usage[] =
    "Usage: wardiand [COMMAND] [OPTIONS] [--section.key=value ...]\n"
    "\n"
    "Commands:\n"
    "  serve                        run the daemon (the default)\n"
    "  bootstrap --tenant NAME      make a tenant, if it is not there, and print a new API key "
    "once\n"
    "            [--key-name NAME]\n"
    "  bootstrap --operator NAME    make an operator of the platform, if it is not there, and "
    "print "
    "a\n"
    "            [--key-name NAME]  new key of it once\n"
    "  migrate status|up            show or apply database migrations\n"
    "  root import FILE|DIRECTORY|-  unpack an environment from a tar archive (gzip, zstd, xz) "
    "and\n"
    "                               print its digest, which profiles name: root = \"...\"\n"
    "  root list                    the unpacked environments of this node\n"
    "  root verify DIGEST           read all of one again and compare\n"
    "  root remove DIGEST [--force] remove one that no job uses; --force: also if profiles name "
    "it\n"
    "  settings [show|markdown|example]  the settings in force, or their documentation\n"
    "\n"
    "Options:\n"
    "  --config FILE                settings file; WARDIAN_CONF names one, too\n"
    "  --help, --version\n"
    "\n"
    "Settings (each also as WARDIAN_SECTION_KEY in the environment):\n";

static int
take_value(const char *name, int argc, char **argv, int *i, const char **ret, struct err *e)
{
	if (*i + 1 >= argc)
		return err_set(e, ERR_USAGE, "%s needs a value", name);
	*ret = argv[++*i];
	return 0;
}

static int
take_option(struct command_line *cl, int argc, char **argv, int *i, struct err *e)
{
	const char *word = argv[*i];

	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		cl->help = true;
	else if (strcmp(word, "--version") == 0)
		cl->version = true;
	else if (strcmp(word, "--force") == 0)
		cl->force = true;
	else if (strcmp(word, "--config") == 0)
		return take_value(word, argc, argv, i, &cl->config, e);
	else if (strcmp(word, "--tenant") == 0)
		return take_value(word, argc, argv, i, &cl->bootstrap.tenant, e);
	else if (strcmp(word, "--operator") == 0)
		return take_value(word, argc, argv, i, &cl->bootstrap.operator_name, e);
	else if (strcmp(word, "--key-name") == 0)
		return take_value(word, argc, argv, i, &cl->bootstrap.key_name, e);
	else if (cl->n_settings < ARRAY_LEN(cl->settings))
		cl->settings[cl->n_settings++] = argv[*i];
	else
		return err_set(e, ERR_USAGE,
		    "more than %zu settings on the command line; use a file",
		    ARRAY_LEN(cl->settings));
	return 0;
}

static int
read_command_line(int argc, char **argv, struct command_line *cl, struct err *e)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1] != '\0') {
			if (take_option(cl, argc, argv, &i, e) < 0)
				return -1;
		} else if (cl->command == NULL) {
			cl->command = argv[i];
		} else if (cl->action == NULL) {
			cl->action = argv[i];
		} else if (cl->operand == NULL && strcmp(cl->command, "root") == 0) {
			cl->operand = argv[i];
		} else {
			return err_set(e, ERR_USAGE, "too many words: '%.40s'", argv[i]);
		}
	}
	if (cl->command == NULL)
		cl->command = "serve";
	if (cl->config == NULL)
		cl->config = getenv("WARDIAN_CONF");
	return 0;
}

static int
run_settings(const struct command_line *cl, const struct conf *c, struct err *e)
{
	const char *action = cl->action == NULL ? "show" : cl->action;

	if (strcmp(action, "show") == 0)
		conf_print_values(c, stdout);
	else if (strcmp(action, "markdown") == 0)
		conf_print_markdown(stdout);
	else if (strcmp(action, "example") == 0)
		conf_print_example(stdout);
	else
		return err_set(
		    e, ERR_USAGE, "settings knows show, markdown and example, not '%.40s'", action);
	return 0;
}

static int
run_migrate(
    const struct command_line *cl, const struct conf *c, const struct log *log, struct err *e)
{
	const char *action = cl->action == NULL ? "" : cl->action;

	if (strcmp(action, "status") == 0)
		return migrate_run(c, false, log, stdout, e);
	if (strcmp(action, "up") == 0)
		return migrate_run(c, true, log, stdout, e);
	return err_set(e, ERR_USAGE, "say 'wardiand migrate status' or 'wardiand migrate up'");
}

static int
run_bootstrap(
    const struct command_line *cl, const struct conf *c, const struct log *log, struct err *e)
{
	struct bootstrap b = cl->bootstrap;

	if ((b.tenant == NULL) == (b.operator_name == NULL))
		return err_set(e, ERR_USAGE,
		    "say for whom: wardiand bootstrap --tenant NAME, or --operator NAME");
	if (b.key_name == NULL)
		b.key_name = "first";
	return bootstrap_run(c, &b, log, stdout, e);
}

static int
run_root(const struct command_line *cl, const struct conf *c, const struct log *log, struct err *e)
{
	const struct roots_ask q = { .action = cl->action == NULL ? "" : cl->action,
		.operand = cl->operand,
		.force = cl->force };

	return roots_run(c, &q, log, stdout, e);
}

static int
run_command(
    const struct command_line *cl, const struct conf *c, const struct log *log, struct err *e)
{
	if (strcmp(cl->command, "serve") == 0)
		return app_serve(c, log, e);
	if (strcmp(cl->command, "migrate") == 0)
		return run_migrate(cl, c, log, e);
	if (strcmp(cl->command, "settings") == 0)
		return run_settings(cl, c, e);
	if (strcmp(cl->command, "bootstrap") == 0)
		return run_bootstrap(cl, c, log, e);
	if (strcmp(cl->command, "root") == 0)
		return run_root(cl, c, log, e);
	return err_set(
	    e, ERR_USAGE, "there is no command '%.40s'; see wardiand --help", cl->command);
}

static int
make_sink(const struct conf *c, struct log_sink *ret, struct err *e)
{
	if (log_level_parse(c->log_level, &ret->min_level) < 0)
		return err_set(
		    e, ERR_CONF, "log.level is debug, info, warn or error, not '%s'", c->log_level);
	if (strcmp(c->log_format, "json") != 0 && strcmp(c->log_format, "text") != 0)
		return err_set(e, ERR_CONF, "log.format is json or text, not '%s'", c->log_format);
	ret->format = c->log_format[0] == 'j' ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
	return 0;
}

static int
run(int argc, char **argv, const struct log *log, struct log_sink *sink, struct err *e)
{
	struct command_line cl = { 0 };
	struct conf conf = { 0 };
	int rc;

	if (read_command_line(argc, argv, &cl, e) < 0)
		return -1;
	if (cl.version) {
		puts("wardiand " WARDIAN_VERSION);
		return 0;
	}
	if (cl.help) {
		(void)fputs(usage, stdout);
		conf_print_help(stdout);
		return 0;
	}
	if (conf_load(cl.config, environ, cl.n_settings, cl.settings, &conf, e) < 0)
		return -1;
	rc = make_sink(&conf, sink, e);
	if (rc == 0)
		rc = run_command(&cl, &conf, log, e);
	conf_done(&conf);
	return rc;
}

int
main(int argc, char **argv)
{
	struct log_sink sink = {
		.fd = STDERR_FILENO, .min_level = LOG_LEVEL_INFO, .format = LOG_FORMAT_TEXT
	};
	struct log log = { .sink = &sink, .component = "wardiand" };
	struct err e = { 0 };

	if (run(argc, argv, &log, &sink, &e) == 0)
		return 0;
	log_err(&log, LOG_LEVEL_ERROR, &e, "wardiand ends");
	return err_exit_status(e.code);
}
