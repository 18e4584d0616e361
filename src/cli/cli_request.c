/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_internal.h"

#include <string.h>

int
cli_send(struct cli *cli, const struct client_request *q, struct buf *ret_body, struct err *e)
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

	return cli_send(cli, &q, ret_body, e);
}

int
cli_parse(struct buf *body, struct json **ret, struct err *e)
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
	return cli_parse(ret_body, ret, e);
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

	if (cli_send(cli, &q, ret_body, e) < 0)
		return -1;
	return cli_parse(ret_body, ret, e);
}

void
cli_query(struct buf *path, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(
	    path, "%c%s=", path->p == NULL || strchr(path->p, '?') == NULL ? '?' : '&', name);
	client_escape(value, path);
}

void
cli_piece(char *out, size_t size, const char *p, size_t n)
{
	REQUIRE(n < size);
	memcpy(out, p, n);
	out[n] = '\0';
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
