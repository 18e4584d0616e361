/* SPDX-License-Identifier: Apache-2.0 */
/* Any text under any rule (chosen by the first byte): what comes out is printable, unique and
 * capped. */
#include "caps.h"
#include "parse.h"
#include "result.h"

#include <string.h>

static const char *const columns[] = { "x", "y", "z" };
static const struct environment_rule rules[] = {
	{ .name = "m", .kind = ENVIRONMENT_RULE_MEASURE, .file = "log" },
	{ .name = "m",
	    .kind = ENVIRONMENT_RULE_MEASURE,
	    .target = ENVIRONMENT_TARGET_METRIC,
	    .file = "log" },
	{ .name = "t",
	    .kind = ENVIRONMENT_RULE_TABLE,
	    .file = "log",
	    .start = "Step",
	    .step = "Step" },
	{ .name = "t",
	    .kind = ENVIRONMENT_RULE_TABLE,
	    .target = ENVIRONMENT_TARGET_METRIC,
	    .file = "log",
	    .start = "Step",
	    .step = "Step" },
	{ .name = "b",
	    .kind = ENVIRONMENT_RULE_BLOCK,
	    .file = "a.dat",
	    .start = "displacements",
	    .columns = columns,
	    .n_columns = 3,
	    .unit = "mm" },
	{ .name = "b",
	    .kind = ENVIRONMENT_RULE_BLOCK,
	    .target = ENVIRONMENT_TARGET_METRIC,
	    .file = "a.dat",
	    .start = "displacements",
	    .columns = columns,
	    .n_columns = 3 },
	{ .name = "j", .kind = ENVIRONMENT_RULE_JSON, .file = "result.json" },
	{ .name = "j",
	    .kind = ENVIRONMENT_RULE_JSON,
	    .target = ENVIRONMENT_TARGET_METRIC,
	    .file = "result.json" },
};

static void
check_name(const char *name)
{
	size_t n = strlen(name);

	REQUIRE(n >= 1);
	REQUIRE(n <= 128);
	REQUIRE(parse_utf8_valid(name, n));
	for (size_t i = 0; i < n; i++)
		REQUIRE((unsigned char)name[i] > 0x20 && name[i] != 0x7f);
}

static void
check_set(const struct result_set *set)
{
	REQUIRE(set->n_values <= CAP_RESULT_VALUES);
	REQUIRE(set->n_points <= CAP_METRIC_POINTS);
	for (size_t i = 0; i < set->n_values; i++) {
		const struct result_value *v = &set->values[i];

		check_name(v->name);
		REQUIRE(v->missing == (v->reason != NULL));
		REQUIRE(v->reason == NULL || parse_utf8_valid(v->reason, strlen(v->reason)));
		REQUIRE(v->unit == NULL || parse_utf8_valid(v->unit, strlen(v->unit)));
		for (size_t k = 0; k < i; k++)
			REQUIRE(strcmp(v->name, set->values[k].name) != 0);
	}
	for (size_t i = 0; i < set->n_points; i++)
		check_name(set->points[i].name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	struct result_set set = { 0 };
	struct err e = { 0 };

	REQUIRE(mem != NULL);
	if (size > 0) {
		const struct environment_rule *rule = &rules[data[0] % ARRAY_LEN(rules)];

		REQUIRE(result_extract_text(
			    rule, (const char *)data + 1, size - 1, mem, &set, &e) == 0);
		check_set(&set);
	}
	arena_free(mem);
	return 0;
}
