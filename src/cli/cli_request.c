/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_internal.h"

#include <string.h>

static int
request(struct cli *cli, const struct client_request *q, struct buf *ret_body, struct err *e)
{
	struct client_response r;
	int rc;

	if (client_request(cli->client, q, &r, e) < 0)
		return -1;
	if (r.status < 200 || r.status > 299) {
		rc = client_problem(&r, e);
		buf_done(&r.body);
		return rc;
	}
	*ret_body = r.body;
	return 0;
}

int
cli_get(struct cli *cli, const char *path, struct buf *ret_body, struct err *e)
{
	struct client_request q = { .method = "GET", .path = path };

	return request(cli, &q, ret_body, e);
}

static int
parse_answer(struct buf *body, struct json **ret, struct err *e)
{
	if (json_parse(body->p, body->n, ret, e) == 0)
		return 0;
	buf_done(body);
	return err_set(e, ERR_PROTOCOL,
	    "the server's answer cannot be read (see it with -o json): %.120s", e->msg);
}

int
cli_get_json(
    struct cli *cli, const char *path, struct json **ret, struct buf *ret_body, struct err *e)
{
	if (cli_get(cli, path, ret_body, e) < 0)
		return -1;
	return parse_answer(ret_body, ret, e);
}

int
cli_post_json(struct cli *cli, const char *path, const struct buf *body,
    const char *idempotency_key, struct json **ret, struct buf *ret_body, struct err *e)
{
	struct client_request q = { .method = "POST",
		.path = path,
		.body = body == NULL ? NULL : body->p,
		.n = body == NULL ? 0 : body->n,
		.idempotency_key = idempotency_key };

	if (request(cli, &q, ret_body, e) < 0)
		return -1;
	return parse_answer(ret_body, ret, e);
}

void
cli_job_path(const struct cli *cli, const char *suffix, struct buf *out)
{
	buf_str(out, "/v1/jobs/");
	client_escape(cli->words[0], out);
	buf_str(out, suffix);
}

const char *
cli_text(const struct json_value *v, const char *member)
{
	const char *text = "";

	(void)json_get_text(json_member(v, member), &text);
	return text;
}
