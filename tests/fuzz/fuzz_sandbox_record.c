/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every fixed-size record: what the spawner takes from a daemon, what the keeper takes from the
 * spawner, and what comes back.  A record that is accepted is what was sent, byte for byte, and
 * within the bounds that the code behind it relies on.
 */
#include "keeper.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_limits(const struct sandbox_limits *l)
{
	/* Products that the users of these numbers form. */
	REQUIRE(l->cpu_milli * 100 > 0);
	REQUIRE(l->scratch_files + 4 > 0);
	REQUIRE(l->log_bytes / 64 + 1024 > 0);
	REQUIRE(l->wall_ms <= INT64_MAX / 1000000);
	REQUIRE(l->no_output_ms <= INT64_MAX / 1000000);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sandbox_request q;
	struct sandbox_event ev;
	struct keeper_order o;
	struct keeper_report r;
	struct sandbox_keeper_file f;
	struct err e = { 0 };
	char name[ID_RUN_PATH_SIZE];

	if (sandbox_request_decode(data, size, &q, &e) == 0) {
		REQUIRE(memcmp(&q, data, sizeof(q)) == 0);
		REQUIRE(sandbox_run_name(&q.id, name) == name);
		if (sandbox_limits_check(&q.limits, &e) == 0)
			check_limits(&q.limits);
	}
	if (keeper_order_decode(data, size, &o, &e) == 0) {
		REQUIRE(o.n_enter <= CGROUP_TREES_MAX);
		check_limits(&o.limits);
	}
	if (sandbox_event_decode(data, size, &ev, &e) == 0)
		REQUIRE(sandbox_step_name(ev.step) != NULL);
	if (keeper_report_decode(data, size, &r, &e) == 0)
		REQUIRE(r.step < SANDBOX_STEP_COUNT);
	if (keeper_file_decode(data, size, &f, &e) == 0)
		REQUIRE(f.pid > 1);
	return 0;
}
