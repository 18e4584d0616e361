/* SPDX-License-Identifier: Apache-2.0 */
#include "environment_internal.h"

#include "parse.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

/* A package or program of its profile may be long; the end of the sentence can be missed. */
enum { REMEDY_SIZE = 512 };

static void
print_texts(struct json_out *o, const char *name, const char *const *texts, size_t n)
{
	json_out_key(o, name);
	json_out_begin_array(o);
	for (size_t i = 0; i < n; i++)
		json_out_text(o, texts[i]);
	json_out_end_array(o);
}

/* An open bound is null. */
static void
print_bound(struct json_out *o, const char *name, double v)
{
	if (v <= -DBL_MAX || v >= DBL_MAX)
		json_put_null(o, name);
	else
		json_put_f64(o, name, v);
}

/* In the parameter's own type; environment_profile_check has read the same text. */
static void
print_default(struct json_out *o, const struct environment_param *p)
{
	struct err e = { 0 };
	int64_t integer = 0;
	double number = 0;

	if (p->default_text == NULL)
		json_put_null(o, "default");
	else if (p->type == ENVIRONMENT_PARAM_INTEGER &&
		 parse_i64(p->default_text, INT64_MIN, INT64_MAX, &integer, &e) == 0)
		json_put_i64(o, "default", integer);
	else if (p->type == ENVIRONMENT_PARAM_NUMBER &&
		 parse_f64(p->default_text, strlen(p->default_text), &number, &e) == 0)
		json_put_f64(o, "default", number);
	else
		json_put_text(o, "default", p->default_text);
}

static void
print_param(struct json_out *o, const struct environment_param *p)
{
	bool number = p->type == ENVIRONMENT_PARAM_INTEGER || p->type == ENVIRONMENT_PARAM_NUMBER;

	json_out_begin(o);
	json_put_text(o, "name", p->name);
	json_put_text(o, "type", environment_param_type_names[p->type]);
	json_put_text(o, "title", p->title);
	json_put_bool(o, "required", p->required);
	print_default(o, p);
	if (number) {
		print_bound(o, "min", p->min);
		print_bound(o, "max", p->max);
		json_put_text(o, "unit", p->unit);
	}
	if (p->n_choices > 0)
		print_texts(o, "choices", p->choices, p->n_choices);
	json_out_end(o);
}

static void
print_rules(struct json_out *o, const char *name, const struct environment *env,
    enum environment_rule_target target)
{
	json_out_key(o, name);
	json_out_begin_array(o);
	for (size_t i = 0; i < env->n_rules; i++) {
		const struct environment_rule *r = &env->rules[i];

		if (r->target != target)
			continue;
		json_out_begin(o);
		json_put_text(o, "name", r->name);
		json_put_text(o, "kind", environment_rule_kind_names[r->kind]);
		json_put_text(o, "file", r->file);
		json_put_text(o, "unit", r->unit);
		if (r->n_columns > 0)
			print_texts(o, "columns", r->columns, r->n_columns);
		json_out_end(o);
	}
	json_out_end_array(o);
}

/* 0 in the profile means that the server decides, which is null here. */
static void
print_defaults(struct json_out *o, const struct environment *env)
{
	json_out_key(o, "defaults");
	json_out_begin(o);
	if (env->default_cpus > 0)
		json_put_f64(o, "cpus", env->default_cpus);
	else
		json_put_null(o, "cpus");
	if (env->default_memory_bytes > 0)
		json_put_i64(o, "memory_bytes", env->default_memory_bytes);
	else
		json_put_null(o, "memory_bytes");
	if (env->default_wall_ms > 0)
		json_put_f64(o, "wall_s", (double)env->default_wall_ms / 1000);
	else
		json_put_null(o, "wall_s");
	json_put_i64(o, "gpus", env->default_gpus);
	json_out_end(o);
}

/* null: it is told by TERM alone. */
static void
print_stop(struct json_out *o, const struct environment_stop *s)
{
	json_out_key(o, "stop");
	if (s->wait_ms == 0) {
		json_out_null(o);
		return;
	}
	json_out_begin(o);
	json_put_text(o, "signal", s->signal == 0 ? NULL : environment_signal_name(s->signal));
	json_put_text(o, "file", s->file);
	json_put_text(o, "text", s->text);
	json_put_f64(o, "wait_s", (double)s->wait_ms / 1000);
	json_out_end(o);
}

/* What an operator does about one that is not available. */
static void
print_remedy(struct json_out *o, const struct environment *env)
{
	char text[REMEDY_SIZE];

	if (env->available) {
		json_put_null(o, "remedy");
		return;
	}
	if (env->root_digest == NULL)
		(void)snprintf(text, sizeof(text),
		    "Install the package %s on this server and start wardiand again", env->package);
	else if (env->root_there)
		(void)snprintf(text, sizeof(text),
		    "The root %.12s... is on this server but has no program %s that everybody may "
		    "execute; correct program or root in the profile and start wardiand again",
		    env->root_digest, env->program);
	else
		(void)snprintf(text, sizeof(text),
		    "Run 'wardiand root import FILE' on this server with the archive of the root "
		    "that "
		    "has %s, and start wardiand again",
		    env->program);
	json_put_text(o, "remedy", text);
}

void
environment_print(const struct environment *env, struct json_out *o)
{
	json_out_begin(o);
	json_put_text(o, "name", env->name);
	json_put_text(o, "title", env->title);
	json_put_text(o, "description", env->description);
	json_put_bool(o, "available", env->available);
	json_put_text(o, "package", env->package);
	json_put_text(o, "digest", env->digest);
	json_put_text(o, "root", env->root_digest);
	print_remedy(o, env);
	print_texts(o, "command", env->command, env->n_command);
	json_out_key(o, "parameters");
	json_out_begin_array(o);
	for (size_t i = 0; i < env->n_params; i++)
		print_param(o, &env->params[i]);
	json_out_end_array(o);
	print_rules(o, "results", env, ENVIRONMENT_TARGET_RESULT);
	print_rules(o, "metrics", env, ENVIRONMENT_TARGET_METRIC);
	print_defaults(o, env);
	print_stop(o, &env->stop);
	json_out_key(o, "success");
	json_out_begin(o);
	json_put_i64(o, "exit_code", env->success_exit_code);
	print_texts(o, "absent", env->success_absent, env->n_success_absent);
	json_out_end(o);
	json_out_end(o);
}
