/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable small writes: group commit under row-level security against pgbench's prepared single
 * inserts without it, on the same private cluster, in turns.  Usage: db_group [SECONDS [ROUNDS]].
 * Prints writes per second of both and the ratio of the medians, and the same for writes that first
 * lock their tenant's row of audit_head, as recorded changes do; everything, the load generator
 * included, shares this machine's cores.
 */
#include "test_db.h"

#include "clock.h"
#include "lock.h"

#include <sys/wait.h>

enum { THREADS_MAX = 256, PGBENCH_CLIENTS = 64, ROUNDS_MAX = 15 };

static struct test_db t;
static struct tenant_id tenants[16];

static const char sql_text[] =
    "-- :name b_put :role api\n"
    "insert into record (tenant_id, audit_id, actor, action, resource, outcome)\n"
    "values ((select nullif(current_setting('wardian.tenant_id', true), '')::uuid), $1::uuid,\n"
    "  'key:abcdefghijkl', 'job.submit', $2::text, 'ok')\n"
    "-- :name b_lock :role api\n"
    "update audit_head set number = number + 1\n"
    "where tenant_id = (select nullif(current_setting('wardian.tenant_id', true), '')::uuid)\n";
static const struct db_sql sql[] = { { "b", sql_text }, { NULL, NULL } };

/* The same columns and primary key; no policy, no reference, no context. */
#define COLUMNS                                                                                    \
	"audit_id uuid not null, at timestamptz not null default clock_timestamp(), actor text "   \
	"not null, action text not null, resource text not null, outcome text not null, "          \
	"request_id text, primary key (tenant_id, audit_id)"
static const char plain_table[] =
    "create table public.plain (tenant_id uuid not null, " COLUMNS ")";
static const char plain_insert[] =
    "insert into public.plain (tenant_id, audit_id, actor, action, resource, outcome)"
    " values ('01890000-0000-7000-8000-000000000000', gen_random_uuid(), 'key abcdefghijkl',"
    " 'job.submit', 'job_01jd0000000000000000000000', 'ok');\n";

struct writer {
	struct db *db;
	struct tenant_id tenant;
	const atomic_bool *stop;
	bool locks;
	int64_t n;
	struct err failed; /* the last failure */
	struct thread thread;
};

static void *
run_writer(void *arg)
{
	struct writer *w = arg;
	const struct db_arg none[] = { DB_ARGS_END };
	char id_text[ID_STR_SIZE];

	while (!atomic_load(w->stop)) {
		struct uuid id = uuid_v7();
		const struct db_arg args[] = { DB_ARG_UUID(id),
			DB_ARG_TEXT(id_format("job", id, id_text)), DB_ARGS_END };
		const struct db_write writes[] = { { .stmt = "b_lock", .args = none },
			{ .stmt = "b_put", .args = args } };
		const struct db_write *first = w->locks ? writes : &writes[1];
		struct err e;

		if (db_group_write(w->db, w->tenant, first, w->locks ? 2 : 1, NULL, NULL, &e) < 0)
			w->failed = e;
		else
			w->n++;
	}
	return NULL;
}

static double
measure_group(struct db *db, int threads, bool locks, int seconds)
{
	static struct writer writers[THREADS_MAX];
	atomic_bool stop = false;
	int64_t start, n = 0;
	double elapsed;
	struct err e;

	for (int i = 0; i < threads; i++) {
		writers[i] = (struct writer){
			.db = db, .tenant = tenants[i % 16], .stop = &stop, .locks = locks
		};
		if (thread_start(&writers[i].thread, "writer", run_writer, &writers[i], &e) < 0)
			test_die("thread_start", e.msg);
	}
	start = clock_mono_ns();
	(void)sleep((unsigned)seconds);
	atomic_store(&stop, true);
	for (int i = 0; i < threads; i++) {
		thread_join(&writers[i].thread);
		if (writers[i].failed.code != ERR_NONE)
			test_die("db_group_write", writers[i].failed.msg);
		n += writers[i].n;
	}
	elapsed = (double)(clock_mono_ns() - start) / 1e9;
	return (double)n / elapsed;
}

static double
measure_pgbench(int seconds)
{
	char command[512], line[256];
	double tps = 0;
	FILE *out;

	(void)snprintf(command, sizeof(command),
	    "pgbench -n -M prepared -c %d -j 2 -T %d -f %s/plain.sql -h %s/socket -U wardian_admin "
	    "%s",
	    PGBENCH_CLIENTS, seconds, t.dir, t.dir, t.name);
	out = popen(command, "r");
	while (out != NULL && fgets(line, sizeof(line), out) != NULL)
		(void)sscanf(line, "tps = %lf", &tps);
	if (out == NULL || pclose(out) != 0 || tps <= 0)
		test_die("pgbench", "did not run");
	return tps;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return v[n / 2];
}

static void
write_script(void)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/plain.sql", t.dir);
	f = fopen(path, "w");
	if (f == NULL || fputs(plain_insert, f) < 0 || fclose(f) != 0)
		test_die(path, "cannot be written");
}

int
main(int argc, char **argv)
{
	static const int threads[] = { 1, 8, 32, 128, 256 };
	int seconds = argc > 1 ? atoi(argv[1]) : 3, rounds = argc > 2 ? atoi(argv[2]) : 5;
	double group[2][ARRAY_LEN(threads)][ROUNDS_MAX], plain[ROUNDS_MAX];
	struct db *db;

	if (seconds < 1 || rounds < 1 || rounds > ROUNDS_MAX)
		test_die("usage", "db_group [SECONDS [ROUNDS, at most 15]]");
	test_cluster_open(&t);
	test_database_new(&t);
	test_migrate(&t);
	for (int i = 0; i < 16; i++)
		tenants[i] = test_tenant(&t, "bench");
	test_script(t.url, plain_table);
	test_table(&t, "record", TEST_TABLE_TENANTS,
	    "tenant_id uuid not null references tenant, " COLUMNS);
	write_script();
	db = test_db_pools(&t, sql, 10000);
	for (int r = 0; r < rounds; r++) {
		plain[r] = measure_pgbench(seconds);
		for (size_t i = 0; i < 2 * ARRAY_LEN(threads); i++)
			group[i % 2][i / 2][r] =
			    measure_group(db, threads[i / 2], i % 2 == 1, seconds);
	}
	printf("pgbench -M prepared, %d clients, no row-level security: %.0f/s\n", PGBENCH_CLIENTS,
	    median(plain, rounds));
	for (size_t i = 0; i < 2 * ARRAY_LEN(threads); i++) {
		double m = median(group[i % 2][i / 2], rounds);

		printf("group commit, %3d threads, row-level security%s: %.0f/s, ratio %.2f\n",
		    threads[i / 2], i % 2 == 1 ? ", a lock each" : "", m,
		    m / median(plain, rounds));
	}
	db_free(db);
	test_db_close(&t);
	return 0;
}
