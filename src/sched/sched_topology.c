/* SPDX-License-Identifier: Apache-2.0 */
#include "sched_topology.h"

#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	/* The kernel refuses a mask that is smaller than its own, of at most 8192 CPUs. */
	KERNEL_CPUS_MAX = 8192,
	NODES_MAX = 1024,
	LIST_BYTES_MAX = 16 << 10,
	PATH_SIZE = 96
};

/* A number at *p, which moves behind it; -1 when there is none that makes sense. */
static int64_t
take_number(const char **p)
{
	const size_t n = strspn(*p, "0123456789");
	struct err ignored = { 0 };
	char digits[8];
	int64_t v;

	if (n >= sizeof(digits))
		return -1;
	memcpy(digits, *p, n);
	digits[n] = '\0';
	*p += n;
	return parse_i64(digits, 0, KERNEL_CPUS_MAX, &v, &ignored) < 0 ? -1 : v;
}

/* The next range of a list like "0-3,8,10-11"; false at its end, or where it makes no sense. */
static bool
take_range(const char **p, int64_t *ret_first, int64_t *ret_last)
{
	*ret_first = *ret_last = take_number(p);
	if (*ret_first >= 0 && **p == '-') {
		(*p)++;
		*ret_last = take_number(p);
	}
	if (**p == ',')
		(*p)++;
	return *ret_first >= 0 && *ret_last >= *ret_first;
}

/* NULL when it cannot be read. */
static char *
read_list(int sys_fd, const char *path)
{
	struct err ignored = { 0 };
	char *text = NULL;
	size_t n;

	return fd_read_file(sys_fd, path, LIST_BYTES_MAX, &text, &n, &ignored) < 0 ? NULL : text;
}

static int
compare_id(const void *x, const void *y)
{
	const struct sched_cpu *a = x, *b = y;

	return (a->id > b->id) - (a->id < b->id);
}

static int
compare(const void *x, const void *y)
{
	const struct sched_cpu *a = x, *b = y;

	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->core != b->core)
		return a->core < b->core ? -1 : 1;
	return compare_id(x, y);
}

static void
read_core(int sys_fd, struct sched_cpu *cpu)
{
	AUTO_FREE char *text = NULL;
	char path[PATH_SIZE];
	int64_t first, last;
	const char *p;

	(void)snprintf(path, sizeof(path), "devices/system/cpu/cpu%u/topology/thread_siblings_list",
	    (unsigned)cpu->id);
	p = text = read_list(sys_fd, path);
	if (p != NULL && take_range(&p, &first, &last) && first <= cpu->id)
		cpu->core = (uint16_t)first;
}

/* *t is in the order of its ids still. */
static void
read_node(int sys_fd, uint16_t node, struct sched_topology *t)
{
	AUTO_FREE char *text = NULL;
	char path[PATH_SIZE];
	int64_t first, last;
	const char *p;

	(void)snprintf(path, sizeof(path), "devices/system/node/node%u/cpulist", (unsigned)node);
	p = text = read_list(sys_fd, path);
	while (p != NULL && take_range(&p, &first, &last))
		for (size_t i = 0; i < t->n; i++)
			if (t->at[i].id >= first && t->at[i].id <= last)
				t->at[i].node = node;
}

static void
read_sys(const char *sys, struct sched_topology *t)
{
	AUTO_FD int sys_fd = open(sys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FREE char *text = NULL;
	int64_t first, last;
	const char *p;

	if (sys_fd < 0)
		return;
	for (size_t i = 0; i < t->n; i++)
		read_core(sys_fd, &t->at[i]);
	p = text = read_list(sys_fd, "devices/system/node/online");
	while (p != NULL && take_range(&p, &first, &last))
		for (int64_t node = first; node <= last && node < NODES_MAX; node++)
			read_node(sys_fd, (uint16_t)node, t);
}

int
sched_topology_read(const char *sys, struct sched_topology *ret, struct err *e)
{
	const size_t size = CPU_ALLOC_SIZE(KERNEL_CPUS_MAX);
	AUTO_FREE cpu_set_t *set = calloc(1, size);

	if (set == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for a set of CPUs");
	if (sched_getaffinity(0, size, set) < 0)
		return err_sys(e, errno, "cannot ask for the CPUs of this process");
	ret->n = 0;
	for (size_t i = 0; i < SCHED_CPUS_MAX; i++)
		if (CPU_ISSET_S(i, size, set))
			ret->at[ret->n++] =
			    (struct sched_cpu){ .core = (uint16_t)i, .id = (uint16_t)i };
	read_sys(sys == NULL ? "/sys" : sys, ret);
	if (ret->n > 0)
		qsort(ret->at, ret->n, sizeof(ret->at[0]), compare);
	return 0;
}
