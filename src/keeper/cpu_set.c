/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run on CPUs of its own.  Where the host has the cpuset controller, the run's group has confined
 * it already and this only looks; elsewhere the process confines itself, and is then not allowed to
 * say anything more about it.  Runs in the simulation's own way to its program (sim.c): plain
 * system calls only.
 */
#include "account.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SET_BYTES = SANDBOX_CPU_WORDS * sizeof(uint64_t) };

static int
set_and_get(const uint64_t *want, uint64_t got[static SANDBOX_CPU_WORDS])
{
	memset(got, 0, SET_BYTES);
	if (syscall(SYS_sched_setaffinity, 0, SET_BYTES, want) < 0)
		return -1;
	return syscall(SYS_sched_getaffinity, 0, SET_BYTES, got) < 0 ? -1 : 0;
}

/* The big filter, under which this one is put, has looked at the architecture. */
static int
forbid_change(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setaffinity, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_LEN(code), .filter = code };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int
cpu_set_apply(const uint64_t set[static SANDBOX_CPU_WORDS])
{
	uint64_t got[SANDBOX_CPU_WORDS], all[SANDBOX_CPU_WORDS];

	if (cpu_set_empty(set))
		return 0;
	/* The kernel takes what there is of a set; only the whole of it is what was asked for. */
	if (set_and_get(set, got) < 0 || memcmp(got, set, SET_BYTES) != 0) {
		errno = ENODEV;
		return -1;
	}
	memset(all, 0xff, sizeof(all));
	if (set_and_get(all, got) < 0)
		return -1;
	if (memcmp(got, set, SET_BYTES) == 0)
		return 0; /* confined by the group */
	return set_and_get(set, got) < 0 ? -1 : forbid_change();
}
