/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_H
#define OBJECT_H

/*
 * Files under a tenant's prefix, reached only by names below a directory descriptor (openat2 with
 * RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS).  What lies there came out of a
 * sandbox and is hostile: only regular files are ever opened.  Thread-safe.
 */

#include "arena.h"
#include "base.h"
#include "err.h"
#include "id.h"

#include <stdbool.h>

struct object_file {
	const char *path; /* relative, '/'-separated, UTF-8 */
	int64_t size_bytes;
	int64_t modified_wall_us;
};

/*
 * True for a relative path of 1 to CAP_PATH_BYTES bytes of UTF-8 without empty, "." or ".."
 * components, control characters or backslashes.  *ret_why (may be NULL) says what is wrong.
 */
bool object_path_valid(const char *path, const char **ret_why);
/* Opens a regular file for reading; ERR_NOT_FOUND for anything else, without telling why. */
int object_open(
    int dirfd, const char *path, int *ret_fd, int64_t *ret_size, struct err *e) MUST_CHECK;
/* Opens the directory of one attempt of a run below runs_dirfd; ERR_NOT_FOUND when there is none.
 */
int object_open_run(int runs_dirfd, struct tenant_id tenant, struct uuid run, int64_t epoch,
    int *ret_fd, struct err *e) MUST_CHECK;
/* Opens a directory below dirfd; ERR_NOT_FOUND when there is none. */
int object_open_dir(int dirfd, const char *path, int *ret_fd, struct err *e) MUST_CHECK;
/*
 * All regular files below dirfd in path order, at most max; *ret_more tells that there are others
 * (which ones were kept is then up to the file system).  Iterative by descriptor, depth at most 64;
 * names that are not valid paths are left out.
 */
int object_list(int dirfd, size_t max, struct arena *mem, struct object_file **ret, size_t *ret_n,
    bool *ret_more, struct err *e) MUST_CHECK;
/* Creates directories and the file below dirfd (0640); fails when it exists. */
int object_write(int dirfd, const char *path, const void *p, size_t n, struct err *e) MUST_CHECK;
/*
 * Removes what lies at a path below dirfd, a directory tree or anything else, by descriptor, never
 * following links; 0 when it is not there.  Permissions that its owner took away are given back;
 * a mount point in the tree stops it.
 */
int object_remove_tree(int dirfd, const char *name, struct err *e) MUST_CHECK;

#endif
