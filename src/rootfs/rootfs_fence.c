/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_internal.h"

#include "fd.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The header of Linux 6.1 ends at version 2; this number is the kernel's interface. */
#define FS_TRUNCATE (UINT64_C(1) << 14) /* version 3 */

#define FS_WRITE                                                                                   \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                         \
	    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)
/* Allowed nowhere: programs are not started, devices and the like not made. */
#define FS_NEVER                                                                                   \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                               \
	    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                         \
	    LANDLOCK_ACCESS_FS_MAKE_SOCK)

int
rootfs_fence(int roots_fd, struct err *e)
{
	const long version =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	const uint64_t write = FS_WRITE | (version >= 3 ? FS_TRUNCATE : 0);
	const struct landlock_ruleset_attr attr = { .handled_access_fs = write | FS_NEVER };
	const struct landlock_path_beneath_attr rule = { .allowed_access = write,
		.parent_fd = roots_fd };
	AUTO_FD int fd = -1;

	if (version < 2) /* version 1 would not let hard links be made at all */
		return 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0 || syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return err_sys(e, errno, "cannot make a fence around the directory of roots");
	/* Whoever is not root must have promised it before. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return err_sys(
		    e, errno, "cannot step behind the fence around the directory of roots");
	return 0;
}
