/* SPDX-License-Identifier: Apache-2.0 */
#include "environment_internal.h"

#include "caps.h"
#include "parse.h"

#include <float.h>
#include <string.h>

/* A profile is written by an administrator and read by nobody until a job fails: so it is checked
 * as a whole when it is loaded, and every fault names the table to look at. */

struct check {
	const char *file;
	const struct environment *env;
	bool used[ENVIRONMENT_PARAMS_MAX]; /* by the command or a rule */
	struct err *e;
};

/* --- parameters --------------------------------------------------------------------------- */

/* What is wrong with a parameter by itself; NULL when nothing is. */
static const char *
param_fault(const struct environment_param *p)
{
	bool number = p->type == ENVIRONMENT_PARAM_INTEGER || p->type == ENVIRONMENT_PARAM_NUMBER;

	if (!number && (p->min > -DBL_MAX || p->max < DBL_MAX))
		return "`min` and `max` are for the types integer and number";
	if (!number && p->unit != NULL)
		return "`unit` is for the types integer and number";
	if ((p->type == ENVIRONMENT_PARAM_CHOICE) != (p->n_choices > 0))
		return "`choices` belongs to the type choice, which needs it";
	if (p->required && p->default_text != NULL)
		return "a parameter with a `default` is not `required`";
	if (p->type == ENVIRONMENT_PARAM_LIST && p->default_text != NULL)
		return "a list has no `default`; it is empty unless given";
	return p->min > p->max ? "`min` is greater than `max`" : NULL;
}

/* The default must pass the checks that a given value passes. */
static const char *
default_fault(const struct environment_param *p)
{
	struct err e = { 0 };
	int64_t integer;
	double number = 0;

	if (p->default_text == NULL)
		return NULL;
	if (p->type == ENVIRONMENT_PARAM_CHOICE)
		return environment_name_index(p->choices, p->n_choices, p->default_text) <
			       p->n_choices
			   ? NULL
			   : "the `default` is none of the `choices`";
	if (p->type == ENVIRONMENT_PARAM_INTEGER &&
	    parse_i64(p->default_text, INT64_MIN, INT64_MAX, &integer, &e) < 0)
		return "the `default` is no integer";
	if (p->type != ENVIRONMENT_PARAM_INTEGER && p->type != ENVIRONMENT_PARAM_NUMBER)
		return strlen(p->default_text) <= ENVIRONMENT_TEXT_MAX
			   ? NULL
			   : "the `default` is too long";
	if (parse_f64(p->default_text, strlen(p->default_text), &number, &e) < 0)
		return "the `default` is no number";
	return number >= p->min && number <= p->max ? NULL
						    : "the `default` lies outside `min` and `max`";
}

static int
check_params(struct check *c)
{
	for (size_t i = 0; i < c->env->n_params; i++) {
		const struct environment_param *p = &c->env->params[i];
		const char *fault = param_fault(p);

		if (fault == NULL)
			fault = default_fault(p);
		if (fault != NULL)
			return err_set(
			    c->e, ERR_CONF, "%s: [parameter.%s]: %s", c->file, p->name, fault);
	}
	return 0;
}

/* --- templates ---------------------------------------------------------------------------- */

/* What is wrong with one place of a template; NULL when nothing is. */
static const char *
place_fault(struct check *c, const struct environment_piece *piece, bool whole_word, bool always)
{
	size_t i = environment_piece_param(c->env, piece);
	const struct environment_param *p = &c->env->params[i];

	if (i == c->env->n_params)
		return "names a parameter that is not declared";
	c->used[i] = true;
	if (piece->kind == ENVIRONMENT_PIECE_STEM && p->type != ENVIRONMENT_PARAM_FILE)
		return "takes the stem of a parameter that is no file";
	if (p->type == ENVIRONMENT_PARAM_LIST && !whole_word)
		return "has a list inside of a word; a list must stand alone";
	if (always && !p->required && p->default_text == NULL)
		return "needs a parameter that may be absent";
	return NULL;
}

/* always: the template must come out whatever the job gives (file names of rules). */
static const char *
template_fault(struct check *c, const char *word, bool list_allowed, bool always)
{
	const char *at = word, *fault = NULL;

	for (;;) {
		const char *start = at;
		struct environment_piece piece = environment_piece_next(&at);
		bool whole = start == word && *at == '\0' && list_allowed;

		if (piece.kind == ENVIRONMENT_PIECE_BAD)
			return "has a brace that is no {parameter} or {parameter.stem}";
		if (piece.kind == ENVIRONMENT_PIECE_END)
			return NULL;
		if (piece.kind != ENVIRONMENT_PIECE_TEXT)
			fault = place_fault(c, &piece, whole, always);
		if (fault != NULL)
			return fault;
	}
}

static int
check_command(struct check *c)
{
	const struct environment *env = c->env;

	if (env->program[0] != '/')
		return err_set(c->e, ERR_CONF, "%s: `program` must be an absolute path", c->file);
	if (strcmp(env->command[0], env->program) != 0)
		return err_set(
		    c->e, ERR_CONF, "%s: the first word of `command` must be `program`", c->file);
	for (size_t i = 1; i < env->n_command; i++) {
		const char *fault = template_fault(c, env->command[i], true, false);
		char echo[PARSE_ECHO_SIZE];

		if (fault != NULL)
			return err_set(c->e, ERR_CONF, "%s: `command`: \"%s\" %s", c->file,
			    parse_echo(env->command[i], echo), fault);
	}
	return 0;
}

static int
check_variables(struct check *c)
{
	for (size_t i = 0; i < c->env->n_env; i++) {
		const char *word = c->env->env[i];
		size_t n =
		    strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
		char echo[PARSE_ECHO_SIZE];

		if (n == 0 || word[n] != '=' || (word[0] >= '0' && word[0] <= '9'))
			return err_set(c->e, ERR_CONF, "%s: `env`: \"%s\" is not NAME=value",
			    c->file, parse_echo(word, echo));
	}
	return 0;
}

/* --- results and metrics ------------------------------------------------------------------ */

static const char *
rule_fault(struct check *c, const struct environment_rule *r)
{
	bool table = r->kind == ENVIRONMENT_RULE_TABLE, block = r->kind == ENVIRONMENT_RULE_BLOCK;

	if ((table || block) != (r->start != NULL))
		return "`start` belongs to the kinds table and block, which need it";
	if (!table && r->step != NULL)
		return "`step` belongs to the kind table";
	if (table && r->target == ENVIRONMENT_TARGET_METRIC && r->step == NULL)
		return "a metric of the kind table needs `step`";
	if (block != (r->n_columns > 0))
		return "`columns` belongs to the kind block, which needs it";
	return template_fault(c, r->file, false, true);
}

static int
check_rules(struct check *c)
{
	for (size_t i = 0; i < c->env->n_rules; i++) {
		const struct environment_rule *r = &c->env->rules[i];
		const char *fault = rule_fault(c, r);

		if (fault != NULL)
			return err_set(c->e, ERR_CONF, "%s: [%s.%s]: %s", c->file,
			    r->target == ENVIRONMENT_TARGET_RESULT ? "result" : "metric", r->name,
			    fault);
	}
	return 0;
}

/* --- the rest ----------------------------------------------------------------------------- */

static int
check_used(struct check *c)
{
	for (size_t i = 0; i < c->env->n_params; i++)
		if (!c->used[i])
			return err_set(c->e, ERR_CONF,
			    "%s: [parameter.%s] is used neither by `command` nor by a result's "
			    "`file`",
			    c->file, c->env->params[i].name);
	return 0;
}

static int
check_numbers(struct check *c)
{
	if (c->env->default_cpus < 0 || c->env->default_cpus > 4096)
		return err_set(
		    c->e, ERR_CONF, "%s: [defaults]: `cpus` must be between 0 and 4096", c->file);
	if (c->env->success_exit_code < 0 || c->env->success_exit_code > 255)
		return err_set(c->e, ERR_CONF,
		    "%s: [success]: `exit_code` must be between 0 and 255", c->file);
	return 0;
}

static int
check_stop(struct check *c)
{
	const struct environment_stop *s = &c->env->stop;

	if (s->wait_ms > 0 && s->signal == 0 && s->file == NULL)
		return err_set(c->e, ERR_CONF,
		    "%s: [stop] needs a `signal`, a `file` or both; without them leave it out",
		    c->file);
	if (s->text != NULL && s->file == NULL)
		return err_set(c->e, ERR_CONF,
		    "%s: [stop]: `text` is what `file` will hold; name it", c->file);
	return 0;
}

int
environment_profile_check(const char *file, const struct environment *env, struct err *e)
{
	struct check c = { .file = file, .env = env, .e = e };

	if (check_params(&c) < 0)
		return -1;
	if (check_command(&c) < 0)
		return -1;
	if (check_variables(&c) < 0)
		return -1;
	if (check_rules(&c) < 0)
		return -1;
	if (check_used(&c) < 0)
		return -1;
	if (check_stop(&c) < 0)
		return -1;
	return check_numbers(&c);
}
