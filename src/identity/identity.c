/* SPDX-License-Identifier: Apache-2.0 */
/* What every part needs: checks of texts, and rows of a page. */
#include "identity_internal.h"

#include "caps.h"
#include "parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

extern const unsigned char sql_identity[];
const struct db_sql identity_sql = { "identity", (const char *)sql_identity };

int
invalid(struct err *e, const char *pointer, const char *fmt, ...)
{
	char why[ERR_FIELD_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap); /* cut when too long */
	va_end(ap);
	e->n_fields = e->n_fields_lost = 0;
	err_field_add(e, pointer, "%s", why);
	return err_fields_done(e, ERR_INVALID);
}

/* Characters of valid UTF-8 without control characters, or -1. */
static int64_t
count_characters(const char *p, size_t n)
{
	int64_t characters = 0;

	for (size_t at = 0, step; at < n; at += step, characters++) {
		step = parse_utf8_printable(p + at, n - at);
		if (step == 0)
			return -1;
	}
	return characters;
}

int
text_clean(struct arena *mem, const char **text, size_t max, const char *pointer, struct err *e)
{
	const char *from = *text;
	int64_t characters;
	char *copy;
	size_t n;

	if (from == NULL)
		return 0;
	from += strspn(from, " ");
	n = strlen(from);
	while (n > 0 && from[n - 1] == ' ')
		n--;
	characters = count_characters(from, n);
	if (characters < 0)
		return invalid(e, pointer, "must not hold control characters");
	if (characters == 0)
		return invalid(e, pointer, "must not be empty");
	if ((size_t)characters > max)
		return invalid(e, pointer, "must have at most %zu characters, has %lld", max,
		    (long long)characters);
	copy = arena_strndup(mem, from, n);
	if (copy == NULL)
		return arena_err(e);
	*text = copy;
	return 0;
}

int
label_check(const char *text, const char *pointer, struct err *e)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t n = strlen(text);

	if (n < 1 || n > CAP_NAME_BYTES || strspn(text, allowed) != n || text[0] == '-' ||
	    text[n - 1] == '-')
		return invalid(e, pointer,
		    "must be 1 to %d of a-z, 0-9 and '-', with no '-' at either end",
		    CAP_NAME_BYTES);
	return 0;
}

int
email_check(const char *text, const char *pointer, struct err *e)
{
	const char *at = text == NULL ? NULL : strrchr(text, '@');

	if (text == NULL)
		return 0;
	if (at == NULL || at == text || at[1] == '\0' || strchr(text, ' ') != NULL)
		return invalid(e, pointer, "must be an address such as ada@example.org");
	return 0;
}

struct uuid
page_before(const struct identity_page *p)
{
	struct uuid newest;

	REQUIRE(p->limit >= 1);
	REQUIRE(p->limit <= CAP_PAGE_ITEMS);
	/* Greater than every id, so that the bound is always an index condition. */
	memset(&newest, 0xff, sizeof(newest));
	return uuid_is_nil(p->before) ? newest : p->before;
}

int
rows_init(struct rows *r, struct arena *mem, size_t size, int64_t limit, struct err *e)
{
	*r = (struct rows){ .size = size, .max = (size_t)limit + 1 };
	r->p = arena_array(mem, r->max, size);
	return r->p == NULL ? arena_err(e) : 0;
}

void
rows_push(struct rows *r, const void *row)
{
	REQUIRE(r->n < r->max);
	memcpy(r->p + r->n++ * r->size, row, r->size);
}

bool
rows_more(struct rows *r)
{
	if (r->n < r->max)
		return false;
	r->n--;
	return true;
}
