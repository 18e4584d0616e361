/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the order to a sandbox that only lacks its program: what is to run, where its log and its
 * record go, its inputs.  The simulation's process itself does this, still as the keeper, whose
 * memory and descriptors it shares: it then need not be made, nor woken, when somebody waits for
 * it.
 */
#include "keeper_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The descriptors take the lowest numbers that are free: their own places. */
static bool
in_place(struct msghdr *m)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd[KEEPER_ORDER_FDS];

	if ((m->msg_flags & MSG_CTRUNC) != 0 || c == NULL || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(fd)))
		return false;
	memcpy(fd, CMSG_DATA(c), sizeof(fd));
	for (int i = 0; i < KEEPER_ORDER_FDS; i++)
		if (fd[i] != KEEPER_FD_RUN + i)
			return false;
	return true;
}

/* 1, 0 when none will come, or -1 and errno. */
static int
receive_order(struct keeper_order *ret)
{
	union {
		char bytes[CMSG_SPACE(KEEPER_ORDER_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	char bytes[sizeof(*ret) + 1];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct err e = { 0 };
	ssize_t n;

	do
		n = recvmsg(KEEPER_FD_STATUS, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return 0;
	if (in_place(&m) && keeper_order_decode(bytes, (size_t)n, ret, &e) == 0)
		return 1;
	errno = EPROTO;
	return -1;
}

/*
 * A worker that starts anew finds this run by the arguments that are written here; one that looked
 * a moment before has missed it.  So the worker that gave the order must still be there afterwards,
 * and whoever follows it looks later than that: else nothing happens, as if the order had never
 * come.
 */
int
order_take(struct keeper *k)
{
	char path[ID_RUN_PATH_SIZE];
	char byte;
	int rc;

	/* The places that the zygote kept free. */
	if (syscall(SYS_close_range, KEEPER_FD_RUN, KEEPER_FD_END - 1, 0) < 0)
		return -1;
	rc = receive_order(&k->order);
	if (rc <= 0)
		return rc;
	account_ordered(k);
	keeper_tell(k, id_run_path(k->order.id.tenant, k->order.id.run, k->order.id.epoch, path),
	    k->order.group);
	return recv(KEEPER_FD_STATUS, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

static int
open_launch_file(struct keeper *k, struct err *e)
{
	AUTO_FD int fd = openat(
	    KEEPER_FD_RUN, "launch", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return err_sys(e, errno, "cannot open the launch file");
	/* All of a regular file; part of anything else, which then makes no sense. */
	n = read(fd, k->launch_text, sizeof(k->launch_text));
	if (n < 0)
		return err_sys(e, errno, "cannot read the launch file");
	return sandbox_launch_decode(k->launch_text, (size_t)n, &k->launch, e);
}

static int
open_results(struct keeper *k, struct err *e)
{
	run_log_open(&k->log, KEEPER_FD_OUT, k->order.limits.log_bytes);
	return sandbox_exit_reserve(KEEPER_FD_OUT, &k->exit_fd, e);
}

/* As a step of the simulation: 0, or -1 and errno. */
static int
as_step(int rc, const struct err *e)
{
	if (rc < 0)
		errno = e->sys == 0 ? EINVAL : e->sys;
	return rc;
}

int
order_launch_file(struct keeper *k)
{
	struct err e = { 0 };

	return as_step(open_launch_file(k, &e), &e);
}

int
order_results(struct keeper *k)
{
	struct err e = { 0 };

	return as_step(open_results(k, &e), &e);
}

int
order_inputs(struct keeper *k)
{
	struct err e = { 0 };

	if (stage_inputs(k, &e) < 0)
		return as_step(-1, &e);
	account_staged(k);
	account_begin(k);
	return 0;
}
