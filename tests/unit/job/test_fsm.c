/* SPDX-License-Identifier: Apache-2.0 */
/* The state table: its own laws, and that the schema speaks the same words. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fd.h"
#include "job.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Asserts on ok and says which state and event were at hand. */
static void
check(bool ok, const char *law, unsigned state, unsigned event)
{
	if (!ok)
		fail_msg("%s: state %s, event %s", law, job_state_name((enum job_state)state),
		    job_event_name((enum job_event)event));
}

static bool
holds_lease(enum job_state s)
{
	return s == JOB_CLAIMED || s == JOB_RUNNING || s == JOB_CANCELING;
}

static void
every_state_reaches_a_terminal_one(void **state)
{
	bool reaches[JOB_STATE_COUNT];
	bool changed = true;

	(void)state;
	for (unsigned s = 0; s < JOB_STATE_COUNT; s++)
		reaches[s] = job_state_terminal((enum job_state)s);
	while (changed) {
		changed = false;
		for (unsigned s = 0; s < JOB_STATE_COUNT; s++)
			for (unsigned ev = 0; ev < JOB_EVENT_COUNT; ev++) {
				enum job_state to;

				if (job_fsm_next((enum job_state)s, (enum job_event)ev, &to) &&
				    reaches[to] && !reaches[s])
					reaches[s] = changed = true;
			}
	}
	for (unsigned s = 0; s < JOB_STATE_COUNT; s++)
		check(reaches[s], "no way to an end", s, 0);
}

static void
terminal_states_have_no_exit(void **state)
{
	(void)state;
	for (unsigned s = 0; s < JOB_STATE_COUNT; s++)
		for (unsigned ev = 0; ev < JOB_EVENT_COUNT; ev++) {
			enum job_state to = JOB_STATE_COUNT;
			bool moved = job_fsm_next((enum job_state)s, (enum job_event)ev, &to);

			if (job_state_terminal((enum job_state)s))
				check(!moved, "a way out of an end", s, ev);
			if (!moved)
				check(to == JOB_STATE_COUNT, "a refused move wrote its result", s,
				    ev);
		}
}

static void
every_state_that_holds_a_lease_survives_losing_it(void **state)
{
	(void)state;
	for (unsigned s = 0; s < JOB_STATE_COUNT; s++) {
		enum job_state to;

		if (!holds_lease((enum job_state)s))
			continue;
		check(job_fsm_next((enum job_state)s, JOB_ON_LEASE_LOST, &to), "stuck", s,
		    JOB_ON_LEASE_LOST);
		check(!holds_lease(to), "a lost lease that is still held", s, JOB_ON_LEASE_LOST);
		check(job_fsm_next((enum job_state)s, JOB_ON_ATTEMPTS_SPENT, &to), "stuck", s,
		    JOB_ON_ATTEMPTS_SPENT);
		check(job_state_terminal(to), "attempts are spent but it goes on", s,
		    JOB_ON_ATTEMPTS_SPENT);
	}
}

static void
every_live_state_can_be_canceled_or_is_being_canceled(void **state)
{
	(void)state;
	for (unsigned s = 0; s < JOB_STATE_COUNT; s++) {
		enum job_state to = JOB_SUCCEEDED;

		if (job_state_terminal((enum job_state)s) || s == JOB_CANCELING)
			continue;
		check(job_fsm_next((enum job_state)s, JOB_ON_CANCEL, &to), "cannot be canceled", s,
		    JOB_ON_CANCEL);
		check(to == JOB_CANCELED || to == JOB_CANCELING, "cancel led astray", s,
		    JOB_ON_CANCEL);
	}
}

static void
whatever_ends_a_canceled_job_leaves_it_canceled(void **state)
{
	(void)state;
	for (unsigned ev = 0; ev < JOB_EVENT_COUNT; ev++) {
		enum job_state to;

		if (job_fsm_next(JOB_CANCELING, (enum job_event)ev, &to))
			check(to == JOB_CANCELED, "a canceled job came back", JOB_CANCELING, ev);
	}
}

static void
only_a_claim_leaves_the_queue_for_a_node_and_only_waiting_jobs_are_claimed(void **state)
{
	(void)state;
	for (unsigned s = 0; s < JOB_STATE_COUNT; s++)
		for (unsigned ev = 0; ev < JOB_EVENT_COUNT; ev++) {
			enum job_state to;

			if (!job_fsm_next((enum job_state)s, (enum job_event)ev, &to))
				continue;
			check((ev == JOB_ON_CLAIM) == (s == JOB_QUEUED && holds_lease(to)), "claim",
			    s, ev);
			check(to != (enum job_state)s, "a move that stays", s, ev);
		}
}

static void
names_are_distinct_and_read_back(void **state)
{
	(void)state;
	for (unsigned s = 0; s < JOB_STATE_COUNT; s++) {
		enum job_state back = JOB_STATE_COUNT;

		assert_true(job_state_parse(job_state_name((enum job_state)s), &back));
		assert_int_equal(back, s);
	}
	for (unsigned a = 0; a < JOB_EVENT_COUNT; a++)
		for (unsigned b = 0; b < a; b++)
			assert_string_not_equal(
			    job_event_name((enum job_event)a), job_event_name((enum job_event)b));
}

static void
unknown_names_are_refused(void **state)
{
	static const char *const bad[] = { "", "Queued", "queued ", "queue", "done", "NULL" };
	enum job_state s = JOB_CANCELING;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(job_state_parse(bad[i], &s));
	assert_int_equal(s, JOB_CANCELING);
}

/* The list of texts behind "check (<column> in (" after the given table's start. */
static void
read_check_list(const char *sql, const char *table, const char *column, char *out, size_t room)
{
	char head[64];
	const char *at = strstr(sql, table), *end;

	(void)snprintf(head, sizeof(head), "check (%s in (", column);
	assert_non_null(at);
	at = strstr(at, head);
	assert_non_null(at);
	at += strlen(head);
	end = strchr(at, ')');
	assert_non_null(end);
	assert_true((size_t)(end - at) < room);
	memcpy(out, at, (size_t)(end - at));
	out[end - at] = '\0';
}

/* The names of all states of one sort, as the schema lists them. */
static void
print_list(bool terminal, char *out, size_t room)
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned s = 0; s < JOB_STATE_COUNT; s++)
		if (job_state_terminal((enum job_state)s) == terminal)
			n += (size_t)snprintf(out + n, room - n, "%s'%s'", n == 0 ? "" : ", ",
			    job_state_name((enum job_state)s));
}

static void
stored_names_are_those_of_the_schema(void **state)
{
	char live[256], ended[256], expected[256];
	AUTO_FREE char *sql = NULL;
	struct err e = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(fd_read_file(AT_FDCWD, WARDIAN_SOURCE_DIR "/migrations/0003_job.sql",
			     1 << 20, &sql, &n, &e),
	    0);
	read_check_list(sql, "create table job_queue", "state", live, sizeof(live));
	read_check_list(sql, "create table job (", "end_state", ended, sizeof(ended));
	print_list(false, expected, sizeof(expected));
	assert_string_equal(live, expected);
	print_list(true, expected, sizeof(expected));
	assert_string_equal(ended, expected);
}

/* Texts outside comments that assign a state; the table's law is that one statement does. */
static size_t
count_assignments(const char *sql, const char *column)
{
	char head[64];
	size_t count = 0;

	(void)snprintf(head, sizeof(head), "\t%s = ", column);
	for (const char *at = sql; (at = strstr(at, head)) != NULL; at++)
		count++;
	return count;
}

static void
one_statement_assigns_states(void **state)
{
	AUTO_FREE char *sql = NULL;
	struct err e = { 0 };
	const char *move, *after;
	size_t n;

	(void)state;
	assert_int_equal(
	    fd_read_file(AT_FDCWD, WARDIAN_SOURCE_DIR "/src/job/job.sql", 1 << 20, &sql, &n, &e),
	    0);
	assert_int_equal(count_assignments(sql, "state"), 1);
	assert_int_equal(count_assignments(sql, "end_state"), 1);
	move = strstr(sql, ":name job_move ");
	assert_non_null(move);
	after = strstr(move, "-- :name job_lease_renew");
	assert_non_null(after);
	assert_true(strstr(sql, "\tstate = ") > move && strstr(sql, "\tstate = ") < after);
	assert_true(strstr(sql, "\tend_state = ") > move && strstr(sql, "\tend_state = ") < after);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_reaches_a_terminal_one),
		cmocka_unit_test(terminal_states_have_no_exit),
		cmocka_unit_test(every_state_that_holds_a_lease_survives_losing_it),
		cmocka_unit_test(every_live_state_can_be_canceled_or_is_being_canceled),
		cmocka_unit_test(whatever_ends_a_canceled_job_leaves_it_canceled),
		cmocka_unit_test(
		    only_a_claim_leaves_the_queue_for_a_node_and_only_waiting_jobs_are_claimed),
		cmocka_unit_test(names_are_distinct_and_read_back),
		cmocka_unit_test(unknown_names_are_refused),
		cmocka_unit_test(stored_names_are_those_of_the_schema),
		cmocka_unit_test(one_statement_assigns_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
