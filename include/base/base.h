/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_H
#define BASE_H

/*
 * Compiler attributes and the three macros used everywhere: AUTO (release at end of scope), REQUIRE
 * (an invariant that stays on in release builds) and ARRAY_LEN.  Included by every other header.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* The result must be looked at; gcc takes no cast for an answer, so ignoring one is an `if` with a
 * reason. */
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt_arg, first_arg) __attribute__((format(printf, fmt_arg, first_arg)))
#define NORETURN __attribute__((noreturn))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define KIB (INT64_C(1) << 10)
#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)

/*
 * AUTO(db_tx) tx = NULL;  declares `struct db_tx *tx` and calls db_tx_free(tx) when the scope ends.
 * The type's owner enables it with AUTO_TYPE(db_tx) beside the prototype of db_tx_free, which must
 * accept NULL.  Never in one function together with an `out:` label.
 */
#define AUTO_TYPE(name)                                                                            \
	static inline void name##_auto_free(struct name **p)                                       \
	{                                                                                          \
		name##_free(*p);                                                                   \
	}                                                                                          \
	struct name
#define AUTO(name) __attribute__((cleanup(name##_auto_free))) struct name *

static inline void
base_auto_free(void *p)
{
	free(*(void **)p);
}
/* AUTO_FREE char *text = NULL;  releases malloc'ed memory at the end of the scope. */
#define AUTO_FREE __attribute__((cleanup(base_auto_free)))

/* Invariants: never for input, never for a peer's behaviour.  A broken one aborts with a core. */
#define REQUIRE(cond) ((cond) ? (void)0 : base_require_failed(#cond, __FILE__, __LINE__))
NORETURN void base_require_failed(const char *cond, const char *file, int line);

#endif
