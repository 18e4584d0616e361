/* SPDX-License-Identifier: Apache-2.0 */
/* What of a spawner is alive on this host: processes, cells, groups. */
#include "rig.h"

#include "clock.h"
#include "fd.h"
#include "id.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MUST(cond) ((cond) ? (void)0 : give_up(#cond, __LINE__))

NORETURN static void
give_up(const char *what, int line)
{
	fprintf(stderr, "rig_look.c:%d: %s: %s\n", line, what, strerror(errno));
	exit(1);
}

/* --- the host before and after -------------------------------------------------------------- */

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

/* What a keeper says of itself in its arguments. */
static bool
says(pid_t pid, const char *word)
{
	char path[64], text[64] = "";
	AUTO_FD int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
	       strcmp(text, "wardian-keeper") == 0 &&
	       strcmp(text + sizeof("wardian-keeper"), word) == 0;
}

/* A cell that waits for a run.  Only keepers have the first uid of a slot. */
static bool
is_idle(const struct rig *r, pid_t pid, const struct stat *st)
{
	return (st->st_uid - r->uid_base) % 1024 == 0 && says(pid, "cell");
}

/* In a pid namespace below this one. */
static bool
is_below(pid_t pid)
{
	AUTO_FREE char *text = NULL;
	struct err e = { 0 };
	char path[64];
	const char *line;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (fd_read_file(AT_FDCWD, path, 8192, &text, &n, &e) < 0 || text == NULL)
		return false;
	/* What an earlier test left to whoever takes orphans here, and nobody has waited for yet.
	 */
	if (strstr(text, "\nState:\tZ") != NULL && strstr(text, "\nPPid:\t1\n") != NULL)
		return false;
	line = strstr(text, "\nNSpid:\t");
	if (line == NULL)
		return false;
	line += strlen("\nNSpid:\t");
	return line[strcspn(line, "\t\n")] == '\t';
}

/* Where all have one uid, runs are what has a pid namespace of its own. */
static bool
is_in_range(const struct rig *r, pid_t pid, const struct stat *st)
{
	if (r->mode != RIG_ROOT)
		return st->st_uid == r->uid && is_below(pid);
	return st->st_uid >= r->uid_base && st->st_uid < r->uid_base + 64 * 1024;
}

/* The spawner's own processes. */
static bool
is_spawners(const struct rig *r, pid_t pid, const struct stat *st)
{
	return r->mode == RIG_ROOT ? st->st_uid == 0 : st->st_uid == r->uid && !is_below(pid);
}

static int
is_ours(pid_t pid, const struct stat *st, const void *ctx)
{
	return is_in_range(ctx, pid, st) && !is_idle(ctx, pid, st);
}

static char *
read_about(pid_t pid, const char *file)
{
	char *text = NULL;
	struct err ignored = { 0 }; /* it may end at any moment */
	char path[64];
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return fd_read_file(AT_FDCWD, path, 8192, &text, &n, &ignored) < 0 ? NULL : text;
}

/* Of its pid namespace: beside it waits the process of the simulation, which looks the same. */
static bool
is_first(pid_t pid)
{
	AUTO_FREE char *text = read_about(pid, "status");
	const char *line = text == NULL ? NULL : strstr(text, "\nNSpid:");
	const char *end = line == NULL ? NULL : strchr(line + 1, '\n');

	return end != NULL && end[-1] == '1' && end[-2] == '\t';
}

static int
is_ours_and_idle(pid_t pid, const struct stat *st, const void *ctx)
{
	return is_in_range(ctx, pid, st) && is_idle(ctx, pid, st) && is_first(pid);
}

static int
kill_if_idle(pid_t pid, const struct stat *st, const void *ctx)
{
	return is_ours_and_idle(pid, st, ctx) && kill(pid, SIGKILL) == 0;
}

void
rig_kill_idle_cells(const struct rig *r)
{
	each_process(kill_if_idle, r);
}

int
rig_processes(const struct rig *r)
{
	return each_process(is_ours, r);
}

int
rig_idle_cells(const struct rig *r)
{
	return each_process(is_ours_and_idle, r);
}

static pid_t
parent_of(pid_t pid)
{
	AUTO_FREE char *text = read_about(pid, "stat");
	const char *at;

	if (text == NULL)
		return -1;
	at = strrchr(text, ')');
	return at == NULL ? -1 : (pid_t)strtol(at + 4, NULL, 10);
}

struct zygote_of {
	const struct rig *r;
	pid_t worker;
};

/* Zygotes are the spawner's children of the worker.  A cell that is just being made looks the same,
 * but for its pid namespace. */
static int
is_zygote(pid_t pid, const struct stat *st, const void *ctx)
{
	const struct zygote_of *z = ctx;

	return is_spawners(z->r, pid, st) && parent_of(pid) == z->worker && says(pid, "zygote") &&
		       !is_first(pid)
		   ? pid
		   : 0;
}

pid_t
rig_zygote(const struct rig *r)
{
	const struct zygote_of z = { r, rig_worker(r) };

	return each_process(is_zygote, &z);
}

static bool
is_keeper(pid_t pid)
{
	AUTO_FREE char *name = read_about(pid, "comm");

	return name != NULL && strncmp(name, "wardian-keeper", 14) == 0;
}

static int
worker_pid(pid_t pid, const struct stat *st, const void *ctx)
{
	const struct rig *r = ctx;

	/* What a dead worker made are children of the monitor, too. */
	return is_spawners(r, pid, st) && parent_of(pid) == r->spawner && !is_keeper(pid) ? pid : 0;
}

pid_t
rig_worker(const struct rig *r)
{
	return each_process(worker_pid, r);
}

static bool
has_processes(const char *path, const char *name)
{
	char file[1024], byte;
	AUTO_FD int fd = -1;

	snprintf(file, sizeof(file), "%s/%s/cgroup.procs", path, name);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, &byte, 1) == 1;
}

/* Groups that wait for their next run are as empty as if they were not there. */
static int
count_dirs(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *entry;
	int n = 0;

	if (d == NULL)
		return -1;
	while ((entry = readdir(d)) != NULL)
		n += entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		     has_processes(path, entry->d_name);
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
