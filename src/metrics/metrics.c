/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics_internal.h"

#include "clock.h"

#include <string.h>

/*
 * A fixed set of 64-bit cells, one atomic addition per event; nothing is allocated after
 * metrics_new.  Order between cells is not kept: a scrape sees each cell at its own instant, which
 * Prometheus allows.
 */

static const struct metrics_row rows[METRIC_COUNT] = {
#define COUNTER(name, help) { METRICS_COUNTER, #name, NULL, NULL, help },
#define COUNTER_BY(name, label, values, help) { METRICS_COUNTER_BY, #name, label, values, help },
#define GAUGE(name, help) { METRICS_GAUGE, #name, NULL, NULL, help },
#define HISTOGRAM(name, help) { METRICS_HISTOGRAM, #name, NULL, NULL, help },
#include "metrics.def"
#undef COUNTER
#undef COUNTER_BY
#undef GAUGE
#undef HISTOGRAM
};

/* A client may send any word as its method; labels may not. */
static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };

static void
cell_add(_Atomic int64_t *cell, int64_t n)
{
	(void)atomic_fetch_add_explicit(
	    cell, n, memory_order_relaxed); /* the old value is of no use */
}

const struct metrics_row *
metrics_row(size_t id)
{
	REQUIRE(id < METRIC_COUNT);
	return &rows[id];
}

size_t
metrics_next_value(const char **values, const char **ret_word)
{
	size_t n = strcspn(*values, " ");

	*ret_word = *values;
	*values += n + ((*values)[n] == ' ');
	return n;
}

/* The table is part of the program, but the compiler cannot count words. */
static void
require_values_fit(void)
{
	for (size_t id = 0; id < METRIC_COUNT; id++) {
		const char *rest = rows[id].values, *word;
		size_t n = 0;

		while (rest != NULL && metrics_next_value(&rest, &word) > 0)
			n++;
		REQUIRE(n <= METRICS_VALUES_MAX);
	}
}

int
metrics_new(struct metrics **ret, struct err *e)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later");
	require_values_fit();
	m->started_wall_us = clock_wall_us();
	m->other.method = "other";
	m->other.route = "other";
	lock_init(&m->lock);
	*ret = m;
	return 0;
}

void
metrics_free(struct metrics *m)
{
	if (m == NULL)
		return;
	lock_done(&m->lock);
	free(m);
}

void
metrics_add(struct metrics *m, enum metric id, int64_t n)
{
	REQUIRE(metrics_row(id)->kind == METRICS_COUNTER);
	REQUIRE(n >= 0);
	cell_add(&m->cells[id][0], n);
}

/* Where a label value is counted; METRICS_VALUES_MAX is the place of what nobody listed. */
static size_t
value_index(const struct metrics_row *row, const char *value)
{
	const char *rest = row->values, *word;
	size_t value_n = strlen(value), n;

	for (size_t i = 0; (n = metrics_next_value(&rest, &word)) > 0; i++)
		if (n == value_n && memcmp(word, value, n) == 0)
			return i;
	return strcmp(value, "other") == 0 ? METRICS_VALUES_MAX : value_index(row, "other");
}

void
metrics_add_by(struct metrics *m, enum metric id, const char *value, int64_t n)
{
	const struct metrics_row *row = metrics_row(id);

	REQUIRE(row->kind == METRICS_COUNTER_BY);
	REQUIRE(n >= 0);
	cell_add(&m->cells[id][value_index(row, value)], n);
}

void
metrics_set(struct metrics *m, enum metric id, int64_t v)
{
	REQUIRE(metrics_row(id)->kind == METRICS_GAUGE);
	atomic_store_explicit(&m->cells[id][0], v, memory_order_relaxed);
}

static void
histogram_add(struct metrics_histogram *h, int64_t ns)
{
	size_t i = 0;

	while (i < METRICS_BUCKET_COUNT && ns > metrics_buckets[i].ns)
		i++;
	cell_add(&h->buckets[i], 1);
	/* A clock that stood still gives 0; less than that would make the sum shrink. */
	cell_add(&h->sum_ns, ns > 0 ? ns : 0);
}

void
metrics_observe_ns(struct metrics *m, enum metric id, int64_t ns)
{
	REQUIRE(metrics_row(id)->kind == METRICS_HISTOGRAM);
	histogram_add(&m->histograms[id], ns);
}

int64_t
metrics_get(const struct metrics *m, enum metric id)
{
	int64_t sum = 0;

	REQUIRE(id < METRIC_COUNT);
	for (size_t i = 0; i < ARRAY_LEN(m->cells[id]); i++)
		sum += atomic_load_explicit(&m->cells[id][i], memory_order_relaxed);
	for (size_t i = 0; i < ARRAY_LEN(m->histograms[id].buckets); i++)
		sum += atomic_load_explicit(&m->histograms[id].buckets[i], memory_order_relaxed);
	return sum;
}

/* --- requests by route -------------------------------------------------------------------- */

static const char *
known_method(const char *method)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strcmp(method, methods[i]) == 0)
			return methods[i];
	return "_OTHER";
}

/* FNV-1a, 32 bits; routes come from our own table, so nobody can aim at a slot. */
static size_t
slot_of(const char *method, const char *route)
{
	uint32_t h = 2166136261u;

	for (const char *p = method; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	for (const char *p = route; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return h % METRICS_SLOTS;
}

/* The route, or NULL with *ret_slot at the place where it belongs. */
static struct metrics_route *
route_find(struct metrics *m, const char *method, const char *route, size_t *ret_slot)
{
	size_t slot = slot_of(method, route);

	/* Ends at an empty slot: there are more slots than routes. */
	for (;; slot = (slot + 1) % METRICS_SLOTS) {
		struct metrics_route *r =
		    atomic_load_explicit(&m->slots[slot], memory_order_acquire);

		*ret_slot = slot;
		if (r == NULL || (r->method == method && strcmp(r->route, route) == 0))
			return r;
	}
}

static struct metrics_route *
route_add(struct metrics *m, const char *method, const char *route)
{
	struct metrics_route *r;
	size_t slot;

	lock_take(&m->lock);
	r = route_find(m, method, route, &slot); /* somebody may have been faster */
	if (r == NULL && m->n_routes == METRICS_ROUTES_MAX)
		r = &m->other;
	if (r == NULL) {
		r = &m->routes[m->n_routes++];
		r->method = method;
		r->route = route;
		atomic_store_explicit(&m->slots[slot], r, memory_order_release);
	}
	lock_give(&m->lock);
	return r;
}

void
metrics_request(struct metrics *m, const char *method, const char *route, int status, int64_t ns)
{
	int class = status >= 100 && status <= 599 ? status / 100 - 1 : METRICS_CLASSES - 1;
	struct metrics_route *r;
	size_t slot;

	method = known_method(method);
	r = route_find(m, method, route, &slot);
	if (r == NULL)
		r = route_add(m, method, route);
	histogram_add(&r->classes[class], ns);
}
