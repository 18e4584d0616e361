/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARENA_H
#define ARENA_H

/*
 * Memory that dies as a whole: one arena per request or per batch.  Not thread-safe; owned by one
 * thread at a time.  Allocation beyond the cap returns NULL with errno EMSGSIZE, one that the
 * system has no memory for with ENOMEM; callers answer with arena_err.
 */

#include "base.h"
#include "err.h"

#include <stdarg.h>

struct arena;

/* cap_bytes: the most the arena will ever hold.  NULL when the first block cannot be had. */
struct arena *arena_new(size_t cap_bytes) MUST_CHECK;
void arena_free(struct arena *a);
AUTO_TYPE(arena);
/* Forgets all allocations, keeps the first block. */
void arena_reset(struct arena *a);

/* Zeroed memory aligned for any type; NULL beyond the cap. */
void *arena_alloc(struct arena *a, size_t n) MUST_CHECK;
/* NULL on overflow of n * size, too. */
void *arena_array(struct arena *a, size_t n, size_t size) MUST_CHECK;
char *arena_strdup(struct arena *a, const char *s) MUST_CHECK;
char *arena_strndup(struct arena *a, const char *s, size_t n) MUST_CHECK;
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
size_t arena_used(const struct arena *a);

/* Sets ERR_NO_MEMORY when errno is ENOMEM, else ERR_TOO_LARGE, and returns -1; for
 * `if (p == NULL) return arena_err(e);`. */
int arena_err(struct err *e);

#endif
