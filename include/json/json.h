/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JSON_H
#define JSON_H

/*
 * JSON in by declaration, JSON out by a streaming writer; the only owner of jansson.  A decoder
 * names each member with its type, bounds and destination; every fault of a document is reported at
 * once, each with its JSON Pointer (RFC 6901).  Parsing is strict: duplicate members, NUL, invalid
 * UTF-8, depth over 32, more than 10,000 members, and trailing text are refused.
 * json_start must run before threads do.
 */

#include "arena.h"
#include "base.h"
#include "buf.h"
#include "err.h"

#include <stdbool.h>

enum { JSON_MAX_DEPTH = 32, JSON_MAX_MEMBERS = 10000 };

struct json;       /* a parsed document */
struct json_value; /* a value inside a document; lives as long as it */

/* Seeds the hash of jansson once, before any thread parses. */
void json_start(void);

/* ERR_BAD_JSON with line, column and what is wrong. */
int json_parse(const char *text, size_t n, struct json **ret, struct err *e) MUST_CHECK;
void json_free(struct json *j);
AUTO_TYPE(json);
const struct json_value *json_root(const struct json *j);

enum json_kind {
	JSON_KIND_END,
	JSON_KIND_TEXT,
	JSON_KIND_I64,
	JSON_KIND_F64,
	JSON_KIND_BOOL,
	JSON_KIND_OBJECT, /* nested declaration */
	JSON_KIND_EACH,   /* array, one call per element */
	JSON_KIND_MAP,    /* object with free names, one call per member */
	JSON_KIND_VALUE   /* any value, kept for the caller */
};
enum { JSON_REQUIRED = 1, JSON_NULLABLE = 2 /* null counts as absent */ };

struct json_decoder; /* where we are in the document: pointer path, arena, error */
/* Element or member callback: returns -1 only for faults that stop the decoding (memory). */
typedef int json_each_fn(struct json_decoder *d, const struct json_value *v, size_t index,
    const char *name /* of a map's member, else NULL */, void *ctx);

/* One member.  Destinations are written only when the member is present and valid. */
struct json_field {
	const char *name;
	enum json_kind kind;
	unsigned flags;
	void *dest; /* const char ** | int64_t * | double * | bool * | const struct json_value ** */
	bool *present;     /* set to true when the member is there; may be NULL */
	int64_t min;       /* I64: least value; TEXT, EACH, MAP: least length or count */
	int64_t max;       /* I64: greatest value; TEXT: most bytes; EACH, MAP: most elements */
	double fmin, fmax; /* F64 */
	const struct json_field *fields; /* OBJECT */
	json_each_fn *each;
	void *ctx;
};
#define JSON_TEXT(nm, dst, min_n, max_n, fl)                                                       \
	{                                                                                          \
		.name = (nm), .kind = JSON_KIND_TEXT, .flags = (fl), .dest = (dst),                \
		.min = (min_n), .max = (max_n)                                                     \
	}
#define JSON_I64(nm, dst, lo, hi, fl)                                                              \
	{                                                                                          \
		.name = (nm), .kind = JSON_KIND_I64, .flags = (fl), .dest = (dst), .min = (lo),    \
		.max = (hi)                                                                        \
	}
#define JSON_F64(nm, dst, lo, hi, fl)                                                              \
	{                                                                                          \
		.name = (nm), .kind = JSON_KIND_F64, .flags = (fl), .dest = (dst), .fmin = (lo),   \
		.fmax = (hi)                                                                       \
	}
#define JSON_BOOL(nm, dst, fl)                                                                     \
	{                                                                                          \
		.name = (nm), .kind = JSON_KIND_BOOL, .flags = (fl), .dest = (dst)                 \
	}
#define JSON_OBJECT(nm, nested, fl)                                                                \
	{                                                                                          \
		.name = (nm), .kind = JSON_KIND_OBJECT, .flags = (fl), .fields = (nested)          \
	}
#define JSON_EACH(nm, fn, context, max_n, fl)                                                      \
	{                                                                                          \
		.name = (nm), .kind = JSON_KIND_EACH, .flags = (fl), .each = (fn),                 \
		.ctx = (context), .max = (max_n)                                                   \
	}
#define JSON_MAP(nm, fn, context, max_n, fl)                                                       \
	{                                                                                          \
		.name = (nm), .kind = JSON_KIND_MAP, .flags = (fl), .each = (fn),                  \
		.ctx = (context), .max = (max_n)                                                   \
	}
#define JSON_VALUE(nm, dst, fl)                                                                    \
	{                                                                                          \
		.name = (nm), .kind = JSON_KIND_VALUE, .flags = (fl), .dest = (dst)                \
	}
#define JSON_FIELDS_END                                                                            \
	{                                                                                          \
		.kind = JSON_KIND_END                                                              \
	}

/*
 * Decodes an object.  Text is copied into mem.  Unknown members are faults that name the nearest
 * known member.  Returns -1 with ERR_INVALID and one err_field per fault (the first
 * ERR_FIELDS_MAX), or ERR_TOO_LARGE when mem is exhausted.
 */
int json_decode(const struct json *j, const struct json_field *fields, struct arena *mem,
    struct err *e) MUST_CHECK;
/* Inside a json_each_fn: decodes an element that is an object.  Faults are recorded, not returned.
 */
int json_decode_value(
    struct json_decoder *d, const struct json_value *v, const struct json_field *fields) MUST_CHECK;
struct arena *json_decoder_mem(struct json_decoder *d);
/* Records a fault of the value being decoded; member "" means the value itself. */
void json_fault(struct json_decoder *d, const char *member, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Appends "/<token>" (RFC 6901, escaped) to a pointer in a buffer of `size` bytes; false, and
 * nothing appended, when it does not fit. */
bool json_pointer_add(char *pointer, size_t size, const char *token);

/* Reading single values (elements of arrays, members of maps); false when of another type.  NULL
 * stands for a value that is absent everywhere below, so that look-ups chain. */
enum json_type {
	JSON_NULL,
	JSON_STRING,
	JSON_INTEGER,
	JSON_REAL,
	JSON_BOOLEAN,
	JSON_ARRAY,
	JSON_DICT
};
enum json_type json_type(const struct json_value *v);
const char *json_type_name(
    enum json_type t); /* "string", "integer", ... with an article for messages */
bool json_get_text(
    const struct json_value *v, const char **ret); /* lives as long as the document */
bool json_get_i64(const struct json_value *v, int64_t *ret);
bool json_get_f64(const struct json_value *v, double *ret); /* integers, too */
bool json_get_bool(const struct json_value *v, bool *ret);
/* Without a declaration (result files): members or elements, 0 for scalars. */
size_t json_count(const struct json_value *v);
/* NULL beyond the end, without such a member, and for values of another type. */
const struct json_value *json_at(const struct json_value *v, size_t index);
const struct json_value *json_member(const struct json_value *v, const char *name);
/* Members (by name) or elements (name NULL) in order, until fn returns another value than 0, which
 * is then the result. */
int json_for_each(const struct json_value *v,
    int (*fn)(void *ctx, const char *name, const struct json_value *v), void *ctx);

/*
 * Streaming writer into a buf: commas, escaping and nesting are kept; doubles are shortest
 * round-trip, NaN and infinities are written as null.  A misuse of nesting is a broken invariant.
 */
struct json_out {
	struct buf *b;
	uint32_t depth;
	uint64_t comma;  /* bit per depth: a comma is due */
	uint64_t object; /* bit per depth: we are in an object, so a key is due */
	bool after_key;
};
void json_out_init(struct json_out *o, struct buf *b);
void json_out_begin(struct json_out *o);       /* { */
void json_out_end(struct json_out *o);         /* } */
void json_out_begin_array(struct json_out *o); /* [ */
void json_out_end_array(struct json_out *o);   /* ] */
void json_out_key(struct json_out *o, const char *name);
void json_out_text(
    struct json_out *o, const char *s); /* NULL writes null; invalid UTF-8 becomes U+FFFD */
void json_out_text_n(struct json_out *o, const char *s, size_t n);
void json_out_i64(struct json_out *o, int64_t v);
void json_out_f64(struct json_out *o, double v);
void json_out_bool(struct json_out *o, bool v);
void json_out_null(struct json_out *o);
void json_out_raw(struct json_out *o, const char *json); /* text that is JSON already */
/* key and value in one call */
void json_put_text(struct json_out *o, const char *name, const char *s);
void json_put_i64(struct json_out *o, const char *name, int64_t v);
void json_put_f64(struct json_out *o, const char *name, double v);
void json_put_bool(struct json_out *o, const char *name, bool v);
void json_put_null(struct json_out *o, const char *name);
void json_put_raw(struct json_out *o, const char *name, const char *json);
void json_put_time(
    struct json_out *o, const char *name, int64_t wall_us); /* RFC 3339; 0 writes null */

#endif
