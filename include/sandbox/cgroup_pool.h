/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CGROUP_POOL_H
#define CGROUP_POOL_H

/*
 * Control groups that are used again, since making and removing them costs half a millisecond.  A
 * group serves one owner for its life, so that memory which the kernel keeps for one tenant (page
 * cache, inodes) never shows in another's numbers; it serves no second run when the first was
 * killed, ran out of memory, had many processes or left more than a little behind, or had CPUs or
 * disks of its own.
 * Names are random and tell nothing.  Used by the spawner's only thread.
 */

#include "cgroup.h"
#include "clock.h"

enum { CGROUP_POOL_NAME_SIZE = 18 /* "g" and 16 digits */ };

enum cgroup_pooled_state { POOLED_FREE, POOLED_IDLE, POOLED_USED, POOLED_REMOVING };
struct cgroup_pooled {
	enum cgroup_pooled_state state;
	uint32_t owner;
	uint32_t uses;
	bool single;  /* made for one run */
	bool limited; /* limits holds what is set */
	char name[CGROUP_NAME_SIZE];
	struct sandbox_limits limits;
	struct cgroup group;
	size_t n_enter;
	int enter_fd[CGROUP_TREES_MAX]; /* -1 from n_enter on */
	int stat_fd[CGROUP_STATS];
	uint32_t stat_version[CGROUP_STATS]; /* 0: no such counter */
	int peak_fd;                  /* what is written here forgets the peak; -1: nothing can */
	int64_t before[CGROUP_STATS]; /* what the runs before used; -1: unknown */
	struct deadline until;        /* IDLE: then it goes; REMOVING: then it is given up */
};
struct cgroup_pool {
	const struct cgroup_host *host;
	struct cgroup_pooled *at;
	size_t max, end; /* every place from end on is free */
	size_t n_idle;
};

/* host must outlive it; max: groups in use and idle together. */
int cgroup_pool_init(
    struct cgroup_pool *p, const struct cgroup_host *host, size_t max, struct err *e) MUST_CHECK;
/* Removes the idle ones; those in use stay for whoever finds them. */
void cgroup_pool_done(struct cgroup_pool *p);
/*
 * A group with the limits of the request, its peak forgotten; the pool's, until it is put back.
 * disks: as cgroup_add_extras.  ENODEV in e->sys: the request's CPUs cannot be had.
 */
int cgroup_pool_take(struct cgroup_pool *p, uint32_t owner, const struct sandbox_request *q,
    const int disks[static CGROUP_DISKS], struct cgroup_pooled **ret, struct err *e) MUST_CHECK;
/* clean: its last run ended by itself, and all of its processes are gone. */
void cgroup_pool_put(struct cgroup_pool *p, struct cgroup_pooled *g, bool clean);
/* Takes over the removal of a group that an earlier spawner made. */
void cgroup_pool_remove(struct cgroup_pool *p, const char *name);
/* Used, idle, or being removed. */
bool cgroup_pool_has(const struct cgroup_pool *p, const char *name);
/* Goes on removing; true when there is more to do soon.  *ret_lost grows by those given up. */
bool cgroup_pool_look(struct cgroup_pool *p, size_t *ret_lost);

#endif
