/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

#include "base64.h"
#include "parse.h"

#include <string.h>

/* Inputs of a manifest: where each file goes and what it holds. */

enum { COMPONENT_BYTES = 255 /* NAME_MAX of Linux' file systems */ };

/* The text after the character at p, or NULL when it may not stand in a path. */
static const char *
path_char(const char *p, size_t left)
{
	size_t n = parse_utf8_printable(p, left);

	return n == 0 || *p == '\\' ? NULL : p + n;
}

static bool
component_valid(const char *p, size_t n)
{
	if (n == 0 || n > COMPONENT_BYTES)
		return false;
	return !(p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.')));
}

bool
job_path_valid(const char *path, const char **ret_why)
{
	const char *end = path + strnlen(path, CAP_PATH_BYTES + 1);
	const char *start = path;

	if (end == path || end - path > CAP_PATH_BYTES) {
		*ret_why = "must be 1 to 512 bytes";
		return false;
	}
	for (const char *p = path; p != NULL && p < end; p = path_char(p, (size_t)(end - p)))
		if (path_char(p, (size_t)(end - p)) == NULL) {
			*ret_why = "must be UTF-8 without control characters and backslashes";
			return false;
		}
	for (const char *p = path; p <= end; p++) {
		if (p < end && *p != '/')
			continue;
		if (!component_valid(start, (size_t)(p - start))) {
			*ret_why = "must be relative, its parts not empty, \".\", \"..\" or over "
				   "255 bytes";
			return false;
		}
		start = p + 1;
	}
	return true;
}

/* Whether a is b or a directory above b. */
static bool
path_contains(const char *a, const char *b)
{
	size_t n = strlen(a);

	return strncmp(a, b, n) == 0 && (b[n] == '\0' || b[n] == '/');
}

static int
depth_of(const char *path)
{
	int n = 0;

	for (const char *p = path; *p != '\0'; p++)
		n += *p == '/';
	return n;
}

static void
check_path(struct json_decoder *d, const struct job_inputs *all, const char *path)
{
	const char *why;

	if (!job_path_valid(path, &why)) {
		json_fault(d, "path", "%s", why);
		return;
	}
	if (depth_of(path) > CAP_INPUT_DEPTH) {
		json_fault(d, "path", "may lie in at most %d directories", CAP_INPUT_DEPTH);
		return;
	}
	for (size_t i = 0; i < all->n; i++) {
		const char *other = all->items[i].path;

		if (other != NULL && (path_contains(other, path) || path_contains(path, other))) {
			json_fault(d, "path",
			    "is %s /inputs/%zu; each file needs a place of its own",
			    strcmp(path, other) == 0 ? "the same as" : "in the way of", i);
			return;
		}
	}
}

static int
decode_content(struct json_decoder *d, const char *text, const char *base64, struct job_input *ret)
{
	size_t n;
	char *p;

	if ((text == NULL) == (base64 == NULL)) {
		json_fault(d, "", "must have either \"text\" or \"base64\"");
		return 0;
	}
	if (text != NULL) {
		ret->text = text;
		ret->n = strlen(text); /* the parser refuses NUL inside of strings */
		return 0;
	}
	n = strlen(base64);
	p = arena_alloc(json_decoder_mem(d), BASE64_BYTES_SIZE(n));
	if (p == NULL)
		return -1;
	if (!base64_decode(BASE64_STANDARD, base64, n, p, BASE64_BYTES_SIZE(n), &ret->n))
		json_fault(d, "base64", "must be padded base64 (RFC 4648) without line breaks");
	ret->text = p;
	return 0;
}

int
job_input_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx)
{
	struct job_inputs *all = ctx;
	const char *text = NULL, *base64 = NULL;
	bool has_text = false, has_base64 = false;
	struct job_input input = { 0 };
	const struct json_field fields[] = { JSON_TEXT("path", &input.path, 0, CAP_BODY_BYTES,
						 JSON_REQUIRED),
		{ .name = "text",
		    .kind = JSON_KIND_TEXT,
		    .dest = &text,
		    .max = CAP_BODY_BYTES,
		    .present = &has_text },
		{ .name = "base64",
		    .kind = JSON_KIND_TEXT,
		    .dest = &base64,
		    .max = CAP_BODY_BYTES,
		    .present = &has_base64 },
		JSON_FIELDS_END };

	(void)name; /* elements of an array have none */
	REQUIRE(index < CAP_INPUTS);
	REQUIRE(all->n == index);
	if (json_decode_value(d, v, fields) < 0)
		return -1;
	if (input.path != NULL)
		check_path(d, all, input.path);
	/* A member of a wrong type is a fault already; one fault for one mistake. */
	if (json_type(v) == JSON_DICT && has_text == (text != NULL) &&
	    has_base64 == (base64 != NULL) && decode_content(d, text, base64, &input) < 0)
		return -1;
	all->items[all->n++] = input;
	return 0;
}
