/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_CLUSTER_INTERNAL_H
#define DB_CLUSTER_INTERNAL_H

/* Parts of the private PostgreSQL that are not its life cycle: programs, files, the first start. */

#include "clock.h"
#include "db_cluster.h"

#include <limits.h>
#include <sys/types.h>

/* Directory of initdb and postgres for the data in dir, or for new data when there is none. */
int db_cluster_find_programs(
    const char *given, const char *dir, char out[static PATH_MAX], struct err *e) MUST_CHECK;
/* Makes <dir>/data unless it is there; whole or absent, even when interrupted. */
int db_cluster_make_data(const char *dir, const char *bin_dir, struct err *e) MUST_CHECK;
/* Starts a program with a clean environment and signals, output to log_fd, nothing else open. */
int db_cluster_spawn(char *const argv[], int log_fd, pid_t *ret, struct err *e) MUST_CHECK;
/* Waits for a process: 1 ended, 0 deadline passed, -1 error. */
int db_cluster_wait_exit(int pidfd, struct deadline d, struct err *e) MUST_CHECK;

#endif
