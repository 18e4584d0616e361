/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ERR_H
#define ERR_H

/*
 * Errors are `int` (0, or -1 with *e filled) plus a caller-owned value; nothing to release, safe
 * without memory.  Success leaves *e alone; failure leaves outputs alone.  An error is logged or
 * returned, never both.  The message is one sentence for a person that says how to fix it, and
 * never holds secrets, SQL, or paths of the server.
 */

#include "base.h"

#include <stdbool.h>

enum err_code {
	ERR_NONE = 0,
#define ERR(name, status, slug, retry, exit_status, title) ERR_##name,
#include "err.def"
#undef ERR
	ERR_CODE_COUNT
};

enum { ERR_MSG_SIZE = 256, ERR_FIELD_SIZE = 96, ERR_FIELD_MSG_SIZE = 160, ERR_FIELDS_MAX = 8 };

/* One fault in a request: a JSON Pointer into the body, or the name of a parameter or header. */
struct err_field {
	char name[ERR_FIELD_SIZE];
	char msg[ERR_FIELD_MSG_SIZE];
};

struct err {
	enum err_code code;
	int sys;          /* errno at the place of failure, 0 when no system call was involved */
	const char *file; /* static string */
	int line;
	int retry_after_s; /* 0: not said */
	char msg[ERR_MSG_SIZE];
	uint32_t n_fields;      /* faults recorded in fields[] */
	uint32_t n_fields_lost; /* faults beyond ERR_FIELDS_MAX */
	struct err_field fields[ERR_FIELDS_MAX];
};

/* Sets code and message, drops recorded fields; always returns -1 so that callers can return it. */
#define err_set(e, code, ...) err_set_at((e), (code), __FILE__, __LINE__, __VA_ARGS__)
/* Like err_set with ERR_SYSTEM; appends ": " and the text of errno value `sys`. */
#define err_sys(e, sys, ...) err_sys_at((e), (sys), __FILE__, __LINE__, __VA_ARGS__)
int err_set_at(struct err *e, enum err_code code, const char *file, int line, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
int err_sys_at(struct err *e, int sys, const char *file, int line, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

/* Puts "context: " before the message, keeps code and fields; returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Records one fault (JSON Pointer or parameter name); the caller ends with err_fields_done(). */
void err_field_add(struct err *e, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* -1 with code and a summary message when a fault was recorded since `e` was zeroed, else 0. */
int err_fields_done(struct err *e, enum err_code code) MUST_CHECK;

int err_http_status(enum err_code code);
const char *err_slug(enum err_code code);  /* "no-such-route", static */
const char *err_title(enum err_code code); /* static */
bool err_retryable(enum err_code code);
int err_exit_status(enum err_code code); /* exit status of the CLI */
/* ERR_NONE when the slug is unknown. */
enum err_code err_code_of_slug(const char *slug);

#endif
