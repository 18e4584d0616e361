/* SPDX-License-Identifier: Apache-2.0 */
/* Files of checkpoints: lines are appended whole and never changed, their numbers grow. */
#include "audit_internal.h"

#include "auth.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Two lines and a piece of a third fit. */
enum { TAIL_BYTES = 3 * CHECKPOINT_LINE_SIZE };

const char *
audit_file_name(struct tenant_id tenant, char out[static AUDIT_FILE_NAME_SIZE])
{
	char id[UUID_STR_SIZE];

	(void)snprintf(out, AUDIT_FILE_NAME_SIZE, "%s.ndjson", uuid_format(tenant.uuid, id));
	return out;
}

int
audit_file_open(int dirfd, struct tenant_id tenant, int *ret_fd, struct err *e)
{
	char name[AUDIT_FILE_NAME_SIZE];
	int fd = openat(
	    dirfd, audit_file_name(tenant, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 && errno != ENOENT)
		return err_sys(e, errno, "open the checkpoints of an audit log");
	*ret_fd = fd;
	return 0;
}

static int
read_at(int fd, int64_t offset, char *p, size_t n, size_t *ret_n, struct err *e)
{
	ssize_t got;

	do
		got = pread(fd, p, n, offset);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_sys(e, errno, "read the checkpoints of an audit log");
	*ret_n = (size_t)got;
	return 0;
}

static int
size_of(int fd, int64_t *ret, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "look at the checkpoints of an audit log");
	*ret = st.st_size;
	return 0;
}

/* The line in p that ends at p + end (a newline, not counted); its start. */
static const char *
line_before(const char *p, const char *end)
{
	const char *newline = memrchr(p, '\n', (size_t)(end - p));

	return newline == NULL ? p : newline + 1;
}

int
audit_file_last(int fd, struct checkpoint *ret, uint8_t digest[static CHAIN_HASH_SIZE],
    int64_t *ret_end, struct err *e)
{
	char p[TAIL_BYTES];
	const char *line, *end;
	int64_t size = 0, from;
	size_t n = 0;

	if (size_of(fd, &size, e) < 0)
		return -1;
	from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
	if (read_at(fd, from, p, sizeof(p), &n, e) < 0)
		return -1;
	end = memrchr(p, '\n', n);
	if (end == NULL && size > TAIL_BYTES)
		return err_set(e, ERR_INVALID, "the checkpoints end with something else");
	*ret_end = end == NULL ? 0 : from + (end - p) + 1;
	if (end == NULL)
		return 0;
	line = line_before(p, end);
	if (checkpoint_parse(line, (size_t)(end - line), ret, e) < 0)
		return -1;
	auth_sha256(line, (size_t)(end - line), digest);
	return 1;
}

/* --- finding a place -------------------------------------------------------------------------- */

struct found {
	int64_t end, number; /* a damaged line has number 0 */
};

/* The first whole line that begins behind `from`, or there when it is a start; 0 without one. */
static int
line_at(int fd, int64_t from, bool is_start, struct found *ret, struct err *e)
{
	char p[TAIL_BYTES];
	const char *line = p, *end;
	struct checkpoint c;
	struct err why = { 0 };
	size_t n = 0;

	if (read_at(fd, from, p, sizeof(p), &n, e) < 0)
		return -1;
	if (!is_start) {
		line = memchr(p, '\n', n);
		line = line == NULL ? p + n : line + 1;
	}
	end = memchr(line, '\n', n - (size_t)(line - p));
	if (end == NULL)
		return 0;
	*ret = (struct found){ .end = from + (end - p) + 1 };
	if (checkpoint_parse(line, (size_t)(end - line), &c, &why) == 0)
		ret->number = c.number;
	return 1;
}

int
audit_file_find(int fd, int64_t after, int64_t *ret_offset, int64_t *ret_end, struct err *e)
{
	/* Lines that begin before `low` are not above `after`; the first that begins behind `high`
	 * is, or there is none. */
	int64_t low = 0, high, end = 0;
	uint8_t digest[CHAIN_HASH_SIZE];
	struct checkpoint last;
	struct err why = { 0 };

	if (audit_file_last(fd, &last, digest, &end, &why) < 0 && size_of(fd, &end, e) < 0)
		return -1;
	high = end;
	for (;;) {
		int64_t middle = low < high ? low + (high - low) / 2 : low;
		struct found f;
		int found = line_at(fd, middle, middle == low, &f, e);

		if (found < 0)
			return -1;
		if (found == 1 && f.number <= after)
			low = f.end;
		else if (middle == low)
			break;
		else
			high = middle;
	}
	*ret_offset = low;
	*ret_end = end > low ? end : low;
	return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

int
audit_file_read(int dirfd, struct tenant_id tenant, struct audit_file *ret, struct err *e)
{
	char name[AUDIT_FILE_NAME_SIZE];
	int found;

	*ret = (struct audit_file){ .fd = openat(dirfd, audit_file_name(tenant, name),
					O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) };
	if (ret->fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "open a file of checkpoints");
	found = audit_file_last(ret->fd, &ret->last, ret->digest, &ret->end, e);
	if (found < 0) {
		fd_close(&ret->fd);
		return -1;
	}
	ret->has_last = found == 1;
	return 0;
}

int
audit_file_create(int dirfd, struct tenant_id tenant, struct audit_file *f, struct err *e)
{
	char name[AUDIT_FILE_NAME_SIZE];

	f->fd = openat(dirfd, audit_file_name(tenant, name),
	    O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (f->fd < 0)
		return err_sys(e, errno, "make a file of checkpoints");
	if (fsync(dirfd) < 0)
		return err_sys(e, errno, "keep a file of checkpoints");
	return 0;
}

int
audit_file_append(struct audit_file *f, const struct checkpoint *c, struct err *e)
{
	char line[CHECKPOINT_LINE_SIZE + 1];
	size_t n = checkpoint_print(c, line);

	line[n++] = '\n';
	/* Behind the last line lies at most what a crash left of one that was never acknowledged.
	 */
	if (ftruncate(f->fd, f->end) < 0)
		return err_sys(e, errno, "clean a file of checkpoints");
	if (fd_write_all(f->fd, line, n, e) < 0)
		return -1;
	if (fdatasync(f->fd) < 0)
		return err_sys(e, errno, "store a checkpoint");
	return 0;
}

int
audit_file_remove(int dirfd, struct tenant_id tenant, struct err *e)
{
	char name[AUDIT_FILE_NAME_SIZE];

	if (unlinkat(dirfd, audit_file_name(tenant, name), 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove the checkpoints of a tenant");
	if (fsync(dirfd) < 0)
		return err_sys(e, errno, "remove the checkpoints of a tenant for good");
	return 0;
}
