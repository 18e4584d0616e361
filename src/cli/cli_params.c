/* SPDX-License-Identifier: Apache-2.0 */
/* Words and options of a call as parts of its request: path, query, body. */
#include "cli_call_internal.h"

#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 64 };

/* --- words and options by name ---------------------------------------------------------------- */

/* "PROJECT" in "[ENVIRONMENT] PROJECT NAME=AMOUNT..." */
const char *
cli_word(const struct cli *cli, const char *name)
{
	size_t n = strlen(name), i = 0;

	for (const char *p = cli->command->words; *p != '\0' && i < cli->n_words; i++) {
		const char *at = p + (*p == '[');
		size_t len = strcspn(at, " ].");

		if (len == n && strncmp(at, name, n) == 0)
			return cli->words[i];
		p += strcspn(p, " ");
		p += strspn(p, " ");
	}
	return NULL;
}

const char *
cli_param_value(const struct cli *cli, const struct cli_param *p)
{
	if (p->option[0] == '\0')
		return "";
	return p->option[0] == '-' ? cli_option(cli, p->option) : cli_word(cli, p->option);
}

/* The last part of "owner/name", "?project". */
const char *
cli_param_kind(const struct cli_param *p)
{
	const char *slash = strrchr(p->member, '/');

	return slash != NULL ? slash + 1 : p->member + (p->member[0] == '?');
}

/* --- path and query --------------------------------------------------------------------------- */

static char
lower(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c;
}

/* "{PROJECT}": the word of that name; an id where "project" is a kind of thing. */
static int
put_word(struct cli *cli, const char *name, struct buf *out, struct err *e)
{
	const char *word = cli_word(cli, name);
	char kind[NAME_SIZE], id[CLI_ID_SIZE];
	size_t n = strlen(name);

	REQUIRE(word != NULL && n < sizeof(kind)); /* rows name words that must be given */
	for (size_t i = 0; i <= n; i++)
		kind[i] = lower(name[i]);
	if (!cli_kind_known(kind, n)) {
		client_escape(word, out);
		return 0;
	}
	if (cli_resolve(cli, kind, word, id, e) < 0)
		return -1;
	client_escape(id, out);
	return 0;
}

static int
put_path(struct cli *cli, const char *template, struct buf *out, struct err *e)
{
	for (const char *p = template; *p != '\0';) {
		size_t n = strcspn(p, "{"), len;
		char name[NAME_SIZE];

		buf_append(out, p, n);
		p += n;
		if (*p == '\0')
			break;
		len = strcspn(++p, "}");
		cli_piece(name, sizeof(name), p, len);
		if (put_word(cli, name, out, e) < 0)
			return -1;
		p += len + 1;
	}
	return 0;
}

static int
put_query(struct cli *cli, const struct cli_param *p, struct buf *out, struct err *e)
{
	const char *text = cli_param_value(cli, p);
	char id[CLI_ID_SIZE];
	bool yes;

	if (text == NULL)
		return 0;
	if (p->type == CLI_ID && cli_resolve(cli, cli_param_kind(p), text, id, e) < 0)
		return -1;
	if (p->type == CLI_ID)
		text = id;
	if (p->type == CLI_SWITCH && cli_switch(text, &yes, e) < 0)
		return err_wrap(e, "%s", p->option);
	if (p->type == CLI_SWITCH)
		text = yes ? "true" : "false";
	if (p->type == CLI_PRESENT)
		text = "true";
	cli_query(out, p->member + 1, text);
	return 0;
}

int
cli_call_path(struct cli *cli, const struct cli_call *call, struct buf *out, struct err *e)
{
	buf_init(out, CLI_PATH_BYTES);
	if (put_path(cli, call->path, out, e) < 0)
		return -1;
	for (const struct cli_param *p = call->params; p != NULL && p->type != CLI_PARAMS_END; p++)
		if (p->member[0] == '?' && put_query(cli, p, out, e) < 0)
			return -1;
	return buf_check(out, e);
}
