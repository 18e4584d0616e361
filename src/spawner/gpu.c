/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lending GPUs.  The files are opened once, at the start, and only ever cloned as mounts: no number
 * of a device is taken from anybody, and a name that changes its meaning below /dev later changes
 * nothing here.  A run without GPUs never comes near them: its /dev has no such entry to open.
 */
#include "gpu_internal.h"

#include "base.h"
#include "fd.h"
#include "root_mount_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	NAME_SIZE = 64,                /* of a device or of a library's file */
	LIBRARY_ENTRIES_MAX = 1 << 16, /* of a directory with the libraries of a whole system */
	/* Numbers of things in the order of struct gpu_host. */
	FIRST_CONTROL = GPUS_MAX,
	FIRST_LIBRARY = FIRST_CONTROL + GPU_CONTROLS
};
static const char library_dir[] = "gpu"; /* below /dev, which is the one place that is ours in
					  * every root */

struct thing {
	int fd; /* O_PATH; -1: not there, or a link */
	char name[NAME_SIZE];
	char link[NAME_SIZE]; /* libraries: a link to this name of the same directory */
};
struct gpu_host {
	uint64_t mask;
	size_t n_libraries;
	struct thing at[GPU_LOANS];
};

/* --- at the start ----------------------------------------------------------------------------- */

/* What a program looks for by name when it uses a GPU; not what draws on screens. */
static bool
is_driver_library(const char *name)
{
	static const char *const prefixes[] = { "libcuda.so.", "libnvidia-" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return strstr(name, ".so.") != NULL && strlen(name) < NAME_SIZE;
	return false;
}

static bool
has_library(const struct gpu_host *h, const char *name)
{
	for (size_t i = 0; i < h->n_libraries; i++)
		if (strcmp(h->at[FIRST_LIBRARY + i].name, name) == 0)
			return true;
	return false;
}

/* A link beside its file stays one; a link out of the directory becomes what it leads to. */
static void
add_library(struct gpu_host *h, int dir_fd, const char *name)
{
	struct thing t = { .fd = -1 };
	ssize_t n = readlinkat(dir_fd, name, t.link, sizeof(t.link) - 1);
	struct stat st;

	if (h->n_libraries == GPU_LIBRARIES || has_library(h, name))
		return;
	t.link[n > 0 ? n : 0] = '\0';
	if (n <= 0 || !is_driver_library(t.link)) {
		t.link[0] = '\0';
		t.fd = openat(dir_fd, name, O_PATH | O_CLOEXEC);
		if (t.fd < 0 || fstat(t.fd, &st) < 0 || !S_ISREG(st.st_mode)) {
			fd_close(&t.fd);
			return;
		}
	}
	(void)snprintf(t.name, sizeof(t.name), "%s", name); /* fits: is_driver_library */
	h->at[FIRST_LIBRARY + h->n_libraries++] = t;
}

static void
find_libraries_in(struct gpu_host *h, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (d == NULL) {
		fd_close(&fd);
		return;
	}
	for (int i = 0; i < LIBRARY_ENTRIES_MAX && (entry = readdir(d)) != NULL; i++)
		if (is_driver_library(entry->d_name))
			add_library(h, dirfd(d), entry->d_name);
	(void)closedir(d); /* of a descriptor that was only read */
}

static void
find_libraries(struct gpu_host *h, const struct gpu_places *places)
{
	/* Debian's and its alternatives', and what the vendor's installer takes elsewhere. */
	static const char *const usual[] = { "/usr/lib/x86_64-linux-gnu",
		"/usr/lib/x86_64-linux-gnu/nvidia/current", "/usr/lib/aarch64-linux-gnu",
		"/usr/lib/aarch64-linux-gnu/nvidia/current", "/usr/lib64" };

	if (places->libraries != NULL) {
		find_libraries_in(h, places->libraries);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		find_libraries_in(h, usual[i]);
}

/* 0 also when there is no such node, or one that cannot be lent. */
static int
hold(const struct gpu_places *places, struct thing *t, struct err *e)
{
	struct err why = { 0 };

	if (gpu_open(places, t->name, &t->fd, &why) == 0 || why.code == ERR_NOT_FOUND ||
	    why.code == ERR_DENIED)
		return 0;
	*e = why;
	return -1;
}

static int
fill(struct gpu_host *h, const struct gpu_places *places, const struct gpus *g, struct err *e)
{
	for (size_t i = 0; i < g->n; i++) {
		struct thing *t = &h->at[g->at[i].minor];

		(void)snprintf(t->name, sizeof(t->name), "nvidia%u", g->at[i].minor); /* fits */
		if (hold(places, t, e) < 0)
			return -1;
		h->mask |= (uint64_t)(t->fd >= 0) << g->at[i].minor;
	}
	for (int i = 0; i < GPU_CONTROLS; i++) {
		struct thing *t = &h->at[FIRST_CONTROL + i];

		(void)snprintf(
		    t->name, sizeof(t->name), "%s", gpu_control_name((enum gpu_control)i));
		if (hold(places, t, e) < 0)
			return -1;
	}
	/* Without it no program finds a device. */
	if (h->at[FIRST_CONTROL + GPU_CONTROL_CTL].fd < 0)
		h->mask = 0;
	return 0;
}

int
gpu_host_open(const struct gpu_places *places, struct gpu_host **ret, struct err *e)
{
	AUTO_FREE struct gpus *g = calloc(1, sizeof(*g));
	struct gpu_host *h = calloc(1, sizeof(*h));

	for (size_t i = 0; h != NULL && i < GPU_LOANS; i++)
		h->at[i].fd = -1;
	if (g == NULL || h == NULL)
		err_set(e, ERR_NO_MEMORY, "no memory for the list of GPUs");
	else if (gpu_list(places, g, e) == 0 && (g->n == 0 || fill(h, places, g, e) == 0)) {
		if (h->mask != 0)
			find_libraries(h, places);
		*ret = h;
		return 0;
	}
	gpu_host_free(h);
	return -1;
}

void
gpu_host_free(struct gpu_host *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < GPU_LOANS; i++)
		fd_close(&h->at[i].fd);
	free(h);
}

uint64_t
gpu_host_mask(const struct gpu_host *h)
{
	return h == NULL ? 0 : h->mask;
}

/* --- in the worker ---------------------------------------------------------------------------- */

static bool
is_library(uint32_t what)
{
	return what >= FIRST_LIBRARY;
}

static int
lend(const struct gpu_host *h, uint32_t what, struct gpu_loan *l)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
		.attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV };
	AUTO_FD int fd = -1;

	if (is_library(what))
		attr = (struct mount_attr){ .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
							MOUNT_ATTR_NODEV,
			.attr_clr = MOUNT_ATTR_NOEXEC };
	if (h->at[what].link[0] == '\0') {
		fd = open_tree(
		    h->at[what].fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
			return -1;
	}
	l->at[l->n].what = what;
	l->at[l->n++].fd = fd_take(&fd);
	return 0;
}

static int
lend_all(const struct gpu_host *h, uint64_t gpus, bool libraries, struct gpu_loan *l)
{
	for (uint32_t i = 0; i < GPUS_MAX; i++)
		if ((gpus >> i & 1) != 0 && lend(h, i, l) < 0)
			return -1;
	for (uint32_t i = FIRST_CONTROL; i < FIRST_LIBRARY; i++)
		if (h->at[i].fd >= 0 && lend(h, i, l) < 0)
			return -1;
	for (uint32_t i = 0; libraries && i < h->n_libraries; i++)
		if (lend(h, FIRST_LIBRARY + i, l) < 0)
			return -1;
	return 0;
}

int
gpu_lend(const struct gpu_host *h, uint64_t gpus, bool libraries, struct gpu_loan *ret)
{
	struct gpu_loan l = { .n = 0 };

	if (gpus != 0 && (h == NULL || (gpus & ~h->mask) != 0)) {
		errno = ENODEV;
		return -1;
	}
	if (gpus != 0 && lend_all(h, gpus, libraries, &l) < 0) {
		gpu_loan_close(&l);
		return -1;
	}
	*ret = l;
	return 0;
}

void
gpu_loan_close(struct gpu_loan *l)
{
	for (size_t i = 0; i < l->n; i++)
		fd_close(&l->at[i].fd);
	l->n = 0;
}

/* --- in the cell ------------------------------------------------------------------------------ */

/* One entry of the /dev that was there: nodes, links and mount points that root_add_dev made. */
static int
copy_entry(int from_fd, int to_fd, const char *name)
{
	char target[64];
	struct stat st;
	ssize_t n;

	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (S_ISCHR(st.st_mode))
		return root_put_device(to_fd, name, major(st.st_rdev), minor(st.st_rdev));
	if (S_ISDIR(st.st_mode))
		return mkdirat(to_fd, name, 0755);
	n = readlinkat(from_fd, name, target, sizeof(target) - 1);
	if (n < 0)
		return -1;
	target[n] = '\0';
	return symlinkat(target, to_fd, name);
}

/* from_fd is closed. */
static int
copy_dev(int from_fd, int to_fd)
{
	DIR *d = from_fd < 0 ? NULL : fdopendir(from_fd);
	const struct dirent *entry;
	int rc = 0;

	if (d == NULL) {
		fd_close(&from_fd);
		return -1;
	}
	while (rc == 0 && (errno = 0, entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = copy_entry(dirfd(d), to_fd, entry->d_name);
	if (entry == NULL && errno != 0)
		rc = -1;
	(void)closedir(d); /* of a descriptor that was only read */
	return rc;
}

/* What lies at the name now is what was lent. */
static int
check(int dir_fd, const char *name, int loan_fd)
{
	struct stat lent, there;

	if (fstat(loan_fd, &lent) < 0 || fstatat(dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (lent.st_dev == there.st_dev && lent.st_ino == there.st_ino &&
	    lent.st_rdev == there.st_rdev)
		return 0;
	errno = ESTALE;
	return -1;
}

static int
attach(int dir_fd, const struct thing *t, int loan_fd)
{
	if (t->link[0] != '\0')
		return symlinkat(t->link, dir_fd, t->name);
	if (root_write_file(dir_fd, t->name, "") < 0 || mount_attach(loan_fd, dir_fd, t->name) < 0)
		return -1;
	return check(dir_fd, t->name, loan_fd);
}

static int
attach_all(int dev_fd, const struct gpu_host *h, const struct gpu_loan *l)
{
	AUTO_FD int library_fd = -1;

	for (size_t i = 0; i < l->n; i++) {
		const struct thing *t = &h->at[l->at[i].what];
		const bool library = is_library(l->at[i].what);

		if (library && library_fd < 0) {
			if (mkdirat(dev_fd, library_dir, 0755) < 0)
				return -1;
			library_fd =
			    openat(dev_fd, library_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (library_fd < 0)
				return -1;
		}
		if (attach(library ? library_fd : dev_fd, t, l->at[i].fd) < 0)
			return -1;
	}
	return 0;
}

int
root_add_gpus(int root_fd, const struct gpu_host *h, const struct gpu_loan *l)
{
	/* A node, a mount point or a link each, and what root_add_dev makes. */
	static const struct mount_option options[] = { { "size", "64k" }, { "nr_inodes", "256" },
		{ "mode", "755" } };
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	AUTO_FD int fd = -1;
	int from_fd;

	if (l->n == 0)
		return 0;
	/* Not the /dev that is there: its file system may be shared with other cells. */
	if (mount_make("tmpfs", options, ARRAY_LEN(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
		&fd) < 0)
		return -1;
	from_fd = openat(root_fd, "dev", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from_fd >= 0 && mount_attach(fd, root_fd, "dev") < 0)
		fd_close(&from_fd);
	if (copy_dev(from_fd, fd) < 0)
		return -1;
	if (attach_all(fd, h, l) < 0)
		return -1;
	return mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr));
}
