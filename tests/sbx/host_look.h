/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SBX_HOST_LOOK_H
#define SBX_HOST_LOOK_H

/* A run that sleeps, and what the host sees of its processes; after cmocka.h. */

#include "rig.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 20000, GONE_MS = 2000 };

/* --- runs ------------------------------------------------------------------------------------ */

static inline void
start_limited(struct rig *r, const struct sandbox_limits *l, struct rig_result *res)
{
	const struct rig_run run = { .argv = RIG_ARGV("/bin/sleep", "60"), .limits = *l };

	rig_start(r, &run, res);
	rig_wait_started(r, res, WAIT_MS);
	if (res->failed || res->refused)
		fail_msg(
		    "not started: %s, %s", sandbox_step_name(res->step), strerrorname_np(res->sys));
	assert_true(res->pid > 1);
}

static inline void
start_sleeper(struct rig *r, struct rig_result *res)
{
	const struct sandbox_limits l = rig_limits();

	start_limited(r, &l, res);
}

static inline void
end(struct rig *r, struct rig_result *res)
{
	rig_send(r, SANDBOX_KILL, &res->id);
	rig_wait(r, res, WAIT_MS);
	assert_true(res->ended);
	rig_done(res);
}

/* --- what /proc says ------------------------------------------------------------------------- */

static inline char *
proc_text(pid_t pid, const char *file)
{
	struct err e = { 0 };
	char path[64], *text = NULL;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	assert_int_equal(fd_read_file(AT_FDCWD, path, 1 << 20, &text, &n, &e), 0);
	return text == NULL ? strdup("") : text;
}

static inline void
has_status(pid_t pid, const char *name, const char *want)
{
	char *text = proc_text(pid, "status");
	char line[128];

	snprintf(line, sizeof(line), "\n%s:\t%s\n", name, want);
	if (strstr(text, line) == NULL)
		fail_msg("process %d has not %s %s:%s", pid, name, want, text);
	free(text);
}

static inline void
has_caps(pid_t pid, const char *set, uint64_t want)
{
	char text[32];

	snprintf(text, sizeof(text), "%016jx", (uintmax_t)want);
	has_status(pid, set, text);
}

static inline void
in_a_child(int (*act)(pid_t pid), pid_t pid)
{
	const pid_t child = fork();
	int status;

	if (child == 0)
		_exit(act(pid));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* What failed in the middle of a run leaves it there. */
static inline int
end_runs(void **state)
{
	rig_end_all(*state);
	return 0;
}

#define ONE(test) cmocka_unit_test_teardown(test, end_runs)

#endif
