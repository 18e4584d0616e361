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
#include <sys/syscall.h>
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
	OPEN_FILES = 1 << 18, /* two per run, up to twenty for its groups, and room to build */
	WARM_DEFAULT = 2,
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
/* To map the id that is root in the user namespace of an ordinary user's spawner. */
static const uint64_t one_uid_caps = CAP(SETFCAP);
#undef CAP

struct options {
	const char *state;
	const char *user;
	const char *keeper;
	int64_t uid_base;
	int64_t warm;
	bool weaker;
	struct gpu_places gpus;
	bool foreground;
	bool standby;
	bool help;
};

static const char usage[] =
    "usage: wardian-spawner --state DIR --user NAME --uid-base N --keeper PATH [--warm N]\n"
    "                       [--foreground | --standby]\n"
    "       wardian-spawner --state DIR --keeper PATH --weaker allow [...]\n"
    "Builds sandboxes for wardiand. Listens on DIR/spawner.sock for root and NAME; jobs run under\n"
    "host uids from N on, 1024 for each tenant. Returns when it is ready, or stays with "
    "--foreground.\n"
    "--warm: sandboxes made ahead for each tenant and environment in use, 0 to 8; 2 by default.\n"
    "--gpu-dev, --gpu-proc, --gpu-libraries: directories to find GPUs in; the host's by default.\n"
    "With --standby it returns at once and serves when the spawner that is there has ended.\n"
    "Started by an ordinary user it serves that user alone, whose uid all jobs then have, and\n"
    "starts none unless told --weaker allow (refuse by default).\n";

static int
parse_value(int c, const char *text, struct options *o, struct err *e)
{
	if (c == 'r' && (strcmp(text, "allow") == 0 || strcmp(text, "refuse") == 0)) {
		o->weaker = text[0] == 'a';
		return 0;
	}
	if (c == 'r')
		return err_set(e, ERR_USAGE, "--weaker is refuse or allow");
	if (c == 'm')
		return parse_i64(text, 0, WARM_MAX, &o->warm, e) < 0 ? err_wrap(e, "--warm") : 0;
	if (c != 'b')
		return err_set(e, ERR_USAGE, "see wardian-spawner --help for the options");
	return parse_i64(text, UID_BASE_MIN, UINT32_MAX - KEEPER_UIDS, &o->uid_base, e) < 0
		   ? err_wrap(e, "--uid-base")
		   : 0;
}

static int
parse_options(int argc, char **argv, struct options *o, struct err *e)
{
	static const struct option names[] = { { "state", required_argument, NULL, 's' },
		{ "user", required_argument, NULL, 'u' },
		{ "uid-base", required_argument, NULL, 'b' },
		{ "keeper", required_argument, NULL, 'k' },
		{ "warm", required_argument, NULL, 'm' },
		{ "weaker", required_argument, NULL, 'r' },
		{ "gpu-dev", required_argument, NULL, 'D' },
		{ "gpu-proc", required_argument, NULL, 'P' },
		{ "gpu-libraries", required_argument, NULL, 'L' },
		{ "foreground", no_argument, NULL, 'f' }, { "standby", no_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	int c;

	*o = (struct options){ .warm = WARM_DEFAULT };
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 's')
			o->state = optarg;
		else if (c == 'u')
			o->user = optarg;
		else if (c == 'k')
			o->keeper = optarg;
		else if (c == 'f')
			o->foreground = true;
		else if (c == 'w')
			o->standby = true;
		else if (c == 'h')
			o->help = true;
		else if (c == 'D')
			o->gpus.dev = optarg;
		else if (c == 'P')
			o->gpus.proc = optarg;
		else if (c == 'L')
			o->gpus.libraries = optarg;
		else if (parse_value(c, optarg, o, e) < 0)
			return -1;
	}
	/* Leaving a chroot moves the working directory. */
	if (!o->help && ((o->state != NULL && o->state[0] != '/') ||
			    (o->keeper != NULL && o->keeper[0] != '/')))
		return err_set(e, ERR_USAGE, "--state and --keeper must be absolute paths");
	if (o->help)
		return 0;
	if (optind != argc || o->state == NULL || o->keeper == NULL)
		return err_set(
		    e, ERR_USAGE, "--state and --keeper are needed; see wardian-spawner --help");
	if (geteuid() == 0 && (o->user == NULL || o->uid_base == 0))
		return err_set(e, ERR_USAGE,
		    "--user and --uid-base are needed when root starts it; see wardian-spawner "
		    "--help");
	if (geteuid() != 0 && (o->user != NULL || o->uid_base != 0))
		return err_set(e, ERR_USAGE,
		    "--user and --uid-base are root's to use: an ordinary user's spawner serves "
		    "that user with that user's uid; start it as root, or leave them out");
	return 0;
}

/* A caller may have ignored or blocked signals; exec keeps both, and jobs would inherit them.  The
 * C library keeps two of them to itself and refuses to touch those, so the kernel is asked. */
static void
reset_signals(void)
{
	const struct {
		void *handler; /* NULL: SIG_DFL */
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} by_default = { 0 };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)syscall(SYS_rt_sigaction, sig, &by_default, NULL,
		    sizeof(by_default.mask)); /* EINVAL for KILL and STOP, which are so anyway */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the user namespace of an ordinary user's spawner every id is that user's, and is 0. */
static void
serve_oneself(const struct options *o, struct spawner *s)
{
	s->one_uid = true;
	s->refuses = !o->weaker;
	if (s->refuses)
		log_error(&s->log,
		    "no run is started: without root all tenants' jobs would share this user's "
		    "uid; "
		    "start the spawner as root (deploy/systemd/wardian-spawner.service), or accept "
		    "it with the setting sandbox.weaker=allow (--weaker allow)");
	else
		log_warn(&s->log,
		    "this spawner was started without root: jobs of all tenants run under this "
		    "user's uid; wardian doctor says what else is weaker");
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

/* The daemon's user can put anything there, a link or a FIFO among them. */
static int
open_lock(const struct spawner *s, const char *name, struct err *e)
{
	int fd =
	    openat(s->state_fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(e, errno, "cannot open a lock of the state directory") : fd;
}

/* Held by the descriptor, which stays open until the last of our processes ends; those of a spawner
 * that was killed take a moment. */
static int
take_lock(const struct options *o, int lock, struct err *e)
{
	struct deadline until = deadline_in_ms(LOCK_MS);

	while (flock(lock, LOCK_EX | (o->standby ? 0 : LOCK_NB)) < 0) {
		if (errno == EINTR)
			continue;
		if (deadline_passed(until))
			return err_set(
			    e, ERR_CONFLICT, "another spawner serves this state directory");
		(void)poll(NULL, 0, LOCK_RETRY_MS);
	}
	return 0;
}

/* One is enough to wait. */
static int
stand_by(const struct spawner *s, int *ret_fd, struct err *e)
{
	*ret_fd = open_lock(s, "spawner.next", e);
	if (*ret_fd < 0)
		return -1;
	if (flock(*ret_fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_CONFLICT, "another spawner is waiting already");
	return 0;
}

/* One spawner for one state directory; the name of our control groups comes from its identity. */
static int
open_state(const struct options *o, struct spawner *s, struct err *e)
{
	struct stat st;
	int lock, next = -1;

	s->state_fd = open(o->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->state_fd < 0 || fstat(s->state_fd, &st) < 0)
		return err_sys(e, errno, "cannot open the state directory %s", o->state);
	(void)snprintf(s->cgroup_base, sizeof(s->cgroup_base), "wardian-%jx-%jx",
	    (uintmax_t)st.st_dev, (uintmax_t)st.st_ino); /* fits */
	if (o->standby && stand_by(s, &next, e) < 0)
		return -1;
	lock = open_lock(s, "spawner.lock", e);
	if (lock < 0 || take_lock(o, lock, e) < 0)
		return -1;
	fd_close(&next);
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
drop_privileges(uint64_t caps, struct err *e)
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
	if (caps_keep(caps) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "cannot drop capabilities");
	return 0;
}

static int
spawner_open(const struct options *o, struct spawner *s, struct err *e)
{
	const bool root = geteuid() == 0;

	if ((!root && own_user_take(e) < 0) || own_root_take(e) < 0)
		return -1;
	if (!root)
		serve_oneself(o, s);
	else if (find_user(o, s, e) < 0)
		return -1;
	if (open_state(o, s, e) < 0 || load_keeper(o, s, e) < 0)
		return -1;
	if (gpu_host_open(&o->gpus, &s->gpus, e) < 0)
		return -1;
	s->warm = (size_t)o->warm;
	if (drop_privileges(root ? spawner_caps : spawner_caps | one_uid_caps, e) < 0)
		return -1;
	return open_socket(s, e);
}

/* --- monitor -------------------------------------------------------------------------------- */

static pid_t
start_worker(const struct spawner *s)
{
	const pid_t monitor = getpid();
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	/* It ends with the monitor, even with one that is dead already. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != monitor)
		_exit(1);
	_exit(worker_main(s));
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

/* 0 in the child, which nobody waits for. */
static pid_t
leave_caller(void)
{
	pid_t pid = fork();

	if (pid == 0)
		(void)setsid();
	return pid;
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
	int rc;

	if (parse_options(argc, argv, &o, &e) < 0) {
		(void)fprintf(stderr, "wardian-spawner: %s\n", e.msg);
		return EXIT_USAGE;
	}
	if (o.help)
		return fputs(usage, stdout) < 0;
	(void)close_range(STDERR_FILENO + 1, ~0u, 0);
	reset_signals();
	(void)umask(0);
	if (o.standby && leave_caller() != 0)
		return 0;
	if (spawner_open(&o, &s, &e) < 0) {
		log_err(&s.log, LOG_LEVEL_ERROR, &e, "start");
		return err_exit_status(e.code);
	}
	if (chdir("/") < 0)
		rc = 1;
	else
		rc = o.foreground || o.standby ? run_monitor(&s, -1) : go_background(&s);
	gpu_host_free(s.gpus);
	return rc;
}
