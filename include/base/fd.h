/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FD_H
#define FD_H

/* File descriptors: close at end of scope, whole reads and writes, small files. Thread-safe. */

#include "base.h"
#include "err.h"

#include <sys/types.h>

/* Closes *fd unless it is -1 and sets it to -1; keeps errno. */
void fd_close(int *fd);
/* AUTO_FD int fd = -1; */
#define AUTO_FD __attribute__((cleanup(fd_close)))
/* Moves ownership: returns *fd and leaves -1. */
int fd_take(int *fd);

/* Writes all n bytes, through EINTR and short writes; blocks.  0, or -1 with ERR_SYSTEM. */
int fd_write_all(int fd, const void *p, size_t n, struct err *e) MUST_CHECK;
/* Reads until n bytes or end of file; the count read, or -1. */
ssize_t fd_read_full(int fd, void *p, size_t n, struct err *e) MUST_CHECK;
/* Reads the whole of a small file into malloc'ed, NUL-terminated memory.  ERR_TOO_LARGE beyond max.
 * dirfd and path as openat(2); the last component may not be a symbolic link. */
int fd_read_file(
    int dirfd, const char *path, size_t max, char **ret_p, size_t *ret_n, struct err *e) MUST_CHECK;
/* Writes a file so that it is either whole or absent: temporary file, fsync, rename.  mode as
 * open(2). */
int fd_write_file(
    int dirfd, const char *path, const void *p, size_t n, mode_t mode, struct err *e) MUST_CHECK;
int fd_nonblock(int fd, struct err *e) MUST_CHECK;

#endif
