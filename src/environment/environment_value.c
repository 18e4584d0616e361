/* SPDX-License-Identifier: Apache-2.0 */
#include "environment_internal.h"

#include "caps.h"
#include "parse.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Readers return 0 with f->one filled or a fault recorded, -1 when memory is short. */
typedef int read_fn(
    struct environment_filling *f, const struct environment_param *p, const struct json_value *v);

/* --- faults ------------------------------------------------------------------------------- */

void
environment_fault(struct environment_filling *f, const char *name, const char *fmt, ...)
{
	char pointer[ERR_FIELD_SIZE] = "/parameters", msg[ERR_FIELD_MSG_SIZE];
	va_list ap;

	(void)json_pointer_add(pointer, sizeof(pointer), name); /* else its parent is near enough */
	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap); /* a long message is cut */
	va_end(ap);
	err_field_add(f->e, pointer, "%s", msg);
}

static int
type_fault(struct environment_filling *f, const struct environment_param *p, const char *want,
    const struct json_value *v)
{
	environment_fault(f, p->name, "must be %s, not %s", want, json_type_name(json_type(v)));
	return 0;
}

/* "must be X; did you mean Y?" for a word that is none of the names. */
static void
near_fault(struct environment_filling *f, const char *name, const char *what,
    const char *const names[], size_t n, const char *word)
{
	const char *near = environment_near(names, n, word);

	if (near == NULL)
		environment_fault(f, name, "%s", what);
	else
		environment_fault(f, name, "%s; did you mean \"%s\"?", what, near);
}

/* --- one value ---------------------------------------------------------------------------- */

static int
take_text(struct environment_filling *f, const char *text)
{
	const char **v = arena_alloc(f->mem, sizeof(*v));

	if (v == NULL)
		return -1;
	*v = arena_strdup(f->mem, text);
	if (*v == NULL)
		return -1;
	f->one = (struct environment_texts){ v, 1 };
	return 0;
}

/* False, with a fault recorded, for what is no text or too long. */
static bool
get_text(struct environment_filling *f, const struct environment_param *p,
    const struct json_value *v, const char **ret)
{
	if (!json_get_text(v, ret)) {
		(void)type_fault(f, p, "a string", v); /* always 0 */
		return false;
	}
	if (strlen(*ret) <= ENVIRONMENT_TEXT_MAX)
		return true;
	environment_fault(f, p->name,
	    "must have at most %d bytes; put longer text into an input file", ENVIRONMENT_TEXT_MAX);
	return false;
}

static int
take_file(struct environment_filling *f, const struct environment_param *p, const char *text)
{
	if (f->any_path || environment_name_index(f->paths, f->n_paths, text) < f->n_paths)
		return take_text(f, text);
	near_fault(
	    f, p->name, "must be the path of one of the job's inputs", f->paths, f->n_paths, text);
	return 0;
}

static int
read_file(
    struct environment_filling *f, const struct environment_param *p, const struct json_value *v)
{
	const char *text;

	return get_text(f, p, v, &text) ? take_file(f, p, text) : 0;
}

static int
read_text(
    struct environment_filling *f, const struct environment_param *p, const struct json_value *v)
{
	const char *text;

	return get_text(f, p, v, &text) ? take_text(f, text) : 0;
}

static int
read_choice(
    struct environment_filling *f, const struct environment_param *p, const struct json_value *v)
{
	const char *text;

	if (!get_text(f, p, v, &text))
		return 0;
	if (environment_name_index(p->choices, p->n_choices, text) < p->n_choices)
		return take_text(f, text);
	near_fault(f, p->name, "must be one of the choices that the environment lists", p->choices,
	    p->n_choices, text);
	return 0;
}

/* True when within bounds, else a fault is recorded. */
static bool
in_range(struct environment_filling *f, const struct environment_param *p, double v)
{
	char lo[PARSE_F64_SIZE], hi[PARSE_F64_SIZE];

	if (v >= p->min && v <= p->max)
		return true;
	environment_fault(f, p->name, "must be between %s and %s%s%s", format_f64(p->min, lo),
	    format_f64(p->max, hi), p->unit == NULL ? "" : " ", p->unit == NULL ? "" : p->unit);
	return false;
}

static int
read_integer(
    struct environment_filling *f, const struct environment_param *p, const struct json_value *v)
{
	char text[24]; /* 20 characters of an int64_t */
	int64_t n;

	if (!json_get_i64(v, &n))
		return type_fault(f, p, "an integer", v);
	if (!in_range(f, p, (double)n))
		return 0;
	(void)snprintf(text, sizeof(text), "%" PRId64, n); /* cannot be longer */
	return take_text(f, text);
}

static int
read_number(
    struct environment_filling *f, const struct environment_param *p, const struct json_value *v)
{
	char text[PARSE_F64_SIZE];
	double n;

	if (!json_get_f64(v, &n))
		return type_fault(f, p, "a number", v);
	return in_range(f, p, n) ? take_text(f, format_f64(n, text)) : 0;
}

static int
read_list(
    struct environment_filling *f, const struct environment_param *p, const struct json_value *v)
{
	size_t n = json_count(v);
	const char **words;

	if (json_type(v) != JSON_ARRAY)
		return type_fault(f, p, "an array of strings", v);
	if (n > CAP_ARGS) {
		environment_fault(
		    f, p->name, "must have at most %d elements, has %zu", CAP_ARGS, n);
		return 0;
	}
	words = arena_array(f->mem, n, sizeof(*words));
	if (words == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const char *text;

		if (!get_text(f, p, json_at(v, i), &text))
			return 0;
		words[i] = arena_strdup(f->mem, text);
		if (words[i] == NULL)
			return -1;
	}
	f->one = (struct environment_texts){ words, n };
	return 0;
}

static int
read_value(struct environment_filling *f, size_t param, const struct json_value *v)
{
	static read_fn *const by_type[] = {
		[ENVIRONMENT_PARAM_FILE] = read_file,
		[ENVIRONMENT_PARAM_TEXT] = read_text,
		[ENVIRONMENT_PARAM_INTEGER] = read_integer,
		[ENVIRONMENT_PARAM_NUMBER] = read_number,
		[ENVIRONMENT_PARAM_CHOICE] = read_choice,
		[ENVIRONMENT_PARAM_LIST] = read_list,
	};
	const struct environment_param *p = &f->env->params[param];
	int r;

	f->one = (struct environment_texts){ NULL, 0 };
	r = by_type[p->type](f, p, v);
	f->texts[param] = f->one;
	return r;
}

/* --- all values --------------------------------------------------------------------------- */

static const struct environment_value *
given(const struct environment_value *values, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(values[i].name, name) == 0)
			return &values[i];
	return NULL;
}

int
environment_read_param(
    struct environment_filling *f, size_t param, const struct environment_value *values, size_t n)
{
	const struct environment_param *p = &f->env->params[param];
	const struct environment_value *value = given(values, n, p->name);
	int r = 0;

	if (value != NULL)
		return read_value(f, param, value->value);
	f->one = (struct environment_texts){ NULL, 0 };
	if (p->required)
		environment_fault(f, p->name, "is required: %s", p->title);
	else if (p->default_text != NULL && p->type == ENVIRONMENT_PARAM_FILE)
		r = take_file(f, p, p->default_text);
	else if (p->default_text != NULL)
		r = take_text(f, p->default_text);
	f->texts[param] = f->one;
	return r;
}

void
environment_report_unknown(
    struct environment_filling *f, const struct environment_value *values, size_t n)
{
	const char *names[ENVIRONMENT_PARAMS_MAX];

	for (size_t i = 0; i < f->env->n_params; i++)
		names[i] = f->env->params[i].name;
	for (size_t i = 0; i < n; i++)
		if (environment_name_index(names, f->env->n_params, values[i].name) ==
		    f->env->n_params)
			near_fault(f, values[i].name, "is not a parameter of this environment",
			    names, f->env->n_params, values[i].name);
}
