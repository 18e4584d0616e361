/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ID_H
#define ID_H

/*
 * Identifiers: UUID version 7 (RFC 9562 section 5.7) inside, TypeID text outside
 * ("job_01jd...": lower-case prefix, '_', 26 digits of Crockford base32, most significant first).
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>

struct uuid {
	uint8_t b[16];
};

/* A type of its own, so that no other id is ever taken for the tenant of a transaction. */
struct tenant_id {
	struct uuid uuid;
};

enum { UUID_STR_SIZE = 37, ID_STR_SIZE = 40 };

/* Ordered by the wall clock to the microsecond: rand_a holds the part of the millisecond (RFC 9562,
 * section 6.2, method 3), 62 bits are random.  Two of the same microsecond come in no order. Aborts
 * when the kernel has no randomness.  Thread-safe. */
struct uuid uuid_v7(void);
bool uuid_is_nil(struct uuid u);
int uuid_cmp(struct uuid a, struct uuid b); /* as memcmp: creation order */
const char *uuid_format(struct uuid u, char out[static UUID_STR_SIZE]);
/* Canonical 8-4-4-4-12 text, lower or upper case; ERR_BAD_ID otherwise. */
int uuid_parse(const char *text, struct uuid *ret, struct err *e) MUST_CHECK;
int64_t uuid_v7_wall_ms(struct uuid u);

/* prefix: 1 to 8 letters a-z. */
const char *id_format(const char *prefix, struct uuid u, char out[static ID_STR_SIZE]);
/* ERR_BAD_ID with a sentence that names the expected prefix ("expected job_..., got key_..."). */
int id_parse(const char *prefix, const char *text, struct uuid *ret, struct err *e) MUST_CHECK;

/* "<tenant uuid>/<run uuid>.<epoch>": where one attempt of a run lives below <state>/runs. */
enum { ID_RUN_PATH_SIZE = 2 * UUID_STR_SIZE + 24 };
const char *id_run_path(
    struct tenant_id tenant, struct uuid run, int64_t epoch, char out[static ID_RUN_PATH_SIZE]);

/* Fills p from the kernel's random source; aborts when there is none. */
void random_bytes(void *p, size_t n);

#endif
