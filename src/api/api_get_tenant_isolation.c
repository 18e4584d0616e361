/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

#include "auth.h"
#include "clock.h"
#include "isolation.h"
#include "sign.h"

enum { EVIDENCE_MAX_BYTES = 32 << 10 };

static void
print_evidence(struct req *rq, const struct isolation_report *r, struct json_out *o)
{
	json_out_begin(o);
	put_id(o, "tenant", "ten", rq->who.tenant.uuid);
	json_put_time(o, "at", clock_wall_us());
	json_put_text(o, "version", WARDIAN_VERSION);
	json_put_bool(o, "ok", r->ok);
	json_out_key(o, "probes");
	json_out_begin_array(o);
	for (size_t i = 0; i < r->n; i++) {
		const struct isolation_probe *p = &r->probes[i];

		json_out_begin(o);
		json_put_text(o, "name", p->name);
		json_put_text(o, "question", p->question);
		json_put_text(o, "expected", p->expected);
		json_put_text(o, "found", p->found);
		json_put_bool(o, "ok", p->ok);
		json_out_end(o);
	}
	json_out_end_array(o);
	json_out_end(o);
}

/* The signature covers the bytes of `text`, so that nobody has to print JSON the same way again. */
static int
print_signed(struct req *rq, const char *text, size_t n, struct json_out *o, struct err *e)
{
	const struct sign_key *key = rq->api->o.evidence_key;
	uint8_t signature[SIGN_SIZE];
	char hex[2 * SIGN_SIZE + 1];

	if (sign_make(key, text, n, signature, e) < 0)
		return -1;
	json_out_key(o, "signed");
	json_out_begin(o);
	json_out_key(o, "text");
	json_out_text_n(o, text, n);
	auth_hex(sign_key_public(key), SIGN_PUBLIC_SIZE, hex);
	json_put_text(o, "key", hex);
	auth_hex(signature, sizeof(signature), hex);
	json_put_text(o, "signature", hex);
	json_out_end(o);
	return 0;
}

/* GET /v1/tenant/isolation: probes the tenant's isolation and gives signed evidence of the outcome.
 */
int
api_get_tenant_isolation(struct req *rq, struct err *e)
{
	const struct api_options *a = &rq->api->o;
	struct isolation_report report;
	AUTO_BUF evidence = { 0 };
	struct json_out text;
	struct json_out *o;

	if (isolation_probe(a->db, rq->who.tenant, a->runs_dirfd, rq->mem, &report, e) < 0)
		return -1;
	buf_init(&evidence, EVIDENCE_MAX_BYTES);
	json_out_init(&text, &evidence);
	print_evidence(rq, &report, &text);
	if (buf_check(&evidence, e) < 0)
		return -1;
	o = reply_begin(rq);
	json_out_begin(o);
	json_put_raw(o, "evidence", evidence.p);
	if (print_signed(rq, evidence.p, evidence.n, o, e) < 0)
		return -1;
	json_out_end(o);
	return reply_json(rq, 200, e);
}
