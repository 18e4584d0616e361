/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_PAGE_INTERNAL_H
#define API_PAGE_INTERNAL_H

/*
 * Cursors: sealed tokens over the tenant, the route, the filter, the last id shown and the time of
 * issue.  They give no authority, fit one list with one filter of one tenant, and last three days.
 */

#include "base.h"
#include "err.h"
#include "id.h"

struct page_scope {
	const uint8_t *key; /* 32 bytes */
	struct tenant_id tenant;
	const char *route;  /* static */
	uint8_t filter[32]; /* digest of everything that chooses rows */
};

enum { PAGE_CURSOR_SIZE = 512 };
int page_cursor_make(const struct page_scope *s, struct uuid last, int64_t now_us,
    char out[static PAGE_CURSOR_SIZE], struct err *e) MUST_CHECK;
/* ERR_BAD_CURSOR says what to do for each way in which it does not fit. */
int page_cursor_read(const struct page_scope *s, const char *text, int64_t now_us, struct uuid *ret,
    struct err *e) MUST_CHECK;

#endif
