/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests that two parties may read differently are refused here, so that nothing behind this
 * server and no proxy in front of it can disagree with it about where a message ends, whom it is
 * for, or what its path names (RFC 9110, RFC 9112 sections 2.2, 3 and 6.3).
 *
 * What no callback of libmicrohttpd 0.9.75 shows, and therefore passes: empty lines (and lines that
 * begin with NUL) before the request line, chunk extensions, bare LF in the chunk framing, and what
 * http_layout.c names at its end.  Trailers are refused when they have come (http_req.c).  What it
 * answers by itself, in HTML: a malformed Content-Length (with the status line twice), versions
 * other than 1.x, lines without a colon, malformed chunks, heads beyond the connection's memory.
 * All of these close the connection.  On the open internet a proxy that parses strictly belongs in
 * front.
 */
#include "http_internal.h"

#include <string.h>
#include <strings.h>

#include "parse.h"

enum {
	LENGTH_DIGITS_MAX = 18, /* any such number fits int64_t */
	PORT_DIGITS_MAX = 5,
};

/* CONNECT and TRACE are absent on purpose. */
static const char *const METHODS[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };

/* Fields that decide framing, routing, identity or whether to act.  Only one is ever read, so a
 * second one would be what a proxy read. */
static const char *const SINGLE_FIELDS[] = { "Host", "Content-Length", "Transfer-Encoding",
	"Expect", "Content-Type", "Content-Encoding", "Authorization", "Idempotency-Key", "Range",
	"If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
	"Origin", "Last-Event-ID", "X-Request-Id", "traceparent" };

/* What a connection may be asked for.  Another name in the list makes proxies drop the field of
 * that name (RFC 9110 section 7.6.1), credentials for example. */
static const char *const CONNECTION_OPTIONS[] = { "close", "keep-alive", "TE", "Upgrade",
	"HTTP2-Settings" };

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

bool
http_token(const char *s, size_t n)
{
	static const char OTHERS[] = "!#$%&'*+-.^_`|~"; /* RFC 9110 section 5.6.2 */

	for (size_t i = 0; i < n; i++)
		if (!is_alnum(s[i]) && memchr(OTHERS, s[i], sizeof(OTHERS) - 1) == NULL)
			return false;
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

/* A field that decides, written with '_' for '-': where names become variables (CGI and its heirs)
 * that is the same one, here it is another. */
static bool
lookalike(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(SINGLE_FIELDS); i++) {
		const char *p = name, *q = SINGLE_FIELDS[i];

		while (*p != '\0' && ((*p | 0x20) == (*q | 0x20) || (*p == '_' && *q == '-'))) {
			p++;
			q++;
		}
		if (*p == '\0' && *q == '\0')
			return true;
	}
	return false;
}

static int
check_field(const struct http_field *f, struct err *e)
{
	if (!http_token(f->name, strlen(f->name)))
		return err_set(e, ERR_BAD_REQUEST,
		    "a header name is not a token; there may be no blank before the colon");
	if (strchr(f->name, '_') != NULL && lookalike(f->name))
		return err_set(e, ERR_BAD_REQUEST,
		    "write header %s with '-' for '_', or leave it out", f->name);
	for (const char *p = f->value; *p != '\0'; p++) {
		const unsigned char c = (unsigned char)*p;

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return err_set(
			    e, ERR_BAD_REQUEST, "header %s holds a control character", f->name);
	}
	return 0;
}

/* Bytes of the name or address at the start of a Host; 0 when there is none.  No user, no list. */
static size_t
host_name_bytes(const char *host)
{
	const char *end = host[0] == '[' ? strchr(host, ']') : NULL;
	char literal[NET_ADDR_SIZE];
	struct net_addr ignored_addr;
	struct err ignored;
	size_t n = 0;

	if (end == NULL) {
		while (is_alnum(host[n]) || (host[n] != '\0' && strchr("-._~", host[n]) != NULL))
			n++;
		return n;
	}
	n = (size_t)(end - host) - 1;
	if (n >= sizeof(literal) || memchr(host, ':', n) == NULL)
		return 0;
	memcpy(literal, host + 1, n);
	literal[n] = '\0';
	return net_addr_parse(literal, &ignored_addr, &ignored) < 0 ? 0 : n + 2;
}

static bool
host_valid(const char *host)
{
	const size_t n = host_name_bytes(host);
	size_t digits;

	if (n == 0 || host[n] == '\0')
		return n > 0;
	digits = strspn(host + n + 1, "0123456789");
	return host[n] == ':' && digits <= PORT_DIGITS_MAX && host[n + 1 + digits] == '\0';
}

static int
check_host(const struct http_head *head, struct err *e)
{
	const char *host = field_of(head, "Host");

	if (host == NULL && strcmp(head->version, "HTTP/1.0") == 0)
		return 0;
	if (host == NULL)
		return err_set(e, ERR_BAD_REQUEST, "an HTTP/1.1 request needs a Host header");
	if (!host_valid(host))
		return err_set(e, ERR_BAD_REQUEST, "the Host header is not a host name or address");
	return 0;
}

static bool
connection_option_known(const char *option, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(CONNECTION_OPTIONS); i++)
		if (strlen(CONNECTION_OPTIONS[i]) == n &&
		    strncasecmp(CONNECTION_OPTIONS[i], option, n) == 0)
			return true;
	return false;
}

static int
check_connection(const struct http_field *f, struct err *e)
{
	static const char BETWEEN[] = ", \t";

	if (strcasecmp(f->name, "Connection") != 0)
		return 0;
	for (const char *p = f->value + strspn(f->value, BETWEEN); *p != '\0';) {
		const size_t n = strcspn(p, BETWEEN);

		if (!connection_option_known(p, n))
			return err_set(e, ERR_BAD_REQUEST,
			    "the Connection header may say close or keep-alive, and name no "
			    "header of this request");
		p += n;
		p += strspn(p, BETWEEN);
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
		if (check_field(&head->fields[i], e) < 0 ||
		    check_connection(&head->fields[i], e) < 0)
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

/* RFC 9110 section 9.3.1: such a body means nothing, and some parties take it for the next
 * request. */
static int
check_bodiless(const char *method, int64_t body_bytes, struct err *e)
{
	if (body_bytes == 0 || (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0))
		return 0;
	return err_set(e, ERR_BAD_REQUEST, "a %s request has no body", method);
}

int
http_guard(const struct http_head *head, int64_t *ret_body_bytes, struct err *e)
{
	int64_t body_bytes = 0;

	if (check_method(head->method, e) < 0)
		return -1;
	if (check_target(head, e) < 0)
		return -1;
	if (check_fields(head, e) < 0)
		return -1;
	if (check_expect(head, e) < 0)
		return -1;
	if (check_framing(head, &body_bytes, e) < 0 ||
	    check_bodiless(head->method, body_bytes, e) < 0)
		return -1;
	*ret_body_bytes = body_bytes;
	return 0;
}
