/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the simulation writes to stdout and stderr, as it came, with an index of when and on which
 * stream.  At the cap a marker is written once and the rest is counted and dropped: a flood costs
 * the flooder its log, not the run its life, and never more disk than the cap.
 */
#include "keeper_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	/* Pieces closer together than this are one; people do not read faster. */
	JOIN_US = 10000,
	/* One entry per so many bytes of log, and this many in any case: a writer of single bytes
	 * must not get an index larger than its log. */
	BYTES_PER_ENTRY = 64,
	ENTRIES_LEAST = 1024,
};

static int
create(int out_fd, const char *name, int flags, int *ret, struct err *e)
{
	int fd = openat(
	    out_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | flags, 0640);

	if (fd < 0)
		return err_sys(e, errno, "cannot create the log");
	*ret = fd;
	return 0;
}

void
run_log_open(struct run_log *l, int out_fd, int64_t cap)
{
	*l = (struct run_log){ .fd = -1,
		.index_fd = -1,
		.out_fd = out_fd,
		.cap = cap,
		.entries_max = cap / BYTES_PER_ENTRY + ENTRIES_LEAST };
}

/* With the first byte: most readers want to know whether there is any.  The index first, so that
 * whoever finds the log finds both. */
static int
make_files(struct run_log *l, struct err *e)
{
	if (l->fd >= 0)
		return 0;
	if (create(l->out_fd, "log.index", 0, &l->index_fd, e) < 0)
		return -1;
	return create(l->out_fd, "log", O_APPEND, &l->fd, e);
}

static int
write_entry(struct run_log *l)
{
	const off_t at = (l->entries - 1) * (off_t)sizeof(l->last);

	return pwrite(l->index_fd, &l->last, sizeof(l->last), at) == sizeof(l->last) ? 0 : -1;
}

static int
index_piece(struct run_log *l, uint32_t stream, int64_t offset, size_t n)
{
	const int64_t now = clock_wall_us();
	const bool close = l->last.stream == stream && now - l->last.wall_us < JOIN_US;

	if (l->entries > 0 && (close || l->entries >= l->entries_max) &&
	    n <= UINT32_MAX - l->last.n) {
		l->last.n += (uint32_t)n;
	} else {
		l->last = (struct sandbox_log_entry){ now, offset, (uint32_t)n, stream };
		l->entries++;
	}
	return write_entry(l);
}

static void
put(struct run_log *l, uint32_t stream, int64_t offset, const char *p, size_t n)
{
	struct err e = { 0 }; /* the host's disk is full: the log ends here */

	if (make_files(l, &e) < 0 || fd_write_all(l->fd, p, n, &e) < 0 ||
	    index_piece(l, stream, offset, n) < 0)
		l->truncated = true;
}

static void
put_marker(struct run_log *l)
{
	char text[128];
	int n = snprintf(text, sizeof(text),
	    "\n[wardian: the log's limit of %jd bytes is reached; what follows is not kept]\n",
	    (intmax_t)l->cap);

	l->entries_max++;
	l->last.stream = 0; /* an entry of its own */
	if (n > 0)
		put(l, 2, l->kept, text, (size_t)n);
}

void
run_log_add(struct run_log *l, uint32_t stream, const char *p, size_t n)
{
	const int64_t room = l->cap - l->kept;
	const size_t take = room < (int64_t)n ? (size_t)room : n;

	l->total += (int64_t)n;
	if (l->truncated)
		return;
	if (take > 0)
		put(l, stream, l->kept, p, take);
	l->kept += (int64_t)take;
	if (take == n || l->truncated)
		return;
	put_marker(l);
	l->truncated = true;
}

int
run_log_close(struct run_log *l, struct err *e)
{
	int rc = 0;

	if (l->fd >= 0 && (fsync(l->fd) < 0 || fsync(l->index_fd) < 0))
		rc = err_sys(e, errno, "cannot flush the log");
	fd_close(&l->fd);
	fd_close(&l->index_fd);
	return rc;
}
