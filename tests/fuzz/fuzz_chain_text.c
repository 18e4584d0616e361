/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of checkpoints and of exported logs from who knows where; each line is tried as both, and
 * what reads as an entry goes through the checker. */
#include "checkpoint.h"
#include "export.h"

#include "arena.h"

#include <string.h>

static void
try_checkpoint(struct checkpoint_trail *t, const char *line, size_t n, struct chain_check *c)
{
	char again[CHECKPOINT_LINE_SIZE];
	struct checkpoint cp;
	struct err e = { 0 };

	checkpoint_trail_line(t, line, n, c);
	if (checkpoint_parse(line, n, &cp, &e) < 0)
		return;
	REQUIRE(checkpoint_print(&cp, again) == n);
	REQUIRE(memcmp(again, line, n) == 0);
	(void)!checkpoint_signed(&cp);
}

static void
try_export(struct checkpoint_trail *t, const char *line, size_t n, struct chain_check *c)
{
	AUTO(arena) mem = arena_new(1 << 18);
	struct chain_entry entry;
	struct export_end end;
	struct err e = { 0 };
	int kind;

	REQUIRE(mem != NULL);
	kind = export_read_line(line, n, mem, &entry, &end, &e);
	if (kind == 1) {
		checkpoint_trail_entry(t, &entry, c);
		chain_check_entry(c, &entry);
	} else if (kind == 0) {
		checkpoint_trail_head(t, &end.head, c);
		chain_check_end(c, &end.head);
	} else {
		REQUIRE(e.code != ERR_NONE);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tenant_id tenant = { { { 1 } } };
	const char *p = (const char *)data;
	struct chain_check *c = malloc(sizeof(*c));
	struct checkpoint_trail t;

	REQUIRE(c != NULL);
	checkpoint_trail_start(&t, tenant);
	chain_check_start(c, tenant);
	while (size > 0) {
		const char *end = memchr(p, '\n', size);
		size_t n = end == NULL ? size : (size_t)(end - p);

		try_checkpoint(&t, p, n, c);
		try_export(&t, p, n, c);
		n += end != NULL;
		p += n;
		size -= n;
	}
	checkpoint_trail_end(&t, NULL, c);
	REQUIRE(c->n_problems <= CHAIN_PROBLEMS_MAX);
	checkpoint_trail_done(&t);
	free(c);
	return 0;
}
