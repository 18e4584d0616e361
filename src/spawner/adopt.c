/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keepers that an earlier worker started.  They are found among the processes, not among the run
 * directories, which outnumber them by far: a keeper is PID 1 of a pid namespace right below ours,
 * runs under the first uid of a tenant's slot, and carries its run and its group in its arguments.
 * Only keepers have that uid: a simulation cannot take it, nor be PID 1.  So the process itself is
 * the proof, no file that the daemon could forge or that could outlive its process is asked, and
 * a number that belongs to another process by now cannot be taken for a keeper.
 *
 * Keepers of earlier releases are adopted like those of this one: their signals are the same.  Of a
 * later one nothing is known but that it is a keeper: it is listed, its groups stay and its end is
 * told; asked to end it, this spawner can only end the whole sandbox at once.
 */
#include "spawner_internal.h"

#include "fd.h"
#include "parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROC_TEXT_MAX = 8192 };

static char *
read_proc(pid_t pid, const char *file, size_t *ret_n)
{
	struct err ignored = { 0 }; /* it may end at any moment */
	char path[48];
	char *text = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	if (fd_read_file(AT_FDCWD, path, PROC_TEXT_MAX, &text, ret_n, &ignored) < 0)
		return NULL;
	return text;
}

static bool
is_init_of_namespace(pid_t pid)
{
	size_t n;
	AUTO_FREE char *text = read_proc(pid, "status", &n);
	const char *line = text == NULL ? NULL : strstr(text, "\nNSpid:");
	const char *end = line == NULL ? NULL : strchr(line + 1, '\n');

	return end != NULL && end - line > 2 && end[-1] == '1' && end[-2] == '\t';
}

/* The directory in /proc belongs to the effective uid, dumpable or not: no simulation has a
 * keeper's; and where all have one, none of them is PID 1. */
static bool
is_keepers(const struct spawner *s, uid_t uid)
{
	if (s->one_uid)
		return uid == s->uid_base;
	return uid >= s->uid_base && (uid - s->uid_base) % KEEPER_UIDS == KEEPER_UID;
}

static bool
identify(const struct spawner *s, pid_t pid, struct keeper_args *ret)
{
	size_t n = 0;
	AUTO_FREE char *args = NULL;
	AUTO_FD int run_fd = -1;
	struct err ignored = { 0 }; /* then it is no keeper of ours */
	char path[32];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	if (stat(path, &st) < 0)
		return false;
	if (!is_keepers(s, st.st_uid))
		return false;
	args = read_proc(pid, "cmdline", &n);
	if (args == NULL || keeper_args_decode(args, n, ret, &ignored) < 0 ||
	    !is_init_of_namespace(pid))
		return false;
	/* Of this state directory; another spawner may use the same uids. */
	run_fd = run_dir_open(s, &ret->id);
	return run_fd >= 0;
}

/* True for a keeper of a later release. */
static bool
adopt(struct worker *w, pid_t pid)
{
	AUTO_FD int pidfd = pidfd_open(pid, 0);
	struct keeper_args args;
	struct err e = { 0 };
	struct run *r;

	/* Everything is looked at after the pidfd was opened, so that all of it is about one
	 * process. */
	if (pidfd < 0 || !identify(w->s, pid, &args))
		return false;
	if (run_find(w, &args.id) != NULL || (r = run_add(w, RUN_LIVE)) == NULL)
		return false;
	r->id = args.id;
	r->pid = pid;
	r->pidfd = fd_take(&pidfd);
	r->started = true;
	r->killed = args.version > KEEPER_VERSION; /* so that a KILL does not ask it */
	(void)snprintf(r->group_name, sizeof(r->group_name), "%s", args.group);
	if (worker_watch(w, r->pidfd, WATCH_PIDFD, (size_t)(r - w->runs), &e) < 0) {
		log_err(&w->log, LOG_LEVEL_ERROR, &e, "adopt a keeper");
		run_drop(w, r);
	}
	return args.version > KEEPER_VERSION;
}

void
adopt_keepers(struct worker *w)
{
	DIR *d = opendir("/proc");
	const struct dirent *entry;
	struct err ignored = { 0 }; /* other names than numbers */
	size_t n_later = 0;
	int64_t pid;

	if (d == NULL) {
		log_error(&w->log, "cannot look for keepers of an earlier spawner in /proc");
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (parse_i64(entry->d_name, 2, INT32_MAX, &pid, &ignored) == 0)
			n_later += adopt(w, (pid_t)pid);
	(void)closedir(d); /* of a descriptor that was only read */
	if (w->n_runs > 0)
		log_info(&w->log, "adopted %zu runs", w->n_runs);
	if (n_later > 0)
		log_warn(
		    &w->log, "%zu keepers are of a later release; they are left alone", n_later);
}
