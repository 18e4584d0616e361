/* SPDX-License-Identifier: Apache-2.0 */
#include "root_mount_internal.h"

#include "base.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int
mount_make(const char *type, const struct mount_option *options, size_t n, unsigned attributes,
    int *ret_fd)
{
	AUTO_FD int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (fsconfig(fs, FSCONFIG_SET_STRING, options[i].name, options[i].value, 0) < 0)
			return -1;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, attributes);
	if (fd < 0)
		return -1;
	*ret_fd = fd;
	return 0;
}

int
mount_attach(int mount_fd, int dir_fd, const char *where)
{
	return move_mount(mount_fd, "", dir_fd, where, MOVE_MOUNT_F_EMPTY_PATH);
}

/* In a user namespace mknod is EPERM.  The host's node is bound upon an empty file, for reading and
 * writing what it stands for; its mode and owner cannot be changed through the mount. */
static int
bind_device(int dir_fd, const char *name, dev_t number)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	};
	AUTO_FD int host_fd = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_FD int tree = -1;
	struct stat st;

	if (host_fd < 0)
		return -1;
	tree = open_tree(host_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (tree < 0 || fstat(tree, &st) < 0)
		return -1;
	if (!S_ISCHR(st.st_mode) || st.st_rdev != number) {
		errno = ENODEV;
		return -1;
	}
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    root_write_file(dir_fd, name, "") < 0)
		return -1;
	return mount_attach(tree, dir_fd, name);
}

int
root_put_device(int dir_fd, const char *name, unsigned major, unsigned minor)
{
	const dev_t number = makedev(major, minor);

	if (mknodat(dir_fd, name, S_IFCHR | 0666, number) == 0)
		return 0;
	return errno == EPERM ? bind_device(dir_fd, name, number) : -1;
}

int
root_write_file(int root_fd, const char *path, const char *text)
{
	AUTO_FD int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	size_t n = strlen(text);

	if (fd < 0)
		return -1;
	return write(fd, text, n) == (ssize_t)n ? 0 : -1;
}

/* Nothing here names the host or its users. */
static const struct written {
	const char *path;
	const char *text;
} written[] = {
	{ "etc/passwd",
	    "root:x:0:0:root:/work:/bin/sh\nsim:x:1000:1000:simulation:/work:/bin/sh\n" },
	{ "etc/group", "root:x:0:\nsim:x:1000:\n" },
	{ "etc/hosts", "127.0.0.1 localhost wardian\n::1 localhost\n" },
	{ "etc/hostname", "wardian\n" },
	{ "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n" },
	{ "etc/resolv.conf", "" },
	/* No fabrics to look for; and ranks may not read each other's memory, which Open MPI would
	 * otherwise try, and complain about, for each large message. */
	{ "etc/openmpi/openmpi-mca-params.conf",
	    "btl_vader_single_copy_mechanism = none\nbtl_base_warn_component_unused = 0\n"
	    "btl = ^uct,openib,ofi\nmtl = ^ofi\npml = ^ucx\nosc = ^ucx,pt2pt\n" },
	{ "etc/openmpi/openmpi-default-hostfile", "" },
};

int
root_write_etc(int root_fd)
{
	if (mkdirat(root_fd, "etc/openmpi", 0755) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(written); i++)
		if (root_write_file(root_fd, written[i].path, written[i].text) < 0)
			return -1;
	return 0;
}
