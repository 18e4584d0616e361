/* SPDX-License-Identifier: Apache-2.0 */
#include "api_follow_internal.h"
#include "api_internal.h"

#include "work.h"

#include <string.h>

/* Embedded from openapi.json. */
extern const unsigned char api_openapi_json[];

enum { ASK_ARENA_BYTES = 4 << 20 /* one job with its manifest */, STATUS_OURS = 500 };

/* Runs on the follower's thread. */
static bool
is_known(void *ctx, const struct follow_target *t)
{
	const struct credential c = { .authorization = t->authorization, .source = t->source };
	struct api *api = ctx;

	return tenants_known(api->o.tenants, &c);
}

/* Where the caller may see jobs now; what refuses it takes the job out of its sight. */
static int
scope_now(struct api *api, const struct follow_target *t, struct scope *ret, struct err *e)
{
	const struct credential c = { .authorization = t->authorization, .source = t->source };
	struct principal who;

	if (tenants_authenticate(api->o.tenants, &c, &who, e) == 0) {
		/* A token of an issuer that several tenants trust may be another one's by now. */
		if (uuid_cmp(who.tenant.uuid, t->tenant.uuid) != 0)
			who.grants = (struct grants){ 0 };
		principal_scope(&who, PERM_JOB_READ, ret);
		return 0;
	}
	if (err_http_status(e->code) < STATUS_OURS)
		return err_set(e, ERR_NOT_FOUND, "the caller may not see the job any more");
	return -1;
}

/* Runs on the follower's thread. */
static int
ask_job(void *ctx, const struct follow_target *t, struct follow_answer *ret, struct err *e)
{
	struct api *api = ctx;
	AUTO(arena) mem = arena_new(ASK_ARENA_BYTES);
	struct scope scope;
	struct job job;

	if (mem == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory to look up a job");
	if (scope_now(api, t, &scope, e) < 0 ||
	    job_get(api->o.db, t->tenant, &scope, t->job, mem, &job, e) < 0)
		return -1;
	*ret = (struct follow_answer){
		.state = job.state, .epoch = job.epoch, .attempt = job.attempt
	};
	return 0;
}

/* A parked request goes on in the pool; when that is full it is refused like a new one. */
static void
resume(void *ctx, struct req *rq)
{
	struct err e = { 0 };

	(void)ctx; /* the request knows its API */
	if (req_push(rq, req_resume, &e) < 0) {
		reply_problem(rq, &e);
		req_send(rq);
	}
}

int
api_new(const struct api_options *o, struct api **ret, struct err *e)
{
	struct api *api = calloc(1, sizeof(*api));
	struct follow_options follow = { .runs_dirfd = o->runs_dirfd,
		.log = o->log,
		.known = is_known,
		.ask = ask_job,
		.resume = resume,
		.ctx = api };

	if (api == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for the API");
	api->o = *o;
	lock_init(&api->lock);
	atomic_init(&api->draining, false);
	api->openapi_n = strlen((const char *)api_openapi_json);
	etag_of(api_openapi_json, api->openapi_n, api->openapi_etag);
	if (follow_new(&follow, &api->follow, e) < 0) {
		api_free(api);
		return -1;
	}
	*ret = api;
	return 0;
}

void
api_drain(struct api *api)
{
	atomic_store(&api->draining, true);
	follow_drain(api->follow);
}

void
api_free(struct api *api)
{
	if (api == NULL)
		return;
	follow_free(api->follow);
	lock_done(&api->lock);
	free(api);
}
