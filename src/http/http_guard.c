/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests that two parties may read differently are refused here, so that nothing behind this
 * server and no proxy in front of it can disagree with it about where a message ends, whom it is
 * for, or what its path names (RFC 9110, RFC 9112 sections 2.2, 3 and 6.3).
 *
 * What no callback of libmicrohttpd 0.9.75 shows, and therefore passes: empty lines (and lines that
 * begin with NUL) before the request line, chunk extensions, bare LF in the chunk framing,
 * trailers, and what http_layout.c names at its end.  What it answers by itself, in HTML: a
 * malformed Content-Length (with the status line twice), versions other than 1.x, lines without a
 * colon, malformed chunks, heads beyond the connection's memory.  All of these close the
 * connection.  On the open internet a proxy that parses strictly belongs in front.
 */
#include "http_internal.h"

#include <string.h>
#include <strings.h>

#include "parse.h"

enum { LENGTH_DIGITS_MAX = 18 }; /* any such number fits int64_t */

/* CONNECT and TRACE are absent on purpose. */
static const char *const METHODS[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };

/* Fields that decide framing, routing or identity: a second one is never a list. */
static const char *const SINGLE_FIELDS[] = { "Host", "Content-Length", "Transfer-Encoding",
	"Expect", "Content-Type", "Authorization", "Idempotency-Key", "Range", "If-Range" };

bool
http_token(const char *s, size_t n)
{
	static const char OTHERS[] = "!#$%&'*+-.^_`|~"; /* RFC 9110 section 5.6.2 */

	for (size_t i = 0; i < n; i++) {
		const char c = s[i];
		const bool alnum =
		    (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

		if (!alnum && memchr(OTHERS, c, sizeof(OTHERS) - 1) == NULL)
			return false;
	}
	return n > 0;
}

/* The only field of that name, NULL when there is none; repeated ones were refused before. */
static const char *
field_of(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->n_fields; i++)
		if (strcasecmp(head->fields[i].name, name) == 0)
			return head->fields[i].value;
	return NULL;
}

static size_t
count_of(const struct http_head *head, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < head->n_fields; i++)
		n += strcasecmp(head->fields[i].name, name) == 0;
	return n;
}

static int
check_method(const char *method, struct err *e)
{
	if (!http_token(method, strlen(method)))
		return err_set(e, ERR_BAD_REQUEST, "the method is not a token");
	for (size_t i = 0; i < ARRAY_LEN(METHODS); i++)
		if (strcmp(method, METHODS[i]) == 0)
			return 0;
	return err_set(e, ERR_METHOD_UNKNOWN,
	    "this server knows GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS");
}

/* One path segment, decoded. */
static int
check_segment(const char *segment, size_t n, struct err *e)
{
	if ((n == 1 && segment[0] == '.') || (n == 2 && memcmp(segment, "..", 2) == 0))
		return err_set(e, ERR_BAD_REQUEST,
		    "the path has a \".\" or \"..\" segment; send the path it stands for");
	for (size_t i = 0; i < n; i++) {
		const unsigned char c = (unsigned char)segment[i];

		if (c < 0x20 || c == 0x7f || c == '/' || c == '\\')
			return err_set(e, ERR_BAD_REQUEST,
			    "a path segment may not hold a slash, a backslash or a control "
			    "character, not even escaped");
	}
	return 0;
}

/* segment: room for a whole target, shared with the caller to keep the stack small. */
static int
check_path(const char *path, size_t n, char *segment, struct err *e)
{
	const char *end = path + n;

	while (path < end) {
		const char *slash;
		size_t n_segment;

		path++; /* the slash before the segment */
		slash = memchr(path, '/', (size_t)(end - path));
		n_segment = (size_t)((slash == NULL ? end : slash) - path);
		if (http_decode(path, n_segment, false, segment) < 0)
			return err_set(e, ERR_BAD_REQUEST,
			    "the path must be percent-encoded UTF-8 without NUL");
		if (check_segment(segment, strlen(segment), e) < 0)
			return -1;
		path += n_segment;
	}
	return 0;
}

static int
check_target_bytes(const char *target, struct err *e)
{
	for (const char *p = target; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '#' || *p == '\\')
			return err_set(e, ERR_BAD_REQUEST,
			    "the target holds a byte that must be percent-encoded");
	return 0;
}

static int
check_target(const struct http_head *head, struct err *e)
{
	const char *target = head->target, *query;
	char decoded[HTTP_TARGET_MAX + 1];

	if (head->target_bytes > HTTP_TARGET_MAX)
		return err_set(
		    e, ERR_URI_TOO_LONG, "the target may have at most %d bytes", HTTP_TARGET_MAX);
	if (strcmp(target, "*") == 0 && strcmp(head->method, "OPTIONS") == 0)
		return 0;
	if (target[0] != '/')
		return err_set(
		    e, ERR_BAD_REQUEST, "the target must be a path that begins with \"/\"");
	if (check_target_bytes(target, e) < 0)
		return -1;
	query = strchrnul(target, '?');
	if (check_path(target, (size_t)(query - target), decoded, e) < 0)
		return -1;
	if (http_decode(query, strlen(query), true, decoded) < 0)
		return err_set(
		    e, ERR_BAD_REQUEST, "the query must be percent-encoded UTF-8 without NUL");
	return 0;
}

static int
check_field(const struct http_field *f, struct err *e)
{
	if (!http_token(f->name, strlen(f->name)))
		return err_set(e, ERR_BAD_REQUEST,
		    "a header name is not a token; there may be no blank before the colon");
	for (const char *p = f->value; *p != '\0'; p++) {
		const unsigned char c = (unsigned char)*p;

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return err_set(
			    e, ERR_BAD_REQUEST, "header %s holds a control character", f->name);
	}
	return 0;
}

static int
check_host(const struct http_head *head, struct err *e)
{
	static const char OTHERS[] = "-._~:[]"; /* of names, literals and ports; no user, no list */
	const char *host = field_of(head, "Host");

	if (host == NULL && strcmp(head->version, "HTTP/1.0") == 0)
		return 0;
	if (host == NULL)
		return err_set(e, ERR_BAD_REQUEST, "an HTTP/1.1 request needs a Host header");
	for (const char *p = host; *p != '\0'; p++) {
		const bool alnum =
		    (*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z');

		if (!alnum && strchr(OTHERS, *p) == NULL)
			return err_set(
			    e, ERR_BAD_REQUEST, "the Host header is not a host name or address");
	}
	return 0;
}

static int
check_fields(const struct http_head *head, struct err *e)
{
	if (head->n_fields > HTTP_FIELDS_MAX)
		return err_set(e, ERR_HEAD_TOO_LARGE, "a request may have at most %d header fields",
		    HTTP_FIELDS_MAX);
	for (size_t i = 0; i < head->n_fields; i++)
		if (check_field(&head->fields[i], e) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(SINGLE_FIELDS); i++)
		if (count_of(head, SINGLE_FIELDS[i]) > 1)
			return err_set(e, ERR_BAD_REQUEST, "header %s may be sent once only",
			    SINGLE_FIELDS[i]);
	return check_host(head, e);
}

static int
check_expect(const struct http_head *head, struct err *e)
{
	const char *expect = field_of(head, "Expect");

	if (expect == NULL || strcasecmp(expect, "100-continue") == 0)
		return 0;
	return err_set(e, ERR_EXPECTATION, "only \"Expect: 100-continue\" is understood");
}

static int
check_framing(const struct http_head *head, int64_t *ret_body_bytes, struct err *e)
{
	const char *length = field_of(head, "Content-Length");
	const char *coding = field_of(head, "Transfer-Encoding");
	int64_t n = 0;

	if (coding != NULL) {
		if (length != NULL)
			return err_set(
			    e, ERR_BAD_REQUEST, "send either Content-Length or Transfer-Encoding");
		if (strcasecmp(coding, "chunked") != 0)
			return err_set(e, ERR_BAD_REQUEST,
			    "\"chunked\" is the only transfer coding understood");
		if (strcmp(head->version, "HTTP/1.0") == 0)
			return err_set(e, ERR_BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding");
		*ret_body_bytes = HTTP_BODY_CHUNKED;
		return 0;
	}
	if (length != NULL) {
		const size_t digits = strspn(length, "0123456789");

		if (digits == 0 || digits > LENGTH_DIGITS_MAX || length[digits] != '\0')
			return err_set(
			    e, ERR_BAD_REQUEST, "Content-Length must be a number of bytes");
		for (size_t i = 0; i < digits; i++)
			n = n * 10 + (length[i] - '0');
	}
	*ret_body_bytes = n;
	return 0;
}

int
http_guard(const struct http_head *head, int64_t *ret_body_bytes, struct err *e)
{
	if (check_method(head->method, e) < 0)
		return -1;
	if (check_target(head, e) < 0)
		return -1;
	if (check_fields(head, e) < 0)
		return -1;
	if (check_expect(head, e) < 0)
		return -1;
	return check_framing(head, ret_body_bytes, e);
}
