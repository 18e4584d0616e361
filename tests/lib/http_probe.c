/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small server on src/http for tests that talk raw bytes to it (tests/it/http_raw) and for
 * tests/bench/http.  Prints "port N" and then obeys lines on its standard input:
 *
 *     stats             prints one JSON object
 *     reload            http_reload_certificate
 *     shutdown GRACE    http_shutdown with GRACE milliseconds; "done" when it is over, then ends
 *
 * Arguments are name=value, see read_args().
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "fd.h"
#include "http.h"
#include "lock.h"
#include "loop.h"
#include "metrics.h"
#include "parse.h"

enum {
	WORKERS = 4,
	TASKS_MAX = 4096,
	STREAM_BUFFER_BYTES = 64 << 10,
	FILE_BYTES = 3 << 20,
};

struct probe;

struct task {
	struct http_req *r;
	struct http_stream *stream; /* NULL until the reply */
	int64_t due_ns;
	int64_t n;  /* of events to write, or milliseconds to wait */
	int64_t ms; /* between two of them */
};

struct probe {
	struct loop *loop;
	struct http *http;
	struct metrics *metrics;
	int file; /* FILE_BYTES, each byte is its offset modulo 251 */
	int64_t grace_ms;
	struct loop_item shutdown_item, reload_item;
	struct thread workers[WORKERS];

	struct lock lock;
	struct cond changed;
	bool stopping;
	struct task tasks[TASKS_MAX]; /* to be run later, in no order */
	int n_tasks;
	struct task ready[TASKS_MAX]; /* to be run now, in a ring */
	int ready_head, n_ready;
	int64_t served, finished, refused, smuggled, stream_busy, stream_gone, stream_written;
};

static int64_t
query_i64(struct http_req *r, const char *name, int64_t def)
{
	const char *at = strstr(http_req_query(r), name);
	char text[24];
	size_t n;
	struct err e;
	int64_t v;

	if (at == NULL || at[strlen(name)] != '=')
		return def;
	at += strlen(name) + 1;
	n = strcspn(at, "&");
	if (n >= sizeof(text))
		return def;
	memcpy(text, at, n);
	text[n] = '\0';
	return parse_i64(text, 0, INT64_C(1) << 40, &v, &e) < 0 ? def : v;
}

static void
on_done(struct http_req *r, void *ctx)
{
	struct probe *p = ctx;

	(void)r;
	lock_take(&p->lock);
	p->finished++;
	lock_give(&p->lock);
}

static void
bump(struct probe *p, int64_t *counter, int64_t n)
{
	lock_take(&p->lock);
	*counter += n;
	lock_give(&p->lock);
}

/* --- Workers: answers from other threads ---------------------------------------------------- */

static bool
push(struct probe *p, struct task t)
{
	bool room;

	lock_take(&p->lock);
	room = p->n_tasks < TASKS_MAX && p->n_ready < TASKS_MAX && !p->stopping;
	if (room) {
		if (t.due_ns > clock_mono_ns())
			p->tasks[p->n_tasks++] = t;
		else
			p->ready[(p->ready_head + p->n_ready++) % TASKS_MAX] = t;
		cond_wake_one(&p->changed);
	}
	lock_give(&p->lock);
	return room;
}

/* Moves the later task that is due first to ret; false when it is not due yet, *ret_due says when.
 */
static bool
pop_due(struct probe *p, struct task *ret, struct deadline *ret_due)
{
	int first = 0;

	*ret_due = (struct deadline){ 0 };
	if (p->n_tasks == 0)
		return false;
	for (int i = 1; i < p->n_tasks; i++)
		if (p->tasks[i].due_ns < p->tasks[first].due_ns)
			first = i;
	*ret_due = (struct deadline){ p->tasks[first].due_ns };
	if (!deadline_passed(*ret_due))
		return false;
	*ret = p->tasks[first];
	p->tasks[first] = p->tasks[--p->n_tasks];
	return true;
}

/* Takes a task, waiting for it; false when the probe stops. */
static bool
pop(struct probe *p, struct task *ret)
{
	struct deadline due;

	while (!p->stopping) {
		if (pop_due(p, ret, &due))
			return true;
		if (p->n_ready > 0) {
			*ret = p->ready[p->ready_head];
			p->ready_head = (p->ready_head + 1) % TASKS_MAX;
			p->n_ready--;
			return true;
		}
		(void)cond_wait(&p->changed, &p->lock, due);
	}
	return false;
}

static void
stream_step(struct probe *p, struct task *t)
{
	char text[64];
	struct err e;
	int n;

	if (t->n == 0) {
		http_stream_close(t->stream);
		return;
	}
	n = snprintf(text, sizeof(text), "data: %lld\n\n", (long long)t->n);
	if (http_stream_write(t->stream, text, (size_t)n, &e) < 0) {
		bump(p, e.code == ERR_BUSY ? &p->stream_busy : &p->stream_gone, 1);
		http_stream_close(t->stream);
		return;
	}
	bump(p, &p->stream_written, n);
	t->n--;
	t->due_ns += t->ms * 1000000;
	if (!push(p, *t))
		http_stream_close(t->stream);
}

/* Writes until the reader is too slow, then ends the stream. */
static void
stream_flood(struct probe *p, struct http_req *r)
{
	int64_t left = query_i64(r, "n", INT64_C(1) << 40);
	const int64_t patience_ms = query_i64(r, "patience", 200);
	int64_t busy_since_ms = 0;
	struct http_stream *s;
	static const char BLOCK[1000] = "x";
	struct err e;

	if (http_reply_stream(r, STREAM_BUFFER_BYTES, &s, &e) < 0) {
		http_reply(r, err_http_status(e.code), e.msg, strlen(e.msg));
		return;
	}
	while (left > 0) {
		const size_t n = left < 1000 ? (size_t)left : sizeof(BLOCK);

		if (http_stream_write(s, BLOCK, n, &e) == 0) {
			left -= (int64_t)n;
			busy_since_ms = 0;
			bump(p, &p->stream_written, (int64_t)n);
			continue;
		}
		if (e.code != ERR_BUSY) {
			bump(p, &p->stream_gone, 1);
			break;
		}
		if (busy_since_ms == 0)
			busy_since_ms = clock_mono_ms();
		if (clock_mono_ms() - busy_since_ms > patience_ms) {
			bump(p, &p->stream_busy, 1);
			break;
		}
		(void)usleep(1000);
	}
	http_stream_close(s);
}

static void
stream_open(struct probe *p, struct task *t)
{
	struct err e;

	if (http_req_set_header(t->r, "Content-Type", "text/event-stream", &e) < 0 ||
	    http_reply_stream(t->r, STREAM_BUFFER_BYTES, &t->stream, &e) < 0) {
		http_reply(t->r, err_http_status(e.code), e.msg, strlen(e.msg));
		return;
	}
	t->due_ns = clock_mono_ns();
	if (!push(p, *t))
		http_stream_close(t->stream);
}

static void
run_task(struct probe *p, struct task *t)
{
	if (t->stream != NULL)
		stream_step(p, t);
	else if (strcmp(http_req_path(t->r), "/stream") == 0)
		stream_open(p, t);
	else if (strcmp(http_req_path(t->r), "/flood") == 0)
		stream_flood(p, t->r);
	else
		http_reply(t->r, 200, "worker", 6);
}

static void *
worker(void *arg)
{
	struct probe *p = arg;
	struct task t;
	bool more;

	do {
		lock_take(&p->lock);
		more = pop(p, &t);
		lock_give(&p->lock);
		if (more)
			run_task(p, &t);
	} while (more);
	return NULL;
}

static void
drop(struct task *t)
{
	if (t->stream != NULL)
		http_stream_close(t->stream);
	else
		http_reply(t->r, 503, "stopping", 8);
}

/* Requests that no worker took still have to be given back. */
static void
drop_tasks(struct probe *p)
{
	for (int i = 0; i < p->n_tasks; i++)
		drop(&p->tasks[i]);
	for (int i = 0; i < p->n_ready; i++)
		drop(&p->ready[(p->ready_head + i) % TASKS_MAX]);
	p->n_tasks = 0;
	p->n_ready = 0;
}

/* --- Handlers ------------------------------------------------------------------------------- */

static void
get_hello(struct probe *p, struct http_req *r)
{
	(void)p;
	http_reply(r, 200, "hello", 5);
}

/* What the server understood: method, path, query, body, one line each. */
static void
any_echo(struct probe *p, struct http_req *r)
{
	AUTO_BUF b;
	size_t n;
	const char *body = http_req_body(r, &n), *x = http_req_header(r, "x-echo");
	char *text;

	(void)p;
	buf_init(&b, 4 << 20);
	buf_printf(&b, "%s\n%s\n%s\n%s\n%s\n", http_req_method(r), http_req_path(r),
	    http_req_query(r), x == NULL ? "-" : x, http_req_peer(r));
	buf_append(&b, body, n);
	text = buf_take(&b, &n);
	http_reply_take(r, 200, text, n);
}

static void
any_worker(struct probe *p, struct http_req *r)
{
	const int64_t ms = query_i64(r, "ms", 0);
	const struct task t = { .r = r,
		.due_ns = clock_mono_ns() + ms * 1000000,
		.n = query_i64(r, "n", 3),
		.ms = query_i64(r, "every", 20) };

	if (!push(p, t))
		http_reply(r, 503, "queue is full", 13);
}

static void
get_big(struct probe *p, struct http_req *r)
{
	const size_t n = (size_t)query_i64(r, "n", 1 << 20);
	char *body = malloc(n + 1);

	(void)p;
	if (body == NULL) {
		http_reply(r, 503, "no memory", 9);
		return;
	}
	memset(body, 'b', n);
	http_reply_take(r, 200, body, n);
}

static void
get_file(struct probe *p, struct http_req *r)
{
	const int fd = fcntl(p->file, F_DUPFD_CLOEXEC, 0);
	const int64_t offset = query_i64(r, "offset", 0);

	if (fd < 0)
		http_reply(r, 503, "no descriptor", 13);
	else
		http_reply_file(r, 200, fd, offset, query_i64(r, "n", FILE_BYTES - offset));
}

static void
get_status(struct probe *p, struct http_req *r)
{
	const int64_t status = query_i64(r, "status", 200);

	(void)p;
	http_reply(r, (int)status, "status", status == 204 ? 0 : 6);
}

static void
get_close(struct probe *p, struct http_req *r)
{
	(void)p;
	http_req_close_after(r);
	http_reply(r, 200, "bye", 3);
}

/* Tries to smuggle a header out; says what the contract says to each attempt. */
static void
get_headers(struct probe *p, struct http_req *r)
{
	static const char *const TRIES[][2] = { { "X-A", "v\r\nX-B: w" }, { "X-A\r\n", "v" },
		{ "X-A", "" }, { "Content-Length", "3" }, { "X-A", "first" }, { "x-a", "second" } };
	char text[ARRAY_LEN(TRIES) + 1] = "";
	struct err e;

	(void)p;
	for (size_t i = 0; i < ARRAY_LEN(TRIES); i++)
		text[i] = http_req_set_header(r, TRIES[i][0], TRIES[i][1], &e) < 0 ? 'n' : 'y';
	http_reply(r, 200, text, strlen(text));
}

static const struct {
	const char *path;
	void (*fn)(struct probe *p, struct http_req *r);
} ROUTES[] = {
	{ "/hello", get_hello },
	{ "/echo", any_echo },
	{ "/worker", any_worker },
	{ "/stream", any_worker },
	{ "/flood", any_worker },
	{ "/big", get_big },
	{ "/file", get_file },
	{ "/status", get_status },
	{ "/close", get_close },
	{ "/headers", get_headers },
};

static void
on_handle(void *ctx, struct http_req *r)
{
	struct probe *p = ctx;

	/* Proxies ask for it whenever they like, so it is not counted. */
	if (strcmp(http_req_path(r), "/readyz") == 0) {
		http_reply(r, 200, "ready", 5);
		return;
	}
	http_req_on_done(r, on_done, p);
	bump(p, &p->served, 1);
	if (strstr(http_req_query(r), "smuggled") != NULL)
		bump(p, &p->smuggled, 1);
	for (size_t i = 0; i < ARRAY_LEN(ROUTES); i++) {
		if (strcmp(ROUTES[i].path, http_req_path(r)) == 0) {
			ROUTES[i].fn(p, r);
			return;
		}
	}
	http_reply(r, 404, "no such route", 13);
}

static void
on_refuse(void *ctx, struct http_req *r, const struct err *e)
{
	struct probe *p = ctx;

	bump(p, &p->refused, 1);
	http_reply(r, err_http_status(e->code), e->msg, strlen(e->msg));
}

/* --- Standard input ------------------------------------------------------------------------- */

/* Open descriptors, and how many of them an execve would pass on (beyond the standard ones). */
static void
count_fds(int *ret_open, int *ret_inherited)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *d;
	struct err e;
	int64_t fd;

	*ret_open = 0;
	*ret_inherited = 0;
	if (dir == NULL)
		return;
	while ((d = readdir(dir)) != NULL) {
		if (parse_i64(d->d_name, 0, INT32_MAX, &fd, &e) < 0 || fd == dirfd(dir))
			continue;
		++*ret_open;
		if (fd > 2 && (fcntl((int)fd, F_GETFD) & FD_CLOEXEC) == 0)
			++*ret_inherited;
	}
	(void)closedir(dir);
}

static void
print_stats(struct probe *p)
{
	struct timespec cpu;
	int n_open, n_inherited;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	count_fds(&n_open, &n_inherited);
	lock_take(&p->lock);
	printf("{\"fds\":%d,\"inherited\":%d,\"served\":%lld,\"finished\":%lld,\"refused\":%lld,"
	       "\"smuggled\":%lld,"
	       "\"stream_busy\":%lld,\"stream_gone\":%lld,\"stream_written\":%lld,\"tasks\":%d,"
	       "\"connections\":%lld,\"streams\":%lld,\"cut\":%lld,\"cpu_ms\":%lld}\n",
	    n_open, n_inherited, (long long)p->served, (long long)p->finished,
	    (long long)p->refused, (long long)p->smuggled, (long long)p->stream_busy,
	    (long long)p->stream_gone, (long long)p->stream_written, p->n_tasks + p->n_ready,
	    (long long)metrics_get(p->metrics, METRIC_HTTP_OPEN_CONNECTIONS),
	    (long long)metrics_get(p->metrics, METRIC_HTTP_OPEN_STREAMS),
	    (long long)metrics_get(p->metrics, METRIC_HTTP_REFUSED),
	    (long long)cpu.tv_sec * 1000 + cpu.tv_nsec / 1000000);
	lock_give(&p->lock);
	(void)fflush(stdout);
}

static void
on_shutdown_done(void *ctx)
{
	struct probe *p = ctx;

	puts("done");
	(void)fflush(stdout);
	loop_stop(p->loop);
}

static void
start_shutdown(void *arg)
{
	struct probe *p = arg;

	http_shutdown(p->http, p->grace_ms, on_shutdown_done, p);
}

static void
reload(void *arg)
{
	struct probe *p = arg;

	http_reload_certificate(p->http);
	puts("reloaded");
	(void)fflush(stdout);
}

static void *
obey(void *arg)
{
	struct probe *p = arg;
	char line[128];
	struct err e;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "stats") == 0)
			print_stats(p);
		if (strcmp(line, "reload") == 0)
			loop_post(p->loop, &p->reload_item, reload, p);
		if (strncmp(line, "shutdown ", 9) == 0)
			break;
	}
	if (strncmp(line, "shutdown ", 9) != 0 ||
	    parse_i64(line + 9, 0, 60000, &p->grace_ms, &e) < 0)
		p->grace_ms = 0;
	loop_post(p->loop, &p->shutdown_item, start_shutdown, p);
	return NULL;
}

/* --- Start ---------------------------------------------------------------------------------- */

static int
make_file(struct err *e)
{
	AUTO_FD int fd = memfd_create("probe", MFD_CLOEXEC);
	AUTO_FREE unsigned char *bytes = malloc(FILE_BYTES);

	if (fd < 0 || bytes == NULL)
		return err_set(e, ERR_SYSTEM, "cannot make the test file");
	for (size_t i = 0; i < FILE_BYTES; i++)
		bytes[i] = (unsigned char)(i % 251);
	if (fd_write_all(fd, bytes, FILE_BYTES, e) < 0)
		return -1;
	return fd_take(&fd);
}

/* name=value; -1 when it is another name. */
static int
take_arg(const char *arg, const char *name, const char **ret_value)
{
	const size_t n = strlen(name);

	if (strncmp(arg, name, n) != 0 || arg[n] != '=')
		return -1;
	*ret_value = arg + n + 1;
	return 0;
}

static int
read_text(const char *arg, struct http_options *o, struct net_cidrs *trusted, struct err *e)
{
	const struct {
		const char *name;
		const char **value;
	} texts[] = { { "address", &o->address }, { "certificate", &o->tls_certificate },
		{ "key", &o->tls_key } };
	const char *value;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (take_arg(arg, texts[i].name, texts[i].value) == 0)
			return 1;
	if (take_arg(arg, "trusted", &value) < 0)
		return 0;
	o->trusted_proxies = trusted;
	return net_cidrs_parse(value, trusted, e) < 0 ? -1 : 1;
}

static int
read_args(int argc, char **argv, struct http_options *o, struct net_cidrs *trusted, struct err *e)
{
	int64_t port = 0, connections = 4000, per_address = 4000, streams = 100, body = 1 << 20,
		ignore_sigpipe = 1;
	const struct {
		const char *name;
		int64_t *value;
	} args[] = { { "port", &port }, { "connections", &connections },
		{ "per_address", &per_address }, { "streams", &streams }, { "body", &body },
		{ "head_ms", &o->head_timeout_ms }, { "body_ms", &o->body_timeout_ms },
		{ "idle_ms", &o->idle_timeout_ms }, { "check_ms", &o->tls_check_ms },
		{ "requests", &o->requests_per_connection },
		{ "ignore_sigpipe", &ignore_sigpipe } };

	for (int i = 1; i < argc; i++) {
		const char *value;
		const int taken = read_text(argv[i], o, trusted, e);
		size_t k = 0;

		if (taken < 0)
			return -1;
		if (taken > 0)
			continue;
		while (k < ARRAY_LEN(args) && take_arg(argv[i], args[k].name, &value) < 0)
			k++;
		if (k == ARRAY_LEN(args))
			return err_set(e, ERR_USAGE, "unknown argument %s", argv[i]);
		if (parse_i64(value, 0, INT32_MAX, args[k].value, e) < 0)
			return -1;
	}
	o->port = (uint16_t)port;
	o->connections = (int)connections;
	o->connections_per_address = (int)per_address;
	o->streams = (int)streams;
	o->body_max_bytes = (size_t)body;
	(void)signal(SIGPIPE, ignore_sigpipe != 0 ? SIG_IGN : SIG_DFL);
	return 0;
}

static int
start(struct probe *p, struct http_options *o, struct err *e)
{
	lock_init(&p->lock);
	cond_init(&p->changed);
	if (metrics_new(&p->metrics, e) < 0 || loop_new(&p->loop, e) < 0)
		return -1;
	o->metrics = p->metrics;
	p->file = make_file(e);
	if (p->file < 0 || http_new(p->loop, o, &p->http, e) < 0)
		return -1;
	for (int i = 0; i < WORKERS; i++)
		if (thread_start(&p->workers[i], "worker", worker, p, e) < 0)
			return -1;
	return 0;
}

static void
stop(struct probe *p)
{
	lock_take(&p->lock);
	p->stopping = true;
	cond_wake_all(&p->changed);
	lock_give(&p->lock);
	for (int i = 0; i < WORKERS; i++)
		thread_join(&p->workers[i]);
	drop_tasks(p);
	http_free(p->http);
	loop_free(p->loop);
	print_stats(p);
	metrics_free(p->metrics);
	fd_close(&p->file);
	cond_done(&p->changed);
	lock_done(&p->lock);
}

int
main(int argc, char **argv)
{
	struct probe *p = calloc(1, sizeof(*p));
	struct http_options o = { .address = "127.0.0.1",
		.head_timeout_ms = 5000,
		.body_timeout_ms = 60000,
		.idle_timeout_ms = 60000,
		.tls_check_ms = 60000,
		.handle = on_handle,
		.refuse = on_refuse,
		.ctx = p };
	struct net_cidrs trusted = { 0 };
	struct thread input = { 0 };
	struct err e;

	if (p == NULL)
		return 1;
	if (read_args(argc, argv, &o, &trusted, &e) < 0 || start(p, &o, &e) < 0 ||
	    thread_start(&input, "input", obey, p, &e) < 0) {
		(void)fprintf(stderr, "http_probe: %s\n", e.msg);
		return 1;
	}
	printf("port %u\n", (unsigned)http_port(p->http));
	(void)fflush(stdout);
	loop_run(p->loop);
	thread_join(&input);
	stop(p);
	free(p);
	return 0;
}
