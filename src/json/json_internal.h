/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JSON_INTERNAL_H
#define JSON_INTERNAL_H

/*
 * The border to jansson.  jansson.h and json.h cannot meet in one file (both have JSON_STRING and
 * json_type), so json_tree.c alone includes jansson.h, this header speaks for it, and a
 * struct json_value is a json_t under another name.
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>

struct json_value;

enum json_tree_type {
	JSON_TREE_NULL,
	JSON_TREE_STRING,
	JSON_TREE_INTEGER,
	JSON_TREE_REAL,
	JSON_TREE_BOOLEAN,
	JSON_TREE_ARRAY,
	JSON_TREE_OBJECT
};

/* Refuses text that is nested too deep or has too many members, before any tree is built. */
int json_scan(const char *text, size_t n, struct err *e) MUST_CHECK;

void json_tree_start(void);
int json_tree_load(const char *text, size_t n, struct json_value **ret, struct err *e) MUST_CHECK;
void json_tree_free(struct json_value *v);
enum json_tree_type json_tree_type(const struct json_value *v);
/* The four below need a value of the right type. */
const char *json_tree_text(const struct json_value *v, size_t *ret_n);
int64_t json_tree_integer(const struct json_value *v);
double json_tree_real(const struct json_value *v);
bool json_tree_true(const struct json_value *v);
size_t json_tree_count(const struct json_value *v); /* 0 for scalars */
const struct json_value *json_tree_at(const struct json_value *array, size_t index);
const struct json_value *json_tree_member(const struct json_value *object, const char *name);
/* Members in the order of the text. */
void *json_tree_first(const struct json_value *object); /* NULL when empty */
void *json_tree_next(const struct json_value *object, void *iter);
const char *json_tree_iter_name(void *iter);
const struct json_value *json_tree_iter_value(void *iter);

#endif
