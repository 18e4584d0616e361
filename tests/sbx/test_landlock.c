/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock's rules alone: the keeper's own function in a process that is root, in a root directory
 * that is writable everywhere, so that nothing else refuses what it must.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rig.h"

#include "keeper_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRUNCATE_SINCE = 3, IOCTL_SINCE = 5, SCOPES_SINCE = 6 };

/* Of the listening socket: abstract, and only this process and its child know it. */
static struct sockaddr_un abstract = { .sun_family = AF_UNIX };

static long
version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* --- acts, in the child; each returns what the system call did ------------------------------- */

static int
act_write(void)
{
	return open("/file", O_WRONLY | O_CLOEXEC);
}

static int
act_read(void)
{
	return open("/file", O_RDONLY | O_CLOEXEC);
}

static int
act_truncate(void)
{
	return truncate("/file", 0);
}

static int
act_make_file(void)
{
	return mknod("/new", S_IFREG | 0600, 0);
}

static int
act_make_dir(void)
{
	return mkdir("/new", 0700);
}

static int
act_make_link(void)
{
	return symlink("file", "/new");
}

static int
act_make_fifo(void)
{
	return mkfifo("/new", 0600);
}

static int
bind_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return bind(fd, (const struct sockaddr *)&a, sizeof(a));
}

static int
act_make_socket(void)
{
	return bind_at("/new");
}

static int
act_remove_file(void)
{
	return unlink("/file");
}

static int
act_remove_dir(void)
{
	return rmdir("/dir");
}

static int
act_make_character_device(void)
{
	return mknod("/work/new", S_IFCHR | 0600, makedev(0, 0));
}

static int
act_make_block_device(void)
{
	return mknod("/work/new", S_IFBLK | 0600, makedev(7, 0));
}

static int
act_speak_to_a_driver(void)
{
	return ioctl(open("/dev/zero", O_RDWR | O_CLOEXEC), TIOCGWINSZ, 0);
}

static int
act_signal(void)
{
	return kill(getppid(), 0);
}

static int
act_connect(void)
{
	return connect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    (const struct sockaddr *)&abstract, sizeof(abstract));
}

static int
act_use_the_scratch(void)
{
	const int fd = open("/work/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 || ftruncate(fd, 0) < 0 || mkdir("/work/dir", 0700) < 0 ||
		       mkfifo("/work/fifo", 0600) < 0 || bind_at("/work/socket") < 0 ||
		       symlink("file", "/work/link") < 0 ||
		       link("/work/file", "/work/dir/second") < 0 ||
		       unlink("/work/dir/second") < 0 || rmdir("/work/dir") < 0
		   ? -1
		   : 0;
}

static const struct act {
	const char *name;
	int (*run)(void);
	int want; /* errno; 0: it works */
	long since;
} acts[] = {
	{ "read elsewhere", act_read, 0, 1 },
	{ "use the scratch", act_use_the_scratch, 0, 2 },
	{ "write elsewhere", act_write, EACCES, 1 },
	{ "truncate elsewhere", act_truncate, EACCES, TRUNCATE_SINCE },
	{ "make a file elsewhere", act_make_file, EACCES, 1 },
	{ "make a directory elsewhere", act_make_dir, EACCES, 1 },
	{ "make a link elsewhere", act_make_link, EACCES, 1 },
	{ "make a FIFO elsewhere", act_make_fifo, EACCES, 1 },
	{ "make a socket elsewhere", act_make_socket, EACCES, 1 },
	{ "remove a file elsewhere", act_remove_file, EACCES, 1 },
	{ "remove a directory elsewhere", act_remove_dir, EACCES, 1 },
	{ "make a character device", act_make_character_device, EACCES, 1 },
	{ "make a block device", act_make_block_device, EACCES, 1 },
	{ "speak to a driver", act_speak_to_a_driver, EACCES, IOCTL_SINCE },
	{ "signal a process outside", act_signal, EPERM, SCOPES_SINCE },
	{ "connect to an abstract socket outside", act_connect, EPERM, SCOPES_SINCE },
};

/* --- where they act -------------------------------------------------------------------------- */

static int
make_root(void)
{
	static const char *const dirs[] = { "work", "tmp", "dev", "dev/shm", "proc", "dir" };

	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("root", "/tmp", "tmpfs", 0, NULL) < 0 || chdir("/tmp") < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (mkdir(dirs[i], 0755) < 0)
			return -1;
	if (mknod("dev/zero", S_IFCHR | 0666, makedev(1, 5)) < 0 ||
	    mknod("file", S_IFREG | 0644, 0) < 0)
		return -1;
	return chroot(".");
}

/* The number of acts that did not come to what they should. */
static int
act_all(long there)
{
	struct err e = { 0 };
	int fd, bad = 0;

	if (make_root() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    sim_landlock(&fd, &e) < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return 100;
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		int got;

		if (acts[i].since > there)
			continue;
		errno = 0;
		got = acts[i].run() < 0 ? errno : 0;
		if (got == acts[i].want)
			continue;
		print_message("%s: %s instead of %s\n", acts[i].name,
		    got == 0 ? "done" : strerrorname_np(got),
		    acts[i].want == 0 ? "done" : strerrorname_np(acts[i].want));
		bad++;
	}
	return bad;
}

static void
landlock_refuses_by_itself_what_it_must(void **state)
{
	const long there = version();
	int status, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	(void)state;
	if (there < 1 || !rig_root_is_mount())
		skip(); /* no Landlock, or a chroot, in which no mount can be kept to oneself */
	snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "wardian-%d", getpid());
	assert_int_equal(bind(fd, (const struct sockaddr *)&abstract, sizeof(abstract)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	if (pid == 0)
		_exit(act_all(there));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(landlock_refuses_by_itself_what_it_must),
	};

	if (geteuid() != 0) {
		(void)fprintf(stderr, "skip: mounts need root\n");
		return 77;
	}
	return cmocka_run_group_tests_name("landlock", tests, NULL, NULL);
}
