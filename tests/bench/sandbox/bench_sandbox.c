/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sandbox costs: one tiny static program, launched and waited for, by posix_spawn from a
 * parent with a heap of 64 MiB, by bubblewrap with the same namespaces and mounts, and through the
 * spawner's own socket, START to ENDED, with its exit record.  By hand, as root:
 *   bench_sandbox [-n LAUNCHES] [-g LAUNCHES 100 ms APART] [-q SECONDS]
 *
 * Everything is measured in one run, in many rounds, so that a machine that changes its pace
 * changes it for all.  With -q each round waits for a quiet machine, that many seconds in all.  Run
 * directories lie on a tmpfs and are made before the clock starts, as the daemon makes them before
 * it sends START.  "Warm" launches come in bursts of as many as there are cells; the time
 * to make the next ones lies between the bursts, and is in no figure but the last column.
 */
#include "rig.h"

#include "clock.h"
#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	HEAP = 64 << 20,
	PER_ROUND = 24,
	LANES = 2,
	BURST = 8,
	READY_US = 12000, /* more than the cells of a burst take to be made */
	GAP_US = 100000,
	QUIET_WINDOW_US = 100000,
	QUIET_PERCENT = 10
};

/* What the record knows of the time between the order's arrival and the record itself. */
enum part { PART_STAGE, PART_LAUNCH, PART_RUN, PART_COLLECT, PARTS };

#define MUST(cond) ((cond) ? (void)0 : give_up(#cond, __LINE__))

NORETURN static void
give_up(const char *what, int line)
{
	fprintf(stderr, "bench_sandbox.c:%d: %s: %s\n", line, what, strerror(errno));
	exit(1);
}

/* --- one way to launch ---------------------------------------------------------------------- */

/* Times of launches, shared between the processes of a lane; filled round by round. */
struct series {
	const char *name;
	size_t n, max;
	int64_t *us;
	int64_t busy_us;         /* of all rounds, wall time */
	int64_t *part_us[PARTS]; /* of sandboxes, as their records tell; NULL: none of those */
};

static const char *program; /* path, outside and inside */
static struct rig fresh, warm;

static int64_t *
shared_times(size_t n)
{
	int64_t *us =
	    mmap(NULL, n * sizeof(*us), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	MUST(us != MAP_FAILED);
	return us;
}

static void
series_init(struct series *s, const char *name, size_t max)
{
	*s = (struct series){ .name = name, .max = max, .us = shared_times(max) };
	for (int i = 0; i < PARTS; i++)
		s->part_us[i] = shared_times(max);
}

/* --- a quiet machine ------------------------------------------------------------------------ */

struct quiet {
	int64_t budget_us; /* still to be waited */
	size_t loud;       /* times when it was used up */
};

/* Busy and all ticks of all processors so far: the first line's numbers, of which the fourth and
 * the fifth are idle and waiting. */
static void
read_ticks(int64_t *busy, int64_t *all)
{
	AUTO_FREE char *text = NULL;
	struct err e = { 0 };
	char *rest, *word;
	size_t n;

	MUST(fd_read_file(AT_FDCWD, "/proc/stat", 1 << 20, &text, &n, &e) == 0);
	text[strcspn(text, "\n")] = '\0';
	*busy = *all = 0;
	rest = text + strlen("cpu");
	for (int i = 0; (word = strsep(&rest, " ")) != NULL;) {
		int64_t v;

		if (*word == '\0')
			continue;
		MUST(parse_i64(word, 0, INT64_MAX, &v, &e) == 0);
		*all += v;
		*busy += i == 3 || i == 4 ? 0 : v;
		i++;
	}
}

static void
await_quiet(struct quiet *q)
{
	while (q->budget_us > 0) {
		int64_t busy[2], all[2];

		read_ticks(&busy[0], &all[0]);
		usleep(QUIET_WINDOW_US);
		read_ticks(&busy[1], &all[1]);
		if ((busy[1] - busy[0]) * 100 <= (all[1] - all[0]) * QUIET_PERCENT)
			return;
		q->budget_us -= QUIET_WINDOW_US;
	}
	q->loud++;
}

static int64_t
now_us(void)
{
	return clock_mono_ns() / 1000;
}

/* A short pause keeps its processor awake, as one would be that has something to do. */
static void
pause_us(int64_t us)
{
	const int64_t until = now_us() + us;

	if (us >= GAP_US)
		usleep((useconds_t)us);
	while (now_us() < until)
		;
}

static void
spawn_and_wait(const char *const *argv)
{
	static char *const env[] = { NULL };
	int status = -1;
	pid_t pid;

	MUST(posix_spawn(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, env) == 0);
	MUST(waitpid(pid, &status, 0) == pid);
	MUST(status == 0);
}

/* Fills [0, n) of us with launches gap_us apart. */
static void
spawn_many(const char *const *argv, int64_t *us, size_t n, int64_t gap_us)
{
	for (size_t i = 0; i < n; i++) {
		int64_t t;

		pause_us(gap_us);
		t = now_us();
		spawn_and_wait(argv);
		us[i] = now_us() - t;
	}
}

/* n launches in lanes at once, each lane a process. */
static void
round_of_spawns(struct series *s, const char *const *argv, size_t n, int lanes, int64_t gap_us)
{
	const size_t each = n / (size_t)lanes;
	const int64_t t = now_us();
	pid_t pids[LANES];

	MUST(s->n + each * (size_t)lanes <= s->max);
	for (int i = 1; i < lanes; i++) {
		pids[i] = fork();
		MUST(pids[i] >= 0);
		if (pids[i] == 0) {
			/* The copy of the heap is touched here, not in the first launches. */
			spawn_many(argv, s->us + s->n + (size_t)i * each, each, gap_us);
			_exit(0);
		}
	}
	spawn_many(argv, s->us + s->n, each, gap_us);
	for (int i = 1; i < lanes; i++)
		MUST(waitpid(pids[i], NULL, 0) == pids[i]);
	s->busy_us += now_us() - t;
	s->n += each * (size_t)lanes;
}

/* --- sandboxes ------------------------------------------------------------------------------ */

struct launch {
	struct sandbox_run_id id;
	int64_t began_us;
	bool over;
};

static void
prepare_all(struct rig *r, struct launch *v, size_t n)
{
	const struct rig_run run = { .argv = RIG_ARGV(program), .bare = true };

	for (size_t i = 0; i < n; i++) {
		struct rig_result res;

		rig_prepare(r, &run, &res);
		v[i] = (struct launch){ .id = res.id };
	}
}

static void
begin(struct rig *r, struct launch *l)
{
	struct sandbox_request q = { .protocol = SANDBOX_PROTOCOL,
		.verb = SANDBOX_START,
		.id = l->id,
		.limits = rig_limits() };
	struct err e = { 0 };

	l->began_us = now_us();
	MUST(sandbox_send(r->fd, &q, &e) == 0);
}

/* Blocks until a launch of [0, n) is over; its time goes to *ret_us. */
static void
await_one(struct rig *r, struct launch *v, size_t n, int64_t *ret_us)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	struct sandbox_event ev;
	struct err e = { 0 };

	for (;;) {
		MUST(poll(&p, 1, 10000) == 1);
		MUST(sandbox_receive(r->fd, &ev, &e) == 1);
		if (ev.kind == SANDBOX_STARTED)
			continue;
		if (ev.kind != SANDBOX_ENDED)
			fprintf(stderr, "event %u: %s, %s\n", ev.kind, sandbox_step_name(ev.step),
			    strerror(ev.sys));
		MUST(ev.kind == SANDBOX_ENDED);
		for (size_t i = 0; i < n; i++) {
			if (v[i].over || memcmp(&v[i].id, &ev.id, sizeof(ev.id)) != 0)
				continue;
			*ret_us = now_us() - v[i].began_us;
			v[i].over = true;
			return;
		}
	}
}

/* The record is why a sandbox is worth more than a process. */
static void
check_all(struct series *s, struct rig *r, const struct launch *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char path[ID_RUN_PATH_SIZE];
		struct sandbox_exit x;
		struct err e = { 0 };
		int fd;

		fd = openat(r->runs_fd,
		    id_run_path(v[i].id.tenant, v[i].id.run, v[i].id.epoch, path),
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		MUST(fd >= 0);
		MUST(sandbox_exit_read(fd, &x, &e) == 1);
		MUST(x.outcome == SANDBOX_EXITED);
		MUST(x.exit_code == 0);
		close(fd);
		s->part_us[PART_STAGE][s->n + i] = x.stage_ns / 1000;
		s->part_us[PART_LAUNCH][s->n + i] = x.launch_ns / 1000;
		s->part_us[PART_RUN][s->n + i] = x.wall_ns / 1000;
		s->part_us[PART_COLLECT][s->n + i] = x.collect_ns / 1000;
	}
}

static void
round_of_sandboxes(
    struct series *s, struct rig *r, size_t n, size_t lanes, int64_t gap_us, size_t burst)
{
	struct launch *v = calloc(n, sizeof(*v));
	size_t begun = 0, first = 0;
	int64_t t;

	MUST(v != NULL);
	MUST(s->n + n <= s->max);
	prepare_all(r, v, n);
	t = now_us();
	for (size_t done = 0; done < n; done++) {
		if (done % burst == 0)
			pause_us(gap_us);
		while (begun < n && begun < done + lanes)
			begin(r, &v[begun++]);
		await_one(r, v + first, begun - first, &s->us[s->n + done]);
		while (first < begun && v[first].over)
			first++;
	}
	s->busy_us += now_us() - t;
	check_all(s, r, v, n);
	s->n += n;
	free(v);
}

/* --- the figures ---------------------------------------------------------------------------- */

static int
by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double
median(const struct series *s)
{
	return s->n == 0 ? 0 : (double)s->us[s->n / 2];
}

static void
print_series(struct series *s)
{
	static const char *const parts[PARTS] = { "inputs", "start", "run", "results" };

	if (s->n == 0)
		return;
	qsort(s->us, s->n, sizeof(*s->us), by_value);
	printf("%-46s %6zu %8jd %8jd %9.0f\n", s->name, s->n, (intmax_t)s->us[s->n / 2],
	    (intmax_t)s->us[s->n * 99 / 100], (double)s->n * 1e6 / (double)s->busy_us);
	if (s->part_us[PART_LAUNCH][0] == 0)
		return;
	printf("    of which");
	for (int i = 0; i < PARTS; i++) {
		qsort(s->part_us[i], s->n, sizeof(int64_t), by_value);
		printf(" %s %jd", parts[i], (intmax_t)s->part_us[i][s->n / 2]);
	}
	printf("\n");
}

static void
print_ratio(const char *what, double value, const char *relation, double target)
{
	const bool held = relation[0] == '<' ? value <= target : value >= target;

	printf("%-58s %7.2f  target %s %.2f  %s\n", what, value, relation, target,
	    value == 0 ? "not measured"
	    : held     ? "held"
		       : "MISSED");
}

static double
per_second(const struct series *s)
{
	return s->busy_us == 0 ? 0 : (double)s->n * 1e6 / (double)s->busy_us;
}

/* --- all of it ------------------------------------------------------------------------------ */

/* In a file system of our own mount namespace, which the spawner and bubblewrap share. */
static void
install_program(void)
{
	static const char *const places[] = { "/usr/local/games", "/usr/games", "/usr/local/src" };
	static char path[64];
	int from, to;

	for (size_t i = 0; i < ARRAY_LEN(places) && program == NULL; i++)
		if (mount("bench", places[i], "tmpfs", 0, "mode=755") == 0) {
			snprintf(path, sizeof(path), "%s/tiny", places[i]);
			program = path;
		}
	MUST(program != NULL);
	from = open(WARDIAN_BUILD_DIR "/tests/bench-tiny", O_RDONLY | O_CLOEXEC);
	to = open(program, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	MUST(from >= 0);
	MUST(to >= 0);
	while (sendfile(to, from, NULL, 1 << 20) > 0)
		;
	close(from);
	close(to);
}

static const char *const *
bwrap_argv(void)
{
	static const char *argv[] = { "/usr/bin/bwrap", "--unshare-all", "--die-with-parent",
		"--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--ro-bind", "/usr", "/usr",
		"--ro-bind", "/etc/alternatives", "/etc/alternatives", "--ro-bind",
		"/etc/ld.so.cache", "/etc/ld.so.cache", "--ro-bind", "/etc/localtime",
		"/etc/localtime", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
		"--symlink", "usr/lib64", "/lib64", "--dev", "/dev", "--proc", "/proc", "--tmpfs",
		"/work", "--tmpfs", "/tmp", "--tmpfs", "/dev/shm", "--chdir", "/work", NULL, NULL };

	argv[ARRAY_LEN(argv) - 2] = program;
	if (access(argv[0], X_OK) == 0)
		return argv;
	printf("bubblewrap is not installed: what it would take is left out\n");
	return NULL;
}

enum { SPAWN_1, BWRAP_1, FRESH_1, WARM_1, SPAWN_2, BWRAP_2, FRESH_2, SPAWN_GAP, WARM_GAP, KINDS };

static void
one_round(struct series *v, const char *const *bwrap, struct quiet *q, bool gap)
{
	const char *const tiny[] = { program, NULL };

	await_quiet(q);
	round_of_spawns(&v[SPAWN_1], tiny, PER_ROUND, 1, 0);
	round_of_sandboxes(&v[FRESH_1], &fresh, PER_ROUND, 1, 0, 1);
	await_quiet(q);
	round_of_sandboxes(&v[WARM_1], &warm, PER_ROUND, 1, READY_US, BURST);
	if (bwrap != NULL)
		round_of_spawns(&v[BWRAP_1], bwrap, PER_ROUND, 1, 0);
	await_quiet(q);
	round_of_spawns(&v[SPAWN_2], tiny, PER_ROUND, LANES, 0);
	round_of_sandboxes(&v[FRESH_2], &fresh, PER_ROUND, LANES, 0, 1);
	if (bwrap != NULL)
		round_of_spawns(&v[BWRAP_2], bwrap, PER_ROUND, LANES, 0);
	if (!gap)
		return;
	await_quiet(q);
	round_of_spawns(&v[SPAWN_GAP], tiny, PER_ROUND, 1, GAP_US);
	round_of_sandboxes(&v[WARM_GAP], &warm, PER_ROUND, 1, GAP_US, 1);
}

static void
print_all(struct series *v)
{
	printf("%-46s %6s %8s %8s %9s\n", "", "n", "median", "p99 us", "per s");
	for (size_t i = 0; i < KINDS; i++)
		print_series(&v[i]);
	printf("\n");
	print_ratio(
	    "fresh sandbox / posix_spawn", median(&v[FRESH_1]) / median(&v[SPAWN_1]), "<=", 6);
	print_ratio("fresh sandbox / bubblewrap",
	    v[BWRAP_1].n == 0 ? 0 : median(&v[FRESH_1]) / median(&v[BWRAP_1]), "<=", 0.25);
	print_ratio("warm cell / posix_spawn", median(&v[WARM_1]) / median(&v[SPAWN_1]), "<=", 2.5);
	if (v[SPAWN_GAP].n > 0)
		print_ratio("warm cell / posix_spawn, both 100 ms apart",
		    median(&v[WARM_GAP]) / median(&v[SPAWN_GAP]), "<=", 1.5);
	print_ratio("sustained by two, fresh sandbox / bubblewrap",
	    v[BWRAP_2].n == 0 ? 0 : per_second(&v[FRESH_2]) / per_second(&v[BWRAP_2]), ">=", 5);
}

int
main(int argc, char **argv)
{
	static const char *const names[KINDS] = { [SPAWN_1] = "posix_spawn",
		[BWRAP_1] = "bubblewrap",
		[FRESH_1] = "fresh sandbox",
		[WARM_1] = "warm cell",
		[SPAWN_2] = "posix_spawn, two at once",
		[BWRAP_2] = "bubblewrap, two at once",
		[FRESH_2] = "fresh sandbox, two at once",
		[SPAWN_GAP] = "posix_spawn, 100 ms apart",
		[WARM_GAP] = "warm cell, 100 ms apart" };
	struct series v[KINDS];
	const char *const *bwrap;
	int64_t n = 1000, n_gap = 1000, quiet_s = 0;
	struct quiet q = { 0 };
	struct err e = { 0 };
	char *heap;
	int c;

	while ((c = getopt(argc, argv, "n:g:q:")) != -1)
		if (c == '?' || parse_i64(optarg, 0, 100000,
				    c == 'n'   ? &n
				    : c == 'g' ? &n_gap
					       : &quiet_s,
				    &e) < 0)
			return 2;
	q.budget_us = quiet_s * 1000000;
	MUST(getenv("TMPDIR") != NULL || setenv("TMPDIR", "/dev/shm", 1) == 0);
	heap = mmap(
	    NULL, HEAP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	MUST(heap != MAP_FAILED);
	rig_own_mounts();
	install_program();
	bwrap = bwrap_argv();
	rig_open_with(&fresh, RIG_ARGV("--warm", "0"));
	rig_open_with(&warm, RIG_ARGV("--warm", "8"));
	for (size_t i = 0; i < KINDS; i++)
		series_init(&v[i], names[i], (size_t)(n + n_gap) + PER_ROUND);
	for (int64_t i = 0; i < n; i += PER_ROUND)
		one_round(v, bwrap, &q, i < n_gap);
	print_all(v);
	if (q.loud > 0)
		printf(
		    "%zu times nobody waited for a quiet machine; other work may have had its part "
		    "in these figures\n",
		    q.loud);
	rig_close(&warm);
	rig_close(&fresh);
	munmap(heap, HEAP);
	return 0;
}
