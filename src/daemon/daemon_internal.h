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
	uint8_t audit_seed[32]; /* of the key of checkpoints; wiped once that is made */
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

/* Bit per GPU that jobs may have; tells the log what there is.  After account_become. */
uint64_t gpus_find(const struct conf *c, const struct log *log);

/* What a run of this node has used so far, in mem; none when it is not here. */
struct arena;
struct job_sample;
struct samples_of {
	struct tenant_id tenant;
	struct uuid run;
	int64_t epoch;
};
int samples_read(int runs_dirfd, const struct samples_of *of, struct arena *mem,
    struct job_sample **ret, size_t *ret_n, struct err *e) MUST_CHECK;

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
/* Of the server; -1 while it is being revived.  The watch's own. */
int cluster_watch_pidfd(const struct cluster_watch *w);
void cluster_watch_free(struct cluster_watch *w);
struct db;
int database_pools(const struct conf *c, const struct database *d, const struct log *log,
    void (*observe)(void *ctx, const char *what, int64_t ns), void *ctx, struct db **ret,
    struct err *e) MUST_CHECK;

/* The key that this node signs tokens with, and its renewal. */
struct signing;
struct tenants;
struct jwt_signer;
struct signing_options {
	struct db *db;
	int dirfd; /* the state directory; stays the caller's */
	struct uuid node;
	int64_t life_ms;
	struct log log;
	/* set by signing_watch */
	struct work *work;
	struct tenants *tenants;
};
int signing_open(const struct signing_options *o, struct signing **ret, struct err *e) MUST_CHECK;
const struct jwt_signer *signing_current(const struct signing *s);
/* From now on the key is renewed in time. */
int signing_watch(struct signing *s, struct loop *loop, struct work *work, struct tenants *tenants,
    struct err *e) MUST_CHECK;
/* Before the loop is freed; accepts NULL. */
void signing_unwatch(struct signing *s);
/* After the workers and *tenants have ended; accepts NULL. */
void signing_close(struct signing *s);

/* Checkpoints of the audit logs, and what reads them. */
struct audit_keep;
struct audit_desk;
struct metrics;
struct audit_keep_options {
	const struct conf *conf;
	struct state *state;
	struct db *db;
	struct metrics *metrics;
	const struct log *log;
};
int audit_keep_start(
    const struct audit_keep_options *o, struct audit_keep **ret, struct err *e) MUST_CHECK;
struct audit_desk *audit_keep_desk(struct audit_keep *k);
struct sign_key;
const struct sign_key *audit_keep_key(const struct audit_keep *k);
/* Any thread: what keeps checkpoints from being made (static), NULL when nothing does. */
const char *audit_keep_ill(struct audit_keep *k);
/* A tenant that is being deleted; for platform_worker_options. */
int audit_keep_forget(void *keep, struct tenant_id tenant, struct err *e) MUST_CHECK;
/* Seals once more; when nobody writes or reads any more.  Accepts NULL. */
void audit_keep_stop(struct audit_keep *k);

/* The way from the first SIGTERM or SIGINT to the end.  Everything but `idle` is called once, all
 * of it on the loop. */
struct stop;
struct stop_options {
	struct loop *loop;
	int64_t notice_ms; /* requests are served yet, readiness is refused already */
	int64_t wait_ms;   /* for `idle` to become true; 0: not at all */
	void (*begin)(void *ctx);
	bool (*idle)(void *ctx);
	void (*close)(void *ctx);  /* ends the loop in time */
	void (*reload)(void *ctx); /* SIGHUP, any number of times */
	void *ctx;
	struct log log;
};
/* Blocks the signals in this thread and in those that it starts from now on. */
int stop_new(const struct stop_options *o, struct stop **ret, struct err *e) MUST_CHECK;
/* Any thread: why the server is not ready (static), NULL while nobody wants its end. */
const char *stop_why(struct stop *s);
/* In `begin`: whom to tell when the process ends in a hurry; the descriptor stays the caller's. */
void stop_child(struct stop *s, int pidfd);
/* Before the loop is freed; a second signal still ends the process.  Accepts NULL. */
void stop_unwatch(struct stop *s);
void stop_free(struct stop *s); /* accepts NULL */

/* What /readyz?verbose tells beyond readiness; any thread. */
struct api_health;
struct sched;
struct health {
	const struct sched *sched; /* NULL: not started yet */
	struct audit_keep *audit;
	int state_dirfd;
	int64_t n_gpus; /* that this node gives to jobs */
};
void health_tell(const struct health *x, struct api_health *ret);

/* Runs until SIGTERM or SIGINT. */
int app_serve(const struct conf *c, const struct log *log, struct err *e) MUST_CHECK;

/*
 * wardiand bootstrap --tenant NAME: a tenant, if it is not there, and a new key of its service
 * account "bootstrap", which is an owner.  --operator NAME: a new key of an operator of the
 * platform. Prints tenant, its name and the key as JSON.
 */
struct bootstrap {
	const char *tenant;        /* NULL with operator_name */
	const char *operator_name; /* NULL with tenant */
	const char *key_name;
};
int bootstrap_run(const struct conf *c, const struct bootstrap *b, const struct log *log, FILE *out,
    struct err *e) MUST_CHECK;
/*
 * wardiand root import|list|verify|remove: unpacked environments of this node (rootfs.h).
 */
struct roots_ask {
	const char *action;
	const char *operand; /* NULL: none was given */
	bool force;          /* remove what profiles name */
};
int roots_run(const struct conf *c, const struct roots_ask *q, const struct log *log, FILE *out,
    struct err *e) MUST_CHECK;
/* Tells the environments which roots are on this node, and the log which are not; removes what an
 * interrupted import has left.  Before account_become. */
struct environments;
void roots_find(const struct state *s, const struct account *a, struct environments *set,
    const struct log *log);
/* wardiand migrate status|up */
int migrate_run(
    const struct conf *c, bool apply, const struct log *log, FILE *out, struct err *e) MUST_CHECK;

/* sd_notify(3)'s protocol: does nothing without NOTIFY_SOCKET. */
void notify_service_manager(const char *state);

#endif
