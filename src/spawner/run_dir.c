/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run directories as the spawner sees them.  The daemon owns them and is not trusted with more than
 * that: no link is followed, nothing is created or changed by a path that the daemon could replace,
 * and what the spawner makes is given away only when it has finished with it.
 */
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The daemon's group may read and remove what the keeper leaves. */
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
run_out_make(const struct spawner *s, int run_fd, uid_t owner, int *ret_fd)
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
	/* mkdir(2) does not make the set-group-ID bit. */
	if (fchown(fd, owner, s->group) < 0 || fchmod(fd, OUT_MODE) < 0)
		return -1;
	*ret_fd = fd_take(&fd);
	return 0;
}

/* Everything that may lie there before a simulation was started: no tree to walk. */
void
run_out_remove(int run_fd)
{
	static const char *const names[] = { "log", "log.index" };
	AUTO_FD int out_fd = open_out(run_fd);

	if (out_fd < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)unlinkat(out_fd, names[i], 0); /* it may not be there yet */
	(void)unlinkat(out_fd, "files", AT_REMOVEDIR);
	(void)unlinkat(run_fd, "out", AT_REMOVEDIR); /* what is left is the daemon's to remove */
}
