/* SPDX-License-Identifier: Apache-2.0 */
/* Names where the API wants ids: one look through the list of the kind. */
#include "cli_call_internal.h"

#include "id.h"

#include <stdio.h>
#include <string.h>

enum { PAGES_MAX = 50, CURSOR_SIZE = 1024 };

struct kind {
	const char *name, *prefix;
	const char *list;
	const char *filter; /* parameter of the list that takes the name; NULL: it has none */
};
static const struct kind kinds[] = {
	{ "project", "prj", "/v1/projects?limit=200", NULL },
	{ "user", "usr", "/v1/users?limit=200", NULL },
	/* Keys that were replaced have the name of the one that holds. */
	{ "key", "key", "/v1/keys?limit=200&revoked=false", NULL },
	{ "issuer", "iss", "/v1/issuers?limit=200", NULL },
	{ "tenant", "ten", "/v1/tenants?limit=200", "name" },
};

static const struct kind *
find_kind(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strlen(kinds[i].name) == n && strncmp(kinds[i].name, name, n) == 0)
			return &kinds[i];
	return NULL;
}

bool
cli_kind_known(const char *kind, size_t n)
{
	return find_kind(kind, n) != NULL;
}

struct search {
	const struct kind *kind;
	const char *name;
	char cursor[CURSOR_SIZE]; /* of the next page, "" for none */
	char id[CLI_ID_SIZE];
	size_t found;
};

static void
take_rows(struct search *s, const struct json_value *rows)
{
	for (size_t i = 0; i < json_count(rows); i++) {
		const char *id = cli_text(json_at(rows, i), "id");

		if (strcmp(cli_text(json_at(rows, i), "name"), s->name) != 0 ||
		    strlen(id) >= sizeof(s->id))
			continue;
		memcpy(s->id, id, strlen(id) + 1);
		s->found++;
	}
}

static int
search_page(struct cli *cli, struct search *s, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	AUTO_BUF path = { 0 };
	const char *next;

	buf_init(&path, CLI_PATH_BYTES);
	buf_str(&path, s->kind->list);
	if (s->kind->filter != NULL)
		cli_query(&path, s->kind->filter, s->name);
	cli_query(&path, "cursor", s->cursor[0] == '\0' ? NULL : s->cursor);
	if (buf_check(&path, e) < 0 || cli_get_json(cli, path.p, &j, &body, e) < 0)
		return err_wrap(e, "'%.40s' is no id, and the names of %ss cannot be looked up",
		    s->name, s->kind->name);
	take_rows(s, json_member(json_root(j), "data"));
	next = cli_text(json_root(j), "next_cursor");
	(void)snprintf(s->cursor, sizeof(s->cursor), "%s", strlen(next) < CURSOR_SIZE ? next : "");
	return 0;
}

int
cli_resolve(struct cli *cli, const char *kind, const char *text, char ret[static CLI_ID_SIZE],
    struct err *e)
{
	struct search s = { .kind = find_kind(kind, strlen(kind)), .name = text };
	struct err ignored = { 0 };
	struct uuid id;
	size_t pages = 0;

	REQUIRE(s.kind != NULL);
	if (id_parse(s.kind->prefix, text, &id, &ignored) == 0) {
		(void)snprintf(ret, CLI_ID_SIZE, "%s", text); /* an id fits */
		return 0;
	}
	do {
		if (search_page(cli, &s, e) < 0)
			return -1;
	} while (s.cursor[0] != '\0' && ++pages < PAGES_MAX);
	if (s.found == 0)
		return err_set(e, ERR_NOT_FOUND,
		    "there is no %s '%.63s' that you can see; wardian %s list shows them",
		    s.kind->name, text, s.kind->name);
	if (s.found > 1)
		return err_set(e, ERR_NOT_FOUND,
		    "%zu %ss are named '%.63s'; give the id of the one that you mean", s.found,
		    s.kind->name, text);
	memcpy(ret, s.id, sizeof(s.id));
	return 0;
}
