/* SPDX-License-Identifier: Apache-2.0 */
#include "lines.h"

#include "fd.h"

#include <string.h>

enum { READ_BYTES = 1 << 16 };

int
lines_init(struct lines *l, int fd, size_t max, struct err *e)
{
	*l = (struct lines){ .fd = fd, .max = max, .p = malloc(max + READ_BYTES) };
	if (l->p == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory to read lines");
	return 0;
}

void
lines_done(struct lines *l)
{
	free(l->p);
	l->p = NULL;
}

/* The unread rest moves to the front, READ_BYTES more come behind it. */
static int
fill(struct lines *l, struct err *e)
{
	ssize_t got;

	memmove(l->p, l->p + l->at, l->n - l->at);
	l->n -= l->at;
	l->at = 0;
	got = fd_read_full(l->fd, l->p + l->n, READ_BYTES, e);
	if (got < 0)
		return -1;
	l->n += (size_t)got;
	l->at_end = got < READ_BYTES;
	return 0;
}

int
lines_next(struct lines *l, const char **ret, size_t *ret_n, struct err *e)
{
	const char *start, *end;
	size_t n;

	for (;;) {
		start = l->p + l->at;
		end = memchr(start, '\n', l->n - l->at);
		n = end == NULL ? l->n - l->at : (size_t)(end - start) + 1;
		if (n > l->max)
			return err_set(e, ERR_TOO_LARGE, "a line has more than %zu bytes", l->max);
		if (end != NULL || l->at_end)
			break;
		if (fill(l, e) < 0)
			return -1;
	}
	if (end == NULL) {
		l->rest = n;
		return 0;
	}
	*ret = start;
	*ret_n = n - 1;
	l->at += n;
	return 1;
}
