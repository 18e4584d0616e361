/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves things in /work that a collector could trip over. */
#include "probe.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { MIB = 1 << 20, MODE = 0600 };

static void
put_file(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, MODE);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fact_rc(path, -1);
	if (fd >= 0)
		(void)close(fd);
}

/* --- links and special files --------------------------------------------------------------------
 */

int
act_links(char **argv)
{
	static const struct {
		const char *to, *at;
	} links[] = { { "/etc/shadow", "absolute" }, { "/etc/passwd", "passwd" },
		{ "../../../../etc/shadow", "relative" }, { "/proc/self/mem", "memory" },
		{ "/proc/1/root/etc/shadow", "through-root" }, { "/proc/self/fd/0", "stdin" },
		{ "plain.txt", "to-plain" }, { ".", "to-here" }, { "/work", "to-work" },
		{ "/var/lib/wardian", "state" }, { "loop-00", "loop-40" }, { "", "empty" } };

	(void)argv;
	put_file("plain.txt", "plain\n");
	for (size_t i = 0; i < LEN(links); i++)
		fact_rc(links[i].at, symlink(links[i].to, links[i].at));
	for (int i = 0; i < 40; i++) {
		char from[16], to[16];

		(void)snprintf(from, sizeof(from), "loop-%02d", i);
		(void)snprintf(to, sizeof(to), "loop-%02d", i + 1);
		(void)symlink(to, from);
	}
	(void)mkdir("sub", 0700);
	(void)symlink("/etc", "sub/etc");
	return 0;
}

int
act_specials(char **argv)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/work/socket" };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)argv;
	put_file("plain.txt", "plain\n");
	put_file("closed.txt", "closed\n");
	(void)chmod("closed.txt", 0);
	(void)mkdir("closed", 0700);
	put_file("closed/inside.txt", "inside\n");
	(void)chmod("closed", 0);
	fact_rc("fifo", mkfifo("fifo", 0600));
	fact_rc("socket", bind(fd, (const struct sockaddr *)(const void *)&un, sizeof(un)));
	fact_rc("character device", mknod("null", S_IFCHR | 0666, 0x103));
	fact_rc("block device", mknod("disk", S_IFBLK | 0666, 0xfe00));
	return 0;
}

/* --- sizes ------------------------------------------------------------------------------------ */

int
act_sparse(char **argv)
{
	const int fd = open("sparse", O_RDWR | O_CREAT | O_CLOEXEC, MODE);
	const int punched = open("punched", O_RDWR | O_CREAT | O_CLOEXEC, MODE);

	(void)argv;
	(void)signal(SIGXFSZ, SIG_IGN);
	fact_rc("1 TiB by truncate", ftruncate(fd, (off_t)1 << 40));
	fact_rc("1 TiB by write", pwrite(fd, "x", 1, (off_t)1 << 40));
	fact_rc("1 TiB by fallocate", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)1 << 40));
	fact_rc("200 MiB by write", pwrite(fd, "end", 3, (off_t)200 * MIB - 3));
	fact_rc("8 MiB by fallocate", fallocate(punched, 0, 0, 8 * MIB));
	fact_rc("a hole of 4 MiB",
	    fallocate(punched, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * MIB, 4 * MIB));
	fact_rc("more holes", pwrite(punched, "x", 1, 8 * MIB - 1));
	return 0;
}

int
act_hard_links(char **argv)
{
	(void)argv;
	put_file("one.txt", "one and the same\n");
	fact_rc("to an output", link("one.txt", "two.txt"));
	fact_rc("to the environment", link("/usr/bin/true", "true"));
	fact_rc("to a device", link("/dev/null", "null"));
	fact_rc("to an open file",
	    linkat(AT_FDCWD, "/proc/self/fd/0", AT_FDCWD, "in", AT_SYMLINK_FOLLOW));
	fact_rc("across directories", link("one.txt", "/tmp/three.txt"));
	return 0;
}

/* unlinked MIB: held by a process that outlives the main one. */
int
act_unlinked(char **argv)
{
	const long size = argument(argv, 0, 1);
	const int fd = open("gone", O_RDWR | O_CREAT | O_CLOEXEC, MODE);

	fact_rc("allocate", fallocate(fd, 0, 0, (off_t)size * MIB));
	(void)unlink("gone");
	if (fork() == 0) {
		(void)setsid();
		wait_for_the_end();
	}
	put_file("left.txt", "left\n");
	return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

int
act_names(char **argv)
{
	static const char *const names[] = { "new\nline", "carriage\rreturn", "tab\there",
		"bad\xff\xfe", "cut\xc3", "-rf", "--help", " space ", "dot.", "dots...", "...",
		"Case", "case", "d\xc3\xbcse", "u\xcc\x88", "nul\\0", "quote\"'", "star*", "$(id)",
		"`id`", "%2e%2e%2f", "con", "a:b", "\xe2\x80\xae.txt", "\x1b[31mred", "semi;colon",
		"back\\slash" };
	char longest[256];

	(void)argv;
	for (size_t i = 0; i < LEN(names); i++)
		put_file(names[i], names[i]);
	memset(longest, 'n', 255);
	longest[255] = '\0';
	put_file(longest, "255 bytes");
	memset(longest, '\xff', 255);
	put_file(longest, "255 bytes that are no text");
	return 0;
}

int
act_attributes(char **argv)
{
	static char value[1024];

	(void)argv;
	put_file("suid", "#!/bin/sh\nid\n");
	put_file("sgid", "#!/bin/sh\nid\n");
	fact_rc("set-user-ID", chmod("suid", 04755));
	fact_rc("set-group-ID", chmod("sgid", 02755));
	fact_rc("sticky", chmod(".", 01777));
	fact_rc("file capability",
	    syscall(SYS_setxattr, "suid", "security.capability", value, sizeof(value), 0));
	fact_rc(
	    "user attribute", syscall(SYS_setxattr, "suid", "user.bomb", value, sizeof(value), 0));
	fact_rc(
	    "access list", syscall(SYS_setxattr, "suid", "system.posix_acl_access", value, 44, 0));
	fact_rc("trusted attribute",
	    syscall(SYS_setxattr, "suid", "trusted.overlay.opaque", "y", 1, 0));
	fact_rc("owner", chown("suid", 0, 0));
	return 0;
}

/* --- trees --------------------------------------------------------------------------------------
 */

/* deep N [NAME BYTES]: directories in each other, a file in the lowest. */
int
act_deep(char **argv)
{
	const long depth = argument(argv, 0, 1), bytes = argument(argv, 1, 1);
	char name[256] = "";
	long made = 0;

	memset(name, 'd', bytes < 255 ? (size_t)bytes : 255);
	while (made < depth && mkdir(name, 0700) == 0 && chdir(name) == 0)
		made++;
	put_file("bottom", "x");
	fact_number("made", made);
	return 0;
}

/* many N: files in one directory, and a process that goes on renaming them after the end. */
int
act_many(char **argv)
{
	const long n = argument(argv, 0, 1);
	long made = 0;

	(void)mkdir("many", 0700);
	for (; made < n; made++) {
		char name[64];
		int fd;

		(void)snprintf(name, sizeof(name), "many/file-%06ld", made);
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
		if (fd < 0)
			break;
		(void)close(fd);
	}
	fact_number("made", made);
	if (fork() != 0)
		return 0;
	(void)setsid();
	for (long i = 0;; i = (i + 1) % n) {
		char from[64], to[64];

		(void)snprintf(from, sizeof(from), "many/file-%06ld", i);
		(void)snprintf(to, sizeof(to), "many/elif-%06ld", i);
		(void)(rename(from, to) < 0 && rename(to, from) < 0);
	}
}

/* A file that a process goes on truncating and growing, and mapping, after the end. */
int
act_changing(char **argv)
{
	int fd;

	(void)argv;
	put_file("stable.txt", "stable\n");
	fd = open("changing", O_RDWR | O_CREAT | O_CLOEXEC, MODE);
	if (fork() != 0) {
		(void)usleep(20000);
		return 0;
	}
	(void)setsid();
	for (;;) {
		(void)ftruncate(fd, 4 * MIB);
		(void)pwrite(fd, "x", 1, 2 * MIB);
		(void)unlink("changing");
		(void)symlink("/etc/shadow", "changing");
		(void)unlink("changing");
		(void)link("stable.txt", "changing");
		(void)ftruncate(fd, 0);
		(void)rename("changing", "other");
	}
}

/* Every name that somebody outside could open later is something else. */
int
act_replaced(char **argv)
{
	(void)argv;
	(void)unlink("input.txt");
	fact_rc("input", symlink("/etc/shadow", "input.txt"));
	fact_rc("result", mkfifo("result.json", 0600));
	fact_rc("log", symlink("/etc/passwd", "log"));
	fact_rc("exit", symlink("/etc/passwd", "exit"));
	fact_rc("launch", mkdir("launch", 0700));
	fact_rc("files", symlink("/etc", "files"));
	fact_rc("out", symlink("/", "out"));
	put_file("plain.txt", "plain\n");
	return 0;
}
