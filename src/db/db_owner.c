/* SPDX-License-Identifier: Apache-2.0 */
#include "db_owner_internal.h"

#include "auth.h"
#include "db_internal.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
	VERSION_MIN = 150000,
	CELLS_MAX = 16, /* columns of the widest owner's statement, with room */
	PAUSE_MS = 100,
};

extern const unsigned char sql_db_owner[], sql_db_audit[];

struct db_owner {
	struct db_stmts stmts;
	struct db_login login;
	PGconn *pg;
	int64_t timeout_ms;
};

static int
connect_until(struct db_owner *o, struct err *e)
{
	struct deadline d = deadline_in_ms(o->timeout_ms);
	char why[DB_WHY_SIZE];

	for (;;) {
		if (db_wire_connect(&o->login, d, &o->pg, why, e) == 0)
			return 0;
		o->pg = NULL;
		if (e->code != ERR_UNAVAILABLE || deadline_passed(d))
			break;
		(void)poll(NULL, 0, PAUSE_MS); /* a short sleep is as good */
	}
	return err_set(
	    e, e->code, "the database cannot be reached: %s", why[0] != '\0' ? why : e->msg);
}

static int
load_statements(struct db_owner *o, struct err *e)
{
	const struct db_sql files[] = { { "db_owner", (const char *)sql_db_owner },
		{ "db_audit", (const char *)sql_db_audit } };

	if (db_stmts_init(&o->stmts, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (db_stmts_add(&o->stmts, &files[i], DB_ROLE_OWNER, e) < 0)
			return -1;
	}
	return db_stmts_end(&o->stmts, e);
}

const char *
db_owner_stmt(const struct db_owner *o, const char *name)
{
	const struct db_stmt *st = db_stmts_find(&o->stmts, name);

	REQUIRE(st != NULL);
	return st->text;
}

int
db_owner_each_stmt(const struct db_owner *o, const char *prefix,
    int (*fn)(void *ctx, const char *name, const char *text, struct err *e), void *ctx,
    struct err *e)
{
	for (size_t i = 0; i < o->stmts.n; i++) {
		const struct db_stmt *st = &o->stmts.v[i];

		if (strncmp(st->name, prefix, strlen(prefix)) == 0 &&
		    fn(ctx, st->name, st->text, e) < 0)
			return -1;
	}
	return 0;
}

int
db_owner_open(const char *url, int64_t timeout_ms, struct db_owner **ret, struct err *e)
{
	AUTO(db_owner) o = calloc(1, sizeof(*o));

	if (o == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for a database connection");
	o->timeout_ms = timeout_ms;
	if (load_statements(o, e) < 0 || db_login_parse(&o->login, url, timeout_ms, e) < 0 ||
	    connect_until(o, e) < 0)
		return -1;
	if (PQserverVersion(o->pg) < VERSION_MIN)
		return err_set(e, ERR_DB_SCHEMA,
		    "the database server is PostgreSQL %d; Wardian needs 15 or newer",
		    PQserverVersion(o->pg) / 10000);
	*ret = o;
	o = NULL;
	return 0;
}

void
db_owner_free(struct db_owner *o)
{
	if (o == NULL)
		return;
	PQfinish(o->pg);
	db_login_done(&o->login);
	db_stmts_done(&o->stmts);
	free(o);
}

int
db_owner_version(const struct db_owner *o)
{
	return PQserverVersion(o->pg);
}

static int
server_said(const PGresult *r, struct err *e)
{
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	enum err_code code = ERR_DB;

	if (state != NULL && (strcmp(state, "57014") == 0 || strcmp(state, "55P03") == 0))
		code = ERR_TIMEOUT;
	return err_set(e, code, "the database said: %s (SQLSTATE %s)",
	    text == NULL ? "nothing" : text, state == NULL ? "unknown" : state);
}

static bool
failed(const PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);

	return status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
	       status != PGRES_EMPTY_QUERY;
}

/* Reads results to their end; keeps the last, or the first that failed. */
static int
last_result(struct db_owner *o, struct deadline d, PGresult **ret, struct err *e)
{
	PGresult *kept = NULL, *r;

	for (;;) {
		if (db_wire_result(o->pg, d, &r, e) < 0) {
			PQclear(kept);
			return -1;
		}
		if (r == NULL)
			break;
		if (kept != NULL && failed(kept)) {
			PQclear(r);
			continue;
		}
		PQclear(kept);
		kept = r;
	}
	if (kept != NULL && !failed(kept)) {
		*ret = kept;
		return 0;
	}
	(void)server_said(kept, e);
	PQclear(kept);
	return -1;
}

static int
not_sent(struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE, "the connection to the database was lost; try again");
}

int
db_owner_script(struct db_owner *o, const char *text, int64_t timeout_ms, struct err *e)
{
	AUTO_RESULT r = NULL;

	if (PQsendQuery(o->pg, text) == 0)
		return not_sent(e);
	return last_result(o, deadline_in_ms(timeout_ms), &r, e);
}

static int
each_row(const PGresult *r, db_owner_row_fn *row, void *ctx, struct err *e)
{
	const char *cells[CELLS_MAX] = { NULL };
	int n = PQnfields(r);

	REQUIRE(n <= CELLS_MAX);
	for (int i = 0; i < PQntuples(r); i++) {
		for (int k = 0; k < n; k++)
			cells[k] = PQgetisnull(r, i, k) ? NULL : PQgetvalue(r, i, k);
		if (row(ctx, cells, e) < 0)
			return -1;
	}
	return 0;
}

int64_t
db_owner_query(struct db_owner *o, const char *text, int n_params, const char *const *params,
    db_owner_row_fn *row, void *ctx, struct err *e)
{
	AUTO_RESULT r = NULL;

	if (PQsendQueryParams(o->pg, text, n_params, NULL, params, NULL, NULL, 0) == 0)
		return not_sent(e);
	if (last_result(o, deadline_in_ms(o->timeout_ms), &r, e) < 0)
		return -1;
	if (row != NULL && each_row(r, row, ctx, e) < 0)
		return -1;
	return PQresultStatus(r) == PGRES_TUPLES_OK ? PQntuples(r) : db_rows_affected(r);
}

struct cell_copy {
	char *out;
	size_t size;
	bool done;
};

static int
copy_cell(void *ctx, const char *const *cells, struct err *e)
{
	struct cell_copy *c = ctx;

	(void)e;
	if (!c->done && cells[0] != NULL)
		(void)snprintf(c->out, c->size, "%s", cells[0]);
	c->done = true;
	return 0;
}

int
db_owner_text(struct db_owner *o, const char *text, char *out, size_t out_size, struct err *e)
{
	struct cell_copy c = { .out = out, .size = out_size };

	out[0] = '\0';
	return db_owner_query(o, text, 0, NULL, copy_cell, &c, e) < 0 ? -1 : 0;
}

/* --- passwords -------------------------------------------------------------------------------- */

static int
run_text(void *ctx, const char *const *cells, struct err *e)
{
	struct db_owner *o = ctx;

	return db_owner_script(o, cells[0], o->timeout_ms, e);
}

/* The server is sent a verifier, so that no log of statements ever holds the password. */
static int
set_password(struct db_owner *o, enum db_role role, const char *password, struct err *e)
{
	char *verifier =
	    PQencryptPasswordConn(o->pg, password, db_role_name(role), "scram-sha-256");
	const char *params[] = { db_role_name(role), verifier };
	int64_t rc;

	if (verifier == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for a password");
	rc = db_owner_query(o, db_owner_stmt(o, "owner_password"), 2, params, run_text, o, e);
	PQfreemem(verifier);
	return rc < 0 ? err_wrap(e, "setting the password of %s", db_role_name(role)) : 0;
}

int
db_owner_set_passwords(struct db_owner *o, struct err *e)
{
	char password[DB_PASSWORD_SIZE], may[8];
	int rc;

	if (db_login_value(&o->login, "password") == NULL)
		return 0;
	/* Else they are an administrator's to set, with the rest of the roles. */
	rc = db_owner_text(o, db_owner_stmt(o, "owner_may_set_passwords"), may, sizeof(may), e);
	if (rc < 0 || strcmp(may, "t") != 0)
		return rc;
	for (size_t i = 0; i < DB_ROLE_LOGINS && rc == 0; i++) {
		enum db_role role = db_role_logins[i].role;

		if (db_login_password(&o->login, role, password))
			rc = set_password(o, role, password, e);
	}
	auth_wipe(password, sizeof(password));
	return rc;
}
