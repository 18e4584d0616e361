/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exports: page by page into a file without a name, then sent like any file, so that a slow reader
 * holds neither a connection of the database nor a snapshot.  What a file takes is bounded for
 * each, and for all by the number of slots: a slot is held until the file is closed.
 *
 * CSV is that of RFC 4180 with a head.  A cell that a spreadsheet would take for a formula (it
 * begins with = + - @, a tab or a carriage return) gets an apostrophe in front.
 */
#include "audit_internal.h"

#include "auth.h"
#include "buf.h"
#include "clock.h"
#include "export.h"
#include "fd.h"
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	PAGE_ENTRIES = 1000,
	PAGE_BYTES = 64 << 20,
	WRITE_BYTES = 1 << 16,
	BUFFER_BYTES = WRITE_BYTES + EXPORT_LINE_MAX /* a line may go over */
};

struct exporter {
	struct audit_desk *desk;
	struct tenant_id tenant;
	const struct audit_filter *filter;
	struct audit_ends ends;
	struct arena *mem; /* of one page */
	struct audit_raw raw;
	struct buf out;
	int fd;
	int64_t count, written;
};

/* --- the file --------------------------------------------------------------------------------- */

/* File systems without O_TMPFILE (overlayfs before Linux 6.1) get a name for a moment. */
static int
open_spool(int dirfd, int *ret_fd, struct err *e)
{
	char name[UUID_STR_SIZE + 8], id[UUID_STR_SIZE];
	int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		(void)snprintf(name, sizeof(name), "export.%s", uuid_format(uuid_v7(), id));
		fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0 && unlinkat(dirfd, name, 0) < 0) {
			close(fd);
			fd = -1;
		}
	}
	if (fd < 0)
		return err_sys(e, errno, "make a file for an export");
	*ret_fd = fd;
	return 0;
}

static int
write_out(struct exporter *x, size_t at_least, struct err *e)
{
	char max[PARSE_UNIT_SIZE];

	if (buf_check(&x->out, e) < 0)
		return -1;
	if (x->out.n == 0 || x->out.n < at_least)
		return 0;
	x->written += (int64_t)x->out.n;
	if (x->written > x->desk->o.export_max_bytes)
		return err_set(e, ERR_TOO_LARGE,
		    "The export would have more than %s; narrow it with from and to, or take it in "
		    "parts with after.",
		    format_bytes(x->desk->o.export_max_bytes, max));
	if (fd_write_all(x->fd, x->out.p, x->out.n, e) < 0)
		return -1;
	buf_clear(&x->out);
	return 0;
}

/* --- NDJSON ----------------------------------------------------------------------------------- */

static int
take_raw(void *ctx, struct err *e)
{
	struct exporter *x = ctx;

	if (audit_raw_take(&x->raw, e) < 0)
		return -1;
	export_print_entry(&x->raw.entry, &x->out);
	arena_reset(x->mem);
	x->count++;
	return write_out(x, WRITE_BYTES, e);
}

static int
write_entries(struct exporter *x, struct err *e)
{
	int64_t above = x->filter->after, piece = AUDIT_SCAN_ENTRIES;
	bool scans = audit_filter_scans(x->filter);
	struct db_col cols[AUDIT_RAW_COLS];
	struct audit_where w;

	audit_raw_cols(&x->raw, cols);
	audit_where_fill(&w, x->tenant, x->filter, PAGE_ENTRIES);
	while (above < x->ends.last) {
		int64_t to = scans && x->ends.last - above > piece ? above + piece : x->ends.last;
		int64_t n;

		w.args[AUDIT_WHERE_ABOVE].v.i64 = above;
		w.args[AUDIT_WHERE_TO].v.i64 = to;
		if (audit_desk_goes_on(x->desk, e) < 0)
			return -1;
		n = db_read_each(
		    x->desk->o.db, x->tenant, "audit_raw", w.args, cols, x->mem, take_raw, x, e);
		if (n < 0)
			return -1;
		above = n == PAGE_ENTRIES ? x->raw.entry.number : to;
	}
	return 0;
}

static int
write_ndjson(struct exporter *x, struct err *e)
{
	struct export_end end = { .tenant = x->tenant, .head = x->ends.head };
	const char *filter;

	if (write_entries(x, e) < 0 || audit_filter_print(x->filter, x->mem, &filter, e) < 0)
		return -1;
	end.count = x->count;
	export_print_end(&end, filter, &x->out);
	return 0;
}

/* --- CSV -------------------------------------------------------------------------------------- */

static void
put_cell(struct buf *b, const char *text, char behind)
{
	buf_char(b, '"');
	if (text != NULL && text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL)
		buf_char(b, '\'');
	for (const char *p = text == NULL ? "" : text; *p != '\0'; p++) {
		if (*p == '"')
			buf_char(b, '"');
		buf_char(b, *p);
	}
	buf_char(b, '"');
	if (behind == '\n')
		buf_char(b, '\r');
	buf_char(b, behind);
}

static void
put_row(struct buf *b, const struct audit_row *r)
{
	char hash[2 * CHAIN_HASH_SIZE + 1], at[CLOCK_STR_SIZE];
	const char *const cells[] = { clock_format(r->at_wall_us, at), r->action, r->actor_type,
		r->actor, r->actor_name, r->actor_user, r->actor_support, r->resource, r->outcome,
		r->reason, r->source, r->request_id, r->changes, hash };

	auth_hex(r->hash, sizeof(r->hash), hash);
	buf_printf(b, "%lld,", (long long)r->number);
	for (size_t i = 0; i < ARRAY_LEN(cells); i++)
		put_cell(b, cells[i], i + 1 == ARRAY_LEN(cells) ? '\n' : ',');
}

static int
write_csv(struct exporter *x, struct err *e)
{
	struct audit_page page = {
		.oldest_first = true, .limit = PAGE_ENTRIES, .upto = x->ends.last
	};
	struct audit_row *rows;
	size_t n;

	buf_str(&x->out,
	    "number,at,action,actor_type,actor_id,actor_name,actor_user,actor_support,resource,"
	    "outcome,reason,source,request_id,changes,hash\r\n");
	do {
		arena_reset(x->mem);
		if (audit_desk_goes_on(x->desk, e) < 0 ||
		    audit_list(x->desk->o.db, x->tenant, x->filter, &page, x->mem, &rows, &n,
			&page.last, e) < 0)
			return -1;
		for (size_t i = 0; i < n; i++) {
			put_row(&x->out, &rows[i]);
			if (write_out(x, WRITE_BYTES, e) < 0)
				return -1;
		}
	} while (page.last != 0);
	return 0;
}

/* ---------------------------------------------------------------------------------------------- */

static int
run(struct exporter *x, enum audit_format format, struct err *e)
{
	if (audit_ends_get(x->desk->o.db, x->tenant, x->mem, &x->ends, e) < 0)
		return -1;
	if ((format == AUDIT_NDJSON ? write_ndjson(x, e) : write_csv(x, e)) < 0)
		return -1;
	return write_out(x, 0, e);
}

int
audit_export(struct audit_desk *d, struct tenant_id tenant, const struct audit_filter *f,
    enum audit_format format, int spool_dirfd, struct audit_export *ret, struct err *e)
{
	struct exporter x = { .desk = d, .tenant = tenant, .filter = f, .fd = -1 };
	struct audit_slot *slot;
	int rc = -1;

	if (audit_slot_take(d, d->exports, d->o.exports, tenant, "export", &slot, e) < 0)
		return -1;
	buf_init(&x.out, BUFFER_BYTES);
	x.mem = arena_new(PAGE_BYTES);
	if (x.mem == NULL)
		(void)err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later.");
	else if (open_spool(spool_dirfd, &x.fd, e) == 0)
		rc = run(&x, format, e);
	arena_free(x.mem);
	buf_done(&x.out);
	if (rc < 0) {
		fd_close(&x.fd);
		audit_slot_give(slot);
		return -1;
	}
	*ret = (struct audit_export){ .fd = x.fd, .size = x.written, .slot = slot };
	return 0;
}
