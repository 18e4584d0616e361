/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "caps.h"
#include "local/local_internal.h"

static struct compute_run
some_run(void)
{
	struct compute_run r = { .uid_slot = 7,
		.cpu_milli = 1500,
		.memory_bytes = GIB,
		.disk_bytes = 256 * MIB,
		.processes = 64,
		.wall_ms = 1000,
		.no_output_ms = 500,
		.log_bytes = MIB,
		.grace_ms = 200 };

	r.id.tenant.uuid.b[0] = 1;
	r.id.run.b[0] = 2;
	r.id.epoch = 3;
	return r;
}

static void
a_start_carries_identity_and_limits(void **state)
{
	struct compute_run r = some_run();
	struct sandbox_request q;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(local_start_record(&r, &q, &e), 0);
	assert_int_equal(q.protocol, SANDBOX_PROTOCOL);
	assert_int_equal(q.verb, SANDBOX_START);
	assert_int_equal(q.uid_slot, 7);
	assert_int_equal(q.id.epoch, 3);
	assert_memory_equal(&q.id.tenant, &r.id.tenant, sizeof(q.id.tenant));
	assert_memory_equal(&q.id.run, &r.id.run, sizeof(q.id.run));
	assert_int_equal(q.limits.memory_bytes, GIB);
	assert_int_equal(q.limits.cpu_milli, 1500);
	assert_int_equal(q.limits.processes, 64);
	assert_int_equal(q.limits.scratch_bytes, 256 * MIB);
	assert_int_equal(q.limits.scratch_files, 16384);
	assert_int_equal(q.limits.wall_ms, 1000);
	assert_int_equal(q.limits.no_output_ms, 500);
	assert_int_equal(q.limits.log_bytes, MIB);
	assert_int_equal(q.limits.grace_ms, 200);
	assert_int_equal(q.limits.output_bytes, 256 * MIB);
	assert_int_equal(q.limits.output_files, CAP_OUTPUT_FILES);
	assert_true(q.limits.open_files >= 1024);
}

static void
a_start_carries_devices_and_cpus(void **state)
{
	struct compute_run r = some_run();
	struct sandbox_request q;
	struct err e = { 0 };

	(void)state;
	r.gpus = UINT64_C(1) << 63 | 2;
	for (size_t i = 0; i < COMPUTE_CPU_WORDS; i++)
		r.cpu_set[i] = i + 1;
	assert_int_equal(local_start_record(&r, &q, &e), 0);
	assert_true(q.gpus == r.gpus);
	assert_memory_equal(q.cpu_set, r.cpu_set, sizeof(q.cpu_set));
}

static void
what_a_run_has_to_itself_survives_being_written(void **state)
{
	struct compute_run r = some_run();
	struct local_held held, read;
	struct err e = { 0 };

	(void)state;
	assert_false(local_held_of(&r, &held));
	r.cpu_set[COMPUTE_CPU_WORDS - 1] = 1;
	assert_true(local_held_of(&r, &held));
	r.cpu_set[COMPUTE_CPU_WORDS - 1] = 0;
	r.gpus = 4;
	assert_true(local_held_of(&r, &held));
	assert_int_equal(local_held_decode(&held, sizeof(held), &read, &e), 0);
	assert_memory_equal(&held, &read, sizeof(held));
	for (size_t n = 0; n < sizeof(held); n++)
		assert_int_equal(local_held_decode(&held, n, &read, &e), -1);
	held.version++;
	assert_int_equal(local_held_decode(&held, sizeof(held), &read, &e), -1);
	assert_int_equal(e.code, ERR_PROTOCOL);
}

static void
inodes_follow_the_scratch_space_within_bounds(void **state)
{
	struct compute_run r = some_run();
	struct sandbox_request q;
	struct err e = { 0 };

	(void)state;
	r.disk_bytes = MIB;
	assert_int_equal(local_start_record(&r, &q, &e), 0);
	assert_int_equal(q.limits.scratch_files, 4096);
	r.disk_bytes = INT64_C(1) << 50;
	assert_int_equal(local_start_record(&r, &q, &e), 0);
	assert_int_equal(q.limits.scratch_files, 1 << 24);
}

static void
a_slot_or_epoch_that_does_not_fit_is_refused(void **state)
{
	struct sandbox_request q = { .verb = 99 };
	struct compute_run r = some_run();
	struct err e = { 0 };

	(void)state;
	r.uid_slot = -1;
	assert_int_equal(local_start_record(&r, &q, &e), -1);
	r.uid_slot = INT64_C(1) << 32;
	assert_int_equal(local_start_record(&r, &q, &e), -1);
	r = some_run();
	r.id.epoch = 0;
	assert_int_equal(local_start_record(&r, &q, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(q.verb, 99);
}

static void
events_become_news_of_their_run(void **state)
{
	static const struct {
		enum sandbox_event_kind in;
		enum compute_event_kind out;
	} all[] = {
		{ SANDBOX_STARTED, COMPUTE_STARTED },
		{ SANDBOX_FAILED, COMPUTE_FAILED },
		{ SANDBOX_REFUSED, COMPUTE_FAILED },
		{ SANDBOX_ENDED, COMPUTE_ENDED },
		{ SANDBOX_LISTED, COMPUTE_LISTED },
		{ SANDBOX_LIST_END, COMPUTE_LIST_END },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct sandbox_event in = { .kind = all[i].in,
			.step = SANDBOX_STEP_CGROUP,
			.sys = EBUSY,
			.id = { .epoch = 5 } };
		struct compute_event out;

		assert_true(local_event_of(&in, &out));
		assert_int_equal(out.kind, all[i].out);
		assert_int_equal(out.id.epoch, 5);
		if (out.kind == COMPUTE_FAILED) {
			assert_string_equal(out.what, "cgroup");
			assert_int_equal(out.sys, EBUSY);
		} else {
			assert_null(out.what);
		}
	}
}

static void
inputs_that_fill_the_scratch_space_are_no_fault_of_the_sandbox(void **state)
{
	static const struct {
		uint32_t step;
		int sys;
		enum compute_outcome_kind want;
	} all[] = {
		{ SANDBOX_STEP_INPUTS, ENOSPC, COMPUTE_SCRATCH },
		{ SANDBOX_STEP_INPUTS, EDQUOT, COMPUTE_SCRATCH },
		{ SANDBOX_STEP_INPUTS, EIO, COMPUTE_FAULT },
		{ SANDBOX_STEP_COLLECT, ENOSPC, COMPUTE_FAULT },
		{ SANDBOX_STEP_CGROUP, ENOSPC, COMPUTE_FAULT },
	};
	const struct compute_run r = some_run();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct sandbox_event in = {
			.kind = SANDBOX_FAILED, .step = all[i].step, .sys = all[i].sys
		};
		struct sandbox_exit x = {
			.id = { .tenant = r.id.tenant, .run = r.id.run, .epoch = r.id.epoch },
			.outcome = SANDBOX_FAULT,
			.step = all[i].step,
			.sys = all[i].sys
		};
		struct compute_event ev;
		struct compute_outcome out;
		struct err e = { 0 };

		assert_true(local_event_of(&in, &ev));
		assert_int_equal(ev.no_scratch, all[i].want == COMPUTE_SCRATCH);
		assert_int_equal(local_outcome_of(&r.id, &x, &out, &e), 0);
		assert_int_equal(out.kind, all[i].want);
		assert_int_equal(out.sys, all[i].sys);
	}
	assert_string_equal(compute_outcome_name(COMPUTE_SCRATCH), "scratch");
}

static void
what_is_no_news_is_swallowed(void **state)
{
	static const uint32_t kinds[] = { SANDBOX_READY, SANDBOX_PURGED, 0, 77, UINT32_MAX };
	struct compute_event out = { .kind = COMPUTE_ENDED };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct sandbox_event in = { .kind = kinds[i] };

		assert_false(local_event_of(&in, &out));
	}
	assert_int_equal(out.kind, COMPUTE_ENDED);
}

static struct sandbox_exit
record_of(const struct compute_run *r, uint32_t outcome)
{
	return (struct sandbox_exit){
		.id = { .tenant = r->id.tenant, .run = r->id.run, .epoch = r->id.epoch },
		.outcome = outcome,
		.exit_code = 3,
		.signal = 9,
		.step = SANDBOX_STEP_PIVOT,
		.sys = EPERM,
		.log_truncated = 1,
		.started_wall_us = 10,
		.ended_wall_us = 20,
		.wall_ns = 30,
		.cpu_user_ns = 40,
		.cpu_system_ns = 50,
		.memory_peak_bytes = 60,
		.oom_kills = 70,
		.throttled_ns = 80,
		.log_bytes = 90,
		.output_files = 100,
		.output_bytes = 110,
		.output_files_skipped = 120
	};
}

static void
every_outcome_has_its_kind_and_its_name(void **state)
{
	static const char *const names[] = { [COMPUTE_EXITED] = "exited",
		[COMPUTE_SIGNALED] = "signaled",
		[COMPUTE_OOM] = "oom",
		[COMPUTE_WALL] = "wall",
		[COMPUTE_NO_OUTPUT] = "no-output",
		[COMPUTE_STOPPED] = "stopped",
		[COMPUTE_EXEC_FAILED] = "exec-failed",
		[COMPUTE_FAULT] = "fault",
		[COMPUTE_CPU_TIME] = "cpu-time" };
	struct compute_run r = some_run();

	(void)state;
	for (uint32_t outcome = SANDBOX_EXITED; outcome <= SANDBOX_CPU_TIME; outcome++) {
		struct sandbox_exit in = record_of(&r, outcome);
		struct compute_outcome out;
		struct err e = { 0 };

		assert_int_equal(local_outcome_of(&r.id, &in, &out, &e), 0);
		assert_string_equal(
		    compute_outcome_name(out.kind), names[outcome - SANDBOX_EXITED]);
	}
	assert_string_equal(compute_outcome_name(COMPUTE_GONE), "gone");
}

static void
the_figures_of_a_record_arrive_unchanged(void **state)
{
	struct compute_run r = some_run();
	struct sandbox_exit in = record_of(&r, SANDBOX_FAULT);
	struct compute_outcome out;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(local_outcome_of(&r.id, &in, &out, &e), 0);
	assert_int_equal(out.exit_code, 3);
	assert_int_equal(out.signal, 9);
	assert_string_equal(out.what, "pivot_root");
	assert_int_equal(out.sys, EPERM);
	assert_true(out.log_truncated);
	assert_int_equal(out.started_wall_us, 10);
	assert_int_equal(out.ended_wall_us, 20);
	assert_int_equal(out.wall_ns, 30);
	assert_int_equal(out.cpu_user_ns, 40);
	assert_int_equal(out.cpu_system_ns, 50);
	assert_int_equal(out.memory_peak_bytes, 60);
	assert_int_equal(out.oom_kills, 70);
	assert_int_equal(out.throttled_ns, 80);
	assert_int_equal(out.log_bytes, 90);
	assert_int_equal(out.output_files, 100);
	assert_int_equal(out.output_bytes, 110);
	assert_int_equal(out.output_files_skipped, 120);
}

static void
the_record_of_another_run_is_not_believed(void **state)
{
	struct compute_run r = some_run();
	struct compute_outcome out = { .exit_code = 77 };
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct sandbox_exit in = record_of(&r, SANDBOX_EXITED);

		in.id.epoch += i == 0;
		in.id.run.b[15] ^= i == 1;
		in.id.tenant.uuid.b[15] ^= i == 2;
		assert_int_equal(local_outcome_of(&r.id, &in, &out, &e), -1);
		assert_int_equal(e.code, ERR_PROTOCOL);
	}
	assert_int_equal(out.exit_code, 77);
}

static void
an_unknown_outcome_is_not_believed(void **state)
{
	static const uint32_t bad[] = { 0, SANDBOX_CPU_TIME + 1, 1000, UINT32_MAX };
	struct compute_run r = some_run();
	struct compute_outcome out;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct sandbox_exit in = record_of(&r, bad[i]);

		assert_int_equal(local_outcome_of(&r.id, &in, &out, &e), -1);
	}
}

static void
only_names_of_run_directories_are_read_as_such(void **state)
{
	static const char *const bad[] = { "", ".", "..", "lost+found",
		"018f4e6c-7b1a-7c3d-8e4f-0123456789ab", "018f4e6c-7b1a-7c3d-8e4f-0123456789ab.",
		"018f4e6c-7b1a-7c3d-8e4f-0123456789ab.0", "018f4e6c-7b1a-7c3d-8e4f-0123456789ab.-1",
		"018f4e6c-7b1a-7c3d-8e4f-0123456789ab.1x",
		"018f4e6c-7b1a-7c3d-8e4f-0123456789ab.01",
		"018f4e6c-7b1a-7c3d-8e4f-0123456789ab.99999999999999999999",
		"x18f4e6c-7b1a-7c3d-8e4f-0123456789ab.1",
		"018f4e6c-7b1a-7c3d-8e4f-0123456789ab/1" };
	char text[UUID_STR_SIZE];
	struct uuid run;
	int64_t epoch;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(local_run_name_parse(bad[i], &run, &epoch));
	assert_true(local_run_name_parse("018f4e6c-7b1a-7c3d-8e4f-0123456789ab.12", &run, &epoch));
	assert_int_equal(epoch, 12);
	assert_string_equal(uuid_format(run, text), "018f4e6c-7b1a-7c3d-8e4f-0123456789ab");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_carries_identity_and_limits),
		cmocka_unit_test(a_start_carries_devices_and_cpus),
		cmocka_unit_test(what_a_run_has_to_itself_survives_being_written),
		cmocka_unit_test(inodes_follow_the_scratch_space_within_bounds),
		cmocka_unit_test(a_slot_or_epoch_that_does_not_fit_is_refused),
		cmocka_unit_test(events_become_news_of_their_run),
		cmocka_unit_test(inputs_that_fill_the_scratch_space_are_no_fault_of_the_sandbox),
		cmocka_unit_test(what_is_no_news_is_swallowed),
		cmocka_unit_test(every_outcome_has_its_kind_and_its_name),
		cmocka_unit_test(the_figures_of_a_record_arrive_unchanged),
		cmocka_unit_test(the_record_of_another_run_is_not_believed),
		cmocka_unit_test(an_unknown_outcome_is_not_believed),
		cmocka_unit_test(only_names_of_run_directories_are_read_as_such),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
