/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_internal.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

const char *
state_path(const struct state *s, const char *name, char out[static STATE_PATH_SIZE])
{
	(void)snprintf(out, STATE_PATH_SIZE, "%s/%s", s->dir, name);
	return out;
}

/* Like mkdir -p for the last two components at most: a mistyped path should fail, not grow. */
static int
make_dir(const char *path, struct err *e)
{
	char parent[256];
	char *slash;

	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	if (errno == ENOENT) {
		(void)snprintf(parent, sizeof(parent), "%s", path);
		slash = strrchr(parent, '/');
		if (slash != NULL && slash != parent) {
			*slash = '\0';
			if (mkdir(parent, 0755) == 0 && mkdir(path, 0700) == 0)
				return 0;
		}
	}
	return err_sys(e, errno,
	    "the state directory %s cannot be made; choose another one with state.dir", path);
}

static int
own_dir(int dirfd, const char *name, const struct account *a, struct err *e)
{
	AUTO_FD int fd = -1;

	if (name != NULL && mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make %s in the state directory", name);
	fd = openat(
	    dirfd, name == NULL ? "." : name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(
		    e, errno, "open %s in the state directory", name == NULL ? "." : name);
	if (a->change && fchown(fd, a->uid, a->gid) < 0)
		return err_sys(e, errno, "give %s in the state directory to its user",
		    name == NULL ? "." : name);
	return 0;
}

/* The directory is the account's, which may have put a hard link to a file of root's in place: only
 * what was made here is given away. */
static int
open_lock(struct state *s, const struct account *a, struct err *e)
{
	struct stat st;

	s->lockfd = openat(s->dirfd, "lock", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->lockfd >= 0)
		return !a->change || fchown(s->lockfd, a->uid, a->gid) == 0
			   ? 0
			   : err_sys(e, errno, "give the lock file to its user");
	if (errno == EEXIST)
		s->lockfd = openat(s->dirfd, "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (s->lockfd < 0 || fstat(s->lockfd, &st) < 0)
		return err_sys(e, errno, "the state directory %s cannot be written", s->dir);
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1 || (st.st_uid != a->uid && st.st_uid != 0))
		return err_set(e, ERR_CONF,
		    "%s/lock is no lock file of this user's; remove it while no wardiand runs",
		    s->dir);
	return 0;
}

static int
take_lock(struct state *s, const struct account *a, bool exclusive, bool *ret_served, struct err *e)
{
	if (open_lock(s, a, e) < 0)
		return -1;
	if (flock(s->lockfd, LOCK_EX | LOCK_NB) == 0) {
		*ret_served = false;
		return 0;
	}
	if (errno != EWOULDBLOCK)
		return err_sys(e, errno, "lock the state directory %s", s->dir);
	if (exclusive)
		return err_set(e, ERR_CONF,
		    "another wardiand uses the state directory %s; stop it or set another "
		    "state.dir",
		    s->dir);
	fd_close(&s->lockfd);
	*ret_served = true;
	return 0;
}

int
state_open(const struct conf *c, const struct account *a, bool exclusive, struct state *ret,
    bool *ret_served, struct err *e)
{
	struct state s = { .dirfd = -1, .lockfd = -1 };
	bool served = false;

	if (c->state_dir[0] != '/')
		return err_set(e, ERR_CONF, "state.dir must be an absolute path");
	(void)snprintf(s.dir, sizeof(s.dir), "%s", c->state_dir);
	if (make_dir(s.dir, e) < 0)
		return -1;
	s.dirfd = open(s.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s.dirfd < 0)
		return err_sys(e, errno, "open the state directory %s", s.dir);
	if (own_dir(s.dirfd, NULL, a, e) < 0 || own_dir(s.dirfd, "runs", a, e) < 0 ||
	    own_dir(s.dirfd, "spool", a, e) < 0 || own_dir(s.dirfd, "audit", a, e) < 0 ||
	    own_dir(s.dirfd, "postgres", a, e) < 0 || take_lock(&s, a, exclusive, &served, e) < 0) {
		state_close(&s);
		return -1;
	}
	*ret = s;
	*ret_served = served;
	return 0;
}

void
state_close(struct state *s)
{
	fd_close(&s->lockfd);
	fd_close(&s->dirfd);
}

/* Reads exactly n bytes of a file, or makes it with random ones. */
static int
load_secret(int dirfd, const char *name, uint8_t *p, size_t n, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t have = 0;

	if (faccessat(dirfd, name, F_OK, 0) < 0 && errno == ENOENT) {
		random_bytes(p, n);
		return fd_write_file(dirfd, name, p, n, 0600, e);
	}
	if (fd_read_file(dirfd, name, 4096, &text, &have, e) < 0)
		return -1;
	if (have != n)
		return err_set(e, ERR_CONF,
		    "%s in the state directory is damaged; restore it from a backup, or delete it "
		    "to get a new one",
		    name);
	memcpy(p, text, n);
	return 0;
}

int
state_load(struct state *s, struct err *e)
{
	AUTO_FREE char *text = NULL;
	char id[UUID_STR_SIZE];
	size_t n = 0;

	if (load_secret(s->dirfd, "cursor.key", s->cursor_key, sizeof(s->cursor_key), e) < 0 ||
	    load_secret(s->dirfd, "audit.key", s->audit_seed, sizeof(s->audit_seed), e) < 0)
		return -1;
	if (faccessat(s->dirfd, "node", F_OK, 0) < 0 && errno == ENOENT) {
		s->node = uuid_v7();
		uuid_format(s->node, id);
		return fd_write_file(s->dirfd, "node", id, strlen(id), 0600, e);
	}
	if (fd_read_file(s->dirfd, "node", 64, &text, &n, e) < 0)
		return -1;
	if (uuid_parse(text, &s->node, e) < 0)
		return err_wrap(e, "the file node in %s is damaged", s->dir);
	return 0;
}
