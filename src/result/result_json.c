/* SPDX-License-Identifier: Apache-2.0 */
#include "result_internal.h"

#include "json.h"

#include <string.h>

/* A job's own results file: an object of numbers, or of {"value": number, "unit": text}. */

struct json_walk {
	const struct environment_rule *rule;
	struct result_sink *sink;
	struct err *e;
	size_t found;
};

/* JSON has no NaN and no infinities, so programs write them as texts. */
static bool
read_value(const struct json_value *v, double *ret)
{
	const char *text;
	double number;

	if (json_get_f64(v, ret))
		return true;
	if (!json_get_text(v, &text) || !result_number(text, strlen(text), &number))
		return false;
	if (number - number == 0) /* finite: then it should not be a text */
		return false;
	*ret = number;
	return true;
}

static int
store_value(struct json_walk *w, const struct result_value *v)
{
	int series;

	if (w->rule->target == ENVIRONMENT_TARGET_RESULT)
		return result_sink_value(w->sink, v, w->e);
	if (v->missing)
		return 0;
	series = result_sink_series(w->sink, v->name, w->e);
	if (series < 0)
		return series == -1 ? 0 : -1;
	return result_sink_point(w->sink, (size_t)series, 0, v->value, w->e);
}

static int
json_result(void *ctx, const char *name, const struct json_value *v)
{
	struct json_walk *w = ctx;
	const struct json_value *value = json_type(v) == JSON_DICT ? json_member(v, "value") : v;
	const struct json_value *unit = json_type(v) == JSON_DICT ? json_member(v, "unit") : NULL;
	struct result_value found = { .unit = w->rule->unit };
	char printable[RESULT_NAME_BYTES + 1];
	const char *text;

	w->found++;
	found.name = result_name("", name, strlen(name), printable);
	if (unit != NULL && json_get_text(unit, &text))
		found.unit = text;
	if (value == NULL || !read_value(value, &found.value)) {
		found.missing = true;
		found.reason = value != NULL && json_type(value) == JSON_NULL
				   ? "the job gave null"
				   : "not a number, nor an object with \"value\" and \"unit\"";
	}
	return store_value(w, &found);
}

int
result_scan_json(const struct environment_rule *rule, struct result_sink *sink, const char *text,
    size_t n, struct err *e)
{
	struct json_walk walk = { .rule = rule, .sink = sink, .e = e };
	struct err bad = { 0 };
	AUTO(json) j = NULL;

	if (json_parse(text, n, &j, &bad) < 0) {
		const char *reason =
		    arena_printf(sink->mem, "%s is not usable: %s", sink->where, bad.msg);

		return reason == NULL ? arena_err(e) : result_missing(rule, sink, reason, e);
	}
	if (json_type(json_root(j)) != JSON_DICT)
		return result_missing(rule, sink, "the file holds no JSON object", e);
	if (json_for_each(json_root(j), json_result, &walk) < 0)
		return -1;
	return walk.found > 0 ? 0 : result_missing(rule, sink, NULL, e);
}
