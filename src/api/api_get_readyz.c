/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_query_internal.h"

#include "clock.h"
#include "http.h"
#include "net.h"

#include <string.h>

/* Probes come from several places every few seconds; one question a second is answer enough. */
enum { PING_FRESH_MS = 1000 };

/* Never from two workers at once: while the database hangs, the others keep serving. */
static bool
database_ready(struct api *api)
{
	struct err e = { 0 };
	bool ask, ok;

	lock_take(&api->lock);
	ask = !api->pinging &&
	      (api->pinged_ms == 0 || clock_mono_ms() - api->pinged_ms > PING_FRESH_MS);
	api->pinging = api->pinging || ask;
	ok = api->ping_ok;
	lock_give(&api->lock);
	if (!ask)
		return ok;
	ok = db_ping(api->o.db, &e) == 0;
	if (!ok)
		log_err(&api->o.log, LOG_LEVEL_WARN, &e, "database not ready");
	lock_take(&api->lock);
	api->pinging = false;
	api->ping_ok = ok;
	api->pinged_ms = clock_mono_ms();
	lock_give(&api->lock);
	return ok;
}

/* --- who may see more --------------------------------------------------------------------------
 *
 * Anybody may ask whether the server is ready, and which of its two necessary parts is not:
 * balancers hold no credential.  What walls sandboxes lack, how full the disk is and which version
 * runs would help nobody more than who looks for a way in.  So those are for operators, and for
 * callers on this machine: they are asked for most when the database is away, and then no
 * credential can be checked.
 */

/* A request that came over this machine's loopback and, as far as anybody can tell, no further: a
 * proxy in front is on the loopback, too, but says so. */
static bool
is_local(const struct req *rq)
{
	static const char *const forwarded[] = { "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP",
		"Forwarded", "Via" };
	static const struct net_addr v6 = { { [15] = 1 } };
	const struct net_addr *peer = http_req_peer_addr(rq->http);

	for (size_t i = 0; i < ARRAY_LEN(forwarded); i++)
		if (http_req_header(rq->http, forwarded[i]) != NULL)
			return false;
	return net_addr_equal(peer, &v6) || (net_addr_is_v4(peer) && peer->bytes[12] == 127);
}

/* Only while the database is there: a look-up that waits for it would hold a worker. */
static bool
is_operator(struct req *rq)
{
	const struct credential c = { .authorization = http_req_header(rq->http, "Authorization"),
		.source = rq->peer };
	struct principal who;
	struct err refused = { 0 };

	return c.authorization != NULL &&
	       tenants_authenticate(rq->api->o.tenants, &c, &who, &refused) == 0 &&
	       principal_may(&who, PERM_TENANTS_READ);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void
print_texts(struct json_out *o, const char *key, size_t n, const char *const *texts)
{
	json_out_key(o, key);
	json_out_begin_array(o);
	for (size_t i = 0; i < n; i++)
		json_out_text(o, texts[i]);
	json_out_end_array(o);
}

static void
print_part(struct json_out *o, const struct api_part *p)
{
	json_out_begin(o);
	json_put_text(o, "name", p->name);
	json_put_bool(o, "ok", p->ok);
	if (p->why != NULL)
		json_put_text(o, "detail", p->why);
	if (p->can_be_weak) {
		print_texts(o, "weak", p->n_weak, p->weak);
		print_texts(o, "fixes", p->n_weak, p->fixes);
	}
	for (size_t i = 0; i < p->n_figures; i++)
		json_put_i64(o, p->figures[i].name, p->figures[i].value);
	json_out_end(o);
}

static void
print_check(struct json_out *o, const char *name, bool ok, const char *why)
{
	const struct api_part p = { .name = name, .ok = ok, .why = ok ? NULL : why };

	print_part(o, &p);
}

struct readiness {
	bool database, scheduler;
	const char *why; /* the scheduler is not */
};

static void
print_verbose(struct req *rq, struct json_out *o, const struct readiness *r)
{
	struct api *api = rq->api;
	struct api_health health = { 0 };

	if (is_local(rq) || (r->database && is_operator(rq))) {
		api->o.health(api->o.ctx, &health);
		json_put_text(o, "version", health.version);
	}
	json_out_key(o, "checks");
	json_out_begin_array(o);
	print_check(o, "database", r->database, "the database does not answer");
	print_check(o, "scheduler", r->scheduler, r->why);
	for (size_t i = 0; i < health.n; i++)
		print_part(o, &health.parts[i]);
	json_out_end_array(o);
}

/* GET /readyz: whether requests can be served; ?verbose says what is missing. */
int
api_get_readyz(struct req *rq, struct err *e)
{
	struct json_out *o = reply_begin(rq);
	struct readiness r = { .why = "the server is shutting down" };
	bool verbose = false;
	const struct query_param params[] = {
		QUERY_PARAM("verbose", FLAG, 0, 0, &verbose),
		QUERY_PARAMS_END,
	};

	if (query_decode(http_req_query(rq->http), params, rq->mem, e) < 0)
		return -1;
	r.database = database_ready(rq->api);
	r.scheduler = !atomic_load(&rq->api->draining) && rq->api->o.ready(rq->api->o.ctx, &r.why);
	json_out_begin(o);
	json_put_text(o, "status", r.database && r.scheduler ? "ok" : "unavailable");
	if (verbose)
		print_verbose(rq, o, &r);
	json_out_end(o);
	return reply_json(rq, r.database && r.scheduler ? 200 : 503, e);
}
