/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run directories as the spawner sees them.  The daemon owns them and is not trusted with more than
 * that: no link is followed, nothing is created or changed by a path that the daemon could replace,
 * and what the spawner makes is given away only when it has finished with it.
 */
#include "spawner_internal.h"

#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OUT_MODE = 02770 };

int
run_dir_open(const struct spawner *s, const struct sandbox_run_id *id)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	char run[ID_RUN_PATH_SIZE];
	char path[ID_RUN_PATH_SIZE + sizeof("runs/")];
	AUTO_FD int fd = -1;
	struct stat st;

	(void)snprintf(path, sizeof(path), "runs/%s",
	    id_run_path(id->tenant, id->run, id->epoch, run)); /* fits */
	fd = (int)syscall(SYS_openat2, s->state_fd, path, &how, sizeof(how));
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (st.st_uid != s->user && st.st_uid != 0) {
		errno = EPERM;
		return -1;
	}
	return fd_take(&fd);
}

static int
open_out(int run_fd)
{
	return openat(run_fd, "out", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

bool
run_dir_has_exit(int run_fd)
{
	AUTO_FD int out_fd = open_out(run_fd);
	struct stat st;

	return out_fd >= 0 && fstatat(out_fd, "exit", &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int
run_out_make(int run_fd, int *ret_fd)
{
	AUTO_FD int fd = -1;
	struct stat st;

	if (mkdirat(run_fd, "out", 0700) < 0)
		return -1;
	fd = open_out(run_fd);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	/* The daemon owns the run directory and may have put another directory of its own in place;
	 * it has no way to make one that belongs to root and is closed to everybody else. */
	if (st.st_uid != 0 || (st.st_mode & 07777) != 0700) {
		errno = EPERM;
		return -1;
	}
	*ret_fd = fd_take(&fd);
	return 0;
}

int64_t
process_start_ticks(pid_t pid)
{
	AUTO_FREE char *text = NULL;
	struct err ignored = { 0 };
	char path[32];
	int64_t ticks;
	char *at;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (fd_read_file(AT_FDCWD, path, 4096, &text, &n, &ignored) < 0 || n == 0)
		return -1;
	at = strrchr(text, ')'); /* the name before it may hold anything */
	for (int field = 2; field < 22 && at != NULL; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL)
		return -1;
	at++;
	at[strcspn(at, " \n")] = '\0';
	return parse_i64(at, 0, INT64_MAX, &ticks, &ignored) < 0 ? -1 : ticks;
}

int
run_out_give(const struct spawner *s, int out_fd, const struct run *r, uid_t owner, struct err *e)
{
	const struct sandbox_keeper_file file = { .magic = KEEPER_FILE_MAGIC,
		.version = KEEPER_VERSION,
		.pid = r->pid,
		.start_ticks = process_start_ticks(r->pid),
		.id = r->id };
	AUTO_FD int fd = openat(out_fd, "keeper", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_sys(e, errno, "cannot create the keeper file");
	if (fd_write_all(fd, &file, sizeof(file), e) < 0)
		return -1;
	/* The change of owner clears the set-group-ID bit, so it comes first. */
	if (fchown(out_fd, owner, s->group) < 0 || fchmod(out_fd, OUT_MODE) < 0)
		return err_sys(e, errno, "cannot hand over the output of a run");
	return 0;
}

/* Everything that may lie there before a simulation was started: no tree to walk. */
void
run_out_remove(int run_fd)
{
	static const char *const names[] = { "keeper", "log", "log.index" };
	AUTO_FD int out_fd = open_out(run_fd);

	if (out_fd < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)unlinkat(out_fd, names[i], 0); /* it may not be there yet */
	(void)unlinkat(out_fd, "files", AT_REMOVEDIR);
	(void)unlinkat(run_fd, "out", AT_REMOVEDIR); /* what is left is the daemon's to remove */
}
