/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wardian-keeper: the first process of a sandbox, under the tenant's own root.  It is the only
 * witness of the run: it starts the simulation, keeps its log, ends it when its time is up,
 * collects its files, and leaves the exit record, after which nothing is left to do but to end.  It
 * depends on nobody outside: neither the daemon nor the spawner need live.
 *
 *   zygote ─▶ cell ─▶ simulation's process ─▶ order, launch file, results,
 *     inputs ─▶ exec
 *     ─▶ watch ─▶ collect ─▶ exit record
 *
 * The spawner executes it as a zygote (zygote.c); every sandbox is a clone of that (cell.c).
 * Up to the simulation's exec a fault goes to the spawner (FAILED, nothing is left); from there on
 * it goes into the exit record.
 */
#include "keeper_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* However long the worker takes to say that this process may go. */
enum { LINGER_MOST_MS = 1000 };

/* --- reports -------------------------------------------------------------------------------- */

bool
keeper_report(uint32_t kind, uint32_t step, int sys)
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

	if (!keeper_report(KEEPER_FAILED, step, sys) &&
	    sandbox_exit_put(KEEPER_FD_OUT, k->exit_fd, &x, &ignored) < 0)
		_exit(2); /* nobody will know but by the absence of a record */
	_exit(1);
}

/* --- after the simulation ------------------------------------------------------------------- */

/* files/ is made for files only: most daemons' first look is whether it is there. */
static int
collect_files(struct tree_copy *copy, struct err *e)
{
	AUTO_FD int work_fd = open("/work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD int files_fd = -1;
	bool empty = false;

	if (work_fd < 0)
		return err_sys(e, errno, "cannot open the working directory");
	if (tree_empty(work_fd, &empty, e) < 0)
		return -1;
	if (empty)
		return 0;
	if (mkdirat(KEEPER_FD_OUT, "files", 0770) == 0)
		files_fd =
		    openat(KEEPER_FD_OUT, "files", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (files_fd < 0)
		return err_sys(e, errno, "cannot make the directory of outputs");
	copy->from_fd = work_fd;
	copy->to_fd = files_fd;
	return tree_copy(copy, e);
}

static void
collect(struct keeper *k, struct sandbox_exit *x)
{
	struct tree_copy copy = { .inputs = &k->inputs,
		.bytes_left = k->order.limits.output_bytes,
		.files_left = k->order.limits.output_files };
	struct err e = { 0 };
	int rc = collect_files(&copy, &e);

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

/* It has its streams: they are open only as long as it is. */
static void
drop_streams(void)
{
	for (int i = 0; i < STREAMS; i++)
		(void)dup2(STDIN_FILENO, STDOUT_FILENO + i); /* both exist: it cannot fail */
}

static void
run(struct keeper *k, const struct sim_fault *f, struct sandbox_exit *x)
{
	struct watched w;
	struct err e = { 0 };

	if (f->sys != 0) {
		not_executed(k, f, x);
	} else {
		account_started(k);
		if (watch_run(k, &w, &e) == 0)
			account_fill(k, &w, x);
		else
			*x = (struct sandbox_exit){ .id = x->id,
				.outcome = SANDBOX_FAULT,
				.step = SANDBOX_STEP_EXEC,
				.sys = e.sys };
	}
	collect(k, x);
	x->log_bytes = k->log.total;
	x->log_truncated = k->log.truncated;
	account_end(k, x);
}

/* The inputs alone exceed the run's memory: its fault, so that there is a record. */
NORETURN static void
inputs_too_large(struct keeper *k)
{
	struct sandbox_exit x = { .id = k->order.id,
		.outcome = SANDBOX_OOM,
		.oom_kills = account_used(k, CGROUP_STAT_OOM),
		.memory_peak_bytes = account_now(k, CGROUP_STAT_PEAK) };
	struct err e = { 0 };

	account_staged(k);
	account_end(k, &x);
	_exit(sandbox_exit_put(KEEPER_FD_OUT, k->exit_fd, &x, &e) < 0);
}

void
keeper_run(struct keeper *k)
{
	struct pollfd worker = { .fd = KEEPER_FD_STATUS, .events = POLLIN };
	struct sandbox_exit x = { 0 };
	struct sim_fault f;
	struct err e = { 0 };

	if (sim_start(k, &f, &e) < 0)
		fail(k, SANDBOX_STEP_CLONE, e.sys);
	if (f.step == SANDBOX_STEP_NONE)
		_exit(0); /* there was no order */
	drop_streams();
	if (f.step == SANDBOX_STEP_INPUTS && account_used(k, CGROUP_STAT_OOM) > 0)
		inputs_too_large(k);
	x.id = k->order.id;
	run(k, &f, &x);
	if (sandbox_exit_put(KEEPER_FD_OUT, k->exit_fd, &x, &e) < 0)
		_exit(1); /* no record: the daemon takes it as a fault of the platform */
	/* Heard at once: what the kernel still has to take down is nobody's waiting time, and the
	 * worker says when. */
	if (keeper_report(KEEPER_ENDED, x.outcome == SANDBOX_EXEC_FAILED ? x.step : 0, 0))
		(void)poll(&worker, 1, LINGER_MOST_MS);
	_exit(0);
}

int
main(int argc, char **argv)
{
	if (argc != 2 || strlen(argv[1]) != KEEPER_ARGS_ROOM)
		return 2; /* the spawner's business alone */
	zygote_main(argv[1]);
}
