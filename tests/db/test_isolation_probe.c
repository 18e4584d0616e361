/* SPDX-License-Identifier: Apache-2.0 */
/* The probes that a tenant can run on itself find what is wrong, and nothing when all is right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "test_db.h"

#include "isolation.h"
#include "platform.h"

static struct test_db t;
static struct db *db;
static struct tenant_id alpha;

static int
open_all(void **state)
{
	static struct db_sql sql[2];

	(void)state;
	sql[0] = platform_sql;
	test_db_open(&t);
	db = test_db_pools(&t, sql, 5000);
	alpha = test_tenant(&t, "alpha");
	return 0;
}

static int
close_all(void **state)
{
	(void)state;
	db_free(db);
	test_db_close(&t);
	return 0;
}

/* Bits of the probes that are not as they must be, in their order. */
static unsigned
faults(void)
{
	AUTO(arena) mem = arena_new(1 << 20);
	struct isolation_report r;
	struct err e = { 0 };
	unsigned bits = 0;

	if (isolation_probe(db, alpha, AT_FDCWD, mem, &r, &e) < 0)
		test_die("isolation_probe", e.msg);
	for (size_t i = 0; i < r.n; i++)
		bits |= r.probes[i].ok ? 0 : 1u << i;
	assert_int_equal(r.ok, bits == 0);
	return bits;
}

enum {
	ROW_SECURITY = 1 << 2,
	POLICIES = 1 << 3,
	FOREIGN_ROWS = 1 << 4,
	FOREIGN_IDS = 1 << 5,
	FOREIGN_CHANGE = 1 << 6
};

static void
a_sound_installation_passes_every_probe(void **state)
{
	(void)state;
	assert_int_equal(faults(), 0);
}

static void
a_table_without_row_security_is_found(void **state)
{
	(void)state;
	test_script(t.url, "alter table wardian.project disable row level security");
	assert_int_equal(faults(), ROW_SECURITY | FOREIGN_ROWS | FOREIGN_IDS | FOREIGN_CHANGE);
	test_script(t.url, "alter table wardian.project enable row level security");
	assert_int_equal(faults(), 0);
}

static void
a_table_whose_owner_is_not_bound_is_found(void **state)
{
	(void)state;
	test_script(t.url, "alter table wardian.job no force row level security");
	assert_int_equal(faults(), ROW_SECURITY);
	test_script(t.url, "alter table wardian.job force row level security");
}

static void
a_policy_that_says_more_is_found(void **state)
{
	(void)state;
	test_script(t.url, "alter policy audit_head_api on wardian.audit_head using (true)");
	assert_int_equal(faults(), POLICIES | FOREIGN_ROWS);
	test_script(t.url,
	    "alter policy audit_head_api on wardian.audit_head using (tenant_id = (select "
	    "nullif(current_setting('wardian.tenant_id', true), '')::uuid))");
	assert_int_equal(faults(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_installation_passes_every_probe),
		cmocka_unit_test(a_table_without_row_security_is_found),
		cmocka_unit_test(a_table_whose_owner_is_not_bound_is_found),
		cmocka_unit_test(a_policy_that_says_more_is_found),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
