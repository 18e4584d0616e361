/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup_pool.h"

#include "cgroup_internal.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	IDLE_MAX = 64,
	/* As many as end together while the next ones run. */
	IDLE_OF_OWNER = 12,
	IDLE_MS = 60000,
	/* Counters are differences and the peak is forgotten, but what a thousand runs left in
	 * kernel memory is a number that nobody can explain. */
	USES_MAX = 1000,
	/* What the kernel has charged in advance for each CPU looks like use, and drains later. */
	LEFT_OVER_MAX = 1 << 20,
	/* The kernel never forgets this peak: behind a larger one the next run's would not show. */
	PROCESSES_PEAK_MAX = 1,
	/* Its processes are gone; what takes longer is the kernel's own work. */
	REMOVE_MS = 10000,
};

int
cgroup_pool_init(struct cgroup_pool *p, const struct cgroup_host *host, size_t max, struct err *e)
{
	*p = (struct cgroup_pool){ .host = host, .at = calloc(max, sizeof(*p->at)), .max = max };
	return p->at != NULL ? 0 : err_set(e, ERR_NO_MEMORY, "no memory for control groups");
}

static struct cgroup_pooled *
place(struct cgroup_pool *p)
{
	for (size_t i = 0; i < p->max; i++) {
		struct cgroup_pooled *g = &p->at[i];

		if (g->state != POOLED_FREE)
			continue;
		*g = (struct cgroup_pooled){ .peak_fd = -1 };
		memset(g->enter_fd, -1, sizeof(g->enter_fd));
		memset(g->stat_fd, -1, sizeof(g->stat_fd));
		if (i >= p->end)
			p->end = i + 1;
		return g;
	}
	return NULL;
}

static void
close_all(struct cgroup_pooled *g)
{
	cgroup_close(&g->group);
	fd_close(&g->peak_fd);
	for (size_t i = 0; i < CGROUP_TREES_MAX; i++)
		fd_close(&g->enter_fd[i]);
	for (size_t i = 0; i < CGROUP_STATS; i++)
		fd_close(&g->stat_fd[i]);
}

/* Starts or goes on with the removal. */
static void
remove_group(struct cgroup_pool *p, struct cgroup_pooled *g)
{
	if (g->state == POOLED_IDLE)
		p->n_idle--;
	if (g->state != POOLED_REMOVING) {
		close_all(g);
		g->state = POOLED_REMOVING;
		g->until = deadline_in_ms(REMOVE_MS);
	}
	if (!cgroup_remove(p->host, g->name))
		return;
	g->state = POOLED_FREE;
	while (p->end > 0 && p->at[p->end - 1].state == POOLED_FREE)
		p->end--;
}

void
cgroup_pool_done(struct cgroup_pool *p)
{
	for (size_t i = 0; i < p->end; i++) {
		if (p->at[i].state == POOLED_IDLE || p->at[i].state == POOLED_REMOVING)
			remove_group(p, &p->at[i]);
		else
			close_all(&p->at[i]);
	}
	free(p->at);
	*p = (struct cgroup_pool){ 0 };
}

/* --- taking --------------------------------------------------------------------------------- */

static bool
same_limits(const struct sandbox_limits *a, const struct sandbox_limits *b)
{
	return a->memory_bytes == b->memory_bytes && a->cpu_milli == b->cpu_milli &&
	       a->processes == b->processes;
}

static int
set_limits(struct cgroup_pooled *g, const struct sandbox_limits *l, struct err *e)
{
	struct err ignored = { 0 }; /* kernels without swap accounting lack it */

	if (g->limited && same_limits(&g->limits, l))
		return 0;
	/* Version 1 takes no limit above the one with swap, which is set after it. */
	for (size_t i = 0; g->limited && i < g->group.n; i++)
		if (g->group.in[i].version == 1 &&
		    (g->group.in[i].controllers & 1u << CGROUP_MEMORY) != 0)
			(void)cgroup_write(
			    g->group.in[i].fd, "memory.memsw.limit_in_bytes", "-1", &ignored);
	g->limited = false;
	if (cgroup_limit(&g->group, l, e) < 0)
		return -1;
	g->limits = *l;
	g->limited = true;
	return 0;
}

/* Version 2 forgets the peak for one open file only: the one that the keeper reads. */
static void
open_peak(struct cgroup_pooled *g)
{
	const uint32_t version = g->stat_version[CGROUP_STAT_PEAK];

	for (size_t i = 0; version != 0 && i < g->group.n; i++)
		if ((g->group.in[i].controllers & 1u << CGROUP_MEMORY) != 0)
			g->peak_fd = openat(g->group.in[i].fd,
			    cgroup_counters[CGROUP_STAT_PEAK].v[version].file, O_RDWR | O_CLOEXEC);
	if (g->peak_fd < 0 || version != 2)
		return;
	fd_close(&g->stat_fd[CGROUP_STAT_PEAK]);
	g->stat_fd[CGROUP_STAT_PEAK] = fcntl(g->peak_fd, F_DUPFD_CLOEXEC, 0);
}

static void
read_counters(struct cgroup_pooled *g)
{
	for (int i = 0; i < CGROUP_STATS; i++)
		g->before[i] =
		    cgroup_stat_read(g->stat_fd[i], g->stat_version[i], (enum cgroup_stat)i);
}

static bool
forget_peak(const struct cgroup_pooled *g)
{
	return pwrite(g->peak_fd, "0", 1, 0) == 1;
}

/* q: what its only run asks for; NULL for any run. */
static int
make(struct cgroup_pool *p, struct cgroup_pooled *g, const struct sandbox_request *q,
    const int disks[static CGROUP_DISKS], struct err *e)
{
	uint64_t number;

	random_bytes(&number, sizeof(number));
	(void)snprintf(g->name, sizeof(g->name), "g%016jx", (uintmax_t)number); /* fits */
	if (cgroup_make(p->host, g->name, &g->group, e) < 0)
		return -1;
	g->single = q != NULL && cgroup_extras_wanted(q);
	if (g->single && cgroup_add_extras(p->host, g->name, q, disks, &g->group, e) < 0)
		return -1;
	if (cgroup_open_enter(&g->group, g->enter_fd, &g->n_enter, e) < 0)
		return -1;
	cgroup_open_stats(&g->group, g->stat_fd, g->stat_version);
	open_peak(g);
	read_counters(g);
	return 0;
}

static struct cgroup_pooled *
find_idle(struct cgroup_pool *p, uint32_t owner, const struct sandbox_limits *l)
{
	struct cgroup_pooled *found = NULL;

	for (size_t i = 0; i < p->end; i++) {
		struct cgroup_pooled *g = &p->at[i];

		if (g->state != POOLED_IDLE || g->owner != owner)
			continue;
		if (found == NULL || (g->limited && same_limits(&g->limits, l)))
			found = g;
	}
	return found;
}

int
cgroup_pool_take(struct cgroup_pool *p, uint32_t owner, const struct sandbox_request *q,
    const int disks[static CGROUP_DISKS], struct cgroup_pooled **ret, struct err *e)
{
	struct cgroup_pooled *g = cgroup_extras_wanted(q) ? NULL : find_idle(p, owner, &q->limits);
	int rc = 0;

	if (g != NULL) {
		p->n_idle--;
	} else {
		g = place(p);
		if (g == NULL)
			return err_sys(e, EAGAIN, "too many control groups");
		g->owner = owner;
		rc = make(p, g, q, disks, e);
	}
	g->state = POOLED_USED;
	if (rc == 0 && g->uses++ > 0 && !forget_peak(g))
		rc = err_sys(e, errno, "cannot reset a control group");
	if (rc == 0)
		rc = set_limits(g, &q->limits, e);
	if (rc == 0)
		*ret = g;
	else
		remove_group(p, g);
	return rc;
}

/* --- putting back --------------------------------------------------------------------------- */

static bool
fit_for_more(struct cgroup_pooled *g)
{
	const int64_t oom_before = g->before[CGROUP_STAT_OOM];

	read_counters(g);
	return !g->single && g->uses < USES_MAX && g->peak_fd >= 0 &&
	       g->before[CGROUP_STAT_OOM] == oom_before && g->before[CGROUP_STAT_PROCESSES] == 0 &&
	       g->before[CGROUP_STAT_PROCESSES_PEAK] <= PROCESSES_PEAK_MAX &&
	       g->before[CGROUP_STAT_MEMORY] <= LEFT_OVER_MAX && forget_peak(g);
}

static size_t
idle_of(const struct cgroup_pool *p, uint32_t owner)
{
	size_t n = 0;

	for (size_t i = 0; i < p->end; i++)
		n += p->at[i].state == POOLED_IDLE && p->at[i].owner == owner;
	return n;
}

static void
rest(struct cgroup_pool *p, struct cgroup_pooled *g)
{
	g->state = POOLED_IDLE;
	g->until = deadline_in_ms(IDLE_MS);
	p->n_idle++;
}

/* In the place of one that cannot be used again: the owner's next run does not wait for it. */
static void
replace(struct cgroup_pool *p, uint32_t owner)
{
	static const int none[CGROUP_DISKS] = { -1, -1 };
	struct cgroup_pooled *g = place(p);
	struct err ignored = { 0 }; /* then the next run makes one, or says why it cannot */

	if (g == NULL)
		return;
	g->owner = owner;
	g->state = POOLED_USED;
	if (make(p, g, NULL, none, &ignored) == 0)
		rest(p, g);
	else
		remove_group(p, g);
}

void
cgroup_pool_put(struct cgroup_pool *p, struct cgroup_pooled *g, bool clean)
{
	const uint32_t owner = g->owner;
	const bool more = p->n_idle < IDLE_MAX && idle_of(p, owner) < IDLE_OF_OWNER;

	REQUIRE(g->state == POOLED_USED);
	if (more && clean && fit_for_more(g)) {
		rest(p, g);
		return;
	}
	remove_group(p, g);
	if (more)
		replace(p, owner);
}

void
cgroup_pool_remove(struct cgroup_pool *p, const char *name)
{
	struct cgroup_pooled *g = place(p);

	if (g == NULL)
		return; /* the sweep of the next spawner finds it */
	(void)snprintf(g->name, sizeof(g->name), "%s", name);
	remove_group(p, g);
}

bool
cgroup_pool_has(const struct cgroup_pool *p, const char *name)
{
	for (size_t i = 0; i < p->end; i++)
		if (p->at[i].state != POOLED_FREE && strcmp(p->at[i].name, name) == 0)
			return true;
	return false;
}

bool
cgroup_pool_look(struct cgroup_pool *p, size_t *ret_lost)
{
	bool more = false;

	for (size_t i = 0; i < p->end; i++) {
		struct cgroup_pooled *g = &p->at[i];

		if (g->state == POOLED_REMOVING && deadline_passed(g->until)) {
			g->state = POOLED_FREE;
			(*ret_lost)++;
		} else if (g->state == POOLED_REMOVING ||
			   (g->state == POOLED_IDLE && deadline_passed(g->until))) {
			remove_group(p, g);
		}
		more = more || g->state == POOLED_REMOVING;
	}
	return more;
}
