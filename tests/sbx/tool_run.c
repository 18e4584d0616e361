/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one command in a sandbox by hand and prints what became of it:
 *   sbx-run [-i INPUT_DIRECTORY] [-m MEMORY_MIB] [-n REPEATS] /usr/bin/program argument...
 */
#include "rig.h"

#include "clock.h"
#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
main(int argc, char **argv)
{
	struct rig_run run = { .limits = rig_limits() };
	struct rig_result res = { 0 };
	int64_t n = 1, mib = 1024;
	int64_t *us;
	struct err e = { 0 };
	struct rig rig;
	int c;

	while ((c = getopt(argc, argv, "+i:m:n:")) != -1) {
		if (c == 'i')
			run.in_dir = optarg;
		else if (c == '?' || parse_i64(optarg, 1, 100000, c == 'm' ? &mib : &n, &e) < 0)
			return 2;
	}
	run.limits.memory_bytes = mib * MIB;
	run.limits.scratch_bytes = mib * MIB / 2;
	run.argv = (const char *const *)(argv + optind);
	us = calloc((size_t)n, sizeof(*us));
	if (us == NULL)
		return 1;
	rig_open(&rig);
	for (int64_t i = 0; i < n; i++) {
		int64_t t;

		rig_done(&res);
		rig_start(&rig, &run, &res);
		t = clock_mono_ns();
		rig_wait(&rig, &res, 120000);
		us[i] = (clock_mono_ns() - t) / 1000;
		rig_collect(&rig, &res);
	}
	qsort(us, (size_t)n, sizeof(*us), by_value);
	printf("%s\n--- started %d failed %d refused %d ended %d step %s sys %d %s\n", res.log,
	    res.started, res.failed, res.refused, res.ended, sandbox_step_name(res.step), res.sys,
	    res.sys != 0 ? strerror(res.sys) : "");
	printf(
	    "--- record %d outcome %u code %d signal %d step %s sys %d wall %jd us cpu %jd+%jd us "
	    "peak %jd oom %jd files %jd (%jd bytes) skipped %jd\n",
	    res.has_exit, res.exit.outcome, res.exit.exit_code, res.exit.signal,
	    sandbox_step_name(res.exit.step), res.exit.sys, (intmax_t)res.exit.wall_ns / 1000,
	    (intmax_t)res.exit.cpu_user_ns / 1000, (intmax_t)res.exit.cpu_system_ns / 1000,
	    (intmax_t)res.exit.memory_peak_bytes, (intmax_t)res.exit.oom_kills,
	    (intmax_t)res.exit.output_files, (intmax_t)res.exit.output_bytes,
	    (intmax_t)res.exit.output_files_skipped);
	printf("--- start to end: median %jd us, min %jd us, n %jd\n", (intmax_t)us[n / 2],
	    (intmax_t)us[0], (intmax_t)n);
	rig_done(&res);
	free(us);
	rig_close(&rig);
	return 0;
}
