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

_Static_assert(sizeof(struct sandbox_exit) == 240, "no padding in a record");

/* What comes before the checksum in each version; a later one only adds numbers. */
static const size_t bodies[] = {
	[1] = offsetof(struct sandbox_exit, stage_ns), [2] = offsetof(struct sandbox_exit, checksum)
};

/* FNV-1a, 64 bits: against torn and foreign files, not against forgery. */
static uint64_t
checksum(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static bool
sane(const struct sandbox_exit *x)
{
	const int64_t counters[] = { x->started_wall_us, x->ended_wall_us, x->wall_ns,
		x->cpu_user_ns, x->cpu_system_ns, x->memory_peak_bytes, x->oom_kills,
		x->throttled_ns, x->log_bytes, x->output_files, x->output_bytes,
		x->output_files_skipped, x->stage_ns, x->launch_ns, x->collect_ns, x->faults_minor,
		x->faults_major, x->io_read_bytes, x->io_write_bytes, x->processes_peak };

	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		if (counters[i] < 0)
			return false;
	return x->outcome >= SANDBOX_EXITED && x->outcome <= SANDBOX_CPU_TIME &&
	       x->exit_code >= 0 && x->exit_code <= 255 && x->signal >= 0 && x->signal <= 64 &&
	       x->step < SANDBOX_STEP_COUNT && x->sys >= 0 && x->log_truncated <= 1 &&
	       x->id.epoch >= 1;
}

int
sandbox_exit_decode(const void *p, size_t n, struct sandbox_exit *ret, struct err *e)
{
	struct sandbox_exit x = { 0 };
	size_t body;

	if (n < 2 * sizeof(uint32_t))
		return err_set(e, ERR_PROTOCOL, "the exit record has the wrong size");
	memcpy(&x, p, 2 * sizeof(uint32_t));
	if (x.magic != SANDBOX_EXIT_MAGIC || x.version < 1 || x.version >= ARRAY_LEN(bodies))
		return err_set(e, ERR_PROTOCOL, "the exit record is of no known version");
	body = bodies[x.version];
	if (n != body + sizeof(x.checksum))
		return err_set(e, ERR_PROTOCOL, "the exit record has the wrong size");
	memcpy(&x, p, body);
	memcpy(&x.checksum, (const char *)p + body, sizeof(x.checksum));
	if (x.checksum != checksum(p, body))
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

	/* Not handed over yet: the spawner died while it built, and no keeper ever ran. */
	if (out < 0 && (errno == ENOENT || errno == EACCES))
		return 0;
	if (out < 0)
		return err_sys(e, errno, "cannot open the output of a run");
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

	if (pwrite(fd, x, sizeof(*x), 0) != sizeof(*x))
		return err_sys(e, errno, "cannot write the exit record");
	/* By the descriptor where the kernel trusts whoever opened it with that, else by its name.
	 */
	if (linkat(fd, "", out_dirfd, "exit", AT_EMPTY_PATH) == 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, out_dirfd, "exit", AT_SYMLINK_FOLLOW) < 0)
		return err_sys(e, errno, "cannot put the exit record in place");
	return 0;
}

int
sandbox_exit_put(int out_dirfd, int reserved_fd, struct sandbox_exit *x, struct err *e)
{
	x->magic = SANDBOX_EXIT_MAGIC;
	x->version = SANDBOX_EXIT_VERSION;
	x->checksum = checksum(x, bodies[SANDBOX_EXIT_VERSION]);
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
