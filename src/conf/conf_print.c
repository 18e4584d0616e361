/* SPDX-License-Identifier: Apache-2.0 */
/* The settings table for people.  Results of stdio are not looked at: the caller asks ferror. */
#include "conf_internal.h"

#include <string.h>

#include "parse.h"

enum { COLUMNS = 100, VALUE_SIZE = 64 };

/* A text as a TOML basic string. */
static void
print_quoted(const char *text, FILE *out)
{
	(void)fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', out);
		(void)fputc(*text, out);
	}
	(void)fputc('"', out);
}

/* A value other than a text as people write it; `quotes` around those that TOML wants quoted. */
static const char *
format_value(const struct conf_row *row, int64_t v, const char *quotes, char out[static VALUE_SIZE])
{
	char number[PARSE_UNIT_SIZE];
	const char *text = number;

	switch (row->type) {
	case CONF_TYPE_BYTES:
		(void)format_bytes(v, number); /* returns number */
		break;
	case CONF_TYPE_TIME:
		(void)format_duration_ms(v, number); /* returns number */
		break;
	case CONF_TYPE_BOOL:
		text = v != 0 ? "true" : "false";
		quotes = "";
		break;
	case CONF_TYPE_INT:
	case CONF_TYPE_TEXT:
		(void)snprintf(number, sizeof(number), "%jd", (intmax_t)v);
		quotes = "";
		break;
	}
	(void)snprintf(out, VALUE_SIZE, "%s%s%s", quotes, text, quotes); /* fits */
	return out;
}

/* As the settings file spells it. */
static void
print_default(const struct conf_row *row, FILE *out)
{
	char value[VALUE_SIZE];

	if (row->type == CONF_TYPE_TEXT)
		print_quoted(row->default_text, out);
	else
		(void)fputs(format_value(row, row->default_value, "\"", value), out);
}

/* "1 to 256 threads", "1s to 1h", "at most 200 bytes", "true or false". */
static const char *
format_range(const struct conf_row *row, char out[static 2 * VALUE_SIZE])
{
	char low[VALUE_SIZE], high[VALUE_SIZE];

	if (row->type == CONF_TYPE_TEXT)
		(void)snprintf(
		    out, 2 * (size_t)VALUE_SIZE, "at most %jd bytes", (intmax_t)row->max);
	else if (row->type == CONF_TYPE_BOOL)
		(void)snprintf(out, 2 * (size_t)VALUE_SIZE, "true or false");
	else
		(void)snprintf(out, 2 * (size_t)VALUE_SIZE, "%s to %s%s%s",
		    format_value(row, row->min, "", low), format_value(row, row->max, "", high),
		    row->unit == NULL || row->unit[0] == '\0' ? "" : " ",
		    row->unit == NULL ? "" : row->unit);
	return out;
}

/* Words on lines that begin with prefix and end before COLUMNS. */
static void
print_wrapped(const char *prefix, const char *text, FILE *out)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (column > 0 && column + 1 + n > COLUMNS) {
			(void)fputc('\n', out);
			column = 0;
		}
		column += (size_t)fprintf(out, "%s%.*s", column == 0 ? prefix : " ", (int)n, text);
		text += n;
		text += strspn(text, " ");
	}
	(void)fputc('\n', out);
}

void
conf_print_help(FILE *out)
{
	char name[CONF_NAME_SIZE], range[2 * VALUE_SIZE], value[VALUE_SIZE];

	for (const struct conf_row *row = conf_rows; row < conf_rows + CONF_SETTINGS; row++) {
		(void)fprintf(out, "  --%s=%s  ", conf_row_name(row, name),
		    row->type == CONF_TYPE_TEXT ? row->default_text
						: format_value(row, row->default_value, "", value));
		(void)fprintf(
		    out, "(%s; %s)\n", format_range(row, range), conf_row_variable(row, name));
		print_wrapped("      ", row->sentence, out);
	}
}

static void
print_markdown_text(const char *text, FILE *out)
{
	for (; *text != '\0'; text++) {
		if (strchr("\\|<>*`[]", *text) != NULL)
			(void)fputc('\\', out);
		(void)fputc(*text, out);
	}
}

void
conf_print_markdown(FILE *out)
{
	char name[CONF_NAME_SIZE], range[2 * VALUE_SIZE];

	(void)fputs("| Setting | Default | Range | Meaning |\n|---|---|---|---|\n", out);
	for (const struct conf_row *row = conf_rows; row < conf_rows + CONF_SETTINGS; row++) {
		(void)fprintf(out, "| `%s` | `", conf_row_name(row, name));
		print_default(row, out);
		(void)fprintf(out, "` | %s | ", format_range(row, range));
		print_markdown_text(row->sentence, out);
		(void)fputs(" |\n", out);
	}
}

void
conf_print_example(FILE *out)
{
	const char *section = "";
	char range[2 * VALUE_SIZE], text[CONF_NAME_SIZE + 2 * VALUE_SIZE], name[CONF_NAME_SIZE];

	print_wrapped("# ",
	    "Settings of wardiand, each with its default. Take away the '#' before a key to set "
	    "it. A "
	    "variable WARDIAN_SECTION_KEY overrides this file, an option --section.key=value both.",
	    out);
	for (const struct conf_row *row = conf_rows; row < conf_rows + CONF_SETTINGS; row++) {
		if (strcmp(section, row->section) != 0)
			(void)fprintf(out, "\n[%s]\n", row->section);
		section = row->section;
		print_wrapped("# ", row->sentence, out);
		(void)snprintf(text, sizeof(text), "From %s.", format_range(row, range));
		if (row->type == CONF_TYPE_INT || row->type == CONF_TYPE_BYTES ||
		    row->type == CONF_TYPE_TIME)
			print_wrapped("# ", text, out);
		(void)snprintf(name, sizeof(name), "#%s", row->key);
		(void)fprintf(out, "%s = ", name);
		print_default(row, out);
		(void)fputc('\n', out);
	}
}

/*
 * A connection string without what may be secret in it.  Of a URI everything from the user's colon
 * to the last '@' goes, wherever that stands; of parameters, which can spell `password` in several
 * ways, everything goes that could be one.
 */
static void
print_url_masked(const char *url, FILE *out)
{
	const char *authority = strstr(url, "://"), *at = strrchr(url, '@');
	const char *rest = url, *colon = NULL;
	size_t n;

	if (authority == NULL) {
		print_quoted(strstr(url, "password") == NULL ? url : "***", out);
		return;
	}
	if (at != NULL && at > authority + 3)
		colon = memchr(authority + 3, ':', (size_t)(at - authority - 3));
	(void)fputc('"', out);
	if (colon != NULL) {
		(void)fprintf(out, "%.*s:***", (int)(colon - url), url);
		rest = at;
	}
	n = strcspn(rest, "?");
	if (strstr(rest + n, "password") == NULL && strchr(rest + n, '%') == NULL)
		(void)fprintf(out, "%s\"", rest);
	else
		(void)fprintf(out, "%.*s?***\"", (int)n, rest);
}

static int64_t
value_of(const struct conf *c, const struct conf_row *row)
{
	const char *at = (const char *)c + row->offset;
	int64_t v;

	if (row->type == CONF_TYPE_BOOL)
		return *(const bool *)at;
	memcpy(&v, at, sizeof(v));
	return v;
}

static void
print_text_value(const struct conf *c, const struct conf_row *row, FILE *out)
{
	const char *text;

	memcpy(&text, (const char *)c + row->offset, sizeof(text));
	if (strcmp(row->section, "database") == 0 && strcmp(row->key, "url") == 0)
		print_url_masked(text, out);
	else
		print_quoted(text, out);
}

void
conf_print_values(const struct conf *c, FILE *out)
{
	static const char *const origins[] = {
		[CONF_FROM_DEFAULT] = "default",
		[CONF_FROM_FILE] = "file",
		[CONF_FROM_ENVIRONMENT] = "environment",
		[CONF_FROM_OPTION] = "option",
	};
	char name[CONF_NAME_SIZE], value[VALUE_SIZE];

	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		const struct conf_row *row = &conf_rows[i];

		(void)fprintf(out, "%s = ", conf_row_name(row, name));
		if (row->type == CONF_TYPE_TEXT)
			print_text_value(c, row, out);
		else
			(void)fputs(format_value(row, value_of(c, row), "\"", value), out);
		(void)fprintf(out, "  # %s\n", origins[c->origins[i]]);
	}
}
