/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: one form, one signature for a trail, and logs that a trail contradicts. */
#include "chain_fixture.h"

#include "auth.h"
#include "checkpoint.h"

static struct sign_key *key, *other_key;

static struct checkpoint
checkpoint_of(const struct fixture_log *l, size_t number, const char *previous, size_t n)
{
	struct checkpoint c = { .tenant = l->tenant,
		.number = (int64_t)number,
		.at_wall_us = l->at[number - 1].at_wall_us,
		.made_wall_us = l->at[number - 1].at_wall_us + 60000000 };
	struct err e = { 0 };

	memcpy(c.hash, l->at[number - 1].hash, sizeof(c.hash));
	memset(c.node.b, 0x17, sizeof(c.node.b));
	if (previous != NULL)
		auth_sha256(previous, n, c.previous);
	assert_int_equal(checkpoint_sign(&c, key, &e), 0);
	return c;
}

/* Lines at entries 5, 10, 15 and 20. */
struct trail_text {
	char lines[4][CHECKPOINT_LINE_SIZE];
	size_t n;
};

static struct trail_text
trail_of(const struct fixture_log *l)
{
	struct trail_text t = { .n = 4 };

	for (size_t i = 0; i < 4; i++) {
		const char *before = i == 0 ? NULL : t.lines[i - 1];
		struct checkpoint c =
		    checkpoint_of(l, 5 * (i + 1), before, before == NULL ? 0 : strlen(before));

		t.lines[i][checkpoint_print(&c, t.lines[i])] = '\0';
	}
	return t;
}

static const char *
problems_with(struct fixture_log *l, const struct trail_text *text, const uint8_t *known)
{
	struct checkpoint_trail t;

	checkpoint_trail_start(&t, l->tenant);
	chain_check_start(&l->check, l->tenant);
	for (size_t i = 0; i < text->n; i++)
		checkpoint_trail_line(&t, text->lines[i], strlen(text->lines[i]), &l->check);
	checkpoint_trail_end(&t, known, &l->check);
	for (size_t i = 0; i < l->n; i++) {
		chain_check_entry(&l->check, &l->at[i]);
		checkpoint_trail_entry(&t, &l->at[i], &l->check);
	}
	chain_check_end(&l->check, &l->head);
	checkpoint_trail_head(&t, &l->head, &l->check);
	checkpoint_trail_done(&t);
	return log_problems(&l->check);
}

static void
a_line_reads_back_and_its_signature_holds(void **state)
{
	struct fixture_log *l = log_new();
	struct checkpoint c = checkpoint_of(l, 7, NULL, 0), back;
	char line[CHECKPOINT_LINE_SIZE], again[CHECKPOINT_LINE_SIZE];
	size_t n = checkpoint_print(&c, line);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(checkpoint_parse(line, n, &back, &e), 0);
	assert_int_equal(checkpoint_print(&back, again), n);
	assert_memory_equal(line, again, n);
	assert_true(checkpoint_signed(&back));
	assert_memory_equal(back.key, sign_key_public(key), SIGN_PUBLIC_SIZE);
	free(l);
}

static void
no_byte_of_a_line_can_be_changed(void **state)
{
	struct fixture_log *l = log_new();
	struct checkpoint c = checkpoint_of(l, 7, NULL, 0), back;
	char line[CHECKPOINT_LINE_SIZE];
	size_t n = checkpoint_print(&c, line);
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (int bit = 0; bit < 8; bit++) {
			line[i] = (char)(line[i] ^ (1 << bit));
			if (checkpoint_parse(line, n, &back, &e) == 0)
				assert_false(checkpoint_signed(&back));
			line[i] = (char)(line[i] ^ (1 << bit));
		}
	for (size_t i = 0; i < n; i++)
		assert_int_equal(checkpoint_parse(line, i, &back, &e), -1);
	free(l);
}

static void
other_forms_of_the_same_line_are_refused(void **state)
{
	struct fixture_log *l = log_new();
	struct checkpoint c = checkpoint_of(l, 7, NULL, 0), back;
	char line[CHECKPOINT_LINE_SIZE], other[CHECKPOINT_LINE_SIZE + 16];
	struct err e = { 0 };
	int n;

	(void)state;
	line[checkpoint_print(&c, line)] = '\0';
	n = snprintf(other, sizeof(other), "{ %s", line + 1);
	assert_int_equal(checkpoint_parse(other, (size_t)n, &back, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	n = snprintf(other, sizeof(other), "%.*s,\"x\":1}", (int)strlen(line) - 1, line);
	assert_int_equal(checkpoint_parse(other, (size_t)n, &back, &e), -1);
	free(l);
}

static void
a_trail_of_its_log_has_no_problem(void **state)
{
	struct fixture_log *l = log_new();
	struct trail_text t = trail_of(l);

	(void)state;
	assert_string_equal(problems_with(l, &t, sign_key_public(key)), "");
	assert_string_equal(problems_with(l, &t, NULL), "");
	t.n = 0;
	assert_string_equal(problems_with(l, &t, sign_key_public(key)), "");
	free(l);
}

static void
a_log_that_was_cut_with_its_head_is_found(void **state)
{
	struct fixture_log *l = log_new();
	struct trail_text t = trail_of(l);

	(void)state;
	l->n = 12;
	l->head.number = 12;
	memcpy(l->head.hash, l->at[11].hash, sizeof(l->head.hash));
	assert_string_equal(problems_with(l, &t, sign_key_public(key)), "rolled-back@13");
	l->n = 0;
	l->head.number = 0;
	chain_genesis(l->tenant, l->head.hash);
	assert_string_equal(problems_with(l, &t, sign_key_public(key)), "rolled-back@1");
	free(l);
}

static void
a_log_that_was_cut_and_went_on_is_found(void **state)
{
	struct fixture_log *l = log_new();
	struct trail_text t = trail_of(l);

	(void)state;
	for (size_t i = 12; i < l->n; i++) {
		l->at[i].at_wall_us += 5;
		log_hash(l, i);
	}
	memcpy(l->head.hash, l->at[l->n - 1].hash, sizeof(l->head.hash));
	assert_string_equal(problems_with(l, &t, sign_key_public(key)), "rolled-back@15");
	free(l);
}

static void
lines_cannot_be_taken_out_or_changed(void **state)
{
	struct fixture_log *l = log_new();
	struct trail_text t = trail_of(l);
	char kept[CHECKPOINT_LINE_SIZE];

	(void)state;
	memcpy(kept, t.lines[1], sizeof(kept));
	t.lines[1][14] ^= 1;
	assert_string_equal(
	    problems_with(l, &t, sign_key_public(key)), "checkpoint@5 checkpoint@15");
	memcpy(t.lines[1], t.lines[2], sizeof(kept));
	memcpy(t.lines[2], kept, sizeof(kept));
	assert_string_equal(problems_with(l, &t, sign_key_public(key)),
	    "checkpoint@15 checkpoint@10 checkpoint@20");
	memcpy(t.lines[2], t.lines[3], sizeof(kept));
	t.n = 3;
	assert_string_equal(problems_with(l, &t, sign_key_public(key)), "checkpoint@15");
	free(l);
}

static void
a_signature_by_another_key_or_of_another_tenant_is_refused(void **state)
{
	struct fixture_log *l = log_new();
	struct trail_text t = trail_of(l);

	(void)state;
	assert_string_equal(problems_with(l, &t, sign_key_public(other_key)), "checkpoint@20");
	l->tenant.uuid.b[0] ^= 1;
	for (size_t i = 0; i < l->n; i++)
		log_hash(l, i);
	memcpy(l->head.hash, l->at[l->n - 1].hash, sizeof(l->head.hash));
	assert_non_null(strstr(problems_with(l, &t, sign_key_public(key)), "checkpoint@5"));
	free(l);
}

static void
a_part_of_a_trail_may_begin_anywhere(void **state)
{
	struct fixture_log *l = log_new();
	struct trail_text text = trail_of(l);
	struct checkpoint_trail t;

	(void)state;
	checkpoint_trail_start(&t, l->tenant);
	checkpoint_trail_part(&t);
	chain_check_start(&l->check, l->tenant);
	for (size_t i = 2; i < 4; i++)
		checkpoint_trail_line(&t, text.lines[i], strlen(text.lines[i]), &l->check);
	checkpoint_trail_end(&t, NULL, &l->check);
	assert_string_equal(log_problems(&l->check), "");
	assert_int_equal(t.n_lines, 2);
	checkpoint_trail_done(&t);
	free(l);
}

static void
a_long_trail_is_thinned_and_its_end_still_compared(void **state)
{
	enum { LINES = CHECKPOINT_LINKS_MAX + 3 };
	struct fixture_log *l = log_new();
	struct checkpoint c = checkpoint_of(l, 1, NULL, 0);
	struct chain_link head = { .number = LINES - 1 };
	char line[CHECKPOINT_LINE_SIZE];
	struct checkpoint_trail t;
	struct err e = { 0 };

	(void)state;
	checkpoint_trail_start(&t, l->tenant);
	chain_check_start(&l->check, l->tenant);
	for (c.number = 1; c.number <= LINES; c.number++) {
		size_t n;

		if (c.number == LINES)
			assert_int_equal(checkpoint_sign(&c, key, &e), 0);
		n = checkpoint_print(&c, line);
		checkpoint_trail_line(&t, line, n, &l->check);
		auth_sha256(line, n, c.previous);
	}
	checkpoint_trail_end(&t, sign_key_public(key), &l->check);
	assert_string_equal(log_problems(&l->check), "");
	assert_true(t.n_links <= CHECKPOINT_LINKS_MAX);
	assert_true(t.n_links >= CHECKPOINT_LINKS_MAX / 2);
	checkpoint_trail_head(&t, &head, &l->check);
	assert_string_equal(log_problems(&l->check), "rolled-back@65539");
	checkpoint_trail_done(&t);
	free(l);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_line_reads_back_and_its_signature_holds),
	cmocka_unit_test(no_byte_of_a_line_can_be_changed),
	cmocka_unit_test(other_forms_of_the_same_line_are_refused),
	cmocka_unit_test(a_trail_of_its_log_has_no_problem),
	cmocka_unit_test(a_log_that_was_cut_with_its_head_is_found),
	cmocka_unit_test(a_log_that_was_cut_and_went_on_is_found),
	cmocka_unit_test(lines_cannot_be_taken_out_or_changed),
	cmocka_unit_test(a_signature_by_another_key_or_of_another_tenant_is_refused),
	cmocka_unit_test(a_part_of_a_trail_may_begin_anywhere),
	cmocka_unit_test(a_long_trail_is_thinned_and_its_end_still_compared),
};

int
main(void)
{
	static const uint8_t seed[SIGN_SEED_SIZE] = "one", other_seed[SIGN_SEED_SIZE] = "two";
	struct err e = { 0 };
	int rc;

	if (sign_key_load(seed, &key, &e) < 0 || sign_key_load(other_seed, &other_key, &e) < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	sign_key_free(key);
	sign_key_free(other_key);
	return rc;
}
