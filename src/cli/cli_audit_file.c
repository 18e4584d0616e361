/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exported log is checked without its server: the chain by itself, its end by the head in its
 * last line, and all of it by checkpoints that were saved at some time.  The last line is read
 * first, for it says whose log it is and what was left out.
 */
#include "cli_audit_internal.h"

#include "arena.h"
#include "auth.h"
#include "checkpoint.h"
#include "export.h"
#include "fd.h"
#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TAIL_BYTES = 8192, /* a last line with the longest filter fits */
	KEY_FILE_MAX = 65536,
	LINE_ARENA_BYTES = 4 << 20
};

struct check {
	int fd;
	struct export_end end;
	struct chain_check *chain;
	struct checkpoint_trail trail;
	uint8_t key[SIGN_PUBLIC_SIZE];
	bool has_key;
	int64_t first;
};

static int
open_input(const char *path, int *ret_fd, struct err *e)
{
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*ret_fd < 0)
		return err_sys(e, errno, "%.200s cannot be read", path);
	return 0;
}

/* --- the last line ---------------------------------------------------------------------------- */

/* 1 and the end, or 0 when the file does not end with one. */
static int
read_end(struct check *k, struct err *e)
{
	AUTO(arena) mem = arena_new(LINE_ARENA_BYTES);
	char tail[TAIL_BYTES];
	struct chain_entry none;
	struct err why = { 0 };
	const char *line;
	struct stat st;
	ssize_t n;

	if (mem == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory to read an export");
	if (fstat(k->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "an export is read from a file");
	n = pread(k->fd, tail, sizeof(tail), st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0);
	if (n < 0)
		return err_sys(e, errno, "the export cannot be read");
	if (n == 0 || tail[n - 1] != '\n')
		return 0;
	line = memrchr(tail, '\n', (size_t)n - 1);
	line = line == NULL ? tail : line + 1;
	return export_read_line(line, (size_t)(tail + n - 1 - line), mem, &none, &k->end, &why) ==
	       0;
}

/* --- keys and checkpoints --------------------------------------------------------------------- */

/* {"keys":[{"kid": hex}]} of GET /v1/audit/keys, or the digits alone. */
static bool
key_of_text(const char *text, size_t n, uint8_t out[static SIGN_PUBLIC_SIZE])
{
	char digits[2 * SIGN_PUBLIC_SIZE + 1];
	AUTO(json) j = NULL;
	struct err why = { 0 };

	if (text[0] == '{' && json_parse(text, n, &j, &why) == 0)
		text = cli_text(json_at(json_member(json_root(j), "keys"), 0), "kid");
	if (strcspn(text, "\r\n") != sizeof(digits) - 1)
		return false;
	memcpy(digits, text, sizeof(digits) - 1);
	digits[sizeof(digits) - 1] = '\0';
	return chain_unhex(digits, out, SIGN_PUBLIC_SIZE);
}

static int
read_key(struct check *k, const char *option, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t n = 0;

	if (option == NULL)
		return 0;
	k->has_key = key_of_text(option, strlen(option), k->key);
	if (!k->has_key && fd_read_file(AT_FDCWD, option, KEY_FILE_MAX, &text, &n, e) == 0)
		k->has_key = key_of_text(text, n, k->key);
	if (k->has_key)
		return 0;
	return err_set(e, ERR_USAGE,
	    "--key is a public key of 64 hexadecimal digits, or a file with it or with the answer "
	    "of GET /v1/audit/keys");
}

static int
read_checkpoints(struct check *k, const char *path, struct err *e)
{
	AUTO_FD int fd = -1;
	AUTO_LINES lines = { .fd = -1 };
	const char *line;
	size_t n = 0;
	int rc;

	if (path == NULL)
		return 0;
	if (open_input(path, &fd, e) < 0 || lines_init(&lines, fd, CHECKPOINT_LINE_SIZE, e) < 0)
		return -1;
	checkpoint_trail_part(&k->trail); /* what was saved may begin anywhere */
	while ((rc = lines_next(&lines, &line, &n, e)) == 1)
		checkpoint_trail_line(&k->trail, line, n, k->chain);
	if (rc < 0)
		return err_wrap(e, "%.200s holds no checkpoints", path);
	checkpoint_trail_end(&k->trail, k->has_key ? k->key : NULL, k->chain);
	return 0;
}

/* --- the walk --------------------------------------------------------------------------------- */

/* The check begins where the file does, or at the log's first entry. */
static int
start(struct check *k, struct err *e)
{
	AUTO(arena) mem = arena_new(LINE_ARENA_BYTES);
	AUTO_LINES lines = { .fd = -1 };
	struct chain_entry entry = { .number = 1 };
	struct export_end end;
	const char *line;
	struct err why = { 0 };
	size_t n = 0;

	if (mem == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory to read an export");
	if (lines_init(&lines, k->fd, EXPORT_LINE_MAX, e) < 0)
		return -1;
	if (lines_next(&lines, &line, &n, &why) != 1 ||
	    export_read_line(line, n, mem, &entry, &end, &why) < 0)
		return err_set(e, ERR_INVALID,
		    "the file does not begin as an export does; make one with wardian audit export "
		    "--format ndjson");
	if (lseek(k->fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "the export cannot be read");
	k->first = k->end.later ? entry.number : 1;
	if (k->end.later)
		chain_check_start_at(k->chain, k->first);
	else
		chain_check_start(k->chain, k->end.tenant);
	return 0;
}

static int
walk(struct check *k, struct err *e)
{
	AUTO(arena) mem = arena_new(LINE_ARENA_BYTES);
	AUTO_LINES lines = { .fd = -1 };
	struct chain_entry entry;
	struct export_end end;
	const char *line;
	struct err why = { 0 };
	size_t n = 0;
	int rc;

	if (mem == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory to read an export");
	if (lines_init(&lines, k->fd, EXPORT_LINE_MAX, e) < 0)
		return -1;
	while ((rc = lines_next(&lines, &line, &n, e)) == 1) {
		int kind = export_read_line(line, n, mem, &entry, &end, &why);

		if (kind < 0 && why.code == ERR_NO_MEMORY) {
			*e = why;
			return -1;
		}
		if (kind < 0)
			chain_check_report(k->chain, CHAIN_MODIFIED, k->chain->last.number + 1,
			    "what stands here cannot be read");
		if (kind == 1) {
			checkpoint_trail_entry(&k->trail, &entry, k->chain);
			chain_check_entry(k->chain, &entry);
		}
		arena_reset(mem);
	}
	return rc;
}

static void
finish(struct check *k, bool has_end)
{
	struct chain_check *c = k->chain;

	if (!has_end)
		chain_check_report(c, CHAIN_TRUNCATED, c->last.number + 1,
		    "the file does not end as an export in NDJSON does: export it again");
	else if (k->end.count != c->n_entries)
		chain_check_report(c, CHAIN_TRUNCATED, c->last.number + 1,
		    "the file holds %lld of the %lld entries that were exported",
		    (long long)c->n_entries, (long long)k->end.count);
	if (k->end.to)
		return;
	if (c->n_entries > 0 || !k->end.later)
		chain_check_end(c, &k->end.head);
	checkpoint_trail_head(&k->trail, &k->end.head, c);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* As GET /v1/audit/verify answers. */
static void
print_verdict(const struct check *k, struct json_out *o)
{
	const struct chain_check *c = k->chain;
	char head[2 * CHAIN_HASH_SIZE + 1];

	auth_hex(c->last.hash, sizeof(c->last.hash), head);
	json_out_begin(o);
	json_put_bool(o, "ok", c->n_problems == 0);
	json_put_i64(o, "first", k->first);
	json_put_i64(o, "last", c->last.number);
	json_put_text(o, "head", head);
	json_out_key(o, "checkpoints");
	json_out_begin(o);
	json_put_i64(o, "checked", k->trail.n_lines);
	json_out_end(o);
	json_out_key(o, "problems");
	json_out_begin_array(o);
	for (size_t i = 0; i < c->n_problems; i++) {
		json_out_begin(o);
		json_put_text(o, "kind", chain_fault_name(c->problems[i].fault));
		json_put_i64(o, "number", c->problems[i].number);
		json_put_text(o, "detail", c->problems[i].detail);
		json_out_end(o);
	}
	json_out_end_array(o);
	json_put_i64(o, "problems_not_shown", c->n_problems_lost);
	json_out_end(o);
}

/* A signature proves little until it is known whose it is. */
static void
say_key(const struct check *k)
{
	char key[2 * SIGN_PUBLIC_SIZE + 1];

	if (k->has_key || k->trail.n_lines == 0)
		return;
	auth_hex(k->trail.last.key, sizeof(k->trail.last.key), key);
	(void)fprintf(stderr,
	    "wardian: the checkpoints are signed by %s; compare it with GET /v1/audit/keys, or "
	    "give "
	    "--key\n",
	    key);
}

static int
answer(struct cli *cli, const struct check *k, struct err *e)
{
	AUTO(json) j = NULL;
	struct json_out o;
	AUTO_BUF b = { 0 };

	buf_init(&b, 1 << 16);
	json_out_init(&o, &b);
	print_verdict(k, &o);
	if (buf_check(&b, e) < 0 || json_parse(b.p, b.n, &j, e) < 0)
		return -1;
	if (cli->json)
		cli_print_raw(&b);
	say_key(k);
	return cli_audit_print_verdict(cli, json_root(j), e);
}

static int
check_file(struct cli *cli, struct check *k, struct err *e)
{
	int has_end = read_end(k, e);

	if (has_end < 0)
		return -1;
	if (has_end == 0) /* whose log it is is not known then, nor where it ends */
		k->end.later = k->end.to = true;
	if (k->end.thinned)
		return err_set(e, ERR_INVALID,
		    "entries were left out by a filter, so the chain cannot be checked; export "
		    "without --actor, --action, --resource and --outcome");
	checkpoint_trail_start(&k->trail, k->end.tenant);
	if (start(k, e) < 0 || read_key(k, cli_option(cli, "--key"), e) < 0)
		return -1;
	if (has_end == 1 && read_checkpoints(k, cli_option(cli, "--checkpoints"), e) < 0)
		return -1;
	if (walk(k, e) < 0)
		return -1;
	finish(k, has_end == 1);
	return answer(cli, k, e);
}

int
cli_audit_verify_file(struct cli *cli, const char *file, struct err *e)
{
	struct check k = { .fd = -1 };
	int rc;

	if (cli_option(cli, "--from") != NULL)
		return err_set(e, ERR_USAGE,
		    "--from goes without --file; a file is checked from its first entry on");
	k.chain = malloc(sizeof(*k.chain));
	if (k.chain == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory to check a log");
	rc = open_input(file, &k.fd, e) < 0 ? -1 : check_file(cli, &k, e);
	checkpoint_trail_done(&k.trail);
	fd_close(&k.fd);
	free(k.chain);
	return rc;
}
