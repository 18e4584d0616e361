/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_internal.h"

#include <stdio.h>

static const char *
available_text(const struct json_value *v)
{
	bool available = false;

	(void)json_get_bool(json_member(v, "available"), &available);
	return available ? "yes" : "no";
}

int
cli_env_list(struct cli *cli, struct err *e)
{
	static const char *const heads[] = { "NAME", "AVAILABLE", "PACKAGE", "TITLE" };
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	const struct json_value *data;
	struct cli_table t;
	int rc;

	if (cli_get_json(cli, "/v1/environments", &j, &body, e) < 0)
		return -1;
	if (cli->json) {
		cli_print_raw(&body);
		return 0;
	}
	data = json_member(json_root(j), "data");
	cli_table_init(&t, ARRAY_LEN(heads), heads);
	for (size_t i = 0; i < json_count(data); i++) {
		const struct json_value *row = json_at(data, i);
		const char *cells[] = { cli_text(row, "name"), available_text(row),
			cli_text(row, "package"), cli_text(row, "title") };

		cli_table_row(&t, cells);
	}
	rc = cli_table_print(&t, e);
	cli_table_done(&t);
	return rc;
}

static int
print_parameters(const struct json_value *params, struct err *e)
{
	static const char *const heads[] = { "PARAMETER", "TYPE", "REQUIRED", "DEFAULT", "TITLE" };
	struct cli_table t;
	int rc;

	cli_table_init(&t, ARRAY_LEN(heads), heads);
	for (size_t i = 0; i < json_count(params); i++) {
		const struct json_value *row = json_at(params, i);
		bool required = false;
		const char *cells[] = { cli_text(row, "name"), cli_text(row, "type"), "no",
			cli_text(row, "default"), cli_text(row, "title") };

		(void)json_get_bool(json_member(row, "required"), &required);
		if (required)
			cells[2] = "yes";
		cli_table_row(&t, cells);
	}
	rc = cli_table_print(&t, e);
	cli_table_done(&t);
	return rc;
}

int
cli_env_get(struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	AUTO_BUF path;

	buf_init(&path, 4096);
	buf_str(&path, "/v1/environments/");
	client_escape(cli->words[0], &path);
	if (buf_check(&path, e) < 0 || cli_get_json(cli, path.p, &j, &body, e) < 0)
		return -1;
	if (cli->json) {
		cli_print_raw(&body);
		return 0;
	}
	cli_print_field("name", cli_text(json_root(j), "name"));
	cli_print_field("title", cli_text(json_root(j), "title"));
	cli_print_field("package", cli_text(json_root(j), "package"));
	cli_print_field("available", available_text(json_root(j)));
	cli_print_field("description", cli_text(json_root(j), "description"));
	return print_parameters(json_member(json_root(j), "parameters"), e);
}
