/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant_rule.h"

#include "buf.h"

#include <string.h>

static const char always[] = "*";

/* --- reading and writing ---------------------------------------------------------------------- */

static int
decode_value(struct json_decoder *d, const struct json_value *v, struct tenant_rule *r)
{
	const char *text;

	r->value.type = v == NULL ? JSON_NULL : json_type(v);
	switch (r->value.type) {
	case JSON_STRING:
		(void)json_get_text(v, &text);
		if (strlen(text) > TENANT_RULE_VALUE_MAX)
			json_fault(d, "value", "must have at most %d bytes", TENANT_RULE_VALUE_MAX);
		r->value.text = arena_strdup(json_decoder_mem(d), text);
		return r->value.text == NULL ? -1 : 0;
	case JSON_INTEGER:
		(void)json_get_i64(v, &r->value.i64);
		return 0;
	case JSON_REAL:
		(void)json_get_f64(v, &r->value.f64);
		return 0;
	case JSON_BOOLEAN:
		(void)json_get_bool(v, &r->value.boolean);
		return 0;
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_DICT:
		break;
	}
	if (strcmp(r->claim, always) != 0)
		json_fault(d, "value", "must be a string, a number or a boolean");
	return 0;
}

static void
check_rule(struct json_decoder *d, const char *project, struct tenant_rule *r)
{
	struct err bad = { 0 };

	if (strcmp(r->claim, always) == 0 && r->value.type != JSON_NULL)
		json_fault(d, "value", "must be left out with the claim \"*\", which holds always");
	if (project == NULL)
		return;
	if (id_parse("prj", project, &r->project, &bad) < 0)
		json_fault(d, "project", "%s", bad.msg);
	else if (uuid_is_nil(r->project)) /* would be the whole tenant */
		json_fault(d, "project", "is no project's id");
}

int
tenant_rule_decode(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx)
{
	struct tenant_rules *rules = ctx;
	struct tenant_rule r = { .claim = "", .role = "" };
	const struct json_value *value = NULL;
	const char *project = NULL;
	const struct json_field fields[] = {
		JSON_TEXT("claim", &r.claim, 1, TENANT_RULE_CLAIM_MAX, JSON_REQUIRED),
		JSON_VALUE("value", &value, JSON_NULLABLE),
		JSON_TEXT("role", &r.role, 1, TENANT_RULE_ROLE_MAX, JSON_REQUIRED),
		JSON_TEXT("project", &project, 1, ID_STR_SIZE, JSON_NULLABLE),
		JSON_FIELDS_END,
	};

	(void)index;
	(void)name;
	if (json_type(v) != JSON_DICT) {
		json_fault(d, "", "must be an object, not %s", json_type_name(json_type(v)));
		return 0;
	}
	if (json_decode_value(d, v, fields) < 0 || decode_value(d, value, &r) < 0)
		return -1;
	check_rule(d, project, &r);
	if (rules->n < TENANT_RULES_MAX)
		rules->at[rules->n++] = r;
	return 0;
}

int
tenant_rules_parse(const char *text, struct arena *mem, struct tenant_rules *ret, struct err *e)
{
	struct tenant_rules rules = { 0 };
	const struct json_field fields[] = {
		JSON_EACH("rules", tenant_rule_decode, &rules, TENANT_RULES_MAX, JSON_REQUIRED),
		JSON_FIELDS_END,
	};
	/* Decoding starts from an object. */
	char *document = arena_printf(mem, "{\"rules\":%s}", text);
	AUTO(json) j = NULL;

	if (document == NULL)
		return arena_err(e);
	if (json_parse(document, strlen(document), &j, e) < 0 || json_decode(j, fields, mem, e) < 0)
		return -1;
	*ret = rules;
	return 0;
}

static void
print_value(const struct tenant_rule *r, struct json_out *o)
{
	switch (r->value.type) {
	case JSON_STRING:
		json_put_text(o, "value", r->value.text);
		break;
	case JSON_INTEGER:
		json_put_i64(o, "value", r->value.i64);
		break;
	case JSON_REAL:
		json_put_f64(o, "value", r->value.f64);
		break;
	case JSON_BOOLEAN:
		json_put_bool(o, "value", r->value.boolean);
		break;
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_DICT:
		json_put_null(o, "value");
		break;
	}
}

void
tenant_rules_print(const struct tenant_rules *r, struct json_out *o)
{
	char project[ID_STR_SIZE];

	json_out_begin_array(o);
	for (size_t i = 0; i < r->n; i++) {
		const struct tenant_rule *rule = &r->at[i];

		json_out_begin(o);
		json_put_text(o, "claim", rule->claim);
		print_value(rule, o);
		json_put_text(o, "role", rule->role);
		json_put_text(o, "project",
		    uuid_is_nil(rule->project) ? NULL : id_format("prj", rule->project, project));
		json_out_end(o);
	}
	json_out_end_array(o);
}

/* --- holding ---------------------------------------------------------------------------------- */

static bool
is_value(const struct tenant_rule *r, const struct json_value *v)
{
	const char *text;
	int64_t i64;
	double f64;
	bool boolean;

	if (v == NULL || json_type(v) != r->value.type)
		return false;
	switch (r->value.type) {
	case JSON_STRING:
		return json_get_text(v, &text) && strcmp(text, r->value.text) == 0;
	case JSON_INTEGER:
		return json_get_i64(v, &i64) && i64 == r->value.i64;
	case JSON_REAL:
		return json_get_f64(v, &f64) && f64 >= r->value.f64 && f64 <= r->value.f64;
	case JSON_BOOLEAN:
		return json_get_bool(v, &boolean) && boolean == r->value.boolean;
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_DICT:
		break;
	}
	return false;
}

static int
find_value(void *ctx, const char *name, const struct json_value *v)
{
	(void)name;
	return is_value(ctx, v);
}

bool
tenant_rule_holds(const struct tenant_rule *r, const struct json_value *claim)
{
	struct tenant_rule rule = *r;

	if (strcmp(r->claim, always) == 0)
		return true;
	if (claim != NULL && json_type(claim) == JSON_ARRAY)
		return json_for_each(claim, find_value, &rule) != 0;
	return is_value(r, claim);
}
