/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_QUERY_INTERNAL_H
#define API_QUERY_INTERNAL_H

/*
 * Query parameters by declaration.  An unknown parameter is refused with the list of the known
 * ones: a typing error in a filter must not return everything.  All faults come in one answer.
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>

struct arena;

enum query_kind {
	QUERY_END,
	QUERY_TEXT,  /* min to max bytes -> const char * */
	QUERY_I64,   /* min to max -> int64_t */
	QUERY_LIMIT, /* at least min; more than max becomes max -> int64_t */
	QUERY_TIME,  /* duration such as "30s" -> int64_t milliseconds */
	QUERY_FLAG,  /* alone, or "true" or "false" -> bool */
	QUERY_ENUM,  /* one of the words in `words` -> const char * */
	QUERY_ID,    /* id of the type in `words`, never nil -> struct uuid */
	QUERY_WHEN,  /* RFC 3339 -> int64_t wall microseconds */
	QUERY_PAIR   /* <name><anything>=<text> -> struct query_pair */
};
struct query_pair {
	const char *name; /* what follows the prefix; NULL: not given */
	const char *value;
};
struct query_param {
	const char *name; /* PAIR: the prefix, "label." */
	enum query_kind kind;
	int64_t min, max;
	const char *words; /* ENUM: separated by blanks; ID: the prefix */
	void *dest;        /* left alone when the parameter is absent */
};
#define QUERY_PARAM(nm, knd, lo, hi, dst)                                                          \
	{                                                                                          \
		.name = (nm), .kind = QUERY_##knd, .min = (lo), .max = (hi), .dest = (dst)         \
	}
#define QUERY_WORDS(nm, list, dst)                                                                 \
	{                                                                                          \
		.name = (nm), .kind = QUERY_ENUM, .words = (list), .dest = (dst)                   \
	}
#define QUERY_TYPED_ID(nm, prefix, dst)                                                            \
	{                                                                                          \
		.name = (nm), .kind = QUERY_ID, .words = (prefix), .dest = (dst)                   \
	}
#define QUERY_PARAMS_END                                                                           \
	{                                                                                          \
		.kind = QUERY_END                                                                  \
	}

/* A parameter as it was given, decoded. */
struct query_given {
	const char *name, *value;
};
/* More parameters than any endpoint declares; bounds the work on one query. */
enum { QUERY_PARAMS_MAX = 32 };

/* ERR_BAD_PARAMETER with one fault per bad parameter; ERR_TOO_LARGE when mem is exhausted. */
int query_decode(
    const char *raw, const struct query_param *params, struct arena *mem, struct err *e) MUST_CHECK;
/* All that were given, in their order; n of at most QUERY_PARAMS_MAX. */
int query_split(const char *raw, struct arena *mem, struct query_given out[static QUERY_PARAMS_MAX],
    size_t *ret_n, struct err *e) MUST_CHECK;

#endif
