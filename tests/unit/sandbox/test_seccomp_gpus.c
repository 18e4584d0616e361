/* SPDX-License-Identifier: Apache-2.0 */
/* What the filter of a run with GPUs lets through beside everybody's, asked of the kernel itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fd.h"
#include "keeper.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVERYBODY = 1, WITH_GPUS = 2, NOBODY = 0 };

static const struct request {
	unsigned long cmd;
	int who;
} requests[] = {
	{ TCGETS, EVERYBODY | WITH_GPUS },
	{ FIONREAD, EVERYBODY | WITH_GPUS },
	{ FIOCLEX, EVERYBODY | WITH_GPUS },
	{ FICLONE, EVERYBODY | WITH_GPUS },
	/* nvidia, with any number, size and direction; nvidia-modeset; nvidia-uvm */
	{ _IOWR('F', 0, char[1]), WITH_GPUS },
	{ _IOWR('F', 42, char[32]), WITH_GPUS },
	{ _IOR('F', 214, char[4096]), WITH_GPUS },
	{ _IO('F', 255), WITH_GPUS },
	{ _IOWR('m', 0, char[16]), WITH_GPUS },
	{ 0x30000001, WITH_GPUS },
	{ 0x30000002, WITH_GPUS },
	{ 1, WITH_GPUS },
	{ 25, WITH_GPUS },
	{ 75, WITH_GPUS },
	{ 255, WITH_GPUS },
	/* the neighbours of all these */
	{ 256, NOBODY },
	{ _IO('E', 1), NOBODY },
	{ _IO('G', 1), NOBODY },
	{ _IO('l', 1), NOBODY },
	{ _IO('n', 1), NOBODY },
	{ TIOCSTI, NOBODY },
	{ TIOCLINUX, NOBODY },
	{ TIOCSETD, NOBODY },
	{ TIOCSTI | 1UL << 32, NOBODY },
	{ TIOCCONS, NOBODY },
	{ FS_IOC_SETFLAGS, NOBODY },
	{ FIFREEZE, NOBODY },
	{ FITRIM, NOBODY },
	{ FICLONERANGE, NOBODY },
	{ 0x8914 /* SIOCSIFFLAGS */, NOBODY },
	{ 0x40045201 /* RNDADDTOENTCNT */, NOBODY },
	{ 0xae01 /* KVM_CREATE_VM */, NOBODY },
};

/* In a child: under the filter, every request to a descriptor that is none. */
static int
ask_all(int filter_fd, int who)
{
	static struct sock_filter code[BPF_MAXINSNS];
	ssize_t n = pread(filter_fd, code, sizeof(code), 0);
	struct sock_fprog program = { .len = (unsigned short)((size_t)n / sizeof(code[0])),
		.filter = code };
	int bad = 0;

	if (n <= 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
		return 100;
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		const int want = (requests[i].who & who) != 0 ? EBADF : EPERM;

		errno = 0;
		if (syscall(SYS_ioctl, -1, requests[i].cmd, 0) == 0 || errno != want) {
			print_message("%#lx: %d instead of %d\n", requests[i].cmd, errno, want);
			bad++;
		}
	}
	/* What has nothing to do with GPUs is as it was. */
	bad += syscall(SYS_ptrace, 0, 0, 0, 0) != -1 || errno != EPERM;
	bad += syscall(SYS_io_uring_setup, 1, 0) != -1 || errno != EPERM;
	bad += syscall(SYS_socket, 40, 1, 0) != -1 || errno != EAFNOSUPPORT;
	bad += syscall(SYS_personality, 0x0400000) != -1 || errno != EPERM;
	return bad;
}

static void
under(enum seccomp_layer layer, int who)
{
	AUTO_FD int fd = -1;
	struct err e = { 0 };
	int status;
	pid_t pid;

	assert_int_equal(sandbox_seccomp_program(layer, &fd, &e), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(ask_all(fd, who));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
a_run_without_gpus_speaks_to_no_driver(void **state)
{
	(void)state;
	under(SECCOMP_ALL, EVERYBODY);
}

static void
a_run_with_gpus_speaks_to_theirs_and_no_other(void **state)
{
	(void)state;
	under(SECCOMP_GPUS, WITH_GPUS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_without_gpus_speaks_to_no_driver),
		cmocka_unit_test(a_run_with_gpus_speaks_to_theirs_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
