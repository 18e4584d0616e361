/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces of tenants, made once: 1,024 host ids that nobody else has, host id 0 never among
 * them, and a network with nothing in it but its own loopback.  The network belongs to the initial
 * user namespace, so that no capability in the tenant's reaches it.  A namespace lives as long as a
 * descriptor of it, so a process that only waits is enough to make both.
 */
#include "spawner_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int
raise_loopback(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &r);
}

NORETURN static void
maker_main(int fd, pid_t worker)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != worker || unshare(CLONE_NEWNET) < 0 || raise_loopback() < 0 ||
	    unshare(CLONE_NEWUSER) < 0 || write(fd, "r", 1) != 1)
		_exit(errno > 0 && errno < 256 ? errno : 1);
	for (;;)
		(void)pause(); /* every signal but SIGKILL is blocked */
}

struct id_range {
	uid_t first;
	uint32_t n;
};

static int
write_map(pid_t pid, const char *file, const struct id_range *ids, struct err *e)
{
	char path[48], text[48];
	AUTO_FD int fd = -1;
	int n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	n = snprintf(text, sizeof(text), "0 %u %u\n", ids->first, ids->n);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		return err_sys(e, errno, "cannot map the ids of a tenant");
	return 0;
}

static int
open_ns(pid_t pid, const char *name, struct err *e)
{
	char path[48];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name); /* fits */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, errno, "cannot open a namespace of a tenant");
}

static int
map_and_open(pid_t pid, const struct id_range *ids, struct tenant_ns *ret, struct err *e)
{
	AUTO_FD int user_fd = -1;
	AUTO_FD int net_fd = -1;

	if (write_map(pid, "uid_map", ids, e) < 0 || write_map(pid, "gid_map", ids, e) < 0)
		return -1;
	if ((user_fd = open_ns(pid, "user", e)) < 0 || (net_fd = open_ns(pid, "net", e)) < 0)
		return -1;
	ret->user_fd = fd_take(&user_fd);
	ret->net_fd = fd_take(&net_fd);
	return 0;
}

static int
make(const struct id_range *ids, struct tenant_ns *ret, struct err *e)
{
	struct clone_args args = { .flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD };
	const pid_t worker = getpid();
	int ends[2], status, rc = -1;
	char byte;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, errno, "cannot make a pipe");
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		maker_main(ends[1], worker);
	fd_close(&ends[1]);
	if (pid < 0)
		(void)err_sys(e, errno, "cannot make the namespaces of a tenant"); /* -1 */
	else if (read(ends[0], &byte, 1) == 1)
		rc = map_and_open(pid, ids, ret, e);
	fd_close(&ends[0]);
	if (pid < 0)
		return -1;
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc < 0 && e->code == ERR_NONE)
		return err_sys(e, WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD,
		    "cannot make the namespaces of a tenant");
	return rc;
}

int
tenant_ns_get(struct worker *w, uint32_t slot, const struct tenant_ns **ret, struct err *e)
{
	struct tenant_ns made = { .slot = slot };
	const struct id_range ids = { tenant_uid(w->s, slot), w->s->one_uid ? 1 : KEEPER_UIDS };
	struct tenant_ns *victim;

	for (size_t i = 0; i < TENANTS_KEPT; i++)
		if (w->tenants[i].user_fd >= 0 && w->tenants[i].slot == slot) {
			*ret = &w->tenants[i];
			return 0;
		}
	if (make(&ids, &made, e) < 0)
		return -1;
	victim = &w->tenants[w->next_tenant++ % TENANTS_KEPT];
	fd_close(&victim->user_fd); /* zygotes and cells inside keep theirs alive */
	fd_close(&victim->net_fd);
	*victim = made;
	*ret = victim;
	return 0;
}
