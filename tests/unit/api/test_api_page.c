/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_page_internal.h"

#include <stdio.h>
#include <string.h>

static const uint8_t key[32] = "an example key of thirty-two b.";
static const int64_t now_us = INT64_C(1790000000000000);

static struct page_scope
scope(void)
{
	struct page_scope s = { .key = key, .route = "GET /x", .filter = { 1, 2, 3 } };

	s.tenant.uuid.b[3] = 7;
	return s;
}

static void
a_cursor_leads_back_to_its_id(void **state)
{
	struct page_scope s = scope();
	struct uuid last = uuid_v7(), back;
	char text[PAGE_CURSOR_SIZE];
	struct err e = { 0 };

	(void)state;
	assert_int_equal(page_cursor_make(&s, last, now_us, text, &e), 0);
	assert_int_equal(page_cursor_read(&s, text, now_us + 1, &back, &e), 0);
	assert_int_equal(uuid_cmp(last, back), 0);
}

static void
assert_refused(const struct page_scope *s, const char *text, int64_t at_us)
{
	struct uuid back = { .b = { 9 } };
	struct err e = { 0 };

	assert_int_equal(page_cursor_read(s, text, at_us, &back, &e), -1);
	assert_int_equal(e.code, ERR_BAD_CURSOR);
	assert_int_equal(back.b[0], 9);
}

static void
a_cursor_fits_its_tenant_route_filter_and_time_only(void **state)
{
	struct page_scope s = scope(), other;
	char text[PAGE_CURSOR_SIZE];
	static const uint8_t other_key[32] = "another";

	(void)state;
	assert_int_equal(page_cursor_make(&s, uuid_v7(), now_us, text, &(struct err){ 0 }), 0);
	other = s;
	other.tenant.uuid.b[3] = 8;
	assert_refused(&other, text, now_us);
	other = s;
	other.route = "GET /y";
	assert_refused(&other, text, now_us);
	other = s;
	other.filter[31] = 1;
	assert_refused(&other, text, now_us);
	other = s;
	other.key = other_key;
	assert_refused(&other, text, now_us);
	assert_refused(&s, text, now_us + INT64_C(3) * 86400 * 1000000 + 1);
	assert_refused(&s, text, now_us - INT64_C(3600) * 1000000);
}

static void
every_altered_character_is_noticed(void **state)
{
	struct page_scope s = scope();
	char text[PAGE_CURSOR_SIZE], bent[PAGE_CURSOR_SIZE];

	(void)state;
	assert_int_equal(page_cursor_make(&s, uuid_v7(), now_us, text, &(struct err){ 0 }), 0);
	for (size_t i = 0; i < strlen(text); i++) {
		(void)snprintf(bent, sizeof(bent), "%s", text);
		bent[i] = bent[i] == 'A' ? 'B' : 'A';
		assert_refused(&s, bent, now_us);
		bent[i] = '\0';
		assert_refused(&s, bent, now_us);
	}
	assert_refused(&s, "", now_us);
	assert_refused(&s, "%%%", now_us);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cursor_leads_back_to_its_id),
		cmocka_unit_test(a_cursor_fits_its_tenant_route_filter_and_time_only),
		cmocka_unit_test(every_altered_character_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
