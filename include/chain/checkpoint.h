/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

/*
 * Checkpoints: what a node has seen of a log, signed and kept outside of the database, so that a
 * log that was cut, replaced by an older copy or written anew is found out.  One is a line of JSON
 * in exactly one form:
 *
 *   {"tenant":"ten_...","number":17,"at":"...","hash":"<hex>","made_at":"...","node":"<uuid>",
 *    "previous":"<hex>","key":"<hex>","signature":"<hex>"}
 *
 * `previous` is the SHA-256 of the line before it (32 zero bytes in the first), so a signature
 * vouches for its own line and all before it: a trail is checked with one signature.  The signature
 * is Ed25519 over these fields, each behind its length in 4 bytes, all numbers big-endian:
 * "wardian audit checkpoint 1", tenant (16 bytes), number (8), at (8, microseconds since 1970),
 * hash (32), made_at (8), node (16), previous (32).
 *
 * Pure like chain.h.
 */

#include "chain.h"
#include "err.h"
#include "sign.h"

struct checkpoint {
	struct tenant_id tenant;
	int64_t number, at_wall_us; /* of the entry */
	uint8_t hash[CHAIN_HASH_SIZE];
	int64_t made_wall_us;
	struct uuid node;
	uint8_t previous[CHAIN_HASH_SIZE];
	uint8_t key[SIGN_PUBLIC_SIZE];
	uint8_t signature[SIGN_SIZE];
};

enum { CHECKPOINT_LINE_SIZE = 768 };
/* Fills key and signature. */
int checkpoint_sign(struct checkpoint *c, const struct sign_key *k, struct err *e) MUST_CHECK;
/* By the key that it names. */
bool checkpoint_signed(const struct checkpoint *c) MUST_CHECK;
/* Without a newline; the length. */
size_t checkpoint_print(const struct checkpoint *c, char out[static CHECKPOINT_LINE_SIZE]);
/* ERR_INVALID for everything that checkpoint_print does not write. */
int checkpoint_parse(const char *line, size_t n, struct checkpoint *ret, struct err *e) MUST_CHECK;

/*
 * A trail: the lines of one node for one tenant, in order.  Faults go into the check as
 * CHAIN_CHECKPOINT, the first 16 of them.  At most CHECKPOINT_LINKS_MAX of the lines are compared
 * with the log: of more, every second is dropped again and again (without memory for them,
 * earlier), which makes places coarser, not faults unseen.
 */
enum { CHECKPOINT_LINKS_MAX = 1 << 16 };
struct checkpoint_trail {
	int64_t n_lines;
	struct checkpoint last; /* that could be read; number 0: none */
	/* of the trail */
	struct tenant_id tenant;
	bool any_previous; /* of the next line: the first one of a part may follow anything */
	uint8_t previous[CHAIN_HASH_SIZE];
	struct chain_link *links;
	size_t n_links, cap_links, next_link;
	int64_t every; /* line that is kept */
	bool differed;
	int n_faults;
};
void checkpoint_trail_start(struct checkpoint_trail *t, struct tenant_id tenant);
void checkpoint_trail_done(struct checkpoint_trail *t);
/* The lines may begin in the middle. */
void checkpoint_trail_part(struct checkpoint_trail *t);
void checkpoint_trail_line(
    struct checkpoint_trail *t, const char *line, size_t n, struct chain_check *c);
/* After the last line; key NULL: any key that it names. */
void checkpoint_trail_end(struct checkpoint_trail *t, const uint8_t *key, struct chain_check *c);
/* With each entry of the log in order, before or after chain_check_entry. */
void checkpoint_trail_entry(
    struct checkpoint_trail *t, const struct chain_entry *entry, struct chain_check *c);
/* With the end of the log. */
void checkpoint_trail_head(
    struct checkpoint_trail *t, const struct chain_link *head, struct chain_check *c);

#endif
