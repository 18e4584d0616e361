/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint.h"

#include "arena.h"
#include "auth.h"
#include "chain_internal.h"
#include "clock.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

/* --- signature -------------------------------------------------------------------------------- */

enum { SIGNED_SIZE = 256 };

struct signed_bytes {
	uint8_t p[SIGNED_SIZE];
	size_t n;
};

static void
put(struct signed_bytes *b, const void *p, size_t n)
{
	REQUIRE(b->n + 4 + n <= sizeof(b->p)); /* 8 fields of 146 bytes in all */
	b->p[b->n++] = 0;
	b->p[b->n++] = 0;
	b->p[b->n++] = 0;
	b->p[b->n++] = (uint8_t)n;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void
put_number(struct signed_bytes *b, int64_t v)
{
	uint8_t bytes[8];

	chain_put_u64(bytes, (uint64_t)v);
	put(b, bytes, sizeof(bytes));
}

static struct signed_bytes
canonical(const struct checkpoint *c)
{
	static const char purpose[] = "wardian audit checkpoint 1";
	struct signed_bytes b = { .n = 0 };

	put(&b, purpose, sizeof(purpose) - 1);
	put(&b, c->tenant.uuid.b, sizeof(c->tenant.uuid.b));
	put_number(&b, c->number);
	put_number(&b, c->at_wall_us);
	put(&b, c->hash, sizeof(c->hash));
	put_number(&b, c->made_wall_us);
	put(&b, c->node.b, sizeof(c->node.b));
	put(&b, c->previous, sizeof(c->previous));
	return b;
}

int
checkpoint_sign(struct checkpoint *c, const struct sign_key *k, struct err *e)
{
	struct signed_bytes b = canonical(c);

	if (sign_make(k, b.p, b.n, c->signature, e) < 0)
		return -1;
	memcpy(c->key, sign_key_public(k), sizeof(c->key));
	return 0;
}

bool
checkpoint_signed(const struct checkpoint *c)
{
	struct signed_bytes b = canonical(c);

	return sign_verify(c->key, b.p, b.n, c->signature);
}

/* --- text ------------------------------------------------------------------------------------- */

size_t
checkpoint_print(const struct checkpoint *c, char out[static CHECKPOINT_LINE_SIZE])
{
	char tenant[ID_STR_SIZE], at[CLOCK_STR_SIZE], made[CLOCK_STR_SIZE], node[UUID_STR_SIZE];
	char hash[2 * sizeof(c->hash) + 1], previous[2 * sizeof(c->previous) + 1];
	char key[2 * sizeof(c->key) + 1], signature[2 * sizeof(c->signature) + 1];
	int n;

	auth_hex(c->hash, sizeof(c->hash), hash);
	auth_hex(c->previous, sizeof(c->previous), previous);
	auth_hex(c->key, sizeof(c->key), key);
	auth_hex(c->signature, sizeof(c->signature), signature);
	n = snprintf(out, CHECKPOINT_LINE_SIZE,
	    "{\"tenant\":\"%s\",\"number\":%lld,\"at\":\"%s\",\"hash\":\"%s\",\"made_at\":\"%s\","
	    "\"node\":\"%s\",\"previous\":\"%s\",\"key\":\"%s\",\"signature\":\"%s\"}",
	    id_format("ten", c->tenant.uuid, tenant), (long long)c->number,
	    clock_format(c->at_wall_us, at), hash, clock_format(c->made_wall_us, made),
	    uuid_format(c->node, node), previous, key, signature);
	REQUIRE(n > 0 && n < CHECKPOINT_LINE_SIZE);
	return (size_t)n;
}

struct texts {
	const char *tenant, *at, *hash, *made_at, *node, *previous, *key, *signature;
};

static int
decode(const struct json *j, struct arena *mem, struct texts *t, int64_t *number, struct err *e)
{
	enum { HASH = 2 * CHAIN_HASH_SIZE, SIGNATURE = 2 * SIGN_SIZE };
	const struct json_field fields[] = {
		JSON_TEXT("tenant", &t->tenant, 1, ID_STR_SIZE, JSON_REQUIRED),
		JSON_I64("number", number, 1, CHAIN_NUMBER_MAX, JSON_REQUIRED),
		JSON_TEXT("at", &t->at, 1, CLOCK_STR_SIZE, JSON_REQUIRED),
		JSON_TEXT("hash", &t->hash, HASH, HASH, JSON_REQUIRED),
		JSON_TEXT("made_at", &t->made_at, 1, CLOCK_STR_SIZE, JSON_REQUIRED),
		JSON_TEXT("node", &t->node, 1, UUID_STR_SIZE, JSON_REQUIRED),
		JSON_TEXT("previous", &t->previous, HASH, HASH, JSON_REQUIRED),
		JSON_TEXT("key", &t->key, HASH, HASH, JSON_REQUIRED),
		JSON_TEXT("signature", &t->signature, SIGNATURE, SIGNATURE, JSON_REQUIRED),
		JSON_FIELDS_END,
	};

	return json_decode(j, fields, mem, e);
}

static int
convert(const struct texts *t, struct checkpoint *c, struct err *e)
{
	if (id_parse("ten", t->tenant, &c->tenant.uuid, e) < 0 ||
	    uuid_parse(t->node, &c->node, e) < 0 || clock_parse(t->at, &c->at_wall_us, e) < 0 ||
	    clock_parse(t->made_at, &c->made_wall_us, e) < 0)
		return -1;
	if (!chain_unhex(t->hash, c->hash, sizeof(c->hash)) ||
	    !chain_unhex(t->previous, c->previous, sizeof(c->previous)) ||
	    !chain_unhex(t->key, c->key, sizeof(c->key)) ||
	    !chain_unhex(t->signature, c->signature, sizeof(c->signature)))
		return err_set(e, ERR_INVALID, "a number is not in hexadecimal digits");
	return 0;
}

static int
read_line(const char *line, size_t n, struct checkpoint *ret, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO(arena) mem = arena_new(4096);
	struct texts t = { 0 };

	if (mem == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory to read a checkpoint");
	if (json_parse(line, n, &j, e) < 0 || decode(j, mem, &t, &ret->number, e) < 0)
		return -1;
	return convert(&t, ret, e);
}

int
checkpoint_parse(const char *line, size_t n, struct checkpoint *ret, struct err *e)
{
	char again[CHECKPOINT_LINE_SIZE];
	struct checkpoint c = { 0 };
	struct err why = { 0 };

	if (n >= CHECKPOINT_LINE_SIZE || read_line(line, n, &c, &why) < 0) {
		if (why.code == ERR_NO_MEMORY) {
			*e = why;
			return -1;
		}
		return err_set(e, ERR_INVALID, "the line is no checkpoint");
	}
	/* One form, so that nobody can change a line without changing what it says. */
	if (checkpoint_print(&c, again) != n || memcmp(again, line, n) != 0)
		return err_set(e, ERR_INVALID, "the line is no checkpoint as they are written");
	*ret = c;
	return 0;
}
