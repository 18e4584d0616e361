/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http_internal.h"

/* Proxies: 10.0.0.0/8, 192.0.2.1 and fd00::/8.  The head is fields with LF between them. */
struct row {
	const char *peer, *head, *client;
};

enum { FIELDS_MAX = 16 };

static void
check(const struct row *row)
{
	struct http_field fields[FIELDS_MAX];
	char text[2000], out[NET_ADDR_SIZE];
	struct net_cidrs trusted;
	struct net_addr peer, client;
	char *line, *next = text;
	size_t n = 0;
	struct err e;

	assert_int_equal(net_cidrs_parse("10.0.0.0/8, 192.0.2.1, fd00::/8", &trusted, &e), 0);
	assert_int_equal(net_addr_parse(row->peer, &peer, &e), 0);
	assert_true(strlen(row->head) < sizeof(text));
	memcpy(text, row->head, strlen(row->head) + 1);
	while ((line = strsep(&next, "\n")) != NULL && line[0] != '\0') {
		fields[n].name = strsep(&line, ":");
		fields[n++].value = line;
	}
	client = http_forwarded(&trusted, &peer, fields, n);
	if (strcmp(net_addr_format(&client, out), row->client) != 0)
		fail_msg("%s, %s -> %s", row->peer, row->head, out);
}

static void
check_all(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(&rows[i]);
}

static void
a_stranger_is_its_own_client_whatever_it_says(void **state)
{
	static const struct row ROWS[] = {
		{ "203.0.113.9", "", "203.0.113.9" },
		{ "203.0.113.9", "X-Forwarded-For:127.0.0.1", "203.0.113.9" },
		{ "203.0.113.9", "X-Forwarded-For:10.0.0.1", "203.0.113.9" },
		{ "11.0.0.1", "X-Forwarded-For:198.51.100.1", "11.0.0.1" },
		{ "::1", "X-Forwarded-For:198.51.100.1", "::1" },
	};

	(void)state;
	check_all(ROWS, ARRAY_LEN(ROWS));
}

static void
a_trusted_proxy_names_the_client(void **state)
{
	static const struct row ROWS[] = {
		{ "10.0.0.1", "X-Forwarded-For:198.51.100.1", "198.51.100.1" },
		{ "192.0.2.1", "X-Forwarded-For: \t198.51.100.1 ", "198.51.100.1" },
		{ "fd00::1", "X-Forwarded-For:2001:db8::1", "2001:db8::1" },
		{ "::ffff:10.0.0.1", "x-forwarded-for:::ffff:198.51.100.1", "198.51.100.1" },
		{ "10.0.0.1", "Host:h\nX-FORWARDED-FOR:198.51.100.1\nX:y", "198.51.100.1" },
	};

	(void)state;
	check_all(ROWS, ARRAY_LEN(ROWS));
}

static void
without_a_list_the_proxy_itself_is_the_client(void **state)
{
	static const struct row ROWS[] = {
		{ "10.0.0.1", "", "10.0.0.1" },
		{ "10.0.0.1", "X-Forwarded-For:", "10.0.0.1" },
		{ "10.0.0.1", "X-Forwarded:198.51.100.1", "10.0.0.1" },
		{ "10.0.0.1", "X-Real-IP:198.51.100.1", "10.0.0.1" },
		{ "10.0.0.1", "Forwarded:for=198.51.100.1", "10.0.0.1" },
	};

	(void)state;
	check_all(ROWS, ARRAY_LEN(ROWS));
}

static void
the_list_is_believed_from_its_right_end_up_to_the_first_stranger(void **state)
{
	static const struct row ROWS[] = {
		{ "10.0.0.1", "X-Forwarded-For:1.1.1.1, 198.51.100.1", "198.51.100.1" },
		{ "10.0.0.1", "X-Forwarded-For:1.1.1.1,198.51.100.1,10.0.0.2", "198.51.100.1" },
		{ "10.0.0.1", "X-Forwarded-For:1.1.1.1, 198.51.100.1, fd00::7 , 10.0.0.2",
		    "198.51.100.1" },
		{ "10.0.0.1", "X-Forwarded-For:127.0.0.1, 198.51.100.1", "198.51.100.1" },
		{ "10.0.0.1", "X-Forwarded-For:10.0.0.3, 10.0.0.2", "10.0.0.3" },
	};

	(void)state;
	check_all(ROWS, ARRAY_LEN(ROWS));
}

static void
several_fields_are_one_list_in_order(void **state)
{
	static const struct row ROWS[] = {
		{ "10.0.0.1", "X-Forwarded-For:1.1.1.1\nX-Forwarded-For:198.51.100.1",
		    "198.51.100.1" },
		{ "10.0.0.1", "X-Forwarded-For:1.1.1.1,198.51.100.1\nX:y\nX-Forwarded-For:10.0.0.2",
		    "198.51.100.1" },
		{ "10.0.0.1", "X-Forwarded-For:198.51.100.1\nX-Forwarded-For:", "10.0.0.1" },
	};

	(void)state;
	check_all(ROWS, ARRAY_LEN(ROWS));
}

static void
at_what_is_no_address_the_last_good_one_stands(void **state)
{
	static const struct row ROWS[] = {
		{ "10.0.0.1", "X-Forwarded-For:198.51.100.1, unknown", "10.0.0.1" },
		{ "10.0.0.1", "X-Forwarded-For:198.51.100.1, unknown, 10.0.0.2", "10.0.0.2" },
		{ "10.0.0.1", "X-Forwarded-For:198.51.100.1,,10.0.0.2", "10.0.0.2" },
		{ "10.0.0.1", "X-Forwarded-For:198.51.100.1,", "10.0.0.1" },
		{ "10.0.0.1", "X-Forwarded-For:198.51.100.1:4711", "10.0.0.1" },
		{ "10.0.0.1", "X-Forwarded-For:[2001:db8::1]", "10.0.0.1" },
		{ "10.0.0.1", "X-Forwarded-For:\"198.51.100.1\"", "10.0.0.1" },
		{ "10.0.0.1", "X-Forwarded-For:198.51.100.1 10.0.0.2", "10.0.0.1" },
		{ "10.0.0.1", "X-Forwarded-For:198.51.100.01", "10.0.0.1" },
		{ "10.0.0.1",
		    "X-Forwarded-For:198.51.100.1, "
		    "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555",
		    "10.0.0.1" },
	};

	(void)state;
	check_all(ROWS, ARRAY_LEN(ROWS));
}

/* "198.51.100.1" and n proxies behind it, in `fields` fields. */
static void
check_chain(int n, int fields, const char *client)
{
	char head[2000] = "X-Forwarded-For:198.51.100.1";
	size_t at = strlen(head);

	for (int i = n; i > 0; i--)
		at += (size_t)snprintf(head + at, sizeof(head) - at, "%s10.0.1.%d",
		    fields > 1 && i % 2 == 0 ? "\nX-Forwarded-For:" : ",", i);
	check(&(struct row){ "10.0.0.1", head, client });
}

static void
sixteen_addresses_are_read_and_no_more(void **state)
{
	(void)state;
	for (int fields = 1; fields <= 2; fields++) {
		check_chain(15, fields, "198.51.100.1");
		check_chain(16, fields, "10.0.1.16");
		check_chain(20, fields, "10.0.1.16");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stranger_is_its_own_client_whatever_it_says),
		cmocka_unit_test(a_trusted_proxy_names_the_client),
		cmocka_unit_test(without_a_list_the_proxy_itself_is_the_client),
		cmocka_unit_test(the_list_is_believed_from_its_right_end_up_to_the_first_stranger),
		cmocka_unit_test(several_fields_are_one_list_in_order),
		cmocka_unit_test(at_what_is_no_address_the_last_good_one_stands),
		cmocka_unit_test(sixteen_addresses_are_read_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
