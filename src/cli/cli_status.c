/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_internal.h"

#include <stdio.h>

enum { HTTP_READY = 200, HTTP_NOT_READY = 503 };

/* What the part does without: words. */
static void
print_weak(const struct json_value *words)
{
	for (size_t i = 0; i < json_count(words); i++) {
		const char *word = "";

		(void)json_get_text(json_at(words, i), &word);
		printf("%s", i == 0 ? " (lacks: " : ", ");
		cli_print_line(stdout, word);
	}
	if (json_count(words) > 0)
		putchar(')');
}

static void
print_checks(const struct json_value *root)
{
	const struct json_value *checks = json_member(root, "checks");

	for (size_t i = 0; i < json_count(checks); i++) {
		const struct json_value *row = json_at(checks, i);
		bool ok = false;

		(void)json_get_bool(json_member(row, "ok"), &ok);
		printf("  [%s] ", ok ? "ok" : "--");
		cli_print_line(stdout, cli_text(row, "name"));
		if (!ok && cli_text(row, "detail")[0] != '\0') {
			printf(": ");
			cli_print_line(stdout, cli_text(row, "detail"));
		}
		print_weak(json_member(row, "weak"));
		putchar('\n');
	}
}

static void
print_identity(struct cli *cli)
{
	AUTO(json) me = NULL;
	AUTO_BUF me_body = { 0 };
	struct err ignored = { 0 };

	if (cli_get_json(cli, "/v1/me", &me, &me_body, &ignored) == 0) {
		cli_print_field("tenant", cli_text(json_root(me), "tenant_id"));
		cli_print_field("name", cli_text(json_root(me), "tenant_name"));
		cli_print_field("key", cli_text(json_root(me), "key"));
	} else {
		cli_print_field("tenant", "unknown");
		cli_print_field("because", ignored.msg);
	}
}

int
cli_status(struct cli *cli, struct err *e)
{
	AUTO(json) ready = NULL;
	AUTO_BUF body = { 0 };
	struct client_request q = { .method = "GET", .path = "/readyz?verbose=true", .once = true };
	struct client_response r;

	if (client_request(cli->client, &q, &r, e) < 0)
		return -1;
	body = r.body;
	/* Not ready is an answer here, not an error: 503 carries the same document. */
	if (r.status != HTTP_READY && r.status != HTTP_NOT_READY)
		return client_problem(&r, e);
	if (r.status != HTTP_READY)
		cli->exit_status = err_exit_status(ERR_UNAVAILABLE);
	if (json_parse(body.p, body.n, &ready, e) < 0)
		return err_set(e, ERR_PROTOCOL,
		    "the answer of /readyz cannot be read; is this address Wardian's?");
	if (cli->json) {
		cli_print_raw(&body);
		return 0;
	}
	cli_print_field("server", r.status == HTTP_READY ? "ready" : "not ready");
	print_checks(json_root(ready));
	print_identity(cli);
	return 0;
}
