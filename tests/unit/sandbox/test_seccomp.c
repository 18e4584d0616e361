/* SPDX-License-Identifier: Apache-2.0 */
/* The filter, run in an interpreter: every number, and every argument check from both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf_ask.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ALLOWED = SECCOMP_RET_ALLOW,
	REFUSED = SECCOMP_RET_ERRNO | EPERM,
	UNKNOWN = SECCOMP_RET_ERRNO | ENOSYS,
	NUMBERS = 2000
};

static void
every_number_gets_the_answer_of_its_row(void **state)
{
	static uint32_t want[NUMBERS];
	struct layers c;
	int checked[] = { SYS_clone, SYS_socket, SYS_socketpair, SYS_ioctl, SYS_prctl,
		SYS_personality, SYS_fcntl, SYS_prlimit64 };

	(void)state;
	for (int i = 0; i < NUMBERS; i++)
		want[i] = UNKNOWN;
#define ALLOW(name)                                                                                \
	if (seccomp_syscall_resolve_name(name) >= 0)                                               \
		want[seccomp_syscall_resolve_name(name)] = ALLOWED;
#define REFUSE(name)                                                                               \
	if (seccomp_syscall_resolve_name(name) >= 0)                                               \
		want[seccomp_syscall_resolve_name(name)] = REFUSED;
#define SETUP(name, sys) want[seccomp_syscall_resolve_name(name)] = SECCOMP_RET_ERRNO | (sys);
#include "seccomp.def"
	compile_both(&c);
	for (size_t i = 0; i < ARRAY_LEN(checked); i++) {
		assert_int_equal(want[checked[i]], ALLOWED);
		want[checked[i]] = 0;
	}
	for (int nr = 0; nr < NUMBERS; nr++)
		if (want[nr] != 0)
			assert_int_equal(ask(&c, nr, 0, 0, 0), want[nr]);
}

static void
every_name_in_the_table_is_a_system_call(void **state)
{
	(void)state;
#undef ALLOW
#undef REFUSE
#define ALLOW(name) assert_int_not_equal(seccomp_syscall_resolve_name(name), __NR_SCMP_ERROR);
#define REFUSE(name) assert_int_not_equal(seccomp_syscall_resolve_name(name), __NR_SCMP_ERROR);
#undef SETUP
#define SETUP(name, sys) assert_true(seccomp_syscall_resolve_name(name) >= 0);
#include "seccomp.def"
}

static void
foreign_tables_kill(void **state)
{
	static const uint32_t others[] = { AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_MIPS, 0 };
	struct layers c;

	(void)state;
	compile_both(&c);
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		for (int nr = 0; nr < 600; nr++) {
			const struct seccomp_data d = { .nr = nr, .arch = others[i] };

			assert_int_equal(interpret(&c.all, &d), SECCOMP_RET_KILL_PROCESS);
		}
	for (long nr = 0; nr < 600; nr++)
		assert_int_equal(ask(&c, 0x40000000 + nr, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(ask(&c, -1, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(ask(&c, 0x3fffffff, 0, 0, 0), UNKNOWN);
}

static void
arguments_are_compared_by_their_low_half(void **state)
{
	const uint64_t high = UINT64_C(1) << 32;
	struct layers c;

	(void)state;
	compile_both(&c);
	assert_int_equal(ask(&c, SYS_ioctl, 0, TCGETS, 0), ALLOWED);
	assert_int_equal(ask(&c, SYS_ioctl, 0, TIOCSTI, 0), REFUSED);
	assert_int_equal(ask(&c, SYS_ioctl, 0, TIOCSTI | high, 0), REFUSED);
	assert_int_equal(ask(&c, SYS_ioctl, 0, TCGETS | high, 0), ALLOWED);
	assert_int_equal(
	    ask(&c, SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ALLOWED);
	assert_int_equal(ask(&c, SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0), ALLOWED);
	assert_int_equal(ask(&c, SYS_socket, AF_INET, SOCK_RAW, 0), REFUSED);
	assert_int_equal(
	    ask(&c, SYS_socket, AF_INET, SOCK_STREAM, 132), SECCOMP_RET_ERRNO | EPROTONOSUPPORT);
	for (uint64_t family = 0; family < 64; family++)
		if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
			assert_int_equal(ask(&c, SYS_socket, family | high, SOCK_STREAM, 0),
			    SECCOMP_RET_ERRNO | EAFNOSUPPORT);
}

static void
no_flag_for_a_namespace_passes_clone(void **state)
{
	static const uint64_t spaces[] = { CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
		CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET };
	const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |
				CLONE_CHILD_CLEARTID;
	struct layers c;

	(void)state;
	compile_both(&c);
	assert_int_equal(ask(&c, SYS_clone, thread, 0, 0), ALLOWED);
	assert_int_equal(ask(&c, SYS_clone, 17, 0, 0), ALLOWED);
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		assert_int_equal(ask(&c, SYS_clone, spaces[i] | 17, 0, 0), REFUSED);
		assert_int_equal(ask(&c, SYS_clone, spaces[i] | thread, 0, 0), REFUSED);
	}
	assert_int_equal(ask(&c, SYS_clone3, 0, 0, 0), UNKNOWN);
}

static void
small_argument_lists_have_no_holes(void **state)
{
	struct layers c;

	(void)state;
	compile_both(&c);
	assert_int_equal(ask(&c, SYS_personality, 0, 0, 0), ALLOWED);
	assert_int_equal(ask(&c, SYS_personality, 0xffffffff, 0, 0), ALLOWED);
	assert_int_equal(ask(&c, SYS_personality, 0x0400000, 0, 0), REFUSED);
	assert_int_equal(ask(&c, SYS_prctl, PR_SET_NAME, 0, 0), ALLOWED);
	assert_int_equal(ask(&c, SYS_prctl, PR_SET_MM, 0, 0), REFUSED);
	assert_int_equal(ask(&c, SYS_prctl, PR_SET_SECCOMP, 0, 0), REFUSED);
	assert_int_equal(ask(&c, SYS_fcntl, 0, F_GETFL, 0), ALLOWED);
	assert_int_equal(ask(&c, SYS_fcntl, 0, F_SETLEASE, 0), REFUSED);
	assert_int_equal(ask(&c, SYS_fcntl, 0, F_NOTIFY, 0), REFUSED);
	assert_int_equal(ask(&c, SYS_prlimit64, 0, 0, 0), ALLOWED);
	assert_int_equal(ask(&c, SYS_prlimit64, 1, 0, 0), REFUSED);
	assert_int_equal(ask(&c, SYS_socketpair, AF_UNIX, SOCK_STREAM, 0), ALLOWED);
	assert_int_equal(
	    ask(&c, SYS_socketpair, AF_INET, SOCK_STREAM, 0), SECCOMP_RET_ERRNO | EAFNOSUPPORT);
}

/* The sixth argument, alone and beside a flag that is free. */
static void
a_read_cannot_ask_what_is_in_memory(void **state)
{
	const uint64_t no_wait = 0x8, high_priority = 0x1; /* RWF_NOWAIT, RWF_HIPRI */
	struct seccomp_data d = { .nr = SYS_preadv2, .arch = NATIVE };
	struct layers c;

	(void)state;
	compile_both(&c);
	assert_int_equal(interpret(&c.all, &d), ALLOWED);
	d.args[5] = high_priority;
	assert_int_equal(interpret(&c.all, &d), ALLOWED);
	d.args[5] = no_wait;
	assert_int_equal(interpret(&c.all, &d), SECCOMP_RET_ERRNO | EOPNOTSUPP);
	d.args[5] = no_wait | high_priority | UINT64_C(1) << 32;
	assert_int_equal(interpret(&c.all, &d), SECCOMP_RET_ERRNO | EOPNOTSUPP);
}

static void
landlock_takes_no_flag_and_makes_no_ruleset(void **state)
{
	struct layers c;

	(void)state;
	compile_both(&c);
	assert_int_equal(ask(&c, SYS_landlock_restrict_self, 3, 0, 0), ALLOWED);
	for (unsigned bit = 0; bit < 32; bit++)
		assert_int_equal(
		    ask(&c, SYS_landlock_restrict_self, 3, UINT64_C(1) << bit, 0), REFUSED);
	assert_int_equal(ask(&c, SYS_landlock_create_ruleset, 0, 0, 1), UNKNOWN);
	assert_int_equal(ask(&c, SYS_landlock_add_rule, 0, 0, 0), UNKNOWN);
}

static void
the_cells_may_do_what_the_simulation_may_not(void **state)
{
	static const long setup[] = { SYS_mount, SYS_setns, SYS_capset, SYS_clone3 };
	struct layers c;

	(void)state;
	compile_both(&c);
	for (size_t i = 0; i < ARRAY_LEN(setup); i++) {
		assert_int_equal(ask_one(&c.all, setup[i], 0, 0, 0), ALLOWED);
		assert_int_not_equal(ask(&c, setup[i], 0, 0, 0), ALLOWED);
	}
	assert_int_equal(ask_one(&c.all, SYS_prctl, PR_CAPBSET_DROP, 0, 0), ALLOWED);
	assert_int_equal(ask(&c, SYS_prctl, PR_CAPBSET_DROP, 0, 0), REFUSED);
	assert_int_equal(ask_one(&c.all, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0), ALLOWED);
	assert_int_equal(ask_one(&c.all, SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			     SECCOMP_FILTER_FLAG_NEW_LISTENER, 0),
	    REFUSED);
	assert_int_equal(ask(&c, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0), REFUSED);
}

static void
jumps_stay_inside(const struct seccomp_code *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const size_t left = c->n - i - 1;

		if (BPF_CLASS(c->at[i].code) != BPF_JMP)
			continue;
		assert_true(c->at[i].jt < left);
		assert_true(c->at[i].jf < left);
	}
}

static void
the_programs_are_small_and_every_jump_stays_inside(void **state)
{
	struct layers c;

	(void)state;
	compile_both(&c);
	print_message("%zu and %zu instructions\n", c.all.n, c.sim.n);
	assert_in_range(c.all.n, 50, 400);
	assert_in_range(c.sim.n, 5, 20); /* 1 us each for every run */
	jumps_stay_inside(&c.all);
	jumps_stay_inside(&c.sim);
}

static void
the_memory_file_is_sealed(void **state)
{
	struct layers c;
	struct err e = { 0 };
	struct stat st;
	int fd;

	(void)state;
	compile_both(&c);
	assert_int_equal(sandbox_seccomp_program(SECCOMP_ALL, &fd, &e), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, c.all.n * sizeof(struct sock_filter));
	assert_true(write(fd, "x", 1) < 0);
	assert_true(ftruncate(fd, 0) < 0);
	close(fd);
}

static void
the_daemons_filter_refuses_its_rows_and_allows_the_rest(void **state)
{
	static uint32_t want[NUMBERS];
	struct seccomp_code c;

	(void)state;
	for (int i = 0; i < NUMBERS; i++)
		want[i] = ALLOWED;
#undef REFUSE
#define REFUSE(name)                                                                               \
	assert_int_not_equal(seccomp_syscall_resolve_name(name), __NR_SCMP_ERROR);                 \
	if (seccomp_syscall_resolve_name(name) >= 0)                                               \
		want[seccomp_syscall_resolve_name(name)] = REFUSED;
#define ABSENT(name) want[seccomp_syscall_resolve_name(name)] = UNKNOWN;
#include "seccomp_daemon.def"
	sandbox_seccomp_compile_daemon(&c);
	for (int nr = 0; nr < NUMBERS; nr++)
		assert_int_equal(ask_one(&c, nr, 0, 0, 0), want[nr]);
	assert_int_equal(
	    ask_one(&c, SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, 0, 0), ALLOWED);
	assert_int_equal(ask_one(&c, SYS_clone, CLONE_NEWUSER | 17, 0, 0), REFUSED);
	assert_int_equal(ask_one(&c, SYS_mount, 0, 0, 0), REFUSED);
	assert_int_equal(ask_one(&c, 0x40000000, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
}

static int
under_the_daemons_filter(void)
{
	struct err e = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sandbox_lock_daemon(&e) < 0)
		return 1;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2)
		return 2;
	if (unshare(CLONE_NEWUSER) == 0 || errno != EPERM)
		return 3;
	if (syscall(SYS_clone3, NULL, 0) == 0 || errno != ENOSYS)
		return 4;
	return fork() < 0 ? 5 : 0;
}

static void
the_daemons_filter_loads_and_holds(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(under_the_daemons_filter());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_daemons_filter_refuses_its_rows_and_allows_the_rest),
		cmocka_unit_test(the_daemons_filter_loads_and_holds),
		cmocka_unit_test(every_number_gets_the_answer_of_its_row),
		cmocka_unit_test(every_name_in_the_table_is_a_system_call),
		cmocka_unit_test(foreign_tables_kill),
		cmocka_unit_test(arguments_are_compared_by_their_low_half),
		cmocka_unit_test(no_flag_for_a_namespace_passes_clone),
		cmocka_unit_test(small_argument_lists_have_no_holes),
		cmocka_unit_test(a_read_cannot_ask_what_is_in_memory),
		cmocka_unit_test(landlock_takes_no_flag_and_makes_no_ruleset),
		cmocka_unit_test(the_cells_may_do_what_the_simulation_may_not),
		cmocka_unit_test(the_programs_are_small_and_every_jump_stays_inside),
		cmocka_unit_test(the_memory_file_is_sealed),
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}
