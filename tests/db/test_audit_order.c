/* SPDX-License-Identifier: Apache-2.0 */
/* Many writers of few logs: numbers without gaps, whole chains, nobody waits for ever. */
#include "audit_fixture.h"

#include "clock.h"
#include "json.h"
#include "lock.h"

enum { THREADS = 8, TENANTS = 3, ROUNDS = 60 };

static struct audit_fixture f;
static struct tenant_id tenants[TENANTS];

struct writer {
	struct thread thread;
	int number;
	int64_t written[TENANTS];
	struct err failed; /* the first failure */
};

/* Two entries as a unit of group commit. */
static int
write_unit(struct tenant_id tenant, struct arena *mem, struct err *e)
{
	struct audit_note note = audit_fixture_note(&f);
	struct db_arg args[2][AUDIT_ARGS];
	struct db_write w[2];

	for (int i = 0; i < 2; i++)
		if (audit_write(tenant, &note, mem, args[i], &w[i], e) < 0)
			return -1;
	return db_group_write(f.db, tenant, w, 2, NULL, mem, e);
}

/* Two entries in a transaction; every third one is given up. */
static int
write_tx(struct tenant_id tenant, bool give_up, struct arena *mem, struct err *e)
{
	struct audit_note note = audit_fixture_note(&f);
	AUTO(db_tx) tx = NULL;

	if (db_tx_begin(f.db, tenant, &tx, e) < 0 || audit_lock(tx, tenant, e) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		if (audit_append(tx, tenant, &note, mem, e) < 0)
			return -1;
	return give_up ? 0 : db_tx_commit(&tx, e);
}

static void *
run_writer(void *arg)
{
	struct writer *w = arg;
	AUTO(arena) mem = arena_new(1 << 20);

	for (int i = 0; i < ROUNDS && mem != NULL; i++) {
		int t = (w->number + i) % TENANTS;
		bool give_up = i % 3 == 0;
		struct err e = { 0 };
		int rc;

		arena_reset(mem);
		if ((w->number + i / TENANTS) % 2 == 0) {
			rc = write_unit(tenants[t], mem, &e);
			give_up = false;
		} else {
			rc = write_tx(tenants[t], give_up, mem, &e);
		}
		if (rc < 0 && w->failed.code == ERR_NONE)
			w->failed = e;
		w->written[t] += rc < 0 || give_up ? 0 : 2;
	}
	return NULL;
}

static void
many_writers_make_whole_chains_without_gaps_or_deadlocks(void **state)
{
	static struct writer writers[THREADS];
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		writers[i].number = i;
		must(thread_start(&writers[i].thread, "writer", run_writer, &writers[i], &e));
	}
	for (int i = 0; i < THREADS; i++)
		thread_join(&writers[i].thread);
	for (int i = 0; i < THREADS; i++)
		if (writers[i].failed.code != ERR_NONE)
			fail_msg("writer %d: %s: %s", i, err_slug(writers[i].failed.code),
			    writers[i].failed.msg);
	for (int t = 0; t < TENANTS; t++) {
		struct audit_verdict v;
		int64_t written = 0;

		for (int i = 0; i < THREADS; i++)
			written += writers[i].written[t];
		arena_reset(f.mem);
		must(audit_verify(f.desk, tenants[t], 1, f.mem, &v, &e));
		assert_int_equal(v.n_problems, 0);
		assert_int_equal(v.last, written);
	}
	assert_string_equal(test_text(f.t.url, "select deadlocks from pg_stat_database"
					       " where datname = current_database()"),
	    "0");
}

static void
times_follow_the_numbers(void **state)
{
	(void)state;
	assert_string_equal(
	    test_text(f.t.url,
		"select count(*) from wardian.audit_log a join wardian.audit_log b"
		" on b.tenant_id = a.tenant_id and b.number = a.number + 1 where b.at < a.at"),
	    "0");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(many_writers_make_whole_chains_without_gaps_or_deadlocks),
	cmocka_unit_test(times_follow_the_numbers),
};

int
main(void)
{
	int rc;

	json_start();
	audit_fixture_open(&f, MIB);
	for (int i = 0; i < TENANTS; i++)
		tenants[i] = test_tenant(&f.t, "order");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	audit_fixture_close(&f);
	return rc;
}
