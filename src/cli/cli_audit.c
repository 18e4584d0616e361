/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_audit_internal.h"

#include <stdio.h>
#include <string.h>

enum { PAGES_MAX = 10000 /* of a server that says for ever that there are more */ };

/* Options that are parameters of the same name. */
static void
put_filters(const struct cli *cli, struct buf *path)
{
	static const char *const names[] = { "--from", "--to", "--actor", "--action", "--resource",
		"--outcome", "--after", "--limit" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = cli_option(cli, names[i]);

		if (value == NULL)
			continue;
		buf_char(path, memchr(path->p, '?', path->n) == NULL ? '?' : '&');
		buf_printf(path, "%s=", names[i] + 2);
		client_escape(value, path);
	}
}

static int
print_entries(const struct json_value *data, struct err *e)
{
	static const char *const heads[] = { "NUMBER", "AT", "ACTOR", "ACTION", "RESOURCE",
		"OUTCOME", "REASON" };
	struct cli_table t;
	int rc;

	cli_table_init(&t, ARRAY_LEN(heads), heads);
	for (size_t i = 0; i < json_count(data); i++) {
		const struct json_value *row = json_at(data, i);
		const struct json_value *actor = json_member(row, "actor");
		const char *name = cli_text(actor, "name");
		int64_t number = 0;
		char text[24];
		const char *cells[] = { text, cli_text(row, "at"),
			name[0] == '\0' ? cli_text(actor, "id") : name, cli_text(row, "action"),
			cli_text(row, "resource"), cli_text(row, "outcome"),
			cli_text(row, "reason") };

		(void)json_get_i64(json_member(row, "number"), &number);       /* 0 else */
		(void)snprintf(text, sizeof(text), "%lld", (long long)number); /* fits */
		cli_table_row(&t, cells);
	}
	rc = cli_table_print(&t, e);
	cli_table_done(&t);
	return rc;
}

/* A page, or the first that has entries: the server looks for what is rare a second at a time. */
int
cli_audit_list(struct cli *cli, struct err *e)
{
	AUTO_BUF cursor = { 0 };
	bool again = true;
	int rc = 0;

	buf_init(&cursor, 4096);
	for (int pages = 0; rc == 0 && again && pages < PAGES_MAX; pages++) {
		AUTO(json) j = NULL;
		AUTO_BUF body = { 0 };
		AUTO_BUF path = { 0 };
		const struct json_value *data;
		const char *next;

		buf_init(&path, 16384);
		buf_str(&path, "/v1/audit");
		put_filters(cli, &path);
		if (cursor.n > 0) {
			buf_str(
			    &path, memchr(path.p, '?', path.n) == NULL ? "?cursor=" : "&cursor=");
			client_escape(cursor.p, &path);
		}
		if (buf_check(&path, e) < 0 || cli_get_json(cli, path.p, &j, &body, e) < 0)
			return -1;
		data = json_member(json_root(j), "data");
		next = cli_text(json_root(j), "next_cursor");
		again = json_count(data) == 0 && next[0] != '\0' &&
			(cursor.n == 0 || strcmp(next, cursor.p) != 0);
		buf_clear(&cursor);
		buf_str(&cursor, next);
		if (again)
			continue;
		if (cli->json)
			cli_print_raw(&body);
		else
			rc = print_entries(data, e);
	}
	return rc;
}

int
cli_audit_export(struct cli *cli, struct err *e)
{
	const char *format = cli_option(cli, "--format");
	AUTO_BUF path = { 0 };

	if (format == NULL)
		format = "ndjson";
	if (strcmp(format, "ndjson") != 0 && strcmp(format, "csv") != 0)
		return err_set(e, ERR_USAGE, "--format is ndjson or csv, not '%.30s'", format);
	buf_init(&path, 8192);
	buf_printf(&path, "/v1/audit?format=%s", format);
	put_filters(cli, &path);
	if (buf_check(&path, e) < 0)
		return -1;
	return cli_download(cli, path.p, cli_option(cli, "--output"), e);
}

int
cli_audit_checkpoints(struct cli *cli, struct err *e)
{
	AUTO_BUF path = { 0 };

	buf_init(&path, 8192);
	buf_str(&path, "/v1/audit/checkpoints");
	put_filters(cli, &path);
	if (buf_check(&path, e) < 0)
		return -1;
	return cli_download(cli, path.p, cli_option(cli, "--output"), e);
}

/* --- verification ----------------------------------------------------------------------------- */

static int
print_problems(const struct json_value *problems, struct err *e)
{
	static const char *const heads[] = { "KIND", "NUMBER", "DETAIL" };
	struct cli_table t;
	int rc;

	cli_table_init(&t, ARRAY_LEN(heads), heads);
	for (size_t i = 0; i < json_count(problems); i++) {
		const struct json_value *row = json_at(problems, i);
		int64_t number = 0;
		char text[24];
		const char *cells[] = { cli_text(row, "kind"), text, cli_text(row, "detail") };

		(void)json_get_i64(json_member(row, "number"), &number);       /* 0 else */
		(void)snprintf(text, sizeof(text), "%lld", (long long)number); /* fits */
		cli_table_row(&t, cells);
	}
	rc = cli_table_print(&t, e);
	cli_table_done(&t);
	return rc;
}

int
cli_audit_print_verdict(struct cli *cli, const struct json_value *verdict, struct err *e)
{
	int64_t first = 0, last = 0, checked = 0, more = 0;
	bool ok = false;

	(void)json_get_bool(json_member(verdict, "ok"), &ok); /* what is absent is not so */
	(void)json_get_i64(json_member(verdict, "first"), &first);
	(void)json_get_i64(json_member(verdict, "last"), &last);
	(void)json_get_i64(json_member(verdict, "problems_not_shown"), &more);
	(void)json_get_i64(json_member(json_member(verdict, "checkpoints"), "checked"), &checked);
	if (!ok)
		cli->exit_status = CLI_AUDIT_NOT_WHOLE;
	if (cli->json)
		return 0; /* printed as it is */
	if (print_problems(json_member(verdict, "problems"), e) < 0)
		return -1;
	if (more > 0)
		printf("and %lld more\n", (long long)more);
	if (ok)
		printf("whole: entries %lld to %lld, head %.64s, %lld checkpoints\n",
		    (long long)first, (long long)last, cli_text(verdict, "head"),
		    (long long)checked);
	return 0;
}

int
cli_audit_verify(struct cli *cli, struct err *e)
{
	const char *file = cli_option(cli, "--file"), *from = cli_option(cli, "--from");
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	AUTO_BUF path = { 0 };

	if (file != NULL)
		return cli_audit_verify_file(cli, file, e);
	if (cli_option(cli, "--checkpoints") != NULL || cli_option(cli, "--key") != NULL)
		return err_set(e, ERR_USAGE,
		    "--checkpoints and --key go with --file; without it the server uses its own");
	buf_init(&path, 4096);
	buf_str(&path, "/v1/audit/verify");
	if (from != NULL) {
		buf_str(&path, "?from=");
		client_escape(from, &path);
	}
	if (buf_check(&path, e) < 0 || cli_get_json(cli, path.p, &j, &body, e) < 0)
		return -1;
	if (cli->json)
		cli_print_raw(&body);
	return cli_audit_print_verdict(cli, json_root(j), e);
}
