/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include "caps.h"
#include "parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * The declaration leads: every declared member is looked up, checked and stored; then the
 * document's members that nobody declared are named.  Faults are collected in the caller's error,
 * so the only reason to stop early is the arena.  Recursion follows the declarations and is
 * therefore bounded by them and by JSON_MAX_DEPTH.
 */

struct json_decoder {
	struct arena *mem;
	struct err *e;
	bool path_cut; /* the place lies deeper than path can tell */
	char path[ERR_FIELD_SIZE];
};

/* Where the path ended before a step down. */
struct mark {
	size_t n;
	bool cut;
};

typedef int decode_fn(
    struct json_decoder *d, const struct json_value *v, const struct json_field *f);

static int decode_object(
    struct json_decoder *d, const struct json_value *v, const struct json_field *fields);

/* --- JSON Pointer of the place (RFC 6901) ------------------------------------------------- */

/* Bytes of a token once '~' and '/' are written as ~0 and ~1; stops counting at `enough`. */
static size_t
token_size(const char *token, size_t enough)
{
	size_t n = 0;

	for (; *token != '\0' && n < enough; token++)
		n += *token == '~' || *token == '/' ? 2 : 1;
	return n;
}

bool
json_pointer_add(char *pointer, size_t size, const char *token)
{
	size_t n = strlen(pointer);

	if (n + 1 + token_size(token, size) >= size)
		return false;
	pointer[n++] = '/';
	for (; *token != '\0'; token++) {
		char c = *token;

		if (c == '~' || c == '/') {
			pointer[n++] = '~';
			c = c == '~' ? '0' : '1';
		}
		pointer[n++] = c;
	}
	pointer[n] = '\0';
	return true;
}

/* A pointer that has no room for a token stays at the ancestor, which is valid and still helps. */
static struct mark
path_push(struct json_decoder *d, const char *token)
{
	struct mark before = { strlen(d->path), d->path_cut };

	if (!d->path_cut)
		d->path_cut = !json_pointer_add(d->path, sizeof(d->path), token);
	return before;
}

static void
path_pop(struct json_decoder *d, struct mark before)
{
	d->path[before.n] = '\0';
	d->path_cut = before.cut;
}

struct arena *
json_decoder_mem(struct json_decoder *d)
{
	return d->mem;
}

void
json_fault(struct json_decoder *d, const char *member, const char *fmt, ...)
{
	struct mark before = { strlen(d->path), d->path_cut };
	char msg[ERR_FIELD_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap); /* a long message is cut */
	va_end(ap);
	if (member[0] != '\0')
		before = path_push(d, member);
	err_field_add(d->e, d->path, "%s", msg);
	path_pop(d, before);
}

/* --- one function per kind ---------------------------------------------------------------- */

static void
type_fault(struct json_decoder *d, const struct json_value *v, const char *want)
{
	json_fault(d, "", "must be %s, not %s", want, json_type_name(json_type(v)));
}

/* False, with a fault recorded, unless min <= n <= max. */
static bool
count_fits(struct json_decoder *d, size_t n, const struct json_field *f, const char *what)
{
	if (n == 0 && f->min == 1)
		json_fault(d, "", "must not be empty");
	else if (f->min > 0 && n < (size_t)f->min)
		json_fault(
		    d, "", "must have at least %lld %s, has %zu", (long long)f->min, what, n);
	else if (n > (size_t)f->max)
		json_fault(d, "", "must have at most %lld %s, has %zu", (long long)f->max, what, n);
	else
		return true;
	return false;
}

static int
decode_text(struct json_decoder *d, const struct json_value *v, const struct json_field *f)
{
	const char *text;
	char *copy;
	size_t n;

	if (!json_get_text(v, &text)) {
		type_fault(d, v, "a string");
		return 0;
	}
	n = strlen(text); /* the parser refuses NUL inside of strings */
	if (!count_fits(d, n, f, "bytes"))
		return 0;
	copy = arena_strndup(d->mem, text, n);
	if (copy == NULL)
		return -1;
	*(const char **)f->dest = copy;
	return 0;
}

static int
decode_i64(struct json_decoder *d, const struct json_value *v, const struct json_field *f)
{
	int64_t n;

	if (!json_get_i64(v, &n))
		type_fault(d, v, "an integer");
	else if (n < f->min || n > f->max)
		json_fault(d, "", "must be between %lld and %lld, is %lld", (long long)f->min,
		    (long long)f->max, (long long)n);
	else
		*(int64_t *)f->dest = n;
	return 0;
}

static int
decode_f64(struct json_decoder *d, const struct json_value *v, const struct json_field *f)
{
	char lo[PARSE_F64_SIZE], hi[PARSE_F64_SIZE], is[PARSE_F64_SIZE];
	double n;

	if (!json_get_f64(v, &n))
		type_fault(d, v, "a number");
	else if (n < f->fmin || n > f->fmax)
		json_fault(d, "", "must be between %s and %s, is %s", format_f64(f->fmin, lo),
		    format_f64(f->fmax, hi), format_f64(n, is));
	else
		*(double *)f->dest = n;
	return 0;
}

static int
decode_bool(struct json_decoder *d, const struct json_value *v, const struct json_field *f)
{
	bool b;

	if (!json_get_bool(v, &b))
		type_fault(d, v, "a boolean");
	else
		*(bool *)f->dest = b;
	return 0;
}

static int
decode_nested(struct json_decoder *d, const struct json_value *v, const struct json_field *f)
{
	return decode_object(d, v, f->fields);
}

static int
decode_each(struct json_decoder *d, const struct json_value *v, const struct json_field *f)
{
	size_t n = json_count(v);
	int r = 0;

	if (json_type(v) != JSON_ARRAY) {
		type_fault(d, v, "an array");
		return 0;
	}
	if (!count_fits(d, n, f, "elements"))
		return 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		char token[24]; /* 20 digits of a size_t */
		struct mark before;

		(void)snprintf(token, sizeof(token), "%zu", i); /* cannot be longer */
		before = path_push(d, token);
		r = f->each(d, json_at(v, i), i, NULL, f->ctx);
		path_pop(d, before);
	}
	return r;
}

struct map_walk {
	struct json_decoder *d;
	const struct json_field *field;
	size_t index;
};

static int
map_member(void *ctx, const char *name, const struct json_value *v)
{
	struct map_walk *w = ctx;
	struct mark before = path_push(w->d, name);
	int r = w->field->each(w->d, v, w->index++, name, w->field->ctx);

	path_pop(w->d, before);
	return r;
}

static int
decode_map(struct json_decoder *d, const struct json_value *v, const struct json_field *f)
{
	struct map_walk walk = { d, f, 0 };

	if (json_type(v) != JSON_DICT) {
		type_fault(d, v, "an object");
		return 0;
	}
	if (!count_fits(d, json_count(v), f, "members"))
		return 0;
	return json_for_each(v, map_member, &walk);
}

static int
decode_any(struct json_decoder *d, const struct json_value *v, const struct json_field *f)
{
	(void)d; /* nothing is checked, so nothing can be said */
	*(const struct json_value **)f->dest = v;
	return 0;
}

/* --- objects ------------------------------------------------------------------------------ */

static int
decode_member(struct json_decoder *d, const struct json_value *object, const struct json_field *f)
{
	static decode_fn *const by_kind[] = {
		[JSON_KIND_TEXT] = decode_text,
		[JSON_KIND_I64] = decode_i64,
		[JSON_KIND_F64] = decode_f64,
		[JSON_KIND_BOOL] = decode_bool,
		[JSON_KIND_OBJECT] = decode_nested,
		[JSON_KIND_EACH] = decode_each,
		[JSON_KIND_MAP] = decode_map,
		[JSON_KIND_VALUE] = decode_any,
	};
	const struct json_value *v = json_member(object, f->name);
	struct mark before;
	int r;

	if (v != NULL && (f->flags & JSON_NULLABLE) != 0 && json_type(v) == JSON_NULL)
		v = NULL;
	if (v == NULL) {
		if ((f->flags & JSON_REQUIRED) != 0)
			json_fault(d, f->name, "is required");
		return 0;
	}
	if (f->present != NULL)
		*f->present = true;
	before = path_push(d, f->name);
	r = by_kind[f->kind](d, v, f);
	path_pop(d, before);
	return r;
}

/* Nearest declared name, NULL when none is near.  A guess must keep more than half of the name. */
static const char *
nearest_field(const struct json_field *fields, const char *name)
{
	size_t n = strnlen(name, CAP_NAME_BYTES + 1);
	const char *best = NULL;
	int best_distance = 4;

	if (n > CAP_NAME_BYTES)
		return NULL;
	for (const struct json_field *f = fields; f->kind != JSON_KIND_END; f++) {
		int distance = parse_distance(name, f->name);

		if (distance < best_distance && (size_t)distance * 2 < n) {
			best = f->name;
			best_distance = distance;
		}
	}
	return best;
}

struct unknown_walk {
	struct json_decoder *d;
	const struct json_field *fields;
};

static int
unknown_member(void *ctx, const char *name, const struct json_value *v)
{
	const struct unknown_walk *w = ctx;
	const char *near;

	(void)v; /* only the name is at fault */
	for (const struct json_field *f = w->fields; f->kind != JSON_KIND_END; f++)
		if (strcmp(f->name, name) == 0)
			return 0;
	near = w->d->e->n_fields < ERR_FIELDS_MAX ? nearest_field(w->fields, name) : NULL;
	if (near != NULL)
		json_fault(w->d, name, "is not a known member; did you mean \"%s\"?", near);
	else
		json_fault(w->d, name, "is not a known member");
	return 0;
}

static int
decode_object(struct json_decoder *d, const struct json_value *v, const struct json_field *fields)
{
	struct unknown_walk walk = { d, fields };

	if (json_type(v) != JSON_DICT) {
		type_fault(d, v, "an object");
		return 0;
	}
	for (const struct json_field *f = fields; f->kind != JSON_KIND_END; f++)
		if (decode_member(d, v, f) < 0)
			return -1;
	return json_for_each(v, unknown_member, &walk);
}

int
json_decode_value(
    struct json_decoder *d, const struct json_value *v, const struct json_field *fields)
{
	return decode_object(d, v, fields);
}

int
json_decode(const struct json *j, const struct json_field *fields, struct arena *mem, struct err *e)
{
	struct json_decoder d = { .mem = mem, .e = e };

	if (decode_object(&d, json_root(j), fields) < 0)
		return arena_err(e);
	return err_fields_done(e, ERR_INVALID);
}
