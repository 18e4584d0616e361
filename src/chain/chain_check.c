/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was done to a log?  Each entry is hashed once, behind the stored hash of the one before it,
 * so that a fault shows at one entry and those behind it are judged by themselves.  An entry that
 * does not fit is tried in other places: hashes do not agree by chance, so the first place where it
 * fits tells what happened.
 *
 *   changed          the entry fits nowhere; its successor fits behind its stored hash
 *   hash changed     the successor fits behind the hash that the entry should have
 *   swapped          the entry fits where an earlier one did not, and what follows it fits behind
 *                    the hash that stands there
 *   put in           the entry fits behind the one before the last, numbers behind are too high
 *   taken out        its successor fits behind it under a higher number, when the numbers were
 *                    closed up; otherwise the numbers have a gap
 *
 * Who can compute hashes can write a log that is whole in itself; that is what the head and the
 * checkpoints are for.
 */
#include "chain_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Entries put in or taken out at one place that are recognised; bounds the hashes of one fault. */
enum { SHIFT_MAX = 100 };

/* --- problems --------------------------------------------------------------------------------- */

static void say(struct chain_check *c, size_t i, enum chain_fault fault, int64_t number,
    const char *fmt, ...) PRINTF_LIKE(5, 6);

static void
say(struct chain_check *c, size_t i, enum chain_fault fault, int64_t number, const char *fmt, ...)
{
	struct chain_problem *p = &c->problems[i];
	va_list ap;

	p->fault = fault;
	p->number = number;
	va_start(ap, fmt);
	(void)vsnprintf(p->detail, sizeof(p->detail), fmt, ap); /* cut when too long */
	va_end(ap);
}

static bool
add(struct chain_check *c, const struct chain_place *place, size_t *ret)
{
	if (c->n_problems == CHAIN_PROBLEMS_MAX) {
		c->n_problems_lost++;
		return false;
	}
	c->places[c->n_problems] = *place;
	*ret = c->n_problems++;
	return true;
}

void
chain_check_report(
    struct chain_check *c, enum chain_fault fault, int64_t number, const char *fmt, ...)
{
	const struct chain_place nowhere = { .number = number };
	char detail[CHAIN_DETAIL_SIZE];
	va_list ap;
	size_t i;

	va_start(ap, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, ap); /* cut when too long */
	va_end(ap);
	if (add(c, &nowhere, &i))
		say(c, i, fault, number, "%s", detail);
}

/* The last problem that was recorded, when it is of this kind and at this entry; else -1. */
static int
latest(const struct chain_check *c, enum chain_fault fault, int64_t number)
{
	const struct chain_problem *p;

	if (c->n_problems == 0 || c->n_problems_lost > 0)
		return -1;
	p = &c->problems[c->n_problems - 1];
	return p->fault == fault && p->number == number ? (int)c->n_problems - 1 : -1;
}

/* --- start ------------------------------------------------------------------------------------ */

void
chain_check_start_at(struct chain_check *c, int64_t first)
{
	REQUIRE(first >= 1);
	memset(c, 0, sizeof(*c)); /* a compound literal of this size would lie on the stack */
	c->last.number = first - 1;
}

void
chain_check_start(struct chain_check *c, struct tenant_id tenant)
{
	chain_check_start_at(c, 1);
	chain_genesis(tenant, c->last.hash);
	memcpy(c->computed, c->last.hash, sizeof(c->computed));
	c->last_known = true;
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* An entry that should have come earlier; its place was reported as a gap when it was passed. */
static void
take_late(struct chain_check *c, const struct chain_entry *e)
{
	for (size_t i = 0; i < c->n_problems; i++)
		if (c->problems[i].fault == CHAIN_MISSING && c->problems[i].number == e->number &&
		    c->places[i].number == e->number) {
			say(c, i, CHAIN_REORDERED, e->number, "it stands behind entry %lld",
			    (long long)c->last.number);
			return;
		}
	if (e->number == c->last.number)
		chain_check_report(c, CHAIN_INSERTED, e->number, "its number stands here twice");
	else
		chain_check_report(c, CHAIN_REORDERED, e->number, "it stands behind entry %lld",
		    (long long)c->last.number);
}

/* What lies behind a gap cannot be checked against what lies before it. */
static void
pass_gap(struct chain_check *c, const struct chain_entry *e)
{
	const struct chain_place place = { .number = e->number - 1 };
	int64_t first = c->last.number + 1;
	size_t i;

	if (add(c, &place, &i))
		say(c, i, CHAIN_MISSING, first, "entries %lld to %lld are not there",
		    (long long)first, (long long)e->number - 1);
	c->last.number = e->number - 1;
	c->last_known = false;
}

/* --- places ----------------------------------------------------------------------------------- */

/* Whether the loaded entry has the hash that it gets behind `before`. */
static bool
fits(struct chain_check *c, const struct chain_entry *e,
    const uint8_t before[static CHAIN_HASH_SIZE], int64_t number)
{
	uint8_t hash[CHAIN_HASH_SIZE];

	chain_hash(&c->hasher, before, number, hash);
	return memcmp(hash, e->hash, sizeof(hash)) == 0;
}

/* Behind an entry whose hash was changed, or that stands elsewhere: no fault of this one. */
static bool
fits_in_spite(struct chain_check *c, const struct chain_entry *e, int64_t number)
{
	if (memcmp(c->computed, c->last.hash, sizeof(c->computed)) != 0 &&
	    fits(c, e, c->computed, number))
		return true;
	for (size_t i = 0; i < c->n_problems && c->n_problems_lost == 0; i++)
		if (c->problems[i].fault == CHAIN_REORDERED &&
		    fits(c, e, c->places[i].stored, number))
			return true;
	return false;
}

/* The entry belongs where another one did not fit. */
static bool
is_displaced(struct chain_check *c, const struct chain_entry *e)
{
	for (size_t i = 0; i < c->n_problems; i++) {
		int64_t at = c->problems[i].number;

		if (c->problems[i].fault != CHAIN_MODIFIED ||
		    !fits(c, e, c->places[i].before, c->places[i].number))
			continue;
		if (at != e->number - 1) {
			say(c, i, CHAIN_REORDERED, at, "what belongs here stands as entry %lld",
			    (long long)e->number);
		} else { /* or swapped with it, which the next entry tells */
			say(c, i, CHAIN_INSERTED, at, "it was put in here");
			c->shift++;
		}
		return true;
	}
	return false;
}

/* The last entry had a hash that fits and still was put in. */
static bool
is_behind_forged(struct chain_check *c, const struct chain_entry *e, int64_t number)
{
	struct chain_place place = { .number = number - 1 };
	size_t i;

	if (!c->before_known || !fits(c, e, c->before, number - 1))
		return false;
	memcpy(place.before, c->before, sizeof(place.before));
	memcpy(place.stored, c->last.hash, sizeof(place.stored));
	if (add(c, &place, &i))
		say(c, i, CHAIN_INSERTED, e->number - 1, "it was put in here");
	c->shift++;
	return true;
}

static void
say_swapped(struct chain_check *c, int i)
{
	int64_t at = c->problems[i].number;

	say(c, (size_t)i, CHAIN_REORDERED, at, "entries %lld and %lld have changed places",
	    (long long)at, (long long)at + 1);
	c->shift--;
}

static bool
is_behind_swapped(struct chain_check *c, const struct chain_entry *e, int64_t number)
{
	int i = latest(c, CHAIN_INSERTED, e->number - 2);

	if (i < 0 || !fits(c, e, c->places[i].stored, number + 1))
		return false;
	say_swapped(c, i);
	return true;
}

/* The last entry fitted nowhere because several were put in or taken out in front of it; this one
 * follows it under the number that both had. */
static bool
is_renumbered(struct chain_check *c, const struct chain_entry *e, int64_t number)
{
	int i = latest(c, CHAIN_MODIFIED, e->number - 1);

	for (int64_t n = 1; i >= 0 && n <= SHIFT_MAX; n++) {
		if (fits(c, e, c->last.hash, number + n)) {
			say(c, (size_t)i, CHAIN_MISSING, e->number - 1,
			    "%lld entries were taken out here, later ones renumbered",
			    (long long)n);
			c->shift -= n;
			return true;
		}
		if (fits(c, e, c->last.hash, number - n)) {
			say(c, (size_t)i, CHAIN_INSERTED, e->number - 1 - n,
			    "%lld entries were put in here, later ones renumbered", (long long)n);
			c->shift += n;
			return true;
		}
	}
	return false;
}

/* True when the entry itself is one of this log. */
static bool
explain(struct chain_check *c, const struct chain_entry *e, int64_t number)
{
	struct chain_place place = { .number = number };
	size_t i;

	if (c->n_problems < CHAIN_PROBLEMS_MAX &&
	    (is_displaced(c, e) || is_behind_forged(c, e, number) ||
		is_behind_swapped(c, e, number) || is_renumbered(c, e, number)))
		return true;
	memcpy(place.before, c->last.hash, sizeof(place.before));
	memcpy(place.stored, e->hash, sizeof(place.stored));
	if (add(c, &place, &i))
		say(c, i, CHAIN_MODIFIED, e->number,
		    "it is not what was recorded, or does not follow entry %lld",
		    (long long)e->number - 1);
	return false;
}

/* --- entries ---------------------------------------------------------------------------------- */

/* Rows that no log ever wrote; they are kept out of the arithmetic. */
static bool
is_absurd(struct chain_check *c, const struct chain_entry *e)
{
	if (e->number >= 1 && e->number <= CHAIN_NUMBER_MAX && e->text_n <= CHAIN_ENTRY_MAX)
		return false;
	chain_check_report(c, CHAIN_INSERTED, e->number, "no entry has such a number or length");
	return true;
}

static void
judge(struct chain_check *c, const struct chain_entry *e)
{
	int64_t number = e->number - c->shift;
	uint8_t hash[CHAIN_HASH_SIZE];
	bool good = !c->last_known;

	if (c->last_known) {
		chain_hash(&c->hasher, c->last.hash, number, hash);
		good = memcmp(hash, e->hash, sizeof(hash)) == 0 || fits_in_spite(c, e, number) ||
		       explain(c, e, number);
	}
	memcpy(c->computed, good ? e->hash : hash, sizeof(c->computed));
}

void
chain_check_entry(struct chain_check *c, const struct chain_entry *e)
{
	c->n_entries++;
	if (is_absurd(c, e))
		return;
	if (e->number <= c->last.number) {
		take_late(c, e);
		return;
	}
	if (e->number - 1 > c->last.number)
		pass_gap(c, e);
	chain_load(&c->hasher, e);
	judge(c, e);
	memcpy(c->before, c->last.hash, sizeof(c->before));
	c->before_known = c->last_known;
	c->last.number = e->number;
	memcpy(c->last.hash, e->hash, sizeof(c->last.hash));
	c->last_known = true;
}

/* --- end -------------------------------------------------------------------------------------- */

static bool
ends_swapped(struct chain_check *c, const struct chain_link *head)
{
	int i = latest(c, CHAIN_INSERTED, c->last.number - 1);

	if (i < 0 || head->number != c->last.number ||
	    memcmp(c->places[i].stored, head->hash, CHAIN_HASH_SIZE) != 0)
		return false;
	say_swapped(c, i);
	return true;
}

void
chain_check_end(struct chain_check *c, const struct chain_link *head)
{
	int64_t number = c->last.number - c->shift;
	bool same = !c->last_known || memcmp(c->last.hash, head->hash, CHAIN_HASH_SIZE) == 0 ||
		    memcmp(c->computed, head->hash, CHAIN_HASH_SIZE) == 0;

	if ((number == head->number && same) || ends_swapped(c, head))
		return;
	if (number < head->number)
		chain_check_report(c, CHAIN_TRUNCATED, c->last.number + 1,
		    "the log ends with entry %lld, its head says %lld", (long long)c->last.number,
		    (long long)head->number);
	else if (number > head->number)
		chain_check_report(c, CHAIN_INSERTED, head->number + c->shift + 1,
		    "the log ends with entry %lld, its head says %lld", (long long)c->last.number,
		    (long long)head->number);
	else
		chain_check_report(c, CHAIN_MODIFIED, c->last.number,
		    "the head of the log has another hash than its last entry");
}
