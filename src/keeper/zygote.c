/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zygote: what all sandboxes of one tenant in one environment have in common, made once.  The
 * spawner built the root and chose the network; here come the limits that are every run's, and the
 * large layer of the system call filter, which every clone inherits.  It has one thread and little
 * memory, so that a clone is cheap.
 *
 * Its cells are not its children but the worker's (CLONE_PARENT): they live on when it ends, and
 * the worker can wait for them by number.
 */
#include "keeper_internal.h"

#include "fd.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Never RLIMIT_AS: interpreters reserve far more than they use, and memory is limited by its group.
 * Open files and file size are each run's own. */
static int
set_limits(struct keeper *k)
{
	static const struct {
		__rlimit_resource_t resource;
		rlim_t soft, hard;
	} rows[] = {
		/* No file is that small, and at 0 a program that the host wants cores piped to
		 * would be started, which it is not at 1 (core(5)). */
		{ RLIMIT_CORE, 1, 1 },
		/* The usual default; Fortran programs may ask for more. */
		{ RLIMIT_STACK, 8 << 20, 1 << 30 },
		{ RLIMIT_MEMLOCK, 8 << 20, 8 << 20 },
		{ RLIMIT_MSGQUEUE, 0, 0 },
		{ RLIMIT_SIGPENDING, 4096, 4096 },
		{ RLIMIT_NICE, 0, 0 },
		{ RLIMIT_RTPRIO, 0, 0 },
	};
	struct rlimit now;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rlimit want = { rows[i].soft, rows[i].hard };

		/* The host's own hard limit cannot be raised, and need not be. */
		if (getrlimit(rows[i].resource, &now) < 0)
			return -1;
		if (want.rlim_max > now.rlim_max)
			want.rlim_max = now.rlim_max;
		if (want.rlim_cur > want.rlim_max)
			want.rlim_cur = want.rlim_max;
		if (setrlimit(rows[i].resource, &want) < 0)
			return -1;
	}
	if (getrlimit(RLIMIT_NOFILE, &now) < 0)
		return -1;
	k->files_max = now.rlim_max;
	if (getrlimit(RLIMIT_FSIZE, &now) < 0)
		return -1;
	k->size_max = now.rlim_max;
	return 0;
}

/* A whole number of instructions, or -1. */
static ssize_t
read_filter(enum seccomp_layer layer, struct sock_filter *code, size_t max)
{
	const int fd = KEEPER_FD_FILTER + (int)layer;
	const ssize_t n = pread(fd, code, max * sizeof(*code), 0);

	(void)close(fd);
	if (n <= 0 || (size_t)n == max * sizeof(*code) || (size_t)n % sizeof(*code) != 0) {
		errno = EINVAL;
		return -1;
	}
	return n / (ssize_t)sizeof(*code);
}

static int
load_filters(struct keeper *k)
{
	const size_t bytes = BPF_MAXINSNS * sizeof(struct sock_filter);
	struct sock_filter *code =
	    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sock_fprog program = { .filter = code };
	ssize_t n;

	if (code == MAP_FAILED)
		return -1;
	n = read_filter(SECCOMP_SIM, k->filter, ARRAY_LEN(k->filter));
	if (n < 0)
		return -1;
	k->n_filter = (size_t)n;
	n = read_filter(SECCOMP_ALL, code, BPF_MAXINSNS);
	if (n < 0)
		return -1;
	program.len = (unsigned short)n;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return -1;
	return munmap(code, bytes);
}

void
keeper_tell(struct keeper *k, const char *first, const char *second)
{
	char version[12];
	const char *const words[] = { first, second, version };
	char *at = k->args, *end = k->args + KEEPER_ARGS_ROOM;

	(void)snprintf(version, sizeof(version), "%d", KEEPER_VERSION); /* fits */
	for (size_t i = 0; i < ARRAY_LEN(words) && words[i] != NULL; i++) {
		const size_t n = strnlen(words[i], (size_t)(end - at) - 1);

		memcpy(at, words[i], n);
		at[n] = '\0';
		at += n + 1;
	}
	memset(at, 0, (size_t)(end - at));
}

static int
receive_zygote(struct keeper *k)
{
	char bytes[sizeof(struct keeper_zygote) + 1];
	struct err e = { 0 };
	ssize_t n;

	do
		n = recv(KEEPER_FD_STATUS, bytes, sizeof(bytes), 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		_exit(0); /* the worker is gone */
	if (keeper_zygote_decode(bytes, (size_t)n, &k->zygote, &e) < 0) {
		errno = EPROTO;
		return -1;
	}
	k->rights = k->zygote.one_uid != 0 ? &rights_one_uid : &rights_own_ids;
	return 0;
}

/* The next order for a cell and its socket; ends with the worker. */
static bool
receive_cell(struct keeper_cell *ret, int *ret_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char bytes[sizeof(*ret) + 1];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	struct err e = { 0 };
	ssize_t n;

	do
		n = recvmsg(KEEPER_FD_STATUS, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		_exit(0);
	c = CMSG_FIRSTHDR(&m);
	if (c == NULL || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
		return false;
	memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	if (keeper_cell_decode(bytes, (size_t)n, ret, &e) == 0)
		return true;
	fd_close(ret_fd);
	return false;
}

static void
make_cell(struct keeper *k, const struct keeper_cell *c, int fd)
{
	/* No exit signal: the worker's child has its parent's.  The network is the tenant's, and
	 * the user namespace is entered last. */
	struct clone_args args = { .flags = CLONE_PARENT | CLONE_NEWPID | CLONE_NEWNS |
					    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP };
	struct keeper_report r = {
		.version = KEEPER_VERSION, .kind = KEEPER_FAILED, .step = SANDBOX_STEP_CLONE
	};
	const long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		cell_main(k, c, fd);
	r.sys = errno;
	if (pid < 0)
		(void)send(fd, &r, sizeof(r), MSG_NOSIGNAL | MSG_DONTWAIT); /* end of file tells */
}

static void
start(struct keeper *k)
{
	static const struct {
		enum sandbox_step step;
		int (*run)(struct keeper *k);
	} steps[] = {
		{ SANDBOX_STEP_ZYGOTE, receive_zygote },
		{ SANDBOX_STEP_LIMITS, set_limits },
		{ SANDBOX_STEP_SECCOMP, load_filters },
	};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].run(k) == 0)
			continue;
		(void)keeper_report(KEEPER_FAILED, steps[i].step, errno); /* or its end tells */
		_exit(1);
	}
}

void
zygote_main(char *args)
{
	struct keeper *k =
	    mmap(NULL, sizeof(*k), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct keeper_cell c;
	int fd;

	(void)prctl(PR_SET_NAME, KEEPER_NAME);
	/* With the end of file below this is belt and braces: it also ends a zygote that is stopped
	 * in the middle of something. */
	if (k == MAP_FAILED || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		_exit(1);
	k->args = args;
	keeper_tell(k, "zygote", NULL);
	start(k);
	for (;;)
		if (receive_cell(&c, &fd)) {
			make_cell(k, &c, fd);
			fd_close(&fd);
		}
}
