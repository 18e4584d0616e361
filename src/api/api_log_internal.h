/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_LOG_INTERNAL_H
#define API_LOG_INTERNAL_H

/*
 * Reading a run's log below its out/ directory: `log` holds the bytes, `log.index` one entry of 24
 * bytes per piece (int64 wall microseconds, int64 offset, uint32 length, uint32 stream, host order)
 * in the order of offsets; its last entry may still grow.  Both may grow while they are read;
 * neither is trusted: every number is checked against the file, and all scans are bounded.
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>

enum { LOG_BOTH = 0, LOG_STDOUT = 1, LOG_STDERR = 2 };

struct api_log {
	int fd;       /* -1: there is no log (yet) */
	int index_fd; /* -1: no index, so no bytes belong to a single stream */
	int which;    /* LOG_BOTH, or the stream whose bytes are read */
};

/* Opens the log below the run's directory, which stays the caller's.  Absent files are no error. */
int api_log_open(int run_dirfd, int which, struct api_log *ret, struct err *e) MUST_CHECK;
void api_log_close(struct api_log *l);
#define AUTO_LOG __attribute__((cleanup(api_log_close))) struct api_log
/* Bytes in the log now. */
int api_log_size(const struct api_log *l, int64_t *ret, struct err *e) MUST_CHECK;

struct api_log_piece {
	size_t n;     /* bytes written to out */
	int64_t next; /* offset where reading goes on; never before the offset asked for */
	bool last;    /* nothing of this log lies beyond `next` now */
};
/* Bytes of the wanted stream from offset on, at most max. */
int api_log_read(const struct api_log *l, int64_t offset, char *out, size_t max,
    struct api_log_piece *ret, struct err *e) MUST_CHECK;
/* Where the last `lines` lines of the wanted stream begin, looking at the last max_bytes only. */
int api_log_tail(const struct api_log *l, int64_t lines, int64_t max_bytes, int64_t *ret_offset,
    struct err *e) MUST_CHECK;

#endif
