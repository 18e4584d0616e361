/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon from start to stop.  Order of the start: state directory, environments, spawner (all
 * that needs root), then the account without privileges, then database, pools, scheduler, server.
 * Order of the stop (stop.c): no claims, no new work (api_drain), the HTTP server until its last
 * connection, the loop, the workers, the scheduler (runs live on under their keepers), the pools,
 * the private PostgreSQL.
 *
 * Threads: main runs the HTTP loop; `http.workers` workers run handlers; the scheduler has a loop
 * and three pools of one thread; the database module has its committers; api has the log follower;
 * audit has the thread that seals its logs.
 */

#include "api.h"
#include "audit_log.h"
#include "caps.h"
#include "daemon_internal.h"
#include "db.h"
#include "db_schema.h"
#include "environment.h"
#include "fd.h"
#include "http.h"
#include "job.h"
#include "json.h"
#include "loop.h"
#include "metrics.h"
#include "quota.h"
#include "platform.h"
#include "quota.h"
#include "rate.h"
#include "sched_topology.h"
#include "scheduler.h"
#include "tenant.h"
#include "work.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STOP_GRACE_MS = 5000, KEY_CACHE_ENTRIES = 4096, RATE_ENTRIES = 16384 };

struct app {
	const struct conf *conf;
	struct log log;
	struct account account;
	struct state state;
	uint64_t gpus;
	struct sched_topology *topology;
	struct database database;
	struct environments *environments;
	struct job_limits limits;
	struct quota_amounts quotas;
	struct job_quota_defaults job_quota; /* the part that jobs are held against */
	struct metrics *metrics;
	struct db *db;
	struct rates *rates;
	struct signing *signing;
	struct tenants *tenants;
	struct audit_keep *audit;
	struct platform_worker *platform;
	struct work *work;
	struct loop *loop;
	struct http *http;
	struct api *api;
	struct sched *sched;
	struct stop *stop;
	struct cluster_watch *cluster_watch;
	struct net_cidrs proxies;
	int spawner_fd; /* keeps the spawner alive until the scheduler has connected, and on */
	int runs_dirfd;
	int spool_dirfd;
};

/* What db_options.observe names, and the counter it goes to. */
static void
observe_db(void *ctx, const char *what, int64_t ns)
{
	static const struct {
		const char *what;
		enum metric id;
	} counters[] = { { "batch", METRIC_DB_GROUP_COMMITS }, { "write", METRIC_DB_GROUP_WRITES },
		{ "lookups", METRIC_DB_LOOKUP_BATCHES }, { "lookup", METRIC_DB_LOOKUPS },
		{ "opened", METRIC_DB_OPENED }, { "closed", METRIC_DB_CLOSED } };
	struct app *a = ctx;

	if (ns >= 0) {
		metrics_observe_ns(a->metrics, METRIC_DB_CALL, ns);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		if (strcmp(what, counters[i].what) == 0) {
			metrics_add(a->metrics, counters[i].id, 1);
			return;
		}
	metrics_add_by(a->metrics, METRIC_DB_ERRORS, what, 1);
}

static void
wake_sched(void *ctx)
{
	struct app *a = ctx;

	if (a->sched != NULL)
		sched_wake(a->sched);
}

static bool
sched_is_ready(void *ctx, const char **ret_why)
{
	struct app *a = ctx;

	const char *stopping = stop_why(a->stop);

	if (stopping != NULL) {
		*ret_why = stopping;
		return false;
	}
	if (a->sched == NULL) {
		*ret_why = "the scheduler has not started yet";
		return false;
	}
	return sched_ready(a->sched, ret_why);
}

static void
tell_health(void *ctx, struct api_health *ret)
{
	const struct app *a = ctx;
	const struct health x = { .sched = a->sched,
		.audit = a->audit,
		.state_dirfd = a->state.dirfd,
		.n_gpus = __builtin_popcountll(a->gpus) };

	health_tell(&x, ret);
}

static int
read_samples(void *ctx, struct tenant_id tenant, struct uuid job, int64_t epoch, struct arena *mem,
    struct job_sample **ret, size_t *ret_n, struct err *e)
{
	const struct app *a = ctx;
	const struct samples_of of = { .tenant = tenant, .run = job, .epoch = epoch };

	return samples_read(a->runs_dirfd, &of, mem, ret, ret_n, e);
}

/* --- what this node can give to jobs -----------------------------------------------------------
 */

static int64_t
memory_of_host(void)
{
	return (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);
}

/* GPUs and CPUs that are given away one by one. */
static void
find_devices(struct app *a)
{
	struct err e = { 0 };

	a->gpus = gpus_find(a->conf, &a->log);
	a->topology = calloc(1, sizeof(*a->topology));
	if (a->topology == NULL || sched_topology_read(NULL, a->topology, &e) == 0)
		return;
	log_err(&a->log, LOG_LEVEL_WARN, &e, "look for CPUs; none can be pinned");
	free(a->topology);
	a->topology = NULL;
}

static void
fill_limits(struct app *a)
{
	const struct conf *c = a->conf;
	int64_t cpus = c->sched_cpus != 0 ? c->sched_cpus : (int64_t)sysconf(_SC_NPROCESSORS_ONLN);
	int64_t memory =
	    c->sched_memory_bytes != 0 ? c->sched_memory_bytes : memory_of_host() / 8 * 7;

	a->limits = (struct job_limits){ .cpu_milli_max = cpus * 1000,
		.memory_max_bytes = memory,
		.gpus_max =
		    c->limits_job_gpus != 0 ? c->limits_job_gpus : __builtin_popcountll(a->gpus),
		.pins_max = a->topology == NULL ? 0 : (int64_t)a->topology->n,
		.memory_default_bytes = c->limits_job_memory_default_bytes,
		.disk_default_bytes = c->limits_job_disk_default_bytes,
		.wall_default_ms = c->limits_job_wall_default_ms,
		.wall_max_ms = c->limits_job_wall_max_ms,
		.log_default_bytes = c->limits_job_output_default_bytes };
}

/* A setting for each row of quota.def. */
static void
fill_quotas(struct app *a)
{
	const struct conf *c = a->conf;

	a->quotas = (struct quota_amounts){ .amount = {
#define QUOTA(name, text, level, unit, sentence) [QUOTA_##name] = c->quota_##text,
#include "quota.def"
#undef QUOTA
					    } };
	a->job_quota = (struct job_quota_defaults){ .jobs_queued = c->quota_jobs_queued,
		.jobs_per_day = c->quota_jobs_per_day,
		.storage_bytes = c->quota_storage_bytes,
		.jobs_running = c->quota_jobs_running,
		.cpu_milli = c->quota_cpus * 1000,
		.memory_bytes = c->quota_memory_bytes,
		.gpus = c->quota_gpus };
}

/* --- start ---------------------------------------------------------------------------------- */

static bool
is_loopback(const char *address)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, address, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int
check_conf(const struct conf *c, struct err *e)
{
	if (c->database_url[0] == '\0' && !is_loopback(c->http_address))
		return err_set(e, ERR_CONF,
		    "http.address is %s, but the private PostgreSQL is for one machine: listen on "
		    "a "
		    "loopback address, or set database.url",
		    c->http_address);
	if (strcmp(c->sandbox_weaker, "refuse") != 0 && strcmp(c->sandbox_weaker, "allow") != 0)
		return err_set(
		    e, ERR_CONF, "sandbox.weaker is refuse or allow, not '%s'", c->sandbox_weaker);
	if (c->sched_heartbeat_ms * 2 > c->sched_lease_ms)
		return err_set(e, ERR_CONF,
		    "sched.heartbeat must be at most half of sched.lease, or one late renewal "
		    "loses jobs");
	return 0;
}

static int
read_proxies(struct app *a, struct err *e)
{
	struct err why;

	if (net_cidrs_parse(a->conf->http_trusted_proxies, &a->proxies, &why) == 0)
		return 0;
	return err_set(e, ERR_CONF, "http.trusted_proxies: %s", why.msg);
}

/* Everything that needs root or the paths of the host. */
static int
start_privileged(struct app *a, struct err *e)
{
	bool served;

	if (check_conf(a->conf, e) < 0 || read_proxies(a, e) < 0)
		return -1;
	if (account_find(a->conf, &a->account, e) < 0)
		return -1;
	if (environments_load(a->conf->environments_dir, &a->environments, e) < 0)
		return -1;
	if (state_open(a->conf, &a->account, true, &a->state, &served, e) < 0)
		return -1;
	roots_find(&a->state, &a->account, a->environments, &a->log);
	if (spawner_ensure(a->conf, &a->state, &a->account, &a->log, &a->spawner_fd, e) < 0)
		return -1;
	return account_become(&a->account, e);
}

static int
start_database(struct app *a, struct err *e)
{
	if (state_load(&a->state, e) < 0 || metrics_new(&a->metrics, e) < 0)
		return -1;
	if (database_open(a->conf, &a->state, false, &a->log, &a->database, e) < 0)
		return -1;
	if (db_migrate_up(a->database.url, a->conf->database_timeout_ms, &a->log, e) < 0)
		return -1;
	return database_pools(a->conf, &a->database, &a->log, observe_db, a, &a->db, e);
}

static int
start_sched(struct app *a, struct err *e)
{
	const struct conf *c = a->conf;
	char runs[STATE_PATH_SIZE], socket_path[STATE_PATH_SIZE];
	struct sched_options o = { .db = a->db,
		.environments = a->environments,
		.limits = &a->limits,
		.quota = &a->job_quota,
		.metrics = a->metrics,
		.node = a->state.node,
		.cpu_milli = a->limits.cpu_milli_max,
		.memory_bytes = a->limits.memory_max_bytes,
		.jobs_max = c->sched_jobs,
		.gpus = a->gpus,
		.topology = a->topology,
		.lease_ms = c->sched_lease_ms,
		.heartbeat_ms = c->sched_heartbeat_ms,
		.reap_ms = c->sched_reap_ms,
		.poll_ms = c->sched_poll_ms,
		.processes = c->limits_job_processes,
		.grace_ms = c->limits_job_grace_ms,
		.runs_dir = state_path(&a->state, "runs", runs),
		.spawner_socket = state_path(&a->state, "spawner.sock", socket_path),
		.sole = c->database_url[0] == '\0',
		.log = log_component(&a->log, "sched") };

	return sched_start(&o, &a->sched, e);
}

/* A directory of the state, which state_open has made. */
static int
open_dir(const struct app *a, const char *name, int *ret, struct err *e)
{
	int fd = openat(a->state.dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_sys(e, errno, "open the directory %s of the state", name);
	*ret = fd;
	return 0;
}

/* What asks who is asking: rates, the key of tokens, credentials. */
static int
start_tenants(struct app *a, struct err *e)
{
	const struct conf *c = a->conf;
	const struct rates_options rates = { .db = a->db,
		.node = a->state.node,
		.metrics = a->metrics,
		.tenant_per_s = c->quota_requests_per_second,
		.key_per_s = c->quota_key_requests_per_second,
		.source_per_s = c->limits_source_requests_per_second,
		.failures_per_min = c->limits_failed_logins_per_minute,
		.entries = RATE_ENTRIES,
		.log = log_component(&a->log, "rates") };
	const struct signing_options signing = { .db = a->db,
		.dirfd = a->state.dirfd,
		.node = a->state.node,
		.life_ms = c->auth_signing_key_life_ms,
		.log = log_component(&a->log, "signing") };
	struct tenants_options t = { .db = a->db,
		.metrics = a->metrics,
		.issuer = c->auth_issuer,
		.cache_entries = KEY_CACHE_ENTRIES,
		.log = log_component(&a->log, "tenants") };

	if (rates_new(&rates, &a->rates, e) < 0 || signing_open(&signing, &a->signing, e) < 0)
		return -1;
	t.rates = a->rates;
	t.signer = signing_current(a->signing);
	if (tenants_new(&t, &a->tenants, e) < 0)
		return -1;
	return signing_watch(a->signing, a->loop, a->work, a->tenants, e);
}

static int
open_dirs(struct app *a, struct err *e)
{
	if (open_dir(a, "runs", &a->runs_dirfd, e) < 0)
		return -1;
	return open_dir(a, "spool", &a->spool_dirfd, e);
}

static int
start_workers(struct app *a, struct err *e)
{
	const struct conf *c = a->conf;

	if (work_new("worker", (int)c->http_workers, (int)c->http_queue, &a->work, e) < 0)
		return -1;
	if (a->database.cluster == NULL)
		return 0;
	return cluster_watch_new(
	    a->loop, a->work, a->database.cluster, &a->log, &a->cluster_watch, e);
}

static int
start_audit(struct app *a, struct err *e)
{
	const struct audit_keep_options o = { .conf = a->conf,
		.state = &a->state,
		.db = a->db,
		.metrics = a->metrics,
		.log = &a->log };

	return audit_keep_start(&o, &a->audit, e);
}

static int
start_platform(struct app *a, struct err *e)
{
	const struct platform_worker_options o = { .db = a->db,
		.node = a->state.node,
		.runs_dirfd = a->runs_dirfd,
		.forget = audit_keep_forget,
		.ctx = a->audit,
		.log = log_component(&a->log, "platform") };

	return platform_worker_start(&o, &a->platform, e);
}

static int
start_api(struct app *a, struct err *e)
{
	struct api_options o = { .db = a->db,
		.tenants = a->tenants,
		.environments = a->environments,
		.limits = &a->limits,
		.job_quota = &a->job_quota,
		.audit = audit_keep_desk(a->audit),
		.evidence_key = audit_keep_key(a->audit),
		.quotas = &a->quotas,
		.metrics = a->metrics,
		.rates = a->rates,
		.work = a->work,
		.runs_dirfd = a->runs_dirfd,
		.spool_dirfd = a->spool_dirfd,
		.log = log_component(&a->log, "api"),
		.wake = wake_sched,
		.ready = sched_is_ready,
		.health = tell_health,
		.samples = read_samples,
		.ctx = a };

	memcpy(o.cursor_key, a->state.cursor_key, sizeof(o.cursor_key));
	return api_new(&o, &a->api, e);
}

static int
write_port(const struct app *a, struct err *e)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u\n", (unsigned)http_port(a->http));

	return fd_write_file(a->state.dirfd, "http.port", text, (size_t)n, 0644, e);
}

static int
start_http(struct app *a, struct err *e)
{
	const struct conf *c = a->conf;
	struct http_options o = { .address = c->http_address,
		.port = (uint16_t)c->http_port,
		.connections = (int)c->http_connections,
		.connections_per_address = (int)c->http_connections_per_address,
		.requests_per_connection = c->http_requests_per_connection,
		.streams = (int)c->http_streams,
		.head_timeout_ms = c->http_head_timeout_ms,
		.body_timeout_ms = c->http_body_timeout_ms,
		.idle_timeout_ms = c->http_idle_timeout_ms,
		.body_max_bytes = CAP_BODY_BYTES,
		.trusted_proxies = &a->proxies,
		.tls_certificate = c->http_tls_certificate,
		.tls_key = c->http_tls_key,
		.tls_check_ms = c->http_tls_check_ms,
		.log = log_component(&a->log, "http"),
		.metrics = a->metrics,
		.handle = api_handle,
		.refuse = api_refuse,
		.ctx = a->api };

	if (http_new(a->loop, &o, &a->http, e) < 0)
		return -1;
	return write_port(a, e);
}

/* --- stop ----------------------------------------------------------------------------------- */

static void
on_http_done(void *ctx)
{
	struct app *a = ctx;

	loop_stop(a->loop);
}

static void
on_stop(void *ctx)
{
	struct app *a = ctx;

	sched_drain(a->sched);
	if (a->cluster_watch != NULL)
		stop_child(a->stop, cluster_watch_pidfd(a->cluster_watch));
}

static bool
nothing_runs(void *ctx)
{
	const struct app *a = ctx;

	return sched_drained(a->sched);
}

static void
close_http(void *ctx)
{
	struct app *a = ctx;

	audit_desk_stop(audit_keep_desk(a->audit));
	api_drain(a->api);
	http_shutdown(a->http, STOP_GRACE_MS, on_http_done, a);
}

static void
on_reload(void *ctx)
{
	struct app *a = ctx;

	http_reload_certificate(a->http);
}

static int
watch_signals(struct app *a, struct err *e)
{
	const struct stop_options o = { .loop = a->loop,
		.notice_ms = a->conf->shutdown_notice_ms,
		.wait_ms = a->conf->shutdown_wait_ms,
		.begin = on_stop,
		.idle = nothing_runs,
		.close = close_http,
		.reload = on_reload,
		.ctx = a,
		.log = a->log };

	return stop_new(&o, &a->stop, e);
}

static void
stop_all(struct app *a)
{
	work_free(a->work); /* workers ring the scheduler's bell */
	sched_stop(a->sched);
	http_free(a->http);
	api_free(a->api);
	stop_unwatch(a->stop);
	cluster_watch_free(a->cluster_watch);
	signing_unwatch(a->signing);
	loop_free(a->loop);
	platform_worker_stop(a->platform);
	audit_keep_stop(a->audit);
	tenants_free(a->tenants);
	signing_close(a->signing);
	rates_free(a->rates);
	db_free(a->db);
	metrics_free(a->metrics);
	environments_free(a->environments);
	database_close(&a->database);
	fd_close(&a->spawner_fd);
	fd_close(&a->runs_dirfd);
	fd_close(&a->spool_dirfd);
	free(a->topology);
	state_close(&a->state);
	stop_free(a->stop);
}

static int
start_all(struct app *a, struct err *e)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	/* Run directories are read by keepers as members of the daemon's group. */
	(void)umask(0027);

	json_start();
	if (sigaction(SIGPIPE, &ignore, NULL) < 0)
		return err_sys(e, errno, "ignore SIGPIPE");
	if (start_privileged(a, e) < 0)
		return -1;
	find_devices(a);
	fill_limits(a);
	fill_quotas(a);
	if (loop_new(&a->loop, e) < 0 || watch_signals(a, e) < 0)
		return -1;
	if (start_database(a, e) < 0 || open_dirs(a, e) < 0 || start_workers(a, e) < 0)
		return -1;
	if (start_tenants(a, e) < 0 || start_audit(a, e) < 0 || start_platform(a, e) < 0 ||
	    start_api(a, e) < 0 || start_sched(a, e) < 0)
		return -1;
	return start_http(a, e);
}

int
app_serve(const struct conf *c, const struct log *log, struct err *e)
{
	struct app a = { .conf = c,
		.log = log_component(log, "daemon"),
		.spawner_fd = -1,
		.runs_dirfd = -1,
		.spool_dirfd = -1,
		.state = { .dirfd = -1, .lockfd = -1 } };
	int rc = start_all(&a, e);

	if (rc == 0) {
		log_info(&a.log, "ready on %s://%s:%u", http_is_tls(a.http) ? "https" : "http",
		    c->http_address, (unsigned)http_port(a.http));
		notify_service_manager("READY=1");
		loop_run(a.loop);
	}
	stop_all(&a);
	return rc;
}
