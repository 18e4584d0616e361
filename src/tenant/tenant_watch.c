/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that keeps the cache honest: it asks for the versions of the tenants in it, reads the
 * signing keys again, and writes when keys were last used.  Nothing depends on it for safety: what
 * it does not confirm is not trusted.
 */
#include "tenant_internal.h"

#include "clock.h"

enum {
	ROUND_MS = 300, /* twice within TENANT_TRUST_MS, with room for a slow answer */
	KEYS_MS = 5000,
	USES_AT_ONCE = 512
};

/* Last uses as columns of a statement. */
struct uses {
	struct tenant_use at[USES_AT_ONCE];
	struct uuid tenants[USES_AT_ONCE], keys[USES_AT_ONCE];
	int64_t times[USES_AT_ONCE];
	const char *sources[USES_AT_ONCE];
};

struct watch {
	struct tenants *t;
	struct tenant_version *versions; /* tenant_cache_room */
	struct uuid *tenants;            /* of versions, in the same order */
	struct uses uses;
	int64_t keys_ms, uses_ms; /* when they were last done */
	bool failed;              /* in the last round; said once */
};

/* --- versions --------------------------------------------------------------------------------- */

struct answer {
	struct tenant_version row;
	struct tenant_version *versions;
	size_t n;
};

static int
by_tenant(const void *a, const void *b)
{
	const struct tenant_version *x = a, *y = b;

	return uuid_cmp(x->tenant, y->tenant);
}

static int
note_version(void *ctx, struct err *e)
{
	struct answer *a = ctx;
	struct tenant_version *v =
	    bsearch(&a->row, a->versions, a->n, sizeof(*a->versions), by_tenant);

	(void)e;
	if (v != NULL)
		v->version = a->row.version;
	return 0;
}

static int
ask_versions(struct watch *w, struct err *e)
{
	struct answer a = { .versions = w->versions };
	int64_t asked_ns;

	a.n = tenant_cache_tenants(w->t->cache, w->versions);
	if (a.n == 0)
		return 0;
	for (size_t i = 0; i < a.n; i++) {
		w->tenants[i] = w->versions[i].tenant;
		w->versions[i].version = -1; /* gone, unless the answer says otherwise */
	}
	const struct db_arg args[] = { DB_ARG_UUIDS(w->tenants, a.n), DB_ARGS_END };
	const struct db_col cols[] = { DB_UUID("tenant_id", &a.row.tenant),
		DB_I64("access_version", &a.row.version), DB_COLS_END };

	asked_ns = clock_mono_ns();
	if (db_platform_read_each(
		w->t->o.db, "tenant_versions", args, cols, NULL, note_version, &a, e) < 0)
		return -1;
	tenant_cache_confirm(w->t->cache, w->versions, a.n, asked_ns);
	return 0;
}

/* --- signing keys ----------------------------------------------------------------------------- */

static int
read_keys(struct watch *w, struct err *e)
{
	int rc = 0;

	if (clock_mono_ms() - w->keys_ms >= KEYS_MS) {
		rc = tenant_ring_read(w->t->ring, w->t->o.db, e);
		if (rc == 0)
			w->keys_ms = clock_mono_ms();
	}
	if (tenant_ring_take_lost(w->t->ring))
		tenant_cache_clear(w->t->cache);
	return rc;
}

/* --- last uses -------------------------------------------------------------------------------- */

static int
write_uses(struct db *db, struct uses *u, size_t n, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUIDS(u->tenants, n), DB_ARG_UUIDS(u->keys, n),
		DB_ARG_TIMES(u->times, n), DB_ARG_TEXTS(u->sources, n), DB_ARGS_END };
	AUTO(db_platform_tx) tx = NULL;

	for (size_t i = 0; i < n; i++) {
		u->tenants[i] = u->at[i].tenant.uuid;
		u->keys[i] = u->at[i].key;
		u->times[i] = u->at[i].wall_us;
		u->sources[i] = u->at[i].source;
	}
	if (db_platform_begin(db, &tx, e) < 0 ||
	    db_platform_exec(tx, "tenant_use_note", args, e) < 0)
		return -1;
	return db_platform_commit(&tx, e);
}

/* What cannot be written now is noted again. */
static int
flush_uses(struct watch *w, struct err *e)
{
	struct tenant_uses *all = w->t->uses;
	struct uses *u = &w->uses;
	size_t n;

	do {
		n = tenant_uses_take(all, u->at, USES_AT_ONCE);
		if (n > 0 && write_uses(w->t->o.db, u, n, e) < 0) {
			for (size_t i = 0; i < n; i++)
				tenant_uses_note(all, &u->at[i]);
			return -1;
		}
	} while (n == USES_AT_ONCE);
	w->uses_ms = clock_mono_ms();
	return 0;
}

/* --- the thread ------------------------------------------------------------------------------- */

/* False when it is time to end. */
static bool
wait_for_round(struct tenants *t)
{
	struct deadline round = deadline_in_ms(ROUND_MS);
	bool stopping;

	lock_take(&t->lock);
	while (!t->stopping && !deadline_passed(round))
		(void)cond_wait(&t->wake, &t->lock, round);
	stopping = t->stopping;
	lock_give(&t->lock);
	return !stopping;
}

static void
say(struct watch *w, bool failed, const struct err *e)
{
	if (failed && !w->failed)
		log_err(&w->t->o.log, LOG_LEVEL_WARN, e,
		    "cached credentials are looked up again until this works");
	else if (!failed && w->failed)
		log_info(&w->t->o.log, "credentials are cached again");
	w->failed = failed;
}

static void
do_round(struct watch *w)
{
	struct err e = { 0 };
	bool failed = ask_versions(w, &e) < 0;

	if (!failed)
		failed = read_keys(w, &e) < 0;
	if (!failed && (clock_mono_ms() - w->uses_ms >= TENANT_USE_FLUSH_MS ||
			   tenant_uses_crowded(w->t->uses)))
		failed = flush_uses(w, &e) < 0;
	say(w, failed, &e);
}

static void
watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	free(w->versions);
	free(w->tenants);
	free(w);
}
AUTO_TYPE(watch);

static void *
run(void *arg)
{
	AUTO(watch) w = arg;
	struct err e = { 0 };

	while (wait_for_round(w->t))
		do_round(w);
	if (flush_uses(w, &e) < 0)
		log_err(&w->t->o.log, LOG_LEVEL_WARN, &e, "the last uses of keys are lost");
	return NULL;
}

int
tenant_watch_start(struct tenants *t, struct err *e)
{
	size_t room = tenant_cache_room(t->cache);
	AUTO(watch) w = calloc(1, sizeof(*w));

	if (w != NULL) {
		w->t = t;
		w->keys_ms = w->uses_ms = clock_mono_ms();
		w->versions = calloc(room, sizeof(*w->versions));
		w->tenants = calloc(room, sizeof(*w->tenants));
	}
	if (w == NULL || w->versions == NULL || w->tenants == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory to watch the tenants");
	if (thread_start(&t->watcher, "tenant-watch", run, w, e) < 0)
		return -1;
	w = NULL; /* the thread's */
	return 0;
}

void
tenant_watch_stop(struct tenants *t)
{
	lock_take(&t->lock);
	t->stopping = true;
	cond_wake_all(&t->wake);
	lock_give(&t->lock);
	thread_join(&t->watcher);
}
