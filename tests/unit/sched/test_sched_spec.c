/* SPDX-License-Identifier: Apache-2.0 */
/* The environment variables of a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "sched_internal.h"

static const struct uuid job = { { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11, 12, 13, 14, 15, 16 } };

/* Value of the variable, NULL when it is not there; fails when it is there twice. */
static const char *
value_of(const struct sched_env *env, const char *name)
{
	size_t n = strlen(name);
	const char *found = NULL;

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], name, n) == 0 && env->v[i][n] == '=') {
			assert_null(found);
			found = env->v[i] + n + 1;
		}
	return found;
}

static struct sched_env
build(const struct environment *environment, bool has_seed, int64_t cpu_milli, struct arena *mem)
{
	const struct job_spec spec = {
		.environment = environment, .has_seed = has_seed, .seed = 42
	};
	const struct compute_run run = { .id = { .run = job }, .cpu_milli = cpu_milli };
	struct sched_env env;
	struct err e = { 0 };

	assert_int_equal(sched_env_build(&spec, &run, 3, mem, &env, &e), 0);
	return env;
}

static struct sched_env
build_run(const struct environment *environment, const struct compute_run *run, struct arena *mem)
{
	const struct job_spec spec = { .environment = environment };
	struct sched_env env;
	struct err e = { 0 };

	assert_int_equal(sched_env_build(&spec, run, 1, mem, &env, &e), 0);
	return env;
}

static void
a_run_finds_its_way_about(void **state)
{
	const struct environment plain = { .name = "plain" };
	AUTO(arena) mem = arena_new(1 << 16);
	struct sched_env env = build(&plain, false, 1000, mem);
	char id[ID_STR_SIZE];

	(void)state;
	assert_string_equal(value_of(&env, "PATH"), "/usr/local/bin:/usr/bin:/bin");
	assert_string_equal(value_of(&env, "HOME"), "/work");
	assert_string_equal(value_of(&env, "TMPDIR"), "/tmp");
	assert_string_equal(value_of(&env, "LANG"), "C.UTF-8");
	assert_string_equal(value_of(&env, "WARDIAN_JOB_ID"), id_format("job", job, id));
	assert_string_equal(value_of(&env, "WARDIAN_ATTEMPT"), "3");
	assert_null(value_of(&env, "WARDIAN_SEED"));
}

static void
a_seed_is_handed_on(void **state)
{
	const struct environment plain = { .name = "plain" };
	AUTO(arena) mem = arena_new(1 << 16);
	struct sched_env env = build(&plain, true, 1000, mem);

	(void)state;
	assert_string_equal(value_of(&env, "WARDIAN_SEED"), "42");
}

static void
threads_are_as_many_as_cpus_rounded_up(void **state)
{
	static const struct {
		int64_t cpu_milli;
		const char *threads;
	} all[] = { { 100, "1" }, { 1000, "1" }, { 1001, "2" }, { 2500, "3" }, { 64000, "64" } };
	const struct environment plain = { .name = "plain" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		AUTO(arena) mem = arena_new(1 << 16);
		struct sched_env env = build(&plain, false, all[i].cpu_milli, mem);

		assert_string_equal(value_of(&env, "OMP_NUM_THREADS"), all[i].threads);
	}
}

static void
an_environment_has_its_own_way_but_not_with_the_identity(void **state)
{
	static const char *const own[] = { "OMP_NUM_THREADS=1", "PATH=/opt/bin", "FOAM=x", "broken",
		"WARDIAN_JOB_ID=job_forged", "WARDIAN_ATTEMPT=9" };
	const struct environment e = { .name = "own", .env = own, .n_env = ARRAY_LEN(own) };
	AUTO(arena) mem = arena_new(1 << 16);
	struct sched_env env = build(&e, false, 4000, mem);
	char id[ID_STR_SIZE];

	(void)state;
	assert_string_equal(value_of(&env, "OMP_NUM_THREADS"), "1");
	assert_string_equal(value_of(&env, "PATH"), "/opt/bin");
	assert_string_equal(value_of(&env, "FOAM"), "x");
	assert_string_equal(value_of(&env, "WARDIAN_JOB_ID"), id_format("job", job, id));
	assert_string_equal(value_of(&env, "WARDIAN_ATTEMPT"), "3");
	for (size_t i = 0; i < env.n; i++)
		assert_non_null(strchr(env.v[i], '='));
}

static void
short_memory_is_an_error(void **state)
{
	const struct environment plain = { .name = "plain" };
	const struct job_spec spec = { .environment = &plain };
	const struct compute_run run = { .id = { .run = job }, .cpu_milli = 1000 };
	struct sched_env env;

	(void)state;
	for (size_t cap = 1; cap < 200; cap += 16) {
		AUTO(arena) mem = arena_new(cap);
		struct err e = { 0 };

		assert_int_equal(sched_env_build(&spec, &run, 1, mem, &env, &e), -1);
		assert_int_equal(e.code, ERR_TOO_LARGE);
	}
}

static void
devices_are_numbered_from_zero_whichever_they_are(void **state)
{
	static const struct {
		uint64_t gpus;
		const char *list;
	} all[] = { { 0, "" }, { 1, "0" }, { UINT64_C(1) << 63, "0" }, { 0xa4, "0,1,2" } };
	/* What an environment says about it is not asked. */
	static const char *const own[] = { "CUDA_VISIBLE_DEVICES=7", "NVIDIA_VISIBLE_DEVICES=all" };
	const struct environment e = { .name = "own", .env = own, .n_env = ARRAY_LEN(own) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		AUTO(arena) mem = arena_new(1 << 16);
		const struct compute_run run = { .gpus = all[i].gpus };
		struct sched_env env = build_run(&e, &run, mem);

		assert_string_equal(value_of(&env, "CUDA_VISIBLE_DEVICES"), all[i].list);
		assert_string_equal(value_of(&env, "NVIDIA_VISIBLE_DEVICES"), all[i].list);
		assert_null(value_of(&env, "LD_LIBRARY_PATH"));
	}
}

static void
a_list_of_all_devices_fits(void **state)
{
	const struct environment plain = { .name = "plain" };
	const struct compute_run run = { .gpus = UINT64_MAX };
	AUTO(arena) mem = arena_new(1 << 16);
	struct sched_env env = build_run(&plain, &run, mem);
	const char *list = value_of(&env, "CUDA_VISIBLE_DEVICES");

	(void)state;
	assert_int_equal(strncmp(list, "0,1,2,", 6), 0);
	assert_string_equal(list + strlen(list) - 6, ",62,63");
}

static void
a_run_with_gpus_and_a_root_of_its_own_finds_the_driver_s_libraries(void **state)
{
	static const char *const own[] = { "LD_LIBRARY_PATH=/opt/lib" };
	static const char *const empty[] = { "LD_LIBRARY_PATH=" };
	const struct environment plain = { .name = "plain" };
	const struct environment e = { .name = "own", .env = own, .n_env = 1 };
	const struct environment none = { .name = "none", .env = empty, .n_env = 1 };
	const struct compute_run with = { .gpus = 1, .root = { 1 } };
	const struct compute_run without = { .root = { 1 } };
	AUTO(arena) mem = arena_new(1 << 16);
	struct sched_env env;

	(void)state;
	env = build_run(&plain, &with, mem);
	assert_string_equal(value_of(&env, "LD_LIBRARY_PATH"), "/dev/gpu");
	env = build_run(&e, &with, mem);
	assert_string_equal(value_of(&env, "LD_LIBRARY_PATH"), "/dev/gpu:/opt/lib");
	/* An empty last part would be the working directory. */
	env = build_run(&none, &with, mem);
	assert_string_equal(value_of(&env, "LD_LIBRARY_PATH"), "/dev/gpu");
	env = build_run(&e, &without, mem);
	assert_string_equal(value_of(&env, "LD_LIBRARY_PATH"), "/opt/lib");
}

static void
limits_root_and_stop_recipe_go_with_the_run(void **state)
{
	const struct environment e = { .name = "own",
		.root_digest = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef",
		.stop = { SIGUSR1, "STOP", "now", 2500 } };
	const struct job_spec spec = { .environment = &e,
		.disk_bytes = 1,
		.wall_ms = 2,
		.no_output_ms = 3,
		.log_bytes = 4,
		.cpu_ms = 5,
		.io_read_bps = 6,
		.io_write_bps = 7 };
	static const uint8_t root[] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
		0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
		0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	struct compute_run run = { .cpu_milli = 8 };

	(void)state;
	sched_spec_apply(&spec, &run);
	assert_int_equal(run.cpu_milli, 8); /* by the row */
	assert_int_equal(run.disk_bytes, 1);
	assert_int_equal(run.wall_ms, 2);
	assert_int_equal(run.no_output_ms, 3);
	assert_int_equal(run.log_bytes, 4);
	assert_int_equal(run.cpu_ms, 5);
	assert_int_equal(run.io_read_bps, 6);
	assert_int_equal(run.io_write_bps, 7);
	assert_memory_equal(run.root, root, sizeof(root));
	assert_int_equal(run.stop.signal, SIGUSR1);
	assert_string_equal(run.stop.file, "STOP");
	assert_string_equal(run.stop.text, "now");
	assert_int_equal(run.stop.wait_ms, 2500);
}

static void
an_environment_of_the_host_s_has_no_root(void **state)
{
	static const uint8_t none[COMPUTE_ROOT_BYTES];
	const struct environment plain = { .name = "plain" };
	const struct job_spec spec = { .environment = &plain };
	struct compute_run run = { .cpu_milli = 8 };

	(void)state;
	sched_spec_apply(&spec, &run);
	assert_memory_equal(run.root, none, sizeof(none));
	assert_int_equal(run.stop.wait_ms, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_root_and_stop_recipe_go_with_the_run),
		cmocka_unit_test(an_environment_of_the_host_s_has_no_root),
		cmocka_unit_test(a_run_finds_its_way_about),
		cmocka_unit_test(a_seed_is_handed_on),
		cmocka_unit_test(threads_are_as_many_as_cpus_rounded_up),
		cmocka_unit_test(an_environment_has_its_own_way_but_not_with_the_identity),
		cmocka_unit_test(short_memory_is_an_error),
		cmocka_unit_test(devices_are_numbered_from_zero_whichever_they_are),
		cmocka_unit_test(a_list_of_all_devices_fits),
		cmocka_unit_test(
		    a_run_with_gpus_and_a_root_of_its_own_finds_the_driver_s_libraries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
