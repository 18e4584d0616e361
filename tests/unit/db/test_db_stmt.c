/* SPDX-License-Identifier: Apache-2.0 */
/* The splitter of .sql files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "db_stmt_internal.h"

static struct db_stmts s;
static struct err e;

static int
split(const char *text)
{
	const struct db_sql sql = { "mod", text };

	db_stmts_done(&s);
	assert_int_equal(db_stmts_init(&s, &e), 0);
	if (db_stmts_add(&s, &sql, DB_ROLES_SERVING, &e) < 0)
		return -1;
	return db_stmts_end(&s, &e);
}

static int
teardown(void **state)
{
	(void)state;
	db_stmts_done(&s);
	return 0;
}

static void
statements_are_found_by_name_with_text_and_roles(void **state)
{
	const struct db_stmt *b;

	(void)state;
	assert_int_equal(split("-- head comment; with 'quotes\n\n"
			       "-- :name b_two :role api,sched\n-- why\nselect 2;\n\n"
			       "-- :name a_one :role sched\nselect\n\t1\n"
			       "-- :name c_three :role platform\nselect 3\n"
			       "-- :name d_four :role platform,sched,api\nselect 4\n"),
	    0);
	assert_int_equal(s.n, 4);
	b = db_stmts_find(&s, "b_two");
	assert_non_null(b);
	assert_string_equal(b->text, "\n-- why\nselect 2");
	assert_int_equal(b->roles, DB_ROLE_API | DB_ROLE_SCHED);
	assert_string_equal(b->module, "mod");
	assert_int_equal(db_stmts_find(&s, "a_one")->roles, DB_ROLE_SCHED);
	assert_int_equal(db_stmts_find(&s, "c_three")->roles, DB_ROLE_PLATFORM);
	assert_int_equal(db_stmts_find(&s, "d_four")->roles, DB_ROLES_SERVING);
	assert_null(db_stmts_find(&s, "c"));
	assert_null(db_stmts_find(&s, "b_tw"));
}

static void
statements_of_several_files_share_one_table(void **state)
{
	const struct db_sql one = { "one", "-- :name x :role api\nselect 1\n" };
	const struct db_sql two = { "two", "-- :name y :role api\nselect 1\n" };

	(void)state;
	assert_int_equal(db_stmts_init(&s, &e), 0);
	assert_int_equal(db_stmts_add(&s, &two, DB_ROLE_API, &e), 0);
	assert_int_equal(db_stmts_add(&s, &one, DB_ROLE_API, &e), 0);
	assert_int_equal(db_stmts_end(&s, &e), 0);
	assert_string_equal(db_stmts_find(&s, "x")->module, "one");
	assert_string_equal(db_stmts_find(&s, "y")->module, "two");
}

static void
a_statement_writes_when_a_writing_word_stands_outside_strings_and_comments(void **state)
{
	static const struct {
		const char *text;
		bool writes;
	} cases[] = {
		{ "select 1", false },
		{ "select * from t for UPDATE", true },
		{ "with x as (insert into t values (1) returning a) select * from x", true },
		{ "Delete from t", true },
		{ "merge into t using u on true when matched then do nothing", true },
		{ "select 'insert', \"update\" from t -- delete\n /* merge /* insert */ update */",
		    false },
		{ "select $$ insert $$, $x$ update $x$", false },
		{ "select updated_at, insert_count, undelete from t", false },
		{ "select $1::int4, a-b from t", false },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		(void)snprintf(text, sizeof(text), "-- :name x :role api\n%s\n", cases[i].text);
		assert_int_equal(split(text), 0);
		if (db_stmts_find(&s, "x")->writes != cases[i].writes)
			fail_msg("%s", cases[i].text);
	}
}

static void
malformed_files_are_refused_with_module_and_line(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "select 1;\n-- :name x :role api\nselect 1\n", "mod.sql:1: expected a line" },
		{ "-- :name X :role api\nselect 1\n", "mod.sql:1: a statement's name" },
		{ "\n\n-- :name 1x :role api\nselect 1\n", "mod.sql:3: a statement's name" },
		{ "-- :name  :role api\nselect 1\n", "mod.sql:1: a statement's name" },
		{ "-- :name x\nselect 1\n", "mod.sql:1: expected ':role" },
		{ "-- :name x :role\nselect 1\n", "mod.sql:1: expected ':role" },
		{ "-- :name x :role api,\nselect 1\n", "mod.sql:1: expected ':role" },
		{ "-- :name x :role api,api\nselect 1\n", "mod.sql:1: expected ':role" },
		{ "-- :name x :role owner\nselect 1\n", "mod.sql:1: expected ':role" },
		{ "-- :name x :role apis\nselect 1\n", "mod.sql:1: expected ':role" },
		{ "-- :name x :role platform,platform\nselect 1\n", "mod.sql:1: expected ':role" },
		{ "-- :name x :role plat\nselect 1\n", "mod.sql:1: expected ':role" },
		{ "-- :name x :role api \nselect 1\n", "mod.sql:1: expected ':role" },
		{ "-- :name x :role api\n-- nothing\n", "statement x is empty" },
		{ "-- :name x :role api\n;\n", "statement x is empty" },
		{ "-- :name x :role api\nselect 1; select 2\n", "statement x holds more than one" },
		{ "-- :name x :role api\nselect 'a\n", "statement x has a comment or string" },
		{ "-- :name x :role api\nselect $q$a$\n", "statement x has a comment or string" },
		{ "-- :name x :role api\nselect 1 /* /* */\n",
		    "statement x has a comment or string" },
		{ "-- :name x :role api\nselect 1\n-- :name x :role api\nselect 1\n",
		    "defined twice" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (split(cases[i].text) == 0)
			fail_msg("accepted: %s", cases[i].text);
		assert_int_equal(e.code, ERR_DB_SCHEMA);
		if (strstr(e.msg, cases[i].message) == NULL)
			fail_msg("%s: %s", cases[i].text, e.msg);
	}
}

static void
names_and_texts_beyond_their_limits_are_refused(void **state)
{
	static char text[DB_STMT_TEXT_MAX + 200];
	int n = snprintf(text, sizeof(text), "-- :name x :role api\nselect ");

	(void)state;
	memset(text + n, '1', DB_STMT_TEXT_MAX + 1);
	assert_int_equal(split(text), -1);
	assert_non_null(strstr(e.msg, "too long"));
	(void)snprintf(text, sizeof(text), "-- :name %064d :role api\nselect 1\n", 0);
	text[9] = 'a';
	assert_int_equal(split(text), -1);
	(void)snprintf(text, sizeof(text), "-- :name %063d :role api\nselect 1\n", 0);
	text[9] = 'a';
	assert_int_equal(split(text), 0);
}

static void
the_table_of_statements_is_bounded(void **state)
{
	static char text[DB_STMTS_MAX * 40 + 80];
	size_t n = 0;

	(void)state;
	for (int i = 0; i <= DB_STMTS_MAX; i++)
		n += (size_t)snprintf(
		    text + n, sizeof(text) - n, "-- :name x%d :role api\nselect 1\n", i);
	assert_int_equal(split(text), -1);
	assert_non_null(strstr(e.msg, "more than"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
		    statements_are_found_by_name_with_text_and_roles, teardown),
		cmocka_unit_test_teardown(statements_of_several_files_share_one_table, teardown),
		cmocka_unit_test_teardown(
		    a_statement_writes_when_a_writing_word_stands_outside_strings_and_comments,
		    teardown),
		cmocka_unit_test_teardown(
		    malformed_files_are_refused_with_module_and_line, teardown),
		cmocka_unit_test_teardown(
		    names_and_texts_beyond_their_limits_are_refused, teardown),
		cmocka_unit_test_teardown(the_table_of_statements_is_bounded, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
