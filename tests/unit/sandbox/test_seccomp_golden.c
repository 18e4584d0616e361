/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run may ask of the kernel, against lists that do not come from seccomp.def: for numbers
 * the golden file of the hostile suite, for arguments the table here.  Each difference is a line
 * that names the call, and all of them are told before the test fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/prctl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { ARGS = 3, VALUES = 32, NUMBERS = 1024, NAME_SIZE = 64 };

/* --- arguments ------------------------------------------------------------------------------- */

/* One argument of a call: the values that pass, or those that do not.  To each is asked with the
 * other arguments as in `others`, which pass. */
static const struct argument {
	const char *name;
	unsigned index;
	bool listed_pass;
	bool cell; /* as a cell may, which is not yet under the small layer */
	int sys;   /* for the rest */
	uint64_t others[ARGS];
	size_t n;
	uint64_t values[VALUES];
} arguments[] = {
#define V(...)                                                                                     \
	sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t),                                    \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}
	{ "clone", 0, false, false, EPERM, { 0 },
	    V(CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID,
		CLONE_NEWNET) },
	{ "socket", 0, true, false, EAFNOSUPPORT, { 0, SOCK_STREAM, 0 },
	    V(AF_UNIX, AF_INET, AF_INET6) },
	{ "socket", 1, true, false, EPERM, { AF_INET, 0, 0 },
	    V(SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET) },
	{ "socket", 2, true, false, EPROTONOSUPPORT, { AF_INET, SOCK_STREAM, 0 },
	    V(0, IPPROTO_TCP, IPPROTO_UDP) },
	{ "socketpair", 0, true, false, EAFNOSUPPORT, { 0 }, V(AF_UNIX) },
	{ "preadv2", 5, false, false, EOPNOTSUPP, { 0 }, V(RWF_NOWAIT) },
	{ "ioctl", 1, true, false, EPERM, { 0 },
	    V(TCGETS, TIOCGWINSZ, TIOCGPGRP, FIONREAD, FIONBIO, FIOASYNC, FIOCLEX, FIONCLEX,
		FIOQSIZE, FIGETBSZ, FICLONE, FS_IOC_GETFLAGS, SIOCGIFCONF, SIOCGIFFLAGS,
		SIOCGIFADDR, SIOCGIFNETMASK, SIOCGIFBRDADDR, SIOCGIFINDEX, SIOCGIFNAME, SIOCGIFMTU,
		SIOCGIFHWADDR) },
	{ "prctl", 0, true, false, EPERM, { 0 },
	    V(PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_GET_KEEPCAPS,
		PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_SECUREBITS,
		PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_CHILD_SUBREAPER,
		PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS,
		PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_GET_SPECULATION_CTRL, PR_SET_VMA) },
	{ "personality", 0, true, false, EPERM, { 0 }, V(0, 0xffffffff) },
	{ "fcntl", 1, false, false, EPERM, { 0 }, V(F_SETLEASE, F_NOTIFY, F_SETSIG) },
	/* The keeper is always the first. */
	{ "kill", 0, false, false, EPERM, { 0 }, V(1) },
	{ "tkill", 0, false, false, EPERM, { 0 }, V(1) },
	{ "tgkill", 0, false, false, EPERM, { 0 }, V(1) },
	{ "rt_sigqueueinfo", 0, false, false, EPERM, { 0 }, V(1) },
	{ "rt_tgsigqueueinfo", 0, false, false, EPERM, { 0 }, V(1) },
	{ "pidfd_open", 0, false, false, EPERM, { 0 }, V(1) },
	{ "setpriority", 1, false, false, EPERM, { 0 }, V(1) },
	{ "ioprio_set", 1, false, false, EPERM, { 0 }, V(1) },
	{ "sched_setaffinity", 0, false, false, EPERM, { 0 }, V(1) },
	{ "sched_setattr", 0, false, false, EPERM, { 0 }, V(1) },
	{ "sched_setparam", 0, false, false, EPERM, { 0 }, V(1) },
	{ "sched_setscheduler", 0, false, false, EPERM, { 0 }, V(1) },

	{ "prlimit64", 0, true, false, EPERM, { 0 }, V(0) },
	{ "landlock_restrict_self", 1, true, false, EPERM, { 0 }, V(0) },
	{ "seccomp", 0, true, false, EPERM, { 0 }, 0, { 0 } },
	{ "seccomp", 0, true, true, EPERM, { 0 }, V(SECCOMP_SET_MODE_FILTER) },
	{ "seccomp", 1, true, true, EPERM, { SECCOMP_SET_MODE_FILTER }, V(0) },
	{ "prctl", 0, true, true, EPERM, { 0 },
	    V(PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_GET_KEEPCAPS,
		PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_SECUREBITS,
		PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_SET_CHILD_SUBREAPER,
		PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS,
		PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_GET_SPECULATION_CTRL, PR_SET_VMA,
		PR_CAPBSET_DROP) },
#undef V
};

/* As many as there are requests of devices, and some with high bits. */
enum { PLAIN = 1 << 16 };
static const uint64_t far[] = { 0x80000000, 0xffffffff, 0x80045430, 0x40086602, 0xc0189436,
	0x59616d61, 0x53564d42 };

static uint32_t
ask_with(const struct layers *l, const struct argument *a, uint64_t value)
{
	struct seccomp_data d = { .nr = seccomp_syscall_resolve_name(a->name), .arch = NATIVE };

	memcpy(d.args, a->others, sizeof(a->others));
	d.args[a->index] = value;
	return a->cell ? interpret(&l->all, &d)
		       : stricter(interpret(&l->sim, &d), interpret(&l->all, &d));
}

static bool
is_listed(const struct argument *a, uint64_t value)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->values[i] == value)
			return true;
	return false;
}

/* The number of answers that are not as they should be; those of values in the list are told. */
static int
compare(const struct layers *l, const struct argument *a, uint64_t value)
{
	const bool listed = is_listed(a, value);
	const uint32_t want = listed == a->listed_pass ? (uint32_t)SECCOMP_RET_ALLOW
						       : SECCOMP_RET_ERRNO | (uint32_t)a->sys;
	const uint32_t got = ask_with(l, a, value);

	if (got == want)
		return 0;
	if (listed || got == SECCOMP_RET_ALLOW)
		print_message("argument%s: %s %u %#jx gets %#x instead of %#x\n",
		    a->cell ? " of a cell" : "", a->name, a->index, (uintmax_t)value, got, want);
	return 1;
}

/* Bits that are no values of their own but may stand beside one. */
static bool
is_beside(const struct argument *a, uint64_t value)
{
	if (strcmp(a->name, "socket") == 0 && a->index == 1)
		return is_listed(a, value & 0xf); /* SOCK_CLOEXEC and its like */
	/* Other flags than those in the list. */
	return (strcmp(a->name, "clone") == 0 || strcmp(a->name, "preadv2") == 0) &&
	       !is_listed(a, value);
}

static void
every_argument_gets_the_answer_of_the_table(void **state)
{
	struct layers l;
	int bad = 0;

	(void)state;
	compile_both(&l);
	for (size_t i = 0; i < ARRAY_LEN(arguments); i++) {
		const struct argument *a = &arguments[i];

		for (size_t j = 0; j < a->n; j++)
			bad += compare(&l, a, a->values[j]);
		for (uint64_t v = 0; v < PLAIN; v++)
			if (!is_listed(a, v) && !is_beside(a, v))
				bad += compare(&l, a, v);
		for (size_t j = 0; j < ARRAY_LEN(far); j++)
			if (!is_listed(a, far[j]) && !is_beside(a, far[j]))
				bad += compare(&l, a, far[j]);
	}
	assert_int_equal(bad, 0);
}

/* --- numbers --------------------------------------------------------------------------------- */

static const char *
word_for(uint32_t action)
{
	if (action == (SECCOMP_RET_ERRNO | EPERM))
		return "EPERM";
	return action == (SECCOMP_RET_ERRNO | ENOSYS) ? "ENOSYS" : "answers";
}

/* With arguments that pass where there are such, with -1 as in the golden file elsewhere. */
static const char *
word_of(const struct layers *l, const char *name, int nr)
{
	for (size_t i = 0; i < ARRAY_LEN(arguments); i++) {
		const struct argument *a = &arguments[i];

		if (strcmp(a->name, name) == 0 && !a->cell && a->n > 0)
			return word_for(ask_with(l, a, a->listed_pass ? a->values[0] : 0));
	}
	return word_for(ask(l, nr, UINT64_MAX, UINT64_MAX, UINT64_MAX));
}

/* EPERM or ENOSYS comes from the kernel, to whom the filter leaves it. */
static bool
is_answered_by_the_kernel(const char *name)
{
	static const char *const names[] = { "setgroups", "futex" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(arguments); i++)
		if (strcmp(arguments[i].name, name) == 0 && !arguments[i].cell &&
		    arguments[i].n > 0)
			return true; /* refused there for its argument */
	return false;
}

static void
every_number_gets_the_answer_of_the_golden_file(void **state)
{
	static const char path[] = WARDIAN_SOURCE_DIR "/tests/probes/syscalls.golden";
	FILE *f = fopen(path, "re");
	char line[256];
	struct layers l;
	int bad = 0, n = 0;

	(void)state;
#ifndef __x86_64__
	skip(); /* the file is x86-64's */
#endif
	assert_non_null(f);
	compile_both(&l);
	while (fgets(line, sizeof(line), f) != NULL) {
		char name[NAME_SIZE], want[NAME_SIZE];
		const char *got;
		int nr;

		if (line[0] == '#' || sscanf(line, "%d %63s %63s", &nr, name, want) != 3)
			continue;
		n++;
		if (strcmp(want, "kernel") == 0)
			continue;
		got = word_of(&l, name, nr);
		if (is_answered_by_the_kernel(name))
			snprintf(want, sizeof(want), "answers");
		if (strcmp(got, want) == 0)
			continue;
		print_message("number: %s gets %s instead of %s\n", name, got, want);
		bad++;
	}
	fclose(f);
	assert_true(n > 600);
	for (int nr = n; nr < NUMBERS; nr++)
		bad += strcmp(word_of(&l, "", nr), "ENOSYS") != 0;
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_argument_gets_the_answer_of_the_table),
		cmocka_unit_test(every_number_gets_the_answer_of_the_golden_file),
	};

	return cmocka_run_group_tests_name("seccomp golden", tests, NULL, NULL);
}
