/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics_internal.h"

#include "parse.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

/* Prometheus text format 0.0.4: a family's HELP, TYPE and samples stand together, lines end in LF.
 */

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

enum { NAME_SIZE = 96 };

static int64_t
cell(const _Atomic int64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* wardian_<name in lower case><suffix> */
static const char *
full_name(const struct metrics_row *row, const char *suffix, char out[static NAME_SIZE])
{
	(void)snprintf(out, NAME_SIZE, "wardian_%s%s", row->name, suffix); /* rows are short */
	for (char *p = out; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return out;
}

void
metrics_print_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
print_plain(
    const struct metrics *m, size_t id, const char *suffix, const char *type, struct buf *out)
{
	char name[NAME_SIZE];

	full_name(metrics_row(id), suffix, name);
	metrics_print_head(out, name, type, metrics_row(id)->help);
	buf_printf(out, "%s %" PRId64 "\n", name, cell(&m->cells[id][0]));
}

static void
print_counter_by(const struct metrics *m, size_t id, struct buf *out)
{
	const struct metrics_row *row = metrics_row(id);
	const char *rest = row->values, *word;
	int64_t unlisted = cell(&m->cells[id][METRICS_VALUES_MAX]);
	char name[NAME_SIZE];
	size_t n;

	full_name(row, "_total", name);
	metrics_print_head(out, name, "counter", row->help);
	for (size_t i = 0; (n = metrics_next_value(&rest, &word)) > 0; i++)
		buf_printf(out, "%s{%s=\"%.*s\"} %" PRId64 "\n", name, row->label, (int)n, word,
		    cell(&m->cells[id][i]));
	if (unlisted > 0)
		buf_printf(out, "%s{%s=\"other\"} %" PRId64 "\n", name, row->label, unlisted);
}

/* labels: `a="b",` or nothing.  The count is the sum of the buckets just read, so that it always
 * equals the +Inf bucket. */
static void
print_histogram(const struct metrics_histogram *h, const char *name, const char *labels,
    size_t labels_n, struct buf *out)
{
	char sum[PARSE_F64_SIZE];
	int cut = (int)labels_n;
	int64_t count = 0;

	for (size_t i = 0; i < METRICS_BUCKET_COUNT; i++) {
		count += cell(&h->buckets[i]);
		buf_printf(out, "%s_bucket{%.*sle=\"%s\"} %" PRId64 "\n", name, cut, labels,
		    metrics_buckets[i].le, count);
	}
	count += cell(&h->buckets[METRICS_BUCKET_COUNT]);
	buf_printf(out, "%s_bucket{%.*sle=\"+Inf\"} %" PRId64 "\n", name, cut, labels, count);
	format_f64((double)cell(&h->sum_ns) / 1e9, sum);
	if (labels_n == 0)
		buf_printf(out, "%s_sum %s\n%s_count %" PRId64 "\n", name, sum, name, count);
	else
		buf_printf(out, "%s_sum{%.*s} %s\n%s_count{%.*s} %" PRId64 "\n", name, cut - 1,
		    labels, sum, name, cut - 1, labels, count);
}

static void
print_row(const struct metrics *m, size_t id, struct buf *out)
{
	char name[NAME_SIZE];

	switch (metrics_row(id)->kind) {
	case METRICS_COUNTER:
		print_plain(m, id, "_total", "counter", out);
		break;
	case METRICS_GAUGE:
		print_plain(m, id, "", "gauge", out);
		break;
	case METRICS_COUNTER_BY:
		print_counter_by(m, id, out);
		break;
	case METRICS_HISTOGRAM:
		full_name(metrics_row(id), "_seconds", name);
		metrics_print_head(out, name, "histogram", metrics_row(id)->help);
		print_histogram(&m->histograms[id], name, "", 0, out);
	}
}

/* --- requests ----------------------------------------------------------------------------- */

static bool
histogram_used(const struct metrics_histogram *h)
{
	for (size_t i = 0; i < ARRAY_LEN(h->buckets); i++)
		if (cell(&h->buckets[i]) > 0)
			return true;
	return false;
}

static void
print_route(const struct metrics_route *r, const char *name, struct buf *out)
{
	for (int class = 0; class < METRICS_CLASSES; class ++) {
		AUTO_BUF labels = { 0 };

		if (!histogram_used(&r->classes[class]))
			continue;
		buf_init(&labels, 1024);
		/* Templates come from the route table: letters, digits and "/{}-_.:", nothing to
		 * escape. */
		buf_printf(&labels, "method=\"%s\",route=\"%s\",status_class=\"%dxx\",", r->method,
		    r->route, class + 1);
		if (!labels.failed)
			print_histogram(&r->classes[class], name, labels.p, labels.n, out);
	}
}

static void
print_requests(const struct metrics *m, struct buf *out)
{
	static const char name[] = "wardian_http_request_duration_seconds";

	metrics_print_head(
	    out, name, "histogram", "Time from a request's head to the end of its reply.");
	for (size_t i = 0; i < METRICS_SLOTS; i++) {
		const struct metrics_route *r =
		    atomic_load_explicit(&m->slots[i], memory_order_acquire);

		if (r != NULL)
			print_route(r, name, out);
	}
	print_route(&m->other, name, out);
}

void
metrics_print(const struct metrics *m, struct buf *out)
{
	for (size_t id = 0; id < METRIC_COUNT; id++)
		print_row(m, id, out);
	print_requests(m, out);
	metrics_print_head(
	    out, "wardian_build_info", "gauge", "Always 1; the labels tell the build.");
	buf_printf(out, "wardian_build_info{version=\"%s\",compiler=\"%s\"} 1\n", WARDIAN_VERSION,
	    COMPILER);
	metrics_print_process(m, out);
}
