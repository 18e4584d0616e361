/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

#include <string.h>

int
job_rows_push(struct job_rows *r, const void *row, struct err *e)
{
	if (r->n == r->cap) {
		size_t cap = r->cap == 0 ? 16 : r->cap * 2;
		char *p = arena_array(r->mem, cap, r->size);

		if (p == NULL)
			return arena_err(e);
		if (r->n > 0)
			memcpy(p, r->p, r->n * r->size);
		r->p = p;
		r->cap = cap;
	}
	memcpy(r->p + r->n++ * r->size, row, r->size);
	return 0;
}
