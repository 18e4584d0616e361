/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"
#include "object_internal.h"

#include "caps.h"
#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

/*
 * A name is checked twice, for different reasons.  object_path_valid keeps names printable and
 * portable; the kernel's RESOLVE_ flags keep them below the descriptor whatever lies on the disk,
 * also while somebody swaps directories for links.  Hard links need no check of their own: a
 * sandbox can make them only inside of its own mount, i.e. to its own files.
 */

static const char *
component_fault(const char *name, size_t n)
{
	if (n == 0)
		return "has an empty component";
	if (n > NAME_MAX)
		return "has a component of more than 255 bytes";
	if ((n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
		return "has a component \".\" or \"..\"";
	return NULL;
}

static const char *
path_fault(const char *path)
{
	size_t n = strnlen(path, CAP_PATH_BYTES + 1);
	const char *fault = NULL;

	if (n == 0)
		return "is empty";
	if (n > CAP_PATH_BYTES)
		return "is longer than 512 bytes";
	if (path[0] == '/')
		return "is absolute";
	if (memchr(path, '\\', n) != NULL)
		return "has a backslash";
	for (size_t i = 0, len; i < n; i += len) {
		len = parse_utf8_printable(path + i, n - i);
		if (len == 0)
			return "has a control character or is not UTF-8";
	}
	for (const char *end; fault == NULL; path = end + 1) {
		end = strchrnul(path, '/');
		fault = component_fault(path, (size_t)(end - path));
		if (*end == '\0')
			break;
	}
	return fault;
}

bool
object_path_valid(const char *path, const char **ret_why)
{
	const char *why = path_fault(path);

	if (why != NULL && ret_why != NULL)
		*ret_why = why;
	return why == NULL;
}

int
object_openat2(int dirfd, const char *path, int flags, uint64_t more_resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
		.resolve =
		    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | more_resolve,
	};

	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

int
object_err(int sys, struct err *e)
{
	switch (sys) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EIO:
	case EBADF:
	case ENOSYS: /* before Linux 5.6 */
		return err_sys(e, sys, "cannot open a file of a run");
	default:
		return err_set(
		    e, ERR_NOT_FOUND, "There is no such file; list the files to see their names");
	}
}

int
object_open(int dirfd, const char *path, int *ret_fd, int64_t *ret_size, struct err *e)
{
	AUTO_FD int fd = -1;
	struct stat st;

	if (!object_path_valid(path, NULL))
		return object_err(ENOENT, e);
	/* A FIFO would wait for its writer, a terminal would become ours. */
	fd = object_openat2(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return object_err(errno, e);
	if (!S_ISREG(st.st_mode))
		return object_err(ENOENT, e);
	*ret_size = st.st_size;
	*ret_fd = fd_take(&fd);
	return 0;
}

int
object_open_dir(int dirfd, const char *path, int *ret_fd, struct err *e)
{
	int fd;

	if (!object_path_valid(path, NULL))
		return object_err(ENOENT, e);
	fd = object_openat2(dirfd, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return object_err(errno, e);
	*ret_fd = fd;
	return 0;
}

int
object_open_run(int runs_dirfd, struct tenant_id tenant, struct uuid run, int64_t epoch,
    int *ret_fd, struct err *e)
{
	char path[ID_RUN_PATH_SIZE];

	return object_open_dir(runs_dirfd, id_run_path(tenant, run, epoch, path), ret_fd, e);
}

/* --- writing ------------------------------------------------------------------------------ */

/* Steps from *dir into its directory `name`, made when it is not there. */
static int
step_into(int *dir, const char *name, struct err *e)
{
	int next;

	if (mkdirat(*dir, name, 0750) < 0 && errno != EEXIST)
		return err_sys(e, errno, "cannot make a directory of a run");
	next = object_openat2(*dir, name, O_PATH | O_DIRECTORY, 0);
	if (next < 0)
		return err_sys(e, errno, "cannot enter a directory of a run");
	fd_close(dir);
	*dir = next;
	return 0;
}

/* Opens the directory that path's last component is in; *ret_name is that component. */
static int
open_parent(int dirfd, const char *path, int *ret_dir, const char **ret_name, struct err *e)
{
	AUTO_FD int dir = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	const char *end;

	if (dir < 0)
		return err_sys(e, errno, "cannot use a directory of a run");
	for (; (end = strchr(path, '/')) != NULL; path = end + 1) {
		char name[NAME_MAX + 1] = "";

		memcpy(name, path, (size_t)(end - path)); /* object_path_valid has measured it */
		if (step_into(&dir, name, e) < 0)
			return -1;
	}
	*ret_name = path;
	*ret_dir = fd_take(&dir);
	return 0;
}

int
object_write(int dirfd, const char *path, const void *p, size_t n, struct err *e)
{
	AUTO_FD int dir = -1, fd = -1;
	const char *name = path, *why;
	char echo[PARSE_ECHO_SIZE];

	if (!object_path_valid(path, &why))
		return err_set(e, ERR_INVALID, "The path \"%s\" %s", parse_echo(path, echo), why);
	if (open_parent(dirfd, path, &dir, &name, e) < 0)
		return -1;
	/* O_EXCL does not follow a link either. */
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0 && errno == EEXIST)
		return err_set(
		    e, ERR_CONFLICT, "The file \"%s\" exists already", parse_echo(path, echo));
	if (fd < 0)
		return err_sys(e, errno, "cannot make a file of a run");
	if (fd_write_all(fd, p, n, e) == 0)
		return 0;
	(void)unlinkat(
	    dir, name, 0); /* half a file is worse than the one that stays if this fails */
	return -1;
}
