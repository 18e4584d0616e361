/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels between two jobs that should know nothing of each other.  `mark` leaves a mark in each
 * and holds it; `listen_for` looks, without leaving any.  `mark self` does both inside of one job,
 * which shows that the second can hear what the first says.
 */
#include "probe.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

enum {
	PAGE = 4096,
	KEY = 0x57415244,
	PORT = 45454,
	CHILDREN = 100,
	SIZE_OF_PIPE = 1 << 20,
	RECENT_S = 120,
};
static const char name[] = "wardian-mark";
static const char shared_file[] = "/usr/bin/true";
static const char locked_file[] = "/usr/bin/env";
static const char *const places[] = { "/tmp/mark", "/var/tmp/mark", "/dev/shm/mark", "/work/mark" };

static void
heard(const char *channel, bool is)
{
	fact(channel, "%s", is ? "heard" : "quiet");
}

static struct sockaddr_un
abstract_address(socklen_t *ret_n)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	memcpy(un.sun_path + 1, name, sizeof(name));
	*ret_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(name));
	return un;
}

static struct sockaddr_in
loopback_address(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return in;
}

/* --- marking ---------------------------------------------------------------------------------- */

static void
mark_sockets(void)
{
	const struct sockaddr_in in = loopback_address();
	socklen_t n;
	const struct sockaddr_un un = abstract_address(&n);
	const int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fact_rc("mark abstract socket",
	    bind(local, (const struct sockaddr *)&un, n) < 0 ? -1 : listen(local, 4));
	fact_rc("mark loopback port",
	    bind(tcp, (const struct sockaddr *)&in, sizeof(in)) < 0 ? -1 : listen(tcp, 4));
}

static void
mark_objects(void)
{
	fact_rc("mark shared memory segment", syscall(SYS_shmget, KEY, PAGE, 01666));
	fact_rc("mark message queue", syscall(SYS_msgget, KEY, 01666));
	fact_rc("mark semaphore", syscall(SYS_semget, KEY, 1, 01666));
	fact_rc("mark posix queue", syscall(SYS_mq_open, name, O_RDWR | O_CREAT, 0666, 0));
	fact_rc("mark key", syscall(SYS_add_key, "user", name, "x", 1, -4));
}

static void
mark_locks(void)
{
	const int whole = open(shared_file, O_RDONLY | O_CLOEXEC);
	const int part = open(locked_file, O_RDONLY | O_CLOEXEC);
	struct flock l = { .l_type = F_RDLCK, .l_start = 0, .l_len = 1 };

	fact_rc("mark flock", flock(whole, LOCK_EX | LOCK_NB));
	fact_rc("mark record lock", fcntl(part, F_SETLK, &l));
	l.l_start = 1;
	fact_rc("mark open file description lock", fcntl(part, F_OFD_SETLK, &l));
	fact_rc("mark lease", fcntl(part, F_SETLEASE, F_RDLCK));
	fact_rc("mark watch", syscall(SYS_inotify_init1, 0));
}

static void *
map_page(int flags, off_t page)
{
	const int fd = open(shared_file, O_RDONLY | O_CLOEXEC);
	void *p = mmap(NULL, PAGE, PROT_READ, flags, fd, page * PAGE);

	(void)close(fd);
	return p;
}

/* The word is what it is: a wait for just that value sleeps. */
static void *
wait_on_page(void *arg)
{
	const uint32_t *word = arg;

	for (;;)
		if (syscall(SYS_futex, word, FUTEX_WAIT, *word, NULL, NULL, 0) < 0 &&
		    errno != EINTR && errno != EAGAIN)
			return NULL;
}

static void
mark_futexes(void)
{
	pthread_t thread;
	void *shared = map_page(MAP_SHARED, 0), *private = map_page(MAP_PRIVATE, 1);

	(void)pthread_create(&thread, NULL, wait_on_page, shared);
	(void)pthread_create(&thread, NULL, wait_on_page, private);
}

static void
read_whole(const char *path)
{
	static char block[1 << 16];
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && read(fd, block, sizeof(block)) > 0)
		;
	(void)close(fd);
}

static void
mark_processes(void)
{
	for (int i = 0; i < CHILDREN; i++)
		if (fork() == 0)
			wait_for_the_end();
}

/* --- listening -------------------------------------------------------------------------------- */

static void
listen_to_sockets(void)
{
	const struct sockaddr_in in = loopback_address();
	socklen_t n;
	const struct sockaddr_un un = abstract_address(&n);
	const int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	heard("abstract socket", connect(local, (const struct sockaddr *)&un, n) == 0);
	heard("loopback port", connect(tcp, (const struct sockaddr *)&in, sizeof(in)) == 0);
}

static void
listen_to_objects(void)
{
	heard("shared memory segment", syscall(SYS_shmget, KEY, 0, 0) >= 0);
	heard("message queue", syscall(SYS_msgget, KEY, 0) >= 0);
	heard("semaphore", syscall(SYS_semget, KEY, 0, 0) >= 0);
	heard("posix queue", syscall(SYS_mq_open, name, O_RDONLY, 0, 0) >= 0);
	heard("key", syscall(SYS_request_key, "user", name, 0, 0) >= 0);
	heard("vsock", syscall(SYS_socket, 40, SOCK_STREAM, 0) >= 0);
}

static void
listen_to_locks(void)
{
	const int whole = open(shared_file, O_RDONLY | O_CLOEXEC);
	const int part = open(locked_file, O_RDONLY | O_CLOEXEC);
	struct flock l = { .l_type = F_WRLCK, .l_start = 0, .l_len = 1 };

	heard("flock", flock(whole, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	heard("record lock", fcntl(part, F_GETLK, &l) == 0 && l.l_type != F_UNLCK);
	l = (struct flock){ .l_type = F_WRLCK, .l_start = 1, .l_len = 1 };
	heard(
	    "open file description lock", fcntl(part, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK);
}

static void
listen_to_futexes(void)
{
	heard("futex on a shared page",
	    syscall(SYS_futex, map_page(MAP_SHARED, 0), FUTEX_WAKE, 1, NULL, NULL, 0) > 0);
	heard("futex on a private page",
	    syscall(SYS_futex, map_page(MAP_PRIVATE, 1), FUTEX_WAKE, 1, NULL, NULL, 0) > 0);
}

/* Pages of a file that are in memory, as a read that must not wait sees it. */
static bool
resident_to_read(const char *path)
{
	char byte;
	struct iovec part = { &byte, 1 };
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const bool is = preadv2(fd, &part, 1, 0, RWF_NOWAIT) == 1;

	(void)close(fd);
	return is;
}

static bool
resident_to_mincore(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	unsigned char in_memory = 0;

	(void)close(fd);
	return p != MAP_FAILED && mincore(p, PAGE, &in_memory) == 0 && (in_memory & 1) != 0;
}

static long long
ns_of_read(const char *path)
{
	struct timespec from, to;
	char byte;
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	(void)!pread(fd, &byte, 1, 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	(void)close(fd);
	return (to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec - from.tv_nsec;
}

/* Pairs of a file that the other job read and one that nobody did: each look brings its own pages
 * in. */
static void
listen_to_page_cache(char **files)
{
	struct stat st;

	heard("page cache by mincore",
	    resident_to_mincore(files[0]) && !resident_to_mincore(files[1]));
	heard(
	    "page cache by RWF_NOWAIT", resident_to_read(files[0]) && !resident_to_read(files[1]));
	if (stat(files[0], &st) == 0)
		heard("time of access", time(NULL) - st.st_atime < RECENT_S);
	fact_number("ns of a page that was read", ns_of_read(files[2]));
	fact_number("ns of a page that was not", ns_of_read(files[3]));
}

/* listen_for READ UNREAD READ UNREAD */
int
act_listen_for(char **argv)
{
	struct sysinfo s;

	listen_to_page_cache(argv);
	for (size_t i = 0; i < LEN(places); i++)
		heard(places[i], access(places[i], F_OK) == 0);
	listen_to_sockets();
	listen_to_objects();
	listen_to_locks();
	listen_to_futexes();
	if (sysinfo(&s) == 0)
		fact_number("processes of the host", s.procs);
	return 0;
}

/* mark READ UNREAD READ UNREAD [self] */
int
act_mark(char **argv)
{
	const bool self = argv[4] != NULL;

	for (size_t i = 0; i < LEN(places); i++)
		fact_rc("mark file", open(places[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	mark_sockets();
	mark_objects();
	mark_locks();
	mark_futexes();
	read_whole(argv[0]);
	read_whole(argv[2]);
	(void)usleep(20000); /* the threads have to fall asleep */
	if (self)
		return act_listen_for(argv);
	mark_processes();
	fact("marks", "are set");
	wait_for_the_end();
	return 0;
}

/* --- counters of users --------------------------------------------------------------------------
 */

static long
large_pipes(void)
{
	int ends[2];
	long n = 0;

	while (n < 1000 && pipe2(ends, O_CLOEXEC) == 0 &&
	       fcntl(ends[1], F_SETPIPE_SZ, SIZE_OF_PIPE) > 0)
		n++;
	return n;
}

static long
queued_signals(void)
{
	const union sigval value = { .sival_int = 0 };
	sigset_t set;
	long n = 0;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGRTMAX);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	while (n < 100000 && sigqueue(getpid(), SIGRTMAX, value) == 0)
		n++;
	return n;
}

/* exhaust [hold]: how much a user gets of what the kernel counts by user. */
int
act_exhaust(char **argv)
{
	char *p = mmap(NULL, 16 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long locked = 0;

	while (locked < 4096 && mlock(p + locked * PAGE, PAGE) == 0)
		locked++;
	fact_number("large pipes", large_pipes());
	fact_number("queued signals", queued_signals());
	fact_number("locked pages", locked);
	if (argv[0] != NULL) {
		fact("counters", "are taken");
		wait_for_the_end();
	}
	return 0;
}
