/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keepers that an earlier worker started.  They are found among the processes, not among the run
 * directories, which outnumber them by far: a keeper is PID 1 of its own pid namespace, runs under
 * the first uid of a tenant's slot, and carries its run in its arguments.  out/keeper must then
 * name the same process by number and start time; since the daemon could forge that file, it alone
 * is no proof.
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

/* Where the parts of "<tenant uuid>/<run uuid>.<epoch>" begin. */
static const size_t run_at = UUID_STR_SIZE;
static const size_t epoch_at = (size_t)2 * UUID_STR_SIZE;

static bool
parse_path(const char *text, struct sandbox_run_id *ret)
{
	char uuid[UUID_STR_SIZE];
	struct sandbox_run_id id = { 0 };
	struct err ignored = { 0 }; /* somebody else's process */

	if (strnlen(text, epoch_at + 1) <= epoch_at || text[run_at - 1] != '/' ||
	    text[epoch_at - 1] != '.')
		return false;
	memcpy(uuid, text, UUID_STR_SIZE - 1);
	uuid[UUID_STR_SIZE - 1] = '\0';
	if (uuid_parse(uuid, &id.tenant.uuid, &ignored) < 0)
		return false;
	memcpy(uuid, text + run_at, UUID_STR_SIZE - 1);
	if (uuid_parse(uuid, &id.run, &ignored) < 0 ||
	    parse_i64(text + epoch_at, 1, INT64_MAX, &id.epoch, &ignored) < 0)
		return false;
	*ret = id;
	return true;
}

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

static bool
identify(const struct spawner *s, pid_t pid, struct sandbox_run_id *ret)
{
	size_t n = 0;
	AUTO_FREE char *args = NULL;
	const char *nul;
	char path[32];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	if (stat(path, &st) < 0)
		return false;
	/* The directory belongs to the effective uid, dumpable or not: no simulation has a
	 * keeper's. */
	if (st.st_uid < s->uid_base || (st.st_uid - s->uid_base) % KEEPER_UIDS != KEEPER_UID)
		return false;
	args = read_proc(pid, "cmdline", &n);
	nul = args == NULL ? NULL : memchr(args, '\0', n);
	return nul != NULL && nul + 1 < args + n && strcmp(args, "wardian-keeper") == 0 &&
	       parse_path(nul + 1, ret) && is_init_of_namespace(pid);
}

static bool
matches_file(const struct spawner *s, pid_t pid, const struct sandbox_run_id *id)
{
	AUTO_FD int run_fd = run_dir_open(s, id);
	AUTO_FD int out_fd = -1;
	AUTO_FREE char *text = NULL;
	struct sandbox_keeper_file file;
	struct err ignored = { 0 }; /* then it is no keeper of ours */
	size_t n;

	if (run_fd >= 0)
		out_fd = openat(run_fd, "out", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out_fd < 0 || fd_read_file(out_fd, "keeper", sizeof(file), &text, &n, &ignored) < 0)
		return false;
	return keeper_file_decode(text, n, &file, &ignored) == 0 && file.pid == pid &&
	       file.start_ticks == process_start_ticks(pid) &&
	       memcmp(&file.id, id, sizeof(*id)) == 0;
}

static void
adopt(struct worker *w, pid_t pid)
{
	struct sandbox_run_id id;
	struct err e = { 0 };
	AUTO_FD int pidfd = pidfd_open(pid, 0);
	struct run *r;

	/* Everything is looked at after the pidfd was opened, so that all of it is about one
	 * process. */
	if (pidfd < 0 || !identify(w->s, pid, &id) || !matches_file(w->s, pid, &id))
		return;
	if (run_find(w, &id) != NULL || (r = run_add(w, &id)) == NULL)
		return;
	r->pid = pid;
	r->pidfd = fd_take(&pidfd);
	r->started = true;
	if (worker_watch(w, r->pidfd, WATCH_PIDFD, (size_t)(r - w->runs), &e) < 0) {
		log_err(&w->log, LOG_LEVEL_ERROR, &e, "adopt a keeper");
		run_drop(w, r);
	}
}

void
adopt_keepers(struct worker *w)
{
	DIR *d = opendir("/proc");
	const struct dirent *entry;
	struct err ignored = { 0 }; /* other names than numbers */
	int64_t pid;

	if (d == NULL) {
		log_error(&w->log, "cannot look for keepers of an earlier spawner in /proc");
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (parse_i64(entry->d_name, 2, INT32_MAX, &pid, &ignored) == 0)
			adopt(w, (pid_t)pid);
	(void)closedir(d); /* of a descriptor that was only read */
	if (w->n_runs > 0)
		log_info(&w->log, "adopted %zu runs", w->n_runs);
}
