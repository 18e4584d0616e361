/* SPDX-License-Identifier: Apache-2.0 */
#include "result_internal.h"

#include "parse.h"

#include <string.h>

/* What was found, with every cap in one place. */

enum { UNIT_BYTES = 63, POINTS_FIRST = 256 };

struct result_sink *
result_sink_new(struct arena *mem)
{
	struct result_sink *s = arena_alloc(mem, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->mem = mem;
	s->set.values = arena_array(mem, CAP_RESULT_VALUES, sizeof(*s->set.values));
	return s->set.values == NULL ? NULL : s;
}

/* Copies printable characters, others as '_', while they fit in room bytes; the length. */
static size_t
copy_printable(const char *p, size_t n, char *out, size_t room)
{
	size_t used = 0;

	while (n > 0) {
		size_t len = parse_utf8_printable(p, n);

		if (used + (len == 0 ? 1 : len) > room)
			break;
		if (len == 0)
			out[used] = '_';
		else
			memcpy(out + used, p, len);
		len += len == 0;
		p += len;
		n -= len;
		used += len;
	}
	return used;
}

const char *
result_name(const char *prefix, const char *p, size_t n, char out[static RESULT_NAME_BYTES + 1])
{
	size_t used =
	    copy_printable(prefix, strnlen(prefix, RESULT_NAME_BYTES), out, RESULT_NAME_BYTES / 2);

	if (used > 0)
		out[used++] = '.';
	used += copy_printable(p, n, out + used, RESULT_NAME_BYTES - used);
	if (used == 0)
		out[used++] = '_';
	out[used] = '\0';
	for (char *blank = out; (blank = strchr(blank, ' ')) != NULL;)
		*blank = '_';
	return out;
}

/* Where the name stands or would stand. */
static size_t
names_place(const struct result_names *names, const char *name, bool *ret_there)
{
	size_t low = 0, high = names->n;

	*ret_there = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, names->name[middle]);

		if (order == 0) {
			*ret_there = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void
names_insert(struct result_names *names, size_t at, const char *name, size_t slot)
{
	size_t after = names->n - at;

	memmove(&names->name[at + 1], &names->name[at], after * sizeof(names->name[0]));
	memmove(&names->slot[at + 1], &names->slot[at], after * sizeof(names->slot[0]));
	names->name[at] = name;
	names->slot[at] = slot;
	names->n++;
}

bool
result_sink_has(const struct result_sink *s, const char *name)
{
	bool there;

	(void)names_place(&s->value_names, name, &there); /* only whether */
	return there;
}

static const char *
copy_text(struct arena *mem, const char *text, size_t room)
{
	char *copy = text == NULL ? NULL : arena_alloc(mem, room + 1);

	if (copy != NULL)
		copy[copy_printable(text, strlen(text), copy, room)] = '\0';
	return copy;
}

int
result_sink_value(struct result_sink *s, const struct result_value *v, struct err *e)
{
	struct result_value *kept;
	bool there;
	size_t at = names_place(&s->value_names, v->name, &there);

	if (!there) {
		char *name;

		if (s->set.n_values == CAP_RESULT_VALUES) {
			s->set.truncated = true;
			return 0;
		}
		name = arena_strdup(s->mem, v->name);
		if (name == NULL)
			return arena_err(e);
		names_insert(&s->value_names, at, name, s->set.n_values);
		s->set.values[s->set.n_values++].name = name;
	}
	kept = &s->set.values[s->value_names.slot[at]];
	kept->value = v->value;
	kept->missing = v->missing;
	kept->reason = v->reason;
	/* A repeated measurement brings the same unit again; only another one takes memory. */
	if (v->unit == NULL || kept->unit == NULL || strcmp(kept->unit, v->unit) != 0) {
		kept->unit = copy_text(s->mem, v->unit, UNIT_BYTES);
		if (v->unit != NULL && kept->unit == NULL)
			return arena_err(e);
	}
	return 0;
}

int
result_sink_series(struct result_sink *s, const char *name, struct err *e)
{
	bool there;
	size_t at = names_place(&s->series_names, name, &there);
	size_t slot = s->series_names.n;
	char *copy;

	if (there)
		return (int)s->series_names.slot[at];
	if (slot == CAP_RESULT_VALUES) {
		s->set.truncated = true;
		return -1;
	}
	copy = arena_strdup(s->mem, name);
	if (copy == NULL) {
		(void)arena_err(e); /* always -1 */
		return -2;
	}
	names_insert(&s->series_names, at, copy, slot);
	s->series[slot].name = copy;
	return (int)slot;
}

int
result_sink_point(struct result_sink *s, size_t series, double step, double value, struct err *e)
{
	struct result_set *set = &s->set;

	REQUIRE(series < s->series_names.n);
	if (set->n_points == CAP_METRIC_POINTS) {
		set->truncated = true;
		return 0;
	}
	if (set->n_points == s->points_cap) {
		size_t cap = s->points_cap == 0 ? POINTS_FIRST : s->points_cap * 2;
		struct result_point *grown = arena_array(s->mem, cap, sizeof(*grown));

		if (grown == NULL)
			return arena_err(e);
		if (set->n_points > 0)
			memcpy(grown, set->points, set->n_points * sizeof(*grown));
		set->points = grown;
		s->points_cap = cap;
	}
	set->points[set->n_points++] =
	    (struct result_point){ .name = s->series[series].name, .step = step, .value = value };
	s->series[series].n_points++;
	return 0;
}
