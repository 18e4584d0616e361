/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHAIN_H
#define CHAIN_H

/*
 * The arithmetic of audit chains, for the daemon and for whoever holds an export: hashes, and a
 * checker that is fed entry by entry and says which one is wrong.  Signed checkpoints are in
 * checkpoint.h.  Pure: no database, no files, no clock.
 *
 * The hash of an entry covers the one before it:
 *   SHA-256(hash before ‖ number, 8 bytes big-endian ‖ microseconds since 1970, the same ‖ entry)
 * and the hash before number 1 is SHA-256 of the 16 bytes of the tenant's id.
 */

#include "base.h"
#include "id.h"

#include <stdbool.h>

enum {
	CHAIN_HASH_SIZE = 32,
	CHAIN_ENTRY_MAX = 65536 /* bytes: the table allows 16,384 characters */
};
#define CHAIN_NUMBER_MAX (INT64_C(1) << 53) /* JSON's numbers are exact up to here */

struct chain_entry {
	int64_t number, at_wall_us;
	const char *text;
	size_t text_n;
	uint8_t hash[CHAIN_HASH_SIZE];
};
struct chain_link {
	int64_t number;
	uint8_t hash[CHAIN_HASH_SIZE];
};

/* Room for what is hashed; too large for a stack. */
struct chain_hasher {
	uint8_t bytes[CHAIN_HASH_SIZE + 8 + 8 + CHAIN_ENTRY_MAX];
	size_t n;
};
void chain_genesis(struct tenant_id tenant, uint8_t out[static CHAIN_HASH_SIZE]);
/* The hash that an entry of at most CHAIN_ENTRY_MAX bytes has behind `before`; its own is not
 * looked at. */
void chain_next(struct chain_hasher *h, const uint8_t before[static CHAIN_HASH_SIZE],
    const struct chain_entry *entry, uint8_t out[static CHAIN_HASH_SIZE]);
/* Reads exactly 2 * n lower-case hexadecimal digits (auth_hex writes them). */
bool chain_unhex(const char *text, void *out, size_t n) MUST_CHECK;

/* --- checking --------------------------------------------------------------------------------- */

enum chain_fault {
	CHAIN_MODIFIED,    /* an entry, or the hash of the one before it, is not what it was */
	CHAIN_MISSING,     /* entries were taken out in front of what comes next */
	CHAIN_INSERTED,    /* entries were put in */
	CHAIN_REORDERED,   /* an entry stands in another's place */
	CHAIN_TRUNCATED,   /* the last entries are gone */
	CHAIN_ROLLED_BACK, /* the log is what it was earlier, and perhaps went on from there */
	CHAIN_CHECKPOINT,  /* a checkpoint is damaged, or not of this log */
	CHAIN_FAULT_COUNT
};
const char *chain_fault_name(enum chain_fault f); /* "modified", ..., "rolled-back", "checkpoint" */

enum { CHAIN_PROBLEMS_MAX = 64, CHAIN_DETAIL_SIZE = 128 };
struct chain_problem {
	enum chain_fault fault;
	int64_t number; /* where it shows, as the log numbers its entries */
	char detail[CHAIN_DETAIL_SIZE];
};

/*
 * One walk over a log in the order of its numbers, about 80 KiB.  Up to CHAIN_PROBLEMS_MAX faults
 * the checker works out what was done; beyond it only counts.
 */
struct chain_check {
	struct chain_problem problems[CHAIN_PROBLEMS_MAX];
	size_t n_problems;
	int64_t n_problems_lost;
	int64_t n_entries; /* fed */
	struct chain_link last;
	/* of chain_check.c */
	bool last_known; /* last.hash is one: not at the start of a part, nor behind a gap */
	bool before_known;
	uint8_t before[CHAIN_HASH_SIZE];   /* hash of the entry before the last */
	uint8_t computed[CHAIN_HASH_SIZE]; /* what last.hash should be */
	int64_t shift;                     /* by how much numbers are too high, after insertions */
	struct chain_place {
		uint8_t before[CHAIN_HASH_SIZE], stored[CHAIN_HASH_SIZE];
		int64_t number;       /* without the shift */
	} places[CHAIN_PROBLEMS_MAX]; /* of the problems */
	struct chain_hasher hasher;
};

/* Of the whole log, from its first entry. */
void chain_check_start(struct chain_check *c, struct tenant_id tenant);
/* Of a part: the hash of entry `first` is taken for right. */
void chain_check_start_at(struct chain_check *c, int64_t first);
void chain_check_entry(struct chain_check *c, const struct chain_entry *entry);
/* Behind the last entry: the log must end here.  Number 0: an empty log. */
void chain_check_end(struct chain_check *c, const struct chain_link *head);
void chain_check_report(struct chain_check *c, enum chain_fault fault, int64_t number,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
