/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "clock.h"
#include "fd.h"
#include "id.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CONNECT_MS = 10000,
	RUN_MS = 60000,
	QUIET_MS = 10000,
	KIB_LOG_MAX = 64 << 20,
	LEFT_MAX = 64
};

#define MUST(cond) ((cond) ? (void)0 : give_up(#cond, __LINE__))

NORETURN static void
give_up(const char *what, int line)
{
	fprintf(stderr, "rig.c:%d: %s: %s\n", line, what, strerror(errno));
	exit(1);
}

NORETURN static void
skip(const char *why)
{
	printf("skipped: %s\n", why);
	exit(77);
}

/* --- the host before and after -------------------------------------------------------------- */

static void
digest_text(const char *text, char out[static 32])
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	snprintf(out, 32, "%016jx", (uintmax_t)h);
}

static void
digest_file(const char *path, char out[static 32])
{
	AUTO_FREE char *text = NULL;
	struct err e = { 0 };
	size_t n;

	MUST(fd_read_file(AT_FDCWD, path, 16 << 20, &text, &n, &e) == 0);
	digest_text(text == NULL ? "" : text, out);
}

/* --- start and stop ------------------------------------------------------------------------- */

static void
find_user(struct rig *r)
{
	static const char *const names[] = { "wardian", "nobody" };

	/* Runs of a user's spawner are told by its uid, which should have nothing else to do. */
	for (size_t i = r->mode == RIG_ROOT ? 0 : 1; i < ARRAY_LEN(names); i++) {
		const struct passwd *pw = getpwnam(names[i]);

		if (pw == NULL)
			continue;
		r->uid = pw->pw_uid;
		r->gid = pw->pw_gid;
		return;
	}
	skip("neither user 'wardian' nor user 'nobody' exists");
}

enum rig_mode
rig_mode(void)
{
	const char *mode = getenv("WARDIAN_TEST_SPAWNER");

	if (mode == NULL)
		return RIG_ROOT;
	MUST(strcmp(mode, "user") == 0 || strcmp(mode, "delegated") == 0);
	if (!rig_root_is_mount()) {
		printf("skipped: in a chroot the kernel makes no user namespaces\n");
		exit(77);
	}
	return mode[0] == 'u' ? RIG_USER : RIG_DELEGATED;
}

static void
become_user(const struct rig *r)
{
	if (r->mode == RIG_DELEGATED)
		rig_enter_groups(r);
	MUST(setgroups(0, NULL) == 0);
	MUST(setresgid(r->gid, r->gid, r->gid) == 0);
	MUST(setresuid(r->uid, r->uid, r->uid) == 0);
}

void
rig_exec_spawner(const struct rig *r)
{
	const struct passwd *pw = getpwuid(r->uid);
	const char *argv[24] = { "wardian-spawner", "--state", r->dir };
	char base[16], program[128], keeper[128];
	const char *const root[] = { "--user", pw == NULL ? "" : pw->pw_name, "--uid-base", base,
		"--keeper", WARDIAN_BUILD_DIR "/wardian-keeper", "--foreground" };
	/* Copies: the way to the build may be closed to this user. */
	const char *const user[] = { "--weaker", "allow", "--keeper", keeper, "--foreground" };
	size_t n = 3;

	MUST(pw != NULL);
	snprintf(base, sizeof(base), "%u", r->uid_base);
	snprintf(keeper, sizeof(keeper), "%s/wardian-keeper", r->bin);
	snprintf(program, sizeof(program), "%s/wardian-spawner", r->bin);
	for (size_t i = 0; r->mode == RIG_ROOT && i < ARRAY_LEN(root); i++)
		argv[n++] = root[i];
	for (size_t i = 0; r->mode != RIG_ROOT && i < ARRAY_LEN(user); i++)
		argv[n++] = user[i];
	for (size_t i = 0; i < ARRAY_LEN(r->options) && r->options[i][0] != '\0'; i++)
		argv[n++] = r->options[i];
	if (r->mode != RIG_ROOT)
		become_user(r);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* which a change of ids forgets */
	execv(r->mode == RIG_ROOT ? WARDIAN_BUILD_DIR "/wardian-spawner" : program,
	    (char *const *)(uintptr_t)argv);
	perror("wardian-spawner");
	_exit(1);
}

static void
start_spawner(struct rig *r)
{
	r->spawner = fork();
	MUST(r->spawner >= 0);
	if (r->spawner == 0)
		rig_exec_spawner(r);
}

static void
copy_programs(struct rig *r)
{
	char text[512];

	/* Not in the state directory, which may lie on a disk that is small on purpose. */
	snprintf(r->bin, sizeof(r->bin), "/tmp/wardian-bin-XXXXXX");
	MUST(mkdtemp(r->bin) != NULL && chmod(r->bin, 0755) == 0);
	snprintf(text, sizeof(text), "cp '%s/wardian-spawner' '%s/wardian-keeper' '%s'",
	    WARDIAN_BUILD_DIR, WARDIAN_BUILD_DIR, r->bin);
	MUST(system(text) == 0);
}

/* An ordinary user's spawner knows no other user, not even root. */
void
rig_as_daemon(const struct rig *r)
{
	MUST(r->mode == RIG_ROOT || (setegid(r->gid) == 0 && seteuid(r->uid) == 0));
}

void
rig_as_root(const struct rig *r)
{
	MUST(r->mode == RIG_ROOT || (seteuid(0) == 0 && setegid(0) == 0));
}

static int
try_connect(struct rig *r, const char *path, struct err *e)
{
	int rc;

	rig_as_daemon(r);
	rc = sandbox_connect(path, &r->fd, &r->ready, e);
	rig_as_root(r);
	return rc;
}

void
rig_connect(struct rig *r)
{
	struct deadline until = deadline_in_ms(CONNECT_MS);
	char path[128];
	struct err e = { 0 };

	snprintf(path, sizeof(path), "%s/spawner.sock", r->dir);
	fd_close(&r->fd);
	while (try_connect(r, path, &e) < 0) {
		if (deadline_passed(until))
			fprintf(stderr, "connect: %s\n", e.msg);
		MUST(!deadline_passed(until));
		usleep(2000);
	}
}

/*
 * Mounts of our own, so that one which somebody else makes meanwhile is not taken for ours.  Once
 * in a process: each copy renumbers them.  In a chroot the root is no mount and nothing can be made
 * private.
 */
void
rig_own_mounts(void)
{
	if (getenv("WARDIAN_TEST_OWN_MOUNTS") != NULL)
		return;
	MUST(unshare(CLONE_NEWNS) == 0);
	(void)mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	MUST(setenv("WARDIAN_TEST_OWN_MOUNTS", "1", 1) == 0);
}

bool
rig_root_is_mount(void)
{
	struct statx st;

	MUST(statx(AT_FDCWD, "/", 0, STATX_INO, &st) == 0);
	return (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

void
rig_open(struct rig *r)
{
	rig_open_with(r, (const char *const[]){ NULL });
}

/* A spawner says what its mode lacks, no more and no less. */
static void
check_weak(const struct rig *r)
{
	static const uint32_t expected[] = { [RIG_USER] = SANDBOX_WEAK_UIDS | SANDBOX_WEAK_LIMITS,
		[RIG_DELEGATED] = SANDBOX_WEAK_UIDS };
	const uint32_t weak = r->ready.weak & ~(uint32_t)SANDBOX_WEAK_LANDLOCK;

	if (weak == expected[r->mode] ||
	    (r->mode != RIG_ROOT && weak == (expected[r->mode] | SANDBOX_WEAK_REFUSED)))
		return;
	kill(r->spawner, SIGTERM);
	waitpid(r->spawner, NULL, 0);
	rig_remove_groups(r);
	MUST(r->mode != RIG_USER);
	skip("the memory, cpu and pids control groups are not usable on this host, or cannot be "
	     "delegated");
}

void
rig_open_with(struct rig *r, const char *const *options)
{
	const char *tmp;
	char path[128];

	memset(r, 0, sizeof(*r));
	for (size_t i = 0; options[i] != NULL; i++) {
		MUST(i + 1 < ARRAY_LEN(r->options));
		MUST((size_t)snprintf(r->options[i], sizeof(r->options[i]), "%s", options[i]) <
		     sizeof(r->options[i]));
	}
	r->fd = -1;
	r->mode = rig_mode();
	if (geteuid() != 0)
		skip("only root can build sandboxes, or play a user who does");
	find_user(r);
	rig_own_mounts();
	digest_file("/proc/self/mountinfo", r->host_before[0]);
	tmp = getenv("TMPDIR");
	MUST((size_t)snprintf(r->dir, sizeof(r->dir), "%s/wardian-sbx-XXXXXX",
		 tmp == NULL ? "/tmp" : tmp) < sizeof(r->dir));
	MUST(mkdtemp(r->dir) != NULL);
	MUST(chown(r->dir, r->uid, r->gid) == 0);
	MUST(chmod(r->dir, 0750) == 0);
	snprintf(path, sizeof(path), "%s/runs", r->dir);
	MUST(mkdir(path, 0750) == 0);
	MUST(chown(path, r->uid, r->gid) == 0);
	r->runs_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(r->runs_fd >= 0);
	r->tenant.uuid = uuid_v7();
	/* Away from the product's default range, and from the ranges of tests beside this one. */
	r->uid_base = 0x50000000u + (uint32_t)getpid() % 4096 * (64 * 1024);
	if (r->mode != RIG_ROOT) {
		r->uid_base = r->uid;
		copy_programs(r);
	}
	if (r->mode == RIG_DELEGATED)
		rig_make_groups(r);
	start_spawner(r);
	rig_connect(r);
	check_weak(r);
}

void
rig_restart(struct rig *r, int sig)
{
	int status;

	MUST(kill(r->spawner, sig) == 0);
	MUST(waitpid(r->spawner, &status, 0) == r->spawner);
	start_spawner(r);
	rig_connect(r);
}

static void
remove_dir(const char *dir)
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		execlp("rm", "rm", "-rf", "--", dir, (char *)NULL);
		_exit(1);
	}
	MUST(waitpid(pid, NULL, 0) == pid);
}

void
rig_close(struct rig *r)
{
	char now[32], path[128];
	int status;

	MUST(rig_quiet(r, QUIET_MS));
	MUST(kill(r->spawner, SIGTERM) == 0);
	MUST(waitpid(r->spawner, &status, 0) == r->spawner);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fd_close(&r->fd);
	fd_close(&r->runs_fd);
	snprintf(path, sizeof(path), "%s/spawner.sock", r->dir);
	MUST(access(path, F_OK) < 0);
	MUST(rig_groups(r) == -1); /* not even the parent of all runs */
	rig_remove_groups(r);
	digest_file("/proc/self/mountinfo", now);
	MUST(strcmp(now, r->host_before[0]) == 0);
	remove_dir(r->dir);
	if (r->bin[0] != '\0')
		remove_dir(r->bin);
}

/* --- one run -------------------------------------------------------------------------------- */

struct sandbox_limits
rig_limits(void)
{
	return (struct sandbox_limits){ .memory_bytes = 256 * MIB,
		.cpu_milli = 2000,
		.processes = 64,
		.scratch_bytes = 64 * MIB,
		.scratch_files = 4096,
		.open_files = 256,
		.wall_ms = 60000,
		.no_output_ms = 0,
		.log_bytes = MIB,
		.output_bytes = 32 * MIB,
		.output_files = 1000,
		.grace_ms = 500 };
}

static void
make_dir(const struct rig *r, int dirfd, const char *name, int *ret)
{
	MUST(mkdirat(dirfd, name, 0750) == 0 || errno == EEXIST);
	*ret = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(*ret >= 0);
	MUST(fchown(*ret, r->uid, r->gid) == 0);
	MUST(fchmod(*ret, 0750) == 0);
}

static void
write_input(const struct rig *r, int in_fd, const struct rig_file *f)
{
	const char *slash = strchr(f->path, '/');
	AUTO_FD int fd = -1;

	if (slash != NULL) {
		char name[64];
		struct rig_file rest = *f;
		AUTO_FD int dir = -1;

		MUST((size_t)(slash - f->path) < sizeof(name));
		memcpy(name, f->path, (size_t)(slash - f->path));
		name[slash - f->path] = '\0';
		make_dir(r, in_fd, name, &dir);
		rest.path = slash + 1;
		write_input(r, dir, &rest);
		return;
	}
	fd = openat(in_fd, f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	MUST(fd >= 0);
	MUST(write(fd, f->text, strlen(f->text)) == (ssize_t)strlen(f->text));
	MUST(fchown(fd, r->uid, r->gid) == 0);
	MUST(fchmod(fd, f->mode == 0 ? 0640 : f->mode) == 0);
}

static void
copy_dir(const struct rig *r, const char *from, const char *run_path)
{
	char text[2048];

	snprintf(text, sizeof(text),
	    "cp -rL -- '%s'/. '%s/%s/in/' && chown -R %u:%u '%s/%s/in' && chmod -R g+rX '%s/%s/in'",
	    from, r->dir, run_path, r->uid, r->gid, r->dir, run_path, r->dir, run_path);
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", text, (char *)NULL);
		_exit(1);
	}
	MUST(waitpid(pid, NULL, 0) == pid);
}

static void
copy_probe(const struct rig *r, int in_fd, const char *program)
{
	AUTO_FD int to = openat(in_fd, "probe", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0750);
	AUTO_FD int from = -1;
	char path[512];

	snprintf(path, sizeof(path), "%s/tests/%s", WARDIAN_BUILD_DIR,
	    program == NULL ? "sbx-probe" : program);
	from = open(path, O_RDONLY | O_CLOEXEC);
	MUST(from >= 0);
	MUST(to >= 0);
	while (sendfile(to, from, NULL, 1 << 20) > 0)
		;
	MUST(fchown(to, r->uid, r->gid) == 0);
}

static size_t
count(const char *const *words)
{
	size_t n = 0;

	while (words != NULL && words[n] != NULL)
		n++;
	return n;
}

static void
prepare(struct rig *r, const struct rig_run *run, struct rig_result *res)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", "HOME=/work", "LANG=C.UTF-8",
		NULL };
	const char *const *use_env = run->env == NULL ? env : run->env;
	const struct sandbox_launch l = { .argv = run->argv,
		.n_argv = count(run->argv),
		.env = use_env,
		.n_env = count(use_env),
		.stop = run->stop };
	AUTO_FD int tenant_fd = -1;
	AUTO_FD int run_fd = -1;
	AUTO_FD int in_fd = -1;
	char path[ID_RUN_PATH_SIZE], tenant[UUID_STR_SIZE], sub[ID_RUN_PATH_SIZE + 8];
	struct err e = { 0 };

	id_run_path(res->id.tenant, res->id.run, res->id.epoch, path);
	snprintf(res->out, sizeof(res->out), "%s/runs/%s/out", r->dir, path);
	make_dir(r, r->runs_fd, uuid_format(res->id.tenant.uuid, tenant), &tenant_fd);
	make_dir(r, tenant_fd, strchr(path, '/') + 1, &run_fd);
	if (!run->bare)
		make_dir(r, run_fd, "in", &in_fd);
	if (sandbox_launch_write(run_fd, &l, &e) < 0) {
		fprintf(stderr, "launch: %s\n", e.msg);
		exit(1);
	}
	MUST(fchownat(run_fd, "launch", r->uid, r->gid, 0) == 0);
	for (size_t i = 0; i < run->n_inputs; i++)
		write_input(r, in_fd, &run->inputs[i]);
	if (run->probe)
		copy_probe(r, in_fd, run->program);
	snprintf(sub, sizeof(sub), "runs/%s", path);
	if (run->in_dir != NULL)
		copy_dir(r, run->in_dir, sub);
}

void
rig_prepare(struct rig *r, const struct rig_run *run, struct rig_result *res)
{
	memset(res, 0, sizeof(*res));
	res->id = (struct sandbox_run_id){ .tenant = r->tenant, .run = uuid_v7(), .epoch = 1 };
	prepare(r, run, res);
}

void
rig_start(struct rig *r, const struct rig_run *run, struct rig_result *res)
{
	struct sandbox_request q = { .protocol = SANDBOX_PROTOCOL,
		.verb = SANDBOX_START,
		.uid_slot = r->slot,
		.limits = run->limits,
		.gpus = run->gpus,
		.cpu_set = { run->cpus } };
	struct err e = { 0 };

	rig_prepare(r, run, res);
	q.id = res->id;
	if (q.limits.memory_bytes == 0)
		q.limits = rig_limits();
	MUST(sandbox_send(r->fd, &q, &e) == 0);
}

bool
rig_event(struct rig *r, struct sandbox_event *ret, int ms)
{
	struct deadline until = deadline_in_ms(ms);
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	struct err e = { 0 };
	int rc;

	while ((rc = sandbox_receive(r->fd, ret, &e)) == 0) {
		if (deadline_passed(until))
			return false;
		poll(&p, 1, deadline_poll_ms(until));
	}
	return rc == 1;
}

static bool
is_same(const struct sandbox_run_id *a, const struct sandbox_run_id *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void
note(struct rig_result *res, const struct sandbox_event *ev)
{
	if (!is_same(&ev->id, &res->id))
		return;
	res->pid = ev->pid != 0 ? ev->pid : res->pid;
	if (ev->kind == SANDBOX_STARTED)
		res->started = true;
	if (ev->kind == SANDBOX_ENDED)
		res->ended = true;
	if (ev->kind != SANDBOX_FAILED && ev->kind != SANDBOX_REFUSED)
		return;
	res->failed = ev->kind == SANDBOX_FAILED;
	res->refused = ev->kind == SANDBOX_REFUSED;
	res->step = ev->step;
	res->sys = ev->sys;
}

void
rig_wait_started(struct rig *r, struct rig_result *res, int ms)
{
	struct deadline until = deadline_in_ms(ms);
	struct sandbox_event ev;

	while (!res->started && !res->failed && !res->refused && !res->ended) {
		if (deadline_passed(until) || !rig_event(r, &ev, deadline_poll_ms(until)))
			return;
		note(res, &ev);
	}
}

void
rig_wait(struct rig *r, struct rig_result *res, int ms)
{
	struct deadline until = deadline_in_ms(ms);
	struct sandbox_event ev;

	while (!res->ended && !res->failed && !res->refused) {
		if (deadline_passed(until) || !rig_event(r, &ev, deadline_poll_ms(until)))
			return;
		note(res, &ev);
	}
}

void
rig_wait_log(struct rig *r, struct rig_result *res, const char *text, int ms)
{
	struct deadline until = deadline_in_ms(ms);
	char path[300];

	rig_wait_started(r, res, ms);
	snprintf(path, sizeof(path), "%s/log", res->out);
	for (;;) {
		AUTO_FREE char *log = NULL;
		struct err e = { 0 };
		size_t n;

		if (fd_read_file(AT_FDCWD, path, KIB_LOG_MAX, &log, &n, &e) == 0 && log != NULL &&
		    strstr(log, text) != NULL)
			return;
		MUST(!deadline_passed(until));
		usleep(2000);
	}
}

void
rig_collect(struct rig *r, struct rig_result *res)
{
	char path[300];
	struct err e = { 0 };
	AUTO_FD int run_fd = -1;
	int rc;

	(void)r;
	snprintf(path, sizeof(path), "%s/..", res->out);
	run_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run_fd < 0)
		return;
	rc = sandbox_exit_read(run_fd, &res->exit, &e);
	if (rc < 0)
		fprintf(stderr, "exit record: %s\n", e.msg);
	MUST(rc >= 0);
	res->has_exit = rc == 1;
	snprintf(path, sizeof(path), "%s/log", res->out);
	if (fd_read_file(AT_FDCWD, path, KIB_LOG_MAX, &res->log, &res->log_n, &e) < 0 ||
	    res->log == NULL)
		res->log = strdup("");
}

void
rig_do(struct rig *r, const struct rig_run *run, struct rig_result *res)
{
	rig_start(r, run, res);
	rig_wait(r, res, RUN_MS);
	rig_collect(r, res);
}

void
rig_done(struct rig_result *res)
{
	free(res->log);
	res->log = NULL;
}

void
rig_send(struct rig *r, enum sandbox_verb verb, const struct sandbox_run_id *id)
{
	struct sandbox_request q = { .protocol = SANDBOX_PROTOCOL, .verb = verb };
	struct err e = { 0 };

	if (id != NULL)
		q.id = *id;
	MUST(sandbox_send(r->fd, &q, &e) == 0);
}

char *
rig_output(const struct rig_result *res, const char *path)
{
	char full[512];
	char *text = NULL;
	struct err e = { 0 };
	size_t n;

	snprintf(full, sizeof(full), "%s/files/%s", res->out, path);
	if (fd_read_file(AT_FDCWD, full, 16 << 20, &text, &n, &e) < 0)
		return NULL;
	return text == NULL ? strdup("") : text;
}

void
rig_end_all(struct rig *r)
{
	struct sandbox_event ev;
	struct rig_result res;
	int n = 0;

	do {
		struct sandbox_run_id id = { 0 };

		rig_send(r, SANDBOX_LIST, NULL);
		while (rig_event(r, &ev, QUIET_MS) && ev.kind != SANDBOX_LIST_END)
			if (ev.kind == SANDBOX_LISTED)
				id = ev.id;
		if (id.epoch == 0)
			return;
		memset(&res, 0, sizeof(res));
		res.id = id;
		rig_send(r, SANDBOX_KILL, &id);
		rig_wait(r, &res, QUIET_MS);
	} while (++n < LEFT_MAX);
}
