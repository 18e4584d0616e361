/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_INTERNAL_H
#define AUDIT_INTERNAL_H

/* What the parts of the module share: arguments of filtered statements, slots of tenants, files of
 * checkpoints. */

#include "audit_log.h"
#include "checkpoint.h"
#include "lock.h"

#include <stdatomic.h>

/* --- statements audit_page_newest, audit_page_oldest and audit_raw ------------------------------
 */

enum { AUDIT_ACTION_MAX = 64, AUDIT_PAGE_ARGS = 12 };
struct audit_where {
	struct db_arg args[AUDIT_PAGE_ARGS];
	char prefix[AUDIT_ACTION_MAX];
};
/* Two arguments are left 0, to be filled for each page.  *f lives as long. */
enum { AUDIT_WHERE_TO = 1, AUDIT_WHERE_ABOVE = 2, AUDIT_WHERE_LIMIT = 10 };
void audit_where_fill(
    struct audit_where *w, struct tenant_id tenant, const struct audit_filter *f, int64_t limit);

/* Entries that a statement looks at when it may have to look at all: some 100 ms. */
enum { AUDIT_SCAN_ENTRIES = 100000 };
bool audit_filter_scans(const struct audit_filter *f);

struct audit_ends {
	int64_t number; /* by the head; -1: there is no head */
	int64_t last;   /* by the rows */
	struct chain_link head;
};
int audit_ends_get(struct db *db, struct tenant_id tenant, struct arena *mem,
    struct audit_ends *ret, struct err *e) MUST_CHECK;
/* Columns of audit_raw and audit_walk, into one entry. */
struct audit_raw {
	struct chain_entry entry;
	struct db_bytes hash;
};
enum { AUDIT_RAW_COLS = 5 };
void audit_raw_cols(struct audit_raw *r, struct db_col cols[static AUDIT_RAW_COLS]);
/* After each row: completes r->entry. */
int audit_raw_take(struct audit_raw *r, struct err *e) MUST_CHECK;
int audit_hash_copy(
    const struct db_bytes *from, uint8_t out[static CHAIN_HASH_SIZE], struct err *e) MUST_CHECK;

/* --- the desk --------------------------------------------------------------------------------- */

/* One tenant's turn at something. */
struct audit_slot {
	struct audit_desk *desk;
	struct tenant_id tenant;
	bool used;
};
/* Reads are told apart by their digest; a place holds the last one that fell on it. */
enum { AUDIT_READS = 1024 };
struct audit_read {
	uint8_t digest[16];
	int64_t mono_ms; /* 0: none */
};
struct audit_desk {
	struct audit_desk_options o; /* immutable */
	atomic_bool stopping;
	struct lock lock;
	/* under lock */
	struct audit_slot exports[AUDIT_EXPORTS_MAX], verifications[AUDIT_EXPORTS_MAX];
	struct audit_read reads[AUDIT_READS];
};
/* A place among the first n; `what` names it in the refusal. */
int audit_slot_take(struct audit_desk *d, struct audit_slot *slots, int n, struct tenant_id tenant,
    const char *what, struct audit_slot **ret, struct err *e) MUST_CHECK;
void audit_slot_give(struct audit_slot *s);
/* ERR_STOPPING after audit_desk_stop. */
int audit_desk_goes_on(const struct audit_desk *d, struct err *e) MUST_CHECK;

/* --- files of checkpoints --------------------------------------------------------------------- */

enum { AUDIT_FILE_NAME_SIZE = UUID_STR_SIZE + 8 };
const char *audit_file_name(struct tenant_id tenant, char out[static AUDIT_FILE_NAME_SIZE]);
/* For reading; -1 in *ret_fd when there is none. */
int audit_file_open(int dirfd, struct tenant_id tenant, int *ret_fd, struct err *e) MUST_CHECK;
/* The last whole line: 1 and it is in *ret with its digest, or 0.  *ret_end: where it ends; behind
 * it lies what a crash left of a line that was never one. */
int audit_file_last(int fd, struct checkpoint *ret, uint8_t digest[static CHAIN_HASH_SIZE],
    int64_t *ret_end, struct err *e) MUST_CHECK;
/* Where the lines begin whose number is above `after`, and where the last whole line ends. */
int audit_file_find(
    int fd, int64_t after, int64_t *ret_offset, int64_t *ret_end, struct err *e) MUST_CHECK;
/* For writing, which the sealing thread alone does. */
struct audit_file {
	int fd; /* -1: there is none */
	bool has_last;
	struct checkpoint last;
	uint8_t digest[CHAIN_HASH_SIZE]; /* of its line */
	int64_t end;
};
/* ERR_INVALID when the last line is damaged. */
int audit_file_read(
    int dirfd, struct tenant_id tenant, struct audit_file *ret, struct err *e) MUST_CHECK;
int audit_file_create(
    int dirfd, struct tenant_id tenant, struct audit_file *f, struct err *e) MUST_CHECK;
/* Durable when it returns. */
int audit_file_append(struct audit_file *f, const struct checkpoint *c, struct err *e) MUST_CHECK;
int audit_file_remove(int dirfd, struct tenant_id tenant, struct err *e) MUST_CHECK;

#endif
