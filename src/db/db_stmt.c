/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splits the .sql files into named statements.  A statement begins behind a line
 *
 *     -- :name job_get :role api,sched
 *
 * and ends before the next such line.  Before the first one there may be comments only.  The
 * scanner knows PostgreSQL's comments, strings and dollar quotes well enough to find a second
 * statement under one name (refused: the extended protocol would refuse it at connect with a worse
 * message) and the words that make a statement a writing one.
 */
#include "db_stmt_internal.h"

#include <string.h>

enum { ARENA_BYTES = 8 << 20 };

static const char marker[] = "-- :name ";

/* --- scanner ---------------------------------------------------------------------------------- */

enum token { TOKEN_END, TOKEN_WORD, TOKEN_SEMICOLON, TOKEN_OTHER, TOKEN_OPEN /* unterminated */ };

struct scan {
	const char *p, *end;
	const char *word; /* of TOKEN_WORD */
	size_t word_n;
};

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || (unsigned char)c >= 0x80;
}

static bool
starts(const struct scan *s, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(s->end - s->p) >= n && memcmp(s->p, text, n) == 0;
}

/* Moves behind the next occurrence of text. */
static bool
skip_past(struct scan *s, const char *text, size_t n)
{
	const char *at = memmem(s->p, (size_t)(s->end - s->p), text, n);

	if (at == NULL)
		return false;
	s->p = at + n;
	return true;
}

/* Block comments nest in SQL. */
static bool
skip_block_comment(struct scan *s)
{
	int depth = 0;

	do {
		if (starts(s, "/*")) {
			depth++;
			s->p += 2;
		} else if (starts(s, "*/")) {
			depth--;
			s->p += 2;
		} else {
			s->p++;
		}
	} while (depth > 0 && s->p < s->end);
	return depth == 0;
}

static bool
skip_blank(struct scan *s)
{
	while (s->p < s->end) {
		if (starts(s, "--")) {
			if (!skip_past(s, "\n", 1))
				s->p = s->end;
		} else if (starts(s, "/*")) {
			if (!skip_block_comment(s))
				return false;
		} else if (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r') {
			s->p++;
		} else {
			break;
		}
	}
	return true;
}

/* At a '$': skips $tag$...$tag$; a parameter ($1) or a lone sign is one character. */
static bool
skip_dollar(struct scan *s)
{
	const char *open = s->p++;
	size_t n;

	if (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		return true;
	while (s->p < s->end && is_word(*s->p))
		s->p++;
	if (s->p == s->end || *s->p != '$') {
		s->p = open + 1;
		return true;
	}
	n = (size_t)(++s->p - open);
	return skip_past(s, open, n);
}

/* At a quote: a doubled one inside reads as two texts side by side, which changes nothing here. */
static bool
skip_quoted(struct scan *s)
{
	char quote[] = { *s->p++, '\0' };

	return skip_past(s, quote, 1);
}

static enum token
next_token(struct scan *s)
{
	if (!skip_blank(s))
		return TOKEN_OPEN;
	if (s->p == s->end)
		return TOKEN_END;
	if (*s->p == '\'' || *s->p == '"')
		return skip_quoted(s) ? TOKEN_OTHER : TOKEN_OPEN;
	if (*s->p == '$')
		return skip_dollar(s) ? TOKEN_OTHER : TOKEN_OPEN;
	if (!is_word(*s->p))
		return *s->p++ == ';' ? TOKEN_SEMICOLON : TOKEN_OTHER;
	s->word = s->p;
	while (s->p < s->end && is_word(*s->p))
		s->p++;
	s->word_n = (size_t)(s->p - s->word);
	return TOKEN_WORD;
}

static bool
is_writing_word(const struct scan *s)
{
	static const char *const words[] = { "insert", "update", "delete", "merge" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (s->word_n == strlen(words[i]) && strncasecmp(s->word, words[i], s->word_n) == 0)
			return true;
	}
	return false;
}

/* NULL when the text is one statement, else what is wrong.  *n becomes its length without a final
 * semicolon and what follows it. */
static const char *
scan_statement(const char *text, size_t *n, bool *writes)
{
	struct scan s = { .p = text, .end = text + *n };
	const char *last = text;
	bool empty = true, ended = false;

	for (;;) {
		enum token t = next_token(&s);

		if (t == TOKEN_OPEN)
			return "has a comment or string without an end";
		if (t == TOKEN_END)
			break;
		if (ended)
			return "holds more than one statement";
		if (t == TOKEN_SEMICOLON) {
			ended = true;
			continue;
		}
		empty = false;
		last = s.p;
		if (t == TOKEN_WORD && is_writing_word(&s))
			*writes = true;
	}
	*n = (size_t)(last - text);
	return empty ? "is empty" : NULL;
}

/* --- splitter --------------------------------------------------------------------------------- */

static int
malformed(const struct db_sql *sql, const char *at, const char *what, struct err *e)
{
	int line = 1;

	for (const char *p = sql->text; p < at; p++)
		line += *p == '\n';
	return err_set(e, ERR_DB_SCHEMA, "%s.sql:%d: %s", sql->module, line, what);
}

/* The next marker at the start of a line, or the end of the text. */
static const char *
next_marker(const char *p)
{
	while (*p != '\0') {
		if (strncmp(p, marker, sizeof(marker) - 1) == 0)
			return p;
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return p;
}

static bool
is_name(const char *p, size_t n)
{
	if (n == 0 || n > DB_STMT_NAME_MAX || p[0] < 'a' || p[0] > 'z')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= '0' && p[i] <= '9') || p[i] == '_'))
			return false;
	}
	return true;
}

/* "api" or "api,platform" up to the end of the line; 0 when malformed. */
static unsigned
read_roles(const char *p, size_t n, unsigned allowed)
{
	static const struct {
		const char *text;
		unsigned role;
	} names[] = { { "api", DB_ROLE_API }, { "sched", DB_ROLE_SCHED },
		{ "platform", DB_ROLE_PLATFORM }, { "owner", DB_ROLE_OWNER } };
	unsigned roles = 0;

	while (n > 0) {
		const char *comma = memchr(p, ',', n);
		size_t word = comma == NULL ? n : (size_t)(comma - p), i = 0;

		while (i < ARRAY_LEN(names) &&
		       (strlen(names[i].text) != word || memcmp(p, names[i].text, word) != 0))
			i++;
		if (i == ARRAY_LEN(names) || (names[i].role & ~allowed) != 0 ||
		    (names[i].role & roles) != 0)
			return 0;
		roles |= names[i].role;
		p += word;
		n -= word;
		if (n == 1)
			return 0; /* a comma at the end */
		p += n > 0;
		n -= n > 0;
	}
	return roles;
}

/* The line "-- :name <name> :role <roles>". */
static const char *
read_head(struct db_stmt *st, struct arena *mem, const char *line, unsigned allowed)
{
	static const char role[] = " :role ";
	static const char expected[] = "expected ':role ' and api, sched, platform or a list such "
				       "as api,sched behind the name";
	const char *name = line + sizeof(marker) - 1;
	size_t n = strcspn(name, " \n");
	const char *roles = name + n + sizeof(role) - 1;

	if (!is_name(name, n))
		return "a statement's name is a letter and then letters, digits and '_', all small";
	if (strncmp(name + n, role, sizeof(role) - 1) != 0)
		return expected;
	st->roles = read_roles(roles, strcspn(roles, "\n"), allowed);
	if (st->roles == 0)
		return expected;
	st->name = arena_strndup(mem, name, n);
	return NULL;
}

static int
add_one(struct db_stmts *s, const struct db_sql *sql, unsigned roles, const char *head,
    const char *end, struct err *e)
{
	struct db_stmt st = { .module = sql->module };
	const char *what, *text = head + strcspn(head, "\n");
	size_t n = (size_t)(end - text);

	if (s->n == DB_STMTS_MAX)
		return err_set(e, ERR_DB_SCHEMA, "there are more than %d statements", DB_STMTS_MAX);
	what = read_head(&st, s->mem, head, roles);
	if (what == NULL && n > DB_STMT_TEXT_MAX)
		what = "the statement is too long";
	if (what != NULL)
		return malformed(sql, head, what, e);
	what = scan_statement(text, &n, &st.writes);
	if (what != NULL)
		return err_set(e, ERR_DB_SCHEMA, "%s.sql: statement %s %s", sql->module,
		    st.name == NULL ? "" : st.name, what);
	st.text = arena_strndup(s->mem, text, n);
	if (st.name == NULL || st.text == NULL)
		return arena_err(e);
	s->v[s->n++] = st;
	return 0;
}

int
db_stmts_init(struct db_stmts *s, struct err *e)
{
	*s = (struct db_stmts){ .mem = arena_new(ARENA_BYTES) };
	if (s->mem != NULL)
		s->v = arena_array(s->mem, DB_STMTS_MAX, sizeof(*s->v));
	if (s->v != NULL)
		return 0;
	db_stmts_done(s);
	return err_set(e, ERR_NO_MEMORY, "there is no memory for the database statements");
}

void
db_stmts_done(struct db_stmts *s)
{
	arena_free(s->mem);
	*s = (struct db_stmts){ 0 };
}

int
db_stmts_add(struct db_stmts *s, const struct db_sql *sql, unsigned roles, struct err *e)
{
	const char *head = next_marker(sql->text);
	struct scan before = { .p = sql->text, .end = head };

	if (next_token(&before) != TOKEN_END)
		return malformed(
		    sql, before.p, "expected a line '-- :name ...' before the first statement", e);
	while (*head != '\0') {
		const char *end = next_marker(head + 1);

		if (add_one(s, sql, roles, head, end, e) < 0)
			return -1;
		head = end;
	}
	return 0;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct db_stmt *)a)->name, ((const struct db_stmt *)b)->name);
}

int
db_stmts_end(struct db_stmts *s, struct err *e)
{
	qsort(s->v, s->n, sizeof(*s->v), compare);
	for (size_t i = 1; i < s->n; i++) {
		if (strcmp(s->v[i - 1].name, s->v[i].name) == 0)
			return err_set(e, ERR_DB_SCHEMA,
			    "statement %s is defined twice, in %s.sql and %s.sql", s->v[i].name,
			    s->v[i - 1].module, s->v[i].module);
	}
	return 0;
}

struct db_stmt *
db_stmts_find(const struct db_stmts *s, const char *name)
{
	struct db_stmt key = { .name = name };

	return s->n == 0 ? NULL : bsearch(&key, s->v, s->n, sizeof(*s->v), compare);
}
