/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies trees of regular files: inputs into /work, and what the simulation left out of it.  The
 * second is hostile: any depth, any name, any kind of file.  The walk keeps one open directory per
 * level instead of paths, opens nothing before it knows that it is a regular file, and looks again
 * after opening.
 */
#include "keeper_internal.h"

#include "fd.h"
#include "parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	DEPTH_MAX = 64,
	CHUNK = 128 << 10,
	/* More files than this are flushed with everything else of their file system, once. */
	FLUSH_EACH_MAX = 16,
	OUT_DIR_MODE = 0770, /* the set-group-ID bit comes from the parent */
	OUT_FILE_MODE = 0640,
	WORK_DIR_MODE = 0755,
};

/* --- inputs --------------------------------------------------------------------------------- */

int
inputs_add(struct inputs *in, int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot look at an input");
	if (in->n == in->cap)
		return err_sys(e, ENOMEM, "too many inputs");
	in->at[in->n++] = (struct input){ st.st_ino, st.st_size, st.st_mtim, st.st_ctim };
	return 0;
}

static int
compare_inputs(const void *a, const void *b)
{
	const struct input *x = a, *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

void
inputs_sort(struct inputs *in)
{
	if (in->n > 0)
		qsort(in->at, in->n, sizeof(*in->at), compare_inputs);
}

static bool
same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool
inputs_unchanged(const struct inputs *in, const struct stat *st)
{
	const struct input key = { .ino = st->st_ino };
	const struct input *was;

	if (in->n == 0)
		return false;
	was = bsearch(&key, in->at, in->n, sizeof(key), compare_inputs);
	return was != NULL && was->size == st->st_size && same_time(was->mtime, st->st_mtim) &&
	       same_time(was->ctime, st->st_ctim);
}

/* --- one file ------------------------------------------------------------------------------- */

static int
copy_range(int from, int to, off_t at, off_t end, char *chunk, struct err *e)
{
	while (at < end) {
		size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		ssize_t n = pread(from, chunk, want, at);
		ssize_t done;

		if (n <= 0)
			return err_sys(e, n == 0 ? EIO : errno, "cannot read a file");
		for (ssize_t put = 0; put < n; put += done) {
			done = pwrite(to, chunk + put, (size_t)(n - put), at + put);
			if (done <= 0)
				return err_sys(e, done == 0 ? EIO : errno, "cannot write a file");
		}
		at += n;
	}
	return 0;
}

int
file_copy(int from, int to, off_t size, struct err *e)
{
	AUTO_FREE char *chunk = malloc(CHUNK);
	off_t at = 0;

	if (chunk == NULL)
		return err_sys(e, ENOMEM, "cannot copy a file");
	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);

		if (data < 0 && errno == ENXIO)
			break; /* a hole up to the end */
		if (data < 0 || hole < 0)
			return err_sys(e, errno, "cannot find the data of a file");
		if (hole > size)
			hole = size;
		if (data < hole && copy_range(from, to, data, hole, chunk, e) < 0)
			return -1;
		at = hole;
	}
	if (ftruncate(to, size) < 0)
		return err_sys(e, errno, "cannot set the size of a file");
	return 0;
}

/* --- the walk ------------------------------------------------------------------------------- */

struct level {
	DIR *dir;
	int to_fd; /* -1: not made yet; outputs make directories only for files */
	size_t path_bytes;
	char name[NAME_MAX + 1];
};
struct walk {
	struct tree_copy *c;
	size_t depth;
	struct level *level; /* DEPTH_MAX */
};

static int
open_level(int from_fd, const char *name, struct level *l, struct err *e)
{
	int fd = openat(from_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	l->dir = fd < 0 ? NULL : fdopendir(fd);
	l->to_fd = -1;
	if (l->dir == NULL) {
		(void)err_sys(e, errno, "cannot open a directory"); /* -1 */
		fd_close(&fd);
		return -1;
	}
	return 0;
}

static void
close_level(struct level *l)
{
	(void)closedir(l->dir); /* it was only read */
	fd_close(&l->to_fd);
}

static int
make_dir(const struct walk *w, int parent, struct level *l, struct err *e)
{
	const mode_t mode = w->c->strict ? WORK_DIR_MODE : OUT_DIR_MODE;

	if (mkdirat(parent, l->name, mode) < 0)
		return err_sys(e, errno, "cannot make a directory");
	l->to_fd = openat(parent, l->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (l->to_fd < 0)
		return err_sys(e, errno, "cannot open a directory");
	if (w->c->strict && fchown(l->to_fd, w->c->owner, w->c->owner) < 0)
		return err_sys(e, errno, "cannot give a directory to the simulation");
	return 0;
}

/* Makes the directories down to the current level as far as they are missing. */
static int
make_dirs(struct walk *w, struct err *e)
{
	for (size_t i = 1; i < w->depth; i++)
		if (w->level[i].to_fd < 0 &&
		    make_dir(w, w->level[i - 1].to_fd, &w->level[i], e) < 0)
			return -1;
	return 0;
}

static int
give_input(struct tree_copy *c, int fd, const struct stat *st, struct err *e)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = time(NULL) - 2 } };
	const mode_t mode = st->st_mode & S_IXUSR ? 0755 : 0644;

	/* A time stamp has the grain of a timer tick; one from before the start differs from every
	 * stamp that a write by the simulation can leave. */
	if (fchown(fd, c->owner, c->owner) < 0 || fchmod(fd, mode) < 0 || futimens(fd, times) < 0)
		return err_sys(e, errno, "cannot give an input to the simulation");
	return inputs_add(c->inputs, fd, e);
}

/* 1 to be copied, 0 to be left, -1. */
static int
judge_file(struct tree_copy *c, const struct stat *st, struct err *e)
{
	if (c->strict)
		return 1;
	(void)e;
	if (inputs_unchanged(c->inputs, st))
		return 0;
	if (st->st_size <= c->bytes_left && c->files_left > 0)
		return 1;
	c->skipped++;
	return 0;
}

static int
copy_entry(struct walk *w, const char *name, struct err *e)
{
	struct tree_copy *c = w->c;
	struct level *top = &w->level[w->depth - 1];
	AUTO_FD int from = openat(
	    dirfd(top->dir), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	AUTO_FD int to = -1;
	struct stat st;
	int rc;

	if (from < 0 || fstat(from, &st) < 0)
		return err_sys(e, errno, "cannot open a file");
	rc = S_ISREG(st.st_mode) ? judge_file(c, &st, e) : err_sys(e, EINVAL, "it is no file");
	if (rc <= 0)
		return rc;
	if (make_dirs(w, e) < 0)
		return -1;
	to = openat(
	    top->to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, OUT_FILE_MODE);
	if (to < 0)
		return err_sys(e, errno, "cannot create a file");
	if (file_copy(from, to, st.st_size, e) < 0)
		return -1;
	c->files++;
	c->files_left--;
	c->bytes += st.st_size;
	c->bytes_left -= st.st_size;
	if (c->strict)
		return give_input(c, to, &st, e);
	if (c->files <= FLUSH_EACH_MAX && fsync(to) < 0)
		return err_sys(e, errno, "cannot flush a file");
	return 0;
}

static int
enter_dir(struct walk *w, const char *name, size_t path_bytes, struct err *e)
{
	struct level *l = &w->level[w->depth];
	int from = dirfd(w->level[w->depth - 1].dir);

	if (w->depth == DEPTH_MAX) {
		w->c->skipped++;
		return w->c->strict ? err_sys(e, ELOOP, "a directory lies too deep") : 0;
	}
	if (open_level(from, name, l, e) < 0)
		return -1;
	(void)memccpy(l->name, name, '\0', sizeof(l->name)); /* of the same size as d_name */
	l->path_bytes = path_bytes;
	w->depth++;
	return w->c->strict ? make_dirs(w, e) : 0;
}

static bool
name_usable(const char *name)
{
	while (*name != '\0') {
		size_t n = parse_utf8_printable(name, strlen(name));

		if (n == 0)
			return false;
		name += n;
	}
	return true;
}

static int
visit(struct walk *w, const char *name, struct err *e)
{
	const struct level *top = &w->level[w->depth - 1];
	const size_t path_bytes = top->path_bytes + strlen(name) + 1;
	struct stat st;

	if (fstatat(dirfd(top->dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "cannot look at a file");
	if (name_usable(name) && path_bytes <= CAP_PATH_BYTES) {
		if (S_ISDIR(st.st_mode))
			return enter_dir(w, name, path_bytes, e);
		if (S_ISREG(st.st_mode))
			return copy_entry(w, name, e);
	}
	w->c->skipped++;
	return w->c->strict
		   ? err_sys(e, EINVAL, "an input is no regular file or has an unusable name")
		   : 0;
}

static int
walk(struct walk *w, struct err *e)
{
	while (w->depth > 0) {
		struct level *top = &w->level[w->depth - 1];
		const struct dirent *entry;

		errno = 0;
		entry = readdir(top->dir);
		if (entry == NULL && errno != 0)
			return err_sys(e, errno, "cannot read a directory");
		if (entry == NULL) {
			close_level(top);
			w->depth--;
		} else if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			   visit(w, entry->d_name, e) < 0) {
			return -1;
		}
	}
	return 0;
}

int
tree_empty(int dir_fd, bool *ret, struct err *e)
{
	_Alignas(8) char entries[512]; /* more than the two that every directory has */
	long n = syscall(SYS_getdents64, dir_fd, entries, sizeof(entries));

	if (n < 0)
		return err_sys(e, errno, "cannot read a directory");
	*ret = true;
	for (long at = 0; at < n;) {
		const struct dirent64 *entry =
		    (const struct dirent64 *)(const void *)(entries + at);

		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			*ret = false;
		at += entry->d_reclen;
	}
	return 0;
}

int
tree_copy(struct tree_copy *c, struct err *e)
{
	struct walk w = { .c = c };
	int rc = -1;

	w.level = calloc(DEPTH_MAX, sizeof(*w.level));
	if (w.level == NULL)
		return err_sys(e, ENOMEM, "cannot copy a tree");
	if (open_level(c->from_fd, ".", &w.level[0], e) == 0) {
		w.depth = 1;
		w.level[0].to_fd = fcntl(c->to_fd, F_DUPFD_CLOEXEC, 0);
		rc = w.level[0].to_fd < 0 ? err_sys(e, errno, "cannot copy a tree") : walk(&w, e);
	}
	while (w.depth > 0)
		close_level(&w.level[--w.depth]);
	free(w.level);
	if (rc == 0 && !c->strict && c->files > FLUSH_EACH_MAX && syncfs(c->to_fd) < 0)
		return err_sys(e, errno, "cannot flush the outputs");
	return rc;
}
