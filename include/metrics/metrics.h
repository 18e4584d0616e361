/* SPDX-License-Identifier: Apache-2.0 */
#ifndef METRICS_H
#define METRICS_H

/*
 * Counters, gauges and histograms, each a row of metrics.def; printed in Prometheus text format
 * 0.0.4.  One struct metrics per daemon, handed down from app.  Thread-safe: relaxed atomics.
 * There is no tenant label here: what belongs to one tenant is served to that tenant alone.
 */

#include "base.h"
#include "buf.h"
#include "err.h"

struct metrics;

enum metric {
#define COUNTER(name, help) METRIC_##name,
#define COUNTER_BY(name, label, values, help) METRIC_##name,
#define GAUGE(name, help) METRIC_##name,
#define HISTOGRAM(name, help) METRIC_##name,
#include "metrics.def"
#undef COUNTER
#undef COUNTER_BY
#undef GAUGE
#undef HISTOGRAM
	METRIC_COUNT
};

int metrics_new(struct metrics **ret, struct err *e) MUST_CHECK;
void metrics_free(struct metrics *m);
AUTO_TYPE(metrics);

void metrics_add(struct metrics *m, enum metric id, int64_t n); /* counter */
/* COUNTER_BY: `value` must be one of the row's label values; others count as "other". */
void metrics_add_by(struct metrics *m, enum metric id, const char *value, int64_t n);
void metrics_set(struct metrics *m, enum metric id, int64_t v);         /* gauge */
void metrics_observe_ns(struct metrics *m, enum metric id, int64_t ns); /* histogram of seconds */
int64_t metrics_get(const struct metrics *m, enum metric id);           /* for tests */
/* Request durations by route template, method and status class ("2xx"); routes beyond 128 distinct
 * ones count as "other".  route must be static text. */
void metrics_request(
    struct metrics *m, const char *method, const char *route, int status, int64_t ns);
/* Appends the whole exposition, process_* families included. */
void metrics_print(const struct metrics *m, struct buf *out);

#endif
