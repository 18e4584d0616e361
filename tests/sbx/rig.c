/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "clock.h"
#include "fd.h"
#include "id.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

enum { CONNECT_MS = 10000, RUN_MS = 60000, QUIET_MS = 10000, KIB_LOG_MAX = 64 << 20 };

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

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct passwd *pw = getpwnam(names[i]);

		if (pw == NULL)
			continue;
		r->uid = pw->pw_uid;
		r->gid = pw->pw_gid;
		return;
	}
	skip("neither user 'wardian' nor user 'nobody' exists");
}

static void
start_spawner(struct rig *r)
{
	const struct passwd *pw = getpwuid(r->uid);
	char base[16];

	MUST(pw != NULL);
	snprintf(base, sizeof(base), "%u", r->uid_base);
	r->spawner = fork();
	MUST(r->spawner >= 0);
	if (r->spawner > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	execl(WARDIAN_BUILD_DIR "/wardian-spawner", "wardian-spawner", "--state", r->dir, "--user",
	    pw->pw_name, "--uid-base", base, "--keeper", WARDIAN_BUILD_DIR "/wardian-keeper",
	    "--foreground", (char *)NULL);
	perror("wardian-spawner");
	_exit(1);
}

void
rig_connect(struct rig *r)
{
	struct deadline until = deadline_in_ms(CONNECT_MS);
	char path[128];
	struct err e = { 0 };

	snprintf(path, sizeof(path), "%s/spawner.sock", r->dir);
	fd_close(&r->fd);
	while (sandbox_connect(path, &r->fd, &r->ready, &e) < 0) {
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
static void
own_mounts(void)
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
	const char *tmp;
	char path[128];

	memset(r, 0, sizeof(*r));
	r->fd = -1;
	if (geteuid() != 0)
		skip("only root can build sandboxes");
	find_user(r);
	own_mounts();
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
	start_spawner(r);
	rig_connect(r);
	if (r->ready.privileged != 1) {
		kill(r->spawner, SIGTERM);
		waitpid(r->spawner, NULL, 0);
		skip("the memory, cpu and pids control groups are not usable on this host");
	}
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
	digest_file("/proc/self/mountinfo", now);
	MUST(strcmp(now, r->host_before[0]) == 0);
	remove_dir(r->dir);
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
copy_probe(const struct rig *r, int in_fd)
{
	AUTO_FD int from = open(WARDIAN_BUILD_DIR "/tests/sbx-probe", O_RDONLY | O_CLOEXEC);
	AUTO_FD int to = openat(in_fd, "probe", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0750);

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
	const struct sandbox_launch l = { run->argv, count(run->argv), use_env, count(use_env) };
	AUTO_FD int tenant_fd = -1;
	AUTO_FD int run_fd = -1;
	AUTO_FD int in_fd = -1;
	char path[ID_RUN_PATH_SIZE], tenant[UUID_STR_SIZE], sub[ID_RUN_PATH_SIZE + 8];
	struct err e = { 0 };

	id_run_path(res->id.tenant, res->id.run, res->id.epoch, path);
	snprintf(res->out, sizeof(res->out), "%s/runs/%s/out", r->dir, path);
	make_dir(r, r->runs_fd, uuid_format(res->id.tenant.uuid, tenant), &tenant_fd);
	make_dir(r, tenant_fd, strchr(path, '/') + 1, &run_fd);
	make_dir(r, run_fd, "in", &in_fd);
	if (sandbox_launch_write(run_fd, &l, &e) < 0) {
		fprintf(stderr, "launch: %s\n", e.msg);
		exit(1);
	}
	MUST(fchownat(run_fd, "launch", r->uid, r->gid, 0) == 0);
	for (size_t i = 0; i < run->n_inputs; i++)
		write_input(r, in_fd, &run->inputs[i]);
	if (run->probe)
		copy_probe(r, in_fd);
	snprintf(sub, sizeof(sub), "runs/%s", path);
	if (run->in_dir != NULL)
		copy_dir(r, run->in_dir, sub);
}

void
rig_start(struct rig *r, const struct rig_run *run, struct rig_result *res)
{
	struct sandbox_request q = { .protocol = SANDBOX_PROTOCOL,
		.verb = SANDBOX_START,
		.uid_slot = r->slot,
		.limits = run->limits };
	struct err e = { 0 };

	memset(res, 0, sizeof(*res));
	res->id = (struct sandbox_run_id){ .tenant = r->tenant, .run = uuid_v7(), .epoch = 1 };
	prepare(r, run, res);
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

/* --- looking around ------------------------------------------------------------------------- */

/* Calls fn for every process; adds up what it returns. */
static int
each_process(int (*fn)(pid_t pid, const struct stat *st, const void *ctx), const void *ctx)
{
	DIR *d = opendir("/proc");
	const struct dirent *entry;
	int sum = 0;

	MUST(d != NULL);
	while ((entry = readdir(d)) != NULL) {
		char path[300];
		struct stat st;
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		snprintf(path, sizeof(path), "/proc/%s", entry->d_name);
		if (*end == '\0' && pid > 0 && stat(path, &st) == 0)
			sum += fn((pid_t)pid, &st, ctx);
	}
	closedir(d);
	return sum;
}

static int
is_ours(pid_t pid, const struct stat *st, const void *ctx)
{
	const struct rig *r = ctx;

	(void)pid;
	return st->st_uid >= r->uid_base && st->st_uid < r->uid_base + 64 * 1024;
}

int
rig_processes(const struct rig *r)
{
	return each_process(is_ours, r);
}

static pid_t
parent_of(pid_t pid)
{
	AUTO_FREE char *text = NULL;
	struct err e = { 0 };
	char path[64];
	const char *at;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (fd_read_file(AT_FDCWD, path, 4096, &text, &n, &e) < 0 || text == NULL)
		return -1;
	at = strrchr(text, ')');
	return at == NULL ? -1 : (pid_t)strtol(at + 4, NULL, 10);
}

static int
worker_pid(pid_t pid, const struct stat *st, const void *ctx)
{
	const struct rig *r = ctx;

	/* Adopted keepers are children of the monitor, too, but not root's. */
	return st->st_uid == 0 && parent_of(pid) == r->spawner ? pid : 0;
}

pid_t
rig_worker(const struct rig *r)
{
	return each_process(worker_pid, r);
}

static int
count_dirs(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *entry;
	int n = 0;

	if (d == NULL)
		return -1;
	while ((entry = readdir(d)) != NULL)
		n += entry->d_type == DT_DIR && entry->d_name[0] != '.';
	closedir(d);
	return n;
}

/* Searches the usual mount points two levels down for the rig's own parent group. */
static int
find_groups(const char *at, const char *base, int depth)
{
	char path[512];
	DIR *d;
	const struct dirent *entry;
	int n, sum = -1;

	snprintf(path, sizeof(path), "%s/%s", at, base);
	sum = count_dirs(path);
	d = depth == 0 ? NULL : opendir(at);
	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", at, entry->d_name);
		n = find_groups(path, base, depth - 1);
		if (n >= 0)
			sum = (sum < 0 ? 0 : sum) + n;
	}
	if (d != NULL)
		closedir(d);
	return sum;
}

int
rig_groups(const struct rig *r)
{
	char base[64];
	struct stat st;

	MUST(stat(r->dir, &st) == 0);
	snprintf(base, sizeof(base), "wardian-%jx-%jx", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return find_groups("/sys/fs/cgroup", base, 4);
}

bool
rig_quiet(const struct rig *r, int ms)
{
	struct deadline until = deadline_in_ms(ms);

	while (rig_processes(r) > 0 || rig_groups(r) > 0) {
		if (deadline_passed(until))
			return false;
		usleep(5000);
	}
	return true;
}
