/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http_internal.h"

static struct net_addr
addr(const char *text)
{
	struct net_addr a = { 0 };
	struct err e = { 0 };

	assert_int_equal(net_addr_parse(text, &a, &e), 0);
	return a;
}

static struct source *
take(struct sources *s, const char *text)
{
	const struct net_addr a = addr(text);
	struct source *source = source_take(s, &a);

	assert_non_null(source);
	return source;
}

static void
connections_of_one_address_are_counted_together(void **state)
{
	static struct sources s;
	struct source *a, *b;

	(void)state;
	sources_init(&s);
	a = take(&s, "192.0.2.7");
	assert_ptr_equal(take(&s, "::ffff:192.0.2.7"), a);
	b = take(&s, "192.0.2.8");
	assert_ptr_not_equal(a, b);
	assert_int_equal(a->n_conns, 2);
	assert_int_equal(b->n_conns, 1);
	source_give(&s, a);
	assert_int_equal(a->n_conns, 1);
	source_give(&s, a);
	source_give(&s, b);
}

static void
an_ipv6_source_is_a_network_of_64_bits(void **state)
{
	static struct sources s;
	struct source *a;

	(void)state;
	sources_init(&s);
	a = take(&s, "2001:db8:1:2::1");
	assert_ptr_equal(take(&s, "2001:db8:1:2:ffff:ffff:ffff:ffff"), a);
	assert_int_equal(a->n_conns, 2);
	source_give(&s, a);
	source_give(&s, a);
	a = take(&s, "2001:db8:1:2::1");
	assert_int_equal(a->n_conns, 1);
	assert_ptr_not_equal(take(&s, "2001:db8:1:3::1"), a);
	source_give(&s, take(&s, "2001:db8:1:3::2"));
	source_give(&s, take(&s, "2001:db8:1:3::2"));
	source_give(&s, a);
}

static void
thousands_of_sources_come_and_go_without_a_trace(void **state)
{
	enum { N = 20000 };
	static struct source *held[N];
	static struct sources s;
	char text[NET_ADDR_SIZE];
	size_t longest = 0;

	(void)state;
	sources_init(&s);
	for (int i = 0; i < N; i++) {
		(void)snprintf(text, sizeof(text), "10.%d.%d.%d", i % 3, i / 250, i % 250);
		held[i] = take(&s, text);
		assert_int_equal(held[i]->n_conns, 1);
	}
	for (size_t b = 0; b < SOURCE_BUCKETS; b++) {
		size_t n = 0;

		for (const struct source *p = s.buckets[b]; p != NULL; p = p->next)
			n++;
		longest = n > longest ? n : longest;
	}
	/* 20 on average; far from one bucket for all. */
	assert_in_range(longest, 20, 80);
	for (int i = 0; i < N; i++)
		source_give(&s, held[(i * 7919) % N]);
	for (size_t b = 0; b < SOURCE_BUCKETS; b++)
		assert_null(s.buckets[b]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_of_one_address_are_counted_together),
		cmocka_unit_test(an_ipv6_source_is_a_network_of_64_bits),
		cmocka_unit_test(thousands_of_sources_come_and_go_without_a_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
