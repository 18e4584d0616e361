/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RESULT_INTERNAL_H
#define RESULT_INTERNAL_H

/* The way of a number: file -> lines -> scanner of a rule -> sink.  Everything before the sink is
 * hostile text; everything in the sink is capped, printable and unique by name. */

#include "caps.h"
#include "result.h"

enum {
	/* A line beyond it is no table row and no measurement; the rest of the line is dropped. */
	RESULT_LINE_BYTES = 4096,
	/* Of one file; beyond it the set is marked as truncated. */
	RESULT_FILE_BYTES = 64 << 20,
	/* A JSON document is held as a whole, and its tree is some ten times as large. */
	RESULT_JSON_BYTES = 4 << 20,
	/* As the database checks. */
	RESULT_NAME_BYTES = 128,
	/* Words of a line that are looked at; wider tables do not exist in practice. */
	RESULT_WORDS = 64,
};

/* --- numbers and words ---------------------------------------------------------------------- */

struct result_word {
	const char *p;
	size_t n;
};
/* Splits at blanks; the count, at most RESULT_WORDS + 1 (then there are too many). */
size_t result_words(const char *line, size_t n, struct result_word words[static RESULT_WORDS + 1]);
/* What C and Fortran print: 1.5, -2e-3, 1.0D+00, 0.1234-101 (an exponent of three digits), nan,
 * inf, Infinity, and stars for a number that did not fit (NaN). */
bool result_number(const char *p, size_t n, double *ret);
/* Whether the word is digits with an optional sign. */
bool result_integer(const char *p, size_t n);

/* --- lines ---------------------------------------------------------------------------------- */

/* One line without its end, not NUL-terminated, never empty.  -1 stops with *e filled. */
typedef int result_line_fn(void *ctx, const char *line, size_t n, struct err *e);

struct result_lines {
	result_line_fn *fn;
	void *ctx;
	size_t n;
	char line[RESULT_LINE_BYTES];
};
/* Carriage returns end lines too: progress bars are told apart by nothing else. */
int result_lines_feed(struct result_lines *l, const char *p, size_t n, struct err *e) MUST_CHECK;
/* Delivers a last line without an end. */
int result_lines_end(struct result_lines *l, struct err *e) MUST_CHECK;

/* --- sink ----------------------------------------------------------------------------------- */

/* Names in order, for look-up in a bounded time whatever a job chose to call things. */
struct result_names {
	const char *name[CAP_RESULT_VALUES];
	size_t slot[CAP_RESULT_VALUES];
	size_t n;
};
struct result_series {
	const char *name;
	size_t n_points;
};
struct result_sink {
	struct arena *mem;
	const char *where; /* the text at hand, for reasons: "the log" or a file's name */
	struct result_set set;
	size_t points_cap;
	struct result_names value_names, series_names;
	struct result_series series[CAP_RESULT_VALUES];
};
/* NULL when the arena is exhausted. */
struct result_sink *result_sink_new(struct arena *mem) MUST_CHECK;
/* Printable, without blanks, 1 to RESULT_NAME_BYTES bytes; prefix (may be "") and '.' before it. */
const char *result_name(
    const char *prefix, const char *p, size_t n, char out[static RESULT_NAME_BYTES + 1]);
/* Adds or replaces a value; v->name and v->reason and v->unit are copied.  Beyond the cap the set
 * is marked as truncated.  -1 when memory is short. */
int result_sink_value(
    struct result_sink *s, const struct result_value *v, struct err *e) MUST_CHECK;
bool result_sink_has(const struct result_sink *s, const char *name);
/* Number of the series of that name in s->series, made when new; -1 beyond the cap; -2 when memory
 * is short, with *e filled. */
int result_sink_series(struct result_sink *s, const char *name, struct err *e) MUST_CHECK;
int result_sink_point(
    struct result_sink *s, size_t series, double step, double value, struct err *e) MUST_CHECK;

/* --- scanners ------------------------------------------------------------------------------- */

struct result_scanner {
	const struct environment_rule *rule;
	struct result_sink *sink;
	size_t found; /* rows, measurements */
	/* TABLE and BLOCK */
	bool open;
	int strangers;      /* lines in a row that were no rows */
	size_t rows;        /* of the open table or block */
	size_t n_columns;   /* words of the header, or numbers of a row */
	size_t step_column; /* TABLE: RESULT_WORDS for none */
	double step;        /* BLOCK: from the title */
	bool has_step;
	int series[RESULT_WORDS]; /* TABLE, METRIC: -1 for a column that is not kept */
	/* TABLE: "" for a column that is not kept */
	char names[RESULT_WORDS][RESULT_NAME_BYTES + 1];
	double last[RESULT_WORDS]; /* TABLE: the last row; BLOCK: greatest of the open block */
	double most[RESULT_WORDS]; /* BLOCK: greatest of all blocks */
};
struct result_scanner *result_scanner_new(
    const struct environment_rule *rule, struct result_sink *sink) MUST_CHECK;
/* A result_line_fn; ctx is a struct result_scanner.  Not for JSON rules. */
int result_scanner_line(void *ctx, const char *line, size_t n, struct err *e) MUST_CHECK;
int result_scanner_end(struct result_scanner *s, struct err *e) MUST_CHECK;
/* The whole text of a JSON rule. */
int result_scan_json(const struct environment_rule *rule, struct result_sink *sink,
    const char *text, size_t n, struct err *e) MUST_CHECK;
/* Notes what the rule promised and `reason` kept it from finding; for RESULT targets. */
int result_missing(const struct environment_rule *rule, struct result_sink *sink,
    const char *reason, struct err *e) MUST_CHECK;

#endif
