/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exit record: the only word about how a run ended.  It is not flushed: what it speaks of was
 * flushed before it appeared, and a record that a power failure took is a run that was lost.
 */
#include "keeper.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_VERSION = 1 };

_Static_assert(sizeof(struct sandbox_exit) == 176, "no padding in a record");

/* FNV-1a, 64 bits: against torn and foreign files, not against forgery. */
static uint64_t
checksum(const struct sandbox_exit *x)
{
	const unsigned char *p = (const unsigned char *)x;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < offsetof(struct sandbox_exit, checksum); i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static bool
sane(const struct sandbox_exit *x)
{
	const int64_t counters[] = { x->started_wall_us, x->ended_wall_us, x->wall_ns,
		x->cpu_user_ns, x->cpu_system_ns, x->memory_peak_bytes, x->oom_kills,
		x->throttled_ns, x->log_bytes, x->output_files, x->output_bytes,
		x->output_files_skipped };

	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		if (counters[i] < 0)
			return false;
	return x->outcome >= SANDBOX_EXITED && x->outcome <= SANDBOX_FAULT && x->exit_code >= 0 &&
	       x->exit_code <= 255 && x->signal >= 0 && x->signal <= 64 &&
	       x->step < SANDBOX_STEP_COUNT && x->sys >= 0 && x->log_truncated <= 1 &&
	       x->id.epoch >= 1;
}

int
sandbox_exit_decode(const void *p, size_t n, struct sandbox_exit *ret, struct err *e)
{
	struct sandbox_exit x;

	if (n != sizeof(x))
		return err_set(e, ERR_PROTOCOL, "the exit record has the wrong size");
	memcpy(&x, p, sizeof(x));
	if (x.magic != SANDBOX_EXIT_MAGIC || x.version != EXIT_VERSION)
		return err_set(e, ERR_PROTOCOL, "the exit record is none of this version");
	if (x.checksum != checksum(&x))
		return err_set(e, ERR_PROTOCOL, "the exit record is damaged");
	if (!sane(&x))
		return err_set(e, ERR_PROTOCOL, "the exit record holds an impossible value");
	*ret = x;
	return 0;
}

int
sandbox_exit_read(int run_dirfd, struct sandbox_exit *ret, struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_FD int out = openat(run_dirfd, "out", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct err why = { 0 };
	size_t n;

	if (out < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot open the output of a run");
	if (fd_read_file(out, "exit", sizeof(*ret), &text, &n, &why) < 0) {
		if (why.sys == ENOENT)
			return 0;
		if (why.code == ERR_TOO_LARGE)
			return err_set(e, ERR_PROTOCOL, "the exit record has the wrong size");
		*e = why;
		return -1;
	}
	return sandbox_exit_decode(n == 0 ? "" : text, n, ret, e) < 0 ? -1 : 1;
}

int
sandbox_exit_reserve(int out_dirfd, int *ret_fd, struct err *e)
{
	AUTO_FD int fd = openat(out_dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0640);
	const struct sandbox_exit room = { 0 };

	*ret_fd = -1;
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) /* NFS and old kernels' overlayfs */
		return 0;
	if (fd < 0)
		return err_sys(e, errno, "cannot create the exit record");
	if (fd_write_all(fd, &room, sizeof(room), e) < 0)
		return -1;
	*ret_fd = fd_take(&fd);
	return 0;
}

/* The file without a name gets one when it is whole. */
static int
write_linked(int out_dirfd, int fd, const struct sandbox_exit *x, struct err *e)
{
	char path[32];

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "cannot write the exit record");
	if (fd_write_all(fd, x, sizeof(*x), e) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, out_dirfd, "exit", AT_SYMLINK_FOLLOW) < 0)
		return err_sys(e, errno, "cannot put the exit record in place");
	return 0;
}

int
sandbox_exit_put(int out_dirfd, int reserved_fd, struct sandbox_exit *x, struct err *e)
{
	x->magic = SANDBOX_EXIT_MAGIC;
	x->version = EXIT_VERSION;
	x->checksum = checksum(x);
	REQUIRE(sane(x));
	if (reserved_fd >= 0)
		return write_linked(out_dirfd, reserved_fd, x, e);
	return fd_write_file(out_dirfd, "exit", x, sizeof(*x), 0640, e);
}

int
sandbox_exit_write(int out_dirfd, struct sandbox_exit *x, struct err *e)
{
	AUTO_FD int fd = -1;

	if (sandbox_exit_reserve(out_dirfd, &fd, e) < 0)
		return -1;
	return sandbox_exit_put(out_dirfd, fd, x, e);
}
