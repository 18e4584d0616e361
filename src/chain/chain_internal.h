/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHAIN_INTERNAL_H
#define CHAIN_INTERNAL_H

#include "chain.h"

/* chain_next in two steps, so that one entry can be tried in several places. */
void chain_load(struct chain_hasher *h, const struct chain_entry *entry);
void chain_hash(struct chain_hasher *h, const uint8_t before[static CHAIN_HASH_SIZE],
    int64_t number, uint8_t out[static CHAIN_HASH_SIZE]);
/* Big-endian. */
void chain_put_u64(uint8_t *out, uint64_t v);

#endif
