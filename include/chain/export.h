/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXPORT_H
#define EXPORT_H

/*
 * An exported log: a line of JSON per entry, oldest first, and a last one that says that nothing is
 * cut off.  `entry` is the text that was hashed, so the chain can be checked by whoever holds the
 * file (cut -d, and a JSON reader do; so does `wardian audit verify --file`).
 *
 *   {"number":1,"at":"...","entry":"{...}","hash":"<hex>"}
 *   {"type":"end","count":1,"tenant":"ten_...","filter":{},"head":{"number":1,"hash":"<hex>"}}
 *
 * `filter` holds what was asked for; `head` is where the log ended when the export began.
 */

#include "chain.h"
#include "err.h"

struct arena;
struct buf;

struct export_end {
	int64_t count;
	struct tenant_id tenant;
	struct chain_link head;
	/* Entries were left out: before some place, behind some time, and between. */
	bool later, to, thinned;
};
enum { EXPORT_LINE_MAX = 8 * CHAIN_ENTRY_MAX };

void export_print_entry(const struct chain_entry *entry, struct buf *out);
/* filter: a JSON object. */
void export_print_end(const struct export_end *end, const char *filter, struct buf *out);
/* 1: *ret_entry, whose text lives in mem; 0: *ret_end; -1 with ERR_INVALID. */
int export_read_line(const char *line, size_t n, struct arena *mem, struct chain_entry *ret_entry,
    struct export_end *ret_end, struct err *e) MUST_CHECK;

#endif
