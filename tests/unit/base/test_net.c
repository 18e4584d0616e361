/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "net.h"

static struct net_addr
addr(const char *text)
{
	struct net_addr a = { 0 };
	struct err e = { 0 };

	if (net_addr_parse(text, &a, &e) < 0)
		fail_msg("%s", e.msg);
	return a;
}

static struct net_cidr
cidr(const char *text)
{
	struct net_cidr c = { 0 };
	struct err e = { 0 };

	if (net_cidr_parse(text, &c, &e) < 0)
		fail_msg("%s", e.msg);
	return c;
}

static void
addresses_are_printed_in_their_shortest_form(void **state)
{
	static const char *const CASES[][2] = {
		{ "192.0.2.7", "192.0.2.7" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "2001:DB8:0:0:0:0:0:7", "2001:db8::7" },
		{ "::ffff:192.0.2.7", "192.0.2.7" },
		{ "::FFFF:c000:207", "192.0.2.7" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	char out[NET_ADDR_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		const struct net_addr a = addr(CASES[i][0]);

		assert_string_equal(net_addr_format(&a, out), CASES[i][1]);
	}
}

static void
one_address_has_one_value_however_it_is_written(void **state)
{
	const struct net_addr v4 = addr("192.0.2.7"), mapped = addr("::ffff:192.0.2.7");
	const struct net_addr other = addr("::192.0.2.7");

	(void)state;
	assert_true(net_addr_equal(&v4, &mapped));
	assert_true(net_addr_is_v4(&mapped));
	assert_false(net_addr_equal(&v4, &other));
	assert_false(net_addr_is_v4(&other));
}

static void
what_is_no_address_is_refused(void **state)
{
	static const char *const CASES[] = { "", " ", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4",
		"1.2.3.4 ", " 1.2.3.4", "1.2.3.4:80", "[::1]", "[::1]:80", "fe80::1%eth0",
		"::1::", "12345::", "localhost", "0x7f.1", "2130706433", "1.2.3.4/32", "unknown",
		"_hidden", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		struct err e = { 0 };
		struct net_addr a = { { 42 } };

		assert_int_equal(net_addr_parse(CASES[i], &a, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(a.bytes[0], 42);
	}
}

static void
networks_are_read_and_printed(void **state)
{
	static const char *const CASES[][2] = {
		{ "10.0.0.0/8", "10.0.0.0/8" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "192.0.2.7", "192.0.2.7/32" },
		{ "192.0.2.7/32", "192.0.2.7/32" },
		{ "192.0.2.6/31", "192.0.2.6/31" },
		{ "172.16.0.0/12", "172.16.0.0/12" },
		{ "::/0", "::/0" },
		{ "::1", "::1/128" },
		{ "2001:db8::/32", "2001:db8::/32" },
		{ "2001:db8:8000::/33", "2001:db8:8000::/33" },
		{ "::ffff:10.0.0.0/104", "10.0.0.0/8" },
		{ "::ffff:0.0.0.0/96", "0.0.0.0/0" },
	};
	char out[NET_CIDR_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		const struct net_cidr c = cidr(CASES[i][0]);

		assert_string_equal(net_cidr_format(&c, out), CASES[i][1]);
	}
}

static void
what_is_no_network_is_refused(void **state)
{
	static const char *const CASES[] = { "", "/", "/8", "10.0.0.0/", "10.0.0.0/33",
		"10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8/8", "10.0.0.0/ 8", "10.0.0.0/255.0.0.0",
		"10/8", "::/129", "::/1a", "example.org/8",
		"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/1280" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		struct err e = { 0 };
		struct net_cidr c = { .prefix = -5 };

		assert_int_equal(net_cidr_parse(CASES[i], &c, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(c.prefix, -5);
	}
}

static void
an_address_with_a_prefix_is_refused_with_both_right_forms(void **state)
{
	static const struct {
		const char *text, *right;
	} CASES[] = { { "10.0.0.1/8", "write 10.0.0.0/8" }, { "10.1.0.0/15", "write 10.0.0.0/15" },
		{ "192.0.2.7/31", "write 192.0.2.6/31" },
		{ "2001:db8::1/32", "write 2001:db8::/32" },
		{ "::ffff:10.0.0.1/104", "write 10.0.0.0/8" },
		{ "::ffff:10.0.0.0/80", "write ::/80" }, { "1.2.3.4/0", "write 0.0.0.0/0" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		struct err e = { 0 };
		struct net_cidr c;

		assert_int_equal(net_cidr_parse(CASES[i].text, &c, &e), -1);
		if (strstr(e.msg, CASES[i].right) == NULL)
			fail_msg("%s", e.msg);
	}
}

static void
a_network_contains_exactly_its_own_family_and_prefix(void **state)
{
	static const struct {
		const char *network, *address;
		bool contained;
	} CASES[] = {
		{ "10.0.0.0/8", "10.0.0.0", true },
		{ "10.0.0.0/8", "10.255.255.255", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/8", "9.255.255.255", false },
		{ "10.0.0.0/8", "::ffff:10.1.2.3", true },
		{ "10.0.0.0/8", "a00::1", false },
		{ "192.0.2.4/30", "192.0.2.7", true },
		{ "192.0.2.4/30", "192.0.2.8", false },
		{ "192.0.2.7", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.6", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "203.0.113.9", false },
		{ "::/80", "203.0.113.9", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::1", "::1", true },
		{ "::1", "::", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		const struct net_cidr c = cidr(CASES[i].network);
		const struct net_addr a = addr(CASES[i].address);

		if (net_cidr_contains(&c, &a) != CASES[i].contained)
			fail_msg("%s and %s", CASES[i].network, CASES[i].address);
	}
}

static void
a_list_contains_what_any_of_its_networks_contains(void **state)
{
	const struct net_addr in[] = { addr("127.0.0.1"), addr("10.9.8.7"), addr("fd00::1") };
	const struct net_addr out = addr("192.0.2.7");
	struct net_cidrs set = { .n = 99 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(net_cidrs_parse(" 127.0.0.1,10.0.0.0/8 , fd00::/8", &set, &e), 0);
	assert_int_equal(set.n, 3);
	for (size_t i = 0; i < ARRAY_LEN(in); i++)
		assert_true(net_cidrs_contain(&set, &in[i]));
	assert_false(net_cidrs_contain(&set, &out));
}

static void
an_empty_list_contains_nothing(void **state)
{
	const struct net_addr a = addr("127.0.0.1"), zero = { 0 };
	struct net_cidrs set = { .n = 99 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(net_cidrs_parse("", &set, &e), 0);
	assert_int_equal(set.n, 0);
	assert_int_equal(net_cidrs_parse("  ", &set, &e), 0);
	assert_false(net_cidrs_contain(&set, &a));
	assert_false(net_cidrs_contain(&set, &zero));
}

static void
a_list_with_one_bad_entry_is_refused_whole(void **state)
{
	static const char *const CASES[] = { ",", "10.0.0.0/8,", ",10.0.0.0/8", "10.0.0.0/8,,::1",
		"10.0.0.0/8 ::1", "10.0.0.0/8;::1", "10.0.0.0/8,10.0.0.1/8",
		"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/1285",
		"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128 5" };
	struct net_cidrs set = { .n = 7 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
		struct err e = { 0 };

		assert_int_equal(net_cidrs_parse(CASES[i], &set, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(set.n, 7);
	}
}

static void
a_list_has_at_most_its_maximum_of_networks(void **state)
{
	char text[(NET_CIDRS_MAX + 1) * sizeof("::1,")] = "::1";
	struct net_cidrs set;
	struct err e = { 0 };

	(void)state;
	for (int i = 1; i < NET_CIDRS_MAX; i++)
		memcpy(text + strlen(text), ",::1", 5);
	assert_int_equal(net_cidrs_parse(text, &set, &e), 0);
	assert_int_equal(set.n, NET_CIDRS_MAX);
	memcpy(text + strlen(text), ",::1", 5);
	assert_int_equal(net_cidrs_parse(text, &set, &e), -1);
	assert_string_equal(e.msg, "a list may have at most 32 networks");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_printed_in_their_shortest_form),
		cmocka_unit_test(one_address_has_one_value_however_it_is_written),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(networks_are_read_and_printed),
		cmocka_unit_test(what_is_no_network_is_refused),
		cmocka_unit_test(an_address_with_a_prefix_is_refused_with_both_right_forms),
		cmocka_unit_test(a_network_contains_exactly_its_own_family_and_prefix),
		cmocka_unit_test(a_list_contains_what_any_of_its_networks_contains),
		cmocka_unit_test(an_empty_list_contains_nothing),
		cmocka_unit_test(a_list_with_one_bad_entry_is_refused_whole),
		cmocka_unit_test(a_list_has_at_most_its_maximum_of_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
