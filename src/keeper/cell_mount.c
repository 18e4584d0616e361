/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each cell mounts for itself, in its own mount namespace, inside the root.  All paths here
 * are directories that the spawner made in file systems of ours; the environment has no say in
 * them.
 */
#include "keeper_internal.h"

#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * One tmpfs behind /work, /tmp and /dev/shm.  It is first mounted whole where /proc will be, and
 * stays there, read-only, below it: taking it away would wait for every processor (RCU), and below
 * another mount nobody reaches it who cannot unmount.
 */
int
cell_mount_scratch(uid_t owner, int64_t bytes, int64_t files)
{
	static const struct {
		const char *dir, *where;
		mode_t mode;
	} parts[] = {
		{ "/proc/work", "/work", 0755 },
		{ "/proc/tmp", "/tmp", 01777 },
		{ "/proc/shm", "/dev/shm", 01777 },
	};
	char options[96];

	/* The root and the three directories are not the simulation's. */
	(void)snprintf(options, sizeof(options), "size=%jd,nr_inodes=%jd,mode=755", (intmax_t)bytes,
	    (intmax_t)files + KEEPER_SCRATCH_OWN); /* fits */
	(void)umask(0);
	if (mount("scratch", "/proc", "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (mkdir(parts[i].dir, parts[i].mode) < 0)
			return -1;
	if (chown(parts[0].dir, owner, owner) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (mount(parts[i].dir, parts[i].where, NULL, MS_BIND, NULL) < 0)
			return -1;
	return mount(NULL, "/proc", NULL,
	    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* Only the spawner puts anything into /dev, and it puts this there with every GPU. */
bool
cell_has_gpus(void)
{
	return access("/dev/nvidiactl", F_OK) == 0;
}

/*
 * Nothing but processes, and of those only one's own: no sys, kallsyms, keys, cmdline.  Read-only
 * but for a run with GPUs: CUDA ends with "OS call failed" when it cannot write the names of its
 * threads.  What else can be written there is about processes of the same job, and the kernel
 * refuses what would be more than it may do anyway.
 */
int
cell_mount_proc(unsigned long read_only)
{
	return mount("proc", "/proc", "proc", read_only | MS_NOSUID | MS_NODEV | MS_NOEXEC,
	    "hidepid=invisible,subset=pid");
}
