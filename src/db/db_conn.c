/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pooled connection: always in pipeline mode, all statements of its role prepared, one
 * conversation (steps, one Sync) at a time.  Whatever goes wrong in the middle of a conversation
 * breaks the connection: nothing later can be mistaken for an answer to something earlier.
 */
#include "db_internal.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
	PAUSE_FIRST_MS = 10,
	PAUSE_MAX_MS = 500, /* a server that restarts is back in one or two seconds */
	VERSION_MIN = 150000,
};

/* --- a conversation --------------------------------------------------------------------------- */

static int
send_step(PGconn *pg, const struct db_step *s)
{
	static const struct db_params none;
	const struct db_params *p = s->params == NULL ? &none : s->params;

	switch (s->kind) {
	case DB_STEP_RUN:
		return PQsendQueryPrepared(
		    pg, s->stmt->name, p->n, p->values, p->lengths, p->formats, 1);
	case DB_STEP_PREPARE:
		return PQsendPrepare(pg, s->stmt->name, s->stmt->text, 0, NULL);
	case DB_STEP_DESCRIBE:
		return PQsendDescribePrepared(pg, s->stmt->name);
	case DB_STEP_FLUSH:
		return PQsendFlushRequest(pg);
	}
	return 0;
}

static int
out_of_turn(struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE, "the database answered out of turn; try again");
}

/* A fault without the server's code is the library's own: it had no memory for what the server
 * said, which may have been that all is stored.  That is as if nothing had been heard. */
static bool
is_unheard(const PGresult *r)
{
	return PQresultStatus(r) == PGRES_FATAL_ERROR &&
	       PQresultErrorField(r, PG_DIAG_SQLSTATE) == NULL;
}

/* A step is answered by one result and the NULL that ends it. */
static int
read_step(PGconn *pg, struct db_step *s, struct deadline d, struct err *e)
{
	PGresult *end = NULL;

	if (s->kind == DB_STEP_FLUSH)
		return 0;
	if (db_wire_result(pg, d, &s->result, e) < 0 || db_wire_result(pg, d, &end, e) < 0)
		return -1;
	if (s->result == NULL || end != NULL) {
		PQclear(end);
		return out_of_turn(e);
	}
	if (!is_unheard(s->result))
		return 0;
	PQclear(s->result);
	s->result = NULL;
	return err_set(e, ERR_UNAVAILABLE, "the database's answer was lost; try again");
}

static int
read_sync(PGconn *pg, struct deadline d, struct err *e)
{
	AUTO_RESULT r = NULL;

	if (db_wire_result(pg, d, &r, e) < 0)
		return -1;
	return PQresultStatus(r) == PGRES_PIPELINE_SYNC ? 0 : out_of_turn(e);
}

static int
converse(PGconn *pg, struct db_step *steps, size_t n, struct deadline d, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (send_step(pg, &steps[i]) == 0)
			return err_set(e, ERR_UNAVAILABLE,
			    "the connection to the database was lost; try again");
	}
	if (PQpipelineSync(pg) == 0)
		return err_set(
		    e, ERR_UNAVAILABLE, "the connection to the database was lost; try again");
	for (size_t i = 0; i < n; i++) {
		if (read_step(pg, &steps[i], d, e) < 0)
			return -1;
	}
	return read_sync(pg, d, e);
}

int
db_conn_exchange(struct db_pool *pool, struct db_conn *c, struct db_step *steps, size_t n,
    struct deadline d, struct err *e)
{
	REQUIRE(c->pg != NULL);
	REQUIRE(!c->broken);
	if (converse(c->pg, steps, n, d, e) == 0)
		return 0;
	c->broken = true;
	db_observe(pool->db, e->code == ERR_TIMEOUT ? "deadline" : "connect", -1);
	return -1;
}

size_t
db_steps_fault(const struct db_step *steps, size_t n)
{
	size_t i = 0;

	while (i < n) {
		ExecStatusType status = PQresultStatus(steps[i].result);

		/* What follows the first failure is only skipped (PGRES_PIPELINE_ABORTED). */
		if (steps[i].kind != DB_STEP_FLUSH && status != PGRES_COMMAND_OK &&
		    status != PGRES_TUPLES_OK)
			break;
		i++;
	}
	return i;
}

void
db_steps_clear(struct db_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		PQclear(steps[i].result);
		steps[i].result = NULL;
	}
}

/* --- joining a pool --------------------------------------------------------------------------- */

static int
check_server(const struct db_pool *pool, PGconn *pg, struct err *e)
{
	const char *super = PQparameterStatus(pg, "is_superuser");
	const char *who = PQparameterStatus(pg, "session_authorization");

	if (PQserverVersion(pg) < VERSION_MIN)
		return err_set(e, ERR_DB_SCHEMA,
		    "the database server is PostgreSQL %d; Wardian needs 15 or newer",
		    PQserverVersion(pg) / 10000);
	if (super == NULL || strcmp(super, "off") != 0)
		return err_set(e, ERR_DB_SCHEMA,
		    "role %s is a superuser, whom row-level security does not stop; "
		    "run: alter role %s nosuperuser",
		    db_role_name(pool->role), db_role_name(pool->role));
	if (who == NULL || strcmp(who, db_role_name(pool->role)) != 0)
		return err_set(e, ERR_DB_SCHEMA, "logged in as another role than %s",
		    db_role_name(pool->role));
	return 0;
}

static int
read_description(struct db_stmt *st, const PGresult *r, struct err *e)
{
	int n = PQnparams(r);

	if (n > DB_PARAMS_MAX)
		return err_set(e, ERR_DB_SCHEMA, "statement %s has more than %d parameters",
		    st->name, DB_PARAMS_MAX);
	for (int i = 0; i < n; i++)
		st->params[i] = PQparamtype(r, i);
	st->n_params = n;
	st->described = true;
	return 0;
}

static int
check_prepared(struct db_pool *pool, struct db_step *steps, size_t n, struct err *e)
{
	size_t fault = db_steps_fault(steps, n);
	char why[DB_WHY_SIZE];

	if (fault < n) {
		const char *text = PQresultErrorField(steps[fault].result, PG_DIAG_MESSAGE_PRIMARY);

		db_wire_why(text == NULL ? "" : text, why);
		return err_set(e, ERR_DB_SCHEMA,
		    "statement %s of module %s does not prepare as %s: %s", steps[fault].stmt->name,
		    steps[fault].stmt->module, db_role_name(pool->role), why);
	}
	for (size_t i = 0; i < n; i++) {
		/* The first connection of a role is made before any thread can look. */
		struct db_stmt *st = db_stmts_find(&pool->db->stmts, steps[i].stmt->name);

		if (steps[i].kind == DB_STEP_DESCRIBE &&
		    read_description(st, steps[i].result, e) < 0)
			return -1;
	}
	return 0;
}

/* Prepare for all statements of the role, describe for those never seen before. */
static size_t
list_steps(const struct db_pool *pool, struct db_step *steps)
{
	const struct db_stmts *all = &pool->db->stmts;
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		if ((all->v[i].roles & (unsigned)pool->role) == 0)
			continue;
		steps[n++] = (struct db_step){ .kind = DB_STEP_PREPARE, .stmt = &all->v[i] };
		if (!all->v[i].described)
			steps[n++] =
			    (struct db_step){ .kind = DB_STEP_DESCRIBE, .stmt = &all->v[i] };
	}
	return n;
}

static int
prepare_all(struct db_pool *pool, struct db_conn *c, struct deadline d, struct err *e)
{
	AUTO_FREE struct db_step *steps = calloc(2 * pool->db->stmts.n + 1, sizeof(*steps));
	int rc = -1;
	size_t n;

	if (steps == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for a database connection");
	n = list_steps(pool, steps);
	if (db_conn_exchange(pool, c, steps, n, d, e) == 0)
		rc = check_prepared(pool, steps, n, e);
	db_steps_clear(steps, n);
	return rc;
}

static int
read_incarnation(struct db_pool *pool, struct db_conn *c, struct deadline d, struct err *e)
{
	struct db_step step = { .kind = DB_STEP_RUN, .stmt = pool->db->incarnation };
	int rc = -1;

	if (db_conn_exchange(pool, c, &step, 1, d, e) == 0) {
		(void)snprintf(
		    c->incarnation, sizeof(c->incarnation), "%s", db_rows_cell(step.result, 0));
		rc = db_steps_fault(&step, 1) == 1
			 ? 0
			 : db_err_result(pool->db, step.result, step.stmt->name, e);
	}
	db_steps_clear(&step, 1);
	return rc;
}

static int
open_once(struct db_pool *pool, struct db_conn *c, struct deadline d, char *why, struct err *e)
{
	if (db_wire_connect(&pool->login, d, &c->pg, why, e) < 0) {
		c->pg = NULL;
		return -1;
	}
	c->broken = false;
	if (PQenterPipelineMode(c->pg) == 1 && check_server(pool, c->pg, e) == 0 &&
	    prepare_all(pool, c, d, e) == 0 && read_incarnation(pool, c, d, e) == 0)
		return 0;
	db_conn_close(pool, c);
	return -1;
}

/* Random, so that the threads of many daemons do not knock together. */
static void
pause_ms(int64_t at_most_ms, struct deadline d)
{
	uint16_t r;
	int64_t ms;
	int left = deadline_poll_ms(d);

	random_bytes(&r, sizeof(r));
	ms = at_most_ms / 2 + r % (at_most_ms / 2 + 1);
	(void)poll(NULL, 0, left >= 0 && left < ms ? left : (int)ms); /* a short sleep is as good */
}

int
db_conn_open(struct db_pool *pool, struct db_conn *c, struct deadline d, struct err *e)
{
	char why[DB_WHY_SIZE] = "";
	struct err last;

	for (int64_t ms = PAUSE_FIRST_MS;; ms = ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : ms * 2) {
		if (open_once(pool, c, d, why, &last) == 0) {
			db_observe(pool->db, "opened", -1);
			return 0;
		}
		if (last.code != ERR_UNAVAILABLE || deadline_passed(d))
			break;
		pause_ms(ms, d);
		if (deadline_passed(d))
			break;
	}
	db_observe(pool->db, "connect", -1);
	log_warn(&pool->db->log, "no database connection as %s: %s", db_role_name(pool->role),
	    why[0] != '\0' ? why : last.msg);
	*e = last;
	return -1;
}

void
db_conn_close(struct db_pool *pool, struct db_conn *c)
{
	if (c->pg == NULL)
		return;
	PQfinish(c->pg);
	c->pg = NULL;
	db_observe(pool->db, "closed", -1);
}

bool
db_conn_alive(const struct db_conn *c)
{
	struct pollfd p = { .fd = PQsocket(c->pg), .events = POLLIN };

	/* An idle connection is silent: whatever comes is its end, or a notice not worth the doubt.
	 */
	return PQstatus(c->pg) == CONNECTION_OK && poll(&p, 1, 0) == 0;
}
