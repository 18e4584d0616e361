/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a header to a principal.  What is malformed (a key with a wrong checksum, say) is refused
 * without a look-up; what is cached and trusted (tenant_cache.c) needs none.  Everything else is
 * one statement on the platform's role, because no tenant is known yet, and before it the source of
 * the request must not have failed too often lately.  Who asks learns only whether a credential is
 * valid, never why it is not; the counters tell the operator, and a struct credential_refusal the
 * tenant, when the credential was right in itself.
 *
 * tenant_key.c, tenant_support.c and tenant_issuer.c look up the three kinds of principals,
 * tenant_token.c reads tokens, tenant_watch.c is the thread that keeps the cache honest.
 */
#include "tenant_internal.h"

#include "clock.h"
#include "metrics.h"
#include "rate.h"

#include <stdio.h>
#include <string.h>

/* --- life ---------------------------------------------------------------------------------------
 */

int
tenants_new(const struct tenants_options *o, struct tenants **ret, struct err *e)
{
	AUTO(tenants) t = calloc(1, sizeof(*t));

	REQUIRE(o->issuer != NULL && o->issuer[0] != '\0');
	if (t == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory for the cache of credentials");
	t->o = *o;
	atomic_init(&t->signer, o->signer);
	lock_init(&t->lock);
	cond_init(&t->wake);
	if (tenant_cache_new(o->cache_entries, &t->cache, e) < 0 ||
	    tenant_uses_new(o->cache_entries, &t->uses, e) < 0 ||
	    tenant_ring_new(&t->ring, e) < 0 || tenant_ring_read(t->ring, o->db, e) < 0 ||
	    tenant_watch_start(t, e) < 0)
		return -1;
	*ret = t;
	t = NULL;
	return 0;
}

void
tenants_free(struct tenants *t)
{
	if (t == NULL)
		return;
	tenant_watch_stop(t);
	tenant_cache_free(t->cache);
	tenant_uses_free(t->uses);
	tenant_ring_free(t->ring);
	cond_done(&t->wake);
	lock_done(&t->lock);
	free(t);
}

void
tenants_forget(struct tenants *t, struct tenant_id tenant)
{
	tenant_cache_forget(t->cache, tenant);
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void
count(struct tenants *t, enum tenant_outcome outcome)
{
	metrics_add_by(t->o.metrics, METRIC_AUTH_CHECKS, tenant_outcome_name(outcome), 1);
}

static const char *
source_of(const struct credential *c)
{
	return c->source == NULL ? "" : c->source;
}

static const char *
public_of(const struct tenant_text *text)
{
	return text->token ? "" : text->key.id;
}

static int
refuse(struct tenants *t, const struct credential *c, const char *key_public,
    enum tenant_outcome outcome, struct err *e)
{
	count(t, outcome);
	if (t->o.rates != NULL)
		rates_failed(t->o.rates, source_of(c), key_public);
	return err_set(e, ERR_UNAUTHENTICATED,
	    "The credential is not valid; check that it is whole, not expired and not revoked");
}

/* A right credential: its owner did not guess, so that nobody has to pause for it. */
static int
refuse_suspended(struct tenants *t, const struct tenant_known *k, struct err *e)
{
	count(t, OUTCOME_SUSPENDED);
	if (k->reason[0] == '\0')
		return err_set(e, ERR_SUSPENDED,
		    "This tenant is suspended; ask the operator of this installation");
	return err_set(e, ERR_SUSPENDED,
	    "This tenant is suspended (%s); ask the operator of this installation", k->reason);
}

/* Tells the caller of a refusal that the tenant should see in its log. */
static void
tell(const struct credential *c, enum tenant_outcome outcome, const struct tenant_known *k)
{
	static const bool worth[OUTCOME_COUNT] = { [OUTCOME_EXPIRED] = true,
		[OUTCOME_REVOKED] = true,
		[OUTCOME_DISABLED] = true,
		[OUTCOME_SUSPENDED] = true,
		[OUTCOME_SOURCE] = true };

	if (c->refusal == NULL || !worth[outcome] || k->n_watch == 0)
		return;
	c->refusal->why = tenant_outcome_name(outcome);
	c->refusal->who = k->who;
	c->refusal->who.grants = (struct grants){ 0 };
}

static bool
from_allowed_source(const struct tenant_known *k, const struct credential *c)
{
	struct net_addr from;
	struct err bad = { 0 };

	return !k->bound || (net_addr_parse(source_of(c), &from, &bad) == 0 &&
				net_cidrs_contain(&k->cidrs, &from));
}

static void
note_use(struct tenants *t, const struct credential *c, const struct principal *who)
{
	struct tenant_use use = {
		.tenant = who->tenant, .key = who->key, .wall_us = clock_wall_us()
	};

	if (uuid_is_nil(who->key))
		return;
	(void)snprintf(use.source, sizeof(use.source), "%s", source_of(c));
	tenant_uses_note(t->uses, &use);
}

/* --- the cache ----------------------------------------------------------------------------------
 */

/* 0 with the text; -1 when the request can only be refused. */
static int
read_text(struct tenants *t, const struct credential *c, struct tenant_text *ret, struct err *e)
{
	if (c->authorization == NULL)
		return err_set(e, ERR_UNAUTHENTICATED,
		    "The request carries no credential; send an API key or a token as "
		    "'Authorization: Bearer ...'");
	if (!tenant_credential_read(c->authorization, ret))
		return refuse(t, c, "", OUTCOME_MALFORMED, e);
	return 0;
}

/* 1 when the cache alone says yes, else 0; *ret_hit: it says something, which is *k. */
static int
recall(struct tenants *t, const struct credential *c, const struct tenant_text *text,
    struct tenant_known *k, bool *ret_hit)
{
	enum tenant_hit hit = tenant_cache_get(t->cache, text->digest, tenant_now(), k);

	*ret_hit = hit != TENANT_MISS;
	if (hit == TENANT_MISS || k->suspended || !from_allowed_source(k, c))
		return 0;
	if (hit == TENANT_HIT_USE)
		note_use(t, c, &k->who);
	return 1;
}

/* Whether a credential that is not known to be right may be looked at: 0, or -1. */
static int
may_try(
    struct tenants *t, const struct credential *c, const struct tenant_text *text, struct err *e)
{
	if (t->o.rates == NULL || rates_try(t->o.rates, source_of(c), public_of(text), e) == 0)
		return 0;
	count(t, OUTCOME_THROTTLED);
	return -1;
}

bool
tenants_known(struct tenants *t, const struct credential *c)
{
	struct tenant_text text = { 0 };
	struct tenant_known k;
	bool hit;

	return c->authorization != NULL && tenant_credential_read(c->authorization, &text) &&
	       recall(t, c, &text, &k, &hit) == 1;
}

int
tenants_recall(struct tenants *t, const struct credential *c, struct principal *ret, struct err *e)
{
	struct tenant_text text = { 0 };
	struct tenant_known k;
	bool hit;

	if (read_text(t, c, &text, e) < 0)
		return -1;
	if (recall(t, c, &text, &k, &hit) == 1) {
		count(t, OUTCOME_CACHED);
		*ret = k.who;
		return 1;
	}
	/* Guesses end here, without a place in the queue of the workers; so does what is right but
	 * comes from where it must not. */
	return hit && from_allowed_source(&k, c) ? 0 : may_try(t, c, &text, e);
}

/* --- the database -------------------------------------------------------------------------------
 */

static int
look_up(struct tenants *t, const struct tenant_text *text, struct tenant_found *ret, struct err *e)
{
	/* 128 roles of a user and as many of a key, each with all permissions by name; 8 issuers
	 * with their keys. */
	enum { MEM_BYTES = 2 << 20 };
	const struct tenant_key_query key = { .key = &text->key };
	AUTO(arena) mem = arena_new(MEM_BYTES);

	if (mem == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory to check the credential");
	if (text->token)
		return tenant_token_look_up(t, text, mem, ret, e);
	return tenant_key_look_up(t, &key, mem, ret, e);
}

/* What was found is kept even when it cannot be used now, so that the next request is answered
 * without asking. */
static int
judge(struct tenants *t, const struct credential *c, const struct tenant_text *text,
    struct tenant_found *f, struct err *e)
{
	struct tenant_known *k = &f->known;

	if (f->outcome == OUTCOME_OK) {
		tenant_cache_put(t->cache, text->digest, k);
		if (!from_allowed_source(k, c))
			f->outcome = OUTCOME_SOURCE;
		else if (k->suspended)
			f->outcome = OUTCOME_SUSPENDED;
	}
	if (f->outcome != OUTCOME_OK)
		tell(c, f->outcome, k);
	if (f->outcome == OUTCOME_SUSPENDED)
		return refuse_suspended(t, k, e);
	if (f->outcome != OUTCOME_OK)
		return refuse(t, c, public_of(text), f->outcome, e);
	note_use(t, c, &k->who);
	count(t, OUTCOME_OK);
	return 0;
}

static int
check(struct tenants *t, const struct credential *c, const struct tenant_text *text,
    struct principal *ret, struct err *e)
{
	/* The first thing of all: what is seen from here on is not older. */
	struct tenant_found f = { .known.seen_mono_ns = clock_mono_ns() };

	if (may_try(t, c, text, e) < 0 || look_up(t, text, &f, e) < 0 ||
	    judge(t, c, text, &f, e) < 0)
		return -1;
	*ret = f.known.who;
	return 0;
}

int
tenants_authenticate(
    struct tenants *t, const struct credential *c, struct principal *ret, struct err *e)
{
	struct tenant_text text = { 0 };
	struct tenant_known k;
	bool hit;

	if (c->refusal != NULL)
		c->refusal->why = NULL;
	if (read_text(t, c, &text, e) < 0)
		return -1;
	if (recall(t, c, &text, &k, &hit) == 1) {
		count(t, OUTCOME_CACHED);
		*ret = k.who;
		return 0;
	}
	if (!hit)
		return check(t, c, &text, ret, e);
	if (from_allowed_source(&k, c))
		return refuse_suspended(t, &k, e);
	if (may_try(t, c, &text, e) < 0)
		return -1;
	k.n_watch = 1;
	tell(c, OUTCOME_SOURCE, &k);
	return refuse(t, c, public_of(&text), OUTCOME_SOURCE, e);
}
