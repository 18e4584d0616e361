/* SPDX-License-Identifier: Apache-2.0 */
#include "api_log_internal.h"

#include "fd.h"
#include "object.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As the keeper writes it (sandbox.h); api may not see that header. */
struct entry {
	int64_t wall_us;
	int64_t offset;
	uint32_t n;
	uint32_t stream;
};
_Static_assert(sizeof(struct entry) == 24, "log.index has entries of 24 bytes");

enum {
	BATCH = 256,           /* entries read at once: 6 KiB */
	SCAN_MAX = 256 * 1024, /* entries looked at per call; a reader goes on from `next` */
	BLOCK = 8 << 10        /* bytes looked at once when counting lines */
};

static int
open_optional(int dirfd, const char *path, int *ret_fd, struct err *e)
{
	struct err why = { 0 };
	int64_t size;

	if (object_open(dirfd, path, ret_fd, &size, &why) == 0 || why.code == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

int
api_log_open(int run_dirfd, int which, struct api_log *ret, struct err *e)
{
	AUTO_LOG l = { .fd = -1, .index_fd = -1, .which = which };

	if (open_optional(run_dirfd, "out/log", &l.fd, e) < 0)
		return -1;
	if (which != LOG_BOTH && open_optional(run_dirfd, "out/log.index", &l.index_fd, e) < 0)
		return -1;
	*ret = (struct api_log){
		.fd = fd_take(&l.fd), .index_fd = fd_take(&l.index_fd), .which = which
	};
	return 0;
}

void
api_log_close(struct api_log *l)
{
	fd_close(&l->fd);
	fd_close(&l->index_fd);
}

static int
file_size(int fd, int64_t *ret, struct err *e)
{
	struct stat st;

	if (fd < 0) {
		*ret = 0;
		return 0;
	}
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "measure a log file");
	*ret = st.st_size;
	return 0;
}

int
api_log_size(const struct api_log *l, int64_t *ret, struct err *e)
{
	return file_size(l->fd, ret, e);
}

/* Fills p from offset as far as the file goes; the count, or -1. */
static ssize_t
read_at(int fd, void *p, size_t n, int64_t offset, struct err *e)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, (char *)p + done, n - done, (off_t)offset + (off_t)done);

		if (got < 0 && errno != EINTR)
			return err_sys(e, errno, "read a log file");
		if (got == 0)
			break;
		done += got > 0 ? (size_t)got : 0;
	}
	return (ssize_t)done;
}

/* --- the index -------------------------------------------------------------------------------- */

/* A window over the index, moved as needed. */
struct index {
	const struct api_log *log;
	int64_t log_size;
	int64_t n;     /* entries in the file */
	int64_t first; /* of those in `entries` */
	int64_t held;
	struct entry entries[BATCH];
};

static int
index_open(const struct api_log *l, struct index *x, struct err *e)
{
	int64_t size = 0;

	if (file_size(l->index_fd, &size, e) < 0 || file_size(l->fd, &x->log_size, e) < 0)
		return -1;
	x->log = l;
	x->n = size / (int64_t)sizeof(struct entry);
	x->first = 0;
	x->held = 0;
	return 0;
}

/*
 * Entry i as the part of the log that it may stand for: cut to the file, empty when absurd.  1, 0
 * when the index ends before it, -1 on error.  from_end: the walk goes down, so hold those before
 * i.
 */
static int
index_at(struct index *x, int64_t i, bool from_end, struct entry *ret, struct err *e)
{
	struct entry at;

	if (i < 0 || i >= x->n)
		return 0;
	if (i < x->first || i >= x->first + x->held) {
		int64_t first = from_end && i >= BATCH ? i - BATCH + 1 : i;
		ssize_t got = read_at(x->log->index_fd, x->entries, sizeof(x->entries),
		    first * (int64_t)sizeof(struct entry), e);

		if (got < 0)
			return -1;
		x->first = first;
		x->held = got / (ssize_t)sizeof(struct entry);
		if (i >= first + x->held)
			return 0; /* the file became shorter */
	}
	at = x->entries[i - x->first];
	if (at.offset < 0 || at.offset > x->log_size)
		at = (struct entry){ .offset = x->log_size };
	if (at.n > x->log_size - at.offset)
		at.n = (uint32_t)(x->log_size - at.offset);
	*ret = at;
	return 1;
}

/* The last entry that begins at or before offset; 0 when there is none. */
static int
index_find(struct index *x, int64_t offset, int64_t *ret, struct err *e)
{
	int64_t low = 0, high = x->n;

	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;
		struct entry at;
		int rc = index_at(x, middle, false, &at, e);

		if (rc < 0)
			return -1;
		if (rc == 1 && at.offset <= offset)
			low = middle;
		else
			high = middle;
	}
	*ret = low;
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int
read_both(const struct api_log *l, int64_t offset, char *out, size_t max, struct api_log_piece *ret,
    struct err *e)
{
	ssize_t got = read_at(l->fd, out, max, offset, e);

	if (got < 0)
		return -1;
	*ret = (struct api_log_piece){
		.n = (size_t)got, .next = offset + got, .last = (size_t)got < max
	};
	return 0;
}

/* Copies what entry `at` holds of the wanted stream from p->next on: 1, or 0 when out is full. */
static int
copy_entry(const struct index *x, const struct entry *at, char *out, size_t max,
    struct api_log_piece *p, struct err *e)
{
	int64_t start = at->offset > p->next ? at->offset : p->next;
	int64_t end = at->offset + at->n;
	size_t want;
	ssize_t got;

	if (end <= p->next)
		return 1;
	if ((int)at->stream != x->log->which) {
		p->next = end;
		return 1;
	}
	want = (size_t)(end - start) < max - p->n ? (size_t)(end - start) : max - p->n;
	got = read_at(x->log->fd, out + p->n, want, start, e);
	if (got < 0)
		return -1;
	p->n += (size_t)got;
	p->next = start + got;
	return p->next == end;
}

static int
read_one(const struct api_log *l, int64_t offset, char *out, size_t max, struct api_log_piece *ret,
    struct err *e)
{
	struct api_log_piece p = { .next = offset };
	struct index x;
	struct entry at;
	int64_t i;
	int rc = 1;

	if (index_open(l, &x, e) < 0 || index_find(&x, offset, &i, e) < 0)
		return -1;
	for (int64_t scanned = 0; scanned < SCAN_MAX; scanned++, i++) {
		rc = index_at(&x, i, false, &at, e);
		if (rc < 0)
			return -1;
		if (rc == 0) {
			p.last = true;
			break;
		}
		rc = copy_entry(&x, &at, out, max, &p, e);
		if (rc < 0)
			return -1;
		if (rc == 0)
			break;
	}
	*ret = p;
	return 0;
}

int
api_log_read(const struct api_log *l, int64_t offset, char *out, size_t max,
    struct api_log_piece *ret, struct err *e)
{
	if (l->fd < 0) {
		*ret = (struct api_log_piece){ .next = offset, .last = true };
		return 0;
	}
	if (l->which == LOG_BOTH)
		return read_both(l, offset, out, max, ret, e);
	return read_one(l, offset, out, max, ret, e);
}

/* --- the last lines --------------------------------------------------------------------------- */

struct tail {
	int fd;
	int64_t lines;  /* still to be found */
	bool any;       /* a byte was seen: its newline, if it is one, ends the last line */
	int64_t offset; /* where the lines found so far begin */
};

/* Looks at [from, to) backwards; 1 when all lines were found. */
static int
tail_scan(struct tail *t, int64_t from, int64_t to, struct err *e)
{
	char block[BLOCK];

	while (to > from) {
		int64_t start = to - BLOCK > from ? to - BLOCK : from;
		ssize_t n = read_at(t->fd, block, (size_t)(to - start), start, e);

		if (n < 0)
			return -1;
		for (ssize_t i = n - 1; i >= 0; i--) {
			if (block[i] == '\n' && t->any && --t->lines == 0)
				return 1;
			t->any = true;
			t->offset = start + i;
		}
		to = start;
	}
	return 0;
}

static int
tail_one(const struct api_log *l, struct tail *t, int64_t from, struct err *e)
{
	struct index x;
	struct entry at;

	if (index_open(l, &x, e) < 0)
		return -1;
	for (int64_t scanned = 0; scanned < SCAN_MAX; scanned++) {
		int rc = index_at(&x, x.n - 1 - scanned, true, &at, e);

		if (rc <= 0)
			return rc;
		if (at.offset + at.n <= from)
			return 0;
		if ((int)at.stream != l->which)
			continue;
		rc = tail_scan(t, at.offset > from ? at.offset : from, at.offset + at.n, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int
api_log_tail(
    const struct api_log *l, int64_t lines, int64_t max_bytes, int64_t *ret_offset, struct err *e)
{
	struct tail t = { .fd = l->fd, .lines = lines };
	int64_t size = 0, from;
	int rc;

	if (api_log_size(l, &size, e) < 0)
		return -1;
	from = size > max_bytes ? size - max_bytes : 0;
	t.offset = size;
	if (lines > 0) {
		rc = l->which == LOG_BOTH ? tail_scan(&t, from, size, e) : tail_one(l, &t, from, e);
		if (rc < 0)
			return -1;
	}
	*ret_offset = t.offset;
	return 0;
}
