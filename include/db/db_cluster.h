/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_CLUSTER_H
#define DB_CLUSTER_H

/*
 * The private PostgreSQL of the embedded mode: a server of the daemon's own, on a Unix socket in a
 * directory that only its user may enter.  Called by the daemon's main thread, and by tests; one
 * caller at a time per cluster.  Starting waits two minutes for initdb and two for the server.
 */

#include "base.h"
#include "err.h"
#include "log.h"

struct db_cluster;
struct db_cluster_options {
	const char *dir; /* <state.dir>/postgres, at most 79 bytes; made when missing, mode 0700 */
	const char *bin_dir; /* "" looks in /usr/lib/postgresql/<version>/bin, newest first */
	struct log log;
};
/*
 * initdb once, then postgres on a Unix socket inside dir; adopts a server left over from a crash.
 * Must not run as root (ERR_CONF says so).  ERR_CONF naming the Debian package when the binaries
 * are missing, or older than 15.  Returns when the server accepts connections.
 */
int db_cluster_start(
    const struct db_cluster_options *o, struct db_cluster **ret, struct err *e) MUST_CHECK;
/* Becomes readable when the server has ended; the cluster's, and another one after a revival. */
int db_cluster_pidfd(const struct db_cluster *c);
/* Starts the server again after it ended; blocks as db_cluster_start does, and no other call on the
 * cluster may run meanwhile. */
int db_cluster_revive(struct db_cluster *c, struct err *e) MUST_CHECK;
/* Connection string of the owner; lives as long as the cluster. */
const char *db_cluster_url(const struct db_cluster *c);
/* Fast shutdown, waits at most 20 s, then immediate; frees.  Accepts NULL. */
void db_cluster_stop(struct db_cluster *c);
/* Frees without stopping the server, for a visitor beside a serving daemon.  Accepts NULL. */
void db_cluster_leave(struct db_cluster *c);

#endif
