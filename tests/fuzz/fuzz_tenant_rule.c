/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lines: an issuer's rules, and a claim of a token that they are asked about.  Rules that are
 * read are the same after they were written.
 */
#include "tenant_rule.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	json_start();
	return 0;
}

static void
print(const struct tenant_rules *rules, struct buf *b)
{
	struct json_out o;

	buf_init(b, 1 << 20);
	json_out_init(&o, b);
	tenant_rules_print(rules, &o);
}

static void
check_round_trip(const struct tenant_rules *rules, struct arena *mem)
{
	static struct tenant_rules again;
	struct buf first, second;
	struct err e = { 0 };

	print(rules, &first);
	if (!first.failed) {
		if (tenant_rules_parse(first.p, mem, &again, &e) < 0)
			abort();
		print(&again, &second);
		if (first.n != second.n || memcmp(first.p, second.p, first.n) != 0)
			abort();
		buf_done(&second);
	}
	buf_done(&first);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tenant_rules rules;
	const uint8_t *line = memchr(data, '\n', size);
	size_t n = line == NULL ? size : (size_t)(line - data);
	struct arena *mem = arena_new(1 << 20);
	char *text = strndup((const char *)data, n);
	struct json *claim = NULL;
	struct err e = { 0 };

	if (mem != NULL && text != NULL && tenant_rules_parse(text, mem, &rules, &e) == 0) {
		check_round_trip(&rules, mem);
		if (line != NULL &&
		    json_parse((const char *)line + 1, size - n - 1, &claim, &e) < 0)
			claim = NULL;
		for (size_t i = 0; i < rules.n; i++) {
			const struct json_value *root = claim == NULL ? NULL : json_root(claim);

			if (tenant_rule_holds(&rules.at[i], root) && root == NULL &&
			    strcmp(rules.at[i].claim, "*") != 0)
				abort();
			(void)tenant_rule_holds(&rules.at[i], json_member(root, rules.at[i].claim));
		}
	}
	json_free(claim);
	free(text);
	arena_free(mem);
	return 0;
}
