/* SPDX-License-Identifier: Apache-2.0 */
#include "access.h"

#include <string.h>

/* Puts the grants into their form again after `everywhere` or sets changed. */
static void
tidy(struct grants *g)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n; i++) {
		permission_set gain = g->in[i].set & ~g->everywhere;

		if (gain == 0)
			continue;
		g->in[kept].project = g->in[i].project;
		g->in[kept++].set = gain;
	}
	g->n = kept;
}

/* Where a project is, or would be. */
static size_t
place(const struct grants *g, struct uuid project)
{
	size_t i = 0;

	while (i < g->n && uuid_cmp(g->in[i].project, project) < 0)
		i++;
	return i;
}

static bool
is_at(const struct grants *g, size_t i, struct uuid project)
{
	return i < g->n && uuid_cmp(g->in[i].project, project) == 0;
}

bool
grants_add(struct grants *g, struct uuid project, permission_set set)
{
	size_t i;

	if (uuid_is_nil(project)) {
		g->everywhere |= set;
		tidy(g);
		return true;
	}
	set &= permission_set_of_level(PERM_LEVEL_PROJECT) & ~g->everywhere;
	if (set == 0)
		return true;
	i = place(g, project);
	if (!is_at(g, i, project)) {
		if (g->n == GRANT_PROJECTS_MAX)
			return false;
		memmove(&g->in[i + 1], &g->in[i], (g->n - i) * sizeof(g->in[0]));
		g->in[i].project = project;
		g->in[i].set = 0;
		g->n++;
	}
	g->in[i].set |= set;
	return true;
}

bool
grants_intersect(struct grants *g, const struct grants *other)
{
	struct grants both = { .everywhere = g->everywhere & other->everywhere };
	bool fits = true;

	/* In each project that either names, what both allow there; the second pass finds the
	 * first one's again, which changes nothing. */
	for (size_t i = 0; i < g->n; i++)
		fits &= grants_add(&both, g->in[i].project,
		    grants_in(g, g->in[i].project) & grants_in(other, g->in[i].project));
	for (size_t i = 0; i < other->n; i++)
		fits &= grants_add(&both, other->in[i].project,
		    grants_in(g, other->in[i].project) & grants_in(other, other->in[i].project));
	*g = both;
	return fits;
}

void
grants_mask(struct grants *g, permission_set keep)
{
	g->everywhere &= keep;
	for (size_t i = 0; i < g->n; i++)
		g->in[i].set &= keep;
	tidy(g);
}

bool
grants_cover(const struct grants *a, const struct grants *b)
{
	/* Everywhere includes projects that neither names. */
	if ((b->everywhere & ~a->everywhere) != 0)
		return false;
	for (size_t i = 0; i < b->n; i++) {
		if ((b->in[i].set & ~grants_in(a, b->in[i].project)) != 0)
			return false;
	}
	return true;
}

permission_set
grants_in(const struct grants *g, struct uuid project)
{
	size_t i = place(g, project);

	return g->everywhere | (is_at(g, i, project) ? g->in[i].set : 0);
}

permission_set
grants_anywhere(const struct grants *g)
{
	permission_set set = g->everywhere;

	for (size_t i = 0; i < g->n; i++)
		set |= g->in[i].set;
	return set;
}
