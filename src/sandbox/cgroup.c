/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making, limiting and removing the groups of a run.  Names are unique for ever (run id and epoch),
 * so a group that exists already is a fault, and everything below our base that no keeper claims is
 * a leftover.  A process enters by writing "0" itself: writing a process number takes a kernel-wide
 * lock whose first use in a while costs about 10 ms.
 */
#include "cgroup_internal.h"

#include "fd.h"
#include "parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	CPU_PERIOD_US = 100000, /* the kernel's default */
	PROCS_MAX =
	    1 << 16, /* bytes of a list of processes read at once; the rest comes next round */
	MOVE_ROUNDS = 16,
	KILL_ROUNDS = 4
};

int
cgroup_write(int dirfd, const char *file, const char *text, struct err *e)
{
	AUTO_FD int fd = openat(dirfd, file, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);

	if (fd < 0)
		return err_sys(e, errno, "cannot open %s of a control group", file);
	if (write(fd, text, n) != (ssize_t)n)
		return err_sys(e, errno, "cannot write '%s' to %s of a control group", text, file);
	return 0;
}

int
cgroup_open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* The first processes of a group, one a line; the last line may be cut, and comes next time. */
static int
read_procs(int dirfd, char **ret, size_t *ret_n, struct err *e)
{
	AUTO_FD int fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *text = malloc(PROCS_MAX + 1);
	ssize_t n;

	if (fd < 0 || text == NULL)
		return err_sys(e, errno, "cannot open the list of a control group");
	n = fd_read_full(fd, text, PROCS_MAX, e);
	if (n < 0)
		return -1;
	text[n] = '\0';
	*ret_n = (size_t)n;
	*ret = text;
	text = NULL;
	return 0;
}

/* --- the host ------------------------------------------------------------------------------- */

/* Moves the processes of the own group into a leaf, so that it may hand controllers down. */
static int
step_aside(int own_fd, struct err *e)
{
	AUTO_FD int aside = -1;

	if (mkdirat(own_fd, CGROUP_ASIDE, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "cannot make the control group " CGROUP_ASIDE);
	aside = cgroup_open_dir(own_fd, CGROUP_ASIDE);
	if (aside < 0)
		return err_sys(e, errno, "cannot open the control group " CGROUP_ASIDE);
	for (int round = 0; round < MOVE_ROUNDS; round++) {
		AUTO_FREE char *pids = NULL;
		size_t n = 0;

		if (read_procs(own_fd, &pids, &n, e) < 0)
			return -1;
		if (n == 0)
			return 0;
		for (char *p = pids, *end; (end = strchr(p, '\n')) != NULL; p = end + 1) {
			struct err gone = { 0 }; /* a process that ended meanwhile needs no move */

			*end = '\0';
			(void)cgroup_write(aside, "cgroup.procs", p, &gone);
		}
	}
	return err_set(e, ERR_BUSY, "processes keep appearing in the spawner's own control group");
}

/* An optional one that the kernel does not hand down is taken out of *controllers. */
static int
hand_down(int fd, uint32_t *controllers, struct err *e)
{
	for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
		struct err why = { 0 };
		char text[32];

		if (i == CGROUP_CPUACCT || (*controllers & 1u << i) == 0)
			continue; /* version 2 always counts CPU time */
		(void)snprintf(text, sizeof(text), "+%s", cgroup_controller_names[2][i]); /* fits */
		if (cgroup_write(fd, "cgroup.subtree_control", text, &why) == 0)
			continue;
		if ((CGROUP_EXTRAS & 1u << i) == 0 || why.sys == EBUSY) {
			*e = why;
			return -1;
		}
		*controllers &= ~(1u << i);
	}
	return 0;
}

/* Keeps those controllers that are really there, and hands them down to the own group's children.
 */
static int
prepare_v2(struct cgroup_tree *t, struct err *e)
{
	AUTO_FREE char *text = NULL;
	uint32_t there = 1u << CGROUP_CPUACCT;
	struct err busy = { 0 };
	size_t n;

	if (fd_read_file(t->own_fd, "cgroup.controllers", 4096, &text, &n, e) < 0)
		return -1;
	for (char *word = text, *end; n > 0 && *word != '\0'; word = end + (*end != '\0')) {
		end = word + strcspn(word, " \n");
		for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++)
			if (strlen(cgroup_controller_names[2][i]) == (size_t)(end - word) &&
			    memcmp(word, cgroup_controller_names[2][i], (size_t)(end - word)) == 0)
				there |= 1u << i;
	}
	t->controllers &= there;
	if (hand_down(t->own_fd, &t->controllers, &busy) == 0)
		return 0;
	/* Nobody is moved for what no run needs. */
	if (busy.sys != EBUSY || (t->controllers & ~(uint32_t)CGROUP_EXTRAS) == 0) {
		*e = busy;
		return -1;
	}
	return step_aside(t->own_fd, e) < 0 ? -1 : hand_down(t->own_fd, &t->controllers, e);
}

/* Against the machine's other processes all runs together weigh as much as one process on each
 * CPU: with the default they would weigh as much as one on all of them.  A wish, no limit. */
static void
weigh_base(const struct cgroup_tree *t)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	const long weight = cpus < 1 ? 1 : cpus > 100 ? 100 : cpus;
	struct err ignored = { 0 };
	char text[32];

	if ((t->controllers & 1u << CGROUP_CPU) == 0)
		return;
	(void)snprintf(text, sizeof(text), "%ld",
	    weight * (t->version == 1 ? CGROUP_SHARES_PER_CPU : CGROUP_WEIGHT_PER_CPU)); /* fits */
	(void)cgroup_write(
	    t->base_fd, t->version == 1 ? "cpu.shares" : "cpu.weight", text, &ignored);
}

static int
make_base(struct cgroup_tree *t, const char *base, struct err *e)
{
	if (mkdirat(t->own_fd, base, 0755) < 0 && errno != EEXIST)
		return err_sys(e, errno, "cannot make the control group %s", base);
	t->base_fd = cgroup_open_dir(t->own_fd, base);
	if (t->base_fd < 0)
		return err_sys(e, errno, "cannot open the control group %s", base);
	if (t->version == 2 && hand_down(t->base_fd, &t->controllers, e) < 0)
		return -1;
	weigh_base(t);
	if ((t->controllers & 1u << CGROUP_CPUSET) != 0 && !cgroup_prepare_cpuset(t))
		return err_set(e, ERR_UNAVAILABLE, "no CPU can be handed down");
	return 0;
}

/* What a host grants beyond the needs it may also refuse: then the tree has no controllers. */
static int
open_tree(const struct cgroup_place *place, const char *base, struct cgroup_tree *t, struct err *e)
{
	struct err why = { 0 };

	*t = (struct cgroup_tree){
		.version = place->version, .controllers = place->controllers, .base_fd = -1
	};
	t->own_fd = cgroup_open_dir(AT_FDCWD, place->dir);
	if (t->own_fd < 0)
		(void)err_sys(&why, errno, "cannot open the control group %s", place->dir);
	else if (t->version == 2 && prepare_v2(t, &why) < 0)
		; /* why says it */
	else if (t->controllers == 0 || make_base(t, base, &why) == 0)
		return 0;
	if ((place->controllers & ~(uint32_t)CGROUP_EXTRAS) == 0) {
		t->controllers = 0;
		return 0;
	}
	*e = why;
	return -1;
}

/* A tree that turned out to be of no use is closed, its base removed. */
static void
close_tree(struct cgroup_tree *t, const char *base)
{
	fd_close(&t->base_fd);
	/* Stays when runs live on below it. */
	if (t->own_fd >= 0)
		(void)unlinkat(t->own_fd, base, AT_REMOVEDIR);
	fd_close(&t->own_fd);
}

int
cgroup_host_open(
    const struct cgroup_places *places, const char *base, struct cgroup_host *ret, struct err *e)
{
	struct cgroup_host h = { 0 };

	(void)snprintf(h.base, sizeof(h.base), "%s", base); /* our own short name */
	for (size_t i = 0; i < places->n; i++) {
		struct cgroup_tree *t = &h.tree[h.n];

		h.n++;
		if (open_tree(&places->at[i], base, t, e) < 0) {
			cgroup_host_close(&h);
			return -1;
		}
		if (t->controllers == 0) {
			close_tree(t, h.base);
			h.n--;
		}
	}
	*ret = h;
	return 0;
}

void
cgroup_host_close(struct cgroup_host *h)
{
	for (size_t i = 0; i < h->n; i++)
		close_tree(&h->tree[i], h->base);
	h->n = 0;
}

bool
cgroup_host_complete(const struct cgroup_host *h)
{
	const uint32_t needed = 1u << CGROUP_MEMORY | 1u << CGROUP_CPU | 1u << CGROUP_PIDS;
	uint32_t there = 0;

	for (size_t i = 0; i < h->n; i++)
		there |= h->tree[i].controllers;
	return (there & needed) == needed;
}

/* --- one run -------------------------------------------------------------------------------- */

void
cgroup_close(struct cgroup *g)
{
	for (size_t i = 0; i < g->n; i++)
		fd_close(&g->in[i].fd);
	g->n = 0;
}

int
cgroup_make_in(const struct cgroup_tree *t, const char *name, struct cgroup *g, struct err *e)
{
	int fd;

	REQUIRE(g->n < ARRAY_LEN(g->in));
	if (mkdirat(t->base_fd, name, 0755) < 0)
		return err_sys(e, errno, "cannot make the control group of a run");
	fd = cgroup_open_dir(t->base_fd, name);
	if (fd < 0) {
		(void)err_sys(e, errno, "cannot open the control group of a run"); /* -1 */
		(void)unlinkat(t->base_fd, name, AT_REMOVEDIR);                    /* empty */
		return -1;
	}
	g->in[g->n].version = t->version;
	g->in[g->n].controllers = t->controllers;
	g->in[g->n++].fd = fd;
	return 0;
}

int
cgroup_make(const struct cgroup_host *h, const char *name, struct cgroup *ret, struct err *e)
{
	struct cgroup g = { 0 };

	for (size_t i = 0; i < h->n; i++) {
		if ((h->tree[i].controllers & ~(uint32_t)CGROUP_EXTRAS) == 0 ||
		    cgroup_make_in(&h->tree[i], name, &g, e) == 0)
			continue;
		for (size_t j = 0; j < i; j++)
			(void)unlinkat(h->tree[j].base_fd, name, AT_REMOVEDIR); /* ENOENT, empty */
		cgroup_close(&g);
		return -1;
	}
	*ret = g;
	return 0;
}

enum limit_value {
	VALUE_MEMORY,
	VALUE_PERIOD,
	VALUE_QUOTA,
	VALUE_QUOTA_PERIOD,
	VALUE_SHARES,
	VALUE_WEIGHT,
	VALUE_PROCESSES,
	VALUE_ZERO,
	VALUE_ONE
};
/* In order: version 1 takes the limit with swap only when it is not below the one without. */
static const struct limit_row {
	enum cgroup_controller controller;
	uint32_t version;
	const char *file;
	enum limit_value value;
	bool optional; /* kernels without swap accounting or group scheduling lack it */
} limit_rows[] = {
	{ CGROUP_MEMORY, 1, "memory.limit_in_bytes", VALUE_MEMORY, false },
	{ CGROUP_MEMORY, 1, "memory.memsw.limit_in_bytes", VALUE_MEMORY, true },
	{ CGROUP_MEMORY, 2, "memory.max", VALUE_MEMORY, false },
	{ CGROUP_MEMORY, 2, "memory.swap.max", VALUE_ZERO, true },
	{ CGROUP_MEMORY, 2, "memory.oom.group", VALUE_ONE, true },
	{ CGROUP_CPU, 1, "cpu.cfs_period_us", VALUE_PERIOD, false },
	{ CGROUP_CPU, 1, "cpu.cfs_quota_us", VALUE_QUOTA, false },
	{ CGROUP_CPU, 1, "cpu.shares", VALUE_SHARES, true },
	{ CGROUP_CPU, 2, "cpu.max", VALUE_QUOTA_PERIOD, false },
	{ CGROUP_CPU, 2, "cpu.weight", VALUE_WEIGHT, true },
	{ CGROUP_PIDS, 1, "pids.max", VALUE_PROCESSES, false },
	{ CGROUP_PIDS, 2, "pids.max", VALUE_PROCESSES, false },
};

/* In the proportion of what was asked for, as far as the kernel's range goes. */
static intmax_t
share(int64_t cpu_milli, int64_t per_cpu, int64_t least, int64_t most)
{
	const int64_t v = cpu_milli * per_cpu / 1000;

	return v < least ? least : v > most ? most : v;
}

static void
format_limit(enum limit_value value, const struct sandbox_limits *l, char *out, size_t n)
{
	const intmax_t quota = l->cpu_milli * (CPU_PERIOD_US / 1000);
	const intmax_t numbers[] = { [VALUE_MEMORY] = l->memory_bytes,
		[VALUE_PERIOD] = CPU_PERIOD_US,
		[VALUE_QUOTA] = quota,
		[VALUE_QUOTA_PERIOD] = quota,
		[VALUE_SHARES] = share(l->cpu_milli, CGROUP_SHARES_PER_CPU, 2, 1 << 18),
		[VALUE_WEIGHT] = share(l->cpu_milli, CGROUP_WEIGHT_PER_CPU, 1, 10000),
		[VALUE_PROCESSES] = l->processes,
		[VALUE_ZERO] = 0,
		[VALUE_ONE] = 1 };

	if (value == VALUE_QUOTA_PERIOD)
		(void)snprintf(out, n, "%jd %d", quota, CPU_PERIOD_US); /* two numbers fit */
	else
		(void)snprintf(out, n, "%jd", numbers[value]);
}

int
cgroup_limit(const struct cgroup *g, const struct sandbox_limits *l, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(limit_rows); i++) {
		const struct limit_row *row = &limit_rows[i];
		char text[48];

		format_limit(row->value, l, text, sizeof(text));
		for (size_t j = 0; j < g->n; j++) {
			struct err why = { 0 };

			if (g->in[j].version != row->version ||
			    (g->in[j].controllers & 1u << row->controller) == 0)
				continue;
			if (cgroup_write(g->in[j].fd, row->file, text, &why) == 0 ||
			    (row->optional && why.sys == ENOENT))
				continue;
			*e = why;
			return -1;
		}
	}
	return 0;
}

int
cgroup_open_enter(
    const struct cgroup *g, int ret_fd[static CGROUP_TREES_MAX], size_t *ret_n, struct err *e)
{
	int fd[CGROUP_TREES_MAX];

	for (size_t i = 0; i < CGROUP_TREES_MAX; i++)
		fd[i] = -1;
	for (size_t i = 0; i < g->n; i++) {
		/* Version 1: `tasks` moves one thread without the kernel-wide lock. */
		fd[i] = openat(g->in[i].fd, g->in[i].version == 1 ? "tasks" : "cgroup.procs",
		    O_WRONLY | O_CLOEXEC);
		if (fd[i] < 0) {
			(void)err_sys(
			    e, errno, "cannot open the entry of a control group"); /* -1 */
			for (size_t j = 0; j < i; j++)
				fd_close(&fd[j]);
			return -1;
		}
		if ((g->in[i].controllers & 1u << CGROUP_MEMORY) != 0) {
			const int memory = fd[i];

			fd[i] = fd[0];
			fd[0] = memory;
		}
	}
	memcpy(ret_fd, fd, sizeof(fd));
	*ret_n = g->n;
	return 0;
}

/* --- the end -------------------------------------------------------------------------------- */

/* Whoever is left here outlived its pid namespace, which no process can: only a group whose keeper
 * lives and is unknown has members. */
static void
kill_members(int fd, uint32_t version)
{
	struct err ignored = { 0 }; /* what stays alive keeps the group, which the caller sees */

	if (version == 2 && cgroup_write(fd, "cgroup.kill", "1", &ignored) == 0)
		return;
	for (int round = 0; round < KILL_ROUNDS; round++) {
		AUTO_FREE char *pids = NULL;
		size_t n = 0;

		if (read_procs(fd, &pids, &n, &ignored) < 0 || n == 0)
			return;
		for (char *p = pids, *end; (end = strchr(p, '\n')) != NULL; p = end + 1) {
			int64_t pid;

			*end = '\0';
			if (parse_i64(p, 2, INT32_MAX, &pid, &ignored) == 0)
				(void)kill((pid_t)pid, SIGKILL); /* ESRCH: it ended by itself */
		}
	}
}

bool
cgroup_remove(const struct cgroup_host *h, const char *name)
{
	bool gone = true;

	for (size_t i = 0; i < h->n; i++) {
		const struct cgroup_tree *t = &h->tree[i];
		AUTO_FD int fd = -1;

		if (unlinkat(t->base_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		fd = cgroup_open_dir(t->base_fd, name);
		if (fd >= 0)
			kill_members(fd, t->version);
		if (unlinkat(t->base_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			gone = false;
	}
	return gone;
}

size_t
cgroup_sweep(const struct cgroup_host *h, bool (*keep)(void *ctx, const char *name), void *ctx)
{
	size_t left = 0;

	for (size_t i = 0; i < h->n; i++) {
		int copy = cgroup_open_dir(h->tree[i].base_fd, ".");
		DIR *d = copy < 0 ? NULL : fdopendir(copy);
		const struct dirent *entry;

		if (d == NULL) {
			fd_close(&copy);
			left++;
			continue;
		}
		while ((entry = readdir(d)) != NULL)
			if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
			    !keep(ctx, entry->d_name) && !cgroup_remove(h, entry->d_name))
				left++;
		(void)closedir(d); /* of a descriptor that was only read */
	}
	return left;
}
