/* SPDX-License-Identifier: Apache-2.0 */
#include "fd.h"

#include "buf.h"
#include "id.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	READ_CHUNK = 16 << 10,
	/* Longest wait for a reader of a non-blocking descriptor. */
	WRITE_STALL_MS = 60000
};

void
fd_close(int *fd)
{
	int saved = errno;

	/* close(2): the descriptor is gone after EINTR too, a second try could hit another file. */
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

int
fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static int
wait_writable(int fd, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int n = poll(&p, 1, WRITE_STALL_MS);

	if (n < 0 && errno != EINTR)
		return err_sys(e, errno, "cannot wait for a descriptor");
	if (n == 0)
		return err_set(
		    e, ERR_TIMEOUT, "nobody read the output for %d s", WRITE_STALL_MS / 1000);
	return 0;
}

int
fd_write_all(int fd, const void *p, size_t n, struct err *e)
{
	const char *at = p;

	while (n > 0) {
		ssize_t done = write(fd, at, n);

		if (done >= 0) {
			at += done;
			n -= (size_t)done;
		} else if (errno == EAGAIN) {
			if (wait_writable(fd, e) < 0)
				return -1;
		} else if (errno != EINTR) {
			return err_sys(e, errno, "cannot write");
		}
	}
	return 0;
}

ssize_t
fd_read_full(int fd, void *p, size_t n, struct err *e)
{
	char *at = p;
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, at + got, n - got);

		if (r == 0)
			break;
		if (r > 0)
			got += (size_t)r;
		else if (errno != EINTR)
			return err_sys(e, errno, "cannot read");
	}
	return (ssize_t)got;
}

/* Opens a regular file for reading; without blocking, should the path turn out to be a FIFO. */
static int
open_regular(int dirfd, const char *path, int *ret_fd, struct err *e)
{
	AUTO_FD int fd =
	    openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_sys(e, errno, "cannot open '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot look at '%s'", path);
	if (S_ISDIR(st.st_mode))
		return err_sys(e, EISDIR, "cannot read '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_sys(e, EINVAL, "'%s' is not a regular file", path);
	*ret_fd = fd_take(&fd);
	return 0;
}

int
fd_read_file(int dirfd, const char *path, size_t max, char **ret_p, size_t *ret_n, struct err *e)
{
	AUTO_FD int fd = -1;
	AUTO_BUF b;
	ssize_t got;

	/* One byte more than allowed tells a file of exactly max bytes from a larger one. */
	buf_init(&b, max + READ_CHUNK);
	if (open_regular(dirfd, path, &fd, e) < 0)
		return -1;
	do {
		char *at = buf_room(&b, READ_CHUNK);

		if (at == NULL)
			return err_set(e, ERR_NO_MEMORY, "no memory to read '%s'", path);
		got = fd_read_full(fd, at, READ_CHUNK, e);
		if (got < 0)
			return err_wrap(e, "'%s'", path);
		buf_grown(&b, (size_t)got);
	} while (got == READ_CHUNK && b.n <= max);
	if (b.n > max)
		return err_set(e, ERR_TOO_LARGE, "'%s' is larger than %zu bytes", path, max);
	*ret_p = buf_take(&b, ret_n);
	return 0;
}

/* Makes a rename durable: fsync of the directory that holds path. */
static int
sync_parent(int dirfd, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX] = ".";
	AUTO_FD int fd = -1;

	if (slash != NULL) {
		size_t n = slash == path ? 1 : (size_t)(slash - path);

		if (n >= sizeof(parent))
			return err_sys(e, ENAMETOOLONG, "cannot open the directory of '%s'", path);
		memcpy(parent, path, n);
		parent[n] = '\0';
	}
	fd = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "cannot open the directory of '%s'", path);
	if (fsync(fd) < 0)
		return err_sys(e, errno, "cannot flush the directory of '%s'", path);
	return 0;
}

static int
write_and_sync(int dirfd, const char *path, const void *p, size_t n, mode_t mode, struct err *e)
{
	AUTO_FD int fd =
	    openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0)
		return err_sys(e, errno, "cannot create '%s'", path);
	if (fd_write_all(fd, p, n, e) < 0)
		return err_wrap(e, "'%s'", path);
	if (fsync(fd) < 0)
		return err_sys(e, errno, "cannot flush '%s'", path);
	return 0;
}

int
fd_write_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode, struct err *e)
{
	char tmp[PATH_MAX];
	uint64_t number;
	int len;

	random_bytes(&number, sizeof(number));
	len = snprintf(tmp, sizeof(tmp), "%s.%016jx.tmp", path, (uintmax_t)number);
	if (len < 0 || (size_t)len >= sizeof(tmp))
		return err_sys(e, ENAMETOOLONG, "cannot create '%s'", path);
	if (write_and_sync(dirfd, tmp, p, n, mode, e) < 0) {
		(void)unlinkat(dirfd, tmp, 0); /* may never have been created */
		return -1;
	}
	if (renameat(dirfd, tmp, dirfd, path) < 0) {
		(void)err_sys(e, errno, "cannot put '%s' in place", path); /* always -1 */
		(void)unlinkat(dirfd, tmp, 0); /* the reason is in *e already */
		return -1;
	}
	return sync_parent(dirfd, path, e);
}

int
fd_nonblock(int fd, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, errno, "cannot make a descriptor non-blocking");
	return 0;
}
