/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading of settings.  Each source ends in set(): a row of the table and a text.  A source names
 * itself in the message: the file by line and column, the others by the variable or the option.
 */
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "conf_internal.h"
#include "fd.h"
#include "log.h"
#include "parse.h"

enum { FILE_BYTES_MAX = 1 << 20, SUGGEST_DISTANCE_MAX = 3 };

#define VARIABLE_PREFIX "WARDIAN_"

/* Variables that the CLI, the daemon's command line and the tests read themselves. */
static const char *const foreign_variables[] = { "WARDIAN_URL", "WARDIAN_API_KEY", "WARDIAN_OUTPUT",
	"WARDIAN_CONTEXT", "WARDIAN_CONF" };
static const char foreign_prefix[] = "WARDIAN_TEST_";

typedef const char *name_fn(const struct conf_row *row, char out[static CONF_NAME_SIZE]);

/* What stands before `end`; cut when too long, for then it is longer than any setting's name. */
static void
copy_name(const char *from, const char *end, char ret[static CONF_NAME_SIZE])
{
	size_t n = (size_t)(end - from);

	if (n >= CONF_NAME_SIZE)
		n = CONF_NAME_SIZE - 1;
	memcpy(ret, from, n);
	ret[n] = '\0';
}

static const struct conf_row *
find(name_fn *name_of, const char *name, size_t n)
{
	char own[CONF_NAME_SIZE];

	for (size_t i = 0; i < CONF_SETTINGS; i++)
		if (strlen(name_of(&conf_rows[i], own)) == n && memcmp(own, name, n) == 0)
			return &conf_rows[i];
	return NULL;
}

/* The known name nearest to `name`, in ret; "" when none is near. */
static const char *
nearest(name_fn *name_of, const char *name, char ret[static CONF_NAME_SIZE])
{
	int least = SUGGEST_DISTANCE_MAX + 1;
	char own[CONF_NAME_SIZE];

	ret[0] = '\0';
	for (size_t i = 0; i < CONF_SETTINGS; i++) {
		int d = parse_distance(name, name_of(&conf_rows[i], own));

		if (d < least) {
			least = d;
			memcpy(ret, own, sizeof(own));
		}
	}
	return ret;
}

static int
unknown(name_fn *name_of, const char *what, const char *dashes, const char *name, struct err *e)
{
	char near[CONF_NAME_SIZE], echo[PARSE_ECHO_SIZE];

	if (nearest(name_of, name, near)[0] == '\0')
		return err_set(e, ERR_CONF,
		    "unknown %s '%s%s'; `wardiand --help` lists the settings", what, dashes,
		    parse_echo(name, echo));
	return err_set(e, ERR_CONF, "unknown %s '%s%s'; did you mean '%s%s'?", what, dashes,
	    parse_echo(name, echo), dashes, near);
}

static void *
field(struct conf *c, const struct conf_row *row)
{
	return (char *)c + row->offset;
}

static int
set_text(const struct conf_row *row, struct conf *c, const char *text, struct err *e)
{
	char **at = field(c, row);
	size_t n = strlen(text);
	char *copy;

	/* The value is not shown: it may hold a password. */
	if (n > (size_t)row->max)
		return err_set(
		    e, ERR_INVALID, "the text is longer than %jd bytes", (intmax_t)row->max);
	for (const char *p = text; *p != '\0'; p += parse_utf8_printable(p, strlen(p)))
		if (parse_utf8_printable(p, strlen(p)) == 0)
			return err_set(
			    e, ERR_INVALID, "the text holds a control character or is not UTF-8");
	copy = strdup(text);
	if (copy == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory for a setting");
	free(*at);
	*at = copy;
	return 0;
}

static int
set_bool(const struct conf_row *row, struct conf *c, const char *text, struct err *e)
{
	bool on = strcmp(text, "true") == 0;
	char echo[PARSE_ECHO_SIZE];

	if (!on && strcmp(text, "false") != 0)
		return err_set(
		    e, ERR_INVALID, "expected true or false, got '%s'", parse_echo(text, echo));
	*(bool *)field(c, row) = on;
	return 0;
}

static int
set_field(const struct conf_row *row, struct conf *c, const char *text, struct err *e)
{
	switch (row->type) {
	case CONF_TYPE_TEXT:
		return set_text(row, c, text, e);
	case CONF_TYPE_INT:
		return parse_i64(text, row->min, row->max, field(c, row), e);
	case CONF_TYPE_BYTES:
		return parse_bytes(text, row->min, row->max, field(c, row), e);
	case CONF_TYPE_TIME:
		return parse_duration_ms(text, row->min, row->max, field(c, row), e);
	case CONF_TYPE_BOOL:
		break;
	}
	return set_bool(row, c, text, e);
}

/* `name` is what the person wrote: the key, the variable or the option. */
static int
set(const struct conf_row *row, struct conf *c, const char *text, enum conf_origin origin,
    const char *name, struct err *e)
{
	if (set_field(row, c, text, e) < 0) {
		if (e->code == ERR_INVALID)
			e->code = ERR_CONF;
		return err_wrap(e, "%s", name);
	}
	c->origins[row - conf_rows] = (unsigned char)origin;
	return 0;
}

static int
set_defaults(struct conf *c, struct err *e)
{
	for (const struct conf_row *row = conf_rows; row < conf_rows + CONF_SETTINGS; row++) {
		if (row->type == CONF_TYPE_TEXT) {
			if (set_text(row, c, row->default_text, e) < 0)
				return -1;
		} else if (row->type == CONF_TYPE_BOOL) {
			*(bool *)field(c, row) = row->default_value != 0;
		} else {
			*(int64_t *)field(c, row) = row->default_value;
		}
	}
	return 0;
}

/* What a type looks like in the file; NULL text when the value has another type. */
static const char *
file_text(const struct conf_row *row, const struct toml_value *v, char out[static 32],
    const char **ret_expected)
{
	static const char *const expected[] = {
		[CONF_TYPE_TEXT] = "a \"text\"",
		[CONF_TYPE_INT] = "a whole number without quotes",
		[CONF_TYPE_BYTES] = "bytes: a whole number, or a text like \"64MiB\"",
		[CONF_TYPE_TIME] = "a time with its unit in quotes, like \"30s\"",
		[CONF_TYPE_BOOL] = "true or false",
	};
	bool number = row->type == CONF_TYPE_INT || row->type == CONF_TYPE_BYTES;

	*ret_expected = expected[row->type];
	if (v->type == TOML_INT && number) {
		(void)snprintf(out, 32, "%jd", (intmax_t)v->integer); /* at most 20 characters */
		return out;
	}
	if (v->type == TOML_STRING && row->type != CONF_TYPE_INT && row->type != CONF_TYPE_BOOL)
		return v->string;
	if (v->type == TOML_BOOL && row->type == CONF_TYPE_BOOL)
		return v->boolean ? "true" : "false";
	return NULL;
}

static int
on_file_key(void *ctx, const char *table, const char *key, const struct toml_value *v,
    struct toml_place at, struct err *e)
{
	char name[2 * CONF_NAME_SIZE], number[32];
	const struct conf_row *row;
	const char *text, *expected;

	(void)at; /* toml_read puts it before the message */
	/* Cut when too long: then it is longer than any setting's name. */
	(void)snprintf(name, sizeof(name), "%s%s%s", table, table[0] == '\0' ? "" : ".", key);
	row = find(conf_row_name, name, strlen(name));
	if (row == NULL)
		return unknown(conf_row_name, "key", "", name, e);
	text = file_text(row, v, number, &expected);
	if (text == NULL)
		return err_set(e, ERR_CONF, "%s: expected %s", name, expected);
	return set(row, ctx, text, CONF_FROM_FILE, name, e);
}

static int
load_file(const char *file, struct conf *c, struct err *e)
{
	/* Followed when a symbolic link: that is how some deployments hand out their files. */
	AUTO_FD int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	AUTO_FREE char *text = malloc(FILE_BYTES_MAX + 1);
	ssize_t n;

	if (text == NULL)
		return err_set(e, ERR_NO_MEMORY, "no memory to read '%.100s'", file);
	if (fd < 0) {
		(void)err_sys(
		    e, errno, "cannot read the settings file '%.100s'", file); /* always -1 */
		e->code = ERR_CONF;
		return -1;
	}
	n = fd_read_full(fd, text, FILE_BYTES_MAX + 1, e);
	if (n < 0)
		return err_wrap(e, "'%.100s'", file);
	return toml_read(file, text, (size_t)n, on_file_key, c, e);
}

static bool
foreign(const char *name)
{
	if (strncmp(name, foreign_prefix, strlen(foreign_prefix)) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(foreign_variables); i++)
		if (strcmp(name, foreign_variables[i]) == 0)
			return true;
	return false;
}

static int
load_variable(const char *entry, struct conf *c, struct err *e)
{
	const char *equals = strchr(entry, '=');
	char name[CONF_NAME_SIZE];
	const struct conf_row *row;

	if (strncmp(entry, VARIABLE_PREFIX, strlen(VARIABLE_PREFIX)) != 0 || equals == NULL)
		return 0;
	copy_name(entry, equals, name);
	if (foreign(name))
		return 0;
	row = find(conf_row_variable, name, strlen(name));
	if (row == NULL)
		return unknown(conf_row_variable, "variable", "", name, e);
	return set(row, c, equals + 1, CONF_FROM_ENVIRONMENT, name, e);
}

static int
load_option(const char *arg, struct conf *c, struct err *e)
{
	char name[CONF_NAME_SIZE], echo[PARSE_ECHO_SIZE];
	const char *equals = strchr(arg, '=');
	const struct conf_row *row;

	if (strncmp(arg, "--", 2) != 0 || equals == NULL)
		return err_set(
		    e, ERR_CONF, "expected --section.key=value, got '%s'", parse_echo(arg, echo));
	copy_name(arg, equals, name);
	row = find(conf_row_name, name + 2, strlen(name + 2));
	if (row == NULL)
		return unknown(conf_row_name, "option", "--", name + 2, e);
	return set(row, c, equals + 1, CONF_FROM_OPTION, name, e);
}

/* What no single row can say. */
static int
check_together(const struct conf *c, struct err *e)
{
	enum log_level level;

	if (log_level_parse(c->log_level, &level) < 0)
		return err_set(e, ERR_CONF, "log.level: expected debug, info, warn or error");
	if (strcmp(c->log_format, "json") != 0 && strcmp(c->log_format, "text") != 0)
		return err_set(e, ERR_CONF, "log.format: expected json or text");
	if (c->sched_heartbeat_ms > c->sched_lease_ms / 2)
		return err_set(e, ERR_CONF,
		    "sched.heartbeat: must be at most half of sched.lease, or one late beat loses "
		    "the lease");
	if (c->limits_job_wall_default_ms > c->limits_job_wall_max_ms)
		return err_set(
		    e, ERR_CONF, "limits.job_wall_default: must be at most limits.job_wall_max");
	return 0;
}

static int
load_all(const char *file, char *const env[], size_t n_args, char *const args[], struct conf *c,
    struct err *e)
{
	if (set_defaults(c, e) < 0)
		return -1;
	if (file != NULL && load_file(file, c, e) < 0)
		return -1;
	for (size_t i = 0; env != NULL && env[i] != NULL; i++)
		if (load_variable(env[i], c, e) < 0)
			return -1;
	for (size_t i = 0; i < n_args; i++)
		if (load_option(args[i], c, e) < 0)
			return -1;
	return check_together(c, e);
}

int
conf_load(const char *file, char *const env[], size_t n_args, char *const args[], struct conf *c,
    struct err *e)
{
	struct conf next = { 0 };

	if (load_all(file, env, n_args, args, &next, e) < 0) {
		conf_done(&next);
		return -1;
	}
	*c = next;
	return 0;
}

void
conf_done(struct conf *c)
{
	for (const struct conf_row *row = conf_rows; row < conf_rows + CONF_SETTINGS; row++)
		if (row->type == CONF_TYPE_TEXT)
			free(*(char **)field(c, row));
	*c = (struct conf){ 0 };
}
