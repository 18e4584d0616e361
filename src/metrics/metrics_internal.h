/* SPDX-License-Identifier: Apache-2.0 */
#ifndef METRICS_INTERNAL_H
#define METRICS_INTERNAL_H

#include "metrics.h"

#include "lock.h"

#include <stdatomic.h>

/* One list for all histograms: from a database call (100 us) to a wait in the queue (5 minutes). */
#define METRICS_BUCKETS(X)                                                                         \
	X(100000, "0.0001")                                                                        \
	X(250000, "0.00025")                                                                       \
	X(500000, "0.0005")                                                                        \
	X(1000000, "0.001")                                                                        \
	X(2500000, "0.0025")                                                                       \
	X(5000000, "0.005")                                                                        \
	X(10000000, "0.01")                                                                        \
	X(25000000, "0.025")                                                                       \
	X(50000000, "0.05")                                                                        \
	X(100000000, "0.1")                                                                        \
	X(250000000, "0.25")                                                                       \
	X(500000000, "0.5")                                                                        \
	X(1000000000, "1")                                                                         \
	X(2500000000, "2.5")                                                                       \
	X(5000000000, "5")                                                                         \
	X(10000000000, "10")                                                                       \
	X(30000000000, "30")                                                                       \
	X(60000000000, "60")                                                                       \
	X(300000000000, "300")

struct metrics_bucket {
	int64_t ns;     /* upper bound, included */
	const char *le; /* the same in seconds */
};
static const struct metrics_bucket metrics_buckets[] = {
#define BUCKET(ns, le) { INT64_C(ns), le },
	METRICS_BUCKETS(BUCKET)
#undef BUCKET
};

enum {
	METRICS_BUCKET_COUNT = ARRAY_LEN(metrics_buckets),
	METRICS_VALUES_MAX = 16,  /* values of one label; "other" comes on top */
	METRICS_ROUTES_MAX = 128, /* pairs of method and route; the API has about 50 */
	METRICS_SLOTS = 256,      /* of the hash table over them: never more than half full */
	METRICS_CLASSES = 5       /* 1xx to 5xx */
};

struct metrics_histogram {
	_Atomic int64_t
	    buckets[METRICS_BUCKET_COUNT + 1]; /* each its own share; the last has no bound */
	_Atomic int64_t sum_ns;
};

struct metrics_route {
	const char *method, *route; /* static texts, set before the route is published in a slot */
	struct metrics_histogram classes[METRICS_CLASSES];
};

struct metrics {
	int64_t started_wall_us; /* immutable */
	/* relaxed atomics: [0] of counters and gauges, one per label value of COUNTER_BY and one
	 * more */
	_Atomic int64_t cells[METRIC_COUNT][METRICS_VALUES_MAX + 1];
	struct metrics_histogram histograms[METRIC_COUNT];
	/* Slots go from NULL to a route once, with release; readers need no lock. */
	_Atomic(struct metrics_route *) slots[METRICS_SLOTS];
	struct metrics_route other; /* for what finds no place in routes */
	struct lock lock;
	size_t n_routes; /* under lock */
	struct metrics_route routes[METRICS_ROUTES_MAX];
};

enum metrics_kind { METRICS_COUNTER, METRICS_COUNTER_BY, METRICS_GAUGE, METRICS_HISTOGRAM };
struct metrics_row {
	enum metrics_kind kind;
	const char *name;   /* upper case, without prefix and suffix */
	const char *label;  /* COUNTER_BY */
	const char *values; /* COUNTER_BY, separated by single spaces */
	const char *help;
};
const struct metrics_row *metrics_row(size_t id);
/* Length of the word at `values`, which is moved behind it; *ret_word is the word. 0 at the end. */
size_t metrics_next_value(const char **values, const char **ret_word);

/* "# HELP" and "# TYPE" of one family; name without prefix. */
void metrics_print_head(struct buf *out, const char *name, const char *type, const char *help);
/* Families that describe the process, named as every Prometheus client names them. */
void metrics_print_process(const struct metrics *m, struct buf *out);

#endif
