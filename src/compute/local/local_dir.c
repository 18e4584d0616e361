/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run directories.  The launch file comes first and goes last: a directory that holds one is a run
 * that is not tidied, so a crash between any two steps leaves something that compute_scan finds.
 * Nothing is flushed to disk: the files must survive the daemon, not the machine, on whose death
 * every sandbox is dead and every lease runs out.
 */
#include "local_internal.h"

#include "fd.h"
#include "object.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The spawner works as root, the keeper reads as a member of the daemon's group; tenants are
 * others. */
enum { DIR_MODE = 0750 };

static const char launch_name[] = "launch";
static const char inputs_name[] = "in";
static const char held_name[] = "held";

/* Path of the run below runs_fd, cut at its only '/': *ret_run points behind it. */
static const char *
split_path(
    const struct compute_run_id *id, char path[static ID_RUN_PATH_SIZE], const char **ret_run)
{
	char *slash;

	id_run_path(id->tenant, id->run, id->epoch, path);
	slash = strchr(path, '/');
	REQUIRE(slash != NULL);
	*slash = '\0';
	*ret_run = slash + 1;
	return path;
}

static int
open_dir(int dirfd, const char *name, int *ret, struct err *e)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_sys(e, errno, "open a directory of the run");
	*ret = fd;
	return 0;
}

/* 1 made, 0 it was there. */
static int
make_dir(int dirfd, const char *name, int *ret_fd, struct err *e)
{
	AUTO_FD int fd = -1;
	int made = mkdirat(dirfd, name, DIR_MODE) == 0;

	if (!made && errno != EEXIST)
		return err_sys(e, errno, "make a directory of the run");
	if (open_dir(dirfd, name, &fd, e) < 0)
		return -1;
	if (made && fchmod(fd, DIR_MODE) < 0) /* mkdir(2) obeys the umask */
		return err_sys(e, errno, "set the mode of a directory of the run");
	*ret_fd = fd_take(&fd);
	return made;
}

static bool
is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A stream of its own over fd, which stays the caller's. */
static DIR *
open_stream(int fd, struct err *e)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (d == NULL) {
		err_sys(e, errno, "read a directory of runs");
		fd_close(&copy);
	}
	return d;
}

static int
require_empty(int fd, struct err *e)
{
	DIR *d = open_stream(fd, e);
	const struct dirent *entry;

	if (d == NULL)
		return -1;
	do
		entry = readdir(d);
	while (entry != NULL && is_dot(entry->d_name));
	(void)closedir(d); /* of a descriptor that was only read */
	if (entry != NULL)
		return err_set(e, ERR_CONFLICT, "the directory of this run exists already");
	return 0;
}

static int
write_held(int run_fd, const struct compute_run *r, struct err *e)
{
	struct local_held held;
	AUTO_FD int fd = -1;

	if (!local_held_of(r, &held))
		return 0;
	fd = openat(run_fd, held_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_sys(e, errno, "create the file of what a run holds");
	return fd_write_all(fd, &held, sizeof(held), e);
}

static int
fill(int run_fd, const struct compute_run *r, struct err *e)
{
	const struct sandbox_launch launch = { .argv = r->argv,
		.n_argv = r->n_argv,
		.env = r->env,
		.n_env = r->n_env,
		.stop = { .signal = r->stop.signal,
		    .file = r->stop.file,
		    .text = r->stop.text,
		    .wait_ms = r->stop.wait_ms } };
	AUTO_FD int in_fd = -1;

	if (sandbox_launch_write(run_fd, &launch, e) < 0 || write_held(run_fd, r, e) < 0)
		return -1;
	if (make_dir(run_fd, inputs_name, &in_fd, e) < 0)
		return -1;
	for (size_t i = 0; i < r->n_inputs; i++)
		if (object_write(in_fd, r->inputs[i].path, r->inputs[i].p, r->inputs[i].n, e) < 0)
			return err_wrap(e, "write an input");
	return 0;
}

int
compute_prepare(struct compute *c, const struct compute_run *r, struct err *e)
{
	AUTO_FD int tenant_fd = -1;
	AUTO_FD int run_fd = -1;
	char path[ID_RUN_PATH_SIZE];
	const char *run;
	struct err undo = { 0 };
	int made;

	if (make_dir(c->runs_fd, split_path(&r->id, path, &run), &tenant_fd, e) < 0)
		return -1;
	made = make_dir(tenant_fd, run, &run_fd, e);
	if (made < 0 || (made == 0 && require_empty(run_fd, e) < 0))
		return -1;
	if (fill(run_fd, r, e) == 0)
		return 0;
	if (object_remove_tree(tenant_fd, run, &undo) < 0)
		log_err(
		    &c->log, LOG_LEVEL_WARN, &undo, "remove a run directory that was not finished");
	return -1;
}

int
local_open_run(struct compute *c, const struct compute_run_id *id, int *ret_fd, struct err *e)
{
	return object_open_run(c->runs_fd, id->tenant, id->run, id->epoch, ret_fd, e);
}

int
compute_held(struct compute *c, const struct compute_run_id *id, uint64_t *ret_gpus,
    uint64_t ret_cpus[static COMPUTE_CPU_WORDS], struct err *e)
{
	AUTO_FD int run_fd = -1;
	AUTO_FREE char *bytes = NULL;
	struct local_held held = { 0 };
	struct stat st;
	size_t n;

	if (local_open_run(c, id, &run_fd, e) < 0)
		return -1;
	if (fstatat(run_fd, held_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (fd_read_file(run_fd, held_name, sizeof(held), &bytes, &n, e) < 0 ||
		    local_held_decode(bytes, n, &held, e) < 0)
			return -1;
	} else if (errno != ENOENT) {
		return err_sys(e, errno, "look for the file of what a run holds");
	}
	*ret_gpus = held.gpus;
	memcpy(ret_cpus, held.cpu_set, sizeof(held.cpu_set));
	return 0;
}

int
compute_open_out(struct compute *c, const struct compute_run_id *id, int *ret_fd, struct err *e)
{
	AUTO_FD int run_fd = -1;

	if (local_open_run(c, id, &run_fd, e) < 0)
		return -1;
	return object_open_dir(run_fd, "out", ret_fd, e);
}

int
compute_outcome(
    struct compute *c, const struct compute_run_id *id, struct compute_outcome *ret, struct err *e)
{
	AUTO_FD int run_fd = -1;
	struct sandbox_exit record;
	struct err why = { 0 };
	uint32_t weak = 0;
	int rc;

	if (local_open_run(c, id, &run_fd, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return -1;
	}
	rc = sandbox_exit_read(run_fd, &record, e);
	if (rc <= 0)
		return rc;
	if (local_outcome_of(id, &record, ret, e) < 0)
		return -1;
	/* Asked now: a run may be older than its spawner, but hardly of another one's kind. */
	ret->memory_uncounted = compute_weak(c, &weak) && (weak & SANDBOX_WEAK_LIMITS) != 0;
	return 1;
}

int
compute_samples(struct compute *c, const struct compute_run_id *id, struct arena *mem,
    struct compute_sample **ret, size_t *ret_n, struct err *e)
{
	struct sandbox_sample *v = arena_array(mem, SANDBOX_SAMPLES_MAX, sizeof(*v));
	struct compute_sample *out = arena_array(mem, SANDBOX_SAMPLES_MAX, sizeof(*out));
	AUTO_FD int run_fd = -1;
	size_t n;

	_Static_assert((int)COMPUTE_SAMPLES_MAX == (int)SANDBOX_SAMPLES_MAX, "one bound");
	if (v == NULL || out == NULL)
		return arena_err(e);
	if (local_open_run(c, id, &run_fd, e) < 0 || sandbox_samples_read(run_fd, v, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		out[i] = (struct compute_sample){ .at_ms = v[i].at_ms,
			.cpu_ns = v[i].cpu_ns,
			.throttled_ns = v[i].throttled_ns,
			.memory_bytes = v[i].memory_bytes,
			.processes = v[i].processes,
			.io_read_bytes = v[i].io_read_bytes,
			.io_write_bytes = v[i].io_write_bytes };
	*ret = out;
	*ret_n = n;
	return 0;
}

int
compute_tidy(struct compute *c, const struct compute_run_id *id, struct err *e)
{
	AUTO_FD int tenant_fd = -1;
	AUTO_FD int run_fd = -1;
	char path[ID_RUN_PATH_SIZE];
	const char *tenant, *run;

	tenant = split_path(id, path, &run);
	tenant_fd = openat(c->runs_fd, tenant, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (tenant_fd >= 0)
		run_fd = openat(tenant_fd, run, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (run_fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "open the directory of a run");
	if (object_remove_tree(run_fd, inputs_name, e) < 0)
		return -1;
	if (unlinkat(run_fd, held_name, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove the file of what a run holds");
	if (unlinkat(run_fd, launch_name, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove the launch file of a run");
	/* Goes when nothing was ever put out; ENOTEMPTY is the usual answer. */
	(void)unlinkat(tenant_fd, run, AT_REMOVEDIR);
	return 0;
}

/* --- what lies there -------------------------------------------------------------------------- */

struct scan {
	struct compute *c;
	struct compute_run_id *found;
	size_t n, max;
};

static bool
has_launch(int tenant_fd, const char *run)
{
	char path[NAME_MAX + 1 + sizeof(launch_name)];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s/%s", run, launch_name);

	return n > 0 && (size_t)n < sizeof(path) &&
	       fstatat(tenant_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
scan_tenant(struct scan *s, int tenant_fd, struct tenant_id tenant, DIR *d)
{
	const struct dirent *entry;

	while (s->n < s->max && (entry = readdir(d)) != NULL) {
		struct compute_run_id id = { .tenant = tenant };

		if (local_run_name_parse(entry->d_name, &id.run, &id.epoch) &&
		    has_launch(tenant_fd, entry->d_name))
			s->found[s->n++] = id;
	}
}

/* A directory that cannot be read must not keep the others' runs from being found. */
static void
scan_entry(struct scan *s, const char *name)
{
	AUTO_FD int tenant_fd = -1;
	struct err e = { 0 };
	struct tenant_id tenant;
	DIR *d = NULL;

	if (uuid_parse(name, &tenant.uuid, &e) < 0)
		return; /* nothing of ours */
	if (open_dir(s->c->runs_fd, name, &tenant_fd, &e) == 0)
		d = open_stream(tenant_fd, &e);
	if (d == NULL) {
		log_err(&s->c->log, LOG_LEVEL_WARN, &e, "look for runs of a tenant");
		return;
	}
	scan_tenant(s, tenant_fd, tenant, d);
	(void)closedir(d); /* of a descriptor that was only read */
}

int
compute_scan(struct compute *c, size_t max, struct arena *mem, struct compute_run_id **ret,
    size_t *ret_n, struct err *e)
{
	struct scan s = { .c = c, .max = max };
	const struct dirent *entry;
	DIR *d;

	s.found = arena_array(mem, max, sizeof(*s.found));
	if (s.found == NULL)
		return arena_err(e);
	d = open_stream(c->runs_fd, e);
	if (d == NULL)
		return -1;
	while (s.n < max && (entry = readdir(d)) != NULL)
		scan_entry(&s, entry->d_name);
	(void)closedir(d); /* of a descriptor that was only read */
	*ret = s.found;
	*ret_n = s.n;
	return 0;
}
