/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_VALUE_INTERNAL_H
#define API_VALUE_INTERNAL_H

/* Values of request headers: pure functions over hostile text. */

#include "base.h"
#include "err.h"

#include <stdbool.h>

/* Accept (RFC 9110 section 12.5.1): how welcome a media type is, 0 (not at all) to 1000; accept
 * NULL welcomes everything.  The most specific range that fits counts. */
int value_accept(const char *accept, const char *type);
/* Content-Type is `type`, whatever its parameters other than a charset, which must be UTF-8. */
bool value_media_is(const char *content_type, const char *type);

/* If-None-Match and If-Match: "*" or a list of entity tags.  weak: W/"x" counts as "x". */
bool value_etag_listed(const char *list, const char *etag, bool weak);

/* If-Match of resources whose entity tags are "<version>". */
enum value_version {
	VALUE_VERSION_ANY,  /* absent or "*" */
	VALUE_VERSION_ONE,  /* *ret is set, at least 1 */
	VALUE_VERSION_NONE, /* a tag that no version has, or no tag at all */
	VALUE_VERSION_MANY  /* a list */
};
enum value_version value_version(const char *if_match, int64_t *ret);

/* Range (RFC 9110 section 14): one range of bytes in a representation of size bytes. */
enum value_range {
	VALUE_RANGE_NONE,   /* absent, another unit, several ranges, malformed: send the whole */
	VALUE_RANGE_PART,   /* *ret_first and *ret_n are set */
	VALUE_RANGE_OUTSIDE /* 416 */
};
enum value_range value_range_parse(
    const char *range, int64_t size, int64_t *ret_first, int64_t *ret_n);

/* Idempotency-Key: "quoted" or bare, 1 to 255 visible ASCII characters; ERR_BAD_HEADER. */
enum { VALUE_KEY_SIZE = 256 };
int value_idempotency_key(
    const char *text, char out[static VALUE_KEY_SIZE], struct err *e) MUST_CHECK;

/* 8 to 64 of [A-Za-z0-9_-]. */
bool value_request_id_valid(const char *text);

/* The trace id of a traceparent (W3C Trace Context): 32 hexadecimal digits; false when malformed.
 */
enum { VALUE_TRACE_ID_SIZE = 33 };
bool value_trace_id(const char *traceparent, char out[static VALUE_TRACE_ID_SIZE]);

/* Last-Event-ID of a log stream: "<offset>" of the first attempt, "<epoch>.<offset>", or "end". */
struct value_event_id {
	bool end;
	int64_t epoch, offset;
};
bool value_event_id(const char *text, struct value_event_id *ret);

/* Bytes of the unfinished UTF-8 sequence at the end of p, 0 to 3. */
size_t value_utf8_tail(const char *p, size_t n);

struct buf;
/* Percent-encodes everything but unreserved characters (RFC 3986 section 2.3) and those in keep. */
void value_escape(struct buf *b, const char *text, const char *keep);

#endif
