/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"
#include "json_internal.h"

struct json {
	struct json_value *root;
};

void
json_start(void)
{
	json_tree_start();
}

int
json_parse(const char *text, size_t n, struct json **ret, struct err *e)
{
	struct json *j;

	if (n == 0)
		return err_set(e, ERR_BAD_JSON, "The text is empty; send a JSON object");
	if (json_scan(text, n, e) < 0)
		return -1;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later");
	if (json_tree_load(text, n, &j->root, e) < 0) {
		free(j);
		return -1;
	}
	*ret = j;
	return 0;
}

void
json_free(struct json *j)
{
	if (j == NULL)
		return;
	json_tree_free(j->root);
	free(j);
}

const struct json_value *
json_root(const struct json *j)
{
	return j->root;
}

enum json_type
json_type(const struct json_value *v)
{
	static const enum json_type types[] = {
		[JSON_TREE_NULL] = JSON_NULL,
		[JSON_TREE_STRING] = JSON_STRING,
		[JSON_TREE_INTEGER] = JSON_INTEGER,
		[JSON_TREE_REAL] = JSON_REAL,
		[JSON_TREE_BOOLEAN] = JSON_BOOLEAN,
		[JSON_TREE_ARRAY] = JSON_ARRAY,
		[JSON_TREE_OBJECT] = JSON_DICT,
	};

	return v == NULL ? JSON_NULL : types[json_tree_type(v)];
}

const char *
json_type_name(enum json_type t)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",
		[JSON_STRING] = "a string",
		[JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a number with a fraction or exponent",
		[JSON_BOOLEAN] = "a boolean",
		[JSON_ARRAY] = "an array",
		[JSON_DICT] = "an object",
	};

	return names[t];
}

bool
json_get_text(const struct json_value *v, const char **ret)
{
	size_t n;

	if (json_type(v) != JSON_STRING)
		return false;
	*ret = json_tree_text(v, &n);
	return true;
}

bool
json_get_i64(const struct json_value *v, int64_t *ret)
{
	if (json_type(v) != JSON_INTEGER)
		return false;
	*ret = json_tree_integer(v);
	return true;
}

bool
json_get_f64(const struct json_value *v, double *ret)
{
	enum json_type type = json_type(v);

	if (type != JSON_REAL && type != JSON_INTEGER)
		return false;
	*ret = json_tree_real(v);
	return true;
}

bool
json_get_bool(const struct json_value *v, bool *ret)
{
	if (json_type(v) != JSON_BOOLEAN)
		return false;
	*ret = json_tree_true(v);
	return true;
}

size_t
json_count(const struct json_value *v)
{
	return v == NULL ? 0 : json_tree_count(v);
}

const struct json_value *
json_at(const struct json_value *v, size_t index)
{
	return v == NULL ? NULL : json_tree_at(v, index);
}

const struct json_value *
json_member(const struct json_value *v, const char *name)
{
	return v == NULL ? NULL : json_tree_member(v, name);
}

static int
for_each_element(const struct json_value *v,
    int (*fn)(void *ctx, const char *name, const struct json_value *v), void *ctx)
{
	int r = 0;

	for (size_t i = 0, n = json_tree_count(v); i < n && r == 0; i++)
		r = fn(ctx, NULL, json_tree_at(v, i));
	return r;
}

int
json_for_each(const struct json_value *v,
    int (*fn)(void *ctx, const char *name, const struct json_value *v), void *ctx)
{
	int r = 0;

	if (v == NULL)
		return 0;
	if (json_type(v) == JSON_ARRAY)
		return for_each_element(v, fn, ctx);
	for (void *it = json_tree_first(v); it != NULL && r == 0; it = json_tree_next(v, it))
		r = fn(ctx, json_tree_iter_name(it), json_tree_iter_value(it));
	return r;
}
