/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller of a request: who it is, how much it may ask, what it may do, and what the audit log
 * has to know of it.  Stores write what they change; written here is what no store sees: refusals,
 * sensitive reads, and whatever operators look at in a tenant that is not theirs.
 */

#include "api_internal.h"

#include "audit.h"
#include "http.h"
#include "rate.h"

#include <stdio.h>
#include <string.h>

enum { DENIED_SIZE = 64, STATUS_DENIED = 403 };

/* How the audit log calls what a route does. */
static const char *
action_of(const struct route *r)
{
	enum permission perm = route_permission(r);

	return perm == PERM_NONE ? "self:read" : permission_name(perm);
}

/* --- credential ------------------------------------------------------------------------------- */

static struct credential
credential_of(const struct req *rq, struct credential_refusal *refusal)
{
	return (struct credential){ .authorization = http_req_header(rq->http, "Authorization"),
		.source = rq->peer,
		.refusal = refusal };
}

static void
known(struct req *rq)
{
	rq->authenticated = true;
	rq->caller = (struct caller){ .who = &rq->who, .request_id = rq->id, .source = rq->peer };
}

int
req_recall(struct req *rq, struct err *e)
{
	const struct credential c = credential_of(rq, NULL);
	int rc;

	if (rq->route->access == ROUTE_MAY_PUBLIC)
		return 0;
	rc = tenants_recall(rq->api->o.tenants, &c, &rq->who, e);
	if (rc <= 0)
		return rc;
	known(rq);
	return req_rate(rq, e);
}

/* What is tried with a credential that was good once is something for its tenant to know. */
static int
record_refusal(struct req *rq, const struct credential_refusal *r, struct err *e)
{
	const struct caller by = { .who = &r->who, .request_id = rq->id, .source = rq->peer };
	char denied[DENIED_SIZE];
	const struct audit_note note = {
		.by = &by, .action = action_of(rq->route), .denied = denied
	};

	(void)snprintf(denied, sizeof(denied), "credential %s", r->why); /* one word */
	return audit_record(rq->api->o.db, r->who.tenant, &note, rq->mem, e);
}

int
req_authenticate(struct req *rq, struct err *e)
{
	struct credential_refusal refusal = { 0 };
	const struct credential c = credential_of(rq, &refusal);
	struct err why = { 0 };

	if (rq->route->access == ROUTE_MAY_PUBLIC || rq->authenticated)
		return 0;
	if (tenants_authenticate(rq->api->o.tenants, &c, &rq->who, e) < 0) {
		if (refusal.why != NULL && record_refusal(rq, &refusal, &why) < 0)
			*e = why;
		return -1;
	}
	known(rq);
	return rq->resumed ? 0 : req_rate(rq, e);
}

/* --- rates ------------------------------------------------------------------------------------ */

enum { RATE_TEXT_MAX = 256 /* two policies of a name and two numbers */ };

/* The structured fields of draft-ietf-httpapi-ratelimit-headers. */
static int
put_rate_headers(struct req *rq, const struct rate_state *s, struct err *e)
{
	AUTO_BUF policy = { 0 }, left = { 0 };

	buf_init(&policy, RATE_TEXT_MAX);
	buf_init(&left, RATE_TEXT_MAX);
	for (size_t i = 0; i < s->n; i++) {
		const struct rate_policy *p = &s->policies[i];
		const char *comma = i == 0 ? "" : ", ";

		buf_printf(&policy, "%s\"%s\";q=%lld;w=%lld", comma, p->name, (long long)p->quota,
		    (long long)p->window_s);
		buf_printf(&left, "%s\"%s\";r=%lld;t=%lld", comma, p->name, (long long)p->remaining,
		    (long long)p->reset_s);
	}
	if (s->n == 0)
		return 0;
	if (buf_check(&policy, e) < 0 || buf_check(&left, e) < 0 ||
	    reply_header(rq, "RateLimit-Policy", policy.p, e) < 0)
		return -1;
	return reply_header(rq, "RateLimit", left.p, e);
}

static void
note_violated(struct req *rq, const struct rate_state *s)
{
	AUTO_BUF b = { 0 };

	buf_init(&b, RATE_TEXT_MAX);
	for (size_t i = 0; i < s->n; i++)
		if (s->policies[i].violated)
			buf_printf(&b, "%c\"%s\"", b.n == 0 ? '[' : ',', s->policies[i].name);
	buf_char(&b, ']');
	if (b.n > 1 && !b.failed)
		rq->violated = arena_strdup(rq->mem, b.p); /* NULL leaves the member out */
}

int
req_rate(struct req *rq, struct err *e)
{
	struct rate_state s = { 0 };
	struct err why = { 0 };
	int rc;

	if (rq->api->o.rates == NULL)
		return 0;
	rc = rates_take(rq->api->o.rates, &rq->who, &s, e);
	if (rc == 0)
		return put_rate_headers(rq, &s, e);
	note_violated(rq, &s);
	if (put_rate_headers(rq, &s, &why) < 0)
		log_err(&rq->api->o.log, LOG_LEVEL_WARN, &why, "rate headers left out");
	return -1;
}

/* --- permission ------------------------------------------------------------------------------- */

static int
lack(struct req *rq, enum permission perm, const char *where, struct err *e)
{
	rq->lacking = perm;
	return err_set(e, ERR_DENIED,
	    "This needs the permission %s%s, which the credential does not have; ask for a role "
	    "that has it.",
	    permission_name(perm), where);
}

int
req_may(struct req *rq, enum permission perm, struct err *e)
{
	return principal_may(&rq->who, perm) ? 0 : lack(rq, perm, "", e);
}

int
req_may_in(struct req *rq, enum permission perm, struct uuid project, struct err *e)
{
	if (principal_may_in(&rq->who, perm, project))
		return 0;
	return lack(rq, perm, " in the project", e);
}

int
req_permit(struct req *rq, struct err *e)
{
	enum permission perm = route_permission(rq->route);
	bool may;

	if (perm == PERM_NONE)
		return 0;
	may = permission_level(perm) == PERM_LEVEL_PROJECT ? principal_may_somewhere(&rq->who, perm)
							   : principal_may(&rq->who, perm);
	if (!may)
		return lack(rq, perm, "", e);
	principal_scope(&rq->who, perm, &rq->scope);
	return 0;
}

struct identity_ask
req_ask(const struct req *rq)
{
	return (struct identity_ask){ .db = rq->api->o.db,
		.tenant = rq->who.tenant,
		.by = &rq->caller,
		.quotas = rq->api->o.quotas,
		.mem = rq->mem };
}

/* --- audit ------------------------------------------------------------------------------------ */

/* The innermost id of the path; NULL without one. */
static const char *
resource_of(struct req *rq, char out[static ID_STR_SIZE])
{
	const char *found = NULL;

	/* A refusal for want of a permission comes before the path is read.  What is malformed
	 * there names no resource. */
	if (rq->n_args < rq->match.n && req_read_args(rq, &(struct err){ 0 }) < 0)
		return NULL;
	for (size_t i = 0; i < rq->n_args; i++)
		if (rq->args[i].prefix != NULL)
			found = id_format(rq->args[i].prefix, rq->args[i].id, out);
	return found;
}

/* Whether nobody else records the request. */
static bool
worth_recording(const struct req *rq, int rc, const struct err *why)
{
	bool read = rq->route->method == ROUTE_GET;

	if (rc < 0 && err_http_status(why->code) == STATUS_DENIED)
		return true;
	if (rq->who.kind == PRINCIPAL_SUPPORT)
		return read || rc < 0 || rq->route->access == ROUTE_MAY_ANYONE;
	return rc == 0 && read && (rq->route->flags & ROUTE_SENSITIVE) != 0;
}

int
req_record(struct req *rq, int rc, const struct err *why, struct err *e)
{
	char resource[ID_STR_SIZE], denied[DENIED_SIZE];
	struct audit_note note = { .by = &rq->caller };

	if (!rq->authenticated || rq->route == NULL || !worth_recording(rq, rc, why))
		return 0;
	if (why->code == ERR_DENIED && rq->lacking != PERM_NONE)
		(void)snprintf(denied, sizeof(denied), "needs %s", permission_name(rq->lacking));
	else if (rc < 0)
		(void)snprintf(denied, sizeof(denied), "%s", err_slug(why->code));
	note.action = action_of(rq->route);
	note.resource = resource_of(rq, resource);
	note.denied = rc < 0 ? denied : NULL;
	return audit_record(rq->api->o.db, rq->who.tenant, &note, rq->mem, e);
}
