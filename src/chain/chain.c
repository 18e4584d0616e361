/* SPDX-License-Identifier: Apache-2.0 */
#include "chain_internal.h"

#include "auth.h"
#include "parse.h"

#include <string.h>

_Static_assert((int)CHAIN_HASH_SIZE == (int)AUTH_SHA256_SIZE, "the chain is one of SHA-256");

enum { PREFIX = CHAIN_HASH_SIZE + 8 + 8 };

void
chain_put_u64(uint8_t *out, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (56 - 8 * i));
}

void
chain_genesis(struct tenant_id tenant, uint8_t out[static CHAIN_HASH_SIZE])
{
	auth_sha256(tenant.uuid.b, sizeof(tenant.uuid.b), out);
}

void
chain_load(struct chain_hasher *h, const struct chain_entry *entry)
{
	REQUIRE(entry->text_n <= CHAIN_ENTRY_MAX);
	chain_put_u64(h->bytes + CHAIN_HASH_SIZE + 8, (uint64_t)entry->at_wall_us);
	memcpy(h->bytes + PREFIX, entry->text, entry->text_n);
	h->n = PREFIX + entry->text_n;
}

void
chain_hash(struct chain_hasher *h, const uint8_t before[static CHAIN_HASH_SIZE], int64_t number,
    uint8_t out[static CHAIN_HASH_SIZE])
{
	memcpy(h->bytes, before, CHAIN_HASH_SIZE);
	chain_put_u64(h->bytes + CHAIN_HASH_SIZE, (uint64_t)number);
	auth_sha256(h->bytes, h->n, out);
}

void
chain_next(struct chain_hasher *h, const uint8_t before[static CHAIN_HASH_SIZE],
    const struct chain_entry *entry, uint8_t out[static CHAIN_HASH_SIZE])
{
	chain_load(h, entry);
	chain_hash(h, before, entry->number, out);
}

bool
chain_unhex(const char *text, void *out, size_t n)
{
	uint8_t *bytes = out;

	if (strlen(text) != 2 * n || strspn(text, "0123456789abcdef") != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = parse_hex_digit(text[2 * i]), low = parse_hex_digit(text[2 * i + 1]);

		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

const char *
chain_fault_name(enum chain_fault f)
{
	static const char *const names[CHAIN_FAULT_COUNT] = { [CHAIN_MODIFIED] = "modified",
		[CHAIN_MISSING] = "missing",
		[CHAIN_INSERTED] = "inserted",
		[CHAIN_REORDERED] = "reordered",
		[CHAIN_TRUNCATED] = "truncated",
		[CHAIN_ROLLED_BACK] = "rolled-back",
		[CHAIN_CHECKPOINT] = "checkpoint" };

	REQUIRE(f < CHAIN_FAULT_COUNT);
	return names[f];
}
