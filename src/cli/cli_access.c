/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_call_internal.h"

#include <stdio.h>

static const struct cli_param question[] = {
	{ "PERMISSION", "permission", CLI_TEXT, 0 },
	{ "--project", "project", CLI_ID, 0 },
	{ "--user", "user", CLI_ID, 0 },
	{ "--key", "key", CLI_ID, 0 },
	{ 0 },
};

/* The exit status answers, too: 4 is that of what is not allowed. */
static int
check(struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	bool allowed = false;

	if (cli_call_send(cli, &cli->command->call, &body, e) < 0)
		return -1;
	if (cli->json)
		cli_print_raw(&body);
	if (cli_parse(&body, &j, e) < 0)
		return -1;
	(void)json_get_bool(json_member(json_root(j), "allowed"), &allowed); /* no, else */
	if (!allowed)
		cli->exit_status = err_exit_status(ERR_DENIED);
	if (cli->json)
		return 0;
	cli_print_line(stdout, cli_text(json_root(j), "sentence"));
	putchar('\n');
	return 0;
}

static const struct cli_command commands[] = {
	{ "check", check, 1, 1, "PERMISSION", "", "",
	    "Say whether something is allowed, and why; exit status 4 when it is not",
	    "wardian access check job:create --user alice --project wing",
	    { "POST", "/v1/access/check", question, NULL, NULL } },
};
const struct cli_noun noun_access = { commands, ARRAY_LEN(commands) };
