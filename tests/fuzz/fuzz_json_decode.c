/* SPDX-License-Identifier: Apache-2.0 */
/* Text to document to declared fields, and back out through the writer. */
#include "json.h"

#include <string.h>

struct target {
	const char *text;
	int64_t integer;
	double number;
	bool boolean;
	const struct json_value *any;
	struct json_out *out;
};

static int
each(struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx)
{
	struct target *t = ctx;
	const char *text = NULL;
	const struct json_field fields[] = {
		JSON_TEXT("path", &t->text, 1, 64, JSON_REQUIRED),
		JSON_EACH("parts", each, t, 100, 0),
		JSON_FIELDS_END,
	};

	if (json_get_text(v, &text)) {
		json_out_text(t->out, text);
		return 0;
	}
	if (name != NULL)
		json_fault(d, "", "element %zu of \"%s\" is no text", index, name);
	return json_decode_value(d, v, fields);
}

static void
decode(const struct json *j, struct json_out *out)
{
	struct target t = { .out = out };
	const struct json_field nested[] = {
		JSON_I64("wall_s", &t.integer, 1, 3600, JSON_NULLABLE),
		JSON_FIELDS_END,
	};
	const struct json_field fields[] = {
		JSON_TEXT("name", &t.text, 1, 64, JSON_REQUIRED),
		JSON_I64("priority", &t.integer, -100, 100, JSON_NULLABLE),
		JSON_F64("cpus", &t.number, 0.1, 64, 0),
		JSON_BOOL("dry", &t.boolean, 0),
		JSON_OBJECT("limits", nested, 0),
		JSON_EACH("inputs", each, &t, 100, 0),
		JSON_MAP("labels", each, &t, 100, 0),
		JSON_VALUE("any", &t.any, 0),
		JSON_FIELDS_END,
	};
	AUTO(arena) mem = arena_new(1 << 16);
	struct err e = { 0 };

	REQUIRE(mem != NULL);
	if (json_decode(j, fields, mem, &e) < 0)
		REQUIRE(e.code == ERR_INVALID || e.code == ERR_TOO_LARGE);
	for (uint32_t i = 0; i < e.n_fields; i++)
		REQUIRE(e.fields[i].name[0] == '\0' || e.fields[i].name[0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *j = NULL, *back = NULL;
	struct json_out out;
	struct err e = { 0 };
	struct buf b;

	buf_init(&b, 1 << 20);
	json_out_init(&out, &b);
	json_out_begin_array(&out);
	json_out_text_n(&out, (const char *)data, size); /* any bytes make a well-formed string */
	if (json_parse((const char *)data, size, &j, &e) == 0)
		decode(j, &out);
	json_out_end_array(&out);
	if (!b.failed)
		REQUIRE(json_parse(b.p, b.n, &back, &e) == 0 || strstr(e.msg, "members") != NULL);
	json_free(back);
	json_free(j);
	buf_done(&b);
	return 0;
}
