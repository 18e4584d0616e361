/* SPDX-License-Identifier: Apache-2.0 */
#include "environment_internal.h"

#include "caps.h"
#include "conf.h"
#include "parse.h"

#include <float.h>
#include <string.h>

/*
 * Every key of a profile is a row of `keys`: which kind of table it belongs to, its type, and where
 * its value goes.  Values that are more than their type says (sizes, kinds, defaults) have a
 * function.  Here each key is checked by itself, with its place; what takes the whole profile to
 * see is checked afterwards (environment_check.c).
 */

enum table {
	TABLE_TOP,
	TABLE_DEFAULTS,
	TABLE_PARAMETER,
	TABLE_RESULT,
	TABLE_METRIC,
	TABLE_SUCCESS,
	TABLE_STOP
};

static const char *const table_names[] = {
	[TABLE_TOP] = "",
	[TABLE_DEFAULTS] = "defaults",
	[TABLE_PARAMETER] = "parameter",
	[TABLE_RESULT] = "result",
	[TABLE_METRIC] = "metric",
	[TABLE_SUCCESS] = "success",
	[TABLE_STOP] = "stop",
};

struct reader {
	struct arena *mem;
	struct environment *env;
	char table[2 * CAP_NAME_BYTES]; /* as written: "parameter.deck" */
	enum table kind;
	uint64_t seen; /* bit per row of `keys`, of this table */
	void *base;    /* what this table fills */
	struct environment_param *params;
	struct environment_rule *rules;
};

/* What a text must be to be taken: TOML type, size, and what becomes of it. */
struct key {
	enum table table;
	const char *name;
	bool required;
	enum toml_type type;
	size_t max;              /* elements of a list; longest text of a set */
	size_t offset, n_offset; /* of the destination, and of a list's count */
	environment_set_fn *set; /* NULL: stored as it is */
};

/* --- keys --------------------------------------------------------------------------------- */

#define AT(member) offsetof(struct environment, member)
#define PARAM_AT(member) offsetof(struct environment_param, member)
#define RULE_AT(member) offsetof(struct environment_rule, member)

/* [metric.x] has the keys of [result.x]. */
static const struct key keys[] = {
	{ TABLE_TOP, "name", true, TOML_STRING, 0, AT(name), 0, NULL },
	{ TABLE_TOP, "title", true, TOML_STRING, 0, AT(title), 0, NULL },
	{ TABLE_TOP, "description", false, TOML_STRING, 0, AT(description), 0, NULL },
	{ TABLE_TOP, "package", true, TOML_STRING, 0, AT(package), 0, NULL },
	{ TABLE_TOP, "program", true, TOML_STRING, 0, AT(program), 0, NULL },
	{ TABLE_TOP, "command", true, TOML_STRINGS, CAP_ARGS, AT(command), AT(n_command), NULL },
	{ TABLE_TOP, "env", false, TOML_STRINGS, ENVIRONMENT_VARIABLES_MAX, AT(env), AT(n_env),
	    NULL },
	{ TABLE_TOP, "root", false, TOML_STRING, 0, AT(root_digest), 0, environment_set_root },
	{ TABLE_DEFAULTS, "cpus", false, TOML_FLOAT, 0, AT(default_cpus), 0, NULL },
	{ TABLE_DEFAULTS, "memory", false, TOML_STRING, 0, AT(default_memory_bytes), 0,
	    environment_set_memory },
	{ TABLE_DEFAULTS, "wall", false, TOML_STRING, 0, AT(default_wall_ms), 0,
	    environment_set_wall },
	{ TABLE_DEFAULTS, "gpus", false, TOML_INT, 0, AT(default_gpus), 0, environment_set_gpus },
	{ TABLE_PARAMETER, "type", true, TOML_STRING, 0, PARAM_AT(type), 0, environment_set_type },
	{ TABLE_PARAMETER, "title", true, TOML_STRING, 0, PARAM_AT(title), 0, NULL },
	{ TABLE_PARAMETER, "required", false, TOML_BOOL, 0, PARAM_AT(required), 0, NULL },
	{ TABLE_PARAMETER, "default", false, TOML_STRING, 0, PARAM_AT(default_text), 0,
	    environment_set_default },
	{ TABLE_PARAMETER, "min", false, TOML_FLOAT, 0, PARAM_AT(min), 0, NULL },
	{ TABLE_PARAMETER, "max", false, TOML_FLOAT, 0, PARAM_AT(max), 0, NULL },
	{ TABLE_PARAMETER, "unit", false, TOML_STRING, 0, PARAM_AT(unit), 0, NULL },
	{ TABLE_PARAMETER, "choices", false, TOML_STRINGS, 64, PARAM_AT(choices),
	    PARAM_AT(n_choices), NULL },
	{ TABLE_RESULT, "kind", true, TOML_STRING, 0, RULE_AT(kind), 0, environment_set_kind },
	{ TABLE_RESULT, "file", true, TOML_STRING, 0, RULE_AT(file), 0, NULL },
	{ TABLE_RESULT, "start", false, TOML_STRING, 0, RULE_AT(start), 0, NULL },
	{ TABLE_RESULT, "step", false, TOML_STRING, 0, RULE_AT(step), 0, NULL },
	{ TABLE_RESULT, "columns", false, TOML_STRINGS, ENVIRONMENT_COLUMNS_MAX, RULE_AT(columns),
	    RULE_AT(n_columns), NULL },
	{ TABLE_RESULT, "unit", false, TOML_STRING, 0, RULE_AT(unit), 0, NULL },
	{ TABLE_SUCCESS, "exit_code", false, TOML_INT, 0, AT(success_exit_code), 0, NULL },
	{ TABLE_SUCCESS, "absent", false, TOML_STRINGS, 16, AT(success_absent),
	    AT(n_success_absent), NULL },
	{ TABLE_STOP, "signal", false, TOML_STRING, 0, AT(stop.signal), 0, environment_set_signal },
	{ TABLE_STOP, "file", false, TOML_STRING, 0, AT(stop.file), 0, environment_set_stop_file },
	{ TABLE_STOP, "text", false, TOML_STRING, 0, AT(stop.text), 0, environment_set_stop_text },
	{ TABLE_STOP, "wait_s", true, TOML_FLOAT, 0, AT(stop.wait_ms), 0,
	    environment_set_stop_wait },
};

_Static_assert(ARRAY_LEN(keys) <= 64, "struct reader's seen has a bit for each key");

/* Whether the row belongs to tables of this kind. */
static bool
key_of(const struct key *k, enum table kind)
{
	return k->table == (kind == TABLE_METRIC ? TABLE_RESULT : kind);
}

static const char *
type_name(enum toml_type type)
{
	static const char *const names[] = {
		[TOML_STRING] = "a text",
		[TOML_INT] = "an integer",
		[TOML_FLOAT] = "a number",
		[TOML_BOOL] = "true or false",
		[TOML_STRINGS] = "a list of texts",
		[TOML_NUMBERS] = "a list of numbers",
	};

	return names[type];
}

static void *
field(const struct reader *r, size_t offset)
{
	return (char *)r->base + offset;
}

static int
store_list(struct reader *r, const struct key *k, const struct toml_value *v, struct err *e)
{
	const char **copy = arena_array(r->mem, v->n, sizeof(*copy));
	const char *const **dest = field(r, k->offset);
	size_t *n_dest = field(r, k->n_offset);

	if (v->n == 0 || v->n > k->max)
		return err_set(e, ERR_CONF, "`%s` must have 1 to %zu elements, has %zu", k->name,
		    k->max, v->n);
	if (copy == NULL)
		return arena_err(e);
	for (size_t i = 0; i < v->n; i++) {
		copy[i] = arena_strdup(r->mem, v->strings[i]);
		if (copy[i] == NULL)
			return arena_err(e);
	}
	*dest = copy;
	*n_dest = v->n;
	return 0;
}

static int
store_text(struct reader *r, const struct key *k, const struct toml_value *v, struct err *e)
{
	const char *copy = arena_strdup(r->mem, v->string), **dest = field(r, k->offset);

	if (v->string[0] == '\0')
		return err_set(e, ERR_CONF, "`%s` must not be empty", k->name);
	if (copy == NULL)
		return arena_err(e);
	*dest = copy;
	return 0;
}

static int
store_converted(struct reader *r, const struct key *k, const struct toml_value *v, struct err *e)
{
	if (k->set(r->mem, v, field(r, k->offset), e) == 0)
		return 0;
	if (e->code == ERR_INVALID) /* a number's reader cannot know whose text it reads */
		e->code = ERR_CONF;
	return err_wrap(e, "`%s`", k->name);
}

static int
store(struct reader *r, const struct key *k, const struct toml_value *v, struct err *e)
{
	void *dest = field(r, k->offset);
	bool fits = v->type == k->type || (k->type == TOML_FLOAT && v->type == TOML_INT);

	if (k->set == environment_set_default) /* takes more than one type */
		fits = true;
	if (!fits)
		return err_set(e, ERR_CONF, "`%s` must be %s, not %s", k->name, type_name(k->type),
		    type_name(v->type));
	if (k->set != NULL)
		return store_converted(r, k, v, e);
	switch (k->type) {
	case TOML_STRING:
		return store_text(r, k, v, e);
	case TOML_STRINGS:
		return store_list(r, k, v, e);
	case TOML_INT:
		*(int64_t *)dest = v->integer;
		return 0;
	case TOML_FLOAT:
		*(double *)dest = v->number;
		return 0;
	case TOML_BOOL:
		*(bool *)dest = v->boolean;
		return 0;
	case TOML_NUMBERS:
		break; /* no key has a list of numbers */
	}
	return err_set(e, ERR_INTERNAL, "no rule for `%s`", k->name);
}

/* --- tables ------------------------------------------------------------------------------- */

static int
leave_table(const struct reader *r, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (!key_of(&keys[i], r->kind) || !keys[i].required ||
		    (r->seen & UINT64_C(1) << i) != 0)
			continue;
		if (r->kind == TABLE_TOP)
			return err_set(
			    e, ERR_CONF, "`%s` is missing before the first [table]", keys[i].name);
		return err_set(e, ERR_CONF, "`%s` is missing in [%s]", keys[i].name, r->table);
	}
	return 0;
}

static int
name_fault(const char *name, struct err *e)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	if (n == 0 || name[n] != '\0' || n > CAP_NAME_BYTES)
		return err_set(e, ERR_CONF,
		    "a name is 1 to %d lower-case letters, digits, '_' and '-'", CAP_NAME_BYTES);
	return 0;
}

static int
add_param(struct reader *r, const char *name, struct err *e)
{
	struct environment_param *p = &r->params[r->env->n_params];

	if (r->env->n_params == ENVIRONMENT_PARAMS_MAX)
		return err_set(e, ERR_CONF, "more than %d parameters", ENVIRONMENT_PARAMS_MAX);
	p->name = arena_strdup(r->mem, name);
	if (p->name == NULL)
		return arena_err(e);
	p->min = -DBL_MAX;
	p->max = DBL_MAX;
	r->env->n_params++;
	r->base = p;
	return 0;
}

static int
add_rule(struct reader *r, const char *name, struct err *e)
{
	struct environment_rule *rule = &r->rules[r->env->n_rules];

	if (r->env->n_rules == ENVIRONMENT_RULES_MAX)
		return err_set(
		    e, ERR_CONF, "more than %d results and metrics", ENVIRONMENT_RULES_MAX);
	rule->name = arena_strdup(r->mem, name);
	if (rule->name == NULL)
		return arena_err(e);
	rule->target =
	    r->kind == TABLE_RESULT ? ENVIRONMENT_TARGET_RESULT : ENVIRONMENT_TARGET_METRIC;
	r->env->n_rules++;
	r->base = rule;
	return 0;
}

static int
enter_table(struct reader *r, const char *table, struct err *e)
{
	char word[sizeof(r->table)] = "";
	const char *name = strchr(table, '.');
	int kind;
	bool named;

	if (leave_table(r, e) < 0)
		return -1;
	if (strlen(table) >= sizeof(r->table))
		return err_set(e, ERR_CONF, "the table's name is too long");
	memcpy(word, table, strcspn(table, "."));
	kind = environment_known_word(table_names, ARRAY_LEN(table_names), word, e);
	if (kind < 0)
		return -1;
	memcpy(r->table, table, strlen(table) + 1);
	r->kind = (enum table)kind;
	r->seen = 0;
	r->base = r->env;
	named = kind == TABLE_PARAMETER || kind == TABLE_RESULT || kind == TABLE_METRIC;
	if (named != (name != NULL))
		return err_set(
		    e, ERR_CONF, named ? "write [%s.NAME]" : "write [%s] without a name", word);
	if (!named)
		return 0;
	if (name_fault(name + 1, e) < 0)
		return -1;
	return kind == TABLE_PARAMETER ? add_param(r, name + 1, e) : add_rule(r, name + 1, e);
}

static int
unknown_key(enum table kind, const char *key, struct err *e)
{
	const char *names[ARRAY_LEN(keys)];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (key_of(&keys[i], kind))
			names[n++] = keys[i].name;
	return environment_known_word(names, n, key, e);
}

static int
read_key(void *ctx, const char *table, const char *key, const struct toml_value *v,
    struct toml_place at, struct err *e)
{
	struct reader *r = ctx;

	(void)at; /* toml_read puts it before the message */
	if (strcmp(table, r->table) != 0 && enter_table(r, table, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (!key_of(&keys[i], r->kind) || strcmp(keys[i].name, key) != 0)
			continue;
		r->seen |= UINT64_C(1) << i;
		return store(r, &keys[i], v, e);
	}
	return unknown_key(r->kind, key, e);
}

int
environment_profile_read(const char *file, const char *text, size_t n, struct arena *mem,
    struct environment *env, struct err *e)
{
	struct reader r = { .mem = mem, .env = env, .base = env };

	if (n > ENVIRONMENT_PROFILE_BYTES_MAX)
		return err_set(e, ERR_CONF, "%s: a profile has at most %d bytes", file,
		    ENVIRONMENT_PROFILE_BYTES_MAX);
	r.params = arena_array(mem, ENVIRONMENT_PARAMS_MAX, sizeof(*r.params));
	r.rules = arena_array(mem, ENVIRONMENT_RULES_MAX, sizeof(*r.rules));
	if (r.params == NULL || r.rules == NULL)
		return arena_err(e);
	env->params = r.params;
	env->rules = r.rules;
	if (toml_read(file, text, n, read_key, &r, e) < 0)
		return -1;
	if (leave_table(&r, e) < 0)
		return err_wrap(e, "%s", file);
	return name_fault(env->name, e) < 0 ? err_wrap(e, "%s: `name`", file) : 0;
}
