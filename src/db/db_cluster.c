/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private PostgreSQL: a server of our own on a Unix socket inside a 0700 directory, where trust
 * authentication means "whoever is this user".  It is a session of its own, so that a daemon that
 * crashes leaves it running, and the next one adopts it: the pid in postmaster.pid counts when that
 * process works in our data directory.  A pid file that names somebody else's process is removed
 * only when no process at all works in the data directory, because it is what keeps two servers
 * apart.
 */
#include "db_cluster_internal.h"
#include "db_owner_internal.h"

#include "fd.h"
#include "parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	START_TIMEOUT_MS = 120 * 1000, /* recovery after a crash replays up to max_wal_size */
	FAST_TIMEOUT_MS = 20 * 1000,
	IMMEDIATE_TIMEOUT_MS = 5 * 1000,
	PAUSE_MS = 50,
	CONNECT_MS = 300,
	SOCKET_PATH_MAX = 100, /* sun_path has 108 bytes, libpq and the server need a few */
	URL_SIZE = 256,
	DIR_SIZE = SOCKET_PATH_MAX, /* check_path bounds it: what is built from it fits */
	SHORT_PATH_SIZE = DIR_SIZE + 64,
};

struct db_cluster {
	char dir[DIR_SIZE];
	char url[URL_SIZE];
	char bin_dir[PATH_MAX];
	struct log log;
	pid_t pid;
	int pidfd;
	bool child; /* started by this process, so to be reaped by it */
};

/* A cluster that failed to start is stopped, which does nothing to one that never ran. */
static void
db_cluster_free(struct db_cluster *c)
{
	db_cluster_stop(c);
}
AUTO_TYPE(db_cluster);

/* --- directories ------------------------------------------------------------------------------ */

/* One that nobody else can enter: the socket in it asks for no password. */
static int
make_private(const char *path, struct err *e)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "cannot make directory %.150s", path);
	if (lstat(path, &st) < 0)
		return err_sys(e, errno, "cannot look at directory %.150s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return err_set(
		    e, ERR_CONF, "%.150s must be a directory of the daemon's user", path);
	if ((st.st_mode & 077) != 0 && chmod(path, 0700) < 0)
		return err_sys(e, errno, "cannot close directory %.150s to others", path);
	return 0;
}

static int
check_path(const char *dir, struct err *e)
{
	static const char socket_name[] = "/socket/.s.PGSQL.5432";
	size_t room = SOCKET_PATH_MAX - (sizeof(socket_name) - 1);

	if (dir[0] != '/' || strpbrk(dir, "\"'\\,\n") != NULL)
		return err_set(e, ERR_CONF,
		    "the state directory must be an absolute path without quotes, commas and "
		    "backslashes");
	if (strlen(dir) > room)
		return err_set(e, ERR_CONF,
		    "the private database's directory %.120s is too long for a socket; use at most "
		    "%zu bytes",
		    dir, room);
	return 0;
}

static int
make_directories(const char *dir, struct err *e)
{
	static const char *const below[] = { "socket", "log" };
	char path[SHORT_PATH_SIZE];

	if (make_private(dir, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(below); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, below[i]); /* fits */
		if (make_private(path, e) < 0)
			return -1;
	}
	return 0;
}

/* Held while starting, so that two daemons do not run initdb into each other. */
static int
take_start_lock(const char *dir, struct deadline d, int *ret_fd, struct err *e)
{
	AUTO_FD int fd = -1;
	char path[SHORT_PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/start.lock", dir); /* fits */
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, errno, "cannot open %.150s", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, errno, "cannot lock %.150s", path);
		if (deadline_passed(d))
			return err_set(
			    e, ERR_TIMEOUT, "another daemon is starting the private database");
		(void)poll(NULL, 0, PAUSE_MS); /* a short sleep is as good */
	}
	*ret_fd = fd_take(&fd);
	return 0;
}

/* --- who runs already ------------------------------------------------------------------------- */

static bool
works_in(const char *pid, const char *data)
{
	char link[64], cwd[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/%.20s/cwd", pid); /* fits */
	n = readlink(link, cwd, sizeof(cwd) - 1);
	if (n <= 0)
		return false;
	cwd[n] = '\0';
	return strcmp(cwd, data) == 0;
}

/* Whether any process works in the data directory, orphans of a killed server included. */
static bool
anybody_works_in(const char *data)
{
	DIR *d = opendir("/proc");
	bool found = d == NULL; /* when in doubt, somebody does */

	for (struct dirent *f = d == NULL ? NULL : readdir(d); f != NULL && !found; f = readdir(d))
		found = f->d_name[0] >= '1' && f->d_name[0] <= '9' && works_in(f->d_name, data);
	if (d != NULL)
		(void)closedir(d); /* nothing was written */
	return found;
}

/* The pid in postmaster.pid, 0 when there is no such file. */
static int64_t
recorded_pid(int data_fd)
{
	AUTO_FREE char *text = NULL;
	struct err ignored;
	int64_t pid;
	size_t n;

	if (fd_read_file(data_fd, "postmaster.pid", 4096, &text, &n, &ignored) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return parse_i64(text, 1, INT32_MAX, &pid, &ignored) < 0 ? 0 : pid;
}

/* Fills pid and pidfd when our server runs; clears the way for a new one when it does not. */
static int
find_server(struct db_cluster *c, struct deadline d, struct err *e)
{
	AUTO_FD int data_fd = -1;
	char path[SHORT_PATH_SIZE], data[PATH_MAX], text[24];
	int64_t pid;

	(void)snprintf(path, sizeof(path), "%s/data", c->dir); /* fits */
	data_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (data_fd < 0 || realpath(path, data) == NULL)
		return err_sys(e, errno, "cannot open the private database's data");
	pid = recorded_pid(data_fd);
	if (pid == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%lld", (long long)pid); /* fits */
	if (works_in(text, data)) {
		c->pidfd = pidfd_open((pid_t)pid, 0);
		/* Asked again: between the look and the open the pid may have changed hands. */
		if (c->pidfd >= 0 && works_in(text, data)) {
			c->pid = (pid_t)pid;
			return 0;
		}
		fd_close(&c->pidfd);
	}
	while (anybody_works_in(data)) {
		if (deadline_passed(d))
			return err_set(
			    e, ERR_CONF, "processes of a former private database do not end");
		(void)poll(NULL, 0, PAUSE_MS); /* a short sleep is as good */
	}
	if (unlinkat(data_fd, "postmaster.pid", 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "cannot remove a stale postmaster.pid");
	return 0;
}

/* --- starting --------------------------------------------------------------------------------- */

/*
 * Modest memory, no network.  Logs are seven files by weekday, each begun anew after a week; errors
 * of statements are not in them: the daemon sees them all, and a tenant could fill the disk with
 * them.
 */
static const char *const settings[] = {
	"listen_addresses=",
	"port=5432",
	"unix_socket_permissions=0700",
	"shared_buffers=64MB",
	"max_connections=240",
	"max_wal_size=512MB",
	"huge_pages=off",
	"logging_collector=on",
	"log_filename=postgres-%u.log",
	"log_rotation_age=1d",
	"log_rotation_size=0",
	"log_truncate_on_rotation=on",
	"log_min_messages=log",
	"log_min_error_statement=panic",
	"log_checkpoints=off",
	"log_timezone=UTC",
	"timezone=UTC",
	"cluster_name=wardian",
};

static int
start_server(struct db_cluster *c, struct err *e)
{
	AUTO_FD int log_fd = -1;
	char program[PATH_MAX + 16], data[SHORT_PATH_SIZE], sockets[SHORT_PATH_SIZE],
	    logs[SHORT_PATH_SIZE];
	static char opt_data[] = "-D", opt_set[] = "-c";
	char *argv[2 * (ARRAY_LEN(settings) + 2) + 4];
	size_t n = 0;

	(void)snprintf(data, sizeof(data), "%s/postgres.log", c->dir);
	log_fd = open(data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log_fd < 0)
		return err_sys(e, errno, "cannot write %.150s", data);
	(void)snprintf(program, sizeof(program), "%s/postgres", c->bin_dir);
	(void)snprintf(data, sizeof(data), "%s/data", c->dir);
	(void)snprintf(sockets, sizeof(sockets), "unix_socket_directories=\"%s/socket\"", c->dir);
	(void)snprintf(logs, sizeof(logs), "log_directory=%s/log", c->dir);
	argv[n++] = program;
	argv[n++] = opt_data;
	argv[n++] = data;
	for (size_t i = 0; i < ARRAY_LEN(settings) + 2; i++) {
		argv[n++] = opt_set;
		/* execve(2) does not write to its arguments. */
		argv[n++] = i == 0 ? sockets : i == 1 ? logs : (char *)(uintptr_t)settings[i - 2];
	}
	argv[n] = NULL;
	if (db_cluster_spawn(argv, log_fd, &c->pid, e) < 0)
		return -1;
	c->child = true;
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd >= 0)
		return 0;
	(void)err_sys(e, errno, "cannot watch the private database");
	(void)kill(c->pid, SIGINT); /* our child, not yet reaped */
	return -1;
}

static void
reap(struct db_cluster *c)
{
	if (c->child)
		(void)waitpid(c->pid, NULL, WNOHANG); /* it has ended; whoever reaps it is fine */
	fd_close(&c->pidfd);
	c->child = false;
	c->pid = 0;
}

static void
print_url(const struct db_cluster *c, const char *database, char out[static URL_SIZE])
{
	(void)snprintf(out, URL_SIZE, "host='%s/socket' port=5432 user=wardian_admin dbname=%s",
	    c->dir, database); /* fits */
}

/* 1 when it accepts connections, 0 when it has ended. */
static int
wait_ready(struct db_cluster *c, struct deadline d, struct err *e)
{
	AUTO(db_owner) o = NULL;
	char url[URL_SIZE];

	print_url(c, "postgres", url);
	for (;;) {
		int ended = db_cluster_wait_exit(c->pidfd, deadline_in_ms(1), e);

		if (ended != 0)
			return ended < 0 ? -1 : 0;
		if (db_owner_open(url, CONNECT_MS, &o, e) == 0)
			return 1;
		if (deadline_passed(d))
			return err_set(e, ERR_TIMEOUT,
			    "the private database does not accept connections; "
			    "%.120s/log says why",
			    c->dir);
	}
}

static int
make_database(const struct db_cluster *c, struct err *e)
{
	AUTO(db_owner) o = NULL;
	char url[URL_SIZE], has[8];

	print_url(c, "postgres", url);
	if (db_owner_open(url, START_TIMEOUT_MS, &o, e) < 0)
		return -1;
	if (db_owner_text(o, db_owner_stmt(o, "owner_has_database"), has, sizeof(has), e) < 0)
		return -1;
	if (strcmp(has, "true") == 0)
		return 0;
	return db_owner_script(o, db_owner_stmt(o, "owner_create_database"), START_TIMEOUT_MS, e);
}

/* Adopts or starts; a server found while it was stopping ends, and a new one is started. */
static int
bring_up(struct db_cluster *c, struct deadline d, struct err *e)
{
	int ready = 0;

	for (bool started = false; ready == 0; reap(c)) {
		if (started)
			return err_set(e, ERR_CONF,
			    "the private database ended while starting; "
			    "%.100s/postgres.log and log/ beside it say why",
			    c->dir);
		if (find_server(c, d, e) < 0)
			return -1;
		if (c->pid == 0) {
			if (start_server(c, e) < 0)
				return -1;
			started = true;
		}
		ready = wait_ready(c, d, e);
		if (ready != 0)
			break;
	}
	return ready < 0 ? -1 : make_database(c, e);
}

static int
prepare(const char *dir, const char *given_bin_dir, char bin_dir[static PATH_MAX],
    struct deadline d, int *ret_lock, struct err *e)
{
	if (make_directories(dir, e) < 0 || take_start_lock(dir, d, ret_lock, e) < 0 ||
	    db_cluster_find_programs(given_bin_dir, dir, bin_dir, e) < 0)
		return -1;
	return db_cluster_make_data(dir, bin_dir, e);
}

int
db_cluster_start(const struct db_cluster_options *o, struct db_cluster **ret, struct err *e)
{
	AUTO(db_cluster) c = calloc(1, sizeof(*c));
	struct deadline d = deadline_in_ms(START_TIMEOUT_MS);
	AUTO_FD int lock_fd = -1;

	if (c == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for the private database");
	if (geteuid() == 0)
		return err_set(e, ERR_CONF,
		    "PostgreSQL does not run as root; start the daemon as another user, or set "
		    "database.url");
	c->pidfd = -1;
	c->log = o->log;
	if (check_path(o->dir, e) < 0)
		return -1;
	(void)snprintf(c->dir, sizeof(c->dir), "%s", o->dir); /* fits */
	print_url(c, "wardian", c->url);
	if (prepare(c->dir, o->bin_dir, c->bin_dir, d, &lock_fd, e) < 0 || bring_up(c, d, e) < 0)
		return -1;
	log_info(&c->log, "the private database is ready, %s", c->child ? "started" : "adopted");
	*ret = c;
	c = NULL;
	return 0;
}

int
db_cluster_pidfd(const struct db_cluster *c)
{
	return c->pidfd;
}

int
db_cluster_revive(struct db_cluster *c, struct err *e)
{
	struct deadline d = deadline_in_ms(START_TIMEOUT_MS);
	AUTO_FD int lock_fd = -1;

	if (take_start_lock(c->dir, d, &lock_fd, e) < 0)
		return -1;
	reap(c);
	if (bring_up(c, d, e) < 0)
		return -1;
	log_info(&c->log, "the private database is back");
	return 0;
}

const char *
db_cluster_url(const struct db_cluster *c)
{
	return c->url;
}

/* True when it has ended. */
static bool
stop_with(struct db_cluster *c, int sig, int64_t timeout_ms)
{
	struct err e;

	if (pidfd_send_signal(c->pidfd, sig, NULL, 0) < 0 && errno == ESRCH)
		return true;
	return db_cluster_wait_exit(c->pidfd, deadline_in_ms(timeout_ms), &e) == 1;
}

void
db_cluster_stop(struct db_cluster *c)
{
	if (c == NULL)
		return;
	if (c->pid > 0 && c->pidfd >= 0) {
		if (!stop_with(c, SIGINT, FAST_TIMEOUT_MS) &&
		    !stop_with(c, SIGQUIT, IMMEDIATE_TIMEOUT_MS))
			log_warn(&c->log, "the private database does not stop; it will be adopted "
					  "at the next start");
		reap(c);
	}
	free(c);
}

void
db_cluster_leave(struct db_cluster *c)
{
	if (c == NULL)
		return;
	fd_close(&c->pidfd);
	free(c);
}
