/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aborts.h"
#include "clock.h"
#include "id.h"
#include "parse.h"

static void
a_uuid_v7_carries_version_variant_and_time(void **state)
{
	int64_t before = clock_wall_us() / 1000;
	struct uuid u = uuid_v7();
	int64_t after = clock_wall_us() / 1000;

	(void)state;
	assert_int_equal(u.b[6] >> 4, 7);
	assert_int_equal(u.b[8] >> 6, 2);
	assert_true(uuid_v7_wall_ms(u) >= before);
	assert_true(uuid_v7_wall_ms(u) <= after);
	assert_false(uuid_is_nil(u));
	assert_true(uuid_is_nil((struct uuid){ 0 }));
}

static void
uuids_differ_in_all_their_random_bits(void **state)
{
	struct uuid ones, zeros;

	(void)state;
	memset(ones.b, 0xff, sizeof(ones.b));
	memset(zeros.b, 0, sizeof(zeros.b));
	for (int i = 0; i < 200; i++) {
		struct uuid u = uuid_v7();

		for (size_t j = 0; j < sizeof(u.b); j++) {
			ones.b[j] &= u.b[j];
			zeros.b[j] |= u.b[j];
		}
	}
	/* After 200 draws each of the 62 random bits was both set and clear (chance of not: 1e-58).
	 */
	assert_int_equal(ones.b[8], 0x80);
	assert_int_equal(zeros.b[8], 0xbf);
	for (size_t j = 9; j < sizeof(ones.b); j++) {
		assert_int_equal(ones.b[j], 0);
		assert_int_equal(zeros.b[j], 0xff);
	}
}

static void
uuids_of_one_millisecond_are_in_the_order_of_their_making(void **state)
{
	struct uuid last = uuid_v7();

	(void)state;
	for (int i = 0; i < 2000; i++) {
		int64_t made = clock_wall_us();
		struct uuid next;

		while (clock_wall_us() <= made)
			continue;
		next = uuid_v7();
		assert_true(uuid_cmp(last, next) < 0);
		last = next;
	}
}

static void
uuids_order_by_creation(void **state)
{
	struct uuid early = { .b = { 0, 0, 1, 0xff } }, late = { .b = { 0, 0, 2 } };

	(void)state;
	assert_true(uuid_cmp(early, late) < 0);
	assert_true(uuid_cmp(late, early) > 0);
	assert_int_equal(uuid_cmp(late, late), 0);
}

static void
uuid_text_is_read_in_either_case_and_written_in_lower_case(void **state)
{
	char out[UUID_STR_SIZE];
	struct err e = { 0 };
	struct uuid u;

	(void)state;
	assert_int_equal(uuid_parse("0190163D-8694-739b-aea5-966c26F8AD91", &u, &e), 0);
	assert_string_equal(uuid_format(u, out), "0190163d-8694-739b-aea5-966c26f8ad91");
}

static void
malformed_uuids_are_refused(void **state)
{
	static const char *const cases[] = { "", "0190163d", "0190163d-8694-739b-aea5-966c26f8ad9",
		"0190163d-8694-739b-aea5-966c26f8ad911", "0190163d8694739baea5966c26f8ad91",
		"0190163d-8694-739b-aea5-966c26f8ad9g", "{190163d-8694-739b-aea5-966c26f8ad91",
		"0190163d-8694-739b-aea5-966c26f8ad91 ", "0190163d-869-4739b-aea5-966c26f8ad91" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct uuid u = { .b = { 42 } };
		struct err e = { 0 };

		assert_int_equal(uuid_parse(cases[i], &u, &e), -1);
		assert_int_equal(e.code, ERR_BAD_ID);
		assert_int_equal(u.b[0], 42);
	}
}

/* Pairs published with the TypeID specification. */
static void
ids_match_the_published_examples(void **state)
{
	static const struct {
		const char *prefix, *uuid, *id;
	} cases[] = {
		{ "prefix", "00000000-0000-0000-0000-000000000000",
		    "prefix_00000000000000000000000000" },
		{ "prefix", "00000000-0000-0000-0000-00000000000a",
		    "prefix_0000000000000000000000000a" },
		{ "prefix", "00000000-0000-0000-0000-000000000020",
		    "prefix_00000000000000000000000010" },
		{ "prefix", "ffffffff-ffff-ffff-ffff-ffffffffffff",
		    "prefix_7zzzzzzzzzzzzzzzzzzzzzzzzz" },
		{ "prefix", "01890a5d-ac96-774b-bcce-b302099a8057",
		    "prefix_01h455vb4pex5vsknk084sn02q" },
		{ "prefix", "0110c853-1d09-52d8-d73e-1194e95b5f19",
		    "prefix_0123456789abcdefghjkmnpqrs" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[ID_STR_SIZE], uuid_text[UUID_STR_SIZE];
		struct err e = { 0 };
		struct uuid u;

		assert_int_equal(id_parse(cases[i].prefix, cases[i].id, &u, &e), 0);
		assert_string_equal(uuid_format(u, uuid_text), cases[i].uuid);
		assert_string_equal(id_format(cases[i].prefix, u, text), cases[i].id);
	}
}

static void
every_id_reads_back_to_its_uuid(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		char text[ID_STR_SIZE];
		struct uuid u, back;
		struct err e = { 0 };

		random_bytes(u.b, sizeof(u.b));
		assert_int_equal(
		    id_parse("abcdefgh", id_format("abcdefgh", u, text), &back, &e), 0);
		assert_int_equal(uuid_cmp(u, back), 0);
	}
}

static void
a_wrong_prefix_is_named_without_the_rest(void **state)
{
	struct err e = { 0 };
	struct uuid u;

	(void)state;
	assert_int_equal(id_parse("job", "key_01h455vb4pex5vsknk084sn02q", &u, &e), -1);
	assert_int_equal(e.code, ERR_BAD_ID);
	assert_string_equal(e.msg, "expected an id like job_..., got 'key_...'");
}

static void
malformed_ids_are_refused_with_a_bounded_harmless_echo(void **state)
{
	static const char *const cases[] = { "", "job", "job_", "_",
		"job01h455vb4pex5vsknk084sn02q", "job_81h455vb4pex5vsknk084sn02q",
		"job_01h455vb4pex5vsknk084sn02", "JOB_01h455vb4pex5vsknk084sn02q",
		"job_01h455vb4pex5vsknk084sn02qq", "job_01H455VB4PEX5VSKNK084SN02Q",
		"job_01h455vb4pex5vsknk084sn0iq", "job_01h455vb4pex5vsknk084sn0uq",
		"job_01h455vb4pex5vsknk084s\x1b[2J", "\x1b]0;x\x07", "\xff\xfe",
		"jobs_01h455vb4pex5vsknk084sn02q",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct uuid u = { .b = { 42 } };
		struct err e = { 0 };

		assert_int_equal(id_parse("job", cases[i], &u, &e), -1);
		assert_int_equal(e.code, ERR_BAD_ID);
		assert_int_equal(u.b[0], 42);
		assert_memory_equal(e.msg, "expected an id like job_..., got '", 34);
		assert_true(strlen(e.msg) < 130);
		for (const char *p = e.msg; *p != '\0';) {
			size_t len = parse_utf8_printable(p, strlen(p));

			assert_true(len > 0);
			p += len;
		}
	}
}

static void
format_with(void *arg)
{
	char out[ID_STR_SIZE];

	(void)id_format(arg, (struct uuid){ 0 }, out);
}

static void
a_prefix_that_is_no_prefix_is_a_broken_invariant(void **state)
{
	char empty[] = "", upper[] = "Job", digit[] = "job1", lengthy[] = "abcdefghi",
	     fine[] = "job";

	(void)state;
	assert_true(aborts(format_with, empty));
	assert_true(aborts(format_with, upper));
	assert_true(aborts(format_with, digit));
	assert_true(aborts(format_with, lengthy));
	assert_false(aborts(format_with, fine));
}

static void
a_run_path_fits_whatever_the_epoch(void **state)
{
	struct tenant_id tenant = { .uuid = { .b = { 1 } } };
	struct uuid run = { .b = { 2 } };
	char out[ID_RUN_PATH_SIZE];

	(void)state;
	assert_string_equal(id_run_path(tenant, run, 7, out),
	    "01000000-0000-0000-0000-000000000000/02000000-0000-0000-0000-000000000000.7");
	assert_non_null(strstr(id_run_path(tenant, run, INT64_MIN, out), ".-9223372036854775808"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_uuid_v7_carries_version_variant_and_time),
		cmocka_unit_test(uuids_differ_in_all_their_random_bits),
		cmocka_unit_test(uuids_of_one_millisecond_are_in_the_order_of_their_making),
		cmocka_unit_test(uuids_order_by_creation),
		cmocka_unit_test(uuid_text_is_read_in_either_case_and_written_in_lower_case),
		cmocka_unit_test(malformed_uuids_are_refused),
		cmocka_unit_test(ids_match_the_published_examples),
		cmocka_unit_test(every_id_reads_back_to_its_uuid),
		cmocka_unit_test(a_wrong_prefix_is_named_without_the_rest),
		cmocka_unit_test(malformed_ids_are_refused_with_a_bounded_harmless_echo),
		cmocka_unit_test(a_prefix_that_is_no_prefix_is_a_broken_invariant),
		cmocka_unit_test(a_run_path_fits_whatever_the_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
