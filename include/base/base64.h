/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE64_H
#define BASE64_H

/*
 * Base64 of RFC 4648.  Reading is strict, so that a sequence of bytes has exactly one text: the
 * standard alphabet needs its padding, the URL alphabet forbids it; blanks, line breaks, digits of
 * the other alphabet and bits beyond the last byte are refused.
 */

#include "base.h"
#include "buf.h"

#include <stdbool.h>

enum base64_alphabet {
	BASE64_STANDARD, /* section 4: '+' and '/', padded with '=' */
	BASE64_URL       /* section 5: '-' and '_', not padded */
};

/* Room for the text of n bytes with its NUL, and for the bytes of n characters; the second is up to
 * three larger than needed. */
#define BASE64_TEXT_SIZE(n) (((n) + 2) / 3 * 4 + 1)
#define BASE64_BYTES_SIZE(n) ((n) / 4 * 3 + 3)

/* Writes a NUL-terminated text and returns its length. */
size_t base64_encode(enum base64_alphabet a, const void *p, size_t n, char *out);
void base64_append(struct buf *b, enum base64_alphabet a, const void *p, size_t n);
/* False when malformed or when the bytes do not fit into `size`; *ret_n is left alone then, while
 * out may hold a part. */
bool base64_decode(enum base64_alphabet a, const char *text, size_t n, void *out, size_t size,
    size_t *ret_n) MUST_CHECK;

#endif
