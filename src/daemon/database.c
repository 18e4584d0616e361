/* SPDX-License-Identifier: Apache-2.0 */
#include "audit.h"
#include "daemon_internal.h"
#include "db.h"
#include "db_cluster.h"
#include "identity.h"
#include "job.h"
#include "platform.h"
#include "quota.h"
#include "rate.h"
#include "result.h"
#include "tenant.h"

#include <string.h>

/* Credentials that no cache knows and platform operations: short reads and few people, so that a
 * handful serves all of the daemon's request threads. */
enum { PLATFORM_CONNECTIONS = 4 };

int
database_open(const struct conf *c, const struct state *s, bool served, const struct log *log,
    struct database *ret, struct err *e)
{
	char dir[STATE_PATH_SIZE];
	struct db_cluster_options o = { .dir = state_path(s, "postgres", dir),
		.bin_dir = c->database_bin_dir,
		.log = log_component(log, "postgres") };

	*ret = (struct database){ .url = c->database_url, .leave = served };
	if (c->database_url[0] != '\0')
		return 0;
	if (db_cluster_start(&o, &ret->cluster, e) < 0)
		return -1;
	ret->url = db_cluster_url(ret->cluster);
	return 0;
}

void
database_close(struct database *d)
{
	if (d->leave)
		db_cluster_leave(d->cluster);
	else
		db_cluster_stop(d->cluster);
	d->cluster = NULL;
}

int
database_pools(const struct conf *c, const struct database *d, const struct log *log,
    void (*observe)(void *ctx, const char *what, int64_t ns), void *ctx, struct db **ret,
    struct err *e)
{
	/* Every module with statements; the pools prepare them all when a connection joins. */
	const struct db_sql sql[] = { tenant_sql, quota_sql, rate_sql, audit_sql, identity_sql,
		platform_sql, job_sql, result_sql, { NULL, NULL } };
	struct db_options o = { .url = d->url,
		.api_connections = (int)c->database_connections,
		.sched_connections = 2,
		.platform_connections = PLATFORM_CONNECTIONS,
		.timeout_ms = c->database_timeout_ms,
		.sql = sql,
		.log = log_component(log, "db"),
		.observe = observe,
		.observe_ctx = ctx };

	return db_open(&o, ret, e);
}
