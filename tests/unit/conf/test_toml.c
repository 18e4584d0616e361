/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "buf.h"
#include "conf.h"
#include "parse.h"

/* Writes what was read as "table.key=value;" with the value's type in front. */
static int
record(void *ctx, const char *table, const char *key, const struct toml_value *v,
    struct toml_place at, struct err *e)
{
	struct buf *b = ctx;
	char number[PARSE_F64_SIZE];

	(void)e;
	buf_printf(b, "%d:%d %s.%s=", at.line, at.column, table, key);
	switch (v->type) {
	case TOML_STRING:
		buf_printf(b, "s<%s>", v->string);
		break;
	case TOML_INT:
		buf_printf(b, "i%jd/%s", (intmax_t)v->integer, format_f64(v->number, number));
		break;
	case TOML_FLOAT:
		buf_printf(b, "f%s", format_f64(v->number, number));
		break;
	case TOML_BOOL:
		buf_printf(b, "b%d", v->boolean);
		break;
	case TOML_STRINGS:
		for (size_t i = 0; i < v->n; i++)
			buf_printf(b, "<%s>", v->strings[i]);
		break;
	case TOML_NUMBERS:
		for (size_t i = 0; i < v->n; i++)
			buf_printf(b, "(%s)", format_f64(v->numbers[i], number));
		break;
	}
	buf_char(b, ';');
	return 0;
}

static int
read_text(const char *text, struct buf *b, struct err *e)
{
	buf_init(b, 1 << 22);
	buf_str(b, "");
	return toml_read("f.toml", text, strlen(text), record, b, e);
}

static void
every_supported_form_is_read(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "", "" },
		{ "\n\n # only a comment\n\t\n", "" },
		{ "a = 1", "1:1 .a=i1/1;" },
		{ "  a\t=\t-7  # why\r\nb=+3\r\n", "1:3 .a=i-7/-7;2:1 .b=i3/3;" },
		{ "a = 0", "1:1 .a=i0/0;" },
		{ "a = 9223372036854775807", "1:1 .a=i9223372036854775807/9.223372036854776e+18;" },
		{ "a = 1.5\nb = -2e3\nc = 6.02E+23\nd=+0.5",
		    "1:1 .a=f1.5;2:1 .b=f-2000;3:1 .c=f6.02e+23;4:1 .d=f0.5;" },
		{ "a = true\nb = false", "1:1 .a=b1;2:1 .b=b0;" },
		{ "[t]\na = \"x\"\n[t.u-v_9]\na = 'y'\n", "2:1 t.a=s<x>;4:1 t.u-v_9.a=s<y>;" },
		{ "[ t ] # named\na=\"\"\nb=''", "2:1 t.a=s<>;3:1 t.b=s<>;" },
		{ "a = \"\\b\\t\\n\\f\\r\\\"\\\\\"", "1:1 .a=s<\b\t\n\f\r\"\\>;" },
		{ "a = \"\\u00e9\\u20ac\\U0001F600\\u0041\"",
		    "1:1 .a=s<\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
		    "A>;" },
		{ "a = 'C:\\no\\escape # no comment'", "1:1 .a=s<C:\\no\\escape # no comment>;" },
		{ "a = \"gr\xc3\xbc\xc3\x9f\" # gr\xc3\xbc\xc3\x9f",
		    "1:1 .a=s<gr\xc3\xbc\xc3\x9f>;" },
		{ "a = []", "1:1 .a=;" },
		{ "a = [ \"x\" , 'y' ]", "1:1 .a=<x><y>;" },
		{ "a = [1, 2.5, -3,]", "1:1 .a=(1)(2.5)(-3);" },
		{ "a = [ # first\n\n  \"x\", # one\n  \"y\"\n  # last\n]\nb = 1",
		    "1:1 .a=<x><y>;7:1 .b=i1/1;" },
		{ "1 = 2\n-_- = 3", "1:1 .1=i2/2;2:1 .-_-=i3/3;" },
		{ "true = true", "1:1 .true=b1;" },
		{ "[a.b]\nx=1\n[a]\ny=2\n[a.c]\nx=3",
		    "2:1 a.b.x=i1/1;4:1 a.y=i2/2;6:1 a.c.x=i3/3;" },
		{ "[a]\nab=1\n[a.b]\nx=1", "2:1 a.ab=i1/1;4:1 a.b.x=i1/1;" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };
		AUTO_BUF b;

		if (read_text(cases[i].text, &b, &e) < 0)
			fail_msg("case %zu: %s", i, e.msg);
		assert_string_equal(b.p, cases[i].expected);
	}
}

static const struct {
	const char *text, *msg;
} malformed[] = {
	{ "a", "f.toml:1:2: expected '=' after the key 'a'" },
	{ "\n  = 1", "f.toml:2:3: expected a key of letters, digits, '_' and '-'" },
	{ "\"a\" = 1", "f.toml:1:1: expected a key of letters, digits, '_' and '-'" },
	{ "a.b = 1", "f.toml:1:1: a key has no dots; write [a] on a line above" },
	{ "a = ", "f.toml:1:5: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = yes",
	    "f.toml:1:5: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = 01", "f.toml:1:5: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = +-1",
	    "f.toml:1:5: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = .5", "f.toml:1:5: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = 5.", "f.toml:1:5: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = 1e", "f.toml:1:5: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = 1_000",
	    "f.toml:1:5: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = 0x10",
	    "f.toml:1:5: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = inf",
	    "f.toml:1:5: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = nan",
	    "f.toml:1:5: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = 1979-05-27",
	    "f.toml:1:5: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = 1e999", "f.toml:1:5: '1e999' is beyond the range of a double" },
	{ "a = 9223372036854775808",
	    "f.toml:1:5: expected a whole number from -9223372036854775808 to 9223372036854775807, "
	    "got '9223372036854775808'" },
	{ "a = 1 b = 2", "f.toml:1:7: expected nothing but a comment after the value" },
	{ "a = \"x\" y", "f.toml:1:9: expected nothing but a comment after the value" },
	{ "a = \"x", "f.toml:1:5: the text has no closing \" on its line" },
	{ "a = 'x\ny'", "f.toml:1:5: the text has no closing ' on its line" },
	{ "a = \"x\\\"", "f.toml:1:5: the text has no closing \" on its line" },
	{ "a = \"x\\",
	    "f.toml:1:7: unknown escape; use \\\\ for a backslash or '...' around the text" },
	{ "a = \"\\d\"",
	    "f.toml:1:6: unknown escape; use \\\\ for a backslash or '...' around the text" },
	{ "a = \"\\u12\"", "f.toml:1:6: expected 4 hexadecimal digits after \\u" },
	{ "a = \"\\U0011000g\"", "f.toml:1:6: expected 8 hexadecimal digits after \\U" },
	{ "a = \"\\u0000\"",
	    "f.toml:1:6: this escape stands for no character that a text may hold" },
	{ "a = \"\\ud800\"",
	    "f.toml:1:6: this escape stands for no character that a text may hold" },
	{ "a = \"\\U00110000\"",
	    "f.toml:1:6: this escape stands for no character that a text may hold" },
	{ "a = \"\"\"x\"\"\"",
	    "f.toml:1:5: texts over several lines are not supported; use \\n in one line" },
	{ "a = '''x'''",
	    "f.toml:1:5: texts over several lines are not supported; use \\n in one line" },
	{ "a = {b = 1}", "f.toml:1:5: inline tables ({...}) are not supported; write a [table]" },
	{ "a = [1, \"x\"]", "f.toml:1:9: a list may not hold texts and numbers at once" },
	{ "a = [true]", "f.toml:1:6: a list may hold texts or numbers only" },
	{ "a = [[1]]", "f.toml:1:6: lists in lists are not supported" },
	{ "a = [1 2]", "f.toml:1:8: expected ',' or ']' in the list opened in line 1" },
	{ "a = [,]",
	    "f.toml:1:6: expected a value: a \"text\", a number, true, false or a [list]" },
	{ "a = [1,\n2", "f.toml:2:2: expected ',' or ']' in the list opened in line 1" },
	{ "a = [1,\n", "f.toml:2:1: the list opened in line 1 has no closing ']'" },
	{ "a = [", "f.toml:1:6: the list opened in line 1 has no closing ']'" },
	{ "[a\nb=1", "f.toml:1:3: expected ']' after the table's name" },
	{ "[]", "f.toml:1:2: expected a table's name of letters, digits, '_' and '-'" },
	{ "[a.]", "f.toml:1:4: expected a table's name of letters, digits, '_' and '-'" },
	{ "[a] b = 1", "f.toml:1:5: expected nothing but a comment after ']'" },
	{ "[[a]]", "f.toml:1:1: lists of tables ([[...]]) are not supported" },
	{ "a = 1\n a = 2", "f.toml:2:2: the key 'a' stands here a second time" },
	{ "[t]\na = 1\nb = 2\na = 3", "f.toml:4:1: the key 't.a' stands here a second time" },
	{ "[t]\n[u]\n[ t]", "f.toml:3:3: the table [t] stands here a second time" },
	{ "[a]\nb = 1\n[a.b]", "f.toml:3:2: 'a.b' is a key already, so it cannot be a table" },
	{ "[a]\nb = 1\n[a.b.c]", "f.toml:3:2: 'a.b' is a key already, so it cannot be a table" },
	{ "[a.b.c]\n[a]\nb = 1", "f.toml:3:1: 'a.b' is a table already, so it cannot be a key" },
	{ "a = \"\x01\"", "f.toml:1:6: this is a control character or not UTF-8" },
	{ "# \x1b[2J", "f.toml:1:3: this is a control character or not UTF-8" },
	{ "\xc3\xbc\xc3\xbc\xff", "f.toml:1:3: this is a control character or not UTF-8" },
	{ "a = 1\rb = 2", "f.toml:1:6: this is a control character or not UTF-8" },
	{ "a = 1\r", "f.toml:1:6: this is a control character or not UTF-8" },
	{ "\xef\xbb\xbf"
	  "a = 1",
	    "f.toml:1:1: expected a key of letters, digits, '_' and '-'" },
};

static void
what_is_malformed_is_named_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		struct err e = { 0 };
		AUTO_BUF b;

		assert_int_equal(read_text(malformed[i].text, &b, &e), -1);
		assert_int_equal(e.code, ERR_CONF);
		assert_string_equal(e.msg, malformed[i].msg);
	}
}

static void
a_nul_byte_is_refused(void **state)
{
	struct err e = { 0 };
	AUTO_BUF b;

	(void)state;
	buf_init(&b, 100);
	assert_int_equal(toml_read("f", "a = \"x\0y\"", 10, record, &b, &e), -1);
	assert_string_equal(e.msg, "f:1:7: this is a control character or not UTF-8");
}

static void
repeat(struct buf *b, const char *head, int n, const char *piece, const char *tail)
{
	buf_clear(b);
	buf_str(b, head);
	for (int i = 0; i < n; i++)
		buf_str(b, piece);
	buf_str(b, tail);
}

static int
read_buf(const struct buf *b, struct err *e)
{
	AUTO_BUF out;

	buf_init(&out, 1 << 22);
	memset(e, 0, sizeof(*e));
	return toml_read("f", b->p, b->n, record, &out, e);
}

static void
every_limit_holds_at_its_edge(void **state)
{
	static const struct {
		const char *head, *piece, *tail;
		int most;
		const char *msg;
	} cases[] = {
		{ "a = [", "1,", "]", 1024, "f:1:2054: a list may hold at most 1024 values" },
		{ "a = \"", "x", "\"", (64 << 10) - 6,
		    "f:1:1: the line is longer than 65536 bytes" },
		{ "a = [", "\n'',", "]", 1024, "f:1026:1: a list may hold at most 1024 values" },
		{ "", "x", " = 1", 256, "f:1:1: a name is longer than 256 bytes" },
		{ "a = 0.", "1", "", 125, "f:1:5: the value is longer than 127 characters" },
	};
	AUTO_BUF b;

	(void)state;
	buf_init(&b, 2 << 20);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e;

		repeat(&b, cases[i].head, cases[i].most, cases[i].piece, cases[i].tail);
		if (read_buf(&b, &e) < 0)
			fail_msg("case %zu: %s", i, e.msg);
		repeat(&b, cases[i].head, cases[i].most + 1, cases[i].piece, cases[i].tail);
		assert_int_equal(read_buf(&b, &e), -1);
		assert_string_equal(e.msg, cases[i].msg);
	}
}

static void
numbered_lines(struct buf *b, const char *head, const char *tail, int n)
{
	buf_clear(b);
	for (int i = 0; i < n; i++)
		buf_printf(b, "%s%d%s\n", head, i, tail);
}

static void
keys_tables_and_bytes_are_counted(void **state)
{
	struct err e;
	AUTO_BUF b;

	(void)state;
	buf_init(&b, 2 << 20);
	numbered_lines(&b, "k", "=1", 4096);
	assert_int_equal(read_buf(&b, &e), 0);
	numbered_lines(&b, "k", "=1", 4097);
	assert_int_equal(read_buf(&b, &e), -1);
	assert_string_equal(e.msg, "f:4097:1: more than 4096 keys");
	numbered_lines(&b, "[t", "]", 512);
	assert_int_equal(read_buf(&b, &e), 0);
	numbered_lines(&b, "[t", "]", 513);
	assert_int_equal(read_buf(&b, &e), -1);
	assert_string_equal(e.msg, "f:513:2: more than 512 tables");
	buf_clear(&b);
	while (b.n < 1 << 20)
		buf_str(&b, "# 34567890123\n\n#");
	assert_int_equal(b.n, 1 << 20);
	assert_int_equal(read_buf(&b, &e), 0);
	buf_str(&b, "\n");
	assert_int_equal(read_buf(&b, &e), -1);
	assert_string_equal(e.msg, "'f' is larger than 1048576 bytes");
}

static void
text_that_is_not_followed_by_anything_is_not_read_past(void **state)
{
	static const char *const texts[] = { "a = \"x\"", "a = [1, 2]", "[a.b]", "a = \"\\u0041\"",
		"a = 12", "# c", "a = \"\\U0001F600\"" };

	(void)state;
	/* Exact copies of every prefix: AddressSanitizer sees a read past the end. */
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (size_t n = 0; n <= strlen(texts[i]); n++) {
			AUTO_FREE char *copy = malloc(n + (n == 0));
			struct err e = { 0 };
			AUTO_BUF b;

			buf_init(&b, 1000);
			memcpy(copy, texts[i], n);
			if (toml_read("f", copy, n, record, &b, &e) < 0)
				assert_int_equal(e.code, ERR_CONF);
		}
	}
}

static int
refuse(void *ctx, const char *table, const char *key, const struct toml_value *v,
    struct toml_place at, struct err *e)
{
	(void)table;
	(void)v;
	(void)at;
	++*(int *)ctx;
	return strcmp(key, "bad") == 0 ? err_set(e, ERR_INVALID, "no good") : 0;
}

static void
a_callback_stops_the_reading_and_its_error_gets_the_place(void **state)
{
	static const char text[] = "good = 1\n\n  bad = 2\ngood2 = 3";
	struct err e = { 0 };
	int calls = 0;

	(void)state;
	assert_int_equal(toml_read("f.toml", text, strlen(text), refuse, &calls, &e), -1);
	assert_string_equal(e.msg, "f.toml:3:3: no good");
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(calls, 2);
}

static void
a_long_file_name_does_not_hide_the_message(void **state)
{
	char name[600];
	struct err e = { 0 };
	AUTO_BUF b;

	(void)state;
	memset(name, 'd', sizeof(name));
	memcpy(name + sizeof(name) - 8, "/f.toml", 8);
	buf_init(&b, 100);
	assert_int_equal(toml_read(name, "a", 1, record, &b, &e), -1);
	assert_non_null(strstr(e.msg, "/f.toml:1:2: expected '=' after the key 'a'"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_supported_form_is_read),
		cmocka_unit_test(what_is_malformed_is_named_with_its_place),
		cmocka_unit_test(a_nul_byte_is_refused),
		cmocka_unit_test(every_limit_holds_at_its_edge),
		cmocka_unit_test(keys_tables_and_bytes_are_counted),
		cmocka_unit_test(text_that_is_not_followed_by_anything_is_not_read_past),
		cmocka_unit_test(a_callback_stops_the_reading_and_its_error_gets_the_place),
		cmocka_unit_test(a_long_file_name_does_not_hide_the_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
