/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHAIN_FIXTURE_H
#define CHAIN_FIXTURE_H

/* A log of LOG_N entries in memory, whole at first, and ways to damage it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "chain.h"

enum { LOG_N = 20, LOG_MAX = 256 };

struct fixture_log {
	struct tenant_id tenant;
	struct chain_entry at[LOG_MAX];
	size_t n;
	struct chain_link head;
	struct chain_check check;
};

static inline void
log_hash(struct fixture_log *l, size_t i)
{
	uint8_t before[CHAIN_HASH_SIZE];

	if (i == 0)
		chain_genesis(l->tenant, before);
	else
		memcpy(before, l->at[i - 1].hash, sizeof(before));
	chain_next(&l->check.hasher, before, &l->at[i], l->at[i].hash);
}

static inline struct fixture_log *
log_new(void)
{
	static const char *const texts[] = { "{\"action\":\"job.submit\"}", "{}", "", "{\"a\":17}",
		"{\"action\":\"\xc3\xa4\xe2\x82\xac\"}" };
	struct fixture_log *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	for (int i = 0; i < 16; i++)
		l->tenant.uuid.b[i] = (uint8_t)(i + 1);
	for (l->n = 0; l->n < LOG_N; l->n++) {
		struct chain_entry *e = &l->at[l->n];

		e->number = (int64_t)l->n + 1;
		e->at_wall_us = INT64_C(1795000000000000) + 1000 * (int64_t)l->n;
		e->text = texts[l->n % 5];
		e->text_n = strlen(e->text);
		log_hash(l, l->n);
	}
	l->head.number = (int64_t)l->n;
	memcpy(l->head.hash, l->at[l->n - 1].hash, CHAIN_HASH_SIZE);
	return l;
}

static inline void
log_check(struct fixture_log *l)
{
	chain_check_start(&l->check, l->tenant);
	for (size_t i = 0; i < l->n; i++)
		chain_check_entry(&l->check, &l->at[i]);
	chain_check_end(&l->check, &l->head);
}

/* "modified@5 missing@9", every problem found. */
static inline const char *
log_problems(const struct chain_check *c)
{
	static char out[4096];
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < c->n_problems; i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s@%lld", i == 0 ? "" : " ",
		    chain_fault_name(c->problems[i].fault), (long long)c->problems[i].number);
	return out;
}

#define log_expect(l, expected)                                                                    \
	do {                                                                                       \
		log_check(l);                                                                      \
		assert_string_equal(log_problems(&(l)->check), expected);                          \
		free(l);                                                                           \
	} while (0)

/* Takes entries number from.. out; numbers behind them stay. */
static inline void
log_remove(struct fixture_log *l, size_t number, size_t n)
{
	memmove(
	    &l->at[number - 1], &l->at[number - 1 + n], (l->n - number + 1 - n) * sizeof(l->at[0]));
	l->n -= n;
}

static inline void
log_renumber(struct fixture_log *l)
{
	for (size_t i = 0; i < l->n; i++)
		l->at[i].number = (int64_t)i + 1;
}

/* Puts a stranger in as entry `number`. */
static inline void
log_insert(struct fixture_log *l, size_t number)
{
	memmove(&l->at[number], &l->at[number - 1], (l->n - number + 1) * sizeof(l->at[0]));
	l->n++;
	l->at[number - 1].text = "{\"action\":\"forged\"}";
	l->at[number - 1].text_n = 19;
	log_renumber(l);
}

/* Two entries change places, with everything but their numbers. */
static inline void
log_swap(struct fixture_log *l, size_t a, size_t b)
{
	struct chain_entry kept = l->at[a - 1];

	l->at[a - 1] = l->at[b - 1];
	l->at[b - 1] = kept;
	l->at[a - 1].number = (int64_t)a;
	l->at[b - 1].number = (int64_t)b;
}

#endif
