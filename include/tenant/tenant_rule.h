/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TENANT_RULE_H
#define TENANT_RULE_H

/*
 * Rules by which the claims of an issuer's tokens become roles: JSON objects {"claim", "value",
 * "role", "project"}, project null or absent for the whole tenant.  A rule holds when the claim (a
 * dotted path) is its value, or an array with that value in it; the claim "*" holds always and has
 * no value.  Values are strings, integers, numbers with a fraction and booleans, and equal only
 * their own kind: "1", 1 and 1.0 are three.  Pure functions.
 */

#include "arena.h"
#include "base.h"
#include "err.h"
#include "id.h"
#include "json.h"

#include <stdbool.h>

enum {
	TENANT_RULES_MAX = 64,
	TENANT_RULE_CLAIM_MAX = 255, /* bytes of a path */
	TENANT_RULE_VALUE_MAX = 255, /* bytes of a text */
	TENANT_RULE_ROLE_MAX = 63
};

struct tenant_rule {
	const char *claim;
	struct {
		enum json_type type; /* JSON_NULL: none, with claim "*" only */
		const char *text;
		int64_t i64;
		double f64;
		bool boolean;
	} value;
	const char *role;    /* name of a system role or of one of the tenant's own */
	struct uuid project; /* nil: in the whole tenant */
};
struct tenant_rules {
	size_t n;
	struct tenant_rule at[TENANT_RULES_MAX];
};

/*
 * A json_each_fn over an array of rules; ctx is a struct tenant_rules:
 *     JSON_EACH("rules", tenant_rule_decode, &rules, TENANT_RULES_MAX, JSON_REQUIRED)
 * Texts live as long as the decoder's arena.  Whether role and project exist is not looked at.
 */
int tenant_rule_decode(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx);
/* The array's text, as it is stored; ERR_INVALID as above. */
int tenant_rules_parse(
    const char *text, struct arena *mem, struct tenant_rules *ret, struct err *e) MUST_CHECK;
void tenant_rules_print(const struct tenant_rules *r, struct json_out *o); /* the array */
/* claim: the value at the rule's path in a token; NULL when there is none. */
bool tenant_rule_holds(const struct tenant_rule *r, const struct json_value *claim);

#endif
