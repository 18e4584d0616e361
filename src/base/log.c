/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include "clock.h"
#include "err.h"
#include "parse.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	/* pipe(7): writes up to PIPE_BUF are never torn apart by another writer. */
	LINE_SIZE = PIPE_BUF,
	/* Kept for the end of the line: ,"truncated":true} and the newline. */
	TAIL_SIZE = 32,
	/* Escaped bytes of the message; the rest of the line is for context and error. */
	MSG_BUDGET = 2048,
	VALUE_BUDGET = 400,
	LINKS_MAX = 16
};

struct line {
	enum log_format format;
	bool truncated;
	size_t n;
	char p[LINE_SIZE];
};

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

struct log
log_component(const struct log *parent, const char *component)
{
	struct log log = { .component = component, .parent = parent };

	log.sink = parent == NULL ? NULL : parent->sink;
	return log;
}

struct log
log_with(const struct log *parent, const char *key, const char *value)
{
	struct log log = { .parent = parent, .key = key, .value = value };

	if (parent != NULL) {
		log.sink = parent->sink;
		log.component = parent->component;
	}
	return log;
}

/* Appends n bytes, all or none, leaving room for the tail. */
static bool
put(struct line *line, const char *p, size_t n)
{
	if (n > sizeof(line->p) - TAIL_SIZE - line->n) {
		line->truncated = true;
		return false;
	}
	memcpy(line->p + line->n, p, n);
	line->n += n;
	return true;
}

static void
put_str(struct line *line, const char *s)
{
	(void)put(line, s, strlen(s)); /* a full line is marked as truncated */
}

/* The escape for the character at p, "" when it goes out as it is; *ret_len is what it spans. */
static const char *
escape_of(const char *p, size_t left, char out[static 8], size_t *ret_len)
{
	size_t len = parse_utf8_printable(p, left);

	*ret_len = len == 0 ? 1 : len;
	if (*p == '"' || *p == '\\') {
		(void)snprintf(out, 8, "\\%c", *p);
		return out;
	}
	if (len > 0)
		return "";
	if ((unsigned char)p[0] < 0x80) {
		(void)snprintf(out, 8, "\\u%04x", (unsigned char)p[0]);
		return out;
	}
	/* C1 controls U+0080 to U+009F; everything else here is not UTF-8. */
	if ((unsigned char)p[0] == 0xc2 && left >= 2 && ((unsigned char)p[1] & 0xe0) == 0x80) {
		*ret_len = 2;
		(void)snprintf(out, 8, "\\u%04x", (unsigned char)p[1]);
		return out;
	}
	return "\xef\xbf\xbd";
}

/* A quoted string of at most `budget` bytes. */
static void
put_quoted(struct line *line, const char *s, size_t budget)
{
	size_t end = line->n + budget, left = strlen(s), span;
	char escape[8];

	put_str(line, "\"");
	while (left > 0) {
		const char *text = escape_of(s, left, escape, &span);
		size_t n = text[0] == '\0' ? span : strlen(text);

		if (line->n + n > end || !put(line, text[0] == '\0' ? s : text, n)) {
			line->truncated = true;
			break;
		}
		s += span;
		left -= span;
	}
	/* The closing quote may use the room kept for the tail, which is larger than needed. */
	line->p[line->n++] = '"';
}

static void
put_key(struct line *line, const char *key)
{
	put_str(line, line->format == LOG_FORMAT_JSON ? ",\"" : " ");
	put_str(line, key);
	put_str(line, line->format == LOG_FORMAT_JSON ? "\":" : "=");
}

/* Leaves a member out as a whole when the line has no room for its key and some of its value. */
static void
put_member(struct line *line, const char *key, const char *value)
{
	if (line->n + strlen(key) + 2 * (size_t)TAIL_SIZE > sizeof(line->p)) {
		line->truncated = true;
		return;
	}
	put_key(line, key);
	put_quoted(line, value, VALUE_BUDGET);
}

static void
put_head(struct line *line, const struct log *log, enum log_level level, const char *msg)
{
	const char *component = log->component == NULL ? "" : log->component;
	char ts[CLOCK_STR_SIZE];

	(void)clock_format(clock_wall_us(), ts); /* returns ts */
	if (line->format == LOG_FORMAT_TEXT) {
		put_str(line, ts);
		put_str(line, " ");
		put_str(line, level_names[level]);
		put_key(line, "component");
		put_str(line, component);
		put_key(line, "msg");
	} else {
		put_str(line, "{\"ts\":\"");
		put_str(line, ts);
		put_str(line, "\",\"level\":\"");
		put_str(line, level_names[level]);
		put_str(line, "\"");
		put_member(line, "component", component);
		put_key(line, "msg");
	}
	put_quoted(line, msg, MSG_BUDGET);
}

/* Outermost context first. */
static void
put_context(struct line *line, const struct log *log)
{
	const struct log *links[LINKS_MAX];
	size_t n = 0;

	for (; log != NULL && n < LINKS_MAX; log = log->parent)
		if (log->key != NULL && log->value != NULL)
			links[n++] = log;
	while (n-- > 0)
		put_member(line, links[n]->key, links[n]->value);
}

static void
put_error(struct line *line, const struct err *e)
{
	char at[128];

	put_member(line, "error", e->msg);
	put_member(line, "slug", err_slug(e->code));
	if (e->sys != 0) {
		const char *name = strerrorname_np(e->sys);

		put_member(line, "errno", name == NULL ? "unknown" : name);
	}
	if (e->file != NULL) {
		(void)snprintf(at, sizeof(at), "%s:%d", e->file, e->line);
		put_member(line, "at", at);
	}
}

static void
write_line(struct line *line, int fd)
{
	bool json = line->format == LOG_FORMAT_JSON;
	const char *tail = json ? "}\n" : "\n";
	ssize_t done;

	if (line->truncated)
		tail = json ? ",\"truncated\":true}\n" : " truncated=true\n";
	memcpy(line->p + line->n, tail, strlen(tail));
	line->n += strlen(tail);
	do
		done = write(fd, line->p, line->n);
	while (done < 0 && errno == EINTR);
	/* A log that cannot be written has nowhere to complain. */
}

static bool
enabled(const struct log *log, enum log_level level)
{
	return log != NULL && log->sink != NULL && level >= log->sink->min_level;
}

static void
emit(const struct log *log, enum log_level level, const char *msg, const struct err *e)
{
	struct line line = { .format = log->sink->format };
	int saved = errno;

	put_head(&line, log, level, msg);
	put_context(&line, log);
	if (e != NULL)
		put_error(&line, e);
	write_line(&line, log->sink->fd);
	errno = saved;
}

PRINTF_LIKE(3, 0)
static void
emit_format(const struct log *log, enum log_level level, const char *fmt, va_list ap)
{
	char msg[MSG_BUDGET + 1]; /* what this cuts off, the budget cuts off and marks, too */

	if (!enabled(log, level))
		return;
	if (vsnprintf(msg, sizeof(msg), fmt, ap) < 0)
		msg[0] = '\0';
	emit(log, level, msg, NULL);
}

void
log_debug(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit_format(log, LOG_LEVEL_DEBUG, fmt, ap);
	va_end(ap);
}

void
log_info(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit_format(log, LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void
log_warn(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit_format(log, LOG_LEVEL_WARN, fmt, ap);
	va_end(ap);
}

void
log_error(const struct log *log, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit_format(log, LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
}

void
log_err(const struct log *log, enum log_level level, const struct err *e, const char *what)
{
	if (enabled(log, level))
		emit(log, level, what, e);
}

int
log_level_parse(const char *text, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}
