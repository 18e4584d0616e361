/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How did a transaction end whose COMMIT was never answered?  pg_xact_status() knows by the
 * transaction's id, with two traps.  "in progress" means that the server has not noticed the lost
 * connection yet: it is waited out, never read as aborted.  And after a crash of the server, ids of
 * transactions whose WAL never reached the disk are used again: then "committed" may speak of
 * somebody else's transaction and counts as unknown, while any other answer still means that ours
 * left nothing.  The incarnation (db_tx.sql) tells whether there was a crash.
 */
#include "db_internal.h"

#include <poll.h>
#include <string.h>

enum { PAUSE_MS = 20 };

enum answer { COMMITTED, ABORTED, IN_PROGRESS, UNKNOWN };

static enum answer
interpret(const struct db_step *step, bool same_server)
{
	const char *text = db_rows_cell(step->result, 0);

	/* An id in the future: the server has forgotten it in a crash. */
	if (PQresultStatus(step->result) != PGRES_TUPLES_OK)
		return same_server ? UNKNOWN : ABORTED;
	if (strcmp(text, "in progress") == 0)
		return same_server ? IN_PROGRESS : ABORTED;
	if (strcmp(text, "aborted") == 0)
		return ABORTED;
	return same_server && strcmp(text, "committed") == 0 ? COMMITTED : UNKNOWN;
}

static enum answer
ask(struct db_pool *pool, struct db_conn *c, const struct db_params *p, bool same_server,
    struct deadline d)
{
	struct db_step step = { .kind = DB_STEP_RUN, .stmt = pool->db->xact_status, .params = p };
	enum answer answer = IN_PROGRESS; /* also when this connection is lost, too: ask again */
	struct err ignored;

	if (db_conn_exchange(pool, c, &step, 1, d, &ignored) == 0)
		answer = interpret(&step, same_server);
	db_steps_clear(&step, 1);
	return answer;
}

static enum answer
ask_until(struct db_pool *pool, struct db_conn *c, const struct db_params *p, struct deadline d)
{
	char before[DB_INCARNATION_SIZE];
	enum answer answer = IN_PROGRESS;
	struct err ignored;

	memcpy(before, c->incarnation, sizeof(before));
	while (answer == IN_PROGRESS && !deadline_passed(d)) {
		if (c->broken || c->pg == NULL) {
			db_conn_close(pool, c);
			if (db_conn_open(pool, c, d, &ignored) < 0)
				return UNKNOWN;
		}
		answer = ask(pool, c, p, strcmp(before, c->incarnation) == 0, d);
		if (answer == IN_PROGRESS)
			(void)poll(NULL, 0, PAUSE_MS); /* a short sleep is as good */
	}
	return answer;
}

int
db_xact_unknown(struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE,
	    "the connection to the database was lost while the change was being stored; "
	    "look whether it is there before trying again");
}

int
db_xact_resolve(struct db_pool *pool, struct db_conn *c, const char *xid, struct err *e)
{
	const struct db_arg args[] = { DB_ARG_TEXT(xid), DB_ARGS_END };
	const struct db_stmt *st = pool->db->xact_status;
	enum answer answer = UNKNOWN;
	struct db_params p;

	if (db_params_build(&p, args, st->params, st->n_params, st->name, e) == 0)
		answer = ask_until(pool, c, &p, deadline_in_ms(pool->db->timeout_ms));
	db_params_done(&p);
	if (answer == COMMITTED || answer == ABORTED)
		return answer == COMMITTED ? 1 : 0;
	return db_xact_unknown(e);
}
