/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_call_internal.h"

int
cli_env_list(struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };

	if (cli_get_json(cli, "/v1/environments", &j, &body, e) < 0)
		return -1;
	if (cli->json) {
		cli_print_raw(&body);
		return 0;
	}
	return cli_show_rows(json_member(json_root(j), "data"), "name available package title", e);
}

int
cli_env_get(struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	AUTO_BUF path = { 0 };

	buf_init(&path, CLI_PATH_BYTES);
	buf_str(&path, "/v1/environments/");
	client_escape(cli->words[0], &path);
	if (buf_check(&path, e) < 0 || cli_get_json(cli, path.p, &j, &body, e) < 0)
		return -1;
	if (cli->json) {
		cli_print_raw(&body);
		return 0;
	}
	if (cli_show_fields(json_root(j), "name title package available description", e) < 0)
		return -1;
	return cli_show_rows(json_member(json_root(j), "parameters"),
	    "name:parameter type required default title", e);
}
