/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_internal.h"

#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct walk {
	rootfs_visit_fn *visit;
	void *ctx;
	struct err *e;
	int64_t entries_left;
	dev_t dev;
	char path[PATH_MAX]; /* of the current entry, n bytes */
	size_t n;
};

struct names {
	char **v;
	size_t n, cap;
};

static void
names_done(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

static int
names_add(struct names *l, const char *name)
{
	char *copy;

	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
		char **more = reallocarray(l->v, cap, sizeof(*more));

		if (more == NULL)
			return -1;
		l->v = more;
		l->cap = cap;
	}
	copy = strdup(name);
	if (copy == NULL)
		return -1;
	l->v[l->n++] = copy;
	return 0;
}

/* strcmp(3) compares unsigned bytes, in every locale. */
static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
read_names(struct walk *w, int dir_fd, struct names *l)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (dir == NULL) {
		err_sys(w->e, errno, "cannot read a directory");
		fd_close(&fd);
		return -1;
	}
	while (rc == 0 && (errno = 0, d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (w->entries_left-- == 0)
			rc = err_set(w->e, ERR_TOO_LARGE,
			    "There are too many entries; raise sandbox.root_files_max if this is "
			    "meant");
		else if (names_add(l, d->d_name) < 0)
			rc = err_set(
			    w->e, ERR_NO_MEMORY, "There is no memory to list a directory with");
	}
	if (rc == 0 && errno != 0)
		rc = err_sys(w->e, errno, "cannot read a directory");
	closedir(dir);
	if (rc == 0 && l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), compare);
	return rc;
}

static int walk_directory(struct walk *w, int fd, int depth);

/* Below a directory that was just looked at; it may have been exchanged since. */
static int
enter(struct walk *w, const struct rootfs_entry *en, int depth)
{
	AUTO_FD int fd = openat(
	    en->dir_fd, en->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (depth == ROOTFS_DEPTH_MAX)
		return err_set(w->e, ERR_TOO_LARGE,
		    "There are more than %d directories in each other", ROOTFS_DEPTH_MAX);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(w->e, errno, "cannot open a directory");
	if (st.st_dev != en->st.st_dev || st.st_ino != en->st.st_ino)
		return err_set(
		    w->e, ERR_CONFLICT, "A directory changed while it was read; try again");
	return walk_directory(w, fd, depth);
}

static int
walk_entry(struct walk *w, int dir_fd, const char *name, int depth)
{
	struct rootfs_entry en = { .dir_fd = dir_fd, .name = name, .path = w->path };
	const size_t n = w->n, len = strlen(name);

	if (n + len + 2 > sizeof(w->path))
		return err_set(
		    w->e, ERR_TOO_LARGE, "There is a path of more than %d bytes", PATH_MAX);
	if (n > 0)
		w->path[w->n++] = '/';
	memcpy(w->path + w->n, name, len + 1);
	w->n += len;
	if (fstatat(dir_fd, name, &en.st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(w->e, errno, "cannot look at an entry");
	en.mounted = S_ISDIR(en.st.st_mode) && en.st.st_dev != w->dev;
	if (w->visit(w->ctx, &en, w->e) < 0)
		return -1;
	if (S_ISDIR(en.st.st_mode) && !en.mounted && enter(w, &en, depth + 1) < 0)
		return -1;
	w->n = n;
	w->path[n] = '\0';
	return 0;
}

static int
walk_directory(struct walk *w, int fd, int depth)
{
	struct names l = { 0 };
	int rc = read_names(w, fd, &l);

	for (size_t i = 0; rc == 0 && i < l.n; i++)
		rc = walk_entry(w, fd, l.v[i], depth);
	names_done(&l);
	return rc;
}

int
rootfs_walk(int dir_fd, int64_t entries_max, rootfs_visit_fn *visit, void *ctx, struct err *e)
{
	struct walk w = { .visit = visit, .ctx = ctx, .e = e, .entries_left = entries_max };
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return err_sys(e, errno, "cannot look at a directory");
	w.dev = st.st_dev;
	return walk_directory(&w, dir_fd, 0);
}
