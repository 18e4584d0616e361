/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers answer with.  Replies are prepared here and sent by dispatch, so that a handler
 * that fails late still answers once. */

#include "api_internal.h"
#include "api_value_internal.h"

#include "auth.h"
#include "fd.h"
#include "http.h"

#include <stdio.h>
#include <string.h>

struct json_out *
reply_begin(struct req *rq)
{
	buf_clear(&rq->body);
	json_out_init(&rq->out, &rq->body);
	return &rq->out;
}

int
reply_header(struct req *rq, const char *name, const char *value, struct err *e)
{
	char *copy = arena_strdup(rq->mem, value);
	size_t i = 0;

	if (copy == NULL)
		return arena_err(e);
	while (i < rq->n_headers && strcmp(rq->headers[i].name, name) != 0)
		i++;
	REQUIRE(i < REPLY_HEADERS_MAX);
	rq->headers[i] = (struct reply_header){ .name = name, .value = copy };
	rq->n_headers += i == rq->n_headers;
	return 0;
}

int
reply_header_i64(struct req *rq, const char *name, int64_t value, struct err *e)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value); /* fits any int64_t */
	return reply_header(rq, name, text, e);
}

static int
prepare_bytes(struct req *rq, int status, const char *content_type, struct err *e)
{
	if (buf_check(&rq->body, e) < 0 || reply_header(rq, "Content-Type", content_type, e) < 0)
		return -1;
	rq->reply.kind = REPLY_BYTES;
	rq->reply.status = status;
	return 0;
}

int
reply_json(struct req *rq, int status, struct err *e)
{
	return prepare_bytes(rq, status, "application/json", e);
}

int
reply_text(struct req *rq, const char *content_type, struct err *e)
{
	return prepare_bytes(rq, 200, content_type, e);
}

static const char *
version_tag(int64_t version, char out[static ETAG_SIZE])
{
	(void)snprintf(out, ETAG_SIZE, "\"%lld\"", (long long)version); /* 22 bytes at most */
	return out;
}

static int
put_version(struct req *rq, int64_t version, struct err *e)
{
	char etag[ETAG_SIZE];

	return reply_header(rq, "ETag", version_tag(version, etag), e);
}

void
put_id(struct json_out *o, const char *name, const char *prefix, struct uuid id)
{
	char text[ID_STR_SIZE];

	json_put_text(o, name, uuid_is_nil(id) ? NULL : id_format(prefix, id, text));
}

int
reply_nothing(struct req *rq, struct err *e)
{
	(void)e; /* like the others */
	buf_clear(&rq->body);
	rq->reply.kind = REPLY_BYTES;
	rq->reply.status = 204;
	return 0;
}

int
reply_file(struct req *rq, const char *content_type, int *fd, int64_t n, struct err *e)
{
	if (reply_header(rq, "Content-Type", content_type, e) < 0)
		return -1;
	rq->reply = (struct reply){ .kind = REPLY_FILE, .status = 200, .fd = fd_take(fd), .n = n };
	return 0;
}

int
reply_created(struct req *rq, const struct reply_made *m, struct err *e)
{
	char id[ID_STR_SIZE];
	char *location =
	    arena_printf(rq->mem, "%s/%s", m->collection, id_format(m->prefix, m->id, id));

	if (location == NULL)
		return arena_err(e);
	if (reply_header(rq, "Location", location, e) < 0)
		return -1;
	if (m->version > 0 && put_version(rq, m->version, e) < 0)
		return -1;
	if (m->replayed && reply_header(rq, "Idempotency-Replayed", "true", e) < 0)
		return -1;
	return reply_json(rq, 201, e);
}

void
etag_of(const void *p, size_t n, char out[static ETAG_SIZE])
{
	uint8_t digest[AUTH_SHA256_SIZE];

	/* 128 bits tell versions of one resource apart. */
	auth_sha256(p, n, digest);
	out[0] = '"';
	auth_hex(digest, 16, out + 1);
	out[33] = '"';
	out[34] = '\0';
}

int
reply_conditional(struct req *rq, const char *etag, struct err *e)
{
	const char *match = http_req_header(rq->http, "If-Match");
	const char *none_match = http_req_header(rq->http, "If-None-Match");

	if (match != NULL && !value_etag_listed(match, etag, false))
		return err_set(e, ERR_PRECONDITION,
		    "None of the entity tags in If-Match is the present one; read the resource "
		    "again.");
	if (reply_header(rq, "ETag", etag, e) < 0 ||
	    reply_header(
		rq, "Cache-Control", rq->authenticated ? "private, no-cache" : "no-cache", e) < 0)
		return -1;
	if (none_match == NULL || !value_etag_listed(none_match, etag, true))
		return 0;
	buf_clear(&rq->body);
	rq->reply.kind = REPLY_BYTES;
	rq->reply.status = 304;
	return 1;
}

int
reply_json_tagged(struct req *rq, struct err *e)
{
	char etag[ETAG_SIZE];
	int done;

	if (buf_check(&rq->body, e) < 0)
		return -1;
	etag_of(rq->body.p, rq->body.n, etag);
	done = reply_conditional(rq, etag, e);
	if (done != 0)
		return done < 0 ? -1 : 0;
	return reply_json(rq, 200, e);
}

int
reply_json_versioned(struct req *rq, int64_t version, struct err *e)
{
	char etag[ETAG_SIZE];
	int done;

	if (rq->route->method != ROUTE_GET)
		return put_version(rq, version, e) < 0 ? -1 : reply_json(rq, 200, e);
	done = reply_conditional(rq, version_tag(version, etag), e);
	if (done != 0)
		return done < 0 ? -1 : 0;
	return reply_json(rq, 200, e);
}
