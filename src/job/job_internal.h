/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_INTERNAL_H
#define JOB_INTERNAL_H

/* What the files of the module share: inputs of a manifest, and rows gathered into an arena. */

#include "caps.h"
#include "job.h"

/* --- manifest ------------------------------------------------------------------------------- */

struct job_inputs {
	struct job_input items[CAP_INPUTS];
	size_t n;
};
/* json_each_fn over `inputs`; ctx is a struct job_inputs. */
int job_input_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx);
/* True for a relative path of 1 to CAP_PATH_BYTES bytes of printable UTF-8 without backslashes,
 * whose components are 1 to 255 bytes and not "." or "..".  *ret_why (static) says why not. */
bool job_path_valid(const char *path, const char **ret_why);
/* Decodes RFC 4648 base64 with padding and nothing else; out holds n / 4 * 3 bytes.  False when
 * malformed, also when bits beyond the last byte are set. */
bool job_base64_decode(const char *text, size_t n, char *out, size_t *ret_n);

/* --- rows ----------------------------------------------------------------------------------- */

/* A growing array in an arena; what it outgrew, at most as much again, dies with the arena. */
struct job_rows {
	struct arena *mem;
	size_t size; /* of one row */
	size_t n, cap;
	char *p;
};
int job_rows_push(struct job_rows *r, const void *row, struct err *e) MUST_CHECK;

#endif
