/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs inside a sandbox, statically linked, and tells what of GPUs it finds there.  The exit status
 * is the number of acts that ended in another way than they should, each of them named on stdout.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static int
wrong(const char *what, int want, int got)
{
	if (want == got)
		return 0;
	printf("%s: %s instead of %s\n", what, strerror(got), strerror(want));
	return 1;
}

/* Two walls may stand in the way of one act. */
static int
refused(const char *what, int got)
{
	return got == EPERM || got == EACCES ? 0 : wrong(what, EPERM, got);
}

/* Came through to a driver, which knows nothing of it. */
static int
reached(const char *what, int got)
{
	return got == ENOTTY || got == EINVAL ? 0 : wrong(what, ENOTTY, got);
}

static int
open_errno(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int
write_errno(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), sys = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		sys = errno;
	close(fd);
	return sys;
}

static int
ioctl_errno(int fd, unsigned long request)
{
	char room[256] = { 0 };

	return ioctl(fd, request, room) < 0 ? errno : 0;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of a directory on one line, in order. */
static int
act_list(char **argv)
{
	char *names[256];
	size_t n = 0;
	DIR *d = opendir(argv[0]);
	const struct dirent *entry;

	if (d == NULL) {
		printf("%s\n", strerror(errno));
		return 1;
	}
	while ((entry = readdir(d)) != NULL && n < LEN(names))
		if (entry->d_name[0] != '.')
			names[n++] = strdup(entry->d_name);
	closedir(d);
	qsort(names, n, sizeof(names[0]), compare);
	for (size_t i = 0; i < n; i++)
		printf("%s%s", i > 0 ? " " : "", names[i]);
	printf("\n");
	return 0;
}

/* A device by its name: it can be opened for writing, and its driver can be spoken to. */
static int
act_use(char **argv)
{
	int fd = open(argv[0], O_RDWR | O_CLOEXEC);
	struct stat st;
	int bad = 0;

	if (fd < 0) {
		printf("open: %s\n", strerror(errno));
		return 1;
	}
	bad += wrong("fstat", 0, fstat(fd, &st) < 0 ? errno : 0);
	printf("device %u:%u\n", major(st.st_rdev), minor(st.st_rdev));
	bad += wrong("write", 0, write(fd, "x", 1) == 1 || errno == ENOSPC ? 0 : errno);
	bad += reached("ioctl F", ioctl_errno(fd, _IOWR('F', 42, int)));
	bad += reached("ioctl m", ioctl_errno(fd, _IOWR('m', 0, int)));
	bad += reached("ioctl of uvm", ioctl_errno(fd, 0x30000001));
	bad += reached("ioctl 33", ioctl_errno(fd, 33));
	bad += reached("TCGETS", ioctl_errno(fd, TCGETS));
	/* These never do. */
	bad += wrong("TIOCSTI", EPERM, ioctl_errno(fd, TIOCSTI));
	bad += wrong("TIOCLINUX", EPERM, ioctl_errno(fd, TIOCLINUX));
	bad += wrong("TIOCSETD", EPERM, ioctl_errno(fd, TIOCSETD));
	bad += wrong("ioctl R", EPERM, ioctl_errno(fd, _IOW('R', 3, int)));
	return bad;
}

/* Nothing of GPUs is there, and nothing that would do for one can be made. */
static int
act_none(char **argv)
{
	static const char *const others[] = { "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools",
		"nvidia-modeset", "gpu" };
	char path[64];
	int bad = 0, null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)argv;
	for (unsigned i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/dev/nvidia%u", i);
		bad += wrong(path, ENOENT, open_errno(path, O_RDONLY));
	}
	for (size_t i = 0; i < LEN(others); i++) {
		snprintf(path, sizeof(path), "/dev/%s", others[i]);
		bad += wrong(path, ENOENT, open_errno(path, O_RDONLY));
	}
	bad += refused(
	    "mknod", mknod("/work/nvidia0", S_IFCHR | 0666, makedev(195, 0)) < 0 ? errno : 0);
	bad += wrong("ioctl F", EPERM, ioctl_errno(null_fd, _IOWR('F', 42, int)));
	bad += wrong("ioctl of uvm", EPERM, ioctl_errno(null_fd, 0x30000001));
	bad += wrong("a name in /dev", EROFS, open_errno("/dev/x", O_WRONLY | O_CREAT));
	return bad;
}

/* What stays closed beside a device. */
static int
act_beside(char **argv)
{
	static const char *const fixed[] = { "/dev/nvidia-new", "/dev/gpu", "/dev/x" };
	char path[64];
	int bad = 0;

	(void)argv;
	for (size_t i = 0; i < LEN(fixed); i++) {
		int fd = open(fixed[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

		if (fd >= 0)
			bad += wrong(fixed[i], EROFS, 0);
	}
	bad += wrong("unlink", EROFS, unlink("/dev/nvidia5") < 0 ? errno : 0);
	bad += refused(
	    "mknod", mknod("/work/nvidia0", S_IFCHR | 0666, makedev(195, 0)) < 0 ? errno : 0);
	/* What /proc lets everybody write, and what it lets nobody. */
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", (int)syscall(SYS_gettid));
	bad += wrong("name of a thread", 0, open_errno(path, O_WRONLY));
	bad += wrong("sys", ENOENT, open_errno("/proc/sys/kernel/core_pattern", O_WRONLY));
	bad += wrong("sysrq", ENOENT, open_errno("/proc/sysrq-trigger", O_WRONLY));
	bad += wrong("keeper", ENOENT, open_errno("/proc/1/oom_score_adj", O_WRONLY));
	bad += refused("uid_map", write_errno("/proc/self/uid_map", "0 0 1"));
	bad += refused("gid_map", write_errno("/proc/self/gid_map", "0 0 1"));
	bad += refused("setgroups", write_errno("/proc/self/setgroups", "allow"));
	bad += refused("less likely to be killed", write_errno("/proc/self/oom_score_adj", "-1"));
	return bad;
}

static int
act_thread_name(char **argv)
{
	char path[64];

	(void)argv;
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", (int)syscall(SYS_gettid));
	return open_errno(path, O_WRONLY);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(char **argv);
	} acts[] = { { "list", act_list }, { "use", act_use }, { "none", act_none },
		{ "beside", act_beside }, { "thread-name", act_thread_name } };

	for (size_t i = 0; argc > 1 && i < LEN(acts); i++)
		if (strcmp(acts[i].name, argv[1]) == 0) {
			int rc = acts[i].run(argv + 2);

			fflush(stdout);
			return rc;
		}
	return 100;
}
