/* SPDX-License-Identifier: Apache-2.0 */
#include "api_page_internal.h"

#include "auth.h"

#include <string.h>

_Static_assert(PAGE_CURSOR_SIZE >= (int)AUTH_TOKEN_SIZE, "a cursor is a sealed token");

/* 3 days: long enough for a slow walk, short enough that none is kept in a configuration. */
#define CURSOR_AGE_US (INT64_C(3) * 24 * 3600 * 1000000)
/* Clocks of two daemons behind one address may differ. */
#define CURSOR_SKEW_US (INT64_C(60) * 1000000)

/* Sealed as it lies in memory: daemons that share a key share an architecture. */
struct cursor {
	struct tenant_id tenant;
	struct uuid last;
	uint8_t filter[32];
	int64_t issued_us;
};

int
page_cursor_make(const struct page_scope *s, struct uuid last, int64_t now_us,
    char out[static PAGE_CURSOR_SIZE], struct err *e)
{
	struct cursor c = { .tenant = s->tenant, .last = last, .issued_us = now_us };

	memcpy(c.filter, s->filter, sizeof(c.filter));
	return auth_token_seal(s->key, s->route, &c, sizeof(c), out, e);
}

int
page_cursor_read(
    const struct page_scope *s, const char *text, int64_t now_us, struct uuid *ret, struct err *e)
{
	struct cursor c;
	size_t n = sizeof(c);
	struct err ignored = { 0 };

	if (auth_token_open(s->key, s->route, text, &c, &n, &ignored) < 0 || n != sizeof(c) ||
	    uuid_cmp(c.tenant.uuid, s->tenant.uuid) != 0)
		return err_set(e, ERR_BAD_CURSOR,
		    "The cursor is not one that this list gave out; start again without it.");
	if (memcmp(c.filter, s->filter, sizeof(c.filter)) != 0)
		return err_set(e, ERR_BAD_CURSOR,
		    "The cursor belongs to other filters; repeat those, or start without a "
		    "cursor.");
	if (now_us - c.issued_us > CURSOR_AGE_US || c.issued_us - now_us > CURSOR_SKEW_US)
		return err_set(e, ERR_BAD_CURSOR,
		    "The cursor is more than three days old; start again without it.");
	*ret = c.last;
	return 0;
}
