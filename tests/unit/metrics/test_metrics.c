/* SPDX-License-Identifier: Apache-2.0 */
/* Counting, and the exposition read by a strict parser of format 0.0.4. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fd.h"
#include "lock.h"
#include "metrics.h"
#include "parse.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXPOSITION_MAX = 16 << 20, SERIES_MAX = 20000, FAMILIES_MAX = 200, NAME_MAX_BYTES = 128 };

static struct metrics *
fresh(void)
{
	struct metrics *m = NULL;
	struct err e = { 0 };

	assert_int_equal(metrics_new(&m, &e), 0);
	return m;
}

/* --- a strict parser of the text format --------------------------------------------------- */

struct family {
	char name[NAME_MAX_BYTES];
	char type[16];
	size_t n_samples;
};
struct reader {
	struct family families[FAMILIES_MAX];
	size_t n_families;
	const char *series[SERIES_MAX]; /* "name{labels}" of each line, for uniqueness */
	size_t series_n[SERIES_MAX];
	size_t n_series;
	double last_le, last_bucket; /* of the histogram being read */
};

static bool
name_valid(const char *s, size_t n)
{
	if (n == 0 || n >= NAME_MAX_BYTES || (s[0] >= '0' && s[0] <= '9'))
		return false;
	for (size_t i = 0; i < n; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:",
			s[i]) == NULL)
			return false;
	return true;
}

static struct family *
current(struct reader *r)
{
	assert_true(r->n_families > 0);
	return &r->families[r->n_families - 1];
}

static void
read_help(struct reader *r, const char *name, size_t n, const char *help)
{
	assert_true(r->n_families < FAMILIES_MAX);
	assert_true(name_valid(name, n));
	if (r->n_families > 0 && current(r)->type[0] == '\0')
		fail_msg("%s has no TYPE", current(r)->name);
	for (size_t i = 0; i < r->n_families; i++)
		if (strlen(r->families[i].name) == n && memcmp(r->families[i].name, name, n) == 0)
			fail_msg("%s stands in two places", r->families[i].name);
	memcpy(r->families[r->n_families++].name, name, n);
	assert_true(strlen(help) > 5);
	assert_null(strchr(help, '\\'));
}

static void
read_type(struct reader *r, const char *name, size_t n, const char *type)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };
	struct family *f = current(r);
	bool known = false;

	assert_int_equal(strlen(f->name), n);
	assert_memory_equal(f->name, name, n);
	assert_string_equal(f->type, "");
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		known = known || strcmp(types[i], type) == 0;
	assert_true(known);
	assert_int_equal(strcmp(type, "counter") == 0, strcmp(f->name + n - 6, "_total") == 0);
	(void)snprintf(f->type, sizeof(f->type), "%s", type);
}

static void
read_comment(struct reader *r, const char *line)
{
	const char *name = line + 7, *text = strchr(name, ' ');

	assert_true(strncmp(line, "# HELP ", 7) == 0 || strncmp(line, "# TYPE ", 7) == 0);
	assert_non_null(text);
	if (line[2] == 'H')
		read_help(r, name, (size_t)(text - name), text + 1);
	else
		read_type(r, name, (size_t)(text - name), text + 1);
}

/* The text behind `{...}`; *ret_le is the le label's value, NAN without one. */
static const char *
read_labels(const char *at, double *ret_le)
{
	struct err e = { 0 };

	*ret_le = NAN;
	do {
		const char *name = ++at, *value;

		at = strchr(at, '=');
		assert_non_null(at);
		assert_true(name_valid(name, (size_t)(at - name)));
		assert_int_equal(at[1], '"');
		value = at + 2;
		at = value + strcspn(value, "\"\\\n");
		assert_int_equal(*at, '"');
		assert_true(parse_utf8_valid(value, (size_t)(at - value)));
		if (memcmp(name, "le=", 3) == 0 && memcmp(value, "+Inf\"", 5) == 0)
			*ret_le = INFINITY;
		else if (memcmp(name, "le=", 3) == 0)
			assert_int_equal(parse_f64(value, (size_t)(at - value), ret_le, &e), 0);
		at++;
	} while (*at == ',');
	assert_int_equal(*at, '}');
	return at + 1;
}

static void
read_histogram_sample(struct reader *r, const char *suffix, double le, double value)
{
	if (memcmp(suffix, "_bucket", 7) == 0) {
		assert_false(isnan(le));
		assert_true(le > r->last_le);
		assert_true(value >= r->last_bucket);
		r->last_le = le;
		r->last_bucket = value;
	} else if (memcmp(suffix, "_sum", 4) == 0) {
		assert_true(isinf(r->last_le));
		assert_true(value >= 0);
	} else {
		assert_memory_equal(suffix, "_count", 6);
		assert_true(value == r->last_bucket);
		r->last_le = -INFINITY;
		r->last_bucket = 0;
	}
}

static void
read_sample(struct reader *r, const char *line)
{
	size_t name_n = strcspn(line, "{ "), family_n;
	struct family *f = current(r);
	const char *at = line + name_n;
	struct err e = { 0 };
	double le = NAN, value = 0;

	assert_true(name_valid(line, name_n));
	family_n = strlen(f->name);
	assert_true(f->type[0] != '\0');
	assert_memory_equal(line, f->name, family_n);
	if (*at == '{')
		at = read_labels(at, &le);
	assert_int_equal(*at, ' ');
	assert_true(r->n_series < SERIES_MAX);
	r->series[r->n_series] = line;
	r->series_n[r->n_series++] = (size_t)(at - line);
	if (parse_f64(at + 1, strlen(at + 1), &value, &e) < 0)
		fail_msg("%s: %s", line, e.msg);
	if (strcmp(f->type, "histogram") == 0)
		read_histogram_sample(r, line + family_n, le, value);
	else
		assert_int_equal(name_n, family_n);
	f->n_samples++;
}

static int
compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
assert_series_unique(struct reader *r)
{
	/* The lines are cut behind their labels, so equal texts are equal series. */
	for (size_t i = 0; i < r->n_series; i++)
		((char *)(uintptr_t)r->series[i])[r->series_n[i]] = '\0';
	qsort(r->series, r->n_series, sizeof(r->series[0]), compare_text);
	for (size_t i = 1; i < r->n_series; i++)
		if (strcmp(r->series[i - 1], r->series[i]) == 0)
			fail_msg("%s stands twice", r->series[i]);
}

/* Reads and cuts up the text. */
static void
read_exposition(struct reader *r, char *text, size_t n)
{
	memset(r, 0, sizeof(*r));
	r->last_le = -INFINITY;
	assert_true(n > 0);
	assert_int_equal(text[n - 1], '\n');
	assert_int_equal(strlen(text), n);
	while (*text != '\0') {
		char *end = strchr(text, '\n');

		*end = '\0';
		assert_true(end > text);
		if (text[0] == '#')
			read_comment(r, text);
		else
			read_sample(r, text);
		text = end + 1;
	}
	assert_series_unique(r);
}

static struct reader reader; /* 200 KiB: too much for the stack */

static const struct family *
family(const char *name)
{
	for (size_t i = 0; i < reader.n_families; i++)
		if (strcmp(reader.families[i].name, name) == 0)
			return &reader.families[i];
	fail_msg("%s is not there", name);
	return NULL;
}

/* Makes some of everything. */
static void
exercise(struct metrics *m)
{
	metrics_add(m, METRIC_HTTP_CONNECTIONS, 3);
	metrics_set(m, METRIC_HTTP_OPEN_CONNECTIONS, -1);
	metrics_add_by(m, METRIC_HTTP_REFUSED, "guard", 2);
	metrics_add_by(m, METRIC_HTTP_REFUSED, "never heard of", 5);
	metrics_observe_ns(m, METRIC_DB_CALL, 100000);
	metrics_observe_ns(m, METRIC_DB_CALL, 100001);
	metrics_observe_ns(m, METRIC_DB_CALL, INT64_C(400000000000));
	metrics_observe_ns(m, METRIC_DB_CALL, -5);
	metrics_request(m, "GET", "/v1/jobs/{id}", 200, 2000000);
	metrics_request(m, "GET", "/v1/jobs/{id}", 404, 1000000);
	metrics_request(m, "POST", "/v1/jobs", 201, 3000000);
	metrics_request(m, "BREW\"\\\n", "/v1/jobs", 501, 3000000);
	metrics_request(m, "GET", "/v1/jobs", 7, 1);
}

static void
assert_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	if (at == NULL || at[-1] != '\n' || at[strlen(line)] != '\n')
		fail_msg("no line \"%s\"", line);
}

/* --- tests -------------------------------------------------------------------------------- */

static void
the_exposition_of_a_fresh_daemon_is_well_formed(void **state)
{
	AUTO(metrics) m = fresh();
	AUTO_BUF b = { 0 };

	(void)state;
	buf_init(&b, EXPOSITION_MAX);
	metrics_print(m, &b);
	assert_false(b.failed);
	read_exposition(&reader, b.p, b.n);
	assert_string_equal(family("wardian_http_connections_total")->type, "counter");
	assert_string_equal(family("wardian_jobs_running")->type, "gauge");
	assert_string_equal(family("wardian_db_call_seconds")->type, "histogram");
	assert_int_equal(family("wardian_http_request_duration_seconds")->n_samples, 0);
	assert_int_equal(family("wardian_http_refused_total")->n_samples, 8);
	for (size_t i = 0; i < reader.n_families; i++)
		assert_true(strncmp(reader.families[i].name, "wardian_", 8) == 0 ||
			    strncmp(reader.families[i].name, "process_", 8) == 0);
}

static void
the_exposition_of_a_used_daemon_is_well_formed(void **state)
{
	AUTO(metrics) m = fresh();
	AUTO_BUF b = { 0 };

	(void)state;
	exercise(m);
	buf_init(&b, EXPOSITION_MAX);
	metrics_print(m, &b);
	read_exposition(&reader, b.p, b.n);
	/* Five combinations of method, route and class, each 19 bounded buckets, +Inf, sum and
	 * count. */
	assert_int_equal(family("wardian_http_request_duration_seconds")->n_samples, 5 * 22);
}

static void
every_event_is_counted_where_it_belongs(void **state)
{
	AUTO(metrics) m = fresh();
	AUTO_BUF b = { 0 };

	(void)state;
	exercise(m);
	buf_init(&b, EXPOSITION_MAX);
	metrics_print(m, &b);
	assert_line(b.p, "wardian_http_connections_total 3");
	assert_line(b.p, "wardian_http_open_connections -1");
	assert_line(b.p, "wardian_http_refused_total{reason=\"guard\"} 2");
	assert_line(b.p, "wardian_http_refused_total{reason=\"queue\"} 0");
	assert_line(b.p, "wardian_http_refused_total{reason=\"other\"} 5");
	assert_line(b.p, "wardian_db_call_seconds_bucket{le=\"0.0001\"} 2");
	assert_line(b.p, "wardian_db_call_seconds_bucket{le=\"0.00025\"} 3");
	assert_line(b.p, "wardian_db_call_seconds_bucket{le=\"300\"} 3");
	assert_line(b.p, "wardian_db_call_seconds_bucket{le=\"+Inf\"} 4");
	assert_line(b.p, "wardian_db_call_seconds_sum 400.000200001");
	assert_line(b.p, "wardian_db_call_seconds_count 4");
	assert_line(b.p, "wardian_http_request_duration_seconds_count{method=\"GET\","
			 "route=\"/v1/jobs/{id}\",status_class=\"2xx\"} 1");
	assert_line(b.p, "wardian_http_request_duration_seconds_sum{method=\"GET\","
			 "route=\"/v1/jobs/{id}\",status_class=\"4xx\"} 0.001");
	assert_line(b.p, "wardian_http_request_duration_seconds_bucket{method=\"POST\","
			 "route=\"/v1/jobs\",status_class=\"2xx\",le=\"0.0025\"} 0");
	assert_line(b.p, "wardian_http_request_duration_seconds_count{method=\"_OTHER\","
			 "route=\"/v1/jobs\",status_class=\"5xx\"} 1");
	assert_int_equal(metrics_get(m, METRIC_HTTP_REFUSED), 7);
	assert_int_equal(metrics_get(m, METRIC_DB_CALL), 4);
	assert_int_equal(metrics_get(m, METRIC_HTTP_CONNECTIONS), 3);
}

static void
a_listed_other_takes_what_is_not_listed(void **state)
{
	AUTO(metrics) m = fresh();
	AUTO_BUF b = { 0 };

	(void)state;
	metrics_add_by(m, METRIC_DB_ERRORS, "weather", 4);
	metrics_add_by(m, METRIC_DB_ERRORS, "other", 1);
	metrics_add_by(m, METRIC_DB_ERRORS, "", 1);
	buf_init(&b, EXPOSITION_MAX);
	metrics_print(m, &b);
	assert_line(b.p, "wardian_db_errors_total{kind=\"other\"} 6");
	read_exposition(&reader, b.p, b.n);
}

static void
the_process_is_described(void **state)
{
	AUTO(metrics) m = fresh();
	AUTO_BUF b = { 0 };

	(void)state;
	buf_init(&b, EXPOSITION_MAX);
	metrics_print(m, &b);
	assert_non_null(
	    strstr(b.p, "wardian_build_info{version=\"" WARDIAN_VERSION "\",compiler=\""));
	read_exposition(&reader, b.p, b.n);
	(void)family("process_cpu_seconds_total");
	(void)family("process_start_time_seconds");
	(void)family("process_resident_memory_bytes");
	(void)family("process_virtual_memory_bytes");
	(void)family("process_open_fds");
	(void)family("process_max_fds");
}

static void
routes_beyond_the_table_count_as_other(void **state)
{
	static char routes[300][24];
	AUTO(metrics) m = fresh();
	AUTO_BUF b = { 0 };

	(void)state;
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
			(void)snprintf(routes[i], sizeof(routes[i]), "/v1/r%zu", i);
			metrics_request(m, "GET", routes[i], 200, 1000);
		}
	buf_init(&b, EXPOSITION_MAX);
	metrics_print(m, &b);
	assert_line(b.p,
	    "wardian_http_request_duration_seconds_count{method=\"GET\",route=\"/v1/r127\","
	    "status_class=\"2xx\"} 2");
	assert_null(strstr(b.p, "\"/v1/r128\""));
	assert_line(b.p,
	    "wardian_http_request_duration_seconds_count{method=\"other\",route=\"other\","
	    "status_class=\"2xx\"} 344");
	read_exposition(&reader, b.p, b.n);
}

static void
a_full_buffer_loses_the_rest_and_says_so(void **state)
{
	AUTO(metrics) m = fresh();
	AUTO_BUF b = { 0 };

	(void)state;
	buf_init(&b, 100);
	metrics_print(m, &b);
	assert_true(b.failed);
}

struct hammer {
	struct metrics *m;
	int seed;
};
enum { HAMMERS = 4, BLOWS = 2000 };

static void *
hammer_run(void *arg)
{
	static const char *const routes[] = { "/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h" };
	const struct hammer *h = arg;

	for (int i = 0; i < BLOWS; i++) {
		metrics_add(h->m, METRIC_JOBS_SUBMITTED, 1);
		metrics_observe_ns(h->m, METRIC_JOB_START, i);
		metrics_request(
		    h->m, "GET", routes[(size_t)(i + h->seed) % ARRAY_LEN(routes)], 200, i);
	}
	return NULL;
}

static void
nothing_is_lost_between_threads(void **state)
{
	AUTO(metrics) m = fresh();
	struct hammer hammers[HAMMERS];
	struct thread threads[HAMMERS] = { 0 };
	struct err e = { 0 };
	AUTO_BUF b = { 0 };

	(void)state;
	for (int i = 0; i < HAMMERS; i++) {
		hammers[i] = (struct hammer){ m, i };
		assert_int_equal(
		    thread_start(&threads[i], "hammer", hammer_run, &hammers[i], &e), 0);
	}
	buf_init(&b, EXPOSITION_MAX);
	for (int i = 0; i < 20; i++) {
		buf_clear(&b);
		metrics_print(m, &b);
		read_exposition(&reader, b.p, b.n);
	}
	for (int i = 0; i < HAMMERS; i++)
		thread_join(&threads[i]);
	assert_int_equal(metrics_get(m, METRIC_JOBS_SUBMITTED), HAMMERS * BLOWS);
	assert_int_equal(metrics_get(m, METRIC_JOB_START), HAMMERS * BLOWS);
	buf_clear(&b);
	metrics_print(m, &b);
	assert_line(b.p, "wardian_http_request_duration_seconds_count{method=\"GET\",route=\"/h\","
			 "status_class=\"2xx\"} 1000");
}

/* The wait status of `promtool check metrics`; exit status 127 when it is not there. */
static int
run_promtool(const char *text, size_t n)
{
	struct err e = { 0 };
	int in[2], status;
	pid_t pid;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	pid = fork();
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		execlp("promtool", "promtool", "check", "metrics", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	if (fd_write_all(in[1], text, n, &e) < 0)
		print_message("promtool did not read to the end\n");
	close(in[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int
promtool_status(void)
{
	AUTO(metrics) m = fresh();
	AUTO_BUF b = { 0 };

	exercise(m);
	buf_init(&b, EXPOSITION_MAX);
	metrics_print(m, &b);
	return run_promtool(b.p, b.n);
}

static void
promtool_finds_no_fault(void **state)
{
	int status = promtool_status();

	(void)state;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		print_message("skipped: there is no promtool (Debian package prometheus)\n");
		skip();
	}
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exposition_of_a_fresh_daemon_is_well_formed),
		cmocka_unit_test(the_exposition_of_a_used_daemon_is_well_formed),
		cmocka_unit_test(every_event_is_counted_where_it_belongs),
		cmocka_unit_test(a_listed_other_takes_what_is_not_listed),
		cmocka_unit_test(the_process_is_described),
		cmocka_unit_test(routes_beyond_the_table_count_as_other),
		cmocka_unit_test(a_full_buffer_loses_the_rest_and_says_so),
		cmocka_unit_test(nothing_is_lost_between_threads),
		cmocka_unit_test(promtool_finds_no_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
