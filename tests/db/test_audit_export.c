/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the log: pages and their filters, exports that can be checked, reads that are recorded.
 */
#include "audit_fixture.h"

#include "clock.h"
#include "export.h"
#include "json.h"
#include "lines.h"

static struct audit_fixture f;

static void
write_as(struct tenant_id tenant, const char *action, const char *resource, const char *denied)
{
	struct audit_note note = {
		.by = &f.by, .action = action, .resource = resource, .denied = denied
	};
	struct err e = { 0 };

	must(audit_record(f.db, tenant, &note, f.mem, &e));
}

/* "3 2 1": the numbers of a page. */
static const char *
page_of(struct tenant_id tenant, const struct audit_filter *filter, struct audit_page page)
{
	static char out[1024];
	struct audit_row *rows;
	size_t n, at = 0;
	struct err e = { 0 };
	int64_t next;

	must(audit_list(f.db, tenant, filter, &page, f.mem, &rows, &n, &next, &e));
	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%lld", i == 0 ? "" : " ",
		    (long long)rows[i].number);
	(void)snprintf(out + at, sizeof(out) - at, "%s", next != 0 ? " ..." : "");
	return out;
}

static void
pages_go_both_ways_and_join(void **state)
{
	const struct audit_filter all = { 0 }, after = { .after = 4 };
	struct tenant_id tenant = test_tenant(&f.t, "pages");

	(void)state;
	audit_fixture_write(&f, tenant, 7);
	assert_string_equal(page_of(tenant, &all, (struct audit_page){ .limit = 3 }), "7 6 5 ...");
	assert_string_equal(
	    page_of(tenant, &all, (struct audit_page){ .limit = 3, .last = 5 }), "4 3 2 ...");
	assert_string_equal(
	    page_of(tenant, &all, (struct audit_page){ .limit = 3, .last = 2 }), "1");
	assert_string_equal(
	    page_of(tenant, &all, (struct audit_page){ .limit = 3, .oldest_first = true }),
	    "1 2 3 ...");
	assert_string_equal(page_of(tenant, &all,
				(struct audit_page){ .limit = 4, .oldest_first = true, .last = 3 }),
	    "4 5 6 7");
	assert_string_equal(page_of(tenant, &after, (struct audit_page){ .limit = 9 }), "7 6 5");
	assert_string_equal(page_of(tenant, &after,
				(struct audit_page){ .limit = 9, .oldest_first = true, .last = 5 }),
	    "6 7");
}

static void
filters_choose_what_they_say(void **state)
{
	const struct audit_page page = { .limit = 9, .oldest_first = true };
	struct tenant_id tenant = test_tenant(&f.t, "filters"), other = test_tenant(&f.t, "others");
	char key[ID_STR_SIZE];
	struct audit_row *rows;
	struct err e = { 0 };
	size_t n;
	int64_t next;

	(void)state;
	write_as(tenant, "key.create", "key_1", NULL);
	write_as(tenant, "key.revoke", "key_1", "needs key:revoke");
	write_as(tenant, "keyring.create", "key_2", NULL);
	write_as(tenant, "job.submit", NULL, NULL);
	write_as(other, "key.create", "key_1", NULL);
	assert_string_equal(
	    page_of(tenant, &(struct audit_filter){ .action = "key.create" }, page), "1");
	assert_string_equal(
	    page_of(tenant, &(struct audit_filter){ .action = "key.*" }, page), "1 2");
	assert_string_equal(page_of(tenant, &(struct audit_filter){ .action = "k%" }, page), "");
	assert_string_equal(
	    page_of(tenant, &(struct audit_filter){ .resource = "key_1" }, page), "1 2");
	assert_string_equal(
	    page_of(tenant, &(struct audit_filter){ .outcome = "denied" }, page), "2");
	assert_string_equal(
	    page_of(
		tenant, &(struct audit_filter){ .actor = id_format("key", f.who.key, key) }, page),
	    "1 2 3 4");
	assert_string_equal(page_of(tenant, &(struct audit_filter){ .actor = "key_" }, page), "");
	must(audit_list(
	    f.db, tenant, &(struct audit_filter){ 0 }, &page, f.mem, &rows, &n, &next, &e));
	assert_int_equal(n, 4);
	assert_string_equal(
	    page_of(tenant, &(struct audit_filter){ .from_wall_us = rows[2].at_wall_us }, page),
	    "3 4");
	assert_string_equal(
	    page_of(tenant, &(struct audit_filter){ .to_wall_us = rows[2].at_wall_us }, page),
	    "1 2");
}

/* Beyond what one statement looks at; the chain of these rows is no part of the matter. */
static void
what_is_rare_is_found_far_away_and_the_end_is_reached(void **state)
{
	static const char many[] =
	    "insert into wardian.audit_log (tenant_id, number, at, entry, hash)"
	    " select '%s', i, now(), '{\"action\":\"' || case when i in (7, 120000) then 'rare'"
	    "  else 'usual' end || '.deed\",\"actor\":{\"id\":\"system\"},\"outcome\":\"ok\"}',"
	    "  sha256('') from generate_series(1, 230000) i;"
	    "update wardian.audit_head set number = 230000 where tenant_id = '%s'";
	const struct audit_filter rare = { .action = "rare.deed" };
	struct tenant_id tenant = test_tenant(&f.t, "rare");

	(void)state;
	audit_fixture_tamper(&f, tenant, many);
	for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
		struct audit_page page = { .limit = 9, .oldest_first = oldest_first == 1 };
		int64_t found[2] = { 0 };
		size_t n_found = 0;
		int pages = 0;

		do {
			struct audit_row *rows;
			struct err e = { 0 };
			size_t n;

			arena_reset(f.mem);
			must(audit_list(
			    f.db, tenant, &rare, &page, f.mem, &rows, &n, &page.last, &e));
			for (size_t i = 0; i < n && n_found < 2; i++)
				found[n_found++] = rows[i].number;
		} while (page.last != 0 && ++pages < 10);
		assert_int_equal(page.last, 0);
		assert_int_equal(found[oldest_first], 120000);
		assert_int_equal(found[1 - oldest_first], 7);
	}
	assert_string_equal(
	    page_of(tenant, &(struct audit_filter){ 0 }, (struct audit_page){ .limit = 2 }),
	    "230000 229999 ...");
}

static void
a_row_has_every_part_of_its_entry(void **state)
{
	const struct audit_page page = { .limit = 9 };
	struct tenant_id tenant = test_tenant(&f.t, "row");
	char key[ID_STR_SIZE], user[ID_STR_SIZE], expected[512];
	struct audit_row *rows;
	struct json_out o;
	struct err e = { 0 };
	AUTO_BUF b;
	size_t n;
	int64_t next;

	(void)state;
	audit_fixture_write(&f, tenant, 1);
	must(audit_list(
	    f.db, tenant, &(struct audit_filter){ 0 }, &page, f.mem, &rows, &n, &next, &e));
	buf_init(&b, 1 << 16);
	json_out_init(&o, &b);
	audit_row_print(&rows[0], &o);
	(void)snprintf(expected, sizeof(expected),
	    "\"action\":\"job.submit\",\"actor\":{\"type\":\"api_key\",\"id\":\"%s\",\"name\":"
	    "\"ann\",\"user\":\"%s\",\"support\":null},\"resource\":\"job_1\",\"outcome\":\"ok\","
	    "\"reason\":null,\"source\":\"192.0.2.7\",\"request_id\":\"req-00000001\","
	    "\"changes\":{\"a\": [1, 2]},\"hash\":\"",
	    id_format("key", f.who.key, key), id_format("usr", f.who.user, user));
	assert_non_null(strstr(b.p, expected));
}

/* Entries of an exported file, put through the checker; the end is left in *ret. */
static int64_t
check_export(const struct audit_export *x, struct chain_check *c, struct export_end *ret)
{
	AUTO_LINES lines;
	AUTO(arena) mem = arena_new(1 << 20);
	struct chain_entry entry;
	const char *line;
	struct err e = { 0 };
	size_t n;
	int kind = 1;

	assert_non_null(mem);
	assert_int_equal(lseek(x->fd, 0, SEEK_END), x->size);
	assert_int_equal(lseek(x->fd, 0, SEEK_SET), 0);
	must(lines_init(&lines, x->fd, EXPORT_LINE_MAX, &e));
	while (kind == 1) {
		arena_reset(mem);
		assert_int_equal(lines_next(&lines, &line, &n, &e), 1);
		kind = export_read_line(line, n, mem, &entry, ret, &e);
		must(kind);
		if (kind == 1)
			chain_check_entry(c, &entry);
	}
	assert_int_equal(lines_next(&lines, &line, &n, &e), 0);
	assert_int_equal(lines.rest, 0);
	return c->n_entries;
}

static void
an_export_is_the_whole_log_and_can_be_checked_alone(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "export");
	struct chain_check *c = calloc(1, sizeof(*c));
	struct audit_export x;
	struct export_end end;
	struct err e = { 0 };

	(void)state;
	assert_non_null(c);
	audit_fixture_fill(&f, tenant, 2500);
	must(audit_export(
	    f.desk, tenant, &(struct audit_filter){ 0 }, AUDIT_NDJSON, f.dirfd, &x, &e));
	chain_check_start(c, tenant);
	assert_int_equal(check_export(&x, c, &end), 2500);
	chain_check_end(c, &end.head);
	assert_int_equal(c->n_problems, 0);
	assert_int_equal(end.count, 2500);
	assert_int_equal(uuid_cmp(end.tenant.uuid, tenant.uuid), 0);
	assert_false(end.thinned);
	close(x.fd);
	audit_export_done(x.slot);
	must(audit_export(f.desk, tenant,
	    &(struct audit_filter){ .after = 1200, .resource = "job_1300" }, AUDIT_NDJSON, f.dirfd,
	    &x, &e));
	chain_check_start_at(c, 1300);
	assert_int_equal(check_export(&x, c, &end), 1);
	assert_true(end.thinned);
	close(x.fd);
	audit_export_done(x.slot);
	free(c);
}

static void
cells_are_quoted_and_no_formulas(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "csv");
	struct audit_export x;
	char text[4096] = "";
	struct err e = { 0 };

	(void)state;
	write_as(tenant, "job.submit", "=1+1", NULL);
	write_as(tenant, "job.submit", "@a,\"b\"", "-x");
	must(audit_export(f.desk, tenant, &(struct audit_filter){ 0 }, AUDIT_CSV, f.dirfd, &x, &e));
	assert_int_equal(pread(x.fd, text, sizeof(text) - 1, 0), x.size);
	assert_memory_equal(text, "number,at,action,actor_type,actor_id,", 37);
	assert_non_null(strstr(text, "\"'=1+1\",\"ok\",\"\",\"192.0.2.7\",\"req-00000001\",\"\","));
	assert_non_null(strstr(text, "\"'@a,\"\"b\"\"\",\"denied\",\"'-x\","));
	assert_memory_equal(text + x.size - 3, "\"\r\n", 3);
	close(x.fd);
	audit_export_done(x.slot);
}

static void
an_export_that_would_be_too_large_is_refused(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "too-large");
	struct audit_export x;
	struct err e = { 0 };

	(void)state;
	audit_fixture_fill(&f, tenant, 8000);
	must_fail(ERR_TOO_LARGE, audit_export(f.desk, tenant, &(struct audit_filter){ 0 },
				     AUDIT_NDJSON, f.dirfd, &x, &e));
	assert_non_null(strstr(e.msg, "from and to"));
	must_fail(ERR_TOO_LARGE,
	    audit_export(f.desk, tenant, &(struct audit_filter){ 0 }, AUDIT_CSV, f.dirfd, &x, &e));
	must(audit_export(
	    f.desk, tenant, &(struct audit_filter){ .after = 7990 }, AUDIT_CSV, f.dirfd, &x, &e));
	close(x.fd);
	audit_export_done(x.slot);
}

static void
a_tenant_has_one_export_at_a_time_and_all_have_a_few(void **state)
{
	struct tenant_id tenants[3];
	struct audit_export x[3];
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		tenants[i] = test_tenant(&f.t, "turns");
	for (int i = 0; i < 2; i++)
		must(audit_export(f.desk, tenants[i], &(struct audit_filter){ 0 }, AUDIT_CSV,
		    f.dirfd, &x[i], &e));
	must_fail(ERR_RATE, audit_export(f.desk, tenants[0], &(struct audit_filter){ 0 },
				AUDIT_NDJSON, f.dirfd, &x[2], &e));
	must_fail(ERR_BUSY, audit_export(f.desk, tenants[2], &(struct audit_filter){ 0 },
				AUDIT_NDJSON, f.dirfd, &x[2], &e));
	close(x[0].fd);
	audit_export_done(x[0].slot);
	must(audit_export(
	    f.desk, tenants[2], &(struct audit_filter){ 0 }, AUDIT_NDJSON, f.dirfd, &x[2], &e));
	for (int i = 1; i < 3; i++) {
		close(x[i].fd);
		audit_export_done(x[i].slot);
	}
}

static void
a_read_is_recorded_once_a_minute_per_caller_and_filter(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "reads");
	struct principal somebody = f.who;
	const struct caller other = { .who = &somebody };
	const struct audit_filter key = { .action = "key.*", .after = 3 };
	const char *filter;
	struct err e = { 0 };

	(void)state;
	somebody.key = uuid_v7();
	must(audit_filter_print(&key, f.mem, &filter, &e));
	for (int i = 0; i < 3; i++) {
		must(audit_record_read(f.desk, tenant, &f.by, "list", filter, f.mem, &e));
		must(audit_record_read(f.desk, tenant, &f.by, "list", "{}", f.mem, &e));
		must(audit_record_read(f.desk, tenant, &f.by, "verify", "{}", f.mem, &e));
		must(audit_record_read(f.desk, tenant, &other, "list", "{}", f.mem, &e));
	}
	assert_string_equal(page_of(tenant, &(struct audit_filter){ .action = "audit.read" },
				(struct audit_page){ .limit = 9 }),
	    "4 3 2 1");
	assert_string_equal(test_text(f.t.url, "select entry::jsonb -> 'changes' from "
					       "wardian.audit_log where action = 'audit.read'"
					       " order by tenant_id desc, number limit 1"),
	    "{\"view\": \"list\", \"filter\": {\"after\": 3, \"action\": \"key.*\"}}");
}

static void
what_is_under_way_ends_when_the_daemon_does(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "ends");
	struct audit_verdict v;
	struct audit_export x;
	struct err e = { 0 };

	(void)state;
	audit_fixture_write(&f, tenant, 1);
	audit_desk_stop(f.desk);
	must_fail(ERR_STOPPING, audit_verify(f.desk, tenant, 1, f.mem, &v, &e));
	must_fail(ERR_STOPPING,
	    audit_export(f.desk, tenant, &(struct audit_filter){ 0 }, AUDIT_CSV, f.dirfd, &x, &e));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(pages_go_both_ways_and_join),
	cmocka_unit_test(filters_choose_what_they_say),
	cmocka_unit_test(what_is_rare_is_found_far_away_and_the_end_is_reached),
	cmocka_unit_test(a_row_has_every_part_of_its_entry),
	cmocka_unit_test(an_export_is_the_whole_log_and_can_be_checked_alone),
	cmocka_unit_test(cells_are_quoted_and_no_formulas),
	cmocka_unit_test(an_export_that_would_be_too_large_is_refused),
	cmocka_unit_test(a_tenant_has_one_export_at_a_time_and_all_have_a_few),
	cmocka_unit_test(a_read_is_recorded_once_a_minute_per_caller_and_filter),
	cmocka_unit_test(what_is_under_way_ends_when_the_daemon_does),
};

int
main(void)
{
	int rc;

	json_start();
	audit_fixture_open(&f, MIB + MIB / 2);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	audit_fixture_close(&f);
	return rc;
}
