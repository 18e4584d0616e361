/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_internal.h"

#include <stdio.h>

#define ROW(kind, section_, key_, field)                                                           \
	.type = (kind), .section = #section_, .key = #key_, .offset = offsetof(struct conf, field)

const struct conf_row conf_rows[CONF_SETTINGS] = {
#define CONF_TEXT(section, key, def, max_bytes, text)                                              \
	{ ROW(CONF_TYPE_TEXT, section, key, section##_##key), .default_text = (def),               \
		.max = (max_bytes), .sentence = (text) },
#define CONF_INT(section, key, def, lowest, highest, unit_, text)                                  \
	{ ROW(CONF_TYPE_INT, section, key, section##_##key), .default_value = (def),               \
		.min = (lowest), .max = (highest), .unit = (unit_), .sentence = (text) },
#define CONF_BYTES(section, key, def, lowest, highest, text)                                       \
	{ ROW(CONF_TYPE_BYTES, section, key, section##_##key##_bytes), .default_value = (def),     \
		.min = (lowest), .max = (highest), .sentence = (text) },
#define CONF_TIME(section, key, def, lowest, highest, text)                                        \
	{ ROW(CONF_TYPE_TIME, section, key, section##_##key##_ms), .default_value = (def),         \
		.min = (lowest), .max = (highest), .sentence = (text) },
#define CONF_BOOL(section, key, def, text)                                                         \
	{ ROW(CONF_TYPE_BOOL, section, key, section##_##key), .default_value = (def), .max = 1,    \
		.sentence = (text) },
#include "conf.def"
#undef CONF_TEXT
#undef CONF_INT
#undef CONF_BYTES
#undef CONF_TIME
#undef CONF_BOOL
};

const char *
conf_row_name(const struct conf_row *row, char out[static CONF_NAME_SIZE])
{
	(void)snprintf(out, CONF_NAME_SIZE, "%s.%s", row->section, row->key); /* names are short */
	return out;
}

const char *
conf_row_variable(const struct conf_row *row, char out[static CONF_NAME_SIZE])
{
	(void)snprintf(out, CONF_NAME_SIZE, "WARDIAN_%s_%s", row->section, row->key); /* as above */
	for (char *c = out; *c != '\0'; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	return out;
}
