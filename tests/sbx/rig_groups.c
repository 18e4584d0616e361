/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups that are an ordinary user's, as systemd or a container gives them with Delegate=.
 */
#include "rig.h"

#include "cgroup.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 4 << 20, PATH_SIZE = CGROUP_PATH_SIZE + 96, REMOVE_TRIES = 500 };

#define MUST(cond) ((cond) ? (void)0 : give_up(#cond, __LINE__))

NORETURN static void
give_up(const char *what, int line)
{
	fprintf(stderr, "rig_groups.c:%d: %s: %s\n", line, what, strerror(errno));
	exit(1);
}

static struct cgroup_places
find_places(void)
{
	AUTO_FREE char *mountinfo = NULL;
	AUTO_FREE char *self = NULL;
	struct cgroup_places places;
	struct err e = { 0 };
	size_t n;

	MUST(fd_read_file(-1, "/proc/self/mountinfo", TEXT_MAX, &mountinfo, &n, &e) == 0);
	MUST(fd_read_file(-1, "/proc/self/cgroup", TEXT_MAX, &self, &n, &e) == 0);
	MUST(cgroup_places_parse(mountinfo, self, &places, &e) == 0);
	return places;
}

static const char *
path_of(
    const struct rig *r, const struct cgroup_place *p, const char *file, char out[static PATH_SIZE])
{
	MUST(snprintf(out, PATH_SIZE, "%s/%s/%s", p->dir, r->groups, file) < PATH_SIZE);
	return out;
}

static void
put(const char *path, const char *text)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* What this host does not hand down shows in the spawner's first word. */
	if (fd >= 0)
		(void)!write(fd, text, strlen(text));
}

/* In version 1 a new group has no CPUs and no memory, and nobody can enter it. */
static void
copy_cpuset(const struct rig *r, const struct cgroup_place *p)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char path[PATH_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_FREE char *text = NULL;
		struct err none = { 0 };
		size_t n;

		snprintf(path, sizeof(path), "%s/%s", p->dir, files[i]);
		if (fd_read_file(-1, path, 4096, &text, &n, &none) == 0 && text != NULL)
			put(path_of(r, p, files[i], path), text);
	}
}

static void
give(const struct rig *r, const struct cgroup_place *p)
{
	static const char *const files[] = { "", "tasks", "cgroup.procs", "cgroup.threads",
		"cgroup.subtree_control" };
	static const char *const controllers[] = { "+memory", "+cpu", "+pids", "+cpuset", "+io" };
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", p->dir);
	for (size_t i = 0; p->version == 2 && i < ARRAY_LEN(controllers); i++)
		put(path, controllers[i]);
	MUST(mkdir(path_of(r, p, "", path), 0755) == 0);
	if (p->version == 1 && (p->controllers & 1u << CGROUP_CPUSET) != 0)
		copy_cpuset(r, p);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		MUST(chown(path_of(r, p, files[i], path), r->uid, r->gid) == 0 || errno == ENOENT);
}

void
rig_make_groups(struct rig *r)
{
	const struct cgroup_places places = find_places();

	snprintf(r->groups, sizeof(r->groups), "rig-%s", strrchr(r->dir, '-') + 1);
	for (size_t i = 0; i < places.n; i++)
		give(r, &places.at[i]);
}

void
rig_enter_groups(const struct rig *r)
{
	const struct cgroup_places places = find_places();
	char path[PATH_SIZE];

	for (size_t i = 0; i < places.n; i++)
		put(path_of(r, &places.at[i], places.at[i].version == 1 ? "tasks" : "cgroup.procs",
			path),
		    "0");
}

/* The kernel takes its time with processes that have just ended, and the spawner may have stepped
 * aside into a group below. */
void
rig_remove_groups(const struct rig *r)
{
	const struct cgroup_places places = find_places();
	char path[PATH_SIZE], aside[PATH_SIZE];

	for (size_t i = 0; i < places.n && r->groups[0] != '\0'; i++) {
		path_of(r, &places.at[i], "", path);
		path_of(r, &places.at[i], "wardian-spawner", aside);
		for (int try = 0; rmdir(path) < 0; try++) {
			MUST(errno == EBUSY && try < REMOVE_TRIES);
			(void)rmdir(aside);
			usleep(10000);
		}
	}
}
