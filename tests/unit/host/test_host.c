/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_tree.h"

#include "sandbox.h"

static void
a_machine_without_a_fault_is_ok_in_every_row(void **state)
{
	const struct host_report *r = machine_look(*state);

	for (size_t i = 0; i < HOST_CHECKS; i++)
		if (r->at[i].state != HOST_OK || r->at[i].advised)
			fail_msg("%s: %s", host_row((enum host_check)i)->word, r->at[i].text);
	assert_true(r->root);
	assert_int_equal(r->weak, 0);
	assert_int_equal(host_missing(r), 0);
	assert_false(host_refused(r));
}

static void
every_row_says_what_it_is_for_and_how_to_fix_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < HOST_CHECKS; i++) {
		const struct host_row *row = host_row((enum host_check)i);

		assert_true(strlen(row->word) > 1 && strchr(row->word, ' ') == NULL);
		assert_true(strlen(row->what) > 10 && strlen(row->fix) > 10);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(row->word, host_row((enum host_check)k)->word);
	}
}

static void
every_row_has_an_answer_on_a_machine_without_any_file(void **state)
{
	struct machine *m = *state, bare = *m;
	const struct host_report *r;
	char root[128];

	(void)snprintf(root, sizeof(root), "%s/nothing", m->root);
	assert_int_equal(mkdir(root, 0755), 0);
	bare.o.root = root;
	for (int uid = 0; uid < 2; uid++) {
		bare.f.uid = uid == 0 ? 0 : 65534;
		r = machine_look(&bare);
		for (size_t i = 0; i < HOST_CHECKS; i++)
			assert_true(r->at[i].text[0] != '\0');
		assert_true(host_refused(r));
	}
}

static void
the_same_lack_is_as_bad_as_the_mode_makes_it(void **state)
{
	struct machine *m = *state;

	machine_put(m, "/proc/self/mountinfo", "30 1 0:28 / / rw - ext4 /dev/vda rw\n");
	machine_expect(m, HOST_AT_cgroup_memory, HOST_MISSING, "not there");
	assert_int_equal(m->report.at[HOST_AT_cgroup_memory].level, HOST_REQUIRED);
	m->f.uid = 65534;
	machine_expect(m, HOST_AT_cgroup_memory, HOST_WEAK, "not there");
	assert_int_equal(m->report.at[HOST_AT_cgroup_memory].level, HOST_WEAKER);
}

static void
what_a_sandbox_lacks_follows_from_the_rows(void **state)
{
	struct machine *m = *state;

	m->f.landlock = -ENOSYS;
	assert_int_equal(machine_look(m)->weak, SANDBOX_WEAK_LANDLOCK);
	assert_false(host_refused(&m->report));
	m->f.landlock = 1;
	machine_put(m, "/proc/self/cgroup", "4:memory:/own\n1:cpu,cpuacct:/\n");
	assert_int_equal(machine_look(m)->weak, SANDBOX_WEAK_LIMITS | SANDBOX_WEAK_REFUSED);
}

static void
an_ordinary_user_has_one_uid_for_all_tenants(void **state)
{
	struct machine *m = *state;

	m->f.uid = 65534;
	machine_expect(m, HOST_AT_privileges, HOST_WEAK, "uid 65534");
	assert_false(m->report.root);
	assert_true((m->report.weak & SANDBOX_WEAK_UIDS) != 0);
	assert_true(host_refused(&m->report));
	m->o.weaker = true;
	assert_true((machine_look(m)->weak & SANDBOX_WEAK_UIDS) != 0);
	assert_false(host_refused(&m->report));
}

static void
what_an_ordinary_user_allows_is_not_roots_to_lack(void **state)
{
	struct machine *m = *state;

	m->o.weaker = true;
	machine_put(m, "/proc/self/cgroup", "4:memory:/own\n1:cpu,cpuacct:/\n");
	assert_int_equal(machine_look(m)->weak, SANDBOX_WEAK_LIMITS | SANDBOX_WEAK_REFUSED);
}

static void
each_weakness_has_a_word_and_a_sentence(void **state)
{
	uint32_t seen = 0;

	(void)state;
	for (size_t i = 0; host_weakness(i) != NULL; i++) {
		seen |= host_weakness(i)->bit;
		assert_true(strlen(host_weakness(i)->word) > 0);
		assert_true(strlen(host_weakness(i)->sentence) > 0);
		assert_true(strlen(host_weakness(i)->fix) > 10);
	}
	assert_int_equal(seen,
	    SANDBOX_WEAK_LIMITS | SANDBOX_WEAK_UIDS | SANDBOX_WEAK_LANDLOCK | SANDBOX_WEAK_REFUSED);
}

/* --- this machine ----------------------------------------------------------------------------- */

static struct host_options
options_here(void)
{
	return (struct host_options){ .root = "/",
		.state_dir = "/tmp/there/is/no/such/directory",
		.user = "root",
		.spawner = "/nonexistent",
		.keeper = "/nonexistent",
		.postgres_dir = "",
		.uid_base = 1879048192,
		.connections = 16,
		.simulators_why = "none was asked for" };
}

static void
this_machine_is_looked_at_whole_and_left_as_it_was(void **state)
{
	const struct host_options o = options_here();
	struct host_report r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(host_examine(&o, 20000, &r, &e), 0);
	for (size_t i = 0; i < HOST_CHECKS; i++)
		assert_true(r.at[i].text[0] != '\0');
	assert_int_equal(r.root, geteuid() == 0);
	assert_int_equal(r.at[HOST_AT_kernel].state, HOST_OK);
	assert_int_equal(r.at[HOST_AT_programs].state, HOST_MISSING);
	assert_non_null(strstr(r.at[HOST_AT_state_disk].text, "will be"));
	assert_int_not_equal(access("/tmp/there", F_OK), 0);
}

static void
what_has_no_answer_in_time_is_unknown(void **state)
{
	const struct host_options o = options_here();
	struct host_report r;
	struct err e = { 0 };
	size_t unknown = 0;

	(void)state;
	assert_int_equal(host_examine(&o, 0, &r, &e), 0);
	for (size_t i = 0; i < HOST_CHECKS; i++) {
		assert_true(r.at[i].text[0] != '\0');
		if (r.at[i].state == HOST_UNKNOWN && strstr(r.at[i].text, "0 ms") != NULL)
			unknown++;
	}
	assert_true(unknown > HOST_CHECKS / 2);
}

static void
a_root_that_cannot_be_opened_is_an_error(void **state)
{
	struct host_options o = options_here();
	struct host_report r;
	struct err e = { 0 };

	(void)state;
	o.root = "/nonexistent";
	assert_int_equal(host_examine(&o, 20000, &r, &e), -1);
	assert_non_null(strstr(e.msg, "/nonexistent"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(a_machine_without_a_fault_is_ok_in_every_row),
		cmocka_unit_test(every_row_says_what_it_is_for_and_how_to_fix_it),
		MACHINE_TEST(every_row_has_an_answer_on_a_machine_without_any_file),
		MACHINE_TEST(the_same_lack_is_as_bad_as_the_mode_makes_it),
		MACHINE_TEST(what_a_sandbox_lacks_follows_from_the_rows),
		MACHINE_TEST(an_ordinary_user_has_one_uid_for_all_tenants),
		MACHINE_TEST(what_an_ordinary_user_allows_is_not_roots_to_lack),
		cmocka_unit_test(each_weakness_has_a_word_and_a_sentence),
		cmocka_unit_test(this_machine_is_looked_at_whole_and_left_as_it_was),
		cmocka_unit_test(what_has_no_answer_in_time_is_unknown),
		cmocka_unit_test(a_root_that_cannot_be_opened_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
