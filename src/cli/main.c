/* SPDX-License-Identifier: Apache-2.0 */
/* wardian: finds the command's row, checks words and options against it, runs it. */
#include "cli_internal.h"
#include "fd.h"
#include "parse.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REQUEST_TIMEOUT_MS = 60000 };

struct command {
	const char *noun, *verb;
	cli_fn *fn;
	size_t least, most;
	const char *words, *options, *summary, *example;
};
static const struct command commands[] = {
#define COMMAND(noun, verb, handler, least, most, words, options, summary, example)                \
	{ noun, verb, handler, least, most, words, options, summary, example },
#include "cli_commands.def"
#undef COMMAND
};

struct globals {
	const char *server, *key_file, *output;
	bool help, version;
};

/* noun NULL: of all. */
static void
print_commands(const char *noun)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (noun != NULL && strcmp(commands[i].noun, noun) != 0)
			continue;
		printf("  %-6s %-9s %-14s %s\n", commands[i].noun, commands[i].verb,
		    commands[i].words, commands[i].summary);
	}
}

static bool
asks_for_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

static void
print_usage(void)
{
	puts("Usage: wardian NOUN VERB [WORDS] [OPTIONS]\n");
	print_commands(NULL);
	puts("\nOptions of every command:\n"
	     "  -o, --output-format table|json   json is the API's answer, unchanged "
	     "(WARDIAN_OUTPUT)\n"
	     "  --server URL                     default http://127.0.0.1:8080 (WARDIAN_URL)\n"
	     "  --api-key-file FILE              file with the API key, - for standard input;\n"
	     "                                   else WARDIAN_API_KEY, else "
	     "~/.config/wardian/api_key\n"
	     "  -h, --help                       help of a command, with an example\n"
	     "  --version\n"
	     "\nExit status: 0 ok, 1 failure, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 "
	     "quota,\n"
	     "7 server unavailable, 8 the job did not succeed.");
}

static void
print_command_help(const struct command *c)
{
	printf("Usage: wardian %s %s %s\n\n%s.\n\nExample:\n  %s\n", c->noun, c->verb, c->words,
	    c->summary, c->example);
	if (c->options[0] != '\0')
		printf("\nOptions (* may be repeated):\n  %s\n", c->options);
}

/* --- options -------------------------------------------------------------------------------- */

const char *
cli_option(const struct cli *cli, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < cli->n_options; i++)
		if (strcmp(cli->options[i].name, name) == 0)
			value = cli->options[i].value;
	return value;
}

bool
cli_flag(const struct cli *cli, const char *name)
{
	return cli_option(cli, name) != NULL;
}

/* Looks a name up in a command's option list: 0 unknown, 1 flag, 2 with a value. */
static int
option_kind(const char *list, const char *name, size_t n)
{
	for (const char *p = list; *p != '\0'; p += strcspn(p, " "), p += strspn(p, " ")) {
		size_t len = strcspn(p, " =");

		if (len == n && strncmp(p, name, n) == 0)
			return p[len] == '=' ? 2 : 1;
	}
	return 0;
}

/* Takes argv[*i] when it is a global option: 1, 0 when it is none, -1 on misuse. */
static int
take_global(struct globals *g, int argc, char **argv, int *i, struct err *e)
{
	const char *word = argv[*i];
	static const struct {
		const char *name, *alias;
		size_t offset;
	} valued[] = {
		{ "--output-format", "-o", offsetof(struct globals, output) },
		{ "--server", "--server", offsetof(struct globals, server) },
		{ "--api-key-file", "--api-key-file", offsetof(struct globals, key_file) },
	};

	if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
		return g->help = true;
	if (strcmp(word, "--version") == 0)
		return g->version = true;
	for (size_t k = 0; k < ARRAY_LEN(valued); k++) {
		const char **value = (const char **)(void *)((char *)g + valued[k].offset);
		size_t n = strlen(valued[k].name);

		if (strncmp(word, valued[k].name, n) == 0 && word[n] == '=') {
			*value = word + n + 1;
			return 1;
		}
		if (strcmp(word, valued[k].name) != 0 && strcmp(word, valued[k].alias) != 0)
			continue;
		if (*i + 1 >= argc)
			return err_set(e, ERR_USAGE, "%s needs a value", word);
		*value = argv[++*i];
		return 1;
	}
	return 0;
}

static int
take_option(const struct command *c, struct cli *cli, int argc, char **argv, int *i, struct err *e)
{
	char *word = argv[*i];
	size_t n = strcspn(word, "=");
	int kind = option_kind(c->options, word, n);
	struct cli_option *o;

	if (kind == 0)
		return err_set(e, ERR_USAGE, "'%s %s' has no option %.60s; it has: %s", c->noun,
		    c->verb, word, c->options[0] == '\0' ? "none" : c->options);
	if (cli->n_options == CLI_OPTIONS)
		return err_set(e, ERR_USAGE, "more than %d options; use --manifest", CLI_OPTIONS);
	o = &cli->options[cli->n_options++];
	*o = (struct cli_option){ .name = word, .value = "" };
	if (kind == 1 && word[n] == '=')
		return err_set(e, ERR_USAGE, "%.*s takes no value", (int)n, word);
	if (kind == 2 && word[n] == '=') {
		word[n] = '\0';
		o->value = word + n + 1;
	} else if (kind == 2) {
		if (*i + 1 >= argc)
			return err_set(e, ERR_USAGE, "%s needs a value", word);
		o->value = argv[++*i];
	}
	return 0;
}

static const struct command *
find_command(const char *noun, const char *verb)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].noun, noun) == 0 &&
		    (commands[i].verb[0] == '\0' || strcmp(commands[i].verb, verb) == 0))
			return &commands[i];
	return NULL;
}

static bool
noun_known(const char *noun)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].noun, noun) == 0)
			return true;
	return false;
}

static int
unknown_command(const char *noun, const char *verb, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].noun, noun) == 0 &&
		    parse_distance(commands[i].verb, verb) <= 2)
			return err_set(e, ERR_USAGE,
			    "there is no command '%.30s %.30s'; did you mean '%s %s'?", noun, verb,
			    noun, commands[i].verb);
	return err_set(
	    e, ERR_USAGE, "there is no command '%.30s %.30s'; see wardian --help", noun, verb);
}

/* --- connection ----------------------------------------------------------------------------- */

static int
read_key(const struct globals *g, char *key, size_t size, struct err *e)
{
	const char *from_env = getenv("WARDIAN_API_KEY");
	const char *home = getenv("HOME");
	char path[512];
	AUTO_FD int fd = -1;
	ssize_t n;

	key[0] = '\0';
	if (g->key_file == NULL && from_env != NULL) {
		(void)snprintf(key, size, "%s", from_env);
		return 0;
	}
	(void)snprintf(path, sizeof(path), "%s/.config/wardian/api_key", home == NULL ? "" : home);
	if (g->key_file != NULL && strcmp(g->key_file, "-") == 0)
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(g->key_file == NULL ? path : g->key_file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return g->key_file == NULL
			   ? 0 /* some routes need no key; the server says so where one is needed */
			   : err_set(e, ERR_USAGE, "the API key file %.200s cannot be read",
				 g->key_file);
	n = fd_read_full(fd, key, size - 1, e);
	if (n < 0)
		return -1;
	key[n] = '\0';
	key[strcspn(key, "\r\n")] = '\0';
	return 0;
}

static int
connect_server(const struct globals *g, struct cli *cli, struct err *e)
{
	const char *from_env = getenv("WARDIAN_URL");
	char key[128];
	struct client_options o = { .server = g->server != NULL ? g->server : from_env,
		.timeout_ms = REQUEST_TIMEOUT_MS };
	int rc;

	if (o.server == NULL)
		o.server = "http://127.0.0.1:8080";
	if (read_key(g, key, sizeof(key), e) < 0)
		return -1;
	o.api_key = key[0] == '\0' ? NULL : key;
	rc = client_new(&o, &cli->client, e);
	explicit_bzero(key, sizeof(key));
	return rc;
}

static int
choose_output(const struct globals *g, struct cli *cli, struct err *e)
{
	const char *want = g->output != NULL ? g->output : getenv("WARDIAN_OUTPUT");

	if (want == NULL || strcmp(want, "table") == 0)
		return 0;
	if (strcmp(want, "json") != 0)
		return err_set(
		    e, ERR_USAGE, "the output format is table or json, not '%.30s'", want);
	cli->json = true;
	return 0;
}

/* --- main
 * ---------------------------------------------------------------------------------------------------
 */

static int
read_arguments(const struct command *c, struct globals *g, struct cli *cli, int argc, char **argv,
    struct err *e)
{
	bool only_words = false;

	for (int i = 1 + (c->verb[0] == '\0' ? 1 : 2); i < argc; i++) {
		int taken = 0;

		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
			continue;
		}
		if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0')
			taken = take_global(g, argc, argv, &i, e);
		if (taken < 0)
			return -1;
		if (taken == 1)
			continue;
		if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
			if (take_option(c, cli, argc, argv, &i, e) < 0)
				return -1;
		} else if (cli->n_words < c->most) {
			cli->words[cli->n_words++] = argv[i];
		} else {
			return err_set(e, ERR_USAGE, "'%s %s' takes at most %zu words: %s", c->noun,
			    c->verb, c->most, c->words);
		}
	}
	if (!g->help && !g->version && cli->n_words < c->least)
		return err_set(e, ERR_USAGE, "'%s %s' needs: %s", c->noun, c->verb, c->words);
	return 0;
}

static int
run(struct cli *cli, int argc, char **argv, struct err *e)
{
	const char *verb = argc > 2 ? argv[2] : "";
	struct globals g = { 0 };
	const struct command *c;

	if (argc < 2 || asks_for_help(argv[1])) {
		print_usage();
		cli->exit_status = argc < 2 ? err_exit_status(ERR_USAGE) : 0;
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		puts("wardian " WARDIAN_VERSION);
		return 0;
	}
	c = find_command(argv[1], verb);
	if (c == NULL && noun_known(argv[1]) && asks_for_help(verb)) {
		print_commands(argv[1]);
		return 0;
	}
	if (c == NULL)
		return unknown_command(argv[1], verb, e);
	if (read_arguments(c, &g, cli, argc, argv, e) < 0)
		return -1;
	if (g.help) {
		print_command_help(c);
		return 0;
	}
	if (g.version) {
		puts("wardian " WARDIAN_VERSION);
		return 0;
	}
	if (choose_output(&g, cli, e) < 0 || connect_server(&g, cli, e) < 0)
		return -1;
	return c->fn(cli, e);
}

/* Messages quote servers and arguments: nothing in them may drive the terminal. */
static void
print_error(const struct err *e)
{
	(void)fprintf(stderr, "wardian: ");
	cli_print_line(stderr, e->msg);
	(void)fprintf(stderr, " (%s)\n", err_slug(e->code));
	for (uint32_t i = 0; i < e->n_fields; i++) {
		(void)fprintf(stderr, "  ");
		cli_print_line(stderr, e->fields[i].name[0] == '\0' ? "/" : e->fields[i].name);
		(void)fprintf(stderr, ": ");
		cli_print_line(stderr, e->fields[i].msg);
		(void)fprintf(stderr, "\n");
	}
}

/* A standard descriptor that the caller closed would be given to the next socket, and what is
 * printed would go to the server.  In its place comes one that fails: read-only for output. */
static void
fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC) != fd)
			abort(); /* without /dev/null there is nothing safe to do */
}

/* The reader of our output has left: end like other programs in a pipeline. */
static void
end_when_reader_left(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	if (poll(&out, 1, 0) != 1 || (out.revents & POLLERR) == 0)
		return;
	(void)signal(SIGPIPE, SIG_DFL); /* cannot fail for a valid signal */
	(void)raise(SIGPIPE);
}

int
main(int argc, char **argv)
{
	struct cli cli = { 0 };
	struct err e = { 0 };
	int rc;

	fill_standard_descriptors();
	(void)signal(SIGPIPE, SIG_IGN); /* see client.h */
	json_start();
	rc = run(&cli, argc, argv, &e);
	client_free(cli.client);
	if (rc == 0)
		rc = cli_flush(&e);
	if (rc == 0)
		return cli.exit_status;
	if (e.code == ERR_SYSTEM)
		end_when_reader_left();
	print_error(&e);
	return err_exit_status(e.code);
}
