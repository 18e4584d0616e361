/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"
#include "object_internal.h"

#include "caps.h"
#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/*
 * Directories wait on a list, each by its path from the top, and are opened one at a time: one
 * descriptor whatever the depth.  What disappears or turns into something else during the walk is
 * left out.
 */
enum {
	LIST_DEPTH_MAX = 64,
	/* Entries looked at beyond the wanted files: links, sockets and empty directories cost a
	 * stat each (about 1 us), so a hostile tree costs at most about a fifth of a second. */
	LIST_VISITS_EXTRA = 200000
};

struct pending {
	struct pending *next;
	const char *path; /* "" is the top */
	int depth;
};
struct walk {
	int dirfd;
	struct arena *mem;
	struct object_file *files;
	size_t n, max;
	size_t visits_left;
	bool more;
	struct pending *todo;
};

/* "<dir>/<name>" in the arena; NULL when that is no valid path or, with *ret_full, memory is short.
 */
static const char *
join(struct arena *mem, const char *dir, const char *name, bool *ret_full)
{
	size_t dir_n = strlen(dir);
	const char *path;

	if (dir_n + 1 + strlen(name) > CAP_PATH_BYTES || !object_path_valid(name, NULL))
		return NULL;
	path = arena_printf(mem, "%s%s%s", dir, dir_n > 0 ? "/" : "", name);
	*ret_full = path == NULL;
	return path;
}

static int
add_file(struct walk *w, const char *path, const struct stat *st)
{
	if (w->n == w->max) {
		w->more = true;
		return 0;
	}
	w->files[w->n++] = (struct object_file){
		.path = path,
		.size_bytes = st->st_size,
		.modified_wall_us =
		    (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000,
	};
	return 0;
}

static int
add_dir(struct walk *w, const char *path, int depth)
{
	struct pending *p = arena_alloc(w->mem, sizeof(*p));

	if (p == NULL)
		return -1;
	*p = (struct pending){ w->todo, path, depth };
	w->todo = p;
	return 0;
}

/* -1 when memory is short. */
static int
visit_entry(struct walk *w, int fd, const struct pending *dir, const char *name)
{
	const char *path;
	bool full = false;
	struct stat st;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (w->visits_left == 0) {
		w->more = true;
		return 0;
	}
	w->visits_left--;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!S_ISREG(st.st_mode) && (!S_ISDIR(st.st_mode) || dir->depth == LIST_DEPTH_MAX))
		return 0;
	path = join(w->mem, dir->path, name, &full);
	if (path == NULL)
		return full ? -1 : 0;
	return S_ISREG(st.st_mode) ? add_file(w, path, &st) : add_dir(w, path, dir->depth + 1);
}

static void
close_dir(DIR **dir)
{
	if (*dir != NULL)
		closedir(*dir);
}

static int
visit_dir(struct walk *w, const struct pending *p, struct err *e)
{
	const char *path = p->path[0] == '\0' ? "." : p->path;
	AUTO_FD int fd = object_openat2(w->dirfd, path, O_RDONLY | O_DIRECTORY, 0);
	__attribute__((cleanup(close_dir))) DIR *dir = NULL;
	const struct dirent *entry;

	if (fd < 0)
		return object_err(errno, e);
	dir = fdopendir(fd);
	if (dir == NULL)
		return object_err(errno, e);
	(void)fd_take(&fd); /* closedir has it now */
	while (!w->more && (entry = readdir(dir)) != NULL)
		if (visit_entry(w, dirfd(dir), p, entry->d_name) < 0)
			return arena_err(e);
	return 0;
}

static int
compare_path(const void *a, const void *b)
{
	return strcmp(((const struct object_file *)a)->path, ((const struct object_file *)b)->path);
}

int
object_list(int dirfd, size_t max, struct arena *mem, struct object_file **ret, size_t *ret_n,
    bool *ret_more, struct err *e)
{
	struct walk w = {
		.dirfd = dirfd, .mem = mem, .max = max, .visits_left = max + LIST_VISITS_EXTRA
	};
	struct err gone = { 0 };

	w.files = arena_array(mem, max, sizeof(*w.files));
	if (w.files == NULL || add_dir(&w, "", 0) < 0)
		return arena_err(e);
	while (w.todo != NULL && !w.more) {
		const struct pending *p = w.todo;

		w.todo = p->next;
		if (visit_dir(&w, p, &gone) < 0 && gone.code != ERR_NOT_FOUND) {
			*e = gone;
			return -1;
		}
	}
	qsort(w.files, w.n, sizeof(*w.files), compare_path);
	*ret = w.files;
	*ret_n = w.n;
	*ret_more = w.more;
	return 0;
}
