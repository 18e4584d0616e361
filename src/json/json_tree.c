/* SPDX-License-Identifier: Apache-2.0 */
#include "json_internal.h"

#include <poll.h>
#include <string.h>

#include <jansson.h>

enum { TRIES = 50, NAP_MS = 2 };

/*
 * jansson 2.14 does not look whether its buffer of the present word could grow: it goes on with a
 * shorter one and then copies beyond the end of what it measured by it.  So it never sees a failed
 * allocation: memory may come back within a moment, and if it does not, the end of the process is
 * better than a heap that somebody's text was written over.
 */
static void *
take(size_t n)
{
	void *p = malloc(n);

	for (int i = 0; p == NULL && i < TRIES; i++) {
		(void)poll(NULL, 0, NAP_MS); /* a nap */
		p = malloc(n);
	}
	REQUIRE(p != NULL);
	return p;
}

/* jansson reads trees through pointers to non-const and does not write to them. */
static json_t *
raw(const struct json_value *v)
{
	return (json_t *)(uintptr_t)v;
}

static const struct json_value *
wrap(const json_t *v)
{
	return (const struct json_value *)v;
}

void
json_tree_start(void)
{
	json_set_alloc_funcs(take, free);
	json_object_seed(0);
}

int
json_tree_load(const char *text, size_t n, struct json_value **ret, struct err *e)
{
	json_error_t fault;
	json_t *root;

	/* jansson 2.14 takes a NUL behind a number or a word for nothing: lex_unget_unsave. */
	if (n > 0 && memchr(text, '\0', n) != NULL)
		return err_set(e, ERR_BAD_JSON, "The text is not valid JSON: it holds a NUL byte");
	root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &fault);
	if (root == NULL) {
		if (json_error_code(&fault) == json_error_out_of_memory)
			return err_set(
			    e, ERR_NO_MEMORY, "The server is short of memory; try again later");
		return err_set(e, ERR_BAD_JSON,
		    "The text is not valid JSON at line %d, column %d: %s", fault.line,
		    fault.column, fault.text);
	}
	*ret = (struct json_value *)root;
	return 0;
}

void
json_tree_free(struct json_value *v)
{
	json_decref(raw(v));
}

enum json_tree_type
json_tree_type(const struct json_value *v)
{
	static const enum json_tree_type types[] = {
		[JSON_OBJECT] = JSON_TREE_OBJECT,
		[JSON_ARRAY] = JSON_TREE_ARRAY,
		[JSON_STRING] = JSON_TREE_STRING,
		[JSON_INTEGER] = JSON_TREE_INTEGER,
		[JSON_REAL] = JSON_TREE_REAL,
		[JSON_TRUE] = JSON_TREE_BOOLEAN,
		[JSON_FALSE] = JSON_TREE_BOOLEAN,
		[JSON_NULL] = JSON_TREE_NULL,
	};

	return types[json_typeof(raw(v))];
}

const char *
json_tree_text(const struct json_value *v, size_t *ret_n)
{
	*ret_n = json_string_length(raw(v));
	return json_string_value(raw(v));
}

int64_t
json_tree_integer(const struct json_value *v)
{
	return json_integer_value(raw(v));
}

double
json_tree_real(const struct json_value *v)
{
	return json_number_value(raw(v));
}

bool
json_tree_true(const struct json_value *v)
{
	return json_is_true(raw(v));
}

size_t
json_tree_count(const struct json_value *v)
{
	/* Each answers 0 for a value of another type. */
	return json_array_size(raw(v)) + json_object_size(raw(v));
}

const struct json_value *
json_tree_at(const struct json_value *array, size_t index)
{
	return wrap(json_array_get(raw(array), index));
}

const struct json_value *
json_tree_member(const struct json_value *object, const char *name)
{
	return wrap(json_object_get(raw(object), name));
}

void *
json_tree_first(const struct json_value *object)
{
	return json_object_iter(raw(object));
}

void *
json_tree_next(const struct json_value *object, void *iter)
{
	return json_object_iter_next(raw(object), iter);
}

const char *
json_tree_iter_name(void *iter)
{
	return json_object_iter_key(iter);
}

const struct json_value *
json_tree_iter_value(void *iter)
{
	return wrap(json_object_iter_value(iter));
}
