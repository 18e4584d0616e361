/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What daemons tell each other.  The thread copies out what was spent, asks the database without
 * the lock, and debits what the others have spent since it asked last.  While the database is away
 * each daemon goes on with what it knows.
 */
#include "rate_internal.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>

extern const unsigned char sql_rate[];
const struct db_sql rate_sql = { "rate", (const char *)sql_rate };

enum { EXCHANGE_ARENA_BYTES = 1 << 20, HURRY_MS = 20 /* between exchanges, at least */ };

static void
copy_slot(struct rate_exchange *x, enum rate_kind kind, struct rate_slot *s)
{
	size_t i = x->n++;
	struct uuid key;

	memcpy(&x->tenants[i], s->key.bytes, sizeof(x->tenants[i]));
	x->kinds[i] = kind;
	x->keys[i] = s->key;
	s->introduced = true;
	x->spent[i] = s->spent;
	if (kind == RATE_KEY) {
		memcpy(&key, s->key.bytes + sizeof(key), sizeof(key));
		uuid_format(key, x->names[i]);
	} else {
		(void)snprintf(x->names[i], sizeof(x->names[i]), "tenant"); /* fits */
	}
	x->buckets[i] = x->names[i];
}

/* A full bucket that told everything needs no news. */
static bool
needs_exchange(struct rate_slot *s, int64_t now_ns)
{
	return s->used && (s->told != s->spent || rate_bucket_full_ms(&s->bucket, now_ns) > 0);
}

static void
copy_out(struct rates *r)
{
	struct rate_table *t = &r->tables[RATE_TENANT], *k = &r->tables[RATE_KEY];
	size_t n_tenants = t->n_sets * RATE_WAYS, n = n_tenants + k->n_sets * RATE_WAYS;
	int64_t now_ns = clock_mono_ns();

	r->x->n = 0;
	lock_take(&r->lock);
	for (size_t seen = 0; seen < n && r->x->n < RATE_EXCHANGE_MAX; seen++) {
		size_t i = r->next++ % n;
		struct rate_slot *s = i < n_tenants ? &t->slots[i] : &k->slots[i - n_tenants];

		if (needs_exchange(s, now_ns))
			copy_slot(r->x, i < n_tenants ? RATE_TENANT : RATE_KEY, s);
		else
			/* What the others spend meanwhile fills again as well: counting starts
			 * anew. */
			s->others_known = false;
	}
	lock_give(&r->lock);
}

struct row {
	struct rate_exchange *x;
	int64_t n, others;
};

static int
keep_others(void *ctx, struct err *e)
{
	struct row *row = ctx;

	if (row->n < 1 || (size_t)row->n > row->x->n)
		return err_set(
		    e, ERR_DB_SCHEMA, "rate_exchange returned row %lld", (long long)row->n);
	row->x->others[row->n - 1] = row->others;
	return 0;
}

static int
ask(struct rates *r, struct arena *mem, struct err *e)
{
	struct rate_exchange *x = r->x;
	struct row row = { .x = x };
	const struct db_arg args[] = { DB_ARG_UUID(r->o.node), DB_ARG_UUIDS(x->tenants, x->n),
		DB_ARG_TEXTS(x->buckets, x->n), DB_ARG_I64S(x->spent, x->n), DB_ARGS_END };
	const struct db_col cols[] = { DB_I64("n", &row.n), DB_I64("others", &row.others),
		DB_COLS_END };
	AUTO(db_platform_tx) tx = NULL;

	if (db_platform_begin(r->o.db, &tx, e) < 0)
		return -1;
	if (db_platform_each(tx, "rate_exchange", args, cols, mem, keep_others, &row, e) < 0)
		return -1;
	return db_platform_commit(&tx, e);
}

/* The first answer is where counting starts: what was spent before this daemon looked is over. */
static void
debit_others(struct rates *r)
{
	struct rate_exchange *x = r->x;
	int64_t now_ns = clock_mono_ns();

	lock_take(&r->lock);
	for (size_t i = 0; i < x->n; i++) {
		struct rate_slot *s = rate_table_find(&r->tables[x->kinds[i]], &x->keys[i]);

		if (s == NULL)
			continue;
		if (s->others_known && x->others[i] > s->others)
			rate_bucket_debit(&s->bucket, x->others[i] - s->others, now_ns);
		s->others = x->others[i];
		s->others_known = true;
		s->told = x->spent[i];
	}
	lock_give(&r->lock);
}

struct limit {
	struct rates *r;
	struct uuid tenant;
	const char *name;
	int64_t amount;
};

static int
set_limit(void *ctx, struct err *e)
{
	struct limit *l = ctx;
	struct rates *r = l->r;
	bool of_key = strcmp(l->name, "key_requests_per_second") == 0;
	struct rate_table *t = &r->tables[of_key ? RATE_KEY : RATE_TENANT];
	int64_t per_s = l->amount, now_ns = clock_mono_ns();

	(void)e; /* nothing can fail */
	if (per_s < 0)
		per_s = of_key ? r->o.key_per_s : r->o.tenant_per_s;
	per_s = per_s < 1 ? 1 : per_s;
	per_s = per_s > RATE_MAX / RATES_BURST_S ? RATE_MAX / RATES_BURST_S : per_s;
	lock_take(&r->lock);
	for (size_t i = 0; i < t->n_sets * RATE_WAYS; i++) {
		struct rate_slot *s = &t->slots[i];

		if (s->used && memcmp(s->key.bytes, &l->tenant, sizeof(l->tenant)) == 0 &&
		    s->bucket.per_min != per_s * 60)
			rate_bucket_set(&s->bucket, per_s * 60, per_s * RATES_BURST_S, now_ns);
	}
	lock_give(&r->lock);
	return 0;
}

static int
read_limits(struct rates *r, struct arena *mem, struct err *e)
{
	struct limit l = { .r = r };
	const struct db_arg args[] = { DB_ARG_UUIDS(r->x->tenants, r->x->n), DB_ARGS_END };
	const struct db_col cols[] = { DB_UUID("tenant_id", &l.tenant), DB_TEXT("name", &l.name),
		DB_I64("amount", &l.amount), DB_COLS_END };

	return db_platform_read_each(r->o.db, "rate_limits", args, cols, mem, set_limit, &l, e) < 0
		   ? -1
		   : 0;
}

static void
exchange(struct rates *r)
{
	AUTO(arena) mem = arena_new(EXCHANGE_ARENA_BYTES);
	struct err e = { 0 };
	bool ok;

	copy_out(r);
	if (r->x->n == 0 || mem == NULL)
		return;
	ok = ask(r, mem, &e) == 0;
	if (ok)
		debit_others(r);
	if (ok)
		ok = read_limits(r, mem, &e) == 0;
	if (!ok && !r->failing)
		log_err(&r->o.log, LOG_LEVEL_WARN, &e, "rates of other daemons are not known");
	r->failing = !ok;
}

/* False when there will be no more exchanges.  Newcomers do not wait for their limits until the
 * next one is due; those of a moment share one. */
static bool
wait_for_turn(struct rates *r)
{
	struct deadline due = deadline_in_ms(RATES_EXCHANGE_MS), soon = deadline_in_ms(HURRY_MS);
	bool stop;

	lock_take(&r->lock);
	while (!r->stop && !r->hurry && cond_wait(&r->woken, &r->lock, due))
		;
	while (!r->stop && cond_wait(&r->woken, &r->lock, soon))
		;
	r->hurry = false;
	stop = r->stop;
	lock_give(&r->lock);
	return !stop;
}

static void *
run(void *arg)
{
	struct rates *r = arg;

	while (wait_for_turn(r))
		exchange(r);
	return NULL;
}

int
rate_exchange_start(struct rates *r, struct err *e)
{
	r->x = calloc(1, sizeof(*r->x));
	if (r->x == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for rate limits");
	if (thread_start(&r->thread, "rate-exchange", run, r, e) < 0)
		return -1;
	r->has_thread = true;
	return 0;
}

void
rate_exchange_stop(struct rates *r)
{
	if (r->has_thread) {
		lock_take(&r->lock);
		r->stop = true;
		cond_wake_all(&r->woken);
		lock_give(&r->lock);
		thread_join(&r->thread);
		r->has_thread = false;
	}
	free(r->x);
	r->x = NULL;
}
