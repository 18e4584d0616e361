/* SPDX-License-Identifier: Apache-2.0 */
#include "buf.h"

#include <stdio.h>
#include <string.h>

enum { CAP_FIRST = 256 };

void
buf_init(struct buf *b, size_t max_bytes)
{
	REQUIRE(max_bytes < SIZE_MAX / 2);
	*b = (struct buf){ .max = max_bytes };
}

void
buf_done(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

void
buf_clear(struct buf *b)
{
	b->n = 0;
	b->failed = b->no_memory = false;
	if (b->p != NULL)
		b->p[0] = '\0';
}

char *
buf_room(struct buf *b, size_t n)
{
	size_t cap = b->cap == 0 ? CAP_FIRST : b->cap;
	char *p;

	b->no_memory = false;
	if (n > b->max - b->n)
		return NULL;
	if (b->n + n < b->cap)
		return b->p + b->n;
	while (cap <= b->n + n)
		cap *= 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	p = realloc(b->p, cap);
	if (p == NULL) {
		b->no_memory = true;
		return NULL;
	}
	b->p = p;
	b->cap = cap;
	b->p[b->n] = '\0';
	return b->p + b->n;
}

void
buf_grown(struct buf *b, size_t n)
{
	REQUIRE(n < b->cap - b->n);
	b->n += n;
	b->p[b->n] = '\0';
}

void
buf_append(struct buf *b, const void *p, size_t n)
{
	char *at = b->failed ? NULL : buf_room(b, n);

	if (at == NULL) {
		b->failed = true;
		return;
	}
	if (n > 0)
		memcpy(at, p, n);
	buf_grown(b, n);
}

void
buf_str(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

void
buf_char(struct buf *b, char c)
{
	buf_append(b, &c, 1);
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	char *at = NULL;
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n >= 0 && !b->failed)
		at = buf_room(b, (size_t)n);
	if (at == NULL) {
		b->failed = true;
		return;
	}
	(void)vsnprintf(at, (size_t)n + 1, fmt, ap); /* measured above */
	buf_grown(b, (size_t)n);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void
buf_drop(struct buf *b, size_t n)
{
	REQUIRE(n <= b->n);
	if (n == 0)
		return;
	b->n -= n;
	memmove(b->p, b->p + n, b->n + 1);
}

int
buf_check(const struct buf *b, struct err *e)
{
	if (!b->failed)
		return 0;
	if (b->no_memory)
		return err_set(
		    e, ERR_NO_MEMORY, "There is no memory for this text; try again later.");
	return err_set(e, ERR_TOO_LARGE, "the text is longer than %zu bytes", b->max);
}

char *
buf_take(struct buf *b, size_t *ret_n)
{
	char *p = b->p;

	if (ret_n != NULL)
		*ret_n = b->n;
	*b = (struct buf){ .max = b->max };
	return p;
}
