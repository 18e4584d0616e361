/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SANDBOX_SECCOMP_INTERNAL_H
#define SANDBOX_SECCOMP_INTERNAL_H

/* For the tests, which run the program in an interpreter of their own. */

#include "base.h"
#include "keeper.h"

#include <linux/filter.h>

enum { SECCOMP_CODE_MAX = 1024 };
struct seccomp_code {
	size_t n;
	struct sock_filter at[SECCOMP_CODE_MAX];
};
/* What runs are under, and what the daemon is under. */
void sandbox_seccomp_compile(enum seccomp_layer layer, struct seccomp_code *c);
void sandbox_seccomp_compile_daemon(struct seccomp_code *c);

#endif
