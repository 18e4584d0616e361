/* SPDX-License-Identifier: Apache-2.0 */
#include "db_cluster_internal.h"

#include "fd.h"
#include "parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MAJOR_MIN = 15,
	MAJOR_MAX = 99,
	TREE_DEPTH_MAX = 16,            /* a data directory is five levels deep */
	INITDB_TIMEOUT_MS = 120 * 1000, /* 40 MB written and synced; a second on a disk of today */
};

static const char debian_dir[] = "/usr/lib/postgresql";

/* --- programs --------------------------------------------------------------------------------- */

static bool
has_programs(const char *bin_dir)
{
	char path[PATH_MAX];
	bool ok = true;

	for (const char *const *p = (const char *const[]){ "initdb", "postgres", NULL }; *p != NULL;
	     p++) {
		int n = snprintf(path, sizeof(path), "%s/%s", bin_dir, *p);

		ok = ok && n > 0 && (size_t)n < sizeof(path) && access(path, X_OK) == 0;
	}
	return ok;
}

/* Major version that made the data, 0 when there is none yet. */
static int64_t
data_version(const char *dir, const char *data)
{
	char path[PATH_MAX];
	AUTO_FREE char *text = NULL;
	struct err ignored;
	int64_t major;
	size_t n;

	if (snprintf(path, sizeof(path), "%s/%s/PG_VERSION", dir, data) >= (int)sizeof(path) ||
	    fd_read_file(AT_FDCWD, path, 16, &text, &n, &ignored) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return parse_i64(text, 1, MAJOR_MAX, &major, &ignored) < 0 ? 0 : major;
}

static int64_t
newest_installed(void)
{
	DIR *d = opendir(debian_dir);
	int64_t best = 0, major;
	struct err ignored;
	char path[PATH_MAX];

	if (d == NULL)
		return 0;
	for (struct dirent *f = readdir(d); f != NULL; f = readdir(d)) {
		if (parse_i64(f->d_name, MAJOR_MIN, MAJOR_MAX, &major, &ignored) < 0 ||
		    major <= best)
			continue;
		(void)snprintf(
		    path, sizeof(path), "%s/%s/bin", debian_dir, f->d_name); /* fits: see d_name */
		if (has_programs(path))
			best = major;
	}
	(void)closedir(d); /* opened by us */
	return best;
}

int
db_cluster_find_programs(
    const char *given, const char *dir, char out[static PATH_MAX], struct err *e)
{
	int64_t made_by = data_version(dir, "data"), major = made_by;

	if (given != NULL && given[0] != '\0') {
		if (!has_programs(given))
			return err_set(e, ERR_CONF,
			    "there is no initdb and postgres in %.120s; set database.bin_dir to "
			    "where they are, or install them with: apt-get install postgresql-15",
			    given);
		(void)snprintf(out, PATH_MAX, "%s", given); /* has_programs saw a longer path */
		return 0;
	}
	if (made_by == 0)
		major = newest_installed();
	if (major == 0)
		return err_set(e, ERR_CONF,
		    "PostgreSQL 15 or newer is not installed; "
		    "install it with: apt-get install postgresql-15");
	(void)snprintf(out, PATH_MAX, "%s/%d/bin", debian_dir, (int)major); /* short */
	if (has_programs(out))
		return 0;
	return err_set(e, ERR_CONF,
	    "the private database was made by PostgreSQL %d, which is not installed; "
	    "install it with: apt-get install postgresql-%d",
	    (int)made_by, (int)made_by);
}

/* --- processes -------------------------------------------------------------------------------- */

static int
fill_actions(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr, int log_fd)
{
	sigset_t none, all;
	int rc = 0;

	(void)sigemptyset(&none); /* cannot fail */
	(void)sigfillset(&all);   /* cannot fail */
	rc |= posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	rc |= posix_spawn_file_actions_adddup2(actions, log_fd, STDOUT_FILENO);
	rc |= posix_spawn_file_actions_adddup2(actions, log_fd, STDERR_FILENO);
	rc |= posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
	rc |= posix_spawnattr_setsigmask(attr, &none);
	rc |= posix_spawnattr_setsigdefault(attr, &all);
	/* A session of its own: the terminal's interrupt is the daemon's to handle. */
	rc |= posix_spawnattr_setflags(
	    attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	return rc;
}

int
db_cluster_spawn(char *const argv[], int log_fd, pid_t *ret, struct err *e)
{
	static char path[] = "PATH=/usr/bin:/bin", lang[] = "LC_ALL=C.UTF-8", zone[] = "TZ=UTC";
	char *const env[] = { path, lang, zone, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	REQUIRE(posix_spawn_file_actions_init(&actions) == 0);
	REQUIRE(posix_spawnattr_init(&attr) == 0);
	rc = fill_actions(&actions, &attr, log_fd) == 0
		 ? posix_spawn(ret, argv[0], &actions, &attr, argv, env)
		 : ENOMEM;
	REQUIRE(posix_spawnattr_destroy(&attr) == 0);
	REQUIRE(posix_spawn_file_actions_destroy(&actions) == 0);
	return rc == 0 ? 0 : err_sys(e, rc, "cannot start %s", argv[0]);
}

int
db_cluster_wait_exit(int pidfd, struct deadline d, struct err *e)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	for (;;) {
		int n = poll(&p, 1, deadline_poll_ms(d));

		if (n > 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return err_sys(
			    e, errno, "cannot wait for a process of the private database");
		if (n == 0 && deadline_passed(d))
			return 0;
	}
}

static int
run_to_end(char *const argv[], int log_fd, int *ret_status, struct err *e)
{
	AUTO_FD int pidfd = -1;
	pid_t pid = 0;
	int ended = -1;

	if (db_cluster_spawn(argv, log_fd, &pid, e) < 0)
		return -1;
	pidfd = pidfd_open(pid, 0);
	if (pidfd >= 0)
		ended = db_cluster_wait_exit(pidfd, deadline_in_ms(INITDB_TIMEOUT_MS), e);
	else
		(void)err_sys(e, errno, "cannot watch %s", argv[0]);
	if (ended != 1 && pid > 0)
		(void)kill(pid, SIGKILL); /* our child, not yet reaped */
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		continue;
	if (ended == 0)
		return err_set(e, ERR_TIMEOUT, "%s took too long", argv[0]);
	return ended < 0 ? -1 : 0;
}

/* --- data ------------------------------------------------------------------------------------- */

static int remove_tree(int parent, const char *name, int depth, struct err *e);

static int
remove_entries(DIR *d, int depth, struct err *e)
{
	for (struct dirent *f = readdir(d); f != NULL; f = readdir(d)) {
		if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), f->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM)
			return err_sys(
			    e, errno, "cannot remove what is left of an interrupted initdb");
		if (remove_tree(dirfd(d), f->d_name, depth + 1, e) < 0)
			return -1;
	}
	return 0;
}

/* Follows no symbolic link. */
static int
remove_tree(int parent, const char *name, int depth, struct err *e)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), rc;
	DIR *d;

	if (fd < 0 && errno == ENOENT)
		return 0;
	d = fd < 0 || depth > TREE_DEPTH_MAX ? NULL : fdopendir(fd);
	if (d == NULL) {
		rc = err_sys(e, errno, "cannot remove what is left of an interrupted initdb");
		fd_close(&fd);
		return rc;
	}
	rc = remove_entries(d, depth, e);
	(void)closedir(d); /* nothing was written */
	if (rc == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
		rc = err_sys(e, errno, "cannot remove what is left of an interrupted initdb");
	return rc;
}

static int
run_initdb(const char *dir, const char *bin_dir, int dir_fd, struct err *e)
{
	char program[PATH_MAX], data[PATH_MAX];
	static char user[] = "--username=wardian_admin", auth[] = "--auth=trust",
		    enc[] = "--encoding=UTF8", locale[] = "--locale=C.UTF-8",
		    sums[] = "--data-checksums", quiet[] = "--no-instructions", pgdata[] = "-D";
	char *const argv[] = { program, pgdata, data, user, auth, enc, locale, sums, quiet, NULL };
	AUTO_FD int log_fd =
	    openat(dir_fd, "initdb.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int status = 0;

	if (log_fd < 0)
		return err_sys(e, errno, "cannot write initdb.log");
	if (snprintf(program, sizeof(program), "%s/initdb", bin_dir) >= (int)sizeof(program) ||
	    snprintf(data, sizeof(data), "%s/data.new", dir) >= (int)sizeof(data))
		return err_set(e, ERR_CONF, "the state directory's path is too long");
	if (run_to_end(argv, log_fd, &status, e) < 0)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(e, ERR_CONF,
	    "initdb could not make the private database; %.150s/initdb.log says why", dir);
}

int
db_cluster_make_data(const char *dir, const char *bin_dir, struct err *e)
{
	AUTO_FD int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0)
		return err_sys(e, errno, "cannot open %.150s", dir);
	if (faccessat(dir_fd, "data", F_OK, 0) == 0)
		return 0;
	if (remove_tree(dir_fd, "data.new", 0, e) < 0 || run_initdb(dir, bin_dir, dir_fd, e) < 0)
		return -1;
	if (data_version(dir, "data.new") < MAJOR_MIN)
		return err_set(e, ERR_CONF,
		    "the PostgreSQL in %.150s is older than 15; "
		    "install a newer one with: apt-get install postgresql-15",
		    bin_dir);
	/* initdb has synced what is inside; the new name is what makes it count. */
	if (renameat(dir_fd, "data.new", dir_fd, "data") < 0 || fsync(dir_fd) < 0)
		return err_sys(e, errno, "cannot rename the new data directory");
	return 0;
}
