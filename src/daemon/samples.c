/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon_internal.h"

#include "fd.h"
#include "job.h"
#include "object.h"
#include "sandbox.h"

/* What a run on this node has used so far, for the API, which knows neither runs nor sandboxes. */

int
samples_read(int runs_dirfd, const struct samples_of *of, struct arena *mem,
    struct job_sample **ret, size_t *ret_n, struct err *e)
{
	AUTO_FD int run = -1;
	struct err why = { 0 };
	struct sandbox_sample *v;
	struct job_sample *copy;
	size_t n = 0;

	*ret = NULL;
	*ret_n = 0;
	if (object_open_run(runs_dirfd, of->tenant, of->run, of->epoch, &run, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0; /* it goes on elsewhere, or is not there yet */
		*e = why;
		return -1;
	}
	v = arena_array(mem, SANDBOX_SAMPLES_MAX, sizeof(*v));
	copy = arena_array(mem, SANDBOX_SAMPLES_MAX, sizeof(*copy));
	if (v == NULL || copy == NULL)
		return arena_err(e);
	if (sandbox_samples_read(run, v, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		copy[i] = (struct job_sample){ .at_ms = v[i].at_ms,
			.cpu_ns = v[i].cpu_ns,
			.throttled_ns = v[i].throttled_ns,
			.memory_bytes = v[i].memory_bytes,
			.processes = v[i].processes,
			.io_read_bytes = v[i].io_read_bytes,
			.io_write_bytes = v[i].io_write_bytes };
	*ret = copy;
	*ret_n = n;
	return 0;
}
