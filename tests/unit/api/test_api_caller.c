/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/*
 * The order of dispatch, with a real server and a real pool.  Tenants, rates, the audit log and the
 * store of jobs are played: this program's own functions of those names come before the libraries'.
 */

#include <stdio.h>

#include "api_server.h"

#include "api.h"
#include "audit.h"
#include "err.h"
#include "job.h"
#include "lock.h"
#include "rate.h"
#include "tenant.h"
#include "work.h"

enum { NOTES_MAX = 8 };

/* Written by a test between requests, read and counted by the threads of the server. */
static struct {
	bool cached;    /* the loop can recall the caller */
	bool malformed; /* the credential can only be refused */
	enum err_code refused;
	const char *why; /* of the refusal */
	struct principal who;
	int recalls, authentications, taken, sources;
	bool rate_spent, source_spent, audit_broken;
	struct note {
		char action[32], resource[ID_STR_SIZE], denied[64];
		struct tenant_id tenant;
	} notes[NOTES_MAX];
	size_t n_notes;
	size_t jobs; /* in the list */
	struct scope scope;
} play;

int
tenants_recall(struct tenants *t, const struct credential *c, struct principal *ret, struct err *e)
{
	(void)t;
	play.recalls++;
	if (c->authorization == NULL || play.malformed)
		return err_set(e, ERR_UNAUTHENTICATED, "no");
	if (!play.cached)
		return 0;
	*ret = play.who;
	return 1;
}

int
tenants_authenticate(
    struct tenants *t, const struct credential *c, struct principal *ret, struct err *e)
{
	(void)t;
	play.authentications++;
	if (play.refused != ERR_NONE) {
		if (c->refusal != NULL)
			*c->refusal =
			    (struct credential_refusal){ .why = play.why, .who = play.who };
		return err_set(e, play.refused, "no");
	}
	*ret = play.who;
	return 0;
}

int
rates_take(struct rates *r, const struct principal *who, struct rate_state *ret, struct err *e)
{
	(void)r;
	assert_int_equal(uuid_cmp(who->tenant.uuid, play.who.tenant.uuid), 0);
	play.taken++;
	*ret = (struct rate_state){ .n = 2,
		.policies = {
		    { "tenant", 200, 2, play.rate_spent ? 0 : 150, 1, play.rate_spent },
		    { "key", 100, 2, 99, 1, false },
		} };
	if (!play.rate_spent)
		return 0;
	(void)err_set(e, ERR_RATE, "Too fast.");
	e->retry_after_s = 3;
	return -1;
}

int
rates_take_source(struct rates *r, const char *source, struct err *e)
{
	(void)r;
	assert_string_equal(source, "127.0.0.1");
	play.sources++;
	return play.source_spent ? err_set(e, ERR_RATE, "Too fast.") : 0;
}

int
audit_record(struct db *db, struct tenant_id tenant, const struct audit_note *n, struct arena *mem,
    struct err *e)
{
	struct note *note = &play.notes[play.n_notes];

	(void)db;
	(void)mem;
	if (play.audit_broken)
		return err_set(e, ERR_UNAVAILABLE, "the log is away");
	assert_true(play.n_notes < NOTES_MAX);
	assert_string_equal(n->by->source, "127.0.0.1");
	assert_string_equal(n->by->request_id, "the-request-id");
	note->tenant = tenant;
	(void)snprintf(note->action, sizeof(note->action), "%s", n->action);
	(void)snprintf(
	    note->resource, sizeof(note->resource), "%s", n->resource == NULL ? "" : n->resource);
	(void)snprintf(
	    note->denied, sizeof(note->denied), "%s", n->denied == NULL ? "" : n->denied);
	play.n_notes++;
	return 0;
}

/* Jobs 1 to play.jobs, the greatest first. */
int
job_list(struct db *db, struct tenant_id tenant, const struct scope *scope,
    const struct job_filter *f, struct arena *mem, struct job **ret, size_t *ret_n, bool *ret_more,
    struct err *e)
{
	size_t from = uuid_is_nil(f->before) ? play.jobs : (size_t)f->before.b[15] - 1, n = 0;
	struct job *rows = arena_array(mem, (size_t)f->limit, sizeof(*rows));

	(void)db;
	(void)tenant;
	(void)e;
	assert_non_null(rows);
	play.scope = *scope;
	for (size_t i = from; i > 0 && n < (size_t)f->limit; i--, n++) {
		rows[n] = (struct job){ .environment = "python", .labels = "{}" };
		rows[n].id.b[15] = (uint8_t)i;
	}
	*ret = rows;
	*ret_n = n;
	*ret_more = from > n;
	return 0;
}

int
job_get(struct db *db, struct tenant_id tenant, const struct scope *scope, struct uuid id,
    struct arena *mem, struct job *ret, struct err *e)
{
	(void)db;
	(void)tenant;
	(void)mem;
	if (!scope->everywhere || id.b[15] > play.jobs)
		return err_set(e, ERR_NOT_FOUND, "no");
	*ret = (struct job){ .id = id, .environment = "python", .labels = "{}", .manifest = "{}" };
	return 0;
}

/* --- the world -------------------------------------------------------------------------------- */

struct world {
	struct server server;
	struct work *work;
	struct api *api;
};

static int
start(void **state)
{
	static struct world w;
	struct api_options o = { .runs_dirfd = -1, .spool_dirfd = -1 };
	struct err e = { 0 };

	w = (struct world){ 0 };
	memset(&play, 0, sizeof(play));
	play.cached = true;
	play.who.kind = PRINCIPAL_KEY;
	play.who.tenant.uuid.b[15] = 9;
	play.who.key.b[15] = 8;
	assert_int_equal(work_new("test", 1, 4, &w.work, &e), 0);
	o.work = w.work;
	o.rates = (struct rates *)&w; /* only its absence is looked at */
	w.server.metrics = NULL;
	server_prepare(&w.server);
	o.metrics = w.server.metrics;
	assert_int_equal(api_new(&o, &w.api, &e), 0);
	server_start(&w.server, api_handle, api_refuse, w.api);
	*state = &w;
	return 0;
}

static int
stop(void **state)
{
	struct world *w = *state;

	api_drain(w->api);
	server_stop(&w->server);
	work_free(w->work);
	api_free(w->api);
	server_release(&w->server);
	return 0;
}

static void
ask(struct world *w, const char *method, const char *path, struct buf *in)
{
	server_ask(&w->server, method, path,
	    "Authorization: Bearer x\r\nX-Request-Id: the-request-id\r\n", in);
}

static void
allow(permission_set everywhere)
{
	play.who.grants.everywhere = everywhere;
}

/* --- who asks --------------------------------------------------------------------------------- */

static void
a_recalled_caller_is_not_looked_up_again(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	ask(w, "GET", "/v1/permissions", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 200"));
	assert_int_equal(play.authentications, 0);
	play.cached = false;
	ask(w, "GET", "/v1/permissions", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 200"));
	assert_int_equal(play.authentications, 1);
	/* Each request takes one token, whoever found out who asks. */
	assert_int_equal(play.taken, 2);
}

static void
public_routes_ask_nobody_who_asks(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	play.malformed = true;
	ask(w, "GET", "/problems", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 200"));
	assert_null(strstr(in.p, "Vary: Authorization"));
	assert_int_equal(play.recalls + play.authentications + play.taken, 0);
}

static void
refusals_of_a_credential_tell_nothing_but_401(void **state)
{
	struct world *w = *state;
	AUTO_BUF one, two;

	buf_init(&one, 1 << 20);
	buf_init(&two, 1 << 20);
	play.malformed = true;
	ask(w, "GET", "/v1/jobs", &one);
	play.malformed = false;
	play.cached = false;
	play.refused = ERR_UNAUTHENTICATED;
	ask(w, "GET", "/v1/jobs", &two);
	assert_non_null(strstr(one.p, "HTTP/1.1 401"));
	assert_non_null(strstr(one.p, "WWW-Authenticate: Bearer"));
	assert_string_equal(strstr(one.p, "\r\n\r\n"), strstr(two.p, "\r\n\r\n"));
	assert_int_equal(play.n_notes, 0);
	assert_int_equal(play.taken, 0);
}

static void
a_credential_that_was_good_once_is_told_of_in_its_tenants_log(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	play.cached = false;
	play.refused = ERR_UNAUTHENTICATED;
	play.why = "revoked";
	ask(w, "GET", "/v1/jobs", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 401"));
	assert_int_equal(play.n_notes, 1);
	assert_string_equal(play.notes[0].denied, "credential revoked");
	assert_string_equal(play.notes[0].action, "job:read");
	assert_int_equal(play.notes[0].tenant.uuid.b[15], 9);
}

/* --- what is allowed -------------------------------------------------------------------------- */

static void
a_lacking_permission_is_named_and_recorded(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	allow(PERM_BIT(PERM_JOB_CREATE));
	ask(w, "GET", "/v1/jobs/job_00000000000000000000000001/events", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 403"));
	assert_non_null(strstr(in.p, "\"code\":\"denied\""));
	assert_non_null(strstr(in.p, "job:read"));
	assert_int_equal(play.n_notes, 1);
	assert_string_equal(play.notes[0].action, "job:read");
	assert_string_equal(play.notes[0].denied, "needs job:read");
	assert_string_equal(play.notes[0].resource, "job_00000000000000000000000001");
}

static void
a_permission_in_one_project_opens_project_routes_alone(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	play.who.grants.n = 1;
	play.who.grants.in[0].project.b[15] = 5;
	play.who.grants.in[0].set = PERM_BIT(PERM_JOB_READ) | PERM_BIT(PERM_TENANT_READ);
	ask(w, "GET", "/v1/jobs", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 200"));
	assert_false(play.scope.everywhere);
	assert_int_equal(play.scope.n, 1);
	assert_int_equal(play.scope.projects[0].b[15], 5);
	ask(w, "GET", "/v1/tenant", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 403"));
}

static void
what_can_be_seen_but_not_ended_is_403_and_the_rest_404(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	play.jobs = 3;
	/* Somewhere, but not in the project of this job. */
	allow(PERM_BIT(PERM_JOB_READ));
	play.who.grants.n = 1;
	play.who.grants.in[0].project.b[15] = 5;
	play.who.grants.in[0].set = PERM_BIT(PERM_JOB_CANCEL);
	ask(w, "POST", "/v1/jobs/job_00000000000000000000000003/cancel", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 403"));
	assert_non_null(strstr(in.p, "job:cancel in the project"));
	assert_int_equal(play.n_notes, 1);
	assert_string_equal(play.notes[0].denied, "needs job:cancel");
	ask(w, "POST", "/v1/jobs/job_00000000000000000000000004/cancel", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 404"));
	assert_int_equal(play.n_notes, 1);
}

static void
a_denial_that_cannot_be_recorded_is_not_told(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	play.audit_broken = true;
	ask(w, "GET", "/v1/jobs", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 503"));
	assert_null(strstr(in.p, "job:read"));
}

static void
permission_comes_before_accept_body_and_path(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	server_ask(&w->server, "GET", "/v1/jobs/job_1/events",
	    "Authorization: Bearer x\r\nX-Request-Id: the-request-id\r\nAccept: image/png\r\n",
	    &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 403"));
	assert_string_equal(play.notes[0].resource, "");
	allow(PERM_BIT(PERM_JOB_READ));
	server_ask(&w->server, "GET", "/v1/jobs/job_1/events",
	    "Authorization: Bearer x\r\nX-Request-Id: the-request-id\r\nAccept: image/png\r\n",
	    &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 406"));
	ask(w, "GET", "/v1/jobs/job_1/events?x=1", &in);
	assert_non_null(strstr(in.p, "\"code\":\"bad-id\""));
	ask(w, "GET", "/v1/jobs/job_00000000000000000000000001/events?x=1", &in);
	assert_non_null(strstr(in.p, "\"code\":\"bad-parameter\""));
}

static void
changes_are_merge_patches_or_plain_json(void **state)
{
	static const char *const other[] = { "", "Content-Type: text/plain\r\n",
		"Content-Type: application/json-patch+json\r\n",
		"Content-Type: application/merge-patch+json; charset=latin-1\r\n",
		"Content-Type: application/json\r\nContent-Encoding: gzip\r\n" };
	static const char *const good[] = { "application/json",
		"application/merge-patch+json; charset=utf-8", "APPLICATION/Merge-Patch+JSON" };
	struct world *w = *state;
	char fields[256];
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	allow(PERM_BIT(PERM_TENANT_UPDATE) | PERM_BIT(PERM_JOB_CREATE));
	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		(void)snprintf(fields, sizeof(fields),
		    "Authorization: Bearer x\r\nContent-Length: 2\r\n%s\r\n{}", other[i]);
		server_ask(&w->server, "PATCH", "/v1/tenant", fields, &in);
		assert_non_null(strstr(in.p, "HTTP/1.1 415"));
		assert_non_null(strstr(
		    in.p, "Accept-Patch: application/merge-patch+json, application/json\r\n"));
		server_ask(&w->server, "POST", "/v1/jobs", fields, &in);
		assert_non_null(strstr(in.p, "Accept-Post: application/json\r\n"));
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		(void)snprintf(fields, sizeof(fields),
		    "Authorization: Bearer x\r\nContent-Length: 9\r\nContent-Type: %s\r\n\r\n"
		    "{\"id\": 1}",
		    good[i]);
		server_ask(&w->server, "PATCH", "/v1/tenant", fields, &in);
		assert_non_null(strstr(in.p, "HTTP/1.1 422"));
		assert_non_null(strstr(in.p, "\"pointer\":\"/id\""));
	}
	/* A merge patch makes no job. */
	server_ask(&w->server, "POST", "/v1/jobs",
	    "Authorization: Bearer x\r\nContent-Length: 2\r\nContent-Type: "
	    "application/merge-patch+json\r\n\r\n{}",
	    &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 415"));
}

/* --- support ---------------------------------------------------------------------------------- */

static void
whatever_an_operator_looks_at_is_recorded(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	allow(PERM_BIT(PERM_JOB_READ));
	ask(w, "GET", "/v1/jobs", &in);
	assert_int_equal(play.n_notes, 0);
	play.who.kind = PRINCIPAL_SUPPORT;
	ask(w, "GET", "/v1/jobs", &in);
	ask(w, "GET", "/v1/jobs/job_00000000000000000000000001", &in);
	ask(w, "GET", "/v1/permissions", &in);
	assert_int_equal(play.n_notes, 3);
	assert_string_equal(play.notes[0].action, "job:read");
	assert_string_equal(play.notes[0].denied, "");
	assert_string_equal(play.notes[1].resource, "job_00000000000000000000000001");
	assert_string_equal(play.notes[1].denied, "not-found");
	assert_string_equal(play.notes[2].action, "self:read");
	play.audit_broken = true;
	ask(w, "GET", "/v1/jobs", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 503"));
}

/* --- rates ------------------------------------------------------------------------------------ */

static void
answers_tell_what_is_left(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	allow(PERM_BIT(PERM_JOB_READ));
	ask(w, "GET", "/v1/jobs", &in);
	assert_non_null(
	    strstr(in.p, "RateLimit-Policy: \"tenant\";q=200;w=2, \"key\";q=100;w=2\r\n"));
	assert_non_null(strstr(in.p, "RateLimit: \"tenant\";r=150;t=1, \"key\";r=99;t=1\r\n"));
	assert_non_null(strstr(in.p, "Vary: Authorization\r\n"));
	/* Problems, too. */
	ask(w, "GET", "/v1/jobs?limit=0", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 400"));
	assert_non_null(strstr(in.p, "RateLimit: \"tenant\";r=150"));
}

static void
a_caller_without_tokens_is_refused_with_the_limit_and_the_delay(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	allow(PERM_BIT(PERM_JOB_READ));
	play.rate_spent = true;
	for (int cached = 0; cached < 2; cached++) {
		play.cached = cached != 0;
		ask(w, "GET", "/v1/jobs", &in);
		assert_non_null(strstr(in.p, "HTTP/1.1 429"));
		assert_non_null(strstr(in.p, "\"code\":\"rate-limited\""));
		assert_non_null(strstr(in.p, "\"violated_policies\":[\"tenant\"]"));
		assert_non_null(strstr(in.p, "Retry-After: 3\r\n"));
		assert_non_null(strstr(in.p, "RateLimit: \"tenant\";r=0;t=1"));
	}
	assert_int_equal(play.n_notes, 0);
}

static void
a_source_is_counted_before_anything_is_known_of_it_but_probes_are_not(void **state)
{
	struct world *w = *state;
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	play.source_spent = true;
	ask(w, "GET", "/v1/jobs", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 429"));
	assert_non_null(strstr(in.p, "Retry-After: 1\r\n"));
	assert_null(strstr(in.p, "violated_policies"));
	ask(w, "GET", "/nowhere", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 429"));
	assert_int_equal(play.recalls, 0);
	ask(w, "GET", "/livez", &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 200"));
	assert_int_equal(play.sources, 2);
}

/* --- pages ------------------------------------------------------------------------------------ */

/* The value of next_cursor, or "" at the end. */
static void
cursor_of(const char *body, char out[static 512])
{
	const char *at = strstr(body, "\"next_cursor\":\"");

	out[0] = '\0';
	if (at == NULL)
		return;
	at += strlen("\"next_cursor\":\"");
	(void)snprintf(out, 512, "%.*s", (int)strcspn(at, "\""), at);
}

static void
a_cursor_leads_to_the_next_page_with_the_same_filters(void **state)
{
	struct world *w = *state;
	char cursor[512], path[1024];
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	allow(PERM_BIT(PERM_JOB_READ));
	play.jobs = 5;
	ask(w, "GET", "/v1/jobs?limit=2&environment=python&label.a%20b=c%26d", &in);
	assert_non_null(strstr(in.p, "job_00000000000000000000000005"));
	assert_non_null(strstr(in.p, "\"has_more\":true"));
	cursor_of(in.p, cursor);
	(void)snprintf(path, sizeof(path),
	    "Link: </v1/jobs?environment=python&label.a%%20b=c%%26d&limit=2&cursor=%s>; "
	    "rel=\"next\"\r\n",
	    cursor);
	assert_non_null(strstr(in.p, path));
	/* The order of the parameters is free. */
	(void)snprintf(path, sizeof(path),
	    "/v1/jobs?cursor=%s&label.a%%20b=c%%26d&limit=9&environment=python", cursor);
	ask(w, "GET", path, &in);
	assert_null(strstr(in.p, "job_00000000000000000000000004"));
	assert_non_null(strstr(in.p, "job_00000000000000000000000003"));
	assert_non_null(strstr(in.p, "job_00000000000000000000000001"));
	assert_non_null(strstr(in.p, "\"next_cursor\":null,\"has_more\":false"));
	assert_null(strstr(in.p, "Link:"));
}

static void
a_cursor_fits_no_other_filter_tenant_or_list(void **state)
{
	static const char *const others[] = {
		"",
		"&environment=perl",
		"&environment=python&state=queued",
	};
	struct world *w = *state;
	char cursor[512], path[1024];
	AUTO_BUF in;

	buf_init(&in, 1 << 20);
	allow(PERM_BIT(PERM_JOB_READ));
	play.jobs = 5;
	ask(w, "GET", "/v1/jobs?limit=2&environment=python", &in);
	cursor_of(in.p, cursor);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		(void)snprintf(path, sizeof(path), "/v1/jobs?cursor=%s%s", cursor, others[i]);
		ask(w, "GET", path, &in);
		assert_non_null(strstr(in.p, "\"code\":\"bad-cursor\""));
	}
	(void)snprintf(path, sizeof(path), "/v1/jobs?environment=python&cursor=%s", cursor);
	ask(w, "GET", path, &in);
	assert_non_null(strstr(in.p, "HTTP/1.1 200"));
	play.who.tenant.uuid.b[15] = 10;
	ask(w, "GET", path, &in);
	assert_non_null(strstr(in.p, "\"code\":\"bad-cursor\""));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(a_recalled_caller_is_not_looked_up_again),
		TEST(public_routes_ask_nobody_who_asks),
		TEST(refusals_of_a_credential_tell_nothing_but_401),
		TEST(a_credential_that_was_good_once_is_told_of_in_its_tenants_log),
		TEST(a_lacking_permission_is_named_and_recorded),
		TEST(a_permission_in_one_project_opens_project_routes_alone),
		TEST(what_can_be_seen_but_not_ended_is_403_and_the_rest_404),
		TEST(a_denial_that_cannot_be_recorded_is_not_told),
		TEST(permission_comes_before_accept_body_and_path),
		TEST(changes_are_merge_patches_or_plain_json),
		TEST(whatever_an_operator_looks_at_is_recorded),
		TEST(answers_tell_what_is_left),
		TEST(a_caller_without_tokens_is_refused_with_the_limit_and_the_delay),
		TEST(a_source_is_counted_before_anything_is_known_of_it_but_probes_are_not),
		TEST(a_cursor_leads_to_the_next_page_with_the_same_filters),
		TEST(a_cursor_fits_no_other_filter_tenant_or_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
