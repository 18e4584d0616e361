/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOG_H
#define LOG_H

/*
 * Structured logs: one JSON object per line, written whole with one write(2), control characters
 * escaped.  A line has at most 4 KiB, so that writers of one pipe never mix; a message over 2 KiB
 * or a value over 400 bytes is cut, which "truncated" says.
 *
 * A struct log is a value that carries its context: the component, and a chain of keys (request id,
 * tenant, job) added once by whoever owns that context.  Thread-safe.
 */

#include "base.h"

#include <stdarg.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

/* Where lines go; must outlive every struct log that points to it. */
struct log_sink {
	int fd;
	enum log_level min_level;
	enum log_format format;
};

struct log {
	const struct log_sink *sink; /* NULL: silent */
	const char *component;       /* static, "http" */
	const struct log *parent;    /* more context, or NULL */
	const char *key;             /* NULL when this link adds none */
	const char *value;
};

/* A logger for a component, without context. */
struct log log_component(const struct log *parent, const char *component);
/* Adds one key; parent and value must outlive the result. */
struct log log_with(const struct log *parent, const char *key, const char *value);

void log_debug(const struct log *log, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_info(const struct log *log, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_warn(const struct log *log, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_error(const struct log *log, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct err;
/* The one place where an error is logged: message, slug, errno, file and line as fields. */
void log_err(const struct log *log, enum log_level level, const struct err *e, const char *what);

/* "debug", "info", "warn", "error"; -1 for anything else. */
int log_level_parse(const char *text, enum log_level *ret) MUST_CHECK;

#endif
