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
	struct keeper_zygote z;
	struct keeper_cell c;
	struct keeper_args a;
	struct err e = { 0 };
	char name[ID_RUN_PATH_SIZE];

	if (sandbox_request_decode(data, size, &q, &e) == 0) {
		/* Of the other requests only the head is read, whatever their version. */
		REQUIRE(memcmp(&q, data,
			    q.verb == SANDBOX_START ? sizeof(q) : SANDBOX_HEAD_BYTES) == 0);
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
	if (keeper_zygote_decode(data, size, &z, &e) == 0)
		REQUIRE(z.uid > 0);
	if (keeper_cell_decode(data, size, &c, &e) == 0)
		REQUIRE(c.scratch_files + KEEPER_SCRATCH_OWN > 0);
	if (keeper_args_decode((const char *)data, size, &a, &e) == 0) {
		REQUIRE(a.id.epoch > 0);
		REQUIRE(memchr(a.group, '\0', sizeof(a.group)) != NULL);
		REQUIRE(a.group[0] != '\0');
		REQUIRE(strchr(a.group, '/') == NULL);
	}
	return 0;
}
