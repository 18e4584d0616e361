/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exit record, as the daemon reads it.  The checksum is mended first in half of the cases, so
 * that the fuzzer reaches what lies behind it.
 */
#include "keeper.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t
fnv(const unsigned char *p, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void
check(const void *p, size_t n)
{
	struct sandbox_exit x;
	struct err e = { 0 };

	if (sandbox_exit_decode(p, n, &x, &e) < 0)
		return;
	REQUIRE(x.outcome >= SANDBOX_EXITED);
	REQUIRE(x.outcome <= SANDBOX_CPU_TIME);
	REQUIRE(x.exit_code >= 0);
	REQUIRE(x.exit_code <= 255);
	REQUIRE(x.output_bytes >= 0);
	REQUIRE(x.cpu_user_ns >= 0);
	REQUIRE(x.stage_ns >= 0);
	REQUIRE(x.processes_peak >= 0);
	REQUIRE(x.version == SANDBOX_EXIT_VERSION || x.processes_peak == 0);
}

/* Bytes of a record without its checksum, as long as a version has them. */
static void
check_mended(const uint8_t *data, size_t body)
{
	unsigned char bytes[sizeof(struct sandbox_exit)];
	uint64_t sum;

	memcpy(bytes, data, body);
	sum = fnv(bytes, body);
	memcpy(bytes + body, &sum, sizeof(sum));
	check(bytes, body + sizeof(sum));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t bodies[] = { offsetof(struct sandbox_exit, stage_ns),
		offsetof(struct sandbox_exit, checksum) };

	check(data, size);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
		if (size >= bodies[i])
			check_mended(data, bodies[i]);
	return 0;
}
