/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups: which controllers this process could hand to jobs.  Found by the same function as
 * the spawner's, so that both see the same.
 */
#include "host_internal.h"

#include "cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = CGROUP_PATH_SIZE + 64 };

struct texts {
	char *mountinfo, *self;
};

static void
texts_done(struct texts *t)
{
	free(t->mountinfo);
	free(t->self);
}
#define AUTO_TEXTS __attribute__((cleanup(texts_done))) struct texts

/* False when it has been said that they cannot be read. */
static bool
read_texts(const struct host_view *v, struct texts *t)
{
	static const char mountinfo[] = "/proc/self/mountinfo", self[] = "/proc/self/cgroup";
	int sys = host_read(v, mountinfo, &t->mountinfo);

	if (sys == ENOENT) {
		host_say(v, HOST_LACKING, "there is no /proc to find control groups by");
		return false;
	}
	if (sys != 0) {
		host_say_unseen(v, mountinfo, sys);
		return false;
	}
	sys = host_read(v, self, &t->self);
	if (sys == ENOENT)
		host_say(v, HOST_LACKING, "this kernel has no control groups");
	else if (sys != 0)
		host_say_unseen(v, self, sys);
	return sys == 0;
}

/* What the cgroup.controllers of a version 2 group names. */
static bool
v2_has(const struct host_view *v, const char *dir, const char *controller)
{
	AUTO_FREE char *list = NULL;
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", dir); /* fits */
	return host_read(v, path, &list) == 0 && host_has_word(list, " \n", controller);
}

/* What a spawner would have to write to: groups of its own below this one, and in version 2 the
 * lists that hand controllers and processes down. */
static int
may_divide(const struct host_view *v, const struct cgroup_place *p)
{
	static const char *const files[] = { "cgroup.procs", "cgroup.subtree_control" };
	char path[PATH_SIZE];
	int sys = host_may(v, p->dir, W_OK | X_OK);

	for (size_t i = 0; i < ARRAY_LEN(files) && sys == 0 && p->version == 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", p->dir, files[i]); /* fits */
		sys = host_may(v, path, W_OK);
	}
	return sys;
}

static void
say_place(const struct host_view *v, const struct cgroup_place *p)
{
	int sys = may_divide(v, p);

	if (sys == 0)
		host_say(v, HOST_GOOD, "version %u, ours to divide", p->version);
	else if (sys == EROFS)
		host_say(v, HOST_LACKING, "version %u, but mounted read-only", p->version);
	else
		host_say(v, HOST_LACKING, "version %u, but %.100s is not uid %u's to divide (%s)",
		    p->version, p->dir, v->f->uid, strerrorname_np(sys));
}

static void
check_controller(const struct host_view *v, enum cgroup_controller c, const char *name)
{
	AUTO_TEXTS t = { 0 };
	struct cgroup_places places;
	struct err e = { 0 };

	if (!read_texts(v, &t))
		return;
	if (cgroup_places_parse(t.mountinfo, t.self, &places, &e) < 0) {
		host_say(v, HOST_UNSEEN, "%s", e.msg);
		return;
	}
	for (size_t i = 0; i < places.n; i++) {
		const struct cgroup_place *p = &places.at[i];

		if ((p->controllers & 1u << c) == 0)
			continue;
		/* Version 2 counts CPU time without a controller. */
		if (p->version == 1 || c == CGROUP_CPUACCT || v2_has(v, p->dir, name))
			say_place(v, p);
		else
			host_say(
			    v, HOST_LACKING, "version 2, but not handed down to %.100s", p->dir);
	}
	host_say(v, HOST_LACKING, "not there: neither mounted in version 1 nor in version 2");
}

void
host_check_cgroup_memory(const struct host_view *v)
{
	check_controller(v, CGROUP_MEMORY, "memory");
}

void
host_check_cgroup_cpu(const struct host_view *v)
{
	check_controller(v, CGROUP_CPU, "cpu");
}

void
host_check_cgroup_pids(const struct host_view *v)
{
	check_controller(v, CGROUP_PIDS, "pids");
}

void
host_check_cgroup_cpuacct(const struct host_view *v)
{
	check_controller(v, CGROUP_CPUACCT, "cpuacct");
}

void
host_check_cgroup_cpuset(const struct host_view *v)
{
	check_controller(v, CGROUP_CPUSET, "cpuset");
}

void
host_check_cgroup_io(const struct host_view *v)
{
	check_controller(v, CGROUP_IO, "io");
}

/* --- version 2 as a whole --------------------------
 */

/* The place of version 2; false when it is not mounted.  Where version 1 has all controllers it is
 * no place to the parser, which is therefore shown its line alone. */
static bool
find_v2(const struct texts *t, struct cgroup_place *ret)
{
	static const char mark[] = " - cgroup2 ";
	const char *line = strstr(t->mountinfo, mark), *end;
	char one[PATH_SIZE];
	struct cgroup_places places;
	struct err e = { 0 };

	if (line == NULL)
		return false;
	end = line + strcspn(line, "\n");
	while (line > t->mountinfo && line[-1] != '\n')
		line--;
	if ((size_t)(end - line) >= sizeof(one))
		return false;
	memcpy(one, line, (size_t)(end - line));
	one[end - line] = '\0';
	if (cgroup_places_parse(one, t->self, &places, &e) < 0 || places.n == 0)
		return false;
	*ret = places.at[0];
	return true;
}

void
host_check_cgroup_kill(const struct host_view *v)
{
	AUTO_TEXTS t = { 0 };
	struct cgroup_place place;

	if (!read_texts(v, &t))
		return;
	if (!find_v2(&t, &place))
		host_say(v, HOST_LACKING, "version 2 is not mounted");
	else if (!host_good(v->report, HOST_AT_kernel))
		host_say(v, HOST_LACKING, "the kernel is too old");
	else if (may_divide(v, &place) != 0)
		host_say(v, HOST_LACKING, "version 2 is mounted, but not ours to divide");
	else
		host_say(v, HOST_GOOD, "version 2 is mounted");
}

/* --- swap ---------------------------------------------------------------------------------------
 */

static bool
has_file(const struct host_view *v, const char *dir, const char *file)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file); /* fits */
	return host_may(v, path, F_OK) == 0;
}

/* The root group of version 2 has no limits of its own, so what its children will have is seen only
 * in a group below it. */
static void
say_swap_limit(const struct host_view *v, const struct cgroup_place *p)
{
	if (p->version == 1 && has_file(v, p->dir, "memory.memsw.limit_in_bytes"))
		host_say(v, HOST_GOOD, "swap counts into the limit of memory");
	else if (p->version == 2 && has_file(v, p->dir, "memory.swap.max"))
		host_say(v, HOST_GOOD, "jobs get none of it");
	else if (p->version == 2 && !has_file(v, p->dir, "memory.max"))
		host_say(
		    v, HOST_UNSEEN, "only groups below the root of version 2 show their limit");
	else
		host_say(v, HOST_LACKING, "there is swap, and no limit for it");
}

void
host_check_swap(const struct host_view *v)
{
	AUTO_FREE char *swaps = NULL;
	AUTO_TEXTS t = { 0 };
	struct cgroup_places places = { 0 };
	struct err e = { 0 };
	int sys = host_read(v, "/proc/swaps", &swaps);

	if (sys != 0 && sys != ENOENT) {
		host_say_unseen(v, "/proc/swaps", sys);
		return;
	}
	/* A heading, then a line for each. */
	if (sys == ENOENT || strchr(swaps, '\n') == NULL || strchr(swaps, '\n')[1] == '\0') {
		host_say(v, HOST_GOOD, "this machine has no swap");
		return;
	}
	if (!read_texts(v, &t))
		return;
	if (cgroup_places_parse(t.mountinfo, t.self, &places, &e) < 0)
		host_say(v, HOST_UNSEEN, "%s", e.msg);
	for (size_t i = 0; i < places.n; i++)
		if ((places.at[i].controllers & 1u << CGROUP_MEMORY) != 0)
			say_swap_limit(v, &places.at[i]);
	host_say(v, HOST_LACKING, "there is swap, and no controller of memory to limit it");
}
