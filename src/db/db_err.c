/* SPDX-License-Identifier: Apache-2.0 */
#include "db_internal.h"

#include <stdio.h>
#include <string.h>

/* What the server says (SQLSTATE, PostgreSQL appendix A) and what it means to callers.  A shorter
 * code stands for its class; the first match counts. */
struct row {
	const char *state;
	const char *counted; /* label of the metric */
	enum err_code code;
	enum log_level level;
	const char *msg;
};
static const struct row rows[] = {
	{ "40001", "serialization", ERR_DB_RETRY, LOG_LEVEL_DEBUG,
	    "the change met another one; try again" },
	{ "40P01", "serialization", ERR_DB_RETRY, LOG_LEVEL_DEBUG,
	    "the change and another one waited for each other; try again" },
	{ "55P03", "serialization", ERR_DB_RETRY, LOG_LEVEL_DEBUG,
	    "the data is locked by another change; try again" },
	{ "57014", "deadline", ERR_TIMEOUT, LOG_LEVEL_WARN,
	    "the database gave the operation up because it took too long; try again" },
	{ "23", "constraint", ERR_DB_CONSTRAINT, LOG_LEVEL_DEBUG,
	    "the change breaks a rule of the data" },
	{ "22", "other", ERR_INVALID, LOG_LEVEL_DEBUG,
	    "a value is out of range or holds a character that cannot be stored" },
	{ "08", "connect", ERR_UNAVAILABLE, LOG_LEVEL_WARN,
	    "the connection to the database was lost; try again" },
	{ "25P03", "connect", ERR_UNAVAILABLE, LOG_LEVEL_WARN,
	    "the transaction was left idle for too long; try again" },
	{ "53", "connect", ERR_UNAVAILABLE, LOG_LEVEL_WARN,
	    "the database is short of disk, memory or connections; try again later" },
	{ "57P", "connect", ERR_UNAVAILABLE, LOG_LEVEL_WARN,
	    "the database is stopping or starting; try again" },
	{ "58", "connect", ERR_UNAVAILABLE, LOG_LEVEL_WARN,
	    "the database server has trouble with its disk; try again later" },
	/* A migration by another daemon changed what was prepared. */
	{ "0A000", "other", ERR_DB_RETRY, LOG_LEVEL_WARN,
	    "the schema has just changed; try again" },
	{ "26", "other", ERR_DB_RETRY, LOG_LEVEL_WARN, "the schema has just changed; try again" },
	{ "", "other", ERR_DB, LOG_LEVEL_WARN, "the database refused the operation" },
};

static const char *
field(const PGresult *r, int code)
{
	const char *text = PQresultErrorField(r, code);

	return text == NULL ? "" : text;
}

/*
 * The constraint's name rides in a fault that is not counted, so that a struct err stays a plain
 * value and the name never reaches a client.
 */
static struct err_field *
constraint_slot(struct err *e)
{
	return &e->fields[ERR_FIELDS_MAX - 1];
}

const char *
db_err_constraint(const struct err *e)
{
	const struct err_field *slot = &e->fields[ERR_FIELDS_MAX - 1];

	return e->code == ERR_DB_CONSTRAINT && e->n_fields == 0 ? slot->name : "";
}

static void
log_server(const struct log *log, enum log_level level, const PGresult *r, const char *stmt)
{
	/* Not the detail: it quotes rows. */
	const char *text = field(r, PG_DIAG_MESSAGE_PRIMARY), *state = field(r, PG_DIAG_SQLSTATE);

	if (level == LOG_LEVEL_DEBUG)
		log_debug(log, "statement %s failed: %s (SQLSTATE %s)", stmt, text, state);
	else
		log_warn(log, "statement %s failed: %s (SQLSTATE %s)", stmt, text, state);
}

int
db_err_result(struct db *db, const PGresult *r, const char *stmt, struct err *e)
{
	const char *state = field(r, PG_DIAG_SQLSTATE);
	const struct row *row = rows;

	while (strncmp(state, row->state, strlen(row->state)) != 0)
		row++;
	log_server(&db->log, row->level, r, stmt);
	db_observe(db, row->counted, -1);
	(void)err_set(e, row->code, "%s", row->msg);
	(void)snprintf(
	    constraint_slot(e)->name, ERR_FIELD_SIZE, "%s", field(r, PG_DIAG_CONSTRAINT_NAME));
	return -1;
}

bool
db_err_stale(const PGresult *r)
{
	const char *state = field(r, PG_DIAG_SQLSTATE);

	return strncmp(state, "0A000", 5) == 0 || strncmp(state, "26", 2) == 0;
}
