/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wardian-keeper: the first process of a sandbox, executed by the spawner as the tenant's own root.
 * It is the only witness of the run: it starts the simulation, keeps its log, ends it when its time
 * is up, collects its files, and leaves the exit record, after which nothing is left to do but to
 * end. It depends on nobody outside: neither the daemon nor the spawner need live.
 *
 *   order ─▶ launch file ─▶ inputs ─▶ log ─▶ simulation ─▶ watch ─▶ collect ─▶ exit record
 *
 * Up to the simulation's exec a fault goes to the spawner (FAILED, nothing is left); from there on
 * it goes into the exit record.
 */
#include "keeper_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIPE_MODE = 0200 };

/* --- before the simulation ------------------------------------------------------------------ */

static int
receive_order(struct keeper_order *ret, struct err *e)
{
	char bytes[sizeof(struct keeper_order) + 1];
	ssize_t n;

	do
		n = recv(KEEPER_FD_STATUS, bytes, sizeof(bytes), 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return err_set(e, ERR_UNAVAILABLE, "the spawner died before it gave an order");
	return keeper_order_decode(bytes, (size_t)n, ret, e);
}

static int
read_filter(struct keeper *k, struct err *e)
{
	const size_t max = FILTER_MAX * sizeof(*k->filter);
	ssize_t n;

	k->filter = malloc(max);
	if (k->filter == NULL)
		return err_sys(e, ENOMEM, "no memory for the filter");
	/* The file is the spawner's, shared by all keepers: its position is nobody's. */
	n = pread(KEEPER_FD_FILTER, k->filter, max, 0);
	if (n <= 0 || (size_t)n % sizeof(*k->filter) != 0)
		return err_sys(e, EINVAL, "the filter is damaged");
	k->n_filter = (size_t)n / sizeof(*k->filter);
	return 0;
}

static int
step_launch_file(struct keeper *k, struct err *e)
{
	size_t n;

	if (fd_read_file(KEEPER_FD_RUN, "launch", SANDBOX_LAUNCH_MAX, &k->launch_text, &n, e) < 0)
		return -1;
	return sandbox_launch_decode(k->launch_text, n, &k->launch, e);
}

static int
step_inputs(struct keeper *k, struct err *e)
{
	AUTO_FD int in_fd =
	    openat(KEEPER_FD_RUN, "in", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FD int work_fd = open("/work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tree_copy copy = {
		.from_fd = in_fd, .to_fd = work_fd, .strict = true, .inputs = &k->inputs
	};

	if (work_fd < 0 || (in_fd < 0 && errno != ENOENT))
		return err_sys(e, errno, "cannot open the inputs");
	if (in_fd >= 0 && tree_copy(&copy, e) < 0)
		return -1;
	inputs_sort(&k->inputs);
	return 0;
}

static int
step_log(struct keeper *k, struct err *e)
{
	if (run_log_open(&k->log, KEEPER_FD_OUT, k->order.limits.log_bytes, e) < 0 ||
	    sandbox_exit_reserve(KEEPER_FD_OUT, &k->exit_fd, e) < 0)
		return -1;
	for (int i = 0; i < STREAMS; i++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC) < 0)
			return err_sys(e, errno, "cannot make a pipe");
		k->pipe_read[i] = ends[0];
		k->pipe_write[i] = ends[1];
		if (fd_nonblock(ends[0], e) < 0)
			return -1;
		/* So that /dev/stdout can be opened inside, for writing only. */
		if (fchown(ends[1], KEEPER_SIM_UID, KEEPER_SIM_UID) < 0 ||
		    fchmod(ends[1], PIPE_MODE) < 0)
			return err_sys(e, errno, "cannot give a pipe to the simulation");
	}
	return 0;
}

static int
step_walls(struct keeper *k, struct err *e)
{
	return sim_landlock(&k->landlock_fd, e);
}

static int64_t
counter(const struct keeper *k, enum cgroup_stat what)
{
	int64_t v = cgroup_stat_read(KEEPER_FD_STAT + (int)what, k->order.stat_version[what], what);

	return v < 0 ? 0 : v;
}

/* --- reports -------------------------------------------------------------------------------- */

/* False when no spawner is there to hear it. */
static bool
report(uint32_t kind, uint32_t step, int sys)
{
	const struct keeper_report r = {
		.version = KEEPER_VERSION, .kind = kind, .step = step, .sys = sys
	};

	return send(KEEPER_FD_STATUS, &r, sizeof(r), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(r);
}

/* A spawner that died meanwhile cannot say FAILED; then the record must. */
NORETURN static void
fail(const struct keeper *k, uint32_t step, int sys)
{
	struct sandbox_exit x = {
		.id = k->order.id, .outcome = SANDBOX_FAULT, .step = step, .sys = sys
	};
	struct err ignored = { 0 };

	if (!report(KEEPER_FAILED, step, sys) &&
	    sandbox_exit_put(KEEPER_FD_OUT, k->exit_fd, &x, &ignored) < 0)
		_exit(2); /* nobody will know but by the absence of a record */
	_exit(1);
}

/* --- after the simulation ------------------------------------------------------------------- */

static void
collect(struct keeper *k, struct sandbox_exit *x)
{
	AUTO_FD int work_fd = open("/work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD int files_fd = -1;
	struct tree_copy copy = { .from_fd = work_fd,
		.inputs = &k->inputs,
		.bytes_left = k->order.limits.output_bytes,
		.files_left = k->order.limits.output_files };
	struct err e = { 0 };
	int rc = -1;

	if (mkdirat(KEEPER_FD_OUT, "files", 0770) == 0)
		files_fd =
		    openat(KEEPER_FD_OUT, "files", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	copy.to_fd = files_fd;
	if (work_fd < 0 || files_fd < 0)
		err_sys(&e, errno, "cannot open the outputs");
	else
		rc = tree_copy(&copy, &e);
	if (run_log_close(&k->log, &e) < 0)
		rc = -1;
	x->output_files = copy.files;
	x->output_bytes = copy.bytes;
	x->output_files_skipped = copy.skipped;
	if (rc == 0)
		return;
	x->outcome = SANDBOX_FAULT;
	x->step = SANDBOX_STEP_COLLECT;
	x->sys = e.sys;
}

/* A user's wish stands above the kernel's verdict, and that above our clocks: a run that lost a
 * process to the limit and then hung until its wall time ran out of memory. */
static enum sandbox_outcome
verdict(const struct watched *w)
{
	if (w->reason == SANDBOX_STOPPED)
		return SANDBOX_STOPPED;
	if (w->oom_kills > 0)
		return SANDBOX_OOM;
	if (w->reason != 0)
		return w->reason;
	return w->code == CLD_EXITED ? SANDBOX_EXITED : SANDBOX_SIGNALED;
}

/* The exact total, split in the proportion that the ticks saw; what no tick saw was the program. */
static void
fill_cpu(const struct keeper *k, struct sandbox_exit *x)
{
	const int64_t total = counter(k, CGROUP_STAT_CPU);
	const int64_t user = counter(k, CGROUP_STAT_CPU_USER);
	const int64_t system = counter(k, CGROUP_STAT_CPU_SYSTEM);
	const double share = user + system > 0 ? (double)system / (double)(user + system) : 0;

	x->cpu_system_ns = (int64_t)((double)total * share);
	x->cpu_user_ns = total - x->cpu_system_ns;
}

static void
fill_exit(const struct keeper *k, const struct watched *w, struct sandbox_exit *x)
{
	x->outcome = verdict(w);
	if (w->code == CLD_EXITED)
		x->exit_code = w->status;
	else
		x->signal = w->status;
	x->oom_kills = w->oom_kills;
	fill_cpu(k, x);
	x->memory_peak_bytes = counter(k, CGROUP_STAT_PEAK);
	x->throttled_ns = counter(k, CGROUP_STAT_THROTTLED);
}

/* The simulation did not get as far as its program: that is the job's fault if the program is. */
static void
not_executed(struct keeper *k, const struct sim_fault *f, struct sandbox_exit *x)
{
	if (f->step != SANDBOX_STEP_EXEC)
		fail(k, f->step, f->sys);
	x->outcome = SANDBOX_EXEC_FAILED;
	x->step = SANDBOX_STEP_EXEC;
	x->sys = f->sys;
}

static void
run(struct keeper *k, struct sandbox_exit *x)
{
	const int64_t began_ns = clock_mono_ns();
	struct sim_fault f;
	struct watched w;
	struct err e = { 0 };

	x->started_wall_us = clock_wall_us();
	k->oom_before = counter(k, CGROUP_STAT_OOM);
	if (sim_start(k, &f, &e) < 0)
		fail(k, SANDBOX_STEP_CLONE, e.sys);
	for (int i = 0; i < STREAMS; i++)
		fd_close(&k->pipe_write[i]);
	if (f.sys != 0) {
		not_executed(k, &f, x);
	} else {
		(void)report(KEEPER_STARTED, 0, 0); /* nobody hears: the run goes on */
		if (watch_run(k, &w, &e) == 0)
			fill_exit(k, &w, x);
		else
			*x = (struct sandbox_exit){ .id = x->id,
				.started_wall_us = x->started_wall_us,
				.outcome = SANDBOX_FAULT,
				.step = SANDBOX_STEP_EXEC,
				.sys = e.sys };
	}
	x->ended_wall_us = clock_wall_us();
	x->wall_ns = clock_mono_ns() - began_ns;
	collect(k, x);
	x->log_bytes = k->log.total;
	x->log_truncated = k->log.truncated;
}

static void
prepare(struct keeper *k)
{
	static const struct {
		enum sandbox_step step;
		int (*run)(struct keeper *k, struct err *e);
	} steps[] = {
		{ SANDBOX_STEP_LAUNCH_FILE, step_launch_file },
		{ SANDBOX_STEP_INPUTS, step_inputs },
		{ SANDBOX_STEP_LOG, step_log },
		{ SANDBOX_STEP_LANDLOCK, step_walls },
		{ SANDBOX_STEP_SECCOMP, read_filter },
	};
	struct err e = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (steps[i].run(k, &e) < 0)
			fail(k, steps[i].step, e.sys == 0 ? EINVAL : e.sys);
}

int
main(void)
{
	struct sandbox_exit x = { 0 };
	struct keeper *k = calloc(1, sizeof(*k));
	struct err e = { 0 };

	(void)prctl(PR_SET_NAME, "wardian-keeper");
	if (k == NULL || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		_exit(1);
	k->exit_fd = -1;
	if (receive_order(&k->order, &e) < 0)
		_exit(1);
	prepare(k);
	x.id = k->order.id;
	run(k, &x);
	if (sandbox_exit_put(KEEPER_FD_OUT, k->exit_fd, &x, &e) < 0)
		_exit(1); /* no record: the daemon takes it as a fault of the platform */
	_exit(0);
}
