/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARSE_H
#define PARSE_H

/* Text to numbers, whole and bounded, independent of the locale.  ERR_INVALID names the range. */

#include "base.h"
#include "err.h"

#include <stdbool.h>

/*
 * An excerpt of text for a message: at most 43 bytes plus "...", what is no printable UTF-8 shown
 * as '?'.
 */
enum { PARSE_ECHO_SIZE = 48 };
const char *parse_echo(const char *text, char out[static PARSE_ECHO_SIZE]);
/* Decimal with an optional '-'; no '+', no blanks, no leading zeros beyond "0". */
int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret, struct err *e) MUST_CHECK;
/* "512", "64KiB", "10MiB", "2GiB", "1TiB": bytes. */
int parse_bytes(const char *text, int64_t min, int64_t max, int64_t *ret, struct err *e) MUST_CHECK;
/* "250ms", "30s", "5m", "2h", "7d": milliseconds; a bare number is refused. */
int parse_duration_ms(
    const char *text, int64_t min, int64_t max, int64_t *ret, struct err *e) MUST_CHECK;
/* The shortest exact text that the two above read back: "64MiB", "1500ms", "0" and "0ms". */
enum { PARSE_UNIT_SIZE = 32 };
const char *format_bytes(int64_t bytes, char out[static PARSE_UNIT_SIZE]);
const char *format_duration_ms(int64_t ms, char out[static PARSE_UNIT_SIZE]);
/* Finite decimal or scientific number filling n bytes of text. */
int parse_f64(const char *text, size_t n, double *ret, struct err *e) MUST_CHECK;
/* Shortest text that reads back to the same double; "null" is never produced: v must be finite. */
enum { PARSE_F64_SIZE = 32 };
const char *format_f64(double v, char out[static PARSE_F64_SIZE]);
/* 0 to 15 for a hexadecimal digit of either case, else -1. */
int parse_hex_digit(char c);
/* Edit distance of at most 3 between a and b, or 4 for "farther"; for "did you mean". */
int parse_distance(const char *a, const char *b);
/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms) without NUL. */
bool parse_utf8_valid(const char *p, size_t n);
/* Length of the character at p when it is well-formed UTF-8 and no control character, else 0. */
size_t parse_utf8_printable(const char *p, size_t n);

#endif
