/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libpq never waits here: it is non-blocking, and every wait is a poll(2) with what is left of the
 * caller's deadline.  The one exception is name resolution inside PQconnectStartParams, which libpq
 * does with getaddrinfo(3); a socket directory, an address or `hostaddr` in the URL avoids it.
 */
#include "db_internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

static int
wait_for(int fd, short events, struct deadline d, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int n = poll(&p, 1, deadline_poll_ms(d));

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot wait for the database");
		if (n == 0 && deadline_passed(d))
			return err_set(
			    e, ERR_TIMEOUT, "the database did not answer in time; try again");
	}
}

void
db_wire_why(const char *text, char out[static DB_WHY_SIZE])
{
	const char *at = strstr(text, "FATAL:  ");
	size_t n;

	if (at != NULL)
		text = at + strlen("FATAL:  ");
	n = strcspn(text, "\n");
	if (n >= DB_WHY_SIZE)
		n = DB_WHY_SIZE - 1;
	memcpy(out, text, n);
	out[n] = '\0';
}

/* Server notices are the operator's, not standard error's. */
static void
ignore_notice(void *ctx, const PGresult *r)
{
	(void)ctx;
	(void)r;
}

static int
poll_connect(PGconn *pg, struct deadline d, struct err *e)
{
	/* A connection starts as if PQconnectPoll had asked to write. */
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;

	while (next != PGRES_POLLING_OK) {
		if (next == PGRES_POLLING_FAILED)
			return err_set(
			    e, ERR_UNAVAILABLE, "the database cannot be reached; try again");
		if (wait_for(PQsocket(pg), next == PGRES_POLLING_READING ? POLLIN : POLLOUT, d, e) <
		    0)
			return -1;
		next = PQconnectPoll(pg);
	}
	return 0;
}

int
db_wire_connect(const struct db_login *l, struct deadline d, PGconn **ret, char *why, struct err *e)
{
	PGconn *pg = PQconnectStartParams(l->keywords, l->values, 0);
	int rc;

	why[0] = '\0';
	if (pg == NULL)
		return err_set(e, ERR_NO_MEMORY, "there is no memory for a database connection");
	(void)PQsetNoticeReceiver(pg, ignore_notice, NULL); /* returns the former one */
	if (PQstatus(pg) == CONNECTION_BAD)
		rc = err_set(e, ERR_UNAVAILABLE, "the database cannot be reached; try again");
	else
		rc = poll_connect(pg, d, e);
	if (rc == 0 && PQsetnonblocking(pg, 1) == 0) {
		*ret = pg;
		return 0;
	}
	db_wire_why(PQerrorMessage(pg), why);
	PQfinish(pg);
	return rc < 0 ? -1
		      : err_set(e, ERR_UNAVAILABLE, "the database cannot be reached; try again");
}

static int
lost(struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE, "the connection to the database was lost; try again");
}

int
db_wire_result(PGconn *pg, struct deadline d, PGresult **ret, struct err *e)
{
	while (PQisBusy(pg)) {
		int unsent = PQflush(pg);

		if (unsent < 0)
			return lost(e);
		/* Reading goes on while writing, or both sides could wait on full buffers. */
		if (wait_for(PQsocket(pg), (short)(unsent > 0 ? POLLIN | POLLOUT : POLLIN), d, e) <
		    0)
			return -1;
		if (PQconsumeInput(pg) == 0)
			return lost(e);
	}
	*ret = PQgetResult(pg);
	return 0;
}
