/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_INTERNAL_H
#define DAEMON_INTERNAL_H

/* Wiring of wardiand: state directory, privileges, the spawner, the parts in their order. */

#include "base.h"
#include "conf.h"
#include "err.h"
#include "id.h"
#include "log.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* The account that the daemon becomes. */
struct account {
	bool change; /* false when not started as root: stay who we are */
	uid_t uid;
	gid_t gid;
};
/* ERR_CONF naming the command that makes the user. */
int account_find(const struct conf *c, struct account *ret, struct err *e) MUST_CHECK;
/* Becomes the account for good: groups, gid, uid, then no capabilities, no_new_privs and the
 * daemon's system call filter; reads back.  Does nothing but the last three when there is nothing
 * to change. */
int account_become(const struct account *a, struct err *e) MUST_CHECK;

struct state {
	char dir[256];
	int dirfd;
	int lockfd; /* held exclusively by the serving daemon, -1 for visitors */
	struct uuid node;
	uint8_t cursor_key[32];
};
/*
 * Makes the directory (owned by the account) and what lies in it.  exclusive: takes the lock, or
 * fails with ERR_CONF when another daemon holds it.  Otherwise *ret_served tells whether one does.
 */
int state_open(const struct conf *c, const struct account *a, bool exclusive, struct state *ret,
    bool *ret_served, struct err *e) MUST_CHECK;
void state_close(struct state *s);
/* "<dir>/<name>"; out holds at least 300 bytes. */
enum { STATE_PATH_SIZE = 300 };
const char *state_path(const struct state *s, const char *name, char out[static STATE_PATH_SIZE]);
/* Identity and secrets; after account_become, so that the files are the account's. */
int state_load(struct state *s, struct err *e) MUST_CHECK;

/* Makes sure that a spawner listens in the state directory; starts one when we are root.  A spawner
 * without a daemon ends by itself, so the connection is held in *ret_fd (the caller's) meanwhile.
 */
int spawner_ensure(const struct conf *c, const struct state *s, const struct account *a,
    const struct log *log, int *ret_fd, struct err *e) MUST_CHECK;

/* The database: the given one, or the private cluster. */
struct db_cluster;
struct database {
	struct db_cluster *cluster; /* NULL with database.url */
	const char *url;
	bool leave; /* the cluster belongs to a serving daemon: do not stop it */
};
int database_open(const struct conf *c, const struct state *s, bool served, const struct log *log,
    struct database *ret, struct err *e) MUST_CHECK;
void database_close(struct database *d);
/* Revives the private cluster whenever it ends.  Freed after the loop and the workers have ended.
 */
struct cluster_watch;
struct loop;
struct work;
int cluster_watch_new(struct loop *loop, struct work *work, struct db_cluster *cluster,
    const struct log *log, struct cluster_watch **ret, struct err *e) MUST_CHECK;
void cluster_watch_free(struct cluster_watch *w);
struct db;
int database_pools(const struct conf *c, const struct database *d, const struct log *log,
    void (*observe)(void *ctx, const char *what, int64_t ns), void *ctx, struct db **ret,
    struct err *e) MUST_CHECK;

/* Runs until SIGTERM or SIGINT. */
int app_serve(const struct conf *c, const struct log *log, struct err *e) MUST_CHECK;

/* wardiand bootstrap --tenant NAME [--key-name NAME]: prints tenant id and key as JSON. */
int bootstrap_run(const struct conf *c, const char *tenant, const char *key_name,
    const struct log *log, FILE *out, struct err *e) MUST_CHECK;
/* wardiand migrate status|up */
int migrate_run(
    const struct conf *c, bool apply, const struct log *log, FILE *out, struct err *e) MUST_CHECK;

/* sd_notify(3)'s protocol: does nothing without NOTIFY_SOCKET. */
void notify_service_manager(const char *state);

#endif
