/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_value_internal.h"

#include "http.h"

static const char text_type[] = "text/plain; charset=utf-8";

/* Browsers ask for text/html and get text; programs ask for JSON or for nothing in particular. */
static bool
wants_text(const struct req *rq)
{
	const char *accept = http_req_header(rq->http, "Accept");
	int json = value_accept(accept, "application/json");

	return accept != NULL && (value_accept(accept, "text/html") > json ||
				     value_accept(accept, "text/plain") > json);
}

static void
print_text(enum err_code code, struct buf *b)
{
	buf_printf(b, "%-24s %d  %s%s\n", err_slug(code), err_http_status(code), err_title(code),
	    err_retryable(code) ? " (try again later)" : "");
}

/* GET /problems: every type of problem that an answer may name. */
int
api_get_problems(struct req *rq, struct err *e)
{
	struct json_out *o = reply_begin(rq);

	if (reply_header(rq, "Vary", "Accept", e) < 0)
		return -1;
	if (wants_text(rq)) {
		for (int code = ERR_NONE + 1; code < ERR_CODE_COUNT; code++)
			print_text((enum err_code)code, &rq->body);
		return reply_text(rq, text_type, e);
	}
	json_out_begin(o);
	json_out_key(o, "data");
	json_out_begin_array(o);
	for (int code = ERR_NONE + 1; code < ERR_CODE_COUNT; code++)
		problem_type_print((enum err_code)code, o);
	json_out_end_array(o);
	json_out_end(o);
	return reply_json_tagged(rq, e);
}

/* GET /problems/{slug}: where the `type` of a problem leads. */
int
api_get_problems_slug(struct req *rq, struct err *e)
{
	struct json_out *o = reply_begin(rq);
	enum err_code code = err_code_of_slug(req_text(rq, "slug"));

	if (code == ERR_NONE)
		return err_set(
		    e, ERR_NOT_FOUND, "No problem has this name; GET /problems lists them.");
	if (reply_header(rq, "Vary", "Accept", e) < 0)
		return -1;
	if (wants_text(rq)) {
		print_text(code, &rq->body);
		return reply_text(rq, text_type, e);
	}
	problem_type_print(code, o);
	return reply_json_tagged(rq, e);
}
