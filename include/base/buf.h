/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUF_H
#define BUF_H

/*
 * Growing byte buffer with a hard maximum given at init.  Appending beyond it sets `failed`, keeps
 * what was there and drops the rest, so a builder checks once at the end (buf_check).  The bytes
 * are always followed by a NUL that is not counted.
 */

#include "base.h"
#include "err.h"

#include <stdarg.h>
#include <stdbool.h>

struct buf {
	char *p; /* NULL until the first append */
	size_t n;
	size_t cap;
	size_t max;
	bool failed;    /* a limit or memory stopped an append */
	bool no_memory; /* it was memory */
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_done(struct buf *b); /* releases; the buffer may be inited again */
void buf_clear(struct buf *b);
void buf_append(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* Makes room for n more bytes and returns where they go; NULL when that is over the maximum, or
 * with `no_memory`.  `failed` is not set by it.  The caller writes, then calls buf_grown with what
 * it wrote. */
char *buf_room(struct buf *b, size_t n) MUST_CHECK;
void buf_grown(struct buf *b, size_t n);
/* Removes n bytes from the front. */
void buf_drop(struct buf *b, size_t n);
/* 0, or -1 when something was dropped: with ERR_NO_MEMORY, else with ERR_TOO_LARGE. */
int buf_check(const struct buf *b, struct err *e) MUST_CHECK;
/* Moves the memory (malloc'ed, NUL-terminated) to the caller and empties the buffer; NULL when
 * nothing was appended. */
char *buf_take(struct buf *b, size_t *ret_n) MUST_CHECK;

#define AUTO_BUF __attribute__((cleanup(buf_done))) struct buf

#endif
