/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a call: each member from a word or an option, by its type. */
#include "cli_call_internal.h"

#include "caps.h"
#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NAME_SIZE = 256, DURATION_MAX_S = INT32_MAX };

int
cli_switch(const char *text, bool *ret, struct err *e)
{
	static const struct {
		const char *text;
		bool yes;
	} words[] = { { "yes", true }, { "no", false }, { "true", true }, { "false", false } };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i].text, text) == 0) {
			*ret = words[i].yes;
			return 0;
		}
	return err_set(e, ERR_USAGE, "say yes or no, not '%.30s'", text);
}

int
cli_read_file(const char *path, struct buf *out, struct err *e)
{
	/* Links are followed, as everywhere on a command line. */
	AUTO_FD int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
						: open(path, O_RDONLY | O_CLOEXEC);
	char *room;
	ssize_t n;

	if (fd < 0)
		return err_sys(e, errno, "%.200s cannot be read", path);
	buf_init(out, CAP_BODY_BYTES + 1);
	room = buf_room(out, CAP_BODY_BYTES + 1);
	if (room == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory to read %.200s", path);
	n = fd_read_full(fd, room, CAP_BODY_BYTES + 1, e);
	if (n < 0)
		return err_wrap(e, "%.200s", path);
	if (n > CAP_BODY_BYTES)
		return err_set(e, ERR_TOO_LARGE,
		    "%.200s is larger than %d KiB, the most that a request takes", path,
		    CAP_BODY_BYTES >> 10);
	buf_grown(out, (size_t)n);
	return 0;
}

/* --- values of one text ----------------------------------------------------------------------- */

struct value {
	struct cli *cli;
	const struct cli_param *param;
	const char *text;
	struct json_out *o;
};
typedef int put_fn(const struct value *v, struct err *e);

static int
put_text(const struct value *v, struct err *e)
{
	(void)e;
	json_out_text(v->o, v->text);
	return 0;
}

static int
put_integer(const struct value *v, struct err *e)
{
	int64_t number;

	if (parse_i64(v->text, INT64_MIN, INT64_MAX, &number, e) < 0)
		return -1;
	json_out_i64(v->o, number);
	return 0;
}

static int
put_duration(const struct value *v, struct err *e)
{
	int64_t ms;

	if (parse_duration_ms(v->text, 0, (int64_t)DURATION_MAX_S * 1000, &ms, e) < 0)
		return -1;
	json_out_i64(v->o, ms / 1000);
	return 0;
}

static int
put_switch(const struct value *v, struct err *e)
{
	bool yes = v->param->type != CLI_FALSE;

	if (v->param->type == CLI_SWITCH && cli_switch(v->text, &yes, e) < 0)
		return -1;
	json_out_bool(v->o, yes);
	return 0;
}

/* What the file holds is the server's to judge, but it must not break the body around it. */
static int
put_file(const struct value *v, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF content = { 0 };

	if (cli_read_file(v->text, &content, e) < 0)
		return -1;
	if (json_parse(content.p, content.n, &j, e) < 0)
		return err_wrap(e, "%.100s", v->text);
	json_out_raw(v->o, content.p);
	return 0;
}

static int
put_id(const struct value *v, struct err *e)
{
	char id[CLI_ID_SIZE];

	if (cli_resolve(v->cli, cli_param_kind(v->param), v->text, id, e) < 0)
		return -1;
	json_out_text(v->o, id);
	return 0;
}

/* --- elements of lists ------------------------------------------------------------------------ */

/* ROLE or ROLE@PROJECT as the two members of an object that is open. */
static int
put_role_members(const struct value *v, const char *text, struct err *e)
{
	size_t n = strcspn(text, "@");
	char role[NAME_SIZE], project[CLI_ID_SIZE];

	if (n == 0 || n >= sizeof(role) || (text[n] == '@' && text[n + 1] == '\0'))
		return err_set(e, ERR_USAGE, "a role is ROLE or ROLE@PROJECT, not '%.60s'", text);
	if (text[n] == '@' && cli_resolve(v->cli, "project", text + n + 1, project, e) < 0)
		return -1;
	cli_piece(role, sizeof(role), text, n);
	json_put_text(v->o, "role", role);
	json_put_text(v->o, "project", text[n] == '@' ? project : NULL);
	return 0;
}

static int
put_role(const struct value *v, struct err *e)
{
	json_out_begin(v->o);
	if (put_role_members(v, v->text, e) < 0)
		return -1;
	json_out_end(v->o);
	return 0;
}

/* Any JSON value; it must not break the body around it. */
static int
put_json(struct json_out *o, const char *name, const char *text, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF document = { 0 };

	buf_init(&document, CAP_BODY_BYTES);
	buf_printf(&document, "[%s]", text); /* documents are objects or lists */
	if (buf_check(&document, e) < 0 || json_parse(document.p, document.n, &j, e) < 0)
		return -1;
	if (json_count(json_root(j)) != 1)
		return err_set(e, ERR_USAGE, "one JSON value is wanted, not '%.60s'", text);
	json_put_raw(o, name, text);
	return 0;
}

/* "CLAIM=TEXT" or "CLAIM:=JSON", n bytes of it, as members of an object that is open. */
static int
put_claim(const struct value *v, const char *text, size_t n, struct err *e)
{
	const char *equals = memchr(text, '=', n);
	char claim[NAME_SIZE], value[NAME_SIZE];
	bool raw;

	if (n == 1 && text[0] == '*') { /* holds always */
		json_put_text(v->o, "claim", "*");
		return 0;
	}
	if (equals == NULL || n >= NAME_SIZE)
		return err_set(e, ERR_USAGE, "what must hold is CLAIM=TEXT, CLAIM:=JSON or *");
	raw = equals > text && equals[-1] == ':';
	cli_piece(claim, sizeof(claim), text, (size_t)(equals - raw - text));
	cli_piece(value, sizeof(value), equals + 1, (size_t)(text + n - equals - 1));
	json_put_text(v->o, "claim", claim);
	if (raw)
		return put_json(v->o, "value", value, e);
	json_put_text(v->o, "value", value);
	return 0;
}

/* Values may hold colons (urn:...), roles do not. */
static int
put_rule(const struct value *v, struct err *e)
{
	const char *colon = strrchr(v->text, ':');

	if (colon == NULL || colon == v->text || colon[1] == '=')
		return err_set(
		    e, ERR_USAGE, "a rule is CLAIM=VALUE:ROLE[@PROJECT], not '%.60s'", v->text);
	json_out_begin(v->o);
	if (put_claim(v, v->text, (size_t)(colon - v->text), e) < 0 ||
	    put_role_members(v, colon + 1, e) < 0)
		return -1;
	json_out_end(v->o);
	return 0;
}

/* "a,b" are two. */
static int
put_several(const struct value *v, struct err *e)
{
	const char *text = v->text;

	for (;;) {
		size_t n = strcspn(text, ",");

		if (n == 0)
			return err_set(e, ERR_USAGE, "a value is missing");
		json_out_text_n(v->o, text, n);
		if (text[n] == '\0')
			return 0;
		text += n + 1;
	}
}

/* --- members ---------------------------------------------------------------------------------- */

struct writer {
	put_fn *put;
	bool list; /* all values that were given, in an array */
};
static const struct writer writers[] = {
	[CLI_TEXT] = { put_text, false },
	[CLI_INTEGER] = { put_integer, false },
	[CLI_DURATION] = { put_duration, false },
	[CLI_SWITCH] = { put_switch, false },
	[CLI_PRESENT] = { put_switch, false },
	[CLI_TRUE] = { put_switch, false },
	[CLI_FALSE] = { put_switch, false },
	[CLI_LIST] = { put_several, true },
	[CLI_ROLES] = { put_role, true },
	[CLI_RULES] = { put_rule, true },
	[CLI_FILE] = { put_file, false },
	[CLI_ID] = { put_id, false },
};

static int
put_list(const struct value *v, struct err *e)
{
	struct value each = *v;

	json_out_begin_array(v->o);
	for (size_t i = 0; i < v->cli->n_options; i++) {
		each.text = v->cli->options[i].value;
		if (strcmp(v->cli->options[i].name, v->param->option) == 0 &&
		    writers[v->param->type].put(&each, e) < 0)
			return -1;
	}
	json_out_end_array(v->o);
	return 0;
}

/* --- null ------------------------------------------------------------------------------------- */

/* Whether the next of the names with commas between is `name`; *list goes behind it. */
static bool
next_is(const char **list, const char *name)
{
	size_t n = strcspn(*list, ",");
	bool same = strlen(name) == n && strncmp(*list, name, n) == 0;

	*list += n + ((*list)[n] == ',');
	return same;
}

/* Whether --clear, which may be repeated, names the option (without its dashes). */
static bool
cleared(const struct cli *cli, const struct cli_param *p)
{
	if (p->option[0] != '-')
		return false;
	for (size_t i = 0; i < cli->n_options; i++) {
		const char *list = cli->options[i].value;

		if (strcmp(cli->options[i].name, "--clear") != 0)
			continue;
		while (*list != '\0')
			if (next_is(&list, p->option + 2))
				return true;
	}
	return false;
}

static const struct cli_param *
find_param(const struct cli_call *call, const char *name, size_t n)
{
	for (const struct cli_param *p = call->params; p->type != CLI_PARAMS_END; p++)
		if (p->option[0] == '-' && strlen(p->option + 2) == n &&
		    strncmp(p->option + 2, name, n) == 0)
			return p;
	return NULL;
}

static int
check_clear(const struct cli *cli, const struct cli_call *call, struct err *e)
{
	for (size_t i = 0; i < cli->n_options; i++) {
		const char *list = cli->options[i].value;

		if (strcmp(cli->options[i].name, "--clear") != 0)
			continue;
		for (size_t n; *list != '\0'; list += n + (list[n] == ',')) {
			const struct cli_param *p;

			n = strcspn(list, ",");
			p = find_param(call, list, n);
			if (p == NULL || (p->flags & CLI_CLEARABLE) == 0)
				return err_set(e, ERR_USAGE, "--clear: '%.*s' cannot be cleared",
				    (int)n, list);
			if (cli_param_value(cli, p) != NULL)
				return err_set(
				    e, ERR_USAGE, "%s is given and cleared at once", p->option);
		}
	}
	return 0;
}

/* --- the body --------------------------------------------------------------------------------- */

static int
put_member(const struct value *v, const char *name, struct err *e)
{
	int rc;

	json_out_key(v->o, name);
	if (v->text == NULL && (v->param->flags & CLI_ALWAYS) == 0) {
		json_out_null(v->o);
		return 0;
	}
	rc = writers[v->param->type].list ? put_list(v, e) : writers[v->param->type].put(v, e);
	return rc < 0 ? err_wrap(e, "%s", v->param->option) : 0;
}

/* Opens and closes the object that members like "owner/name" lie in; group: its name with length
 * *n, kept from member to member. */
static const char *
enter_group(const struct cli_param *p, const char **group, size_t *n, struct json_out *o)
{
	const char *slash = strchr(p->member, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - p->member);
	char name[NAME_SIZE];

	if (*n > 0 && (len != *n || strncmp(*group, p->member, len) != 0))
		json_out_end(o);
	else if (*n > 0)
		return slash + 1;
	*group = p->member;
	*n = len;
	if (len == 0)
		return p->member;
	cli_piece(name, sizeof(name), p->member, len);
	json_out_key(o, name);
	json_out_begin(o);
	return slash + 1;
}

static int
put_members(struct cli *cli, const struct cli_call *call, struct json_out *o, struct err *e)
{
	const char *group = "";
	size_t n = 0;

	for (const struct cli_param *p = call->params; p->type != CLI_PARAMS_END; p++) {
		struct value v = { cli, p, cli_param_value(cli, p), o };

		if (p->member[0] == '?' ||
		    (v.text == NULL && (p->flags & CLI_ALWAYS) == 0 && !cleared(cli, p)))
			continue;
		if (put_member(&v, enter_group(p, &group, &n, o), e) < 0)
			return -1;
	}
	if (n > 0)
		json_out_end(o);
	return 0;
}

int
cli_call_body(struct cli *cli, const struct cli_call *call, struct buf *out, struct err *e)
{
	struct json_out o;

	buf_init(out, 2 * (size_t)CAP_BODY_BYTES);
	if (check_clear(cli, call, e) < 0)
		return -1;
	json_out_init(&o, out);
	json_out_begin(&o);
	if (put_members(cli, call, &o, e) < 0)
		return -1;
	json_out_end(&o);
	return buf_check(out, e);
}
