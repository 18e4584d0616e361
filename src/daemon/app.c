/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon from start to stop.  Order of the start: state directory, environments, spawner (all
 * that needs root), then the account without privileges, then database, pools, scheduler, server.
 * Order of the stop: no new work (api_drain), the HTTP server until its last connection, the loop,
 * the workers, the scheduler (runs live on under their keepers), the pools, the private PostgreSQL.
 *
 * Threads: main runs the HTTP loop; `http.workers` workers run handlers; the scheduler has a loop
 * and three pools of one thread; the database module has its committers; api has the log follower.
 */

#include "api.h"
#include "caps.h"
#include "daemon_internal.h"
#include "db.h"
#include "environment.h"
#include "fd.h"
#include "http.h"
#include "job.h"
#include "json.h"
#include "loop.h"
#include "metrics.h"
#include "scheduler.h"
#include "tenant.h"
#include "work.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STOP_GRACE_MS = 8000, KEY_CACHE_MS = 5000, KEY_CACHE_ENTRIES = 4096 };

struct app {
	const struct conf *conf;
	struct log log;
	struct account account;
	struct state state;
	struct database database;
	struct environments *environments;
	struct job_limits limits;
	struct metrics *metrics;
	struct db *db;
	struct tenants *tenants;
	struct work *work;
	struct loop *loop;
	struct http *http;
	struct api *api;
	struct sched *sched;
	struct loop_watch *signals;
	struct cluster_watch *cluster_watch;
	int spawner_fd; /* keeps the spawner alive until the scheduler has connected, and on */
	int signal_fd;
	int runs_dirfd;
	bool stopping;
};

/* What db_options.observe names, and the counter it goes to. */
static void
observe_db(void *ctx, const char *what, int64_t ns)
{
	static const struct {
		const char *what;
		enum metric id;
	} counters[] = { { "batch", METRIC_DB_GROUP_COMMITS }, { "write", METRIC_DB_GROUP_WRITES },
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

	if (a->stopping) {
		*ret_why = "the server is shutting down";
		return false;
	}
	if (a->sched == NULL) {
		*ret_why = "the scheduler has not started yet";
		return false;
	}
	return sched_ready(a->sched, ret_why);
}

/* --- what this node can give to jobs -----------------------------------------------------------
 */

static int64_t
memory_of_host(void)
{
	return (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);
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
		.memory_default_bytes = c->limits_job_memory_default_bytes,
		.disk_default_bytes = c->limits_job_disk_default_bytes,
		.wall_default_ms = c->limits_job_wall_default_ms,
		.wall_max_ms = c->limits_job_wall_max_ms,
		.log_default_bytes = c->limits_job_output_default_bytes };
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
	if (c->sched_heartbeat_ms * 2 > c->sched_lease_ms)
		return err_set(e, ERR_CONF,
		    "sched.heartbeat must be at most half of sched.lease, or one late renewal "
		    "loses jobs");
	return 0;
}

/* Everything that needs root or the paths of the host. */
static int
start_privileged(struct app *a, struct err *e)
{
	bool served;

	if (check_conf(a->conf, e) < 0 || account_find(a->conf, &a->account, e) < 0)
		return -1;
	if (environments_load(a->conf->environments_dir, &a->environments, e) < 0)
		return -1;
	if (state_open(a->conf, &a->account, true, &a->state, &served, e) < 0)
		return -1;
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
		.metrics = a->metrics,
		.node = a->state.node,
		.cpu_milli = a->limits.cpu_milli_max,
		.memory_bytes = a->limits.memory_max_bytes,
		.jobs_max = c->sched_jobs,
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

static int
start_api(struct app *a, struct err *e)
{
	const struct conf *c = a->conf;
	struct tenants_options t = { .db = a->db,
		.metrics = a->metrics,
		.cache_ms = KEY_CACHE_MS,
		.cache_entries = KEY_CACHE_ENTRIES };
	struct api_options o = { .db = a->db,
		.environments = a->environments,
		.limits = &a->limits,
		.metrics = a->metrics,
		.streams_per_tenant = (int)c->http_streams_per_tenant,
		.queued_per_tenant = c->limits_queued_per_tenant,
		.log = log_component(&a->log, "api"),
		.wake = wake_sched,
		.ready = sched_is_ready,
		.ctx = a };

	if (tenants_new(&t, &a->tenants, e) < 0)
		return -1;
	if (work_new("worker", (int)c->http_workers, (int)c->http_queue, &a->work, e) < 0)
		return -1;
	a->runs_dirfd =
	    openat(a->state.dirfd, "runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (a->runs_dirfd < 0)
		return err_sys(e, errno, "open the run directories");
	if (a->database.cluster != NULL && cluster_watch_new(a->loop, a->work, a->database.cluster,
					       &a->log, &a->cluster_watch, e) < 0)
		return -1;
	o.tenants = a->tenants;
	o.work = a->work;
	o.runs_dirfd = a->runs_dirfd;
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
		.streams = (int)c->http_streams,
		.head_timeout_ms = c->http_head_timeout_ms,
		.body_timeout_ms = c->http_body_timeout_ms,
		.idle_timeout_ms = c->http_idle_timeout_ms,
		.body_max_bytes = CAP_BODY_BYTES,
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
on_signal(void *ctx, int events)
{
	struct app *a = ctx;
	struct signalfd_siginfo info;

	(void)events; /* only LOOP_READ was asked for */
	if (read(a->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info) || a->stopping)
		return;
	log_info(&a->log, "stopping after signal %u; running jobs go on", info.ssi_signo);
	notify_service_manager("STOPPING=1");
	a->stopping = true;
	api_drain(a->api);
	http_shutdown(a->http, STOP_GRACE_MS, on_http_done, a);
}

/* Signals are blocked in every thread and read from a descriptor, so no handler ever runs. */
static int
watch_signals(struct app *a, struct err *e)
{
	sigset_t set;

	if (sigemptyset(&set) < 0 || sigaddset(&set, SIGTERM) < 0 || sigaddset(&set, SIGINT) < 0)
		return err_sys(e, errno, "prepare the signals");
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, errno, "block the signals");
	a->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (a->signal_fd < 0)
		return err_sys(e, errno, "make a descriptor for signals");
	if (loop_watch_new(a->loop, a->signal_fd, on_signal, a, &a->signals, e) < 0)
		return -1;
	loop_watch_start(a->signals, LOOP_READ);
	return 0;
}

static void
stop_all(struct app *a)
{
	work_free(a->work); /* workers ring the scheduler's bell */
	sched_stop(a->sched);
	http_free(a->http);
	api_free(a->api);
	loop_watch_free(a->signals);
	cluster_watch_free(a->cluster_watch);
	loop_free(a->loop);
	tenants_free(a->tenants);
	db_free(a->db);
	metrics_free(a->metrics);
	environments_free(a->environments);
	database_close(&a->database);
	fd_close(&a->spawner_fd);
	fd_close(&a->signal_fd);
	fd_close(&a->runs_dirfd);
	state_close(&a->state);
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
	fill_limits(a);
	if (loop_new(&a->loop, e) < 0 || watch_signals(a, e) < 0)
		return -1;
	if (start_database(a, e) < 0 || start_api(a, e) < 0 || start_sched(a, e) < 0)
		return -1;
	return start_http(a, e);
}

int
app_serve(const struct conf *c, const struct log *log, struct err *e)
{
	struct app a = { .conf = c,
		.log = log_component(log, "daemon"),
		.spawner_fd = -1,
		.signal_fd = -1,
		.runs_dirfd = -1,
		.state = { .dirfd = -1, .lockfd = -1 } };
	int rc = start_all(&a, e);

	if (rc == 0) {
		log_info(
		    &a.log, "ready on http://%s:%u", c->http_address, (unsigned)http_port(a.http));
		notify_service_manager("READY=1");
		loop_run(a.loop);
	}
	stop_all(&a);
	return rc;
}
