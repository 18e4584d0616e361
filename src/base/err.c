/* SPDX-License-Identifier: Apache-2.0 */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct err_row {
	int status;
	int exit_status;
	bool retry;
	const char *slug;
	const char *title;
};

static const struct err_row rows[ERR_CODE_COUNT] = {
	[ERR_NONE] = { 200, 0, false, "none", "No error" },
#define ERR(name, status, slug, retry, exit_status, title)                                         \
	[ERR_##name] = { status, exit_status, retry, slug, title },
#include "err.def"
#undef ERR
};

/* Cuts a UTF-8 sequence that truncation left incomplete, so that messages stay valid in JSON. */
static void
trim_cut_sequence(char *s, size_t n)
{
	size_t tail = 0;

	while (tail < 3 && tail < n && ((unsigned char)s[n - 1 - tail] & 0xc0) == 0x80)
		tail++;
	if (tail == n)
		return;

	unsigned char lead = (unsigned char)s[n - 1 - tail];
	size_t need = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;

	if (need > tail)
		s[n - 1 - tail] = '\0';
}

PRINTF_LIKE(3, 0)
static void
format(char *out, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(out, size, fmt, ap);

	if (n < 0)
		out[0] = '\0';
	else if ((size_t)n >= size)
		trim_cut_sequence(out, size - 1);
}

PRINTF_LIKE(3, 4)
static void
print(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	format(out, size, fmt, ap);
	va_end(ap);
}

static int
fill(struct err *e, enum err_code code, int sys, const char *file, int line)
{
	e->code = code;
	e->sys = sys;
	e->file = file;
	e->line = line;
	e->retry_after_s = 0;
	e->n_fields = 0;
	e->n_fields_lost = 0;
	return -1;
}

int
err_set_at(struct err *e, enum err_code code, const char *file, int line, const char *fmt, ...)
{
	/* The arguments may point into *e: callers pass on e->msg. */
	char msg[ERR_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	format(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	memcpy(e->msg, msg, sizeof(msg));
	return fill(e, code, 0, file, line);
}

int
err_sys_at(struct err *e, int sys, const char *file, int line, const char *fmt, ...)
{
	char msg[ERR_MSG_SIZE];
	const char *text = strerrordesc_np(sys);
	va_list ap;

	va_start(ap, fmt);
	format(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (text != NULL)
		print(e->msg, sizeof(e->msg), "%s: %s", msg, text);
	else
		print(e->msg, sizeof(e->msg), "%s: error number %d", msg, sys);
	return fill(e, ERR_SYSTEM, sys, file, line);
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
	char context[ERR_MSG_SIZE], msg[ERR_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	format(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(msg, e->msg, sizeof(msg));
	print(e->msg, sizeof(e->msg), "%s: %s", context, msg);
	return -1;
}

void
err_field_add(struct err *e, const char *name, const char *fmt, ...)
{
	struct err_field *f;
	va_list ap;

	if (e->n_fields == ERR_FIELDS_MAX) {
		e->n_fields_lost++;
		return;
	}
	f = &e->fields[e->n_fields++];
	print(f->name, sizeof(f->name), "%s", name);
	va_start(ap, fmt);
	format(f->msg, sizeof(f->msg), fmt, ap);
	va_end(ap);
}

int
err_fields_done(struct err *e, enum err_code code)
{
	uint32_t n = e->n_fields, lost = e->n_fields_lost, more = n + lost - 1;
	char suffix[32] = "";

	if (n == 0)
		return 0;
	if (more > 0)
		print(suffix, sizeof(suffix), " (and %u more)", more);
	(void)fill(e, code, 0, __FILE__, __LINE__); /* always -1 */
	e->n_fields = n;
	e->n_fields_lost = lost;
	print(e->msg, sizeof(e->msg) - sizeof(suffix), "%s%s%s", e->fields[0].name,
	    e->fields[0].name[0] == '\0' ? "" : ": ", e->fields[0].msg);
	memcpy(e->msg + strlen(e->msg), suffix, sizeof(suffix));
	return -1;
}

static const struct err_row *
row_of(enum err_code code)
{
	REQUIRE((unsigned)code < ERR_CODE_COUNT);
	return &rows[code];
}

int
err_http_status(enum err_code code)
{
	return row_of(code)->status;
}

const char *
err_slug(enum err_code code)
{
	return row_of(code)->slug;
}

const char *
err_title(enum err_code code)
{
	return row_of(code)->title;
}

bool
err_retryable(enum err_code code)
{
	return row_of(code)->retry;
}

int
err_exit_status(enum err_code code)
{
	return row_of(code)->exit_status;
}

enum err_code
err_code_of_slug(const char *slug)
{
	for (int i = ERR_NONE + 1; i < ERR_CODE_COUNT; i++)
		if (strcmp(rows[i].slug, slug) == 0)
			return (enum err_code)i;
	return ERR_NONE;
}
