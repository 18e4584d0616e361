/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SBX_RIG_H
#define SBX_RIG_H

/*
 * A real spawner on a state directory of its own, and the daemon's half of a run.  Everything
 * aborts the test on a fault of the rig itself; what a run does is returned.
 */

#include "base.h"
#include "sandbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Whose the spawner is: WARDIAN_TEST_SPAWNER says "user", "delegated", or nothing. */
enum rig_mode {
	RIG_ROOT,
	RIG_USER,     /* an ordinary user's, without control groups */
	RIG_DELEGATED /* with some that are its own */
};
struct rig {
	enum rig_mode mode;
	char groups[32]; /* RIG_DELEGATED: their name; "" */
	char bin[64];    /* programs that the user may read; "" */
	char dir[64];    /* state directory */
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
	char options[8][96];     /* more of the spawner's; "" ends them */
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
	const char *in_dir;       /* copied into in/ by cp -r; NULL: none */
	bool bare;                /* no directory of inputs */
	bool probe;               /* put the probe program into /work */
	const char *program;      /* the probe is this one; NULL: sbx-probe */
	struct sandbox_stop stop; /* how to be told to end */
	uint64_t cpus;            /* bit per CPU to stay on; 0: any */
	uint64_t gpus;            /* bit per device */
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

enum rig_mode rig_mode(void);
/* Skips the test, with a sentence, where the spawner has no groups to limit and count by. */
#define RIG_NEEDS_GROUPS()                                                                         \
	do {                                                                                       \
		if (rig_mode() == RIG_USER) {                                                      \
			print_message("skipped: %s needs control groups, which nobody delegated "  \
				      "to this user\n",                                            \
			    __func__);                                                             \
			skip();                                                                    \
		}                                                                                  \
	} while (0)
/* The same for what only a spawner of root's has or does. */
#define RIG_NEEDS_ROOT(what)                                                                       \
	do {                                                                                       \
		if (rig_mode() != RIG_ROOT) {                                                      \
			print_message("skipped: %s: %s\n", __func__, what);                        \
			skip();                                                                    \
		}                                                                                  \
	} while (0)
/* A spawner program and its arguments as this mode starts it, replacing this process. */
NORETURN void rig_exec_spawner(const struct rig *r);
/* False in a chroot, where mount namespaces cannot be set apart with unshare(1). */
bool rig_root_is_mount(void);
/* Exits 77 with a sentence when this host cannot. */
void rig_open(struct rig *r);
/* With more options for the spawner, at most 7, NULL-terminated; they stay over restarts. */
void rig_open_with(struct rig *r, const char *const *options);
/* Stops the spawner and checks that the host is as it was before. */
void rig_close(struct rig *r);
/* cmocka set-up and tear-down of a group of tests: *state is a rig of its own. */
int rig_suite_open(void **state);
int rig_suite_close(void **state);
void rig_connect(struct rig *r);
/* What lies between is done as the daemon's user where the spawner listens to nobody else. */
void rig_as_daemon(const struct rig *r);
void rig_as_root(const struct rig *r);
/* Ends the spawner with a signal and starts another one on the same directory. */
void rig_restart(struct rig *r, int sig);
struct sandbox_limits rig_limits(void);

/* Once in a process, before anything is mounted for the spawner to see. */
void rig_own_mounts(void);
/* Makes the run directory; fills the id. */
void rig_prepare(struct rig *r, const struct rig_run *run, struct rig_result *ret);
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
/* Kills what a test that failed has left, so that the next one need not wait for its end. */
void rig_end_all(struct rig *r);
/* Text of a collected file, NULL when it is not there. */
char *rig_output(const struct rig_result *res, const char *path);
/* Child of the spawner's monitor. */
pid_t rig_worker(const struct rig *r);
/* The only zygote of the worker; 0: none. */
pid_t rig_zygote(const struct rig *r);
/* Number of processes under this rig's range of uids, less those that wait for a run. */
int rig_processes(const struct rig *r);
/* Those that wait. */
int rig_idle_cells(const struct rig *r);
void rig_kill_idle_cells(const struct rig *r);
/* Control groups of runs with processes in them; -1: not even their parent is there. */
int rig_groups(const struct rig *r);
/* RIG_DELEGATED: groups that are the user's; the spawner is started inside. */
void rig_make_groups(struct rig *r);
void rig_enter_groups(const struct rig *r);
void rig_remove_groups(const struct rig *r);
/* Waits until neither is left. */
bool rig_quiet(const struct rig *r, int ms);

#define RIG_ARGV(...)                                                                              \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

#endif
