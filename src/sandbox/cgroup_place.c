/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which controller stands where.  A host may have every controller in version 1, every one in
 * version 2, or some in each; a controller that a version 1 mount holds cannot be in version 2.
 */
#include "cgroup_internal.h"

#include <string.h>

enum { ALL_CONTROLLERS = (1 << CGROUP_CONTROLLERS) - 1, MOUNTS_MAX = 65536 };

const char *const cgroup_controller_names[3][CGROUP_CONTROLLERS] = {
#define BOTH(controller, name) [1][controller] = (name), [2][controller] = (name)
	BOTH(CGROUP_MEMORY, "memory"),
	BOTH(CGROUP_CPU, "cpu"),
	BOTH(CGROUP_CPUACCT, "cpuacct"), /* version 2 counts CPU time without a controller */
	BOTH(CGROUP_PIDS, "pids"),
	BOTH(CGROUP_CPUSET, "cpuset"),
	[1][CGROUP_IO] = "blkio",
	[2][CGROUP_IO] = "io",
#undef BOTH
};

struct slice {
	const char *p;
	size_t n;
};

/* Cuts the text before the first `sep` off *rest; false when *rest was used up before. */
static bool
cut(struct slice *rest, char sep, struct slice *ret)
{
	const char *at;

	if (rest->p == NULL)
		return false;
	at = memchr(rest->p, sep, rest->n);
	ret->p = rest->p;
	ret->n = at == NULL ? rest->n : (size_t)(at - rest->p);
	rest->p = at == NULL ? NULL : at + 1;
	rest->n -= at == NULL ? rest->n : ret->n + 1;
	return true;
}

static bool
slice_is(struct slice s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

/* Controllers in a comma-separated list of version 1; names of others are skipped. */
static uint32_t
controllers_in(struct slice list)
{
	struct slice word;
	uint32_t mask = 0;

	while (cut(&list, ',', &word))
		for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++)
			if (slice_is(word, cgroup_controller_names[1][i]))
				mask |= 1u << i;
	return mask;
}

struct mount_line {
	struct slice root, point, type, options;
};

/* proc_pid_mountinfo(5): six fields, optional ones, "-", type, source, options of the super block.
 */
static bool
parse_mount(struct slice line, struct mount_line *ret)
{
	struct slice field = { 0 };
	struct mount_line m = { 0 };

	for (int i = 0; i < 6; i++) {
		if (!cut(&line, ' ', &field))
			return false;
		if (i == 3)
			m.root = field;
		if (i == 4)
			m.point = field;
	}
	do
		if (!cut(&line, ' ', &field))
			return false;
	while (!slice_is(field, "-"));
	if (!cut(&line, ' ', &m.type) || !cut(&line, ' ', &field) || !cut(&line, ' ', &m.options))
		return false;
	*ret = m;
	return true;
}

/* The own path in one hierarchy: lines "number:controllers:path", version 2 without controllers. */
static bool
find_own(const char *self, uint32_t controllers, struct slice *ret)
{
	struct slice text = { self, strlen(self) };
	struct slice line, number, names;

	while (cut(&text, '\n', &line)) {
		if (!cut(&line, ':', &number) || !cut(&line, ':', &names) || line.p == NULL)
			continue;
		if (controllers == 0 ? slice_is(number, "0") && names.n == 0
				     : (controllers_in(names) & controllers) != 0) {
			*ret = line;
			return true;
		}
	}
	return false;
}

static bool
has_prefix(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && memcmp(s.p, prefix.p, prefix.n) == 0 &&
	       (s.n == prefix.n || s.p[prefix.n] == '/');
}

/* mountinfo writes blanks and backslashes in octal; no such path is worth supporting here. */
static int
compose(const struct mount_line *m, struct slice own, struct cgroup_place *place, struct err *e)
{
	static const struct slice aside = { "/" CGROUP_ASIDE, sizeof("/" CGROUP_ASIDE) - 1 };

	if (slice_is(m->root, "/"))
		; /* the mount shows the whole hierarchy */
	else if (has_prefix(own, m->root))
		own = (struct slice){ own.p + m->root.n, own.n - m->root.n };
	else
		own.n =
		    0; /* the mount begins inside another group: its root is all that can be had */
	if (own.n >= aside.n && memcmp(own.p + own.n - aside.n, aside.p, aside.n) == 0)
		own.n -= aside.n;
	if (slice_is(own, "/"))
		own.n = 0;
	if (m->point.n + own.n >= sizeof(place->dir) ||
	    memchr(m->point.p, '\\', m->point.n) != NULL)
		return err_set(
		    e, ERR_CONF, "the path of a control group is too long or has blanks in it");
	memcpy(place->dir, m->point.p, m->point.n);
	memcpy(place->dir + m->point.n, own.p, own.n);
	place->dir[m->point.n + own.n] = '\0';
	return 0;
}

static int
add_place(struct cgroup_places *places, const struct mount_line *m, uint32_t version,
    uint32_t controllers, const char *self, struct err *e)
{
	struct cgroup_place place = { .version = version, .controllers = controllers };
	struct slice own;

	if (controllers == 0 || !find_own(self, version == 1 ? controllers : 0, &own))
		return 0;
	if (compose(m, own, &place, e) < 0)
		return -1;
	REQUIRE(places->n < ARRAY_LEN(places->at)); /* each takes a controller from the others */
	places->at[places->n++] = place;
	return 0;
}

int
cgroup_places_parse(
    const char *mountinfo, const char *self, struct cgroup_places *ret, struct err *e)
{
	struct cgroup_places places = { 0 };
	struct slice text = { mountinfo, strlen(mountinfo) };
	struct mount_line unified = { 0 };
	uint32_t taken = 0;
	struct slice line;

	for (int i = 0; i < MOUNTS_MAX && cut(&text, '\n', &line); i++) {
		struct mount_line m;

		if (!parse_mount(line, &m))
			continue;
		if (slice_is(m.type, "cgroup2") && unified.point.p == NULL)
			unified = m;
		if (!slice_is(m.type, "cgroup"))
			continue;
		if (add_place(&places, &m, 1, controllers_in(m.options) & ~taken, self, e) < 0)
			return -1;
		taken |= controllers_in(m.options);
	}
	if (unified.point.p != NULL &&
	    add_place(&places, &unified, 2, ALL_CONTROLLERS & ~taken, self, e) < 0)
		return -1;
	*ret = places;
	return 0;
}
