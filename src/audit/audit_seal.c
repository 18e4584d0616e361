/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sealing thread.  It alone writes the files of checkpoints: who wants one removed asks it and
 * waits.  What it knows of each tenant (the last line's number and hash) only saves it from opening
 * files of logs that rest; before a line is added, the file is read again and the log compared with
 * what its last line says.  That comparison looks at the entry that the line saw, too, so that a
 * log that was put back and has grown past it since is noticed.
 */
#include "audit_seal.h"

#include "audit_internal.h"
#include "auth.h"
#include "clock.h"
#include "fd.h"
#include "metrics.h"

#include <string.h>

enum {
	PAGE_HEADS = 1000,
	PAGE_BYTES = 1 << 20,
	STOP_MS = 5000 /* for the last round */
};

struct head {
	struct tenant_id tenant;
	int64_t number, at_wall_us;
	uint8_t hash[CHAIN_HASH_SIZE];
	bool skip;
};
/* A log as it was last looked at. */
struct known {
	struct tenant_id tenant;
	int64_t number; /* of the file's last line; -1: not looked at yet */
	uint8_t hash[CHAIN_HASH_SIZE];
	int64_t looked_ms; /* monotonic */
	bool frozen;       /* gone back, or its file is damaged; has been said */
};
/* On the stack of who asks. */
struct forget {
	struct forget *next;
	struct tenant_id tenant;
	bool done;
	int rc;
	struct err err;
};
struct audit_seal {
	struct audit_seal_options o;
	struct thread thread;
	struct lock lock;
	struct cond changed; /* work for the thread, or a request is done */
	/* under lock */
	bool stop;
	struct forget *requests;
	const char *ill; /* static; NULL: well */
	/* the thread's */
	struct arena *mem;
	struct head *heads; /* PAGE_HEADS of them */
	size_t n_heads, head_at;
	struct known *known; /* in the order of ids; one per tenant */
	size_t n_known, cap_known;
	bool failing; /* has been said */
};

/* --- one log ---------------------------------------------------------------------------------- */

/* Whether the log still holds the entry that the last line saw: 1 or 0. */
static int
holds(struct audit_seal *s, const struct checkpoint *last, const struct head *h, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(h->tenant.uuid), DB_ARG_I64(last->number),
		DB_ARGS_END };
	struct db_bytes hash = { 0 };
	const struct db_col cols[] = { DB_BYTES("hash", &hash), DB_COLS_END };
	int found;

	if (h->number < last->number)
		return 0;
	if (h->number == last->number)
		return memcmp(h->hash, last->hash, sizeof(h->hash)) == 0;
	arena_reset(s->mem);
	found = db_read_one(s->o.db, h->tenant, "audit_hash", args, cols, s->mem, e);
	if (found <= 0)
		return found;
	return hash.n == sizeof(last->hash) && memcmp(hash.p, last->hash, hash.n) == 0;
}

static void
freeze(struct audit_seal *s, struct known *k, const char *why)
{
	char tenant[ID_STR_SIZE], name[AUDIT_FILE_NAME_SIZE];
	struct log log = log_with(&s->o.log, "tenant", id_format("ten", k->tenant.uuid, tenant));

	if (k->frozen)
		return;
	k->frozen = true;
	if (s->o.metrics != NULL)
		metrics_add(s->o.metrics, METRIC_AUDIT_ROLLBACKS, 1);
	log_error(&log,
	    "%s; no checkpoint is made until the audit log is right again, or until audit/%s is "
	    "taken away from the state directory",
	    why, audit_file_name(k->tenant, name));
}

static int
seal(struct audit_seal *s, const struct head *h, struct audit_file *f, struct known *k,
    struct err *e)
{
	struct checkpoint c = { .tenant = h->tenant,
		.number = h->number,
		.at_wall_us = h->at_wall_us,
		.made_wall_us = clock_wall_us(),
		.node = s->o.node };

	memcpy(c.hash, h->hash, sizeof(c.hash));
	if (f->has_last)
		memcpy(c.previous, f->digest, sizeof(c.previous));
	if (checkpoint_sign(&c, s->o.key, e) < 0 ||
	    (f->fd < 0 && audit_file_create(s->o.dirfd, h->tenant, f, e) < 0) ||
	    audit_file_append(f, &c, e) < 0)
		return -1;
	k->number = h->number;
	memcpy(k->hash, h->hash, sizeof(k->hash));
	if (s->o.metrics != NULL)
		metrics_add(s->o.metrics, METRIC_AUDIT_CHECKPOINTS, 1);
	return 0;
}

static int
compare_and_seal(struct audit_seal *s, const struct head *h, struct audit_file *f, struct known *k,
    struct err *e)
{
	int good = f->has_last ? holds(s, &f->last, h, e) : 1;

	if (good < 0)
		return -1;
	k->number = f->has_last ? f->last.number : 0;
	memcpy(k->hash, f->last.hash, sizeof(k->hash));
	if (good == 0) {
		freeze(s, k, "the audit log has gone back behind its last checkpoint");
		return 0;
	}
	k->frozen = false;
	return h->number > k->number ? seal(s, h, f, k, e) : 0;
}

static int
look(struct audit_seal *s, const struct head *h, struct known *k, struct err *e)
{
	struct audit_file f;
	int rc;

	k->looked_ms = clock_mono_ms();
	if (audit_file_read(s->o.dirfd, h->tenant, &f, e) < 0) {
		if (e->code != ERR_INVALID)
			return -1;
		k->number = 0;
		freeze(s, k, "the last checkpoint of the audit log is damaged");
		return 0;
	}
	rc = compare_and_seal(s, h, &f, k, e);
	fd_close(&f.fd);
	return rc;
}

/* Logs that rest are left alone; what has gone back is looked at once per interval. */
static bool
is_due(const struct audit_seal *s, const struct head *h, const struct known *k, bool all)
{
	bool moved = h->number != k->number ||
		     (k->number > 0 && memcmp(h->hash, k->hash, sizeof(h->hash)) != 0);

	if (k->number < 0)
		return true;
	if (!moved && !k->frozen)
		return false;
	return all || clock_mono_ms() - k->looked_ms >= s->o.interval_ms ||
	       (!k->frozen &&
		   (h->number < k->number || h->number - k->number >= AUDIT_SEAL_ENTRIES));
}

/* --- what is known ------------------------------------------------------------------------------
 */

/* Where the tenant is among the known, or belongs. */
static size_t
place_of(const struct audit_seal *s, struct tenant_id tenant)
{
	size_t low = 0, high = s->n_known;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (uuid_cmp(s->known[middle].tenant.uuid, tenant.uuid) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_known(const struct audit_seal *s, size_t at, struct tenant_id tenant)
{
	return at < s->n_known && uuid_cmp(s->known[at].tenant.uuid, tenant.uuid) == 0;
}

/* What is known of the tenant; NULL without memory. */
static struct known *
known_of(struct audit_seal *s, struct tenant_id tenant)
{
	size_t at = place_of(s, tenant);

	if (is_known(s, at, tenant))
		return &s->known[at];
	if (s->n_known == s->cap_known) {
		size_t cap = s->cap_known == 0 ? 64 : 2 * s->cap_known;
		struct known *grown = reallocarray(s->known, cap, sizeof(*grown));

		if (grown == NULL)
			return NULL;
		s->known = grown;
		s->cap_known = cap;
	}
	memmove(&s->known[at + 1], &s->known[at], (s->n_known - at) * sizeof(*s->known));
	s->n_known++;
	s->known[at] = (struct known){ .tenant = tenant, .number = -1 };
	return &s->known[at];
}

/* --- requests --------------------------------------------------------------------------------- */

static int
forget_now(struct audit_seal *s, struct tenant_id tenant, struct err *e)
{
	size_t at = place_of(s, tenant);

	if (is_known(s, at, tenant)) {
		s->n_known--;
		memmove(&s->known[at], &s->known[at + 1], (s->n_known - at) * sizeof(*s->known));
	}
	/* It may be among the heads that were read before it began to be deleted. */
	for (size_t i = s->head_at; i < s->n_heads; i++)
		if (uuid_cmp(s->heads[i].tenant.uuid, tenant.uuid) == 0)
			s->heads[i].skip = true;
	return audit_file_remove(s->o.dirfd, tenant, e);
}

/* False when the thread has been asked to end. */
static bool
serve_requests(struct audit_seal *s)
{
	bool stop;

	lock_take(&s->lock);
	while (s->requests != NULL) {
		struct forget *r = s->requests;

		s->requests = r->next;
		lock_give(&s->lock);
		r->rc = forget_now(s, r->tenant, &r->err);
		lock_take(&s->lock);
		r->done = true;
		cond_wake_all(&s->changed);
	}
	stop = s->stop;
	lock_give(&s->lock);
	return !stop;
}

int
audit_seal_forget(struct audit_seal *s, struct tenant_id tenant, struct err *e)
{
	struct forget r = { .tenant = tenant };

	lock_take(&s->lock);
	REQUIRE(!s->stop);
	r.next = s->requests;
	s->requests = &r;
	cond_wake_all(&s->changed);
	/* The thread comes by between two logs: a call of the database and a few writes at most. */
	while (!r.done)
		(void)cond_wait(&s->changed, &s->lock, (struct deadline){ 0 });
	lock_give(&s->lock);
	if (r.rc < 0)
		*e = r.err;
	return r.rc;
}

/* --- a round ---------------------------------------------------------------------------------- */

struct head_row {
	struct audit_seal *s;
	struct head h;
	struct db_bytes hash;
};

static int
take_head(void *ctx, struct err *e)
{
	struct head_row *r = ctx;

	if (audit_hash_copy(&r->hash, r->h.hash, e) < 0)
		return -1;
	r->s->heads[r->s->n_heads++] = r->h;
	return 0;
}

static int
read_heads(struct audit_seal *s, struct tenant_id behind, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_UUID(behind.uuid), DB_ARG_I64(PAGE_HEADS),
		DB_ARGS_END };
	struct head_row r = { .s = s };
	const struct db_col cols[] = { DB_UUID("tenant_id", &r.h.tenant.uuid),
		DB_I64("number", &r.h.number), DB_TIME_NULL("at", &r.h.at_wall_us),
		DB_BYTES("hash", &r.hash), DB_COLS_END };

	s->n_heads = s->head_at = 0;
	arena_reset(s->mem);
	if (db_platform_read_each(s->o.db, "audit_heads", args, cols, s->mem, take_head, &r, e) < 0)
		return -1;
	return 0;
}

/* A log that cannot be sealed keeps no other from it; the first error is returned. */
static int
round_page(struct audit_seal *s, bool all, struct deadline until, struct err *e)
{
	int rc = 0;

	for (; s->head_at < s->n_heads && !deadline_passed(until); s->head_at++) {
		const struct head *h = &s->heads[s->head_at];
		struct known *k = known_of(s, h->tenant);
		struct err why = { 0 };

		if (k == NULL)
			return err_set(e, ERR_NO_MEMORY, "there is no memory for checkpoints");
		if (!h->skip && is_due(s, h, k, all) && look(s, h, k, &why) < 0 && rc == 0) {
			*e = why;
			rc = -1;
		}
		if (!serve_requests(s) && !all)
			break;
	}
	return rc;
}

static int
run_round(struct audit_seal *s, bool all, struct deadline until, struct err *e)
{
	struct tenant_id behind = { 0 };
	int rc = 0;

	do {
		struct err why = { 0 };

		if (read_heads(s, behind, &why) < 0 || round_page(s, all, until, &why) < 0) {
			if (rc == 0)
				*e = why;
			rc = -1;
		}
		if (s->n_heads > 0)
			behind = s->heads[s->n_heads - 1].tenant;
	} while (s->n_heads == PAGE_HEADS && !deadline_passed(until));
	s->n_heads = s->head_at = 0;
	return rc;
}

/* --- the thread ------------------------------------------------------------------------------- */

/* A log that has gone back says more than a disk that is full. */
static void
tell_health(struct audit_seal *s, bool failed)
{
	const char *ill = failed ? "checkpoints of the audit logs cannot be made" : NULL;

	for (size_t i = 0; i < s->n_known; i++)
		if (s->known[i].frozen)
			ill = "an audit log has gone back behind a checkpoint of its";
	lock_take(&s->lock);
	s->ill = ill;
	lock_give(&s->lock);
}

const char *
audit_seal_ill(struct audit_seal *s)
{
	const char *ill;

	lock_take(&s->lock);
	ill = s->ill;
	lock_give(&s->lock);
	return ill;
}

static void
round_and_report(struct audit_seal *s, bool all, struct deadline until)
{
	struct err e = { 0 };
	bool failed = run_round(s, all, until, &e) < 0;

	if (failed && !s->failing)
		log_err(&s->o.log, LOG_LEVEL_ERROR, &e, "make checkpoints of the audit logs");
	s->failing = failed;
	tell_health(s, failed);
}

static void *
run(void *arg)
{
	struct audit_seal *s = arg;
	int64_t pause_ms =
	    s->o.interval_ms < AUDIT_SEAL_LOOK_MS ? s->o.interval_ms : AUDIT_SEAL_LOOK_MS;

	while (serve_requests(s)) {
		struct deadline next = deadline_in_ms(pause_ms);
		bool waiting = true;

		round_and_report(s, false, (struct deadline){ 0 });
		lock_take(&s->lock);
		while (waiting && !s->stop && s->requests == NULL)
			waiting = cond_wait(&s->changed, &s->lock, next);
		lock_give(&s->lock);
	}
	round_and_report(s, true, deadline_in_ms(STOP_MS));
	return NULL;
}

static void
seal_free(struct audit_seal *s)
{
	cond_done(&s->changed);
	lock_done(&s->lock);
	arena_free(s->mem);
	free(s->heads);
	free(s->known);
	free(s);
}

int
audit_seal_start(const struct audit_seal_options *o, struct audit_seal **ret, struct err *e)
{
	struct audit_seal *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for checkpoints");
	s->o = *o;
	lock_init(&s->lock);
	cond_init(&s->changed);
	s->mem = arena_new(PAGE_BYTES);
	s->heads = calloc(PAGE_HEADS, sizeof(*s->heads));
	if (s->mem == NULL || s->heads == NULL)
		(void)err_set(e, ERR_NO_MEMORY, "there is no memory for checkpoints");
	else if (thread_start(&s->thread, "audit-seal", run, s, e) == 0) {
		*ret = s;
		return 0;
	}
	seal_free(s);
	return -1;
}

void
audit_seal_stop(struct audit_seal *s)
{
	if (s == NULL)
		return;
	lock_take(&s->lock);
	s->stop = true;
	cond_wake_all(&s->changed);
	lock_give(&s->lock);
	thread_join(&s->thread);
	seal_free(s);
}
