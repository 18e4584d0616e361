/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log with an index that lies: 8 bytes say how much of the input is the log, the rest is the
 * index. Whatever it holds, a reader advances, stays within the file and comes to an end.
 */

#include "api_log_internal.h"

#include "fd.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { READS = 64 };

static int
file_of(const uint8_t *p, size_t n)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	struct err e = { 0 };

	REQUIRE(fd >= 0);
	REQUIRE(fd_write_all(fd, p, n, &e) == 0);
	return fd;
}

static void
read_through(const struct api_log *l, int64_t offset, size_t max)
{
	struct api_log_piece p = { .next = offset };
	struct err e = { 0 };
	char out[128];

	for (int i = 0; i < READS && !p.last; i++) {
		int64_t from = p.next;

		REQUIRE(api_log_read(l, from, out, max, &p, &e) == 0);
		REQUIRE(p.n <= max);
		REQUIRE(p.next >= from + (int64_t)p.n);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	int64_t offset, log_size;
	uint64_t n = 0;

	if (size < sizeof(n))
		return 0;
	memcpy(&n, data, sizeof(n));
	data += sizeof(n);
	size -= sizeof(n);
	n = n < size ? n : size;
	struct api_log l = { .fd = file_of(data, n), .index_fd = file_of(data + n, size - n) };

	REQUIRE(api_log_size(&l, &log_size, &e) == 0);
	REQUIRE(log_size == (int64_t)n);
	for (l.which = LOG_BOTH; l.which <= LOG_STDERR; l.which++) {
		read_through(&l, 0, 128);
		read_through(&l, (int64_t)(n / 2), 7);
		REQUIRE(api_log_tail(&l, 3, 1000, &offset, &e) == 0);
		REQUIRE(offset >= 0 && offset <= log_size);
	}
	api_log_close(&l);
	return 0;
}
