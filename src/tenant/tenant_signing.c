/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public keys of all daemons on one database.  Each is a set of one key, so that a token is
 * checked with the key that its kid names and no other.  The whole is replaced by what the table
 * says: by the watcher every few seconds, and at once when a token names a key that came since.
 */
#include "tenant_internal.h"

#include "json.h"

#include <string.h>

enum { KEYS_MAX = 256, KID_SIZE = 65 };

struct ring_key {
	char kid[KID_SIZE];
	char *jwk; /* as it is published */
	struct jws_keys *keys;
};
struct keys {
	size_t refs; /* under the ring's lock */
	size_t n;
	struct ring_key at[KEYS_MAX];
};
struct tenant_ring {
	/* under lock */
	struct lock lock;
	struct keys *keys;
	bool lost; /* a key went since this was last asked */
};

/* --- life ---------------------------------------------------------------------------------------
 */

static void
keys_free(struct keys *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < k->n; i++) {
		jws_keys_free(k->at[i].keys);
		free(k->at[i].jwk);
	}
	free(k);
}
AUTO_TYPE(keys);

int
tenant_ring_new(struct tenant_ring **ret, struct err *e)
{
	AUTO(tenant_ring) r = calloc(1, sizeof(*r));

	if (r != NULL) {
		lock_init(&r->lock);
		r->keys = calloc(1, sizeof(*r->keys));
	}
	if (r == NULL || r->keys == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory for the signing keys");
	r->keys->refs = 1;
	*ret = r;
	r = NULL;
	return 0;
}

void
tenant_ring_free(struct tenant_ring *r)
{
	if (r == NULL)
		return;
	lock_done(&r->lock);
	keys_free(r->keys);
	free(r);
}

static struct keys *
borrow(struct tenant_ring *r)
{
	struct keys *k;

	lock_take(&r->lock);
	k = r->keys;
	k->refs++;
	lock_give(&r->lock);
	return k;
}

static void
give(struct tenant_ring *r, struct keys *k)
{
	bool last;

	lock_take(&r->lock);
	last = --k->refs == 0;
	lock_give(&r->lock);
	if (last)
		keys_free(k);
}

static const struct ring_key *
find(const struct keys *k, const char *kid)
{
	for (size_t i = 0; i < k->n; i++) {
		if (strcmp(k->at[i].kid, kid) == 0)
			return &k->at[i];
	}
	return NULL;
}

/* --- reading ------------------------------------------------------------------------------------
 */

struct reading {
	const char *kid, *jwk; /* of the row */
	struct arena *mem;
	struct keys *keys;
};

static int
add_key(void *ctx, struct err *e)
{
	struct reading *in = ctx;
	struct ring_key *at = &in->keys->at[in->keys->n];
	char *set = arena_printf(in->mem, "{\"keys\":[%s]}", in->jwk);
	AUTO(jws_keys) keys = NULL;
	struct err bad = { 0 };

	if (set == NULL)
		return arena_err(e);
	/* A row that is no public key, or another one than it says, signs nothing. */
	if (in->keys->n == KEYS_MAX || strlen(in->kid) >= sizeof(at->kid) ||
	    jws_keys_parse_text(set, strlen(set), &keys, &bad) < 0 || !jws_keys_has(keys, in->kid))
		return 0;
	at->jwk = strdup(in->jwk);
	if (at->jwk == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory for the signing keys");
	memcpy(at->kid, in->kid, strlen(in->kid) + 1);
	at->keys = keys;
	keys = NULL;
	in->keys->n++;
	return 0;
}

static bool
all_in(const struct keys *some, const struct keys *all)
{
	bool in = true;

	for (size_t i = 0; i < some->n && in; i++)
		in = find(all, some->at[i].kid) != NULL;
	return in;
}

/* Takes `fresh`. */
static void
replace(struct tenant_ring *r, struct keys *fresh)
{
	struct keys *former;

	fresh->refs = 1;
	lock_take(&r->lock);
	former = r->keys;
	r->lost |= !all_in(former, fresh);
	r->keys = fresh;
	lock_give(&r->lock);
	give(r, former);
}

bool
tenant_ring_take_lost(struct tenant_ring *r)
{
	bool lost;

	lock_take(&r->lock);
	lost = r->lost;
	r->lost = false;
	lock_give(&r->lock);
	return lost;
}

/* A token's clock may be JWT_LEEWAY_S behind. */
static const int64_t token_s = (int64_t)TENANTS_SUPPORT_S + INT64_C(2) * JWT_LEEWAY_S;

int
tenant_ring_read(struct tenant_ring *r, struct db *db, struct err *e)
{
	enum { MEM_BYTES = 1 << 20 };
	const struct db_arg args[] = { DB_ARG_I64(token_s), DB_ARGS_END };
	AUTO(arena) mem = arena_new(MEM_BYTES);
	AUTO(keys) keys = calloc(1, sizeof(*keys));
	struct reading in = { .mem = mem, .keys = keys };
	const struct db_col cols[] = { DB_TEXT("kid", &in.kid), DB_JSON("jwk", &in.jwk),
		DB_COLS_END };

	if (mem == NULL || keys == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory for the signing keys");
	if (db_platform_read_each(db, "tenant_signing_keys", args, cols, mem, add_key, &in, e) < 0)
		return -1;
	replace(r, keys);
	keys = NULL;
	return 0;
}

/* Whether the table has a key that came after the last reading: a look-up by its name, so that
 * tokens with invented names cost no more than invented keys do. */
static int
known_elsewhere(struct db *db, const char *kid, struct err *e)
{
	bool known = false;
	const struct db_arg args[] = { DB_ARG_TEXT(kid), DB_ARG_I64(token_s), DB_ARGS_END };
	const struct db_col cols[] = { DB_BOOL("known", &known), DB_COLS_END };

	return db_platform_read_one(db, "tenant_signing_key_known", args, cols, NULL, e);
}

/* --- use ----------------------------------------------------------------------------------------
 */

/* As tenant_ring_verify, with the keys at hand; *ret_found: the token's key is among them. */
static int
verify(struct tenant_ring *r, const struct jwt_token *jwt, bool *ret_found, struct err *e)
{
	struct keys *keys = borrow(r);
	const struct ring_key *key = find(keys, jwt_kid(jwt));
	struct err bad = { 0 };
	int rc = 0;

	*ret_found = key != NULL;
	if (key != NULL)
		rc = jwt_verify(jwt, key->keys, NULL, &bad) == 0 ? 1 : 0;
	give(r, keys);
	if (rc != 0 || bad.code == ERR_NONE || bad.code == ERR_UNAUTHENTICATED)
		return rc;
	*e = bad;
	return -1;
}

int
tenant_ring_verify(struct tenant_ring *r, struct db *db, const struct jwt_token *jwt, struct err *e)
{
	bool found;
	int rc = verify(r, jwt, &found, e);

	if (rc != 0 || found)
		return rc;
	rc = known_elsewhere(db, jwt_kid(jwt), e);
	if (rc <= 0)
		return rc;
	if (tenant_ring_read(r, db, e) < 0)
		return -1;
	return verify(r, jwt, &found, e);
}

void
tenant_ring_print(struct tenant_ring *r, struct json_out *o)
{
	struct keys *keys = borrow(r);

	json_out_begin(o);
	json_out_key(o, "keys");
	json_out_begin_array(o);
	for (size_t i = 0; i < keys->n; i++)
		json_out_raw(o, keys->at[i].jwk);
	json_out_end_array(o);
	json_out_end(o);
	give(r, keys);
}

/* --- this node's own key ------------------------------------------------------------------------
 */

int
tenant_signing_key_register(
    struct db *db, struct uuid node, const struct jwt_signer *signer, struct err *e)
{
	enum { JWK_MAX = 1024 };
	const char *kid = jwt_signer_kid(signer);
	AUTO(db_platform_tx) tx = NULL;
	struct json_out o;
	AUTO_BUF jwk = { 0 };
	int64_t n;

	buf_init(&jwk, JWK_MAX);
	json_out_init(&o, &jwk);
	jwt_signer_print_jwk(signer, &o);
	if (buf_check(&jwk, e) < 0)
		return -1;
	const struct db_arg key[] = { DB_ARG_TEXT(kid), DB_ARG_UUID(node), DB_ARG_JSON(jwk.p),
		DB_ARGS_END };
	const struct db_arg others[] = { DB_ARG_UUID(node), DB_ARG_TEXT(kid), DB_ARGS_END };

	if (db_platform_begin(db, &tx, e) < 0)
		return -1;
	n = db_platform_exec(tx, "tenant_signing_key_insert", key, e);
	if (n < 0)
		return -1;
	if (n == 0)
		return err_set(e, ERR_CONFLICT,
		    "This node's signing key is another node's; remove its file, so that a new one "
		    "is made");
	if (db_platform_exec(tx, "tenant_signing_key_retire", others, e) < 0)
		return -1;
	return db_platform_commit(&tx, e);
}

int64_t
tenant_signing_keys_prune(struct db *db, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_I64(token_s), DB_ARGS_END };
	AUTO(db_platform_tx) tx = NULL;
	int64_t n;

	if (db_platform_begin(db, &tx, e) < 0)
		return -1;
	n = db_platform_exec(tx, "tenant_signing_key_prune", args, e);
	if (n < 0 || db_platform_commit(&tx, e) < 0)
		return -1;
	return n;
}
