/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mount namespace of the spawner's own, whose root is the directory that the spawner was started
 * in.  In a chroot the kernel makes no user namespaces (user_namespaces(7), EPERM) and
 * pivot_root(2) has nothing to pivot; setns(2) to one's own mount namespace leads out of the
 * chroot, and from there the chroot's tree is made the root of the namespace, with everything else
 * detached.
 */

#include "fd.h"
#include "spawner_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct place {
	uint64_t mount;
	uint64_t inode;
};

static int
root_place(struct place *ret, struct err *e)
{
	struct statx st;

	if (statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, &st) < 0)
		return err_sys(e, errno, "cannot look at the root directory");
	*ret = (struct place){ .mount = st.stx_mnt_id, .inode = st.stx_ino };
	return 0;
}

/* The tree becomes the root of this mount namespace; what was there is detached.  The tree is a
 * copy of its own with the propagation of what it was copied from: shared with the host on most
 * hosts, which pivot_root refuses. */
static int
take_root(int tree, struct err *e)
{
	struct mount_attr slave = { .propagation = MS_SLAVE };

	if (mount("", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &slave, sizeof(slave)) < 0)
		return err_sys(e, errno, "cannot separate the spawner's mounts from the host's");
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, errno, "cannot attach the tree of the chroot");
	if (fchdir(tree) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, errno, "cannot make the tree of the chroot the root");
	/* With both arguments the same, the old root lies on top of the new one. */
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, errno, "cannot detach the host's root");
	return 0;
}

int
own_root_take(struct err *e)
{
	struct place before = { 0 }, after = { 0 };
	AUTO_FD int tree = -1;
	AUTO_FD int ns = -1;

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno,
		    "cannot make a mount namespace; start the spawner as root, in a container with "
		    "the "
		    "capability SYS_ADMIN");
	if (root_place(&before, e) < 0)
		return -1;
	tree = (int)syscall(
	    SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (tree < 0)
		return err_sys(e, errno, "cannot copy the tree of mounts");
	ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return err_sys(e, errno, "cannot open /proc; mount it");
	if (setns(ns, CLONE_NEWNS) < 0 || root_place(&after, e) < 0)
		return err_sys(e, errno, "cannot find the root of the mount namespace");
	if (before.mount == after.mount && before.inode == after.inode)
		return mount("", "/", NULL, MS_REC | MS_SLAVE, NULL) == 0
			   ? 0
			   : err_sys(
				 e, errno, "cannot separate the spawner's mounts from the host's");
	return take_root(tree, e);
}
