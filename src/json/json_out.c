/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "clock.h"
#include "parse.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { OUT_DEPTH_MAX = 63 }; /* bits in json_out.comma, less the top level */

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* --- nesting ------------------------------------------------------------------------------ */

static uint64_t
level(const struct json_out *o)
{
	return UINT64_C(1) << o->depth;
}

/* Every value passes here: writes the comma that is due and checks that a value may stand here. */
static void
before_value(struct json_out *o)
{
	if (o->after_key) {
		o->after_key = false;
		return;
	}
	REQUIRE((o->object & level(o)) == 0); /* in an object only behind a key */
	if ((o->comma & level(o)) != 0)
		buf_char(o->b, ',');
	o->comma |= level(o);
}

static void
begin(struct json_out *o, bool object)
{
	before_value(o);
	REQUIRE(o->depth < OUT_DEPTH_MAX);
	buf_char(o->b, object ? '{' : '[');
	o->depth++;
	o->comma &= ~level(o);
	if (object)
		o->object |= level(o);
	else
		o->object &= ~level(o);
}

static void
end(struct json_out *o, bool object)
{
	REQUIRE(o->depth > 0);
	REQUIRE(!o->after_key);
	REQUIRE(((o->object & level(o)) != 0) == object);
	buf_char(o->b, object ? '}' : ']');
	o->depth--;
}

void
json_out_init(struct json_out *o, struct buf *b)
{
	*o = (struct json_out){ .b = b };
}

void
json_out_begin(struct json_out *o)
{
	begin(o, true);
}

void
json_out_end(struct json_out *o)
{
	end(o, true);
}

void
json_out_begin_array(struct json_out *o)
{
	begin(o, false);
}

void
json_out_end_array(struct json_out *o)
{
	end(o, false);
}

/* --- text --------------------------------------------------------------------------------- */

static bool
plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Writes an ASCII character that may not stand in a string as it is. */
static void
out_escaped(struct buf *b, unsigned char c)
{
	static const char shorts[] = {
		['\b'] = 'b',
		['\t'] = 't',
		['\n'] = 'n',
		['\f'] = 'f',
		['\r'] = 'r',
		['"'] = '"',
		['\\'] = '\\',
	};

	if (c < ARRAY_LEN(shorts) && shorts[c] != '\0') {
		buf_char(b, '\\');
		buf_char(b, shorts[c]);
	} else {
		buf_printf(b, "\\u%04x", c);
	}
}

/* Writes the character at p, which is not plain; the number of bytes that it took. */
static size_t
out_special(struct buf *b, const unsigned char *p, size_t n)
{
	size_t len = parse_utf8_printable((const char *)p, n);

	if (len > 1) {
		buf_append(b, p, len);
		return len;
	}
	if (n > 1 && p[0] == 0xc2 && p[1] >= 0x80 &&
	    p[1] < 0xa0) { /* C1 drives terminals as C0 does */
		buf_printf(b, "\\u%04x", p[1]);
		return 2;
	}
	/* NUL is legal as \u0000, but most readers refuse it, our own parser and PostgreSQL among
	 * them. */
	if (p[0] == '\0' || p[0] >= 0x80)
		buf_str(b, replacement);
	else
		out_escaped(b, p[0]);
	return 1;
}

static void
out_quoted(struct buf *b, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i = 0;

	buf_char(b, '"');
	while (i < n) {
		size_t run = i;

		while (run < n && plain(p[run]))
			run++;
		buf_append(b, p + i, run - i);
		i = run;
		if (i < n)
			i += out_special(b, p + i, n - i);
	}
	buf_char(b, '"');
}

void
json_out_key(struct json_out *o, const char *name)
{
	REQUIRE(!o->after_key);
	REQUIRE((o->object & level(o)) != 0);
	if ((o->comma & level(o)) != 0)
		buf_char(o->b, ',');
	o->comma |= level(o);
	out_quoted(o->b, name, strlen(name));
	buf_char(o->b, ':');
	o->after_key = true;
}

void
json_out_text_n(struct json_out *o, const char *s, size_t n)
{
	before_value(o);
	out_quoted(o->b, s, n);
}

void
json_out_text(struct json_out *o, const char *s)
{
	if (s == NULL)
		json_out_null(o);
	else
		json_out_text_n(o, s, strlen(s));
}

/* --- other values ------------------------------------------------------------------------- */

void
json_out_raw(struct json_out *o, const char *json)
{
	before_value(o);
	buf_str(o->b, json);
}

void
json_out_i64(struct json_out *o, int64_t v)
{
	before_value(o);
	buf_printf(o->b, "%" PRId64, v);
}

void
json_out_f64(struct json_out *o, double v)
{
	char text[PARSE_F64_SIZE];

	json_out_raw(o, isfinite(v) ? format_f64(v, text) : "null");
}

void
json_out_bool(struct json_out *o, bool v)
{
	json_out_raw(o, v ? "true" : "false");
}

void
json_out_null(struct json_out *o)
{
	json_out_raw(o, "null");
}

/* --- key and value ------------------------------------------------------------------------ */

void
json_put_text(struct json_out *o, const char *name, const char *s)
{
	json_out_key(o, name);
	json_out_text(o, s);
}

void
json_put_i64(struct json_out *o, const char *name, int64_t v)
{
	json_out_key(o, name);
	json_out_i64(o, v);
}

void
json_put_f64(struct json_out *o, const char *name, double v)
{
	json_out_key(o, name);
	json_out_f64(o, v);
}

void
json_put_bool(struct json_out *o, const char *name, bool v)
{
	json_out_key(o, name);
	json_out_bool(o, v);
}

void
json_put_null(struct json_out *o, const char *name)
{
	json_out_key(o, name);
	json_out_null(o);
}

void
json_put_raw(struct json_out *o, const char *name, const char *json)
{
	json_out_key(o, name);
	json_out_raw(o, json);
}

void
json_put_time(struct json_out *o, const char *name, int64_t wall_us)
{
	char text[CLOCK_STR_SIZE];

	json_put_text(o, name, wall_us == 0 ? NULL : clock_format(wall_us, text));
}
