/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOT_PICK_INTERNAL_H
#define ROOT_PICK_INTERNAL_H

/*
 * An unpacked environment as the root of a sandbox (rootfs.h tells what lies on the disk).  It is
 * the lower layer of a read-only overlay whose upper layer is ours: every mount point and every
 * file that we vouch for lies in that one, so nothing in the environment is ever mounted upon or
 * written to, a link in the place of a mount point is covered instead of followed, and no file
 * system that the host has mounted below the environment comes along.  The overlay also has inodes
 * of its own: two tenants in one environment cannot signal each other through locks and watches on
 * its files.
 */

#include "sandbox.h"

struct spawner;

/*
 * In the worker.  Opens the environment's directory and holds it: as long as the descriptor or an
 * inherited one is open, `wardiand root remove` refuses, so it belongs to the zygote's life and
 * must not reach a simulation.  0, or -1 and errno: ENOENT not on this node, EPERM not the
 * spawner's own alone, ELOOP or ENOTDIR a link or file in the place of a directory, EAGAIN just
 * being removed. Step SANDBOX_STEP_ROOT.
 */
int root_pick_open(
    const struct spawner *s, const uint8_t root[static SANDBOX_ROOT_BYTES], int *ret_fd);

/*
 * In the mount namespace of the sandbox, after root_make and instead of root_add_system: *root_fd,
 * still on top of the old root, gives way to the overlay, whose descriptor replaces it.  Has /dev,
 * /proc, /work, /tmp and our files of /etc, like the system's.  tree_fd: of root_pick_open, opened
 * in this mount namespace or in the one that it was copied from.  0, or -1 and errno.
 * Step SANDBOX_STEP_ROOT.
 */
int root_add_tree(int *root_fd, int tree_fd, const uint8_t root[static SANDBOX_ROOT_BYTES]);

#endif
