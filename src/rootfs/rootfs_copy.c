/* SPDX-License-Identifier: Apache-2.0 */
/* A directory as the source of a root; somebody may still be writing to it. */
#include "rootfs_internal.h"

#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { COPY_BLOCK = 8 << 10 };

static int
changed(const char *path, struct err *e)
{
	char echo[PARSE_ECHO_SIZE];

	return err_set(e, ERR_CONFLICT,
	    "'%s' changed while it was copied; import it again when "
	    "nobody writes to it",
	    parse_echo(path, echo));
}

static int
copy_bytes(int from, int to, int64_t size, const char *path, struct err *e)
{
	char block[COPY_BLOCK];

	while (size > 0) {
		size_t want = size < COPY_BLOCK ? (size_t)size : sizeof(block);
		ssize_t n = read(from, block, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot read a file");
		if (n == 0)
			return changed(path, e);
		if (fd_write_all(to, block, (size_t)n, e) < 0)
			return -1;
		size -= n;
	}
	return 0;
}

static int
copy_file(struct rootfs_tree *t, const struct rootfs_entry *en, struct err *e)
{
	AUTO_FD int to = -1, from = openat(en->dir_fd, en->name,
				 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0)
		return err_sys(e, errno, "cannot open a file");
	if (!S_ISREG(st.st_mode) || st.st_size != en->st.st_size)
		return changed(en->path, e);
	if (rootfs_tree_file(t, en->path, &to, e) < 0 ||
	    copy_bytes(from, to, st.st_size, en->path, e) < 0)
		return -1;
	return rootfs_tree_finish(to, st.st_size, st.st_mode, &st.st_mtim, e);
}

static int
copy_symlink(struct rootfs_tree *t, const struct rootfs_entry *en, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(en->dir_fd, en->name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(e, errno, "cannot read a symbolic link");
	target[n] = '\0';
	return rootfs_tree_symlink(t, en->path, target, e);
}

/* A tree that is copied into itself has no end but the limits. */
static bool
is_top(const struct rootfs_tree *t, const struct rootfs_entry *en)
{
	struct stat st;

	return fstat(t->fd, &st) == 0 && st.st_dev == en->st.st_dev && st.st_ino == en->st.st_ino;
}

static int
copy_entry(void *ctx, const struct rootfs_entry *en, struct err *e)
{
	struct rootfs_tree *t = ctx;

	if (rootfs_tree_count(t, en->path, S_ISREG(en->st.st_mode) ? en->st.st_size : 0, e) < 0)
		return -1;
	if (en->mounted)
		t->left_out++;
	if (S_ISDIR(en->st.st_mode) && is_top(t, en))
		return err_set(e, ERR_INVALID,
		    "The directory holds the state directory; name one that holds the root alone");
	if (S_ISDIR(en->st.st_mode))
		return rootfs_tree_directory(t, en->path, en->st.st_mode, e);
	if (S_ISREG(en->st.st_mode))
		return copy_file(t, en, e);
	if (S_ISLNK(en->st.st_mode))
		return copy_symlink(t, en, e);
	t->left_out++;
	return 0;
}

int
rootfs_copy(int from_fd, struct rootfs_tree *t, struct err *e)
{
	return rootfs_walk(from_fd, t->limits.files_max, copy_entry, t, e);
}
