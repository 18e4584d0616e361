/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User namespaces of tenants: 1,024 host ids that nobody else has, host id 0 never among them.  A
 * namespace lives as long as a descriptor of it, so a process that only waits is enough to make
 * one.
 */
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int
write_map(pid_t pid, const char *file, uid_t first, struct err *e)
{
	char path[48], text[48];
	AUTO_FD int fd = -1;
	int n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	n = snprintf(text, sizeof(text), "0 %u %d\n", first, KEEPER_UIDS);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		return err_sys(e, errno, "cannot map the ids of a tenant");
	return 0;
}

static int
map_and_open(pid_t pid, uid_t first, int *ret_fd, struct err *e)
{
	char path[48];
	int fd;

	if (write_map(pid, "uid_map", first, e) < 0 || write_map(pid, "gid_map", first, e) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "cannot open a user namespace");
	*ret_fd = fd;
	return 0;
}

static int
userns_make(uid_t first, int *ret_fd, struct err *e)
{
	struct clone_args args = { .flags = CLONE_NEWUSER | CLONE_CLEAR_SIGHAND,
		.exit_signal = SIGCHLD };
	pid_t parent = getpid();
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	int rc;

	if (pid < 0)
		return err_sys(e, errno, "cannot make a user namespace");
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent)
			(void)pause(); /* every signal but SIGKILL is blocked */
		_exit(0);
	}
	rc = map_and_open(pid, first, ret_fd, e);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return rc;
}

int
userns_get(struct worker *w, uint32_t slot, int *ret_fd, struct err *e)
{
	struct userns *victim;
	int fd = -1;

	for (size_t i = 0; i < USERNS_KEPT; i++)
		if (w->userns[i].fd >= 0 && w->userns[i].slot == slot) {
			*ret_fd = w->userns[i].fd;
			return 0;
		}
	if (userns_make(w->s->uid_base + slot * KEEPER_UIDS, &fd, e) < 0)
		return -1;
	victim = &w->userns[w->next_userns++ % USERNS_KEPT];
	fd_close(&victim->fd); /* runs inside keep their namespace alive */
	*victim = (struct userns){ .slot = slot, .fd = fd };
	*ret_fd = fd;
	return 0;
}
