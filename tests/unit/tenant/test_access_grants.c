/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants against a model that cannot be wrong: a set of permissions per project, with one more
 * "project" that stands for all those that nobody names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "access.h"

enum { PROJECTS = 12, OTHERS = PROJECTS, ROUNDS = 20000 };

struct model {
	permission_set in[PROJECTS + 1];
};
struct pair {
	struct grants g;
	struct model m;
};

static uint64_t seed;

static uint64_t
next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static struct uuid
project(size_t i)
{
	struct uuid u = { { 0 } };

	/* Not in the order of the numbers. */
	u.b[0] = (uint8_t)(i * 89 % 251);
	u.b[15] = 1;
	return u;
}

static permission_set
some_permissions(void)
{
	return next() & next() & ((UINT64_C(1) << PERM_COUNT) - 1);
}

static bool
add(struct pair *p, size_t where, permission_set set)
{
	permission_set level = permission_set_of_level(PERM_LEVEL_PROJECT);

	if (where == OTHERS) {
		for (size_t i = 0; i <= OTHERS; i++)
			p->m.in[i] |= set;
		return grants_add(&p->g, (struct uuid){ 0 }, set);
	}
	p->m.in[where] |= set & level;
	return grants_add(&p->g, project(where), set);
}

static struct pair
some_grants(void)
{
	struct pair p = { 0 };

	for (uint64_t n = next() % 8; n > 0; n--)
		assert_true(add(&p, next() % (PROJECTS + 1), some_permissions()));
	return p;
}

static void
same(const struct grants *g, const struct model *m)
{
	permission_set any = 0;

	assert_true(g->everywhere == m->in[OTHERS]);
	for (size_t i = 0; i < PROJECTS; i++) {
		assert_true(grants_in(g, project(i)) == m->in[i]);
		any |= m->in[i];
	}
	assert_true(grants_in(g, project(200)) == m->in[OTHERS]);
	assert_true(grants_anywhere(g) == (any | m->in[OTHERS]));
}

/* Sorted, each project once, each with a gain. */
static void
in_form(const struct grants *g)
{
	assert_true(g->n <= GRANT_PROJECTS_MAX);
	for (size_t i = 0; i < g->n; i++) {
		assert_true(g->in[i].set != 0);
		assert_true((g->in[i].set & g->everywhere) == 0);
		if (i > 0)
			assert_true(uuid_cmp(g->in[i - 1].project, g->in[i].project) < 0);
	}
}

static bool
model_covers(const struct model *a, const struct model *b)
{
	bool all = true;

	for (size_t i = 0; i <= OTHERS; i++)
		all &= (b->in[i] & ~a->in[i]) == 0;
	return all;
}

static void
adding_is_what_the_model_says(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct pair p = some_grants();

		same(&p.g, &p.m);
		in_form(&p.g);
	}
}

static void
intersecting_is_what_the_model_says(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct pair a = some_grants(), b = some_grants();
		struct grants ab = a.g, ba = b.g, aa = a.g;

		assert_true(grants_intersect(&ab, &b.g));
		assert_true(grants_intersect(&ba, &a.g));
		assert_true(grants_intersect(&aa, &a.g));
		for (size_t k = 0; k <= OTHERS; k++)
			a.m.in[k] &= b.m.in[k];
		same(&ab, &a.m);
		in_form(&ab);
		same(&ba, &a.m);
		/* Both cover what both allow, and what both allow with itself is itself. */
		assert_true(grants_cover(&a.g, &ab));
		assert_true(grants_cover(&b.g, &ab));
		assert_true(grants_cover(&aa, &a.g) && grants_cover(&a.g, &aa));
	}
}

static void
masking_is_what_the_model_says(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct pair p = some_grants();
		permission_set keep = some_permissions();

		grants_mask(&p.g, keep);
		for (size_t k = 0; k <= OTHERS; k++)
			p.m.in[k] &= keep;
		same(&p.g, &p.m);
		in_form(&p.g);
	}
}

static void
covering_is_what_the_model_says(void **state)
{
	int covers = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct pair a = some_grants(), b = some_grants(), sum = a;
		bool expected = model_covers(&a.m, &b.m);

		covers += expected;
		assert_int_equal(grants_cover(&a.g, &b.g), expected);
		/* Whoever gets more covers what it had. */
		assert_true(add(&sum, next() % (PROJECTS + 1), some_permissions()));
		assert_true(grants_cover(&sum.g, &a.g));
	}
	assert_true(covers > 0 && covers < ROUNDS);
}

static void
equal_grants_are_equal_whatever_the_order(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct {
			size_t where;
			permission_set set;
		} all[6];
		struct pair a = { 0 }, b = { 0 };

		for (size_t k = 0; k < ARRAY_LEN(all); k++) {
			all[k].where = next() % (PROJECTS + 1);
			all[k].set = some_permissions();
			assert_true(add(&a, all[k].where, all[k].set));
		}
		for (size_t k = ARRAY_LEN(all); k-- > 0;)
			assert_true(add(&b, all[k].where, all[k].set));
		assert_true(a.g.everywhere == b.g.everywhere);
		assert_int_equal(a.g.n, b.g.n);
		for (size_t k = 0; k < a.g.n; k++) {
			assert_int_equal(uuid_cmp(a.g.in[k].project, b.g.in[k].project), 0);
			assert_true(a.g.in[k].set == b.g.in[k].set);
		}
	}
}

static void
what_belongs_to_the_tenant_is_not_granted_in_a_project(void **state)
{
	struct grants g = { 0 };

	(void)state;
	assert_true(grants_add(&g, project(1),
	    system_role_permissions(ROLE_OWNER) | system_role_permissions(ROLE_OPERATOR)));
	assert_true(g.everywhere == 0);
	assert_true(grants_in(&g, project(1)) == permission_set_of_level(PERM_LEVEL_PROJECT));
	assert_true(grants_add(&g, project(2), PERM_BIT(PERM_KEY_CREATE)));
	assert_int_equal(g.n, 1);
}

static void
one_project_too_many_gives_nothing_and_says_so(void **state)
{
	struct grants g = { 0 };

	(void)state;
	for (size_t i = 0; i < GRANT_PROJECTS_MAX; i++)
		assert_true(grants_add(&g, project(i), PERM_BIT(PERM_JOB_READ)));
	assert_false(grants_add(&g, project(GRANT_PROJECTS_MAX), PERM_BIT(PERM_JOB_READ)));
	assert_true(grants_in(&g, project(GRANT_PROJECTS_MAX)) == 0);
	/* More for one that is there, or nothing at all, needs no room. */
	assert_true(grants_add(&g, project(3), PERM_BIT(PERM_JOB_CREATE)));
	assert_true(grants_add(&g, project(100), PERM_BIT(PERM_KEY_READ)));
	/* What holds everywhere makes room again. */
	assert_true(grants_add(&g, (struct uuid){ 0 }, PERM_BIT(PERM_JOB_READ)));
	assert_int_equal(g.n, 1);
	in_form(&g);
}

static void
what_both_allow_never_grows_when_it_does_not_fit(void **state)
{
	struct grants a = { .everywhere = PERM_BIT(PERM_JOB_READ) },
		      b = { .everywhere = PERM_BIT(PERM_JOB_CREATE) }, both;

	(void)state;
	for (size_t i = 0; i < GRANT_PROJECTS_MAX; i++) {
		assert_true(grants_add(&a, project(i), PERM_BIT(PERM_JOB_CREATE)));
		assert_true(grants_add(&b, project(i + 100), PERM_BIT(PERM_JOB_READ)));
	}
	both = a;
	assert_false(grants_intersect(&both, &b));
	in_form(&both);
	assert_true(grants_cover(&a, &both));
	assert_true(grants_cover(&b, &both));
	assert_int_equal(both.n, GRANT_PROJECTS_MAX);
}

#define TEST(fn) cmocka_unit_test(fn)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(adding_is_what_the_model_says),
		TEST(intersecting_is_what_the_model_says),
		TEST(masking_is_what_the_model_says),
		TEST(covering_is_what_the_model_says),
		TEST(equal_grants_are_equal_whatever_the_order),
		TEST(what_belongs_to_the_tenant_is_not_granted_in_a_project),
		TEST(one_project_too_many_gives_nothing_and_says_so),
		TEST(what_both_allow_never_grows_when_it_does_not_fit),
	};

	seed = UINT64_C(0x9e3779b97f4a7c15);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
