/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_call_internal.h"
#include "cli_store_internal.h"

#include <stdio.h>
#include <string.h>

static const char columns[] = "current name server project output credential";

/* --- show ------------------------------------------------------------------------------------- */

static const char *
credential_kind(const struct cli_context *c)
{
	if (c->api_key != NULL)
		return "api_key";
	return c->token != NULL ? "token" : NULL;
}

static const char *
text_or_null(const char *text)
{
	return text[0] == '\0' ? NULL : text;
}

static void
put_context(const struct cli_store *s, const struct cli_context *c, struct json_out *o)
{
	json_out_begin(o);
	json_put_text(o, "name", c->name);
	json_put_bool(o, "current", strcmp(s->current, c->name) == 0);
	json_put_text(o, "server", text_or_null(c->server));
	json_put_text(o, "project", text_or_null(c->project));
	json_put_text(o, "output", text_or_null(c->output));
	json_put_text(o, "credential", credential_kind(c));
	json_put_text(o, "expires_at", text_or_null(c->expires_at));
	json_out_end(o);
}

/* The same for a table as for a program. */
static int
print_document(struct cli *cli, struct buf *text, bool rows, struct err *e)
{
	AUTO(json) j = NULL;

	if (buf_check(text, e) < 0)
		return -1;
	if (cli->json) {
		cli_print_raw(text);
		return 0;
	}
	if (json_parse(text->p, text->n, &j, e) < 0)
		return -1;
	return rows ? cli_show_rows(json_member(json_root(j), "data"), columns, e)
		    : cli_show_fields(json_root(j),
			  "name current server project output credential expires_at", e);
}

static int
list(struct cli *cli, struct err *e)
{
	AUTO(cli_store) s = NULL;
	struct json_out o;
	AUTO_BUF text = { 0 };

	if (cli_store_open(&s, e) < 0)
		return -1;
	buf_init(&text, 1 << 20);
	json_out_init(&o, &text);
	json_out_begin(&o);
	json_out_key(&o, "data");
	json_out_begin_array(&o);
	for (size_t i = 0; i < s->n; i++)
		if (s->contexts[i].listed)
			put_context(s, &s->contexts[i], &o);
	json_out_end_array(&o);
	json_out_end(&o);
	return print_document(cli, &text, true, e);
}

static int
show(struct cli *cli, struct err *e)
{
	AUTO(cli_store) s = NULL;
	struct cli_context *c;
	struct json_out o;
	const char *name;
	AUTO_BUF text = { 0 };

	if (cli_store_open(&s, e) < 0)
		return -1;
	name = cli->n_words > 0 ? cli->words[0] : cli_context_chosen(cli, s);
	if (name[0] == '\0')
		return err_set(e, ERR_NOT_FOUND,
		    "no context is in use; see wardian context list and wardian context use");
	if (cli_context_get(s, name, &c, e) < 0)
		return -1;
	buf_init(&text, 1 << 20);
	json_out_init(&o, &text);
	put_context(s, c, &o);
	return print_document(cli, &text, false, e);
}

/* --- change ----------------------------------------------------------------------------------- */

static int
use(struct cli *cli, struct err *e)
{
	AUTO(cli_store) s = NULL;
	struct cli_context *c;

	if (cli_store_open_locked(&s, e) < 0 || cli_context_get(s, cli->words[0], &c, e) < 0)
		return -1;
	memcpy(s->current, c->name, sizeof(c->name));
	if (cli_store_save(s, e) < 0)
		return -1;
	cli_say("%s is used from now on", c->name);
	return 0;
}

/* Members that are not given stay as they are. */
static int
fill(const struct cli *cli, struct cli_context *c, struct err *e)
{
	const struct {
		const char *text, *what;
		char *member;
		size_t size;
	} given[] = {
		{ cli->globals.server, "--server", c->server, sizeof(c->server) },
		{ cli_option(cli, "--project"), "--project", c->project, sizeof(c->project) },
		{ cli_option(cli, "--output"), "--output", c->output, sizeof(c->output) },
	};

	for (size_t i = 0; i < ARRAY_LEN(given); i++)
		if (given[i].text != NULL && cli_context_set(given[i].member, given[i].size,
						 given[i].text, given[i].what, e) < 0)
			return -1;
	if (c->server[0] == '\0' || strncmp(c->server, "http", 4) != 0)
		return err_set(
		    e, ERR_USAGE, "--server must be a URL like https://wardian.example.com");
	if (c->output[0] != '\0' && strcmp(c->output, "table") != 0 &&
	    strcmp(c->output, "json") != 0)
		return err_set(e, ERR_USAGE, "--output is table or json, not '%.30s'", c->output);
	return 0;
}

/* A credential goes to the server that it was stored for: another server, no credential. */
static int
add(struct cli *cli, struct err *e)
{
	AUTO(cli_store) s = NULL;
	struct cli_context *c;
	char before[CLI_SERVER_SIZE];

	if (cli_store_open_locked(&s, e) < 0 || cli_context_put(s, cli->words[0], &c, e) < 0)
		return -1;
	if (c->listed && !cli_flag(cli, "--replace"))
		return err_set(e, ERR_NAME_TAKEN,
		    "there is a context '%s' already; --replace changes it", c->name);
	memcpy(before, c->server, sizeof(before));
	if (fill(cli, c, e) < 0)
		return -1;
	if (strcmp(before, c->server) != 0)
		cli_context_forget(c);
	c->listed = true;
	if (s->current[0] == '\0')
		memcpy(s->current, c->name, sizeof(c->name));
	if (cli_store_save(s, e) < 0)
		return -1;
	if (credential_kind(c) == NULL)
		cli_say(
		    "%s is added; log in with: wardian auth login --context %s", c->name, c->name);
	return 0;
}

static int
drop(struct cli *cli, struct err *e)
{
	AUTO(cli_store) s = NULL;
	struct cli_context *c;

	if (cli_store_open_locked(&s, e) < 0 || cli_context_get(s, cli->words[0], &c, e) < 0)
		return -1;
	if (credential_kind(c) != NULL)
		cli_say("its credential is forgotten here and still valid; wardian auth logout "
			"--revoke would have revoked it");
	cli_context_remove(s, c);
	return cli_store_save(s, e);
}

static const struct cli_command commands[] = {
	{ "list", list, 0, 0, "", "", NULL, "List contexts: servers with their credentials",
	    "wardian context list", { 0 } },
	{ "show", show, 0, 1, "[NAME]", "", NULL, "Show a context, or the one in use",
	    "wardian context show prod", { 0 } },
	{ "use", use, 1, 1, "NAME", "", NULL, "Use a context from now on",
	    "wardian context use prod", { 0 } },
	{ "add", add, 1, 1, "NAME", "--project= --output= --replace", NULL,
	    "Add a context for the server that --server names; jobs go to --project",
	    "wardian context add prod --server https://wardian.example.com --project wing", { 0 } },
	{ "remove", drop, 1, 1, "NAME", "", NULL, "Remove a context with its credential",
	    "wardian context remove prod", { 0 } },
};
const struct cli_noun noun_context = { commands, ARRAY_LEN(commands) };
