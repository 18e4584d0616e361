/* SPDX-License-Identifier: Apache-2.0 */
/* Ways to end, not to end, and to be seen by the wrong processes. */
#include "probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- outliving -------------------------------------------------------------------------------- */

/* Daemons in sessions of their own, twice forked, stopped, and with every signal ignored. */
int
act_escape(char **argv)
{
	for (long i = argument(argv, 0, 20); i > 0; i--) {
		if (fork() != 0)
			continue;
		(void)setsid();
		if (fork() != 0)
			_exit(0);
		for (int sig = 1; sig < 65; sig++)
			(void)signal(sig, SIG_IGN);
		(void)syscall(SYS_close_range, 0, ~0u, 0);
		if (i % 3 == 0)
			(void)raise(SIGSTOP);
		wait_for_the_end();
	}
	(void)usleep(50000);
	return 7;
}

int
act_signals_out(char **argv)
{
	long found = 0;

	(void)argv;
	fact_rc("first process", kill(1, SIGKILL));
	fact_rc("first process, question", kill(1, 0));
	fact_rc("parent", kill(getppid(), SIGKILL));
	fact_rc("everybody", kill(-1, SIGKILL));
	for (pid_t pid = 2; pid < 100000; pid++)
		found += pid != getpid() && (kill(pid, 0) == 0 || errno != ESRCH);
	fact_number("processes found", found);
	for (pid_t pid = 1; pid < 65536; pid++)
		if (pid != getpid())
			(void)syscall(SYS_tgkill, pid, pid, SIGKILL);
	fact("main process", "is there");
	return 0;
}

/* stopped stop|tty: nobody will let it go on. */
int
act_stopped(char **argv)
{
	fact("begins", "%s", argv[0]);
	if (strcmp(argv[0], "tty") == 0)
		(void)raise(SIGTTOU);
	(void)raise(SIGSTOP);
	wait_for_the_end();
	return 0;
}

/* vfork's child never executes: the parent sleeps where only SIGKILL reaches it. */
int
act_stuck(char **argv)
{
	(void)argv;
	for (int sig = 1; sig < 65; sig++)
		(void)signal(sig, SIG_IGN);
	fact("begins", "stuck");
	if (syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0) == 0)
		wait_for_the_end();
	return 0;
}

/* --- the dead -----------------------------------------------------------------------------------
 */

int
act_zombies(char **argv)
{
	long made = 0;

	(void)argv;
	for (; made < 100000; made++) {
		const pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0)
			break;
	}
	fact_rc("fork", made == 100000 ? 0 : -1);
	fact_number("zombies", made);
	return 0;
}

/* Their parents end before they do, so somebody else has to reap them. */
int
act_orphans(char **argv)
{
	long made = 0;

	for (; made < argument(argv, 0, 1000); made++) {
		const pid_t pid = fork();

		if (pid == 0) {
			(void)fork();
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			break;
	}
	fact_number("orphans", made);
	return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void
dump_core(void)
{
	const size_t n = (size_t)1 << 30;
	struct rlimit limit;
	char *p = mmap(
	    NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (size_t at = 0; p != MAP_FAILED && at < n; at += n / 16)
		p[at] = 1;
	(void)getrlimit(RLIMIT_CORE, &limit);
	fact("limit of cores", "%lu %lu", limit.rlim_cur, limit.rlim_max);
	limit = (struct rlimit){ RLIM_INFINITY, RLIM_INFINITY };
	fact_rc("raised", setrlimit(RLIMIT_CORE, &limit));
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	abort();
}

static void
end_without_tables(const char *how)
{
	volatile int *nowhere = NULL;

	if (strcmp(how, "null") == 0)
		*nowhere = 1;
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "core") == 0)
		dump_core();
	if (strcmp(how, "bus") == 0) {
		const int fd = memfd_create("m", MFD_CLOEXEC);
		volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

		(void)*p;
	}
}

/* die exit N | signal N | null | abort | core | bus */
int
act_die(char **argv)
{
	const int n = (int)argument(argv, 1, 0);

	if (strcmp(argv[0], "exit") == 0)
		_exit(n);
	if (strcmp(argv[0], "signal") == 0)
		(void)kill(getpid(), n);
	end_without_tables(argv[0]);
	return 99;
}

/* --- programs -----------------------------------------------------------------------------------
 */

static long
execute(const void *path)
{
	char *argv[] = { NULL, NULL };
	char word[] = "word";

	argv[0] = word;
	return execve(path, argv, environ);
}

static void
put_program(const char *path, const void *bytes, size_t n)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		fact_rc(path, -1);
	(void)fchmod(fd, 0755);
	(void)close(fd);
}

static long
execute_memory(const void *arg)
{
	char *argv[] = { NULL, NULL };
	char word[] = "true";
	const int fd = memfd_create("program", MFD_CLOEXEC);
	static char bytes[1 << 20];
	const int from = open("/usr/bin/true", O_RDONLY | O_CLOEXEC);
	const ssize_t n = read(from, bytes, sizeof(bytes));

	(void)arg;
	argv[0] = word;
	if (fd < 0 || n <= 0 || write(fd, bytes, (size_t)n) != n)
		return -1;
	return syscall(SYS_execveat, fd, "", argv, environ, 0x1000);
}

static long
execute_too_much(const void *arg)
{
	static char word[(128 << 10) + 1];
	char *argv[] = { word, NULL };

	(void)arg;
	memset(word, 'x', sizeof(word) - 1);
	return execve("/usr/bin/true", argv, environ);
}

/* What cannot be executed is the program's own affair: an errno, and no harm. */
int
act_executions(char **argv)
{
	static const char arm[20] = "\x7f"
				    "ELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7";

	(void)argv;
	put_program("not-elf", "nothing", 7);
	put_program("arm", arm, sizeof(arm));
	put_program("script-loop", "#!/work/script-loop\n", 20);
	put_program("no-interpreter", "#!/no/such/interpreter\n", 23);
	fact_child("no program", execute, "not-elf");
	fact_child("another machine's", execute, "arm");
	fact_child("a script that runs itself", execute, "script-loop");
	fact_child("no interpreter", execute, "no-interpreter");
	fact_child("a missing file", execute, "missing");
	fact_child("a directory", execute, "/usr");
	fact_child("a device", execute, "/dev/null");
	fact_child("too long a word", execute_too_much, NULL);
	fact_child("a memory file", execute_memory, NULL);
	fact_child("a memory file, again", execute_memory, NULL);
	return 0;
}

/* The ids of a set-user-ID program while it runs: its help does not fit into a pipe of one page. */
int
act_set_user_id(char **argv)
{
	char path[64], text[4096] = "";
	int ends[2];
	ssize_t n = 0;
	pid_t pid;
	int fd;

	if (pipe2(ends, 0) < 0 || fcntl(ends[1], F_SETPIPE_SZ, 4096) < 0)
		return 1;
	memset(text, 'x', sizeof(text));
	(void)!write(ends[1], text, sizeof(text));
	pid = fork();
	if (pid == 0) {
		(void)dup2(ends[1], 1);
		(void)dup2(ends[1], 2);
		(void)execl(argv[0], argv[0], "--help", (char *)NULL);
		_exit(1);
	}
	(void)usleep(100000);
	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		if (strncmp(line, "Name:", 5) == 0 || strncmp(line, "Uid:", 4) == 0 ||
		    strncmp(line, "CapEff:", 7) == 0)
			fact("set-user-ID program", "%s", line);
	(void)kill(pid, SIGKILL);
	return 0;
}

/* --- what processes may do to themselves --------------------------------------------------------
 */

int
act_names_of_processes(char **argv)
{
	(void)argv;
	fact_rc("name", prctl(PR_SET_NAME, "\x1b[31m\n\"\\\xff"));
	fact_rc("death signal", prctl(PR_SET_PDEATHSIG, SIGKILL));
	fact_rc("subreaper", prctl(PR_SET_CHILD_SUBREAPER, 1));
	fact_rc("dumpable", prctl(PR_SET_DUMPABLE, 1));
	fact_rc("keep capabilities", prctl(PR_SET_KEEPCAPS, 1));
	fact_rc("secure bits", prctl(PR_SET_SECUREBITS, 0));
	fact_rc("ambient capability", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0));
	fact_rc("core scheduling", prctl(62 /* PR_SCHED_CORE */, 1, 0, 0, 0));
	fact_rc("no number", prctl(0x12345678));
	(void)!write(2, "\x1b]0;title\x07\x1b[2J\x1b[31m\r\n\0", 20);
	return 0;
}

struct scheduling {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void
raise_limit(const char *name, unsigned resource)
{
	struct rlimit now;

	if (getrlimit(resource, &now) == 0) {
		now.rlim_cur = now.rlim_max =
		    now.rlim_max == RLIM_INFINITY ? now.rlim_max : now.rlim_max + 1;
		fact_rc(name, setrlimit(resource, &now));
	}
}

int
act_limits_raised(char **argv)
{
	const struct sched_param fifo = { .sched_priority = 1 };
	const struct scheduling deadline = { .size = sizeof(deadline),
		.policy = 6,
		.runtime = 1000000,
		.deadline = 10000000,
		.period = 10000000 };

	(void)argv;
	raise_limit("open files", RLIMIT_NOFILE);
	raise_limit("cores", RLIMIT_CORE);
	raise_limit("locked memory", RLIMIT_MEMLOCK);
	raise_limit("file size", RLIMIT_FSIZE);
	raise_limit("queued signals", RLIMIT_SIGPENDING);
	raise_limit("real-time priority", RLIMIT_RTPRIO);
	raise_limit("nice limit", RLIMIT_NICE);
	raise_limit("message queues", RLIMIT_MSGQUEUE);
	fact_rc("nice", setpriority(PRIO_PROCESS, 0, -20));
	fact_rc("fifo", sched_setscheduler(0, SCHED_FIFO, &fifo));
	fact_rc("round robin", sched_setscheduler(0, SCHED_RR, &fifo));
	fact_rc("deadline", syscall(SYS_sched_setattr, 0, &deadline, 0));
	fact_rc("io priority", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
	return 0;
}

/* Writes below /proc/self that would change who is killed, or who one is. */
int
act_memory_file(char **argv)
{
	static const char *const paths[] = { "/proc/self/mem", "/proc/1/mem", "/proc/2/mem",
		"/proc/thread-self/mem" };

	(void)argv;
	for (size_t i = 0; i < LEN(paths); i++)
		fact_rc(paths[i], open(paths[i], O_RDWR | O_CLOEXEC));
	return 0;
}

/* watch_others SECONDS: looks for processes that are being set up, and takes hold of them. */
int
act_watch_others(char **argv)
{
	const long long end = now_ms() + argument(argv, 0, 1) * 1000;
	long rounds = 0, seen = 0, held = 0;

	for (; now_ms() < end; rounds++)
		for (pid_t pid = 1; pid < 64; pid++) {
			char path[32];

			if (pid == getpid())
				continue;
			(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
			seen += access(path, F_OK) == 0;
			held += open(path, O_RDWR | O_CLOEXEC) >= 0;
			held += syscall(SYS_ptrace, PTRACE_SEIZE, pid, 0, 0) == 0;
			held += syscall(SYS_pidfd_open, pid, 0) >= 0 && pid != 1;
		}
	fact("rounds", "%s", rounds > 10 ? "many" : "few");
	fact_number("seen", seen);
	fact_number("held", held);
	return 0;
}
