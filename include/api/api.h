/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_H
#define API_H

/*
 * The REST API: route table, dispatch (id, route, credential, permission, body, handler, reply,
 * one log line) and one file per endpoint.  api_handle and api_refuse run on the HTTP loop and
 * never block; handlers run on the work pool.
 */

#include "base.h"
#include "err.h"
#include "id.h"
#include "log.h"

#include <stdbool.h>
#include <stdint.h>

struct api;
struct arena;
struct audit_desk;
struct db;
struct environments;
struct http_req;
struct job_limits;
struct job_sample;
struct job_quota_defaults;
struct metrics;
struct quota_amounts;
struct quota_amounts;
struct rates;
struct sign_key;
struct tenants;
struct work;

/* Parts of the server for /readyz?verbose.  All texts are static. */
enum { API_PARTS_MAX = 8, API_WEAK_MAX = 8, API_FIGURES_MAX = 3 };
struct api_part {
	const char *name;
	bool ok;
	const char *why;                 /* NULL: nothing to say */
	const char *weak[API_WEAK_MAX];  /* words for what it lacks while it works */
	const char *fixes[API_WEAK_MAX]; /* one for each */
	size_t n_weak;
	bool can_be_weak; /* an empty list says something */
	struct {
		const char *name;
		int64_t value;
	} figures[API_FIGURES_MAX];
	size_t n_figures;
};
struct api_health {
	const char *version;
	struct api_part parts[API_PARTS_MAX];
	size_t n;
};

struct api_options {
	struct db *db;
	struct tenants *tenants;
	const struct environments *environments;
	const struct job_limits *limits; /* outlives the API; so do the next two */
	const struct job_quota_defaults *job_quota;
	const struct quota_amounts *quotas;  /* defaults of limits */
	struct audit_desk *audit;            /* outlives the API */
	const struct sign_key *evidence_key; /* the same */
	struct metrics *metrics;
	struct rates *rates; /* NULL: requests are not limited */
	struct work *work;
	int runs_dirfd;  /* stays the caller's */
	int spool_dirfd; /* for unlinked temporary files of exports; stays the caller's */
	uint8_t cursor_key[32];
	struct log log;
	void (*wake)(void *ctx);                        /* a job was queued or canceled */
	bool (*ready)(void *ctx, const char **ret_why); /* beyond the database */
	/* The parts of the server beside the database and the scheduler; on a worker, may block. */
	void (*health)(void *ctx, struct api_health *ret);
	/* What an attempt that goes on in this node has used so far, oldest first, in mem; none
	 * when it goes on elsewhere.  May block. */
	int (*samples)(void *ctx, struct tenant_id tenant, struct uuid job, int64_t epoch,
	    struct arena *mem, struct job_sample **ret, size_t *ret_n, struct err *e);
	void *ctx;
};
int api_new(const struct api_options *o, struct api **ret, struct err *e) MUST_CHECK;
/* Ends log followers; after it new requests are answered 503. */
void api_drain(struct api *a);
void api_free(struct api *a); /* after the HTTP server and the pool have stopped; accepts NULL */
void api_handle(void *api, struct http_req *req);
void api_refuse(void *api, struct http_req *req, const struct err *e);

#endif
