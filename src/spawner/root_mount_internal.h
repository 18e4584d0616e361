/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOT_MOUNT_INTERNAL_H
#define ROOT_MOUNT_INTERNAL_H

/* What every root is assembled from, the system's and an environment's.  0, or -1 and errno. */

#include <stddef.h>

struct mount_option {
	const char *name;
	const char *value;
};
/* A new file system as a detached mount. */
int mount_make(const char *type, const struct mount_option *options, size_t n, unsigned attributes,
    int *ret_fd);
/* Puts a detached mount at a path below a directory. */
int mount_attach(int mount_fd, int dir_fd, const char *where);
/* A character device of the kernel's own; where nobody may make one, the host's file in /dev.
 * dir_fd is part of this mount namespace. */
int root_put_device(int dir_fd, const char *name, unsigned major, unsigned minor);
/* A new file, 0444. */
int root_write_file(int root_fd, const char *path, const char *text);
/* Our own files of etc/, which must be there as a directory of ours. */
int root_write_etc(int root_fd);

#endif
