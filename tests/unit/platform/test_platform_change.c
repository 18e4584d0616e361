/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "platform_internal.h"

#include <string.h>

static struct arena *mem;
static const struct caller nobody;

static struct platform_ask
ask(void)
{
	return (struct platform_ask){ .by = &nobody, .mem = mem };
}

/* --- reasons -------------------------------------------------------------------------------- */

static void
assert_reason(const char *text, const char *kept)
{
	const struct platform_ask a = ask();
	struct err e = { 0 };

	if (reason_clean(&a, &text, PLATFORM_SUPPORT_REASON_MIN, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(text, kept);
}

static void
assert_no_reason(const char *text)
{
	const struct platform_ask a = ask();
	const char *given = text;
	struct err e = { 0 };

	assert_int_equal(reason_clean(&a, &given, PLATFORM_SUPPORT_REASON_MIN, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(e.n_fields, 1);
	assert_string_equal(e.fields[0].name, "/reason");
	assert_ptr_equal(given, text);
}

static void
a_reason_is_counted_in_characters_without_the_blanks_around_it(void **state)
{
	(void)state;
	assert_reason("ten letter", "ten letter");
	assert_reason("   ten letter ", "ten letter");
	assert_reason(
	    "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
	    "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
	assert_no_reason("nine char");
	assert_no_reason("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"); /* ten bytes */
	assert_no_reason("");
	assert_no_reason("            ");
	assert_no_reason("  nine char  ");
}

static void
a_reason_holds_no_control_characters(void **state)
{
	(void)state;
	assert_no_reason("two\nlines of it");
	assert_no_reason("a tab\tinside of it");
	assert_no_reason("an escape \x1b[31m of a terminal");
	assert_no_reason("a delete \x7f inside");
	assert_no_reason("not UTF-8 \xff inside");
}

static void
a_thousand_characters_are_a_reason_and_one_more_are_not(void **state)
{
	char text[4 * PLATFORM_REASON_MAX + 5];

	(void)state;
	for (int i = 0; i <= PLATFORM_REASON_MAX; i++)
		memcpy(text + (size_t)i * 4, "\xf0\x9f\x98\x80", 4);
	text[sizeof(text) - 1] = '\0';
	assert_no_reason(text);
	text[sizeof(text) - 5] = '\0';
	assert_reason(text, text);
}

/* --- pages ---------------------------------------------------------------------------------- */

static void
a_page_keeps_its_rows_and_tells_of_one_more(void **state)
{
	(void)state;
	for (int64_t rows = 0; rows <= 4; rows++) {
		struct page_rows r;
		struct err e = { 0 };
		int64_t *kept;

		assert_int_equal(page_rows_init(&r, mem, sizeof(rows), 3, &e), 0);
		for (int64_t i = 0; i < rows; i++)
			page_rows_add(&r, &i);
		assert_int_equal(page_rows_more(&r), rows == 4);
		assert_int_equal(r.n, rows == 4 ? 3 : rows);
		kept = r.at;
		for (size_t i = 0; i < r.n; i++)
			assert_int_equal(kept[i], i);
	}
}

static void
the_first_page_begins_behind_every_id(void **state)
{
	struct uuid id = uuid_v7(), greatest = before_or_newest((struct uuid){ 0 });

	(void)state;
	assert_true(uuid_cmp(greatest, id) > 0);
	assert_int_equal(uuid_cmp(before_or_newest(id), id), 0);
}

/* --- what is written down ------------------------------------------------------------------- */

static void
changes_are_json_whatever_a_person_wrote(void **state)
{
	const struct platform_ask a = ask();

	(void)state;
	assert_string_equal(changed_text(&a, "name", "a", "b"), "{\"name\":[\"a\",\"b\"]}");
	assert_string_equal(changed_text(&a, "reason", NULL, "x\"],\"y\\"),
	    "{\"reason\":[null,\"x\\\"],\\\"y\\\\\"]}");
}

static void
the_platforms_own_tenant_is_no_customer(void **state)
{
	const struct platform_tenant own = { .kind = "platform" }, other = { .kind = "customer" };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(customers_only(&own, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(customers_only(&other, &e), 0);
}

static void
an_operation_shows_its_nodes_only_when_they_were_asked_for(void **state)
{
	struct platform_node node = { .waived = true, .done_wall_us = 1 };
	struct platform_operation op = { .kind = "tenant.delete",
		.target_name = "gone",
		.stage = "files",
		.progress = "{\"live_jobs\": 0}",
		.problem = "a \"problem\"",
		.created_by = "key_x",
		.created_wall_us = 1,
		.updated_wall_us = 1 };
	struct json_out o;
	AUTO_BUF b = { 0 };

	(void)state;
	buf_init(&b, 4096);
	json_out_init(&o, &b);
	platform_operation_print(&op, &o);
	assert_non_null(strstr(b.p, "\"problem\":\"a \\\"problem\\\"\""));
	assert_non_null(strstr(b.p, "\"progress\":{\"live_jobs\": 0}"));
	assert_non_null(strstr(b.p, "\"ended_at\":null"));
	assert_null(strstr(b.p, "\"nodes\""));
	op.nodes = &node;
	op.n_nodes = 1;
	b.n = 0;
	json_out_init(&o, &b);
	platform_operation_print(&op, &o);
	assert_non_null(
	    strstr(b.p, "\"nodes\":[{\"node\":\"00000000-0000-0000-0000-000000000000\","
			"\"waived\":true,\"done_at\":\"1970-01-01T00:00:00.000001Z\"}]"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reason_is_counted_in_characters_without_the_blanks_around_it),
		cmocka_unit_test(a_reason_holds_no_control_characters),
		cmocka_unit_test(a_thousand_characters_are_a_reason_and_one_more_are_not),
		cmocka_unit_test(a_page_keeps_its_rows_and_tells_of_one_more),
		cmocka_unit_test(the_first_page_begins_behind_every_id),
		cmocka_unit_test(changes_are_json_whatever_a_person_wrote),
		cmocka_unit_test(the_platforms_own_tenant_is_no_customer),
		cmocka_unit_test(an_operation_shows_its_nodes_only_when_they_were_asked_for),
	};
	int rc;

	mem = arena_new(1 << 20);
	if (mem == NULL)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(mem);
	return rc;
}
