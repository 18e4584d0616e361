/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_tree.h"

/* --- uids ------------------------------------------------------------------------------------- */

static void
an_account_in_the_range_of_jobs_is_named(void **state)
{
	machine_put(*state, "/etc/passwd", "root:x:0:0::/:\neve:x:1879048200:5::/:\n");
	machine_expect(*state, HOST_AT_uids, HOST_MISSING, "eve of /etc/passwd");
	machine_put(*state, "/etc/passwd", "root:x:0:0::/:\nlast:x:1879048191:5::/:\n");
	machine_expect(*state, HOST_AT_uids, HOST_OK, "nobody");
	machine_put(*state, "/etc/group", "staff:x:1879048192:\n");
	machine_expect(*state, HOST_AT_uids, HOST_MISSING, "staff of /etc/group");
}

static void
a_range_of_subuid_that_reaches_into_it_is_named(void **state)
{
	machine_put(*state, "/etc/subuid", "alice:100000:65536\n");
	machine_put(*state, "/etc/subgid", "alice:100000:65536\n");
	machine_expect(*state, HOST_AT_uids, HOST_OK, "nobody");
	machine_put(*state, "/etc/subgid", "alice:100000:65536\nbob:1879000000:65536\n");
	machine_expect(*state, HOST_AT_uids, HOST_MISSING, "bob of /etc/subgid");
	machine_put(*state, "/etc/subuid", "carol:4000000000:10\n");
	machine_expect(*state, HOST_AT_uids, HOST_MISSING, "carol of /etc/subuid");
}

static void
lines_that_are_no_accounts_are_passed_over(void **state)
{
	machine_put(*state, "/etc/passwd",
	    "\n:\n::\nx:y\nx:y:\nx:y:abc:\nx:y:99999999999999999999:1\nx:y:-5:1\n+::::::\n");
	machine_put(*state, "/etc/subuid", "x\nx:1\nx::\nx:1879048192:0\nx:a:b\n");
	machine_expect(*state, HOST_AT_uids, HOST_OK, "nobody");
	machine_drop(*state, "/etc/passwd");
	machine_expect(*state, HOST_AT_uids, HOST_UNKNOWN, "ENOENT");
}

static void
an_ordinary_user_that_may_not_read_says_so(void **state)
{
	struct machine *m = *state;

	needs_root();
	machine_mode(m, "/etc/passwd", 0600);
	m->f.uid = 65534;
	machine_expect(m, HOST_AT_uids, HOST_UNKNOWN, "look again as root");
	machine_expect(m, HOST_AT_account, HOST_UNKNOWN, "look again as root");
}

/* --- settings of one file --------------------------------------------------------------------- */

struct setting {
	enum host_check check;
	const char *path;
	const char *text; /* NULL: the file is not there */
	enum host_state is;
	bool advised;
	const char *says;
};

#define YAMA "/proc/sys/kernel/yama/ptrace_scope"
#define CORE "/proc/sys/kernel/core_pattern"
#define TIOCSTI "/proc/sys/dev/tty/legacy_tiocsti"
#define FIFOS "/proc/sys/fs/protected_fifos"
#define URING "/proc/sys/kernel/io_uring_disabled"
#define COMMIT "/proc/sys/vm/overcommit_memory"
#define THP "/sys/kernel/mm/transparent_hugepage/enabled"

static const struct setting settings[] = {
	{ HOST_AT_core_pattern, CORE, "core.%p\n", HOST_OK, false, "files" },
	{ HOST_AT_core_pattern, CORE, "|/usr/bin/apport %p\n", HOST_WEAK, true, "/usr/bin/apport" },
	{ HOST_AT_core_pattern, CORE, "", HOST_OK, false, "files" },
	{ HOST_AT_core_pattern, CORE, NULL, HOST_UNKNOWN, false, "ENOENT" },
	{ HOST_AT_yama, YAMA, "2\n", HOST_OK, false, "2" },
	{ HOST_AT_yama, YAMA, "0\n", HOST_OK, true, "any process" },
	{ HOST_AT_yama, YAMA, "x\n", HOST_UNKNOWN, false, "EINVAL" },
	{ HOST_AT_yama, YAMA, NULL, HOST_OK, true, "without Yama" },
	{ HOST_AT_tiocsti, TIOCSTI, "0\n", HOST_OK, false, "off" },
	{ HOST_AT_tiocsti, TIOCSTI, "1\n", HOST_OK, true, "typed input" },
	{ HOST_AT_tiocsti, TIOCSTI, NULL, HOST_OK, true, "6.2" },
	{ HOST_AT_links, FIFOS, "1\n", HOST_OK, false, "protected" },
	{ HOST_AT_links, FIFOS, "0\n", HOST_OK, true, "not protected: fifos" },
	{ HOST_AT_links, FIFOS, NULL, HOST_OK, true, "not protected: fifos" },
	{ HOST_AT_io_uring, URING, "2\n", HOST_OK, false, "off" },
	{ HOST_AT_io_uring, URING, "1\n", HOST_OK, true, "CAP_SYS_ADMIN" },
	{ HOST_AT_io_uring, URING, "0\n", HOST_OK, true, "open" },
	{ HOST_AT_io_uring, URING, NULL, HOST_OK, true, "6.6" },
	{ HOST_AT_overcommit, COMMIT, "1\n", HOST_OK, false, "mode 1" },
	{ HOST_AT_overcommit, COMMIT, "2\n", HOST_OK, true, "strict" },
	{ HOST_AT_overcommit, COMMIT, NULL, HOST_UNKNOWN, false, "ENOENT" },
	{ HOST_AT_thp, THP, "[always] madvise never\n", HOST_OK, true, "2 MiB" },
	{ HOST_AT_thp, THP, "always madvise [never]\n", HOST_OK, false, "never" },
	{ HOST_AT_thp, THP, NULL, HOST_OK, false, "none" },
};

static void
each_setting_is_judged_by_its_file(void **state)
{
	struct machine *m = *state;

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const struct setting *s = &settings[i];

		if (s->text == NULL)
			machine_drop(m, s->path);
		else
			machine_put(m, s->path, s->text);
		machine_expect(m, s->check, s->is, s->says);
		assert_int_equal(m->report.at[s->check].advised, s->advised);
	}
}

static void
what_guards_processes_of_one_uid_weighs_more_without_root(void **state)
{
	struct machine *m = *state;

	machine_put(m, YAMA, "0\n");
	m->f.uid = 65534;
	machine_expect(m, HOST_AT_yama, HOST_WEAK, "any process");
}

static void
a_file_that_is_none_is_not_read(void **state)
{
	struct machine *m = *state;
	char path[128];

	machine_drop(m, CORE);
	(void)snprintf(path, sizeof(path), "%s%s", m->root, CORE);
	assert_int_equal(mkfifo(path, 0600), 0);
	machine_expect(m, HOST_AT_core_pattern, HOST_UNKNOWN, "EINVAL");
	machine_link(m, CORE, "/etc/hostname");
	machine_expect(m, HOST_AT_core_pattern, HOST_UNKNOWN, "ELOOP");
}

static void
a_clock_out_of_step_is_worth_knowing(void **state)
{
	struct machine *m = *state;

	m->f.clock_in_step = false;
	machine_expect_advice(m, HOST_AT_time_sync, "nothing tells");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(an_account_in_the_range_of_jobs_is_named),
		MACHINE_TEST(a_range_of_subuid_that_reaches_into_it_is_named),
		MACHINE_TEST(lines_that_are_no_accounts_are_passed_over),
		MACHINE_TEST(an_ordinary_user_that_may_not_read_says_so),
		MACHINE_TEST(each_setting_is_judged_by_its_file),
		MACHINE_TEST(what_guards_processes_of_one_uid_weighs_more_without_root),
		MACHINE_TEST(a_file_that_is_none_is_not_read),
		MACHINE_TEST(a_clock_out_of_step_is_worth_knowing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
