/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	ALIGN = 16,
	/* A small request never needs a second block. */
	BLOCK_FIRST = 4096,
	BLOCK_LARGEST = 256 << 10
};

struct block {
	struct block *next; /* older */
	size_t size;        /* bytes of data */
	size_t used;
	_Alignas(ALIGN) char data[];
};

struct arena {
	struct block *current;
	struct block *first;
	size_t cap;
	size_t held; /* bytes of data in all blocks */
	size_t used; /* bytes handed out, padding included */
};

static struct block *
block_new(size_t size, struct block *next)
{
	struct block *b = malloc(sizeof(*b) + size);

	if (b == NULL)
		return NULL;
	b->next = next;
	b->size = size;
	b->used = 0;
	return b;
}

struct arena *
arena_new(size_t cap_bytes)
{
	size_t size = cap_bytes < BLOCK_FIRST ? cap_bytes : BLOCK_FIRST;
	struct arena *a = malloc(sizeof(*a));

	if (a == NULL)
		return NULL;
	a->first = block_new(size, NULL);
	if (a->first == NULL) {
		free(a);
		return NULL;
	}
	a->current = a->first;
	a->cap = cap_bytes;
	a->held = size;
	a->used = 0;
	return a;
}

static void
free_down_to(struct arena *a, struct block *last)
{
	while (a->current != last) {
		struct block *older = a->current->next;

		free(a->current);
		a->current = older;
	}
}

void
arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	free_down_to(a, NULL);
	free(a);
}

void
arena_reset(struct arena *a)
{
	free_down_to(a, a->first);
	a->first->used = 0;
	a->held = a->first->size;
	a->used = 0;
}

/* A block with room for n bytes, or NULL when that would exceed the cap. */
static struct block *
block_for(struct arena *a, size_t n)
{
	size_t left = a->cap - a->held;
	size_t size = 2 * a->current->size;
	struct block *b;

	if (n <= a->current->size - a->current->used)
		return a->current;
	if (n > left) {
		errno = EMSGSIZE;
		return NULL;
	}
	if (size > BLOCK_LARGEST)
		size = BLOCK_LARGEST;
	if (size < n)
		size = n;
	if (size > left)
		size = left;
	b = block_new(size, a->current);
	if (b == NULL)
		return NULL;
	a->current = b;
	a->held += size;
	return b;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct block *b;
	void *p;

	if (n > a->cap) {
		errno = EMSGSIZE;
		return NULL;
	}
	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	b = block_for(a, n);
	if (b == NULL)
		return NULL;
	p = b->data + b->used;
	b->used += n;
	a->used += n;
	return memset(p, 0, n);
}

void *
arena_array(struct arena *a, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = EMSGSIZE;
		return NULL;
	}
	return arena_alloc(a, total);
}

char *
arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = arena_alloc(a, len + 1);

	if (p != NULL)
		memcpy(p, s, len);
	return p;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p = NULL;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n >= 0)
		p = arena_alloc(a, (size_t)n + 1);
	if (p != NULL)
		(void)vsnprintf(p, (size_t)n + 1, fmt, again); /* measured above */
	va_end(again);
	va_end(ap);
	return p;
}

size_t
arena_used(const struct arena *a)
{
	return a->used;
}

int
arena_err(struct err *e)
{
	if (errno == ENOMEM)
		return err_set(e, ERR_NO_MEMORY, "There is no memory for this; try again later.");
	return err_set(e, ERR_TOO_LARGE,
	    "this needs more memory than one request may use; ask for less at a time");
}
