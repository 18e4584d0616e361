/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAKE_CGROUP_H
#define FAKE_CGROUP_H

/* A directory that looks like cgroupfs, and the bits of controllers, for the tests beside this. */

#include "cgroup.h"
#include "fd.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	M = 1 << CGROUP_MEMORY,
	C = 1 << CGROUP_CPU,
	A = 1 << CGROUP_CPUACCT,
	P = 1 << CGROUP_PIDS,
	S = 1 << CGROUP_CPUSET,
	I = 1 << CGROUP_IO
};

struct fake {
	char path[64];
	int fd;
};

static inline int
make_fake(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));

	snprintf(f->path, sizeof(f->path), "/tmp/wardian-cgroup-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->fd >= 0);
	*state = f;
	return 0;
}

static inline int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int
remove_fake(void **state)
{
	struct fake *f = *state;

	close(f->fd);
	assert_int_equal(nftw(f->path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(f);
	return 0;
}

static inline void
put_file(const struct fake *f, const char *path, const char *text)
{
	int fd = openat(f->fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static inline void
assert_file(const struct fake *f, const char *path, const char *want)
{
	char *text = NULL;
	struct err e = { 0 };
	size_t n;

	assert_int_equal(fd_read_file(f->fd, path, 4096, &text, &n, &e), 0);
	assert_string_equal(text == NULL ? "" : text, want);
	free(text);
}

static inline struct cgroup
fake_group(const struct fake *f, uint32_t version, uint32_t controllers)
{
	struct cgroup g = { .n = 1 };

	g.in[0].version = version;
	g.in[0].controllers = controllers;
	g.in[0].fd = dup(f->fd);
	return g;
}

static const struct sandbox_limits fake_limits = {
	.memory_bytes = 64 * MIB, .cpu_milli = 1500, .processes = 32
};

static inline void
open_fake_host(const struct fake *f, struct cgroup_host *h)
{
	struct cgroup_places places = { .n = 1 };
	struct err e = { 0 };

	places.at[0].version = 2;
	places.at[0].controllers = M | C | A | P | S | I;
	snprintf(places.at[0].dir, sizeof(places.at[0].dir), "%s", f->path);
	assert_int_equal(cgroup_host_open(&places, "base", h, &e), 0);
}

#endif
