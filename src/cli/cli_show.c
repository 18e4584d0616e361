/* SPDX-License-Identifier: Apache-2.0 */
/* Members of answers as cells and fields, and lists page by page. */
#include "cli_call_internal.h"

#include "parse.h"

#include <stdio.h>
#include <string.h>

enum {
	CURSOR_SIZE = 1024,
	CELL_MAX = 64 << 10,
	NAME_SIZE = 64,
	PAGE_ROWS = 200 /* the most that the API gives at once */
};

/* --- one value -------------------------------------------------------------------------------- */

static void render_value(const struct json_value *v, struct buf *out);

struct object_text {
	struct buf *out;
	const char *separator;
	bool any;
};

static int
render_member(void *ctx, const char *name, const struct json_value *v)
{
	struct object_text *t = ctx;

	if (json_type(v) == JSON_NULL)
		return 0;
	if (t->any)
		buf_str(t->out, t->separator);
	t->any = true;
	if (name != NULL)
		buf_printf(t->out, "%s=", name);
	render_value(v, t->out);
	return 0;
}

/* {"role", "project"} is how a role is given everywhere: as the options take it. */
static void
render_object(const struct json_value *v, struct buf *out)
{
	struct object_text t = { .out = out, .separator = " " };
	const char *project = cli_text(v, "project");

	if (json_count(v) != 2 || json_member(v, "role") == NULL ||
	    json_member(v, "project") == NULL) {
		(void)json_for_each(v, render_member, &t); /* never stops */
		return;
	}
	buf_str(out, cli_text(v, "role"));
	if (project[0] != '\0')
		buf_printf(out, "@%s", project);
}

static void
render_number(const struct json_value *v, struct buf *out)
{
	char number[PARSE_F64_SIZE];
	int64_t whole;
	double real;

	if (json_get_i64(v, &whole))
		buf_printf(out, "%lld", (long long)whole);
	else if (json_get_f64(v, &real))
		buf_str(out, format_f64(real, number));
}

static void
render_value(const struct json_value *v, struct buf *out)
{
	struct object_text t = { .out = out, .separator = "," };
	const char *text;
	bool yes;

	if (json_get_text(v, &text))
		buf_str(out, text);
	else if (json_get_bool(v, &yes))
		buf_str(out, yes ? "yes" : "no");
	else if (json_type(v) == JSON_ARRAY)
		(void)json_for_each(v, render_member, &t); /* never stops */
	else if (json_type(v) == JSON_DICT)
		render_object(v, out);
	else
		render_number(v, out);
}

void
cli_render(const struct json_value *v, const char *path, size_t n, struct buf *out)
{
	while (v != NULL && n > 0 && json_type(v) != JSON_ARRAY) {
		const char *dot = memchr(path, '.', n);
		size_t len = dot == NULL ? n : (size_t)(dot - path);
		char name[NAME_SIZE];

		cli_piece(name, sizeof(name), path, len);
		v = json_member(v, name);
		n -= dot == NULL ? n : len + 1;
		path += dot == NULL ? len : len + 1;
	}
	if (v == NULL)
		return;
	if (n == 0) {
		render_value(v, out);
		return;
	}
	/* The rest of the path is meant of each element. */
	for (size_t i = 0; i < json_count(v); i++) {
		if (i > 0)
			buf_char(out, ',');
		cli_render(json_at(v, i), path, n, out);
	}
}

/* --- rows and fields -------------------------------------------------------------------------- */

struct column {
	const char *path;
	size_t n;
	char head[NAME_SIZE];
};

/* Takes the next "path" or "path:HEAD" off the text; false at its end. */
static bool
next_column(const char **shows, struct column *c)
{
	const char *at = *shows + strspn(*shows, " ");
	size_t n = strcspn(at, " "), colon = strcspn(at, " :");
	size_t head = colon == n ? 0 : colon + 1;

	if (n == 0)
		return false;
	c->path = at;
	c->n = colon;
	cli_piece(c->head, sizeof(c->head), at + head, n - head);
	*shows = at + n;
	return true;
}

/* "created_at" -> "CREATED AT" */
static void
make_head(char *head)
{
	for (; *head != '\0'; head++) {
		if (*head == '_' || *head == '.')
			*head = ' ';
		else if (*head >= 'a' && *head <= 'z')
			*head = (char)(*head - 'a' + 'A');
	}
}

static int
add_row(
    struct cli_table *t, const struct column *columns, const struct json_value *row, struct err *e)
{
	struct buf texts[CLI_COLUMNS];
	const char *cells[CLI_COLUMNS];
	int rc = 0;

	for (size_t i = 0; i < t->n_columns; i++) {
		buf_init(&texts[i], CELL_MAX);
		cli_render(row, columns[i].path, columns[i].n, &texts[i]);
		cells[i] = texts[i].p == NULL ? "" : texts[i].p;
		if (rc == 0)
			rc = buf_check(&texts[i], e);
	}
	if (rc == 0)
		cli_table_row(t, cells);
	for (size_t i = 0; i < t->n_columns; i++)
		buf_done(&texts[i]);
	return rc;
}

int
cli_show_rows(const struct json_value *rows, const char *shows, struct err *e)
{
	struct column columns[CLI_COLUMNS] = { 0 };
	const char *heads[CLI_COLUMNS];
	struct cli_table t;
	size_t n = 0;
	int rc = 0;

	while (n < CLI_COLUMNS && next_column(&shows, &columns[n])) {
		make_head(columns[n].head);
		heads[n] = columns[n].head;
		n++;
	}
	REQUIRE(shows[strspn(shows, " ")] == '\0'); /* all of them */
	cli_table_init(&t, n, heads);
	for (size_t i = 0; i < json_count(rows) && rc == 0; i++)
		rc = add_row(&t, columns, json_at(rows, i), e);
	if (rc == 0)
		rc = cli_table_print(&t, e);
	cli_table_done(&t);
	return rc;
}

int
cli_show_fields(const struct json_value *v, const char *shows, struct err *e)
{
	struct column c;

	while (next_column(&shows, &c)) {
		AUTO_BUF text = { 0 };

		buf_init(&text, CELL_MAX);
		cli_render(v, c.path, c.n, &text);
		if (buf_check(&text, e) < 0)
			return -1;
		cli_print_field(c.head, text.p == NULL ? "" : text.p);
	}
	return 0;
}

/* --- pages ------------------------------------------------------------------------------------ */

struct pages {
	const char *first; /* path of the first page, without limit */
	const char *shows;
	char cursor[CURSOR_SIZE]; /* "" before the first and after the last */
	int64_t left;             /* rows that are still wanted */
	int64_t limit;            /* rows of a page; 0: the server's choice */
};

static int
read_limit(const struct cli *cli, struct pages *p, struct err *e)
{
	const char *limit = cli_option(cli, "--limit");

	p->left = cli_flag(cli, "--all") ? INT64_MAX : 1;
	if (limit == NULL)
		return 0;
	if (parse_i64(limit, 1, INT32_MAX, &p->limit, e) < 0)
		return err_wrap(e, "--limit (rows)");
	if (!cli_flag(cli, "--all"))
		p->left = p->limit;
	if (p->limit > PAGE_ROWS)
		p->limit = PAGE_ROWS;
	return 0;
}

static int
page_path(const struct pages *p, struct buf *out, struct err *e)
{
	char limit[24];

	(void)snprintf(limit, sizeof(limit), "%lld",
	    (long long)(p->left < p->limit ? p->left : p->limit)); /* fits */
	buf_init(out, CLI_PATH_BYTES);
	buf_str(out, p->first);
	cli_query(out, "limit", p->limit == 0 ? NULL : limit);
	cli_query(out, "cursor", p->cursor[0] == '\0' ? NULL : p->cursor);
	return buf_check(out, e);
}

static int
print_page(struct cli *cli, struct pages *p, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	AUTO_BUF path = { 0 };
	const struct json_value *rows;
	const char *next;

	if (page_path(p, &path, e) < 0 || cli_get_json(cli, path.p, &j, &body, e) < 0)
		return -1;
	rows = json_member(json_root(j), "data");
	if (cli->json)
		cli_print_raw(&body);
	else if (cli_show_rows(rows, p->shows, e) < 0)
		return -1;
	next = cli_text(json_root(j), "next_cursor");
	if (strlen(next) >= CURSOR_SIZE || (next[0] != '\0' && strcmp(next, p->cursor) == 0))
		return err_set(
		    e, ERR_PROTOCOL, "the server's list leads nowhere: its cursor is not usable");
	(void)snprintf(p->cursor, CURSOR_SIZE, "%s", next); /* measured: fits */
	/* Without --limit a page is what was asked for, however long. */
	p->left -= p->limit == 0 && p->left == 1 ? 1 : (int64_t)json_count(rows);
	return cli_flush(e);
}

int
cli_show_pages(struct cli *cli, const char *first, const char *shows, struct err *e)
{
	struct pages p = { .first = first, .shows = shows };

	if (read_limit(cli, &p, e) < 0)
		return -1;
	do {
		if (print_page(cli, &p, e) < 0)
			return -1;
	} while (p.left > 0 && p.cursor[0] != '\0');
	if (p.cursor[0] != '\0' && !cli->json)
		cli_say("there are more; use --all");
	return 0;
}
