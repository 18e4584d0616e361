/* SPDX-License-Identifier: Apache-2.0 */
#include "result_internal.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/*
 * The rules that read line by line.  A measurement is a line of assignments and nothing else.  A
 * table is opened by its header and goes on while lines are rows of as many numbers; simulators
 * throw in warnings, so up to two strangers in a row do not close it.  A block is opened by its
 * title, may have headings before its first row, and ends at the first line that is no row.
 *
 * Names: a measurement and a column of a table are called what the text calls them; of a table's
 * column a result is the last row.  A column of a block is <rule>.<column>.max, the number of
 * greatest magnitude with its sign, over all blocks for a result and per block for a metric.  A NaN
 * is greater than everything: it says that the simulation left the rails.
 */

enum { TABLE_STRANGERS = 2, BLOCK_HEADINGS = 8, BLOCK_IDS = 3 };

/* --- one found number ----------------------------------------------------------------------- */

/* A result, or the next point of the series when the rule makes metrics. */
static int
emit(struct result_scanner *s, const char *name, double value, struct err *e)
{
	const struct result_value v = { .name = name, .value = value, .unit = s->rule->unit };
	int series;

	s->found++;
	if (s->rule->target == ENVIRONMENT_TARGET_RESULT)
		return result_sink_value(s->sink, &v, e);
	series = result_sink_series(s->sink, name, e);
	if (series < 0)
		return series == -1 ? 0 : -1;
	return result_sink_point(s->sink, (size_t)series,
	    s->has_step ? s->step : (double)s->sink->series[series].n_points, value, e);
}

static int
emit_missing(struct result_scanner *s, const char *name, const char *reason, struct err *e)
{
	const struct result_value v = {
		.name = name, .missing = true, .unit = s->rule->unit, .reason = reason
	};

	s->found++;
	if (s->rule->target != ENVIRONMENT_TARGET_RESULT || result_sink_has(s->sink, name))
		return 0;
	return result_sink_value(s->sink, &v, e);
}

/* --- measurements --------------------------------------------------------------------------- */

static const char *
skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

static const char *
skip_word(const char *p, const char *end)
{
	while (p < end && *p != ' ' && *p != '\t' && *p != '=')
		p++;
	return p;
}

/* "name = word"; the text after it, NULL when the line goes otherwise. */
static const char *
read_assignment(const char *p, const char *end, struct result_word *name, struct result_word *value)
{
	name->p = skip_blanks(p, end);
	p = skip_word(name->p, end);
	name->n = (size_t)(p - name->p);
	p = skip_blanks(p, end);
	if (name->n == 0 || p == end || *p != '=')
		return NULL;
	value->p = skip_blanks(p + 1, end);
	p = skip_word(value->p, end);
	value->n = (size_t)(p - value->p);
	return value->n == 0 ? NULL : skip_blanks(p, end);
}

static bool
word_is(const struct result_word *w, const char *text)
{
	return w->n == strlen(text) && strncasecmp(w->p, text, w->n) == 0;
}

/* ".meas tran rise trig ... failed!": ngspice repeats the statement when it measured nothing. */
static int
failed_measurement(struct result_scanner *s, const char *line, size_t n, struct err *e)
{
	struct result_word words[RESULT_WORDS + 1];
	char name[RESULT_NAME_BYTES + 1];
	size_t count = result_words(line, n, words);

	if (count < 4 || count > RESULT_WORDS || !word_is(&words[count - 1], "failed!"))
		return 0;
	if (!word_is(&words[0], ".meas") && !word_is(&words[0], "meas") &&
	    !word_is(&words[0], ".measure"))
		return 0;
	return emit_missing(s, result_name("", words[2].p, words[2].n, name),
	    "the simulator could not measure it", e);
}

static int
measure_line(struct result_scanner *s, const char *line, size_t n, struct err *e)
{
	const char *end = line + n, *p;
	struct result_word word, text, more, ignored;
	char name[RESULT_NAME_BYTES + 1];
	double value = 0, other;

	p = read_assignment(line, end, &word, &text);
	if (p == NULL)
		return failed_measurement(s, line, n, e);
	if (!(word.p[0] == '_' || word.p[0] == '@' ||
		((word.p[0] | 0x20) >= 'a' && (word.p[0] | 0x20) <= 'z')))
		return 0;
	if (p == end && word_is(&text, "failed"))
		return emit_missing(s, result_name("", word.p, word.n, name),
		    "the simulator could not measure it", e);
	if (!result_number(text.p, text.n, &value))
		return 0;
	/* "at= 5e-03" may follow, prose may not: "Stack = 0 bytes." is no measurement. */
	while (p < end) {
		p = read_assignment(p, end, &ignored, &more);
		if (p == NULL || !result_number(more.p, more.n, &other))
			return 0;
	}
	return emit(s, result_name("", word.p, word.n, name), value, e);
}

/* --- tables --------------------------------------------------------------------------------- */

/* All words as numbers from the first-th; false when one is none. */
static bool
read_numbers(const struct result_word *words, size_t first, size_t n, double *out)
{
	for (size_t i = first; i < n; i++)
		if (!result_number(words[i].p, words[i].n, &out[i - first]))
			return false;
	return true;
}

/* Last rows become results when their table is over. */
static int
table_close(struct result_scanner *s, struct err *e)
{
	bool rows = s->open && s->rows > 0;

	s->open = false;
	if (!rows || s->rule->target != ENVIRONMENT_TARGET_RESULT)
		return 0;
	for (size_t i = 0; i < s->n_columns; i++)
		if (s->names[i][0] != '\0' && emit(s, s->names[i], s->last[i], e) < 0)
			return -1;
	return 0;
}

static bool
named_before(const struct result_scanner *s, size_t column)
{
	for (size_t i = 0; i < column; i++)
		if (strcmp(s->names[i], s->names[column]) == 0)
			return true;
	return false;
}

static int
table_open(struct result_scanner *s, const struct result_word *words, size_t n, struct err *e)
{
	if (table_close(s, e) < 0)
		return -1;
	s->rows = 0;
	s->strangers = 0;
	s->n_columns = n;
	s->step_column = RESULT_WORDS;
	for (size_t i = 0; i < n; i++) {
		bool step = s->rule->step != NULL && s->step_column == RESULT_WORDS &&
			    words[i].n == strlen(s->rule->step) &&
			    memcmp(words[i].p, s->rule->step, words[i].n) == 0;

		(void)result_name("", words[i].p, words[i].n, s->names[i]); /* its buffer */
		if (step)
			s->step_column = i;
		if (step || named_before(s, i))
			s->names[i][0] = '\0';
		s->series[i] = -1;
		if (s->names[i][0] != '\0' && s->rule->target == ENVIRONMENT_TARGET_METRIC)
			s->series[i] = result_sink_series(s->sink, s->names[i], e);
		if (s->series[i] == -2)
			return -1;
	}
	s->open = true;
	return 0;
}

static int
table_row(struct result_scanner *s, const double *row, struct err *e)
{
	double step = s->step_column < RESULT_WORDS ? row[s->step_column] : (double)s->rows;

	s->rows++;
	s->found++;
	s->strangers = 0;
	memcpy(s->last, row, s->n_columns * sizeof(row[0]));
	for (size_t i = 0; i < s->n_columns; i++)
		if (s->series[i] >= 0 &&
		    result_sink_point(s->sink, (size_t)s->series[i], step, row[i], e) < 0)
			return -1;
	return 0;
}

static int
table_line(struct result_scanner *s, const char *line, size_t n, struct err *e)
{
	struct result_word words[RESULT_WORDS + 1];
	double row[RESULT_WORDS];
	size_t count = result_words(line, n, words);

	if (count == 0)
		return 0;
	if (words[0].n == strlen(s->rule->start) &&
	    memcmp(words[0].p, s->rule->start, words[0].n) == 0) {
		if (count <= RESULT_WORDS)
			return table_open(s, words, count, e);
		s->sink->set.truncated = true;
		return table_close(s, e);
	}
	if (!s->open)
		return 0;
	if (count == s->n_columns && read_numbers(words, 0, count, row))
		return table_row(s, row, e);
	return ++s->strangers > TABLE_STRANGERS ? table_close(s, e) : 0;
}

/* --- blocks --------------------------------------------------------------------------------- */

static const char *
block_name(const struct result_scanner *s, size_t column, char out[static RESULT_NAME_BYTES + 1])
{
	const char *name = s->rule->columns[column];
	size_t used;

	/* Room is kept for the ending. */
	(void)result_name(s->rule->name, name, strnlen(name, CAP_NAME_BYTES), out); /* its buffer */
	used = strnlen(out, RESULT_NAME_BYTES - 4);
	memcpy(out + used, ".max", sizeof(".max"));
	return out;
}

static void
keep_greatest(double *most, double v, bool first)
{
	if (first || isnan(v) || (!isnan(*most) && fabs(v) > fabs(*most)))
		*most = v;
}

static int
block_close(struct result_scanner *s, struct err *e)
{
	char name[RESULT_NAME_BYTES + 1];
	bool rows = s->open && s->rows > 0;

	s->open = false;
	if (!rows || s->rule->target != ENVIRONMENT_TARGET_METRIC)
		return 0;
	for (size_t i = 0; i < s->n_columns; i++)
		if (emit(s, block_name(s, i, name), s->last[i], e) < 0)
			return -1;
	return 0;
}

/* The last number of the title is where the block stands: CalculiX ends it with the time. */
static int
block_open(struct result_scanner *s, const char *line, size_t n, struct err *e)
{
	struct result_word words[RESULT_WORDS + 1];
	size_t count = result_words(line, n, words);

	if (block_close(s, e) < 0)
		return -1;
	s->open = true;
	s->rows = 0;
	s->strangers = 0;
	s->has_step = false;
	for (size_t i = 0; i < count && i < RESULT_WORDS; i++)
		if (result_number(words[i].p, words[i].n, &s->step))
			s->has_step = true;
	return 0;
}

static void
block_row(struct result_scanner *s, const double *row)
{
	for (size_t i = 0; i < s->n_columns; i++) {
		keep_greatest(&s->last[i], row[i], s->rows == 0);
		keep_greatest(&s->most[i], row[i], s->found == 0);
	}
	s->rows++;
	s->found++;
}

/* Ids, then exactly the declared columns. */
static bool
read_block_row(const struct result_scanner *s, const char *line, size_t n, double *row)
{
	struct result_word words[RESULT_WORDS + 1];
	size_t count = result_words(line, n, words), ids;

	if (count > RESULT_WORDS || count < s->n_columns || count - s->n_columns > BLOCK_IDS)
		return false;
	ids = count - s->n_columns;
	for (size_t i = 0; i < ids; i++)
		if (!result_integer(words[i].p, words[i].n))
			return false;
	return read_numbers(words, ids, count, row);
}

static int
block_line(struct result_scanner *s, const char *line, size_t n, struct err *e)
{
	const char *text = skip_blanks(line, line + n);
	size_t left = n - (size_t)(text - line), title = strlen(s->rule->start);
	double row[RESULT_WORDS];

	if (left >= title && memcmp(text, s->rule->start, title) == 0)
		return block_open(s, line, n, e);
	if (!s->open)
		return 0;
	if (read_block_row(s, line, n, row)) {
		block_row(s, row);
		return 0;
	}
	if (s->rows == 0 && (left == 0 || ++s->strangers <= BLOCK_HEADINGS))
		return 0;
	return block_close(s, e);
}

/* --- all ------------------------------------------------------------------------------------ */

struct result_scanner *
result_scanner_new(const struct environment_rule *rule, struct result_sink *sink)
{
	struct result_scanner *s = arena_alloc(sink->mem, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->rule = rule;
	s->sink = sink;
	if (rule->kind == ENVIRONMENT_RULE_BLOCK)
		s->n_columns = rule->n_columns < RESULT_WORDS ? rule->n_columns : RESULT_WORDS;
	return s;
}

int
result_scanner_line(void *ctx, const char *line, size_t n, struct err *e)
{
	static int (*const by_kind[])(
	    struct result_scanner *, const char *, size_t, struct err *) = {
		[ENVIRONMENT_RULE_MEASURE] = measure_line,
		[ENVIRONMENT_RULE_TABLE] = table_line,
		[ENVIRONMENT_RULE_BLOCK] = block_line,
	};
	struct result_scanner *s = ctx;

	REQUIRE(s->rule->kind < ARRAY_LEN(by_kind)); /* JSON is not read by lines */
	return by_kind[s->rule->kind](s, line, n, e);
}

static int
block_results(struct result_scanner *s, struct err *e)
{
	char name[RESULT_NAME_BYTES + 1];
	bool any = s->found > 0;

	for (size_t i = 0; any && i < s->n_columns; i++)
		if (emit(s, block_name(s, i, name), s->most[i], e) < 0)
			return -1;
	return 0;
}

int
result_scanner_end(struct result_scanner *s, struct err *e)
{
	if (s->rule->kind == ENVIRONMENT_RULE_TABLE && table_close(s, e) < 0)
		return -1;
	if (s->rule->kind == ENVIRONMENT_RULE_BLOCK && block_close(s, e) < 0)
		return -1;
	if (s->rule->kind == ENVIRONMENT_RULE_BLOCK &&
	    s->rule->target == ENVIRONMENT_TARGET_RESULT && block_results(s, e) < 0)
		return -1;
	return s->found > 0 ? 0 : result_missing(s->rule, s->sink, NULL, e);
}

/* What was expected, said so that the user can look for it. */
static const char *
expectation(const struct environment_rule *rule, const struct result_sink *sink)
{
	static const char *const expected[] = {
		[ENVIRONMENT_RULE_MEASURE] = "line like \"name = number\"",
		[ENVIRONMENT_RULE_TABLE] = "table that begins with",
		[ENVIRONMENT_RULE_BLOCK] = "block of numbers under",
		[ENVIRONMENT_RULE_JSON] = "members",
	};
	bool by_start =
	    rule->kind == ENVIRONMENT_RULE_TABLE || rule->kind == ENVIRONMENT_RULE_BLOCK;

	if (by_start)
		return arena_printf(sink->mem, "%s has no %s \"%s\"", sink->where,
		    expected[rule->kind], rule->start);
	return arena_printf(sink->mem, "%s has no %s", sink->where, expected[rule->kind]);
}

int
result_missing(const struct environment_rule *rule, struct result_sink *sink, const char *reason,
    struct err *e)
{
	struct result_scanner s = { .rule = rule, .sink = sink };
	char name[RESULT_NAME_BYTES + 1];

	if (rule->target != ENVIRONMENT_TARGET_RESULT)
		return 0;
	if (reason == NULL)
		reason = expectation(rule, sink);
	if (reason == NULL)
		return arena_err(e);
	if (rule->kind != ENVIRONMENT_RULE_BLOCK)
		return emit_missing(
		    &s, result_name("", rule->name, strlen(rule->name), name), reason, e);
	for (size_t i = 0; i < rule->n_columns; i++)
		if (emit_missing(&s, block_name(&s, i, name), reason, e) < 0)
			return -1;
	return 0;
}
