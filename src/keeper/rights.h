/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RIGHTS_H
#define RIGHTS_H

/*
 * What differs with whose rights the spawner builds.  Root's gives each tenant ids of its own: the
 * simulation is another user than its keeper (own_ids.c).  An ordinary user's has one id for all:
 * the simulation gets a user namespace of its own inside the keeper's, so that the keeper has
 * capabilities where the simulation has none (one_uid.c).
 */

#include <stdbool.h>
#include <sys/types.h>

struct keeper;

struct rights {
	uid_t sim_uid;    /* the simulation's id as its keeper sees it */
	bool late_filter; /* becoming the simulation takes calls that the small layer refuses */
	/* All of them: 0, or -1 and errno; false for what does not hold. */
	int (*take_group)(const struct keeper *k); /* before the tenant's user namespace */
	int (*mount_proc)(struct keeper *k);
	bool (*cell_holds)(const struct keeper *k); /* in the tenant's user namespace */
	int (*become_sim)(const struct keeper *k);  /* in the simulation, before its exec */
	bool (*sim_holds)(const struct keeper *k);  /* there, beyond what is the same for all */
};
extern const struct rights rights_own_ids, rights_one_uid;

/* Of this process: nothing can be gained at an exec. */
bool bounding_set_is_empty(void);
/* Empties it; the kernel's call, for processes that share memory. */
int bounding_set_empty(void);

#endif
