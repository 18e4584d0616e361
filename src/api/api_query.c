/* SPDX-License-Identifier: Apache-2.0 */
#include "api_query_internal.h"

#include "arena.h"
#include "buf.h"
#include "clock.h"
#include "http.h"
#include "id.h"
#include "parse.h"

#include <stdio.h>
#include <string.h>

static void
list_known(const struct query_param *params, char *out, size_t size)
{
	AUTO_BUF b = { 0 };

	buf_init(&b, size - 1);
	for (const struct query_param *p = params; p->kind != QUERY_END; p++)
		buf_printf(&b, "%s%s%s", b.n == 0 ? "" : ", ", p->name,
		    p->kind == QUERY_PAIR ? "<name>" : "");
	(void)snprintf(out, size, "%s", b.n == 0 ? "" : b.p);
}

static void
unknown(const char *name, const struct query_param *params, struct err *e)
{
	char known[ERR_FIELD_MSG_SIZE];

	list_known(params, known, sizeof(known));
	if (known[0] == '\0')
		err_field_add(e, name, "is not known; this endpoint takes no query parameters");
	else
		err_field_add(e, name, "is not known; this endpoint takes %s", known);
}

static bool
word_listed(const char *word, const char *words)
{
	size_t n = strlen(word);

	for (const char *p = words; *p != '\0'; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		if (len == n && memcmp(p, word, n) == 0)
			return true;
		p += len;
	}
	return false;
}

static void
store_number(const struct query_param *p, const char *value, struct err *e)
{
	struct err why = { 0 };
	int64_t v = 0;

	if (parse_i64(value, p->min, p->kind == QUERY_LIMIT ? INT64_MAX : p->max, &v, &why) < 0)
		err_field_add(e, p->name, "must be a whole number from %lld to %lld",
		    (long long)p->min, (long long)p->max);
	else
		*(int64_t *)p->dest = v < p->max ? v : p->max;
}

static void
store_time(const struct query_param *p, const char *value, struct err *e)
{
	struct err why = { 0 };

	if (parse_duration_ms(value, p->min, p->max, p->dest, &why) < 0)
		err_field_add(e, p->name, "must be a duration such as 30s or 500ms, at most %llds",
		    (long long)p->max / 1000);
}

static void
store_flag(const struct query_param *p, const char *value, struct err *e)
{
	if (strcmp(value, "") == 0 || strcmp(value, "true") == 0)
		*(bool *)p->dest = true;
	else if (strcmp(value, "false") == 0)
		*(bool *)p->dest = false;
	else
		err_field_add(e, p->name, "must be true or false");
}

static void
store_text(const struct query_param *p, const char *value, const char **dest, struct err *e)
{
	size_t n = strlen(value);

	if (n < (size_t)p->min || n > (size_t)p->max)
		err_field_add(e, p->name, "must have %lld to %lld bytes", (long long)p->min,
		    (long long)p->max);
	else
		*dest = value;
}

static void
store_id(const struct query_param *p, const char *value, struct err *e)
{
	struct uuid id;
	struct err why = { 0 };

	if (id_parse(p->words, value, &id, &why) < 0 || uuid_is_nil(id))
		err_field_add(e, p->name, "must be an id that begins with %s_", p->words);
	else
		*(struct uuid *)p->dest = id;
}

static void
store_when(const struct query_param *p, const char *value, struct err *e)
{
	struct err why = { 0 };

	if (clock_parse(value, p->dest, &why) < 0)
		err_field_add(e, p->name, "must be a time such as 2026-01-31T12:00:00Z");
}

static void
store_pair(const struct query_param *p, const struct query_given *g, struct err *e)
{
	struct query_pair *pair = p->dest;
	const char *name = g->name + strlen(p->name);

	if (pair->name != NULL)
		err_field_add(e, g->name, "only one %s<name> filter may be given", p->name);
	else if (name[0] == '\0')
		err_field_add(e, g->name, "lacks a name after \"%s\"", p->name);
	else {
		pair->name = name;
		store_text(p, g->value, &pair->value, e);
	}
}

static void
store(const struct query_param *p, const struct query_given *g, struct err *e)
{
	switch (p->kind) {
	case QUERY_TEXT:
		store_text(p, g->value, p->dest, e);
		return;
	case QUERY_I64:
	case QUERY_LIMIT:
		store_number(p, g->value, e);
		return;
	case QUERY_TIME:
		store_time(p, g->value, e);
		return;
	case QUERY_FLAG:
		store_flag(p, g->value, e);
		return;
	case QUERY_ENUM:
		if (word_listed(g->value, p->words))
			*(const char **)p->dest = g->value;
		else
			err_field_add(e, p->name, "must be one of: %s", p->words);
		return;
	case QUERY_ID:
		store_id(p, g->value, e);
		return;
	case QUERY_WHEN:
		store_when(p, g->value, e);
		return;
	case QUERY_PAIR:
		store_pair(p, g, e);
		return;
	case QUERY_END:
		return;
	}
}

static const struct query_param *
find(const struct query_param *params, const char *name)
{
	for (const struct query_param *p = params; p->kind != QUERY_END; p++) {
		size_t n = strlen(p->name);

		if (p->kind == QUERY_PAIR ? strncmp(name, p->name, n) == 0
					  : strcmp(name, p->name) == 0)
			return p;
	}
	return NULL;
}

static bool
given_before(const struct query_given *all, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			return true;
	return false;
}

/* Splits "name=value" of n bytes and decodes both sides. */
static int
read_given(const char *p, size_t n, struct arena *mem, struct query_given *ret, struct err *e)
{
	const char *eq = memchr(p, '=', n);
	size_t name_n = eq == NULL ? n : (size_t)(eq - p);
	size_t value_n = eq == NULL ? 0 : n - name_n - 1;
	char *name = arena_alloc(mem, name_n + 1), *value = arena_alloc(mem, value_n + 1);

	if (name == NULL || value == NULL) {
		(void)arena_err(e); /* always -1 */
		return -1;
	}
	if (http_decode(p, name_n, true, name) < 0 ||
	    http_decode(eq == NULL ? "" : eq + 1, value_n, true, value) < 0) {
		(void)err_set(e, ERR_BAD_PARAMETER, /* always -1 */
		    "The query holds a malformed percent escape, or bytes that are not UTF-8.");
		return -1;
	}
	*ret = (struct query_given){ .name = name, .value = value };
	return 0;
}

int
query_split(const char *raw, struct arena *mem, struct query_given out[static QUERY_PARAMS_MAX],
    size_t *ret_n, struct err *e)
{
	size_t n = 0;

	for (size_t len; *raw != '\0'; raw += len + (raw[len] == '&')) {
		len = strcspn(raw, "&");
		if (len == 0)
			continue;
		if (n == QUERY_PARAMS_MAX)
			return err_set(e, ERR_BAD_PARAMETER,
			    "The query has more than %d parameters.", QUERY_PARAMS_MAX);
		if (read_given(raw, len, mem, &out[n], e) < 0)
			return -1;
		n++;
	}
	*ret_n = n;
	return 0;
}

int
query_decode(const char *raw, const struct query_param *params, struct arena *mem, struct err *e)
{
	struct query_given all[QUERY_PARAMS_MAX];
	size_t n;

	if (query_split(raw, mem, all, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct query_param *p = find(params, all[i].name);

		if (p == NULL)
			unknown(all[i].name, params, e);
		else if (given_before(all, i, all[i].name))
			err_field_add(e, all[i].name, "is given twice");
		else
			store(p, &all[i], e);
	}
	return err_fields_done(e, ERR_BAD_PARAMETER);
}
