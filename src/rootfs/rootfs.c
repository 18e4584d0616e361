/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root is made under another name and gets its own when it is whole and on the disk; from then on
 * nobody writes to it.  The spawner holds a shared lock on tree/ for as long as it builds sandboxes
 * from it (root_pick.c), and a removal takes the exclusive one before it takes the name away.  A
 * sandbox may outlive the spawner that held the lock, so a removal looks at all mounts as well.
 */
#include "rootfs_internal.h"

#include "auth.h"
#include "fd.h"
#include "object.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/openat2.h>
#include <sys/syscall.h>

int
rootfs_hex_check(const char *hex, struct err *e)
{
	if (strlen(hex) == ROOTFS_HEX_SIZE - 1 &&
	    strspn(hex, "0123456789abcdef") == ROOTFS_HEX_SIZE - 1)
		return 0;
	return err_set(e, ERR_USAGE,
	    "a root is named by its digest, 64 digits of lower-case hexadecimal; 'wardiand root "
	    "list' "
	    "shows them");
}

/* --- what is there -------------------------------------------------------------------------- */

struct opened {
	int root_fd, tree_fd, manifest_fd;
};

static void
opened_close(struct opened *o)
{
	fd_close(&o->root_fd);
	fd_close(&o->tree_fd);
	fd_close(&o->manifest_fd);
}
#define AUTO_OPENED __attribute__((cleanup(opened_close))) struct opened

static int
open_root(int roots_fd, const char *hex, struct opened *o, struct err *e)
{
	o->root_fd = rootfs_openat(roots_fd, hex, O_RDONLY | O_DIRECTORY);
	if (o->root_fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND,
		    "There is no root %.12s... on this node; get it with: wardiand root import "
		    "FILE",
		    hex);
	if (o->root_fd >= 0)
		o->tree_fd = rootfs_openat(o->root_fd, "tree", O_RDONLY | O_DIRECTORY);
	if (o->tree_fd >= 0)
		o->manifest_fd = rootfs_openat(o->root_fd, "manifest", O_RDONLY);
	if (o->manifest_fd < 0)
		return err_sys(e, errno, "cannot open a root");
	return 0;
}

static int
look(int roots_fd, const char *hex, struct rootfs_info *ret, struct err *e)
{
	AUTO_OPENED o = { -1, -1, -1 };
	struct stat st;

	*ret = (struct rootfs_info){ 0 };
	(void)snprintf(ret->hex, sizeof(ret->hex), "%s", hex);
	if (open_root(roots_fd, hex, &o, e) < 0)
		return -1;
	if (fstat(o.manifest_fd, &st) < 0)
		return err_sys(e, errno, "cannot look at a root");
	ret->imported_wall_us = (int64_t)st.st_mtime * 1000000;
	return rootfs_manifest_totals(o.manifest_fd, &ret->entries, &ret->bytes, e);
}

/* --- import --------------------------------------------------------------------------------- */

static int
fill(struct rootfs_tree *t, int source_fd, struct err *e)
{
	struct stat st;

	if (fstat(source_fd, &st) < 0)
		return err_sys(e, errno, "cannot look at what is to be imported");
	if ((S_ISDIR(st.st_mode) ? rootfs_copy(source_fd, t, e) : rootfs_unpack(source_fd, t, e)) <
	    0)
		return -1;
	return rootfs_tree_check_places(t->fd, e);
}

static int
describe(int incoming_fd, const struct rootfs_tree *t, struct rootfs_info *ret, struct err *e)
{
	AUTO_FD int fd = openat(
	    incoming_fd, "manifest", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct rootfs_manifest m;

	if (fd < 0)
		return err_sys(e, errno, "cannot make the manifest");
	if (rootfs_manifest(t->fd, fd, true, t->limits.files_max, &m, e) < 0)
		return -1;
	if (m.entries == 0)
		return err_set(
		    e, ERR_INVALID, "There is nothing in it; a root has at least a program");
	if (fchmod(fd, 0444) < 0 || fchmod(incoming_fd, 0755) < 0)
		return err_sys(e, errno, "cannot set the modes of a root");
	auth_hex(m.digest, sizeof(m.digest), ret->hex);
	ret->entries = m.entries;
	ret->bytes = m.bytes;
	ret->unreadable = m.unreadable;
	ret->left_out = t->left_out;
	return 0;
}

/* From its working name to its own; *ret_fresh is false when that one is there. */
static int
publish(int roots_fd, const char *name, int incoming_fd, const char *hex, bool *ret_fresh,
    struct err *e)
{
	*ret_fresh = faccessat(roots_fd, hex, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	/* All of the file system: that of a root's many files one by one takes longer. */
	if (*ret_fresh && syncfs(incoming_fd) < 0)
		return err_sys(e, errno, "cannot write the root to the disk");
	if (*ret_fresh && renameat2(roots_fd, name, roots_fd, hex, RENAME_NOREPLACE) < 0) {
		if (errno != EEXIST)
			return err_sys(e, errno, "cannot give the root its name");
		*ret_fresh = false; /* another import of the same was faster */
	}
	if (!*ret_fresh)
		return object_remove_tree(roots_fd, name, e);
	return fsync(roots_fd) < 0 ? err_sys(e, errno, "cannot write the root to the disk") : 0;
}

static int
import_into(int roots_fd, const char *name, int incoming_fd, struct rootfs_tree *t,
    struct rootfs_info *ret, struct err *e)
{
	struct rootfs_info seen;

	if (describe(incoming_fd, t, ret, e) < 0 ||
	    publish(roots_fd, name, incoming_fd, ret->hex, &ret->fresh, e) < 0)
		return -1;
	if (look(roots_fd, ret->hex, &seen, e) < 0)
		return -1;
	ret->imported_wall_us = seen.imported_wall_us;
	return 0;
}

int
rootfs_import(int roots_fd, int source_fd, const struct rootfs_limits *l, struct rootfs_info *ret,
    struct err *e)
{
	struct rootfs_tree t = { .fd = -1, .limits = *l };
	struct rootfs_info info = { 0 };
	char name[ROOTFS_NAME_SIZE];
	AUTO_FD int incoming_fd = -1;
	struct err ignored = { 0 };
	int rc = -1;

	if (rootfs_make_incoming(roots_fd, name, &incoming_fd, e) < 0)
		return -1;
	if (mkdirat(incoming_fd, "tree", 0755) < 0 || fchmodat(incoming_fd, "tree", 0755, 0) < 0 ||
	    (t.fd = rootfs_openat(incoming_fd, "tree", O_RDONLY | O_DIRECTORY)) < 0)
		err_sys(e, errno, "cannot make the tree of a root");
	else if (fill(&t, source_fd, e) == 0)
		rc = import_into(roots_fd, name, incoming_fd, &t, &info, e);
	fd_close(&t.fd);
	if (rc == 0)
		*ret = info;
	else if (object_remove_tree(roots_fd, name, &ignored) < 0)
		return err_wrap(e, "what was unpacked could not be removed");
	return rc;
}

/* --- all of them -------------------------------------------------------------------------------
 */

static int
compare_info(const void *a, const void *b)
{
	return strcmp(((const struct rootfs_info *)a)->hex, ((const struct rootfs_info *)b)->hex);
}

int
rootfs_list(int roots_fd, struct rootfs_info *ret, size_t max, size_t *ret_n, struct err *e)
{
	int fd = openat(roots_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct err not_one = { 0 };
	const struct dirent *d;
	size_t n = 0;

	if (dir == NULL) {
		err_sys(e, errno, "cannot read the directory of roots");
		fd_close(&fd);
		return -1;
	}
	while (rc == 0 && n < max && (d = readdir(dir)) != NULL)
		if (rootfs_hex_check(d->d_name, &not_one) == 0)
			rc = look(roots_fd, d->d_name, &ret[n++], e);
	closedir(dir);
	if (rc < 0)
		return -1;
	if (n > 1)
		qsort(ret, n, sizeof(*ret), compare_info);
	*ret_n = n;
	return 0;
}

int
rootfs_verify(int roots_fd, const char *hex, struct rootfs_info *ret, struct err *e)
{
	AUTO_OPENED o = { -1, -1, -1 };
	struct rootfs_info info;
	struct rootfs_manifest m;
	char found[ROOTFS_HEX_SIZE];

	if (rootfs_hex_check(hex, e) < 0 || look(roots_fd, hex, &info, e) < 0 ||
	    open_root(roots_fd, hex, &o, e) < 0)
		return -1;
	/* Nothing of it may be removed meanwhile. */
	if (flock(o.tree_fd, LOCK_SH | LOCK_NB) < 0)
		return err_set(e, ERR_IN_USE, "The root is being removed");
	if (rootfs_manifest(o.tree_fd, o.manifest_fd, false, info.entries + 1, &m, e) < 0)
		return -1;
	auth_hex(m.digest, sizeof(m.digest), found);
	if (strcmp(found, hex) != 0)
		return err_set(e, ERR_CONFLICT,
		    "The root and its manifest are of one mind, but their digest is %.12s..., not "
		    "%.12s...: both were changed",
		    found, hex);
	info.unreadable = m.unreadable;
	*ret = info;
	return 0;
}

int
rootfs_has_program(int roots_fd, const char *hex, const char *program)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	AUTO_OPENED o = { -1, -1, -1 };
	struct err ignored = { 0 };
	AUTO_FD int fd = -1;
	struct stat st;

	if (rootfs_hex_check(hex, &ignored) < 0 || open_root(roots_fd, hex, &o, &ignored) < 0)
		return -1;
	fd = (int)syscall(SYS_openat2, o.tree_fd, program, &how, sizeof(how));
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 01) != 0;
}

/* --- removal -------------------------------------------------------------------------------- */

static int
in_use(const char *hex, struct err *e)
{
	return err_set(e, ERR_IN_USE,
	    "A job or a warm sandbox on this node uses the root %.12s...; try again when its jobs "
	    "are "
	    "over",
	    hex);
}

int
rootfs_remove(int roots_fd, const char *hex, struct err *e)
{
	AUTO_OPENED o = { -1, -1, -1 };
	char name[ROOTFS_HEX_SIZE + 16];
	int mounted;

	if (rootfs_hex_check(hex, e) < 0 || open_root(roots_fd, hex, &o, e) < 0)
		return -1;
	if (flock(o.tree_fd, LOCK_EX | LOCK_NB) < 0)
		return in_use(hex, e);
	mounted = rootfs_mounted(hex, e);
	if (mounted != 0)
		return mounted < 0 ? -1 : in_use(hex, e);
	/* Against a sweep, which would remove it under us. */
	if (flock(o.root_fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_IN_USE, "The root is being removed");
	(void)snprintf(name, sizeof(name), ".removing-%s", hex);
	if (renameat2(roots_fd, hex, roots_fd, name, RENAME_NOREPLACE) < 0)
		return err_sys(e, errno, "cannot take the root's name away");
	return object_remove_tree(roots_fd, name, e);
}
