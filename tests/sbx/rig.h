/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SBX_RIG_H
#define SBX_RIG_H

/*
 * A real spawner on a state directory of its own, and the daemon's half of a run.  Everything
 * aborts the test on a fault of the rig itself; what a run does is returned.
 */

#include "sandbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct rig {
	char dir[64]; /* state directory */
	int runs_fd;
	int fd; /* connection, -1 */
	pid_t spawner;
	uid_t uid;
	gid_t gid;
	uid_t uid_base;
	struct tenant_id tenant;
	uint32_t slot;
	struct sandbox_event ready;
	char host_before[3][32]; /* digests of what must be as before */
};

struct rig_file {
	const char *path; /* directories are made */
	const char *text;
	mode_t mode; /* 0: 0640 */
};
/* What to run; zero fields take the defaults below. */
struct rig_run {
	const char *const *argv; /* NULL-terminated */
	const char *const *env;
	const struct rig_file *inputs;
	size_t n_inputs;
	struct sandbox_limits limits;
	const char *in_dir; /* copied into in/ by cp -r; NULL: none */
	bool probe;         /* put the probe program into /work */
};
struct rig_result {
	struct sandbox_run_id id;
	bool started, failed, ended, refused;
	uint32_t step;
	int32_t sys;
	pid_t pid;
	bool has_exit;
	struct sandbox_exit exit;
	char *log; /* malloc'ed, NUL-terminated */
	size_t log_n;
	char out[256]; /* path of out/ */
};

/* False in a chroot, where mount namespaces cannot be set apart with unshare(1). */
bool rig_root_is_mount(void);
/* Exits 77 with a sentence when this host cannot. */
void rig_open(struct rig *r);
/* Stops the spawner and checks that the host is as it was before. */
void rig_close(struct rig *r);
void rig_connect(struct rig *r);
/* Ends the spawner with a signal and starts another one on the same directory. */
void rig_restart(struct rig *r, int sig);
struct sandbox_limits rig_limits(void);

/* Makes the run directory and sends START. */
void rig_start(struct rig *r, const struct rig_run *run, struct rig_result *ret);
/* Reads events until the run has ended, failed or been refused, at most ms. */
void rig_wait(struct rig *r, struct rig_result *res, int ms);
/* Reads events until the run has started. */
void rig_wait_started(struct rig *r, struct rig_result *res, int ms);
/* Waits until the run has started and its log holds the text. */
void rig_wait_log(struct rig *r, struct rig_result *res, const char *text, int ms);
void rig_collect(struct rig *r, struct rig_result *res);
/* All of it, with a minute's patience. */
void rig_do(struct rig *r, const struct rig_run *run, struct rig_result *ret);
void rig_done(struct rig_result *res);
void rig_send(struct rig *r, enum sandbox_verb verb, const struct sandbox_run_id *id);
/* The next event of any kind, at most ms; false when none came. */
bool rig_event(struct rig *r, struct sandbox_event *ret, int ms);
/* Text of a collected file, NULL when it is not there. */
char *rig_output(const struct rig_result *res, const char *path);
/* Child of the spawner's monitor. */
pid_t rig_worker(const struct rig *r);
/* Number of processes under this rig's range of uids. */
int rig_processes(const struct rig *r);
/* Directories of runs in all control groups of this rig. */
int rig_groups(const struct rig *r);
/* Waits until neither is left. */
bool rig_quiet(const struct rig *r, int ms);

#define RIG_ARGV(...)                                                                              \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

#endif
