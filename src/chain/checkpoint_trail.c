/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint.h"

#include "auth.h"

#include <stdlib.h>
#include <string.h>

void
checkpoint_trail_start(struct checkpoint_trail *t, struct tenant_id tenant)
{
	*t = (struct checkpoint_trail){ .tenant = tenant, .every = 1 };
}

void
checkpoint_trail_done(struct checkpoint_trail *t)
{
	free(t->links);
	t->links = NULL;
}

void
checkpoint_trail_part(struct checkpoint_trail *t)
{
	t->any_previous = true;
}

/* --- lines ------------------------------------------------------------------------------------ */

static bool
make_room(struct checkpoint_trail *t)
{
	size_t cap = t->cap_links == 0 ? 64 : 2 * t->cap_links;
	void *grown;

	if (t->n_links < t->cap_links)
		return true;
	grown = cap > CHECKPOINT_LINKS_MAX ? NULL : reallocarray(t->links, cap, sizeof(*t->links));
	if (grown == NULL)
		return false;
	t->links = grown;
	t->cap_links = cap;
	return true;
}

static void
thin(struct checkpoint_trail *t)
{
	for (size_t i = 0; 2 * i < t->n_links; i++)
		t->links[i] = t->links[2 * i];
	t->n_links = (t->n_links + 1) / 2;
	t->every *= 2;
}

static void
keep(struct checkpoint_trail *t, const struct checkpoint *cp)
{
	if (t->n_lines % t->every != 0)
		return;
	if (!make_room(t)) {
		thin(t);
		if (t->n_links == t->cap_links || t->n_lines % t->every != 0)
			return;
	}
	t->links[t->n_links].number = cp->number;
	memcpy(t->links[t->n_links].hash, cp->hash, sizeof(cp->hash));
	t->n_links++;
}

/* Room for the faults of the log stays. */
enum { FAULTS_MAX = 16 };

static void
fault(struct checkpoint_trail *t, int64_t number, const char *what, struct chain_check *c)
{
	if (t->n_faults == FAULTS_MAX)
		return;
	t->n_faults++;
	chain_check_report(c, CHAIN_CHECKPOINT, number, "line %lld of the checkpoints %s",
	    (long long)t->n_lines + 1, what);
}

void
checkpoint_trail_line(struct checkpoint_trail *t, const char *line, size_t n, struct chain_check *c)
{
	int64_t before = t->n_lines == 0 ? 0 : t->last.number;
	bool follows = t->any_previous;
	struct checkpoint cp;
	struct err why = { 0 };

	if (checkpoint_parse(line, n, &cp, &why) < 0) {
		fault(t, before, "is damaged", c);
	} else if (uuid_cmp(cp.tenant.uuid, t->tenant.uuid) != 0) {
		fault(t, cp.number, "is of another tenant", c);
	} else {
		follows = follows || memcmp(cp.previous, t->previous, sizeof(cp.previous)) == 0;
		if (!follows || cp.number <= before)
			fault(t, cp.number, "does not follow the one before it", c);
		keep(t, &cp);
		t->last = cp;
	}
	t->any_previous = false;
	t->n_lines++;
	auth_sha256(line, n, t->previous);
}

void
checkpoint_trail_end(struct checkpoint_trail *t, const uint8_t *key, struct chain_check *c)
{
	if (t->n_lines == 0)
		return;
	if (key != NULL && memcmp(t->last.key, key, sizeof(t->last.key)) != 0)
		chain_check_report(c, CHAIN_CHECKPOINT, t->last.number,
		    "the last checkpoint is signed by another key");
	else if (!checkpoint_signed(&t->last))
		chain_check_report(c, CHAIN_CHECKPOINT, t->last.number,
		    "the last checkpoint's signature is wrong");
}

/* --- against the log -------------------------------------------------------------------------- */

/* The first place alone: everything behind it differs, too. */
static void
differ(struct checkpoint_trail *t, int64_t number, const char *what, struct chain_check *c)
{
	if (!t->differed)
		chain_check_report(c, CHAIN_ROLLED_BACK, number, "%s", what);
	t->differed = true;
}

static void
compare(struct checkpoint_trail *t, const uint8_t seen[static CHAIN_HASH_SIZE],
    const struct chain_entry *entry, struct chain_check *c)
{
	if (memcmp(seen, entry->hash, CHAIN_HASH_SIZE) != 0)
		differ(t, entry->number, "it is not the entry that a checkpoint saw", c);
}

void
checkpoint_trail_entry(
    struct checkpoint_trail *t, const struct chain_entry *entry, struct chain_check *c)
{
	while (t->next_link < t->n_links && t->links[t->next_link].number <= entry->number) {
		const struct chain_link *seen = &t->links[t->next_link++];

		/* An entry that is not there is reported by the walk. */
		if (seen->number == entry->number)
			compare(t, seen->hash, entry, c);
	}
	/* Whatever was thinned out, the newest is compared. */
	if (t->last.number == entry->number)
		compare(t, t->last.hash, entry, c);
}

void
checkpoint_trail_head(
    struct checkpoint_trail *t, const struct chain_link *head, struct chain_check *c)
{
	if (t->last.number > head->number)
		differ(
		    t, head->number + 1, "the log ends before an entry that a checkpoint saw", c);
}
