/* SPDX-License-Identifier: Apache-2.0 */
/* Keeper and simulation as two users of the host, in the tenant's own range. */
#include "rights.h"

#include "keeper_internal.h"

#include <errno.h>
#include <grp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAPS_MAX = 64 };

/* The daemon's group is outside the user namespace's map: the keeper holds it to read the run
 * directory, and nothing in the sandbox can ask for it again. */
static int
take_group(const struct keeper *k)
{
	return setgroups(1, &k->zygote.group);
}

static int
mount_proc(struct keeper *k)
{
	(void)k;
	return cell_mount_proc(cell_has_gpus() ? 0 : MS_RDONLY);
}

/* The worker looks at this: its number for the uid of this process is another than our own. */
static bool
cell_holds(const struct keeper *k)
{
	(void)k;
	return true;
}

/* Leaving uid 0 for good takes every capability along (capabilities(7)), which is looked at later.
 */
static int
become_sim(const struct keeper *k)
{
	(void)k;
	if (syscall(SYS_setgroups, 0, NULL) < 0)
		return -1;
	if (syscall(SYS_setresgid, KEEPER_SIM_UID, KEEPER_SIM_UID, KEEPER_SIM_UID) < 0)
		return -1;
	return (int)syscall(SYS_setresuid, KEEPER_SIM_UID, KEEPER_SIM_UID, KEEPER_SIM_UID);
}

/* Of its capabilities the bounding set was looked at in the cell. */
static bool
sim_holds(const struct keeper *k)
{
	(void)k;
	return syscall(SYS_getgroups, 0, NULL) == 0;
}

const struct rights rights_own_ids = { .sim_uid = KEEPER_SIM_UID,
	.take_group = take_group,
	.mount_proc = mount_proc,
	.cell_holds = cell_holds,
	.become_sim = become_sim,
	.sim_holds = sim_holds };

bool
bounding_set_is_empty(void)
{
	int there;

	for (int cap = 0; (there = prctl(PR_CAPBSET_READ, cap, 0, 0, 0)) >= 0; cap++)
		if (there != 0)
			return false;
	return errno == EINVAL; /* beyond the last one */
}

int
bounding_set_empty(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		REQUIRE(cap < CAPS_MAX);
	/* The kernel knows the last one: beyond it the answer is EINVAL. */
	return errno == EINVAL ? 0 : -1;
}
