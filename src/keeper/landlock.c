/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second wall for the simulation, independent of mounts and ids: it may read and execute
 * everywhere, write only below its scratch and to the devices, and reach no process or abstract
 * socket outside its own domain.  What this kernel's Landlock cannot do is left out: the mounts and
 * namespaces stand without it, and the spawner says at its start which version there is.
 */
#include "keeper_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The header of Linux 6.1 ends at version 2; these numbers are the kernel's interface. */
#define FS_TRUNCATE (UINT64_C(1) << 14)          /* version 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15)         /* version 5 */
#define SCOPE_ABSTRACT_SOCKET (UINT64_C(1) << 0) /* version 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

#define FS_READ                                                                                    \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_CHANGE                                                                                  \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                         \
	    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |                           \
	    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define FS_DEVICES (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)

struct ruleset_attr { /* of version 6; older kernels take a shorter one */
	uint64_t handled_fs;
	uint64_t handled_net; /* nothing handled: ranks talk over their own loopback */
	uint64_t scoped;
};

static const struct rule {
	const char *path;
	uint64_t allowed;
} rules[] = {
	{ "/", FS_READ },
	{ "/dev", FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE },
	{ "/work", FS_READ | FS_CHANGE | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE },
	{ "/tmp", FS_READ | FS_CHANGE | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE },
	{ "/dev/shm", FS_READ | FS_CHANGE | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE },
};
/* What a run with GPUs may do, too. */
static const struct rule gpu_rules[] = {
	{ "/dev", FS_IOCTL_DEV },
	{ "/proc", LANDLOCK_ACCESS_FS_WRITE_FILE },
};

static size_t
attr_for(long version, struct ruleset_attr *ret)
{
	*ret = (struct ruleset_attr){ .handled_fs = FS_READ | FS_CHANGE | FS_DEVICES };
	if (version >= 2)
		ret->handled_fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		ret->handled_fs |= FS_TRUNCATE;
	if (version >= 5)
		ret->handled_fs |= FS_IOCTL_DEV;
	if (version < 6)
		return sizeof(ret->handled_fs);
	ret->scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
	return sizeof(*ret);
}

static int
add_rule(int ruleset_fd, const struct rule *r, uint64_t handled, struct err *e)
{
	AUTO_FD int fd = open(r->path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr attr = { .allowed_access = r->allowed & handled,
		.parent_fd = fd };

	/* A rule of nothing that this kernel knows is none. */
	if (attr.allowed_access == 0)
		return 0;
	if (fd < 0 ||
	    syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0)
		return err_sys(e, errno, "cannot add a Landlock rule");
	return 0;
}

int
sim_landlock(int *ret_fd, struct err *e)
{
	long version =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset_attr attr;
	size_t size = attr_for(version, &attr);
	AUTO_FD int fd = -1;

	*ret_fd = -1;
	if (version < 1)
		return 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0)
		return err_sys(e, errno, "cannot make a Landlock ruleset");
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (add_rule(fd, &rules[i], attr.handled_fs, e) < 0)
			return -1;
	for (size_t i = 0; cell_has_gpus() && i < ARRAY_LEN(gpu_rules); i++)
		if (add_rule(fd, &gpu_rules[i], attr.handled_fs, e) < 0)
			return -1;
	*ret_fd = fd_take(&fd);
	return 0;
}
