/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the record of changes costs: units of group commit with and without an entry, for logs of
 * one, few and many tenants, and the verification of a long log.  Usage: audit [SECONDS [ENTRIES]].
 * Everything, the load generator included, shares this machine's cores.
 */
#include "../db/audit_fixture.h"

#include "clock.h"
#include "json.h"
#include "lock.h"

enum { THREADS = 64, TENANTS = 50 };

static struct test_db t;
static struct db *db;
static struct tenant_id tenants[TENANTS];

static const char sql_text[] =
    "-- :name b_put :role api\n"
    "insert into idempotency (tenant_id, key, fingerprint, resource_id)\n"
    "values ($1::uuid, $2::text, sha256('x'), $3::uuid)\n";

enum what { CHANGE, ENTRY, BOTH };
struct writer {
	struct thread thread;
	struct tenant_id tenant;
	enum what what;
	const atomic_bool *stop;
	int64_t n;
	struct err failed; /* the last failure */
};

static int
write_one(struct writer *w, struct arena *mem, struct err *e)
{
	const struct principal who = { .kind = PRINCIPAL_KEY, .key = uuid_v7(), .name = "ann" };
	const struct caller by = { .who = &who, .source = "192.0.2.7", .request_id = "req-1" };
	char key[ID_STR_SIZE];
	const struct audit_note note = { .by = &by,
		.action = "job.submit",
		.resource = id_format("job", uuid_v7(), key),
		.changes = "{\"name\":[null,\"rc low-pass\"]}" };
	const struct db_arg put[] = { DB_ARG_UUID(w->tenant.uuid), DB_ARG_TEXT(key),
		DB_ARG_UUID(uuid_v7()), DB_ARGS_END };
	struct db_arg args[AUDIT_ARGS];
	struct db_write writes[2];
	size_t n = 0;

	if (w->what != CHANGE && audit_write(w->tenant, &note, mem, args, &writes[n++], e) < 0)
		return -1;
	if (w->what != ENTRY)
		writes[n++] = (struct db_write){ .stmt = "b_put", .args = put };
	return db_group_write(db, w->tenant, writes, n, NULL, mem, e);
}

static void *
run_writer(void *arg)
{
	struct writer *w = arg;
	AUTO(arena) mem = arena_new(1 << 20);

	while (mem != NULL && !atomic_load(w->stop)) {
		struct err e;

		arena_reset(mem);
		if (write_one(w, mem, &e) < 0)
			w->failed = e;
		else
			w->n++;
	}
	return NULL;
}

static double
measure(enum what what, int n_tenants, int seconds)
{
	static struct writer writers[THREADS];
	atomic_bool stop = false;
	int64_t start, n = 0;
	struct err e;

	for (int i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){
			.tenant = tenants[i % n_tenants], .what = what, .stop = &stop
		};
		if (thread_start(&writers[i].thread, "writer", run_writer, &writers[i], &e) < 0)
			test_die("thread_start", e.msg);
	}
	start = clock_mono_ns();
	(void)sleep((unsigned)seconds);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++) {
		thread_join(&writers[i].thread);
		if (writers[i].failed.code != ERR_NONE)
			test_die("db_group_write", writers[i].failed.msg);
		n += writers[i].n;
	}
	return (double)n / ((double)(clock_mono_ns() - start) / 1e9);
}

static void
measure_verification(struct audit_fixture *f, int64_t entries)
{
	struct tenant_id tenant = test_tenant(&f->t, "long");
	struct audit_verdict v;
	struct err e;

	for (int64_t left = entries, n; left > 0; left -= n) { /* each within the timeout */
		n = left < 20000 ? left : 20000;
		audit_fixture_fill(f, tenant, n);
	}
	audit_fixture_seal(f);
	for (int i = 0; i < 3; i++) {
		arena_reset(f->mem);
		if (audit_verify(f->desk, tenant, 1, f->mem, &v, &e) < 0)
			test_die("audit_verify", e.msg);
		printf("verification of %lld entries: %.2f s, %zu problems\n", (long long)v.last,
		    (double)v.duration_ms / 1e3, v.n_problems);
	}
}

int
main(int argc, char **argv)
{
	static const char *const names[] = { [CHANGE] = "a change alone",
		[ENTRY] = "an entry alone",
		[BOTH] = "a change with its entry" };
	static const int counts[] = { 1, 5, 50 };
	const struct db_sql sql[] = { { "b", sql_text }, audit_sql, { NULL, NULL } };
	int seconds = argc > 1 ? atoi(argv[1]) : 5;
	int64_t entries = argc > 2 ? atol(argv[2]) : 1000000;
	struct audit_fixture f;

	if (seconds < 1 || entries < 1)
		test_die("usage", "audit [SECONDS [ENTRIES]]");
	json_start();
	audit_fixture_open(&f, MIB);
	t = f.t;
	db = test_db_pools(&t, sql, 20000);
	for (int i = 0; i < TENANTS; i++)
		tenants[i] = test_tenant(&t, "bench");
	for (size_t c = 0; c < ARRAY_LEN(counts); c++)
		for (enum what w = CHANGE; w <= BOTH; w++)
			printf("%2d logs, %d threads, %s: %.0f/s\n", counts[c], THREADS, names[w],
			    measure(w, counts[c], seconds));
	measure_verification(&f, entries);
	db_free(db);
	audit_fixture_close(&f);
	return 0;
}
