/* SPDX-License-Identifier: Apache-2.0 */
/* The environment variables of a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
	struct sched_env env;
	struct err e = { 0 };

	assert_int_equal(sched_env_build(&spec, job, 3, cpu_milli, mem, &env, &e), 0);
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
	struct sched_env env;

	(void)state;
	for (size_t cap = 1; cap < 200; cap += 16) {
		AUTO(arena) mem = arena_new(cap);
		struct err e = { 0 };

		assert_int_equal(sched_env_build(&spec, job, 1, 1000, mem, &env, &e), -1);
		assert_int_equal(e.code, ERR_TOO_LARGE);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_finds_its_way_about),
		cmocka_unit_test(a_seed_is_handed_on),
		cmocka_unit_test(threads_are_as_many_as_cpus_rounded_up),
		cmocka_unit_test(an_environment_has_its_own_way_but_not_with_the_identity),
		cmocka_unit_test(short_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
