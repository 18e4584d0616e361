/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_INTERNAL_H
#define CONF_INTERNAL_H

/* The settings table as data, for reading (conf.c) and printing (conf_print.c). */

#include "conf.h"

enum conf_type { CONF_TYPE_TEXT, CONF_TYPE_INT, CONF_TYPE_BYTES, CONF_TYPE_TIME, CONF_TYPE_BOOL };

struct conf_row {
	enum conf_type type;
	const char *section;
	const char *key;
	size_t offset;            /* of the field in struct conf */
	const char *default_text; /* TEXT */
	int64_t default_value;    /* all others; BOOL: 0 or 1 */
	int64_t min;
	int64_t max;      /* TEXT: bytes */
	const char *unit; /* INT */
	const char *sentence;
};

extern const struct conf_row conf_rows[CONF_SETTINGS];

/* "section.key" and "WARDIAN_SECTION_KEY". */
enum { CONF_NAME_SIZE = 80 };
const char *conf_row_name(const struct conf_row *row, char out[static CONF_NAME_SIZE]);
const char *conf_row_variable(const struct conf_row *row, char out[static CONF_NAME_SIZE]);

#endif
