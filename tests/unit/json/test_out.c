/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: commas, escaping, numbers, and that every text reads back as what was written. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "json.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
nesting_and_commas_are_kept(void **state)
{
	struct json_out o;
	AUTO_BUF b = { 0 };

	(void)state;
	buf_init(&b, 4096);
	json_out_init(&o, &b);
	json_out_begin(&o);
	json_put_text(&o, "a", "x");
	json_put_i64(&o, "b", INT64_MIN);
	json_out_key(&o, "c");
	json_out_begin_array(&o);
	json_out_begin(&o);
	json_out_end(&o);
	json_out_begin_array(&o);
	json_out_end_array(&o);
	json_out_bool(&o, true);
	json_out_null(&o);
	json_out_end_array(&o);
	json_put_bool(&o, "d", false);
	json_put_null(&o, "e");
	json_put_raw(&o, "f", "{\"g\":1}");
	json_put_text(&o, "h", NULL);
	json_put_time(&o, "i", 0);
	json_put_time(&o, "j", 1);
	json_put_f64(&o, "k", 0.1);
	json_out_end(&o);
	assert_string_equal(b.p, "{\"a\":\"x\",\"b\":-9223372036854775808,\"c\":[{},[],true,null],"
				 "\"d\":false,\"e\":null,\"f\":{\"g\":1},\"h\":null,\"i\":null,"
				 "\"j\":\"1970-01-01T00:00:00.000001Z\",\"k\":0.1}");
}

static void
assert_text(const char *s, size_t n, const char *want)
{
	struct json_out o;
	AUTO_BUF b = { 0 };

	buf_init(&b, 4096);
	json_out_init(&o, &b);
	json_out_text_n(&o, s, n);
	assert_string_equal(b.p, want);
}

static void
text_is_escaped_and_made_well_formed(void **state)
{
	(void)state;
	assert_text("", 0, "\"\"");
	assert_text("a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"");
	assert_text("\b\t\n\f\r\x01\x1f\x7f", 8, "\"\\b\\t\\n\\f\\r\\u0001\\u001f\\u007f\"");
	assert_text("\xc2\x9b[2J", 5, "\"\\u009b[2J\"");
	assert_text("a\0b", 3,
	    "\"a\xef\xbf\xbd"
	    "b\"");
	assert_text(
	    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	assert_text("\xff", 1, "\"\xef\xbf\xbd\"");
	assert_text("\xc3", 1, "\"\xef\xbf\xbd\"");
	assert_text("\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_text("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_text(
	    "\xf4\x90\x80\x80x", 5, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\"");
}

static void
assert_f64(double v, const char *want)
{
	struct json_out o;
	AUTO_BUF b = { 0 };

	buf_init(&b, 4096);
	json_out_init(&o, &b);
	json_out_f64(&o, v);
	assert_string_equal(b.p, want);
}

static void
numbers_are_short_and_what_is_no_number_is_null(void **state)
{
	(void)state;
	assert_f64(0.1, "0.1");
	assert_f64(100, "100");
	assert_f64(2.0 / 3, "0.6666666666666666");
	assert_f64(NAN, "null");
	assert_f64(INFINITY, "null");
	assert_f64(-INFINITY, "null");
}

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
every_double_reads_back_to_the_same_bits(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15u;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint64_t bits = next_random(&seed);
		AUTO(json) j = NULL;
		struct err e = { 0 };
		double v, back = 0;
		struct json_out o;
		AUTO_BUF b = { 0 };

		memcpy(&v, &bits, sizeof(v));
		if (!isfinite(v))
			continue;
		buf_init(&b, 4096);
		json_out_init(&o, &b);
		json_out_begin_array(&o);
		json_out_f64(&o, v);
		json_out_end_array(&o);
		assert_int_equal(json_parse(b.p, b.n, &j, &e), 0);
		assert_true(json_get_f64(json_at(json_root(j), 0), &back));
		assert_memory_equal(&v, &back, sizeof(v));
	}
}

static void
random_bytes_always_become_text_that_reads_back(void **state)
{
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		char bytes[40];
		size_t n = next_random(&seed) % sizeof(bytes);
		AUTO(json) j = NULL;
		struct err e = { 0 };
		struct json_out o;
		const char *text;
		AUTO_BUF b = { 0 };

		for (size_t k = 0; k < n; k++)
			bytes[k] = (char)next_random(&seed);
		buf_init(&b, 4096);
		json_out_init(&o, &b);
		json_out_begin_array(&o);
		json_out_text_n(&o, bytes, n);
		json_out_end_array(&o);
		if (json_parse(b.p, b.n, &j, &e) < 0)
			fail_msg("%s: %s", b.p, e.msg);
		assert_true(json_get_text(json_at(json_root(j), 0), &text));
	}
}

static void
valid_text_reads_back_unchanged(void **state)
{
	static const char *const texts[] = { "", "plain", "quote\" back\\ slash/",
		"tab\tline\n\x7f", "\xc2\x80\xc2\x9f\xc2\xa0", "\xe2\x80\xa8\xef\xbf\xbf",
		"\xf4\x8f\xbf\xbf" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO(json) j = NULL;
		struct err e = { 0 };
		struct json_out o;
		const char *back;
		AUTO_BUF b = { 0 };

		buf_init(&b, 4096);
		json_out_init(&o, &b);
		json_out_begin(&o);
		json_put_text(&o, texts[i], texts[i]);
		json_out_end(&o);
		assert_int_equal(json_parse(b.p, b.n, &j, &e), 0);
		assert_true(json_get_text(json_member(json_root(j), texts[i]), &back));
		assert_string_equal(back, texts[i]);
	}
}

static void
a_full_buffer_is_told_at_the_end(void **state)
{
	struct err e = { 0 };
	struct json_out o;
	AUTO_BUF b = { 0 };

	(void)state;
	buf_init(&b, 8);
	json_out_init(&o, &b);
	json_out_begin_array(&o);
	json_out_text(&o, "longer than the buffer");
	json_out_end_array(&o);
	assert_int_equal(buf_check(&b, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

/* --- misuse is a broken invariant --------------------------------------------------------- */

static void
misuse_value_without_key(struct json_out *o)
{
	json_out_begin(o);
	json_out_i64(o, 1);
}

static void
misuse_key_in_array(struct json_out *o)
{
	json_out_begin_array(o);
	json_out_key(o, "k");
}

static void
misuse_key_without_value(struct json_out *o)
{
	json_out_begin(o);
	json_out_key(o, "k");
	json_out_end(o);
}

static void
misuse_crossed_brackets(struct json_out *o)
{
	json_out_begin(o);
	json_out_end_array(o);
}

static void
misuse_too_many_ends(struct json_out *o)
{
	json_out_end(o);
}

static void
misuse_of_nesting_aborts(void **state)
{
	static void (*const misuses[])(struct json_out * o) = { misuse_value_without_key,
		misuse_key_in_array, misuse_key_without_value, misuse_crossed_brackets,
		misuse_too_many_ends };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(misuses); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			struct json_out o;
			struct buf b;

			close(STDERR_FILENO);
			buf_init(&b, 4096);
			json_out_init(&o, &b);
			signal(SIGABRT, SIG_DFL);
			misuses[i](&o);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nesting_and_commas_are_kept),
		cmocka_unit_test(text_is_escaped_and_made_well_formed),
		cmocka_unit_test(numbers_are_short_and_what_is_no_number_is_null),
		cmocka_unit_test(every_double_reads_back_to_the_same_bits),
		cmocka_unit_test(random_bytes_always_become_text_that_reads_back),
		cmocka_unit_test(valid_text_reads_back_unchanged),
		cmocka_unit_test(a_full_buffer_is_told_at_the_end),
		cmocka_unit_test(misuse_of_nesting_aborts),
	};

	json_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
