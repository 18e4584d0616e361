/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http_internal.h"

/* The library's memory after it parsed a head: NUL stands for what it has overwritten. */
struct memory {
	const char *bytes;
	size_t n;
	/* offsets */
	size_t target, version, name, value;
	size_t head_bytes;
};

static bool
exact(const struct memory *m)
{
	const struct http_field field = { m->bytes + m->name, m->bytes + m->value };
	const struct http_head head = { .method = m->bytes,
		.target = m->bytes + m->target,
		.target_bytes = strlen(m->bytes + m->target),
		.version = m->bytes + m->version,
		.fields = &field,
		.n_fields = 1 };

	return http_layout_exact(&head, m->head_bytes);
}

#define MEMORY(s) .bytes = (s), .n = sizeof(s)

static void
an_honest_head_lies_edge_to_edge(void **state)
{
	(void)state;
	/*                                0   4  7         17    23 */
	assert_true(exact(&(struct memory){ MEMORY("GET\0/a\0HTTP/1.1\0\0Host\0 a\0\0\0\0"),
	    .target = 4, .version = 7, .name = 17, .value = 23, .head_bytes = 28 }));
	/* no blank, and several */
	assert_true(exact(&(struct memory){ MEMORY("GET\0/a\0HTTP/1.1\0\0Host\0a\0\0\0\0"),
	    .target = 4, .version = 7, .name = 17, .value = 22, .head_bytes = 27 }));
	assert_true(exact(&(struct memory){ MEMORY("GET\0/a\0HTTP/1.1\0\0Host\0 \t a\0\0\0\0"),
	    .target = 4, .version = 7, .name = 17, .value = 25, .head_bytes = 30 }));
	/* an empty value */
	assert_true(exact(&(struct memory){ MEMORY("GET\0/a\0HTTP/1.1\0\0Host\0\0\0\0\0"),
	    .target = 4, .version = 7, .name = 17, .value = 22, .head_bytes = 26 }));
}

static void
bytes_that_no_piece_accounts_for_are_seen(void **state)
{
	(void)state;
	/* two blanks before the target */
	assert_false(exact(&(struct memory){ MEMORY("GET\0 /a\0HTTP/1.1\0\0Host\0 a\0\0\0\0"),
	    .target = 5, .version = 8, .name = 18, .value = 24, .head_bytes = 29 }));
	/* NUL in the target */
	assert_false(exact(&(struct memory){ MEMORY("GET\0/\0x\0HTTP/1.1\0\0Host\0 a\0\0\0\0"),
	    .target = 4, .version = 8, .name = 18, .value = 24, .head_bytes = 29 }));
	/* bare LF after the version */
	assert_false(exact(&(struct memory){ MEMORY("GET\0/a\0HTTP/1.1\0Host\0 a\0\0\0\0"),
	    .target = 4, .version = 7, .name = 16, .value = 22, .head_bytes = 27 }));
	/* bare LF after the field */
	assert_false(exact(&(struct memory){ MEMORY("GET\0/a\0HTTP/1.1\0\0Host\0 a\0\0\0"),
	    .target = 4, .version = 7, .name = 17, .value = 23, .head_bytes = 27 }));
	/* NUL in the last value */
	assert_false(exact(&(struct memory){ MEMORY("GET\0/a\0HTTP/1.1\0\0Host\0 a\0bc\0\0\0\0"),
	    .target = 4, .version = 7, .name = 17, .value = 23, .head_bytes = 31 }));
	/* a line that begins with NUL ends the head early */
	assert_false(exact(&(struct memory){ MEMORY("GET\0/a\0HTTP/1.1\0\0Host\0 a\0\0\0X:y\0\0"),
	    .target = 4, .version = 7, .name = 17, .value = 23, .head_bytes = 32 }));
	/* a folded line was moved elsewhere */
	assert_false(
	    exact(&(struct memory){ MEMORY("GET\0/a\0HTTP/1.1\0\0Host\0 a\0\0\0\0   Hostb"),
		.target = 4, .version = 7, .name = 31, .value = 23, .head_bytes = 28 }));
	/* a value before its name */
	assert_false(exact(&(struct memory){ MEMORY("GET\0/a\0HTTP/1.1\0\0Host\0 a\0\0\0\0"),
	    .target = 4, .version = 7, .name = 17, .value = 4, .head_bytes = 28 }));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_head_lies_edge_to_edge),
		cmocka_unit_test(bytes_that_no_piece_accounts_for_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
