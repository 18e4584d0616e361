/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What jobs cost in the database: submissions, and the scheduler's statements over 50,000 waiting
 * jobs of one tenant and of 1,000 tenants.  Usage: db_job [SECONDS].  Submissions are given per
 * second and in CPU time of the server, which other work on this machine's cores disturbs less;
 * the rest are medians in milliseconds.  Everything runs on a private cluster.
 */
#include "../db/job_fixture.h"

#include "clock.h"
#include "lock.h"

enum {
	THREADS_MAX = 64,
	TENANTS = 16,
	MANY = 1000,
	WAITING = 50000,
	REPEAT = 21,
	ONES = 201,
	BATCH = 256
};

static struct fixture f;
static struct principal tenants[TENANTS];

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

static double
ms_since(int64_t start_ns)
{
	return (double)(clock_mono_ns() - start_ns) / 1e6;
}

/* --- CPU time of the server ----------------------------------------------------------------- */

static bool
read_numbers(const char *path, const char *format, long long *ret)
{
	char line[512];
	const char *after;
	FILE *file = fopen(path, "r");
	bool ok = file != NULL && fgets(line, sizeof(line), file) != NULL;

	if (file != NULL)
		(void)fclose(file);
	if (!ok)
		return false;
	after = strrchr(line, ')'); /* of /proc/PID/stat: behind the name */
	return sscanf(after == NULL ? line : after + 4, format, ret) == 1;
}

/* Of all children of the postmaster, as the kernel's scheduler counts. */
static int64_t
server_cpu_ns(void)
{
	char path[512];
	long long postmaster = 0, number;
	int64_t sum = 0;
	DIR *proc = opendir("/proc");

	(void)snprintf(path, sizeof(path), "%s/data/postmaster.pid", f.t.dir);
	if (proc == NULL || !read_numbers(path, "%lld", &postmaster))
		test_die(path, "cannot be read");
	for (struct dirent *d = readdir(proc); d != NULL; d = readdir(proc)) {
		(void)snprintf(path, sizeof(path), "/proc/%.32s/stat", d->d_name);
		if (d->d_name[0] < '1' || d->d_name[0] > '9' ||
		    !read_numbers(path, "%lld", &number) || number != postmaster)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%.32s/schedstat", d->d_name);
		if (read_numbers(path, "%lld", &number))
			sum += number;
	}
	closedir(proc);
	return sum;
}

/* --- submissions ---------------------------------------------------------------------------- */

struct submitter {
	const struct principal *who;
	const atomic_bool *stop;
	int64_t n;
	struct err failed; /* the last failure */
	struct thread thread;
};

static void *
run_submitter(void *arg)
{
	struct submitter *u = arg;
	const struct job_submission s = fixture_submission();
	AUTO(arena) mem = arena_new((size_t)CAP_REQUEST_ARENA_BYTES);

	while (!atomic_load(u->stop)) {
		struct uuid id;
		bool replayed;
		struct err e;

		arena_reset(mem);
		if (job_submit(f.db, FIXTURE_BY(u->who), &s, mem, &id, &replayed, &e) < 0)
			u->failed = e;
		else
			u->n++;
	}
	return NULL;
}

static void
measure_submissions(int threads, int n_tenants, int seconds)
{
	static struct submitter u[THREADS_MAX];
	int64_t start, cpu, n = 0;
	atomic_bool stop = false;
	struct err e;

	fixture_clear(&f);
	for (int i = 0; i < threads; i++) {
		u[i] = (struct submitter){ .who = &tenants[i % n_tenants], .stop = &stop };
		if (thread_start(&u[i].thread, "submitter", run_submitter, &u[i], &e) < 0)
			test_die("thread_start", e.msg);
	}
	start = clock_mono_ns();
	cpu = server_cpu_ns();
	(void)sleep((unsigned)seconds);
	atomic_store(&stop, true);
	for (int i = 0; i < threads; i++) {
		thread_join(&u[i].thread);
		if (u[i].failed.code != ERR_NONE)
			test_die("job_submit", u[i].failed.msg);
		n += u[i].n;
	}
	cpu = server_cpu_ns() - cpu;
	printf("submit, %2d threads, %2d tenants: %.0f/s, %.0f us of the server's CPU each\n",
	    threads, n_tenants, (double)n / (ms_since(start) / 1e3), (double)cpu / 1e3 / (double)n);
	fflush(stdout);
}

static void
measure_one_submission(const char *what)
{
	const struct job_submission s = fixture_submission();
	double v[ONES];

	for (int i = 0; i < ONES; i++) {
		int64_t start = clock_mono_ns();

		arena_reset(f.mem);
		(void)fixture_submit_as(&f, &f.alpha, &s);
		v[i] = ms_since(start);
	}
	printf("one submission, %s: %.2f ms\n", what, median(v, ONES));
}

/* --- the scheduler's side ------------------------------------------------------------------- */

/* Waiting jobs of the tenants of that name, as job_submit would leave them. */
static void
fill(const char *tenants_like, int each)
{
	char sql[2048];

	(void)snprintf(sql, sizeof(sql),
	    "set search_path = wardian; create temp table fill as"
	    " select p.tenant_id, p.project_id, gen_random_uuid() as job_id"
	    " from tenant t join project p using (tenant_id) cross join generate_series(1, %d)"
	    " where t.name like '%s';"
	    "insert into job (tenant_id, job_id, project_id, environment, environment_digest,"
	    " priority, cpu_milli, memory_bytes, created_by) select tenant_id, job_id, project_id,"
	    " 'demo', '0', 0, 1000, 67108864, gen_random_uuid() from fill;"
	    "insert into job_manifest select tenant_id, job_id, '{\"environment\": \"demo\"}' from "
	    "fill;"
	    "insert into job_queue (tenant_id, job_id, project_id, priority, cpu_milli,"
	    " memory_bytes, max_attempts) select tenant_id, job_id, project_id, 0, 1000, 67108864,"
	    " 3 from fill;"
	    "insert into job_use (tenant_id, project_id) select distinct tenant_id, project_id "
	    "from "
	    "fill;"
	    "insert into job_day (tenant_id, project_id, day, jobs, accepted) select tenant_id,"
	    " project_id, (now() at time zone 'UTC')::date, count(*), count(*) from fill group by "
	    "1, 2;"
	    "drop table fill",
	    each, tenants_like);
	test_script(f.t.url, sql);
	test_script(f.t.url, "analyze");
}

static double
move_all(struct job_move *m, enum job_state from, enum job_event on)
{
	int64_t start = clock_mono_ns();
	struct db_sys_tx *tx;
	struct err e;

	for (int i = 0; i < BATCH; i++) {
		m[i].from = from;
		m[i].on = on;
	}
	must(db_sys_begin(f.db, &tx, &e));
	must(job_move(tx, m, BATCH, &e));
	must(db_sys_commit(&tx, &e));
	return ms_since(start);
}

/* One batch through its life; the times of its four steps. */
static void
run_batch(double ret[4])
{
	struct job_claim c[BATCH] = { 0 };
	struct job_move m[BATCH] = { 0 };
	struct job_queued *rows;
	int64_t start = clock_mono_ns();
	struct err e;
	size_t n;

	arena_reset(f.mem);
	must(job_queue_waiting(f.db, &fixture_quota, 1000, f.mem, &rows, &n, &e));
	ret[0] = ms_since(start);
	if (n < BATCH)
		test_die("job_queue_waiting", "too few jobs wait");
	for (int i = 0; i < BATCH; i++)
		c[i] = (struct job_claim){ .tenant = rows[i].tenant, .id = rows[i].id };
	start = clock_mono_ns();
	must(job_claim(f.db, f.node, 600000, &fixture_quota, c, BATCH, f.mem, &e));
	ret[1] = ms_since(start);
	for (int i = 0; i < BATCH; i++)
		m[i] =
		    (struct job_move){ .tenant = c[i].tenant, .id = c[i].id, .epoch = c[i].epoch };
	ret[2] = move_all(m, JOB_CLAIMED, JOB_ON_STARTED);
	ret[3] = move_all(m, JOB_RUNNING, JOB_ON_EXITED_OK);
}

static void
measure_scheduler(const char *what)
{
	double v[4][REPEAT], one[4];

	for (int i = 0; i < REPEAT; i++) {
		run_batch(one);
		for (int k = 0; k < 4; k++)
			v[k][i] = one[k];
	}
	printf("%s: list 1,000 %.1f ms, claim %d %.1f ms, start them %.1f ms, end them %.1f ms\n",
	    what, median(v[0], REPEAT), BATCH, median(v[1], REPEAT), median(v[2], REPEAT),
	    median(v[3], REPEAT));
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 3;
	char name[32];

	if (seconds < 1)
		test_die("usage", "db_job [SECONDS]");
	fixture_open(&f);
	for (int i = 0; i < TENANTS; i++) {
		(void)snprintf(name, sizeof(name), "bench-%d", i);
		tenants[i] = fixture_tenant(&f, name);
	}
	for (int n = 1; n <= TENANTS; n *= 4)
		for (int threads = n; threads <= THREADS_MAX; threads *= 8)
			measure_submissions(threads, n, seconds);
	fixture_clear(&f);
	measure_one_submission("nothing waiting");
	fixture_clear(&f);
	fill("alpha", WAITING);
	measure_one_submission("50,000 waiting");
	measure_scheduler("one tenant, 50,000 waiting");
	fixture_clear(&f);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "many-%d", i);
		(void)test_tenant(&f.t, name);
	}
	fill("many-%", WAITING / MANY);
	measure_scheduler("1,000 tenants, 50 waiting each");
	fixture_close(&f);
	return 0;
}
