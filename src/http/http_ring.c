/* SPDX-License-Identifier: Apache-2.0 */
#include "http_internal.h"

#include <string.h>

enum { FIRST_BYTES = 4096 };

void
ring_init(struct ring *r, size_t max_bytes)
{
	*r = (struct ring){ .max = max_bytes };
}

void
ring_done(struct ring *r)
{
	free(r->p);
	*r = (struct ring){ 0 };
}

static size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Copies out without taking, across the end of the memory. */
static void
peek(const struct ring *r, char *p, size_t n)
{
	size_t first = min_size(n, r->cap - r->head);

	memcpy(p, r->p + r->head, first);
	memcpy(p + first, r->p, n - first);
}

static bool
grow(struct ring *r, size_t need)
{
	size_t cap = r->cap == 0 ? FIRST_BYTES : r->cap;
	char *p;

	while (cap < need)
		cap *= 2;
	cap = min_size(cap, r->max);
	p = malloc(cap);
	if (p == NULL)
		return false;
	if (r->n > 0)
		peek(r, p, r->n);
	free(r->p);
	r->p = p;
	r->cap = cap;
	r->head = 0;
	return true;
}

bool
ring_put(struct ring *r, const void *p, size_t n)
{
	const char *bytes = p;
	size_t at, first;

	if (n == 0)
		return true;
	if (n > r->max - r->n)
		return false;
	if (r->n + n > r->cap && !grow(r, r->n + n))
		return false;
	at = (r->head + r->n) % r->cap;
	first = min_size(n, r->cap - at);
	memcpy(r->p + at, bytes, first);
	memcpy(r->p, bytes + first, n - first);
	r->n += n;
	return true;
}

size_t
ring_get(struct ring *r, void *p, size_t n)
{
	n = min_size(n, r->n);
	if (n == 0)
		return 0;
	peek(r, p, n);
	r->head = (r->head + n) % r->cap;
	r->n -= n;
	return n;
}
