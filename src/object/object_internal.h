/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_INTERNAL_H
#define OBJECT_INTERNAL_H

#include "base.h"
#include "err.h"

/*
 * openat2(2), which glibc does not wrap: path is resolved below dirfd without following any link;
 * more_resolve adds RESOLVE_ flags.  O_CLOEXEC and O_NOFOLLOW are always set.  The
 * descriptor, or -1 with errno.
 */
int object_openat2(int dirfd, const char *path, int flags, uint64_t more_resolve) MUST_CHECK;
/* ERR_SYSTEM when errno value `sys` is the host's trouble, else ERR_NOT_FOUND without a reason. */
int object_err(int sys, struct err *e);

#endif
