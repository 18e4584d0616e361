/* SPDX-License-Identifier: Apache-2.0 */
/* wardian: finds the command's row, checks words and options against it, runs it. */
#include "cli_command_internal.h"
#include "cli_store_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool
asks_for_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

static int
print_version(void)
{
	puts("wardian " WARDIAN_VERSION);
	return 0;
}

static int
run_command(struct cli *cli, struct err *e)
{
	if (cli->command->needs == NULL ? cli_choose_output(cli, e) < 0 : cli_connect(cli, e) < 0)
		return -1;
	return cli->command->fn(cli, e);
}

static int
run(struct cli *cli, int argc, char **argv, struct err *e)
{
	const char *verb = argc > 2 ? argv[2] : "";

	if (argc < 2 || asks_for_help(argv[1])) {
		cli_print_usage();
		cli->exit_status = argc < 2 ? err_exit_status(ERR_USAGE) : 0;
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0)
		return print_version();
	cli->noun = argv[1];
	cli->command = cli_command_find(argv[1], verb);
	if (cli->command == NULL && cli_noun_known(argv[1]) && asks_for_help(verb)) {
		cli_print_commands(argv[1]);
		return 0;
	}
	if (cli->command == NULL)
		return cli_command_unknown(argv[1], verb, e);
	if (cli_read_arguments(cli, argc, argv, e) < 0)
		return -1;
	if (cli->globals.version)
		return print_version();
	if (!cli->globals.help)
		return run_command(cli, e);
	cli_print_help(argv[1], cli->command);
	return 0;
}

/* --- errors ----------------------------------------------------------------------------------- */

/* Messages quote servers and arguments: nothing in them may drive the terminal. */
static void
print_error(const struct err *e, const char *request)
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
	if (request[0] == '\0')
		return;
	(void)fprintf(stderr, "  request id: ");
	cli_print_line(stderr, request);
	(void)fprintf(stderr, "\n");
}

/* With -o json, one line for programs. */
static void
print_error_json(const struct err *e, const char *request)
{
	struct json_out o;
	AUTO_BUF text = { 0 };

	buf_init(&text, 64 << 10); /* an error has bounded texts */
	json_out_init(&o, &text);
	json_out_begin(&o);
	json_put_text(&o, "code", err_slug(e->code));
	json_put_text(&o, "title", err_title(e->code));
	json_put_text(&o, "detail", e->msg);
	json_put_text(&o, "request_id", request[0] == '\0' ? NULL : request);
	json_out_key(&o, "errors");
	json_out_begin_array(&o);
	for (uint32_t i = 0; i < e->n_fields; i++) {
		json_out_begin(&o);
		json_put_text(&o, "name", e->fields[i].name);
		json_put_text(&o, "detail", e->fields[i].msg);
		json_out_end(&o);
	}
	json_out_end_array(&o);
	json_out_end(&o);
	cli_print_line(stderr, text.p);
	(void)fprintf(stderr, "\n");
}

/* A command line that could not be read may have asked for JSON all the same. */
static void
report(struct cli *cli, const struct err *e)
{
	const char *request = cli->client == NULL ? "" : client_failed_request(cli->client);
	struct err ignored = { 0 };

	if (cli->client == NULL && cli_choose_output(cli, &ignored) < 0)
		cli->json = false;
	if (cli->json)
		print_error_json(e, request);
	else
		print_error(e, request);
}

/* --- main ------------------------------------------------------------------------------------- */

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
	if (rc == 0)
		rc = cli_flush(&e);
	if (rc < 0 && e.code == ERR_SYSTEM)
		end_when_reader_left();
	if (rc < 0)
		report(&cli, &e);
	client_free(cli.client);
	cli_store_free(cli.store);
	return rc < 0 ? err_exit_status(e.code) : cli.exit_status;
}
