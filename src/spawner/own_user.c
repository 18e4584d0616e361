/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spawner of an ordinary user's: it makes a user namespace in which its only id is root, and
 * works from there on as the other one does, with every mount, network and pid namespace belonging
 * to this one instead of the initial one.  The host gives it no more than before: all ids in it are
 * one id outside, so tenants share it, and what only the host's root may do (device nodes, control
 * groups that nobody handed down, larger buffers) is done otherwise or not at all.
 */
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
put(const char *path, const char *text, struct err *e)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	const size_t n = strlen(text);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n)
		return err_sys(e, errno, "cannot write %s for a user namespace", path);
	return 0;
}

int
own_user_take(struct err *e)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	char users[32], groups[32];

	(void)snprintf(users, sizeof(users), "0 %u 1\n", uid); /* both fit */
	(void)snprintf(groups, sizeof(groups), "0 %u 1\n", gid);
	if (unshare(CLONE_NEWUSER) < 0)
		return err_sys(e, errno,
		    "an ordinary user cannot make a user namespace here; start the spawner as "
		    "root, "
		    "or see what wardian doctor says about unprivileged-user-namespaces");
	/* An ordinary user may map its group only after it gave up changing groups. */
	if (put("/proc/self/setgroups", "deny", e) < 0 || put("/proc/self/uid_map", users, e) < 0)
		return -1;
	return put("/proc/self/gid_map", groups, e);
}

/* Version 2 wants the lists that hand controllers and processes down, too. */
static bool
is_ours(const struct cgroup_place *p)
{
	static const char *const files[] = { "cgroup.procs", "cgroup.subtree_control" };
	AUTO_FD int fd = open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool ours = fd >= 0 && faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0;

	for (size_t i = 0; i < ARRAY_LEN(files) && p->version == 2; i++)
		ours = ours && faccessat(fd, files[i], W_OK, AT_EACCESS) == 0;
	return ours;
}

void
own_user_groups(struct cgroup_places *places)
{
	size_t n = 0;

	for (size_t i = 0; i < places->n; i++)
		if (is_ours(&places->at[i]))
			places->at[n++] = places->at[i];
	places->n = n;
}
