/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of an exported log: what is written reads back to the same bytes. */
#include "chain_fixture.h"

#include "arena.h"
#include "buf.h"
#include "export.h"

static void
an_entry_with_every_character_comes_back(void **state)
{
	static const char nasty[] =
	    "{\"a\":\"\\u0001\\\\\\\"\"}\x01\x1f\x7f\xc2\x80\xc2\x9f\xef\xbf\xbf"
	    "\xf0\x9f\x90\x9b\r\n\t,;'\"<>&=";
	struct fixture_log *l = log_new();
	AUTO(arena) mem = arena_new(1 << 20);
	struct chain_entry entry = l->at[3], back = { 0 };
	struct export_end end;
	struct err e = { 0 };
	AUTO_BUF b;

	(void)state;
	assert_non_null(mem);
	buf_init(&b, EXPORT_LINE_MAX);
	entry.text = nasty;
	entry.text_n = sizeof(nasty) - 1;
	export_print_entry(&entry, &b);
	assert_false(b.failed);
	assert_null(memchr(b.p, '\n', b.n - 1));
	assert_int_equal(export_read_line(b.p, b.n, mem, &back, &end, &e), 1);
	assert_int_equal(back.number, entry.number);
	assert_int_equal(back.at_wall_us, entry.at_wall_us);
	assert_int_equal(back.text_n, entry.text_n);
	assert_memory_equal(back.text, nasty, entry.text_n);
	assert_memory_equal(back.hash, entry.hash, sizeof(entry.hash));
	free(l);
}

static void
the_end_says_what_was_left_out(void **state)
{
	static const struct {
		const char *filter;
		bool thinned, to, later;
	} cases[] = {
		{ "{}", false, false, false },
		{ "{\"from\":\"2026-01-01T00:00:00Z\",\"after\":17}", false, false, true },
		{ "{\"to\":\"2026-01-01T00:00:00Z\"}", false, true, false },
		{ "{\"actor\":\"key_1\"}", true, false, false },
		{ "{\"action\":\"key.*\"}", true, false, false },
		{ "{\"resource\":\"job_1\"}", true, false, false },
		{ "{\"outcome\":\"denied\"}", true, false, false },
	};
	struct fixture_log *l = log_new();
	struct export_end end = { .count = 20, .tenant = l->tenant, .head = l->head };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(arena) mem = arena_new(1 << 16);
		struct export_end back = { 0 };
		struct chain_entry none;
		struct err e = { 0 };
		AUTO_BUF b;

		buf_init(&b, EXPORT_LINE_MAX);
		export_print_end(&end, cases[i].filter, &b);
		assert_int_equal(export_read_line(b.p, b.n, mem, &none, &back, &e), 0);
		assert_int_equal(back.count, 20);
		assert_int_equal(back.head.number, 20);
		assert_memory_equal(back.head.hash, l->head.hash, CHAIN_HASH_SIZE);
		assert_int_equal(uuid_cmp(back.tenant.uuid, l->tenant.uuid), 0);
		assert_int_equal(back.thinned, cases[i].thinned);
		assert_int_equal(back.to, cases[i].to);
		assert_int_equal(back.later, cases[i].later);
	}
	free(l);
}

static void
other_lines_are_refused(void **state)
{
	static const char *const lines[] = { "", "{}", "[]", "17", "null", "{\"number\":1}",
		"{\"number\":0,\"at\":\"2026-01-01T00:00:00Z\",\"entry\":\"{}\",\"hash\":\"00\"}",
		"{\"number\":1,\"at\":\"2026-01-01T00:00:00Z\",\"entry\":\"{}\",\"hash\":\"00\"}",
		"{\"number\":1,\"at\":\"yesterday\",\"entry\":\"{}\",\"hash\":\"00\"}",
		"{\"type\":\"end\"}", "{\"type\":\"end\",\"count\":-1}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		AUTO(arena) mem = arena_new(1 << 16);
		struct export_end end;
		struct chain_entry entry;
		struct err e = { 0 };

		assert_int_equal(
		    export_read_line(lines[i], strlen(lines[i]), mem, &entry, &end, &e), -1);
		assert_true(e.code == ERR_INVALID || e.code == ERR_BAD_JSON);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_entry_with_every_character_comes_back),
	cmocka_unit_test(the_end_says_what_was_left_out),
	cmocka_unit_test(other_lines_are_refused),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
