/* SPDX-License-Identifier: Apache-2.0 */
/* A profile from any text; one that loads must print, and fill its command without a broken
 * template. */
#include "environment.h"

#include <string.h>

static const char values_text[] =
    "{\"deck\":\"a.cir\",\"script\":\"a.cir\",\"n\":3,\"x\":0.5,\"mode\":\"fast\","
    "\"note\":\"text\",\"rest\":[\"p\",\"-q\"],\"arguments\":[]}";
static const char *const paths[] = { "a.cir" };

struct values {
	struct environment_value v[16];
	size_t n;
};

static int
collect(void *ctx, const char *name, const struct json_value *v)
{
	struct values *values = ctx;

	values->v[values->n++] = (struct environment_value){ name, v };
	return 0;
}

static void
use(const struct environment *env, struct arena *mem)
{
	struct values values = { .n = 0 };
	struct environment_argv argv;
	struct err e = { 0 };
	struct json *j = NULL, *back = NULL;
	struct json_out out;
	struct buf b;

	buf_init(&b, 1 << 20);
	json_out_init(&out, &b);
	environment_print(env, &out);
	if (!b.failed && json_parse(b.p, b.n, &back, &e) < 0)
		REQUIRE(strstr(e.msg, "members") != NULL);
	REQUIRE(json_parse(values_text, sizeof(values_text) - 1, &j, &e) == 0);
	REQUIRE(json_for_each(json_root(j), collect, &values) == 0);
	e = (struct err){ 0 };
	if (environment_command(env, values.v, values.n, paths, 1, mem, &argv, &e) == 0)
		REQUIRE(strcmp(argv.words[0], env->program) == 0);
	for (size_t i = 0; i < env->n_rules; i++) {
		const char *file =
		    environment_rule_file(env, &env->rules[i], values.v, values.n, mem);

		REQUIRE(file == NULL || strpbrk(env->rules[i].file, "{}") != NULL ||
			strcmp(file, env->rules[i].file) == 0);
	}
	json_free(back);
	json_free(j);
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena) mem = arena_new(1 << 20);
	AUTO(environments) set = NULL;
	struct err e = { 0 };

	REQUIRE(mem != NULL);
	REQUIRE(environments_new(&set, &e) == 0);
	if (environments_add(set, "fuzz.toml", (const char *)data, size, &e) < 0) {
		REQUIRE(e.code == ERR_CONF || e.code == ERR_TOO_LARGE);
		REQUIRE(environments_count(set) == 0);
		return 0;
	}
	use(environments_at(set, 0), mem);
	return 0;
}
