/* SPDX-License-Identifier: Apache-2.0 */
#include "result_internal.h"

#include "fd.h"
#include "parse.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Files of a finished run.  They lie in a directory that a hostile job filled, so each component is
 * opened by itself, never through a link, and only regular files are read, in pieces.  What is
 * wrong with a file is a reason beside the result that is missing, not an error: errors are the
 * server's.
 */

enum { PIECE_BYTES = 1 << 16, EXCERPT_BYTES = 160 };

/* --- files ---------------------------------------------------------------------------------- */

/* -1 without saying why: for the reader, all of them are "not there". */
static int
open_regular(int dirfd, const char *name)
{
	AUTO_FD int fd =
	    openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	return fd_take(&fd);
}

static int
open_below(int dirfd, const char *path)
{
	char part[NAME_MAX + 1];
	AUTO_FD int dir = -1;

	for (const char *slash; (slash = strchr(path, '/')) != NULL; path = slash + 1) {
		size_t n = (size_t)(slash - path);
		int next;

		if (n == 0 || n > NAME_MAX)
			return -1;
		memcpy(part, path, n);
		part[n] = '\0';
		if (strcmp(part, "..") == 0)
			return -1;
		next = openat(
		    dir < 0 ? dirfd : dir, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -1;
		fd_close(&dir);
		dir = next;
	}
	return open_regular(dir < 0 ? dirfd : dir, path);
}

/* Feeds a file to fn piece by piece. */
typedef int piece_fn(void *ctx, const char *p, size_t n, struct err *e);

static int
read_pieces(int fd, piece_fn *fn, void *ctx, bool *truncated, struct err *e)
{
	AUTO_FREE char *piece = malloc(PIECE_BYTES);
	size_t total = 0;

	if (piece == NULL)
		return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later.");
	for (;;) {
		ssize_t n = fd_read_full(fd, piece, PIECE_BYTES, e);

		if (n < 0)
			return -1;
		total += (size_t)n;
		if (total > RESULT_FILE_BYTES) {
			*truncated = true;
			return 0;
		}
		if (n > 0 && fn(ctx, piece, (size_t)n, e) < 0)
			return -1;
		if (n < PIECE_BYTES)
			return 0;
	}
}

/* --- rules ---------------------------------------------------------------------------------- */

static int
feed_piece(void *ctx, const char *p, size_t n, struct err *e)
{
	return result_lines_feed(ctx, p, n, e);
}

/* A rule at work on one text, whole or in pieces. */
struct line_reader {
	struct result_lines lines;
	struct result_scanner *scanner;
};

static struct line_reader *
line_reader_new(const struct environment_rule *rule, struct result_sink *sink)
{
	struct line_reader *r = arena_alloc(sink->mem, sizeof(*r));

	if (r == NULL || (r->scanner = result_scanner_new(rule, sink)) == NULL)
		return NULL;
	r->lines.fn = result_scanner_line;
	r->lines.ctx = r->scanner;
	return r;
}

static int
line_reader_end(struct line_reader *r, struct err *e)
{
	if (result_lines_end(&r->lines, e) < 0)
		return -1;
	return result_scanner_end(r->scanner, e);
}

static int
scan_lines(const struct environment_rule *rule, int fd, struct result_sink *sink, struct err *e)
{
	struct line_reader *r = line_reader_new(rule, sink);

	if (r == NULL)
		return arena_err(e);
	if (read_pieces(fd, feed_piece, &r->lines, &sink->set.truncated, e) < 0)
		return -1;
	return line_reader_end(r, e);
}

static int
append_piece(void *ctx, const char *p, size_t n, struct err *e)
{
	(void)e; /* a full buffer is looked at once, at the end */
	buf_append(ctx, p, n);
	return 0;
}

static int
scan_json_file(const struct environment_rule *rule, int fd, struct result_sink *sink, struct err *e)
{
	AUTO_BUF text = { 0 };

	buf_init(&text, RESULT_JSON_BYTES);
	if (read_pieces(fd, append_piece, &text, &sink->set.truncated, e) < 0)
		return -1;
	if (text.no_memory)
		return buf_check(&text, e);
	if (text.failed)
		return result_missing(
		    rule, sink, "the file is over 4 MiB; write fewer or shorter results", e);
	return result_scan_json(rule, sink, text.n == 0 ? "" : text.p, text.n, e);
}

/* Where the rule's file lies below out/; NULL when a parameter that names it was not given. */
static const char *
rule_path(const struct environment *env, const struct environment_rule *rule,
    const struct environment_value *values, size_t n_values, struct arena *mem)
{
	const char *path;

	if (strcmp(rule->file, "log") == 0)
		return "log";
	path = environment_rule_file(env, rule, values, n_values, mem);
	return path == NULL ? NULL : arena_printf(mem, "files/%s", path);
}

static int
apply_rule(const struct environment_rule *rule, const char *path, int out_dirfd,
    struct result_sink *sink, struct err *e)
{
	char echo[PARSE_ECHO_SIZE];
	AUTO_FD int fd = -1;

	/* A job with a command of its own has no parameters. */
	if (path == NULL)
		return result_missing(
		    rule, sink, "its file is named by a parameter that was not given", e);
	fd = open_below(out_dirfd, path);
	sink->where = strcmp(path, "log") == 0
			  ? "the log"
			  : arena_strdup(sink->mem, parse_echo(path + strlen("files/"), echo));
	if (sink->where == NULL)
		return arena_err(e);
	if (fd < 0) {
		const char *reason =
		    arena_printf(sink->mem, "the job left no file %s", sink->where);

		return reason == NULL ? arena_err(e) : result_missing(rule, sink, reason, e);
	}
	if (rule->kind == ENVIRONMENT_RULE_JSON)
		return scan_json_file(rule, fd, sink, e);
	return scan_lines(rule, fd, sink, e);
}

int
result_extract(const struct environment *env, const struct environment_value *values,
    size_t n_values, int out_dirfd, struct arena *mem, struct result_set *ret, struct err *e)
{
	struct result_sink *sink = result_sink_new(mem);

	if (sink == NULL)
		return arena_err(e);
	for (size_t i = 0; i < env->n_rules; i++) {
		const struct environment_rule *rule = &env->rules[i];
		const char *path = rule_path(env, rule, values, n_values, mem);

		if (apply_rule(rule, path, out_dirfd, sink, e) < 0)
			return -1;
	}
	*ret = sink->set;
	return 0;
}

int
result_extract_text(const struct environment_rule *rule, const char *text, size_t n,
    struct arena *mem, struct result_set *ret, struct err *e)
{
	struct result_sink *sink = result_sink_new(mem);
	struct line_reader *r;

	if (sink == NULL)
		return arena_err(e);
	sink->where = "the text";
	if (rule->kind == ENVIRONMENT_RULE_JSON) {
		if (result_scan_json(rule, sink, text, n, e) < 0)
			return -1;
	} else {
		r = line_reader_new(rule, sink);
		if (r == NULL)
			return arena_err(e);
		if (result_lines_feed(&r->lines, text, n, e) < 0 || line_reader_end(r, e) < 0)
			return -1;
	}
	*ret = sink->set;
	return 0;
}

/* --- success -------------------------------------------------------------------------------- */

/* Looks for texts across pieces: the tail of a piece that may be the start of a text is kept. */
struct text_search {
	const struct environment *env;
	size_t longest;
	const char *hit; /* the text that was found */
	char *window;    /* PIECE_BYTES and the kept tail before it */
	size_t kept;
	char excerpt[EXCERPT_BYTES];
};

/* The line around the hit, printable. */
static void
take_excerpt(struct text_search *s, const char *window, size_t n, const char *at)
{
	const char *start = at, *end = window + n;
	size_t used = 0;

	while (start > window && start[-1] != '\n' && start[-1] != '\r' &&
	       at - start < EXCERPT_BYTES / 2)
		start--;
	while (start < end && *start != '\n' && *start != '\r') {
		size_t len = parse_utf8_printable(start, (size_t)(end - start));

		if (used + (len == 0 ? 1 : len) >= sizeof(s->excerpt))
			break;
		if (len == 0)
			s->excerpt[used] = '?';
		else
			memcpy(s->excerpt + used, start, len);
		len += len == 0;
		start += len;
		used += len;
	}
	s->excerpt[used] = '\0';
}

static int
search_piece(void *ctx, const char *p, size_t n, struct err *e)
{
	struct text_search *s = ctx;
	size_t all = s->kept + n;

	(void)e; /* nothing here can fail */
	if (s->hit != NULL)
		return 0;
	memcpy(s->window + s->kept, p, n);
	/* The window holds a text that ends in this piece as a whole: longest bytes were kept. */
	for (size_t i = 0; i < s->env->n_success_absent; i++) {
		const char *text = s->env->success_absent[i];
		const char *at = memmem(s->window, all, text, strlen(text));

		if (at != NULL) {
			s->hit = text;
			take_excerpt(s, s->window, all, at);
			return 0;
		}
	}
	s->kept = all < s->longest ? all : s->longest;
	memmove(s->window, s->window + all - s->kept, s->kept);
	return 0;
}

int
result_check_success(const struct environment *env, int out_dirfd, struct arena *mem,
    const char **ret_why, struct err *e)
{
	AUTO_FD int fd = open_below(out_dirfd, "log");
	AUTO_FREE char *window = NULL;
	struct text_search s = { .env = env };
	bool truncated = false;
	const char *why;

	for (size_t i = 0; i < env->n_success_absent; i++)
		if (strlen(env->success_absent[i]) > s.longest)
			s.longest = strlen(env->success_absent[i]);
	if (fd < 0 || s.longest == 0) {
		*ret_why = NULL;
		return 0;
	}
	window = malloc(PIECE_BYTES + s.longest);
	if (window == NULL)
		return err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later.");
	s.window = window;
	if (read_pieces(fd, search_piece, &s, &truncated, e) < 0)
		return -1;
	if (s.hit == NULL) {
		*ret_why = NULL;
		return 0;
	}
	why = arena_printf(
	    mem, "the log says \"%s\", which counts as a failure in %s", s.excerpt, env->name);
	if (why == NULL)
		return arena_err(e);
	*ret_why = why;
	return 0;
}
