/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: when there is one, what it says, and what is never sealed over. */
#include "audit_fixture.h"

#include "checkpoint.h"
#include "json.h"
#include "lock.h"

static struct audit_fixture f;

static const char *
path_of(struct tenant_id tenant)
{
	static char path[192];
	char id[UUID_STR_SIZE];

	(void)snprintf(path, sizeof(path), "%s/%s.ndjson", f.dir, uuid_format(tenant.uuid, id));
	return path;
}

/* Lines of the file; the last one is left in *ret. */
static int
lines_of(struct tenant_id tenant, struct checkpoint *ret)
{
	char line[CHECKPOINT_LINE_SIZE + 2];
	FILE *file = fopen(path_of(tenant), "r");
	struct err e = { 0 };
	int n = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		must(checkpoint_parse(line, strlen(line) - 1, ret, &e));
		n++;
	}
	if (file != NULL)
		fclose(file);
	return n;
}

static struct audit_seal_options
options(int64_t interval_ms)
{
	return (struct audit_seal_options){ .db = f.db,
		.dirfd = f.dirfd,
		.key = f.key,
		.node = f.node,
		.interval_ms = interval_ms,
		.metrics = f.metrics };
}

static void
a_line_is_made_at_start_and_at_stop_when_the_log_has_moved(void **state)
{
	const struct audit_seal_options o = options(3600000);
	struct tenant_id tenant = test_tenant(&f.t, "start-stop");
	struct audit_seal *s;
	struct checkpoint cp = { 0 };
	struct err e = { 0 };

	(void)state;
	audit_fixture_write(&f, tenant, 3);
	must(audit_seal_start(&o, &s, &e));
	for (int i = 0; i < 500 && lines_of(tenant, &cp) == 0; i++)
		(void)usleep(10000);
	assert_int_equal(cp.number, 3);
	assert_true(checkpoint_signed(&cp));
	assert_int_equal(uuid_cmp(cp.node, f.node), 0);
	audit_fixture_write(&f, tenant, 2);
	audit_seal_stop(s);
	assert_int_equal(lines_of(tenant, &cp), 2);
	assert_int_equal(cp.number, 5);
	must(audit_seal_start(&o, &s, &e));
	audit_seal_stop(s);
	assert_int_equal(lines_of(tenant, &cp), 2); /* it rests */
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "");
}

static void
a_log_without_entries_gets_no_file(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "none");

	(void)state;
	audit_fixture_seal(&f);
	assert_int_equal(access(path_of(tenant), F_OK), -1);
}

static void
a_log_that_grows_is_sealed_once_per_interval(void **state)
{
	const struct audit_seal_options o = options(100);
	struct tenant_id tenant = test_tenant(&f.t, "interval");
	struct checkpoint cp = { 0 };
	struct audit_seal *s;
	struct err e = { 0 };
	int lines;

	(void)state;
	must(audit_seal_start(&o, &s, &e));
	for (int i = 0; i < 1000 && lines_of(tenant, &cp) < 3; i++)
		audit_fixture_write(&f, tenant, 1);
	audit_seal_stop(s);
	lines = lines_of(tenant, &cp);
	assert_true(lines >= 3);
	assert_true(lines <= cp.number);
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "");
}

static void
many_entries_do_not_wait_for_the_interval(void **state)
{
	const struct audit_seal_options o = options(3600000);
	struct tenant_id tenant = test_tenant(&f.t, "many");
	struct checkpoint cp = { 0 };
	struct audit_seal *s;
	struct err e = { 0 };

	(void)state;
	audit_fixture_write(&f, tenant, 1);
	must(audit_seal_start(&o, &s, &e));
	for (int i = 0; i < 500 && lines_of(tenant, &cp) == 0; i++)
		(void)usleep(10000);
	audit_fixture_fill(&f, tenant, AUDIT_SEAL_ENTRIES);
	for (int i = 0; i < 1000 && lines_of(tenant, &cp) < 2; i++)
		(void)usleep(10000);
	assert_int_equal(cp.number, AUDIT_SEAL_ENTRIES + 1);
	audit_seal_stop(s);
}

static void
what_has_gone_back_is_counted_and_not_sealed_over(void **state)
{
	static const struct {
		const char *name, *sql;
		int then; /* entries that are written afterwards */
	} cases[] = {
		{ "shorter",
		    "delete from wardian.audit_log where tenant_id = '%s' and number > 15;"
		    "update wardian.audit_head h set (number, at, hash) = (select number, at, hash "
		    "from"
		    " wardian.audit_log a where a.tenant_id = h.tenant_id and a.number = 15) where"
		    " h.tenant_id = '%s'",
		    0 },
		{ "same-length",
		    "delete from wardian.audit_log where tenant_id = '%s' and number > 15;"
		    "update wardian.audit_head h set (number, at, hash) = (select number, at, hash "
		    "from"
		    " wardian.audit_log a where a.tenant_id = h.tenant_id and a.number = 15) where"
		    " h.tenant_id = '%s'",
		    5 },
		{ "longer",
		    "delete from wardian.audit_log where tenant_id = '%s' and number > 15;"
		    "update wardian.audit_head h set (number, at, hash) = (select number, at, hash "
		    "from"
		    " wardian.audit_log a where a.tenant_id = h.tenant_id and a.number = 15) where"
		    " h.tenant_id = '%s'",
		    30 },
		{ "emptied",
		    "delete from wardian.audit_log where tenant_id = '%s';"
		    "update wardian.audit_head set number = 0, at = null, hash ="
		    " sha256(uuid_send(tenant_id)) where tenant_id = '%s'",
		    0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tenant_id tenant = test_tenant(&f.t, cases[i].name);
		int64_t before = metrics_get(f.metrics, METRIC_AUDIT_ROLLBACKS);
		struct checkpoint cp = { 0 };

		audit_fixture_write(&f, tenant, 20);
		audit_fixture_seal(&f);
		audit_fixture_tamper(&f, tenant, cases[i].sql);
		audit_fixture_write(&f, tenant, cases[i].then);
		audit_fixture_seal(&f);
		assert_true(metrics_get(f.metrics, METRIC_AUDIT_ROLLBACKS) > before);
		assert_int_equal(lines_of(tenant, &cp), 1);
		assert_int_equal(cp.number, 20);
		assert_int_equal(unlink(path_of(tenant)), 0); /* it would be counted again */
	}
}

static void
a_log_that_is_right_again_is_sealed_again(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "right-again");
	struct checkpoint cp = { 0 };

	(void)state;
	audit_fixture_write(&f, tenant, 10);
	audit_fixture_seal(&f);
	audit_fixture_write(&f, tenant, 10);
	audit_fixture_tamper(
	    &f, tenant, "update wardian.audit_head set number = 9 where tenant_id = '%s'");
	audit_fixture_seal(&f);
	assert_int_equal(lines_of(tenant, &cp), 1);
	audit_fixture_tamper(
	    &f, tenant, "update wardian.audit_head set number = 20 where tenant_id = '%s'");
	audit_fixture_seal(&f);
	assert_int_equal(lines_of(tenant, &cp), 2);
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "");
}

static void
half_a_line_of_a_crash_is_cut_off(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "torn");
	struct checkpoint cp = { 0 };
	FILE *file;

	(void)state;
	audit_fixture_write(&f, tenant, 2);
	audit_fixture_seal(&f);
	file = fopen(path_of(tenant), "a");
	assert_non_null(file);
	assert_true(fputs("{\"tenant\":\"ten_", file) >= 0);
	fclose(file);
	audit_fixture_write(&f, tenant, 2);
	audit_fixture_seal(&f);
	assert_int_equal(lines_of(tenant, &cp), 2);
	assert_string_equal(audit_fixture_verify(&f, tenant, 1), "");
}

static void
a_damaged_file_is_left_as_it_is(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "damaged");
	int64_t before = metrics_get(f.metrics, METRIC_AUDIT_ROLLBACKS);
	FILE *file;

	(void)state;
	audit_fixture_write(&f, tenant, 2);
	file = fopen(path_of(tenant), "w");
	assert_non_null(file);
	assert_true(fputs("nothing of ours\n", file) >= 0);
	fclose(file);
	audit_fixture_seal(&f);
	assert_int_equal(metrics_get(f.metrics, METRIC_AUDIT_ROLLBACKS), before + 1);
	file = fopen(path_of(tenant), "r");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	assert_int_equal(ftell(file), 16);
	fclose(file);
	assert_int_equal(unlink(path_of(tenant)), 0);
}

static void
a_tenant_on_its_way_out_is_forgotten(void **state)
{
	const struct audit_seal_options o = options(3600000);
	struct tenant_id tenant = test_tenant(&f.t, "forgotten");
	const struct tenant_id nobody = { uuid_v7() };
	struct audit_seal *s;
	struct checkpoint cp;
	struct err e = { 0 };

	(void)state;
	audit_fixture_write(&f, tenant, 2);
	must(audit_seal_start(&o, &s, &e));
	for (int i = 0; i < 500 && lines_of(tenant, &cp) == 0; i++)
		(void)usleep(10000);
	audit_fixture_tamper(
	    &f, tenant, "update wardian.tenant set state = 'deleting' where tenant_id = '%s'");
	must(audit_seal_forget(s, tenant, &e));
	must(audit_seal_forget(s, nobody, &e));
	assert_int_equal(access(path_of(tenant), F_OK), -1);
	audit_fixture_write(&f, tenant, 2);
	audit_seal_stop(s);
	assert_int_equal(access(path_of(tenant), F_OK), -1);
}

static void
the_lines_beyond_an_entry_are_found(void **state)
{
	struct tenant_id tenant = test_tenant(&f.t, "parts");
	char buf[64 * CHECKPOINT_LINE_SIZE];
	struct audit_part part;
	struct checkpoint cp;
	struct err e = { 0 };

	(void)state;
	must(audit_checkpoints(f.desk, tenant, 0, &part, &e));
	assert_int_equal(part.fd, -1);
	for (int i = 0; i < 25; i++) {
		audit_fixture_write(&f, tenant, 1 + i % 3);
		audit_fixture_seal(&f);
	}
	for (int64_t after = 0; after <= 51; after++) {
		int lines = 0;

		must(audit_checkpoints(f.desk, tenant, after, &part, &e));
		assert_int_equal(pread(part.fd, buf, sizeof(buf), part.offset), part.n);
		close(part.fd);
		for (char *line = buf, *end; line < buf + part.n; line = end + 1, lines++) {
			end = memchr(line, '\n', (size_t)(buf + part.n - line));
			assert_non_null(end);
			must(checkpoint_parse(line, (size_t)(end - line), &cp, &e));
			assert_true(cp.number > after);
			if (lines == 0) /* the first one above it: at most two others between */
				assert_true(cp.number <= after + 3);
		}
		assert_true(after >= 49 || cp.number == 49);
		assert_true(after < 49 || lines == 0);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_line_is_made_at_start_and_at_stop_when_the_log_has_moved),
	cmocka_unit_test(a_log_without_entries_gets_no_file),
	cmocka_unit_test(a_log_that_grows_is_sealed_once_per_interval),
	cmocka_unit_test(many_entries_do_not_wait_for_the_interval),
	cmocka_unit_test(what_has_gone_back_is_counted_and_not_sealed_over),
	cmocka_unit_test(a_log_that_is_right_again_is_sealed_again),
	cmocka_unit_test(half_a_line_of_a_crash_is_cut_off),
	cmocka_unit_test(a_damaged_file_is_left_as_it_is),
	cmocka_unit_test(a_tenant_on_its_way_out_is_forgotten),
	cmocka_unit_test(the_lines_beyond_an_entry_are_found),
};

int
main(void)
{
	int rc;

	json_start();
	audit_fixture_open(&f, MIB);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	audit_fixture_close(&f);
	return rc;
}
