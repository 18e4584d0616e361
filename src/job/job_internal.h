/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_INTERNAL_H
#define JOB_INTERNAL_H

/* What the files of the module share: inputs of a manifest, admission, rows gathered into an arena,
 * the one way to move jobs. */

#include "caps.h"
#include "job_queue.h"

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

/* --- admission ------------------------------------------------------------------------------ */

enum job_limit {
	JOB_LIMIT_QUEUED,
	JOB_LIMIT_DAY,
	JOB_LIMIT_STORAGE,
	JOB_LIMIT_CPUS,   /* thousandths */
	JOB_LIMIT_MEMORY, /* bytes */
	JOB_LIMIT_GPUS,
	JOB_LIMIT_COUNT
};
struct job_limit_use {
	int64_t used, amount; /* amount INT64_MAX: no limit */
};
/* What was found at one moment. */
struct job_admission {
	const char *named;   /* the project as the manifest names it */
	struct uuid project; /* nil: there is none */
	bool archived;
	bool used_before; /* the idempotency key: */
	uint8_t fingerprint[32];
	struct uuid resource;
	struct job_limit_use whole[JOB_LIMIT_COUNT]; /* of the tenant */
	struct job_limit_use part[JOB_LIMIT_COUNT];  /* of the project */
	int64_t number;                              /* of the tenant's last change */
	int64_t day; /* days since 1970 (UTC) to count on: today, or a later one counted already */
	bool day_open; /* there are counters for it */
};
/* In the tenant's transaction, or in one of its own (tx NULL). */
int job_admission_look(struct db *db, struct db_tx *tx, struct tenant_id tenant,
    const struct job_submission *s, struct arena *mem, struct job_admission *ret,
    struct err *e) MUST_CHECK;
/* Whether the caller may submit to the project; without, it need not exist. */
int job_admission_may(
    const struct job_admission *a, const struct principal *who, struct err *e) MUST_CHECK;
/* Whether the project takes jobs and there is room for one like this; names the limit without. */
int job_admission_takes(
    const struct job_admission *a, const struct job_spec *spec, struct err *e) MUST_CHECK;
/* Jobs that may follow, this one included, before the limits must be looked at again. */
int64_t job_admission_room(const struct job_admission *a);

/* --- printing -------------------------------------------------------------------------------- */

/* The member `waiting`; NULL: it does not wait. */
void job_wait_print(const struct job_wait *w, struct json_out *o);

/* --- moves ---------------------------------------------------------------------------------- */

/* What a claim adds to its moves. */
struct job_lease {
	struct uuid owner;
	int64_t ms;
};
/* Up to JOB_MOVE_BATCH moves, a job once at most, in one statement; CLAIM with a lease.  ok and, on
 * success, epoch of each are set. */
int job_move_batch(struct db_sys_tx *tx, struct job_move *moves, size_t n,
    const struct job_lease *lease, struct arena *mem, struct err *e) MUST_CHECK;

/* --- rows ----------------------------------------------------------------------------------- */

/* ERR_NOT_FOUND; always -1. */
int job_not_found(struct uuid id, struct err *e);
/* A growing array in an arena; what it outgrew, at most as much again, dies with the arena. */
struct job_rows {
	struct arena *mem;
	size_t size; /* of one row */
	size_t n, cap;
	char *p;
};
int job_rows_push(struct job_rows *r, const void *row, struct err *e) MUST_CHECK;

#endif
