/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_internal.h"

#include <stdio.h>

static void
print_checks(const struct json_value *root)
{
	const struct json_value *checks = json_member(root, "checks");

	for (size_t i = 0; i < json_count(checks); i++) {
		const struct json_value *row = json_at(checks, i);
		bool ok = false;

		(void)json_get_bool(json_member(row, "ok"), &ok);
		printf("  [%s] %s", ok ? "ok" : "--", cli_text(row, "name"));
		if (!ok && cli_text(row, "detail")[0] != '\0')
			printf(": %s", cli_text(row, "detail"));
		putchar('\n');
	}
}

int
cli_status(struct cli *cli, struct err *e)
{
	AUTO(json) ready = NULL;
	AUTO(json) me = NULL;
	AUTO_BUF ready_body = { 0 };
	AUTO_BUF me_body = { 0 };
	struct client_request q = { .method = "GET", .path = "/readyz?verbose=true" };
	struct client_response r;
	struct err ignored = { 0 };

	/* Not ready is an answer here, not an error: 503 carries the same document. */
	if (client_request(cli->client, &q, &r, e) < 0)
		return -1;
	ready_body = r.body;
	if (cli->json)
		return cli_print_raw(&ready_body, e);
	if (json_parse(ready_body.p, ready_body.n, &ready, e) < 0)
		return err_wrap(e, "the answer of /readyz");
	printf("server         %s\n", r.status == 200 ? "ready" : "not ready");
	print_checks(json_root(ready));
	if (cli_get_json(cli, "/v1/me", &me, &me_body, &ignored) == 0) {
		cli_print_field("tenant", cli_text(json_root(me), "tenant_id"));
		cli_print_field("name", cli_text(json_root(me), "tenant_name"));
		cli_print_field("key", cli_text(json_root(me), "key"));
	} else {
		printf("tenant         unknown: %s\n", ignored.msg);
	}
	if (r.status != 200)
		cli->exit_status = err_exit_status(ERR_UNAVAILABLE);
	return 0;
}
