/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_FIXTURE_H
#define SPEC_FIXTURE_H

/*
 * Manifests decoded against environments that are made up here, in place of the module's own, so
 * that only the rules of manifests are under test.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "job_internal.h"

#include <stdio.h>
#include <string.h>

/* --- environments that this test makes up --------------------------------------------------- */

struct environments {
	int unused;
};

static const struct environment demo = {
	.name = "demo",
	.package = "demo-package",
	.digest = "0123456789abcdef",
	.available = true,
};
static const struct environment sized = {
	.name = "sized",
	.package = "sized-package",
	.digest = "0123456789abcdef",
	.available = true,
	.default_cpus = 2.5,
	.default_memory_bytes = 64 * MIB,
	.default_wall_ms = 90000,
};
static const struct environment greedy = {
	.name = "greedy",
	.package = "greedy-package",
	.digest = "0123456789abcdef",
	.available = true,
	.default_cpus = 1000,
	.default_memory_bytes = 1024 * GIB,
	.default_wall_ms = INT64_C(1) << 50,
	.default_gpus = 64,
};
static const struct environment rooted = {
	.name = "rooted",
	.package = "none",
	.digest = "0123456789abcdef",
	.root_digest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
	.available = true,
};
static const struct environment rootless = {
	.name = "rootless",
	.package = "none",
	.digest = "0123456789abcdef",
	.root_digest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
};
static const struct environment wrongroot = {
	.name = "wrongroot",
	.package = "none",
	.digest = "0123456789abcdef",
	.program = "/usr/bin/tool",
	.root_digest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
	.root_there = true,
};
static const struct environment missing = {
	.name = "missing",
	.package = "missing-package",
	.digest = "0123456789abcdef",
};

const struct environment *
environments_find(const struct environments *set, const char *name)
{
	static const struct environment *const all[] = { &demo, &sized, &greedy, &missing, &rooted,
		&rootless, &wrongroot };

	(void)set;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}

const char *
environments_nearest(const struct environments *set, const char *name)
{
	(void)set;
	return strcmp(name, "demos") == 0 ? "demo" : "";
}

/* Takes any parameter but "bad" and "worse"; the command is "<environment> <number of inputs>". */
int
environment_command(const struct environment *env, const struct environment_value *values,
    size_t n_values, const char *const *paths, size_t n_paths, struct arena *mem,
    struct environment_argv *ret, struct err *e)
{
	const char **argv = arena_array(mem, 2, sizeof(*argv));

	(void)paths;
	if (argv == NULL)
		return arena_err(e);
	for (size_t i = 0; i < n_values; i++)
		if (strcmp(values[i].name, "bad") == 0 || strcmp(values[i].name, "worse") == 0)
			err_field_add(e, i == 0 ? "/parameters/first" : "/parameters/later",
			    "is %s", values[i].name);
	if (err_fields_done(e, ERR_INVALID) < 0)
		return -1;
	argv[0] = env->name;
	argv[1] = arena_printf(mem, "%zu", n_paths);
	*ret = (struct environment_argv){ .words = argv, .n = 2 };
	return 0;
}

/* --- harness -------------------------------------------------------------------------------- */

static const struct job_limits limits = {
	.cpu_milli_max = 4000,
	.memory_max_bytes = 8 * GIB,
	.gpus_max = 2,
	.pins_max = 3,
	.memory_default_bytes = 512 * MIB,
	.disk_default_bytes = 256 * MIB,
	.wall_default_ms = 3600000,
	.wall_max_ms = 604800000,
	.log_default_bytes = 64 * MIB,
};

struct decoded {
	struct json *j;
	struct arena *mem;
	struct job_spec spec;
	struct err e;
	int result;
};

static inline void
decode(const char *body, struct decoded *d)
{
	struct err parse = { 0 };

	memset(d, 0, sizeof(*d));
	d->mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	assert_non_null(d->mem);
	if (json_parse(body, strlen(body), &d->j, &parse) < 0)
		fail_msg("the test's own body is not JSON: %s: %s", parse.msg, body);
	d->result = job_spec_decode(d->j, NULL, &limits, d->mem, &d->spec, &d->e);
}

static inline void
decoded_free(struct decoded *d)
{
	json_free(d->j);
	arena_free(d->mem);
}

static inline void
expect_fault(const char *body, enum err_code code, const char *pointer)
{
	struct decoded d;

	decode(body, &d);
	if (d.result == 0)
		fail_msg("taken: %s", body);
	if (d.e.code != code)
		fail_msg("%s: code %s: %s", body, err_slug(d.e.code), d.e.msg);
	if (d.e.n_fields != 1 || strcmp(d.e.fields[0].name, pointer) != 0)
		fail_msg("%s: %u faults, the first at '%s', not '%s': %s", body, d.e.n_fields,
		    d.e.fields[0].name, pointer, d.e.msg);
	if (strlen(d.e.fields[0].msg) < 6)
		fail_msg("%s: says only '%s'", body, d.e.fields[0].msg);
	decoded_free(&d);
}

/* A manifest for the environment demo with one more member. */
static inline void
expect_member_fault(const char *member, enum err_code code, const char *pointer)
{
	char body[4096];

	assert_true((size_t)snprintf(body, sizeof(body), "{\"environment\":\"demo\",%s}", member) <
		    sizeof(body));
	expect_fault(body, code, pointer);
}

/* Appends the pattern with its '@' replaced. */
static inline void
fill(struct buf *b, const char *pattern, const char *value)
{
	const char *at = strchr(pattern, '@');

	assert_non_null(at);
	buf_append(b, pattern, (size_t)(at - pattern));
	buf_str(b, value);
	buf_str(b, at + 1);
}

#endif
