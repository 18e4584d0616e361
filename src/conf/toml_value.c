/* SPDX-License-Identifier: Apache-2.0 */
#include "toml_internal.h"

#include <string.h>

#include "parse.h"

enum { ARRAY_MAX = 1024, NUMBER_BYTES_MAX = 127 };

static char *
put_utf8(char *out, uint32_t c)
{
	static const unsigned char leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (n == 1) {
		*out = (char)c;
		return out + 1;
	}
	for (int i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	out[0] = (char)(leads[n] | c);
	return out + n;
}

/* \uXXXX or \UXXXXXXXX, with r->at behind the letter. */
static int
take_unicode(struct toml_reader *r, int digits, char **out)
{
	const char *start = r->at - 2;
	uint32_t c = 0;

	for (int i = 0; i < digits; i++) {
		int digit = parse_hex_digit(toml_peek(r));

		if (digit < 0)
			return toml_fail(r, start, "expected %d hexadecimal digits after \\%c",
			    digits, start[1]);
		c = c << 4 | (uint32_t)digit;
		r->at++;
	}
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return toml_fail(
		    r, start, "this escape stands for no character that a text may hold");
	*out = put_utf8(*out, c);
	return 0;
}

static int
take_escape(struct toml_reader *r, char **out)
{
	static const char letters[] = "btnfr\"\\", meant[] = "\b\t\n\f\r\"\\";
	char c = toml_peek(r);
	const char *found = c == '\0' ? NULL : strchr(letters, c);

	if (c == 'u' || c == 'U') {
		r->at++;
		return take_unicode(r, c == 'u' ? 4 : 8, out);
	}
	if (found == NULL)
		return toml_fail(r, r->at - 1,
		    "unknown escape; use \\\\ for a backslash or '...' around the text");
	r->at++;
	*(*out)++ = meant[found - letters];
	return 0;
}

/* Fills `out` up to the closing quote. */
static int
take_string_body(struct toml_reader *r, char quote, char *out)
{
	const char *open = r->at - 1;

	while (!toml_take(r, quote)) {
		char c = toml_peek(r);

		if (c == '\0' || c == '\n' || c == '\r')
			return toml_fail(r, open, "the text has no closing %c on its line", quote);
		r->at++;
		if (quote == '"' && c == '\\') {
			if (take_escape(r, &out) < 0)
				return -1;
		} else {
			*out++ = c;
		}
	}
	*out = '\0';
	return 0;
}

static int
read_string(struct toml_reader *r, struct toml_value *v)
{
	char quote = *r->at;
	const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
	/* No escape is shorter than what it stands for, so the rest of the line bounds the text. */
	size_t room = (size_t)((newline == NULL ? r->end : newline) - r->at);
	char *text = arena_alloc(r->values, room + 1);

	if (text == NULL)
		return toml_fail_memory(r);
	if (r->end - r->at >= 3 && r->at[1] == quote && r->at[2] == quote)
		return toml_fail(
		    r, r->at, "texts over several lines are not supported; use \\n in one line");
	r->at++;
	v->type = TOML_STRING;
	v->string = text;
	return take_string_body(r, quote, text);
}

static const char *
skip_digits(const char *at)
{
	while (*at >= '0' && *at <= '9')
		at++;
	return at;
}

/* Whether t is a number as TOML writes them, without sign; *ret_float whether it is a float. */
static bool
number_shape(const char *t, bool *ret_float)
{
	const char *at = skip_digits(t);

	*ret_float = false;
	if (at == t || (t[0] == '0' && at - t > 1))
		return false;
	if (*at == '.') {
		t = at + 1;
		at = skip_digits(t);
		*ret_float = true;
		if (at == t)
			return false;
	}
	if (*at == 'e' || *at == 'E') {
		t = at + 1 + (at[1] == '+' || at[1] == '-');
		at = skip_digits(t);
		*ret_float = true;
		if (at == t)
			return false;
	}
	return *at == '\0';
}

static int
convert_number(const char *text, bool is_float, struct toml_value *v, struct err *e)
{
	if (is_float) {
		v->type = TOML_FLOAT;
		return parse_f64(text, strlen(text), &v->number, e);
	}
	v->type = TOML_INT;
	if (parse_i64(text, INT64_MIN, INT64_MAX, &v->integer, e) < 0)
		return -1;
	v->number = (double)v->integer;
	return 0;
}

static int
read_word(struct toml_reader *r, struct toml_value *v)
{
	const char *start = r->at;
	char word[NUMBER_BYTES_MAX + 1];
	struct err why = { 0 };
	bool is_float;
	size_t n, sign;

	while (toml_name_char(toml_peek(r)) || toml_peek(r) == '+' || toml_peek(r) == '.')
		r->at++;
	n = (size_t)(r->at - start);
	if (n > NUMBER_BYTES_MAX)
		return toml_fail(
		    r, start, "the value is longer than %d characters", NUMBER_BYTES_MAX);
	memcpy(word, start, n);
	word[n] = '\0';
	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) {
		v->type = TOML_BOOL;
		v->boolean = word[0] == 't';
		return 0;
	}
	sign = word[0] == '+' || word[0] == '-';
	if (!number_shape(word + sign, &is_float))
		return toml_fail(
		    r, start, "expected a value: a \"text\", a number, true, false or a [list]");
	if (convert_number(word + (word[0] == '+'), is_float, v, &why) < 0)
		return toml_fail(r, start, "%s", why.msg);
	return 0;
}

static int
read_scalar(struct toml_reader *r, struct toml_value *v)
{
	char c = toml_peek(r);

	if (c == '"' || c == '\'')
		return read_string(r, v);
	if (c == '{')
		return toml_fail(
		    r, r->at, "inline tables ({...}) are not supported; write a [table]");
	return read_word(r, v);
}

struct list {
	const char **strings;
	double *numbers;
	size_t n;
	bool of_strings;
};

static int
list_add(struct toml_reader *r, const char *start, struct list *list, const struct toml_value *v)
{
	bool is_string = v->type == TOML_STRING;

	if (v->type == TOML_BOOL)
		return toml_fail(r, start, "a list may hold texts or numbers only");
	if (list->n > 0 && is_string != list->of_strings)
		return toml_fail(r, start, "a list may not hold texts and numbers at once");
	if (list->n == ARRAY_MAX)
		return toml_fail(r, start, "a list may hold at most %d values", ARRAY_MAX);
	list->of_strings = is_string;
	list->strings[list->n] = v->string;
	list->numbers[list->n++] = v->number;
	return 0;
}

static int
read_list(struct toml_reader *r, struct toml_value *v)
{
	const char *open = r->at++;
	struct toml_place opened = toml_place_of(r, open);
	struct list list = {
		.strings = arena_array(r->values, ARRAY_MAX, sizeof(*list.strings)),
		.numbers = arena_array(r->values, ARRAY_MAX, sizeof(*list.numbers)),
		.of_strings = true,
	};

	if (list.strings == NULL || list.numbers == NULL)
		return toml_fail_memory(r);
	for (toml_skip_lines(r); !toml_take(r, ']'); toml_skip_lines(r)) {
		const char *start = r->at;
		struct toml_value element = { 0 };

		if (r->at == r->end)
			return toml_fail(
			    r, r->at, "the list opened in line %d has no closing ']'", opened.line);
		if (toml_peek(r) == '[')
			return toml_fail(r, start, "lists in lists are not supported");
		if (read_scalar(r, &element) < 0 || list_add(r, start, &list, &element) < 0)
			return -1;
		toml_skip_lines(r);
		if (!toml_take(r, ',') && toml_peek(r) != ']')
			return toml_fail(r, r->at,
			    "expected ',' or ']' in the list opened in line %d", opened.line);
	}
	v->type = list.of_strings ? TOML_STRINGS : TOML_NUMBERS;
	v->n = list.n;
	v->strings = list.strings;
	v->numbers = list.numbers;
	return 0;
}

int
toml_read_value(struct toml_reader *r, struct toml_value *v)
{
	return toml_peek(r) == '[' ? read_list(r, v) : read_scalar(r, v);
}
