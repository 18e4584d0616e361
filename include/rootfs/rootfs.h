/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOTFS_H
#define ROOTFS_H

/*
 * Unpacked environments, called roots: <state>/roots/<digest>/tree with `manifest` beside it.  Who
 * imports one owns it, which is root on a node whose spawner is: the daemon's user, whose directory
 * <state> is, can then neither change a root nor put another one in its place.  The digest is the
 * SHA-256 of the manifest, so sha256sum shows it; the manifest is "wardian-root 1\n", a line
 * "TYPE MODE SIZE DIGEST PATH[ -> TARGET]\n" per entry and "total ENTRIES BYTES\n", where
 * - TYPE is d, f or l; MODE octal; SIZE decimal, of a link its target's; DIGEST the SHA-256 of a
 *   file's content, else -; names have \xHH for a backslash and all that is not printable ASCII;
 * - a directory comes before what is in it, and names of one directory in the order of their bytes.
 * Owners, times, hard links and extended attributes are not part of it.  Called by one thread of a
 * program for operators; several of them at once are held apart by locks.
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>

enum {
	ROOTFS_DIGEST_BYTES = 32,
	ROOTFS_HEX_SIZE = 2 * ROOTFS_DIGEST_BYTES + 1,
	ROOTFS_ROOTS_MAX = 4096 /* on one node; list tells of no more */
};

struct rootfs_limits {
	int64_t bytes_max; /* of all files, each name of a file counted, holes too */
	int64_t files_max; /* entries, also of those left out */
};
struct rootfs_info {
	char hex[ROOTFS_HEX_SIZE];
	int64_t entries, bytes;
	int64_t imported_wall_us;
	bool fresh;         /* import: it was not there before */
	int64_t left_out;   /* import: devices, sockets, FIFOs, and mounts below a directory */
	int64_t unreadable; /* import: entries that their mode keeps from jobs */
};

/*
 * Opens <state>/roots, making it when it is not there, and removes what interrupted imports and
 * removals left.  ERR_DENIED when somebody else owns it or may write to it.
 */
int rootfs_open(int state_dirfd, int *ret_fd, struct err *e) MUST_CHECK;
/*
 * From here on this process can write nowhere but below roots_fd, where the kernel has Landlock.
 * For who is about to read an archive with the rights of root.
 */
int rootfs_fence(int roots_fd, struct err *e) MUST_CHECK;
/*
 * Unpacks a tar archive (plain, gzip, zstd or xz) or copies a directory.  Set-user-ID, set-group-ID
 * and sticky bits, write permission for others, owners and extended attributes are dropped,
 * devices, FIFOs and sockets left out.  ERR_INVALID names the entry that cannot be taken,
 * ERR_TOO_LARGE the setting; nothing stays then.
 */
int rootfs_import(int roots_fd, int source_fd, const struct rootfs_limits *l,
    struct rootfs_info *ret, struct err *e) MUST_CHECK;
/* By digest, at most max. */
int rootfs_list(
    int roots_fd, struct rootfs_info *ret, size_t max, size_t *ret_n, struct err *e) MUST_CHECK;
/* Reads all of it again; ERR_CONFLICT names the first entry that differs. */
int rootfs_verify(int roots_fd, const char *hex, struct rootfs_info *ret, struct err *e) MUST_CHECK;
/* ERR_IN_USE while a sandbox on this node is made of it. */
int rootfs_remove(int roots_fd, const char *hex, struct err *e) MUST_CHECK;
/* 1 when a program, by its path inside, is there and may be executed by everybody, 0 when it is
 * not, -1 when there is no such root.  Needs no more than reading; roots_fd may come from anywhere.
 */
int rootfs_has_program(int roots_fd, const char *hex, const char *program);
/* ERR_USAGE unless it is 64 digits of lower-case hexadecimal. */
int rootfs_hex_check(const char *hex, struct err *e) MUST_CHECK;

#endif
