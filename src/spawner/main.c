/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wardian-spawner: the only privileged program.  main() opens what is needed with full rights,
 * drops every capability that building sandboxes does not take, leaves the network, and becomes a
 * monitor that starts the worker, starts it again when it dies, and reaps the keepers of dead
 * workers.  The listening socket and the lock belong to the monitor, so that a daemon's connection
 * waits through the worker's death instead of being refused.
 */
#include "spawner_internal.h"

#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* since Linux 6.3; older kernels answer EINVAL */
#endif

enum {
	EXIT_USAGE = 2,
	SOCKET_MODE = 0660,
	BACKLOG = 16,
	OPEN_FILES = 1 << 16, /* two per run, and room to build */
	KEEPER_MAX = 64 << 20,
	RESTARTS_MAX = 5, /* in RESTARTS_MS; then something is wrong that a restart does not mend */
	RESTARTS_MS = 60000,
	UID_BASE_MIN = 65536,
	LOCK_MS = 1000,
	LOCK_RETRY_MS = 20,
};

#define CAP(name) (UINT64_C(1) << CAP_##name)
/* Namespaces, mounts and groups; ids and their maps; files of the daemon and of tenants; devices;
 * signals to keepers; loopback; descriptors. */
static const uint64_t spawner_caps = CAP(SYS_ADMIN) | CAP(SETUID) | CAP(SETGID) | CAP(SETPCAP) |
				     CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH) |
				     CAP(FOWNER) | CAP(FSETID) | CAP(MKNOD) | CAP(KILL) |
				     CAP(NET_ADMIN) | CAP(SYS_RESOURCE);
#undef CAP

struct options {
	const char *state;
	const char *user;
	const char *keeper;
	int64_t uid_base;
	bool foreground;
	bool help;
};

static const char usage[] =
    "usage: wardian-spawner --state DIR --user NAME --uid-base N --keeper PATH [--foreground]\n"
    "Builds sandboxes for wardiand. Listens on DIR/spawner.sock for root and NAME; jobs run under\n"
    "host uids from N on, 1024 for each tenant. Returns when it is ready, or stays with "
    "--foreground.\n";

static int
parse_options(int argc, char **argv, struct options *o, struct err *e)
{
	static const struct option names[] = { { "state", required_argument, NULL, 's' },
		{ "user", required_argument, NULL, 'u' },
		{ "uid-base", required_argument, NULL, 'b' },
		{ "keeper", required_argument, NULL, 'k' },
		{ "foreground", no_argument, NULL, 'f' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	int c;

	*o = (struct options){ 0 };
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 's')
			o->state = optarg;
		else if (c == 'u')
			o->user = optarg;
		else if (c == 'k')
			o->keeper = optarg;
		else if (c == 'f')
			o->foreground = true;
		else if (c == 'h')
			o->help = true;
		else if (c != 'b')
			return err_set(e, ERR_USAGE, "see wardian-spawner --help for the options");
		else if (parse_i64(
			     optarg, UID_BASE_MIN, UINT32_MAX - KEEPER_UIDS, &o->uid_base, e) < 0)
			return err_wrap(e, "--uid-base");
	}
	/* Leaving a chroot moves the working directory. */
	if (!o->help && ((o->state != NULL && o->state[0] != '/') ||
			    (o->keeper != NULL && o->keeper[0] != '/')))
		return err_set(e, ERR_USAGE, "--state and --keeper must be absolute paths");
	if (!o->help && (optind != argc || o->state == NULL || o->user == NULL ||
			    o->keeper == NULL || o->uid_base == 0))
		return err_set(e, ERR_USAGE,
		    "--state, --user, --uid-base and --keeper are needed; see wardian-spawner "
		    "--help");
	return 0;
}

/* A caller may have ignored or blocked signals; exec keeps both, and jobs would inherit them. */
static void
reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* not all may be set */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int
find_user(const struct options *o, struct spawner *s, struct err *e)
{
	const struct passwd *pw;

	REQUIRE(o->user != NULL);
	pw = getpwnam(o->user);
	if (pw == NULL)
		return err_set(e, ERR_CONF,
		    "there is no user '%s'; create it or name another with --user", o->user);
	if (pw->pw_uid >= o->uid_base)
		return err_set(e, ERR_CONF,
		    "user '%s' lies in the range of jobs' uids; change --uid-base", o->user);
	s->user = pw->pw_uid;
	s->group = pw->pw_gid;
	s->uid_base = (uid_t)o->uid_base;
	return 0;
}

/* One spawner for one state directory; the name of our control groups comes from its identity. */
static int
open_state(const struct options *o, struct spawner *s, struct err *e)
{
	struct deadline until = deadline_in_ms(LOCK_MS);
	struct stat st;
	int lock;

	s->state_fd = open(o->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->state_fd < 0 || fstat(s->state_fd, &st) < 0)
		return err_sys(e, errno, "cannot open the state directory %s", o->state);
	(void)snprintf(s->cgroup_base, sizeof(s->cgroup_base), "wardian-%jx-%jx",
	    (uintmax_t)st.st_dev, (uintmax_t)st.st_ino); /* fits */
	/* The daemon's user can put anything there, a link or a FIFO among them. */
	lock = openat(s->state_fd, "spawner.lock",
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (lock < 0)
		return err_sys(e, errno, "cannot open the lock of the state directory");
	/* Held by this descriptor, which stays open until the last of our processes ends; those of
	 * one that was killed take a moment. */
	while (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		if (deadline_passed(until))
			return err_set(
			    e, ERR_CONFLICT, "another spawner serves this state directory");
		(void)poll(NULL, 0, LOCK_RETRY_MS);
	}
	return 0;
}

/* The socket is born with its final owner, group and mode: a change by path could be led elsewhere,
 * since the directory is the daemon's. */
static int
bind_socket(struct spawner *s, int fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t mask = umask(0777 & ~SOCKET_MODE);
	int rc;

	(void)setfsgid(s->group);
	(void)unlinkat(s->state_fd, "spawner.sock", 0); /* left by one that was killed */
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/spawner.sock",
	    s->state_fd); /* fits, however long the state directory's path is */
	rc = bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
	(void)setfsgid(getegid());
	(void)umask(mask);
	/* The change of group made this process undumpable, whose children's user namespaces it
	 * could then not open without CAP_SYS_PTRACE. */
	return rc < 0 ? -1 : prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int
open_socket(struct spawner *s, struct err *e)
{
	s->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listen_fd < 0 || bind_socket(s, s->listen_fd) < 0 ||
	    listen(s->listen_fd, BACKLOG) < 0)
		return err_sys(e, errno, "cannot listen on spawner.sock in the state directory");
	return 0;
}

/* A sealed copy: what runs as PID 1 of a sandbox cannot be changed from inside it, nor replaced
 * under a living spawner by an upgrade that changed the protocol. */
static int
load_keeper(const struct options *o, struct spawner *s, struct err *e)
{
	AUTO_FD int file = open(o->keeper, O_RDONLY | O_CLOEXEC);
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	ssize_t n = 1;
	off_t at = 0;

	if (file < 0)
		return err_sys(e, errno, "cannot open the keeper %s", o->keeper);
	s->keeper_fd = memfd_create("wardian-keeper", flags | MFD_EXEC);
	if (s->keeper_fd < 0 && errno == EINVAL)
		s->keeper_fd = memfd_create("wardian-keeper", flags);
	if (s->keeper_fd < 0)
		return err_sys(e, errno, "cannot make a memory file");
	while (n > 0 && at < KEEPER_MAX)
		n = sendfile(s->keeper_fd, file, &at, KEEPER_MAX);
	if (n < 0)
		return err_sys(e, errno, "cannot read the keeper");
	if (fcntl(s->keeper_fd, F_ADD_SEALS,
		F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(e, errno, "cannot seal the keeper");
	return 0;
}

static int
drop_privileges(struct err *e)
{
	struct rlimit files, raised;

	/* Two descriptors per run; a host that allows fewer runs fewer at once.  The hard limit is
	 * also the jobs' upper bound. */
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_sys(e, errno, "cannot read the limit of open files");
	raised = files;
	if (raised.rlim_max < OPEN_FILES)
		raised.rlim_max = OPEN_FILES;
	raised.rlim_cur = OPEN_FILES;
	if (setrlimit(RLIMIT_NOFILE, &raised) < 0) {
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) < 0)
			return err_sys(e, errno, "cannot raise the limit of open files");
	}
	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(
		    e, errno, "cannot leave the network; the spawner must be started as root");
	if (caps_keep(spawner_caps) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "cannot drop capabilities");
	return 0;
}

static int
spawner_open(const struct options *o, struct spawner *s, struct err *e)
{
	if (geteuid() != 0)
		return err_set(
		    e, ERR_DENIED, "the spawner builds sandboxes and must be started as root");
	if (own_root_take(e) < 0)
		return -1;
	if (find_user(o, s, e) < 0 || open_state(o, s, e) < 0 || load_keeper(o, s, e) < 0)
		return -1;
	if (drop_privileges(e) < 0)
		return -1;
	return open_socket(s, e);
}

/* --- monitor -------------------------------------------------------------------------------- */

static pid_t
start_worker(const struct spawner *s)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(worker_main(s));
	return pid;
}

/* Reaps whatever has ended; true with the worker's status when it is among them. */
static bool
reap_all(pid_t worker, int *ret_status)
{
	bool found = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == worker) {
			*ret_status = status;
			found = true;
		}
	return found;
}

/* Waits for the worker's end; a SIGTERM meanwhile is handed on. */
static int
watch_worker(pid_t worker, const sigset_t *set)
{
	int status = 0;

	while (!reap_all(worker, &status)) {
		siginfo_t info;

		if (sigwaitinfo(set, &info) == SIGTERM)
			(void)kill(worker, SIGTERM);
	}
	return status;
}

/* Removes the socket only if it is still ours: a successor may have bound its own by now. */
static int
monitor(const struct spawner *s, const sigset_t *set)
{
	struct deadline window = { 0 };
	int restarts = 0;

	for (;;) {
		pid_t worker = start_worker(s);
		int status = worker < 0 ? 1 : watch_worker(worker, set);

		if (status == 0)
			break;
		if (deadline_passed(window) || window.mono_ns == 0) {
			window = deadline_in_ms(RESTARTS_MS);
			restarts = 0;
		}
		if (++restarts > RESTARTS_MAX) {
			log_error(&s->log, "the worker keeps dying; giving up, runs go on");
			return 1;
		}
		log_warn(&s->log, "the worker died (status %d); starting another", status);
	}
	(void)unlinkat(s->state_fd, "spawner.sock", 0); /* the lock is still ours, so this is too */
	return 0;
}

static int
run_monitor(const struct spawner *s, int ready_fd)
{
	sigset_t all, set;

	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return 1;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	if (ready_fd >= 0 && write(ready_fd, "r", 1) != 1)
		return 1;
	fd_close(&ready_fd);
	return monitor(s, &set);
}

/* The parent stays until the child listens, so that whoever started us may connect at once. */
static int
go_background(const struct spawner *s)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return 1;
	if (pid == 0) {
		(void)close(ready[0]);
		(void)setsid();
		_exit(run_monitor(s, ready[1]));
	}
	(void)close(ready[1]);
	return read(ready[0], &byte, 1) == 1 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct log_sink sink = {
		.fd = STDERR_FILENO, .min_level = LOG_LEVEL_INFO, .format = LOG_FORMAT_JSON
	};
	struct spawner s = { .state_fd = -1,
		.listen_fd = -1,
		.keeper_fd = -1,
		.log = { .sink = &sink, .component = "spawner" } };
	struct err e = { 0 };
	struct options o;

	if (parse_options(argc, argv, &o, &e) < 0) {
		(void)fprintf(stderr, "wardian-spawner: %s\n", e.msg);
		return EXIT_USAGE;
	}
	if (o.help)
		return fputs(usage, stdout) < 0;
	(void)close_range(STDERR_FILENO + 1, ~0u, 0);
	reset_signals();
	(void)umask(0);
	if (spawner_open(&o, &s, &e) < 0) {
		log_err(&s.log, LOG_LEVEL_ERROR, &e, "start");
		return err_exit_status(e.code);
	}
	if (chdir("/") < 0)
		return 1;
	return o.foreground ? run_monitor(&s, -1) : go_background(&s);
}
