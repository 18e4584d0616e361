/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the text: values are well formed, a failure says where, and nothing is read past the
 * end. */
#include <math.h>
#include <string.h>

#include "conf.h"
#include "parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
check(void *ctx, const char *table, const char *key, const struct toml_value *v,
    struct toml_place at, struct err *e)
{
	size_t *left = ctx;

	REQUIRE(strlen(key) > 0 && strlen(key) <= 256);
	REQUIRE(parse_utf8_valid(table, strlen(table)));
	REQUIRE(at.line >= 1 && at.column >= 1);
	REQUIRE(v->n <= 1024);
	if (v->type == TOML_STRING)
		REQUIRE(parse_utf8_valid(v->string, strlen(v->string)));
	if (v->type == TOML_FLOAT)
		REQUIRE(isfinite(v->number));
	for (size_t i = 0; v->type == TOML_STRINGS && i < v->n; i++)
		REQUIRE(parse_utf8_valid(v->strings[i], strlen(v->strings[i])));
	for (size_t i = 0; v->type == TOML_NUMBERS && i < v->n; i++)
		REQUIRE(isfinite(v->numbers[i]));
	return --*left == 0 ? err_set(e, ERR_INVALID, "enough") : 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	size_t left = 100;

	if (toml_read("f.toml", (const char *)data, size, check, &left, &e) == 0) {
		REQUIRE(e.code == ERR_NONE);
		return 0;
	}
	REQUIRE(e.code == ERR_CONF || e.code == ERR_INVALID);
	REQUIRE(parse_utf8_valid(e.msg, strlen(e.msg)));
	REQUIRE(strncmp(e.msg, "f.toml:", 7) == 0 || size > 1 << 20);
	return 0;
}
