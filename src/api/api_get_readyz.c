/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_query_internal.h"

#include "clock.h"
#include "http.h"

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

static void
print_check(struct json_out *o, const char *name, bool ok, const char *why)
{
	json_out_begin(o);
	json_put_text(o, "name", name);
	json_put_bool(o, "ok", ok);
	if (!ok)
		json_put_text(o, "detail", why);
	json_out_end(o);
}

/* GET /readyz: whether requests can be served; ?verbose says what is missing. */
int
api_get_readyz(struct req *rq, struct err *e)
{
	struct json_out *o = reply_begin(rq);
	const char *why = "the server is shutting down";
	bool verbose = false, database, scheduler;
	const struct query_param params[] = {
		QUERY_PARAM("verbose", FLAG, 0, 0, &verbose),
		QUERY_PARAMS_END,
	};

	if (query_decode(http_req_query(rq->http), params, rq->mem, e) < 0)
		return -1;
	database = database_ready(rq->api);
	scheduler = !atomic_load(&rq->api->draining) && rq->api->o.ready(rq->api->o.ctx, &why);
	json_out_begin(o);
	json_put_text(o, "status", database && scheduler ? "ok" : "unavailable");
	if (verbose) {
		json_out_key(o, "checks");
		json_out_begin_array(o);
		print_check(o, "database", database, "the database does not answer");
		print_check(o, "scheduler", scheduler, why);
		json_out_end_array(o);
	}
	json_out_end(o);
	return reply_json(rq, database && scheduler ? 200 : 503, e);
}
