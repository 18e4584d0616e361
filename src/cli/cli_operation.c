/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_call_internal.h"

#include <stdio.h>

#define SHOWN                                                                                      \
	"id kind target target_name done stage progress problem created_by created_at updated_at " \
	"ended_at nodes"

static const struct cli_param node[] = {
	{ "NODE", "node", CLI_TEXT, 0 },
	{ 0 },
};

/* --- wait ------------------------------------------------------------------------------------- */

static int
look(struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	AUTO_BUF path = { 0 };
	bool done;

	buf_init(&path, CLI_PATH_BYTES);
	buf_str(&path, "/v1/operations/");
	client_escape(cli->words[0], &path);
	if (buf_check(&path, e) < 0 || cli_get_json(cli, path.p, &j, &body, e) < 0)
		return -1;
	if (!json_get_bool(json_member(json_root(j), "done"), &done))
		return err_set(e, ERR_PROTOCOL, "the server does not say how far it is");
	if (!done)
		return 0;
	if (cli->json)
		cli_print_raw(&body);
	else if (cli_show_fields(json_root(j), SHOWN, e) < 0)
		return -1;
	return 1;
}

int
cli_operation_wait(struct cli *cli, const char *operation, struct err *e)
{
	int64_t timeout_ms;

	cli->words[0] = operation;
	if (cli_timeout_ms(cli, &timeout_ms, e) < 0)
		return -1;
	return cli_poll(cli, look, operation, timeout_ms, e);
}

static int
wait_operation(struct cli *cli, struct err *e)
{
	return cli_operation_wait(cli, cli->words[0], e);
}

static const struct cli_command commands[] = {
	{ "list", cli_call_list, 0, 0, "", CLI_PAGES, "tenants:read",
	    "List long work of the platform", "wardian operation list",
	    { "GET", "/v1/operations", NULL, "id kind target_name stage done problem created_at",
		NULL } },
	{ "get", cli_call_one, 1, 1, "OPERATION", "", "tenants:read",
	    "Show how far an operation is", "wardian operation get opr_01jd...",
	    { "GET", "/v1/operations/{OPERATION}", NULL, SHOWN, NULL } },
	{ "wait", wait_operation, 1, 1, "OPERATION", "--timeout=", "tenants:read",
	    "Wait until an operation is over", "wardian operation wait opr_01jd... --timeout 600",
	    { 0 } },
	{ "waive-node", cli_call_one, 2, 2, "OPERATION NODE", "", "tenants:delete",
	    "Do not wait for a node that is gone for good with its disks",
	    "wardian operation waive-node opr_01jd... 0190a000-0000-7000-8000-000000000001",
	    { "POST", "/v1/operations/{OPERATION}/waive-node", node, SHOWN, NULL } },
};
const struct cli_noun noun_operation = { commands, ARRAY_LEN(commands) };
