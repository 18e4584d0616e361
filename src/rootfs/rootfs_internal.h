/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOTFS_INTERNAL_H
#define ROOTFS_INTERNAL_H

#include "rootfs.h"

#include <limits.h>
#include <sys/stat.h>

enum {
	/* Directories in each other: ten times what distributions have, and one descriptor each. */
	ROOTFS_DEPTH_MAX = 128,
	ROOTFS_MODE_MASK = 0755 /* of files and directories */
};

/* Opens below a directory without following any link; the descriptor, or -1 and errno. */
int rootfs_openat(int dir_fd, const char *path, int flags);

/* --- a tree that is being made -------------------------------------------------------------- */

struct rootfs_tree {
	int fd;
	struct rootfs_limits limits;
	int64_t entries, bytes, left_out;
};

/* Any way of writing a relative path to the one without ".", empty components and slashes at the
 * end; "" for the top.  ERR_INVALID for an absolute one and for ".." anywhere. */
int rootfs_path_clean(const char *name, char out[static PATH_MAX], struct err *e) MUST_CHECK;
/* Before anything is made or left out: one entry more with so many bytes. */
int rootfs_tree_count(
    struct rootfs_tree *t, const char *path, int64_t bytes, struct err *e) MUST_CHECK;
/* Paths are clean; parents are made as needed.  ERR_INVALID for what is there already, but for
 * directories, and for a path through a link. */
int rootfs_tree_directory(
    struct rootfs_tree *t, const char *path, mode_t mode, struct err *e) MUST_CHECK;
int rootfs_tree_file(
    struct rootfs_tree *t, const char *path, int *ret_fd, struct err *e) MUST_CHECK;
/* Gives a file of rootfs_tree_file its size, mode and time. */
int rootfs_tree_finish(
    int fd, int64_t size, mode_t mode, const struct timespec *modified, struct err *e) MUST_CHECK;
int rootfs_tree_symlink(
    struct rootfs_tree *t, const char *path, const char *target, struct err *e) MUST_CHECK;
/* target: a clean path to a file or link that is there. */
int rootfs_tree_hardlink(
    struct rootfs_tree *t, const char *path, const char *target, struct err *e) MUST_CHECK;
/* ERR_INVALID when a link or file lies where sandboxes have directories of their own. */
int rootfs_tree_check_places(int tree_fd, struct err *e) MUST_CHECK;

/* Fill a tree from an archive, or from a directory. */
int rootfs_unpack(int archive_fd, struct rootfs_tree *t, struct err *e) MUST_CHECK;
int rootfs_copy(int from_fd, struct rootfs_tree *t, struct err *e) MUST_CHECK;

/* --- reading a tree ------------------------------------------------------------------------- */

struct rootfs_entry {
	int dir_fd;
	const char *name;
	const char *path; /* from the top */
	struct stat st;   /* of the entry, not of what it links to */
	bool mounted;     /* a directory on another file system: what is in it is left out */
};
typedef int rootfs_visit_fn(void *ctx, const struct rootfs_entry *en, struct err *e);
/* Calls visit for each entry below a directory, in the order of a manifest.  ERR_TOO_LARGE beyond
 * entries_max or ROOTFS_DEPTH_MAX. */
int rootfs_walk(
    int dir_fd, int64_t entries_max, rootfs_visit_fn *visit, void *ctx, struct err *e) MUST_CHECK;

struct rootfs_manifest {
	uint8_t digest[ROOTFS_DIGEST_BYTES];
	int64_t entries, bytes, unreadable;
};
/* Reads a tree as a whole.  write: into manifest_fd; else compares with what is there, and
 * ERR_CONFLICT names the first difference. */
int rootfs_manifest(int tree_fd, int manifest_fd, bool write, int64_t entries_max,
    struct rootfs_manifest *ret, struct err *e) MUST_CHECK;
/* The numbers in the last line of a manifest. */
int rootfs_manifest_totals(
    int manifest_fd, int64_t *ret_entries, int64_t *ret_bytes, struct err *e) MUST_CHECK;

/* --- on the node ---------------------------------------------------------------------------- */

/* A new directory in roots/, locked against rootfs_sweep until the descriptor is closed. */
enum { ROOTFS_NAME_SIZE = 32 };
int rootfs_make_incoming(
    int roots_fd, char name[static ROOTFS_NAME_SIZE], int *ret_fd, struct err *e) MUST_CHECK;
/* Removes what nobody works on any more. */
int rootfs_sweep(int roots_fd, struct err *e) MUST_CHECK;
/* 1 when some process on this machine has a root mounted, 0 when none, -1 when that cannot be seen.
 */
int rootfs_mounted(const char *hex, struct err *e) MUST_CHECK;

#endif
