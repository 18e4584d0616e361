/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_INTERNAL_H
#define GPU_INTERNAL_H

/*
 * The GPUs that this spawner can lend.  Its own look at the host, not the daemon's word: a device
 * is lent by binding the file that was found at the start, so a request can only choose among
 * those.
 *
 * The worker stands in the host's mount namespace and clones what a run asked for as detached
 * mounts; the cell, which has its own mount namespace and perhaps another root by then, attaches
 * them. The descriptors can be inherited or sent.
 */

#include "gpu.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	GPU_LIBRARIES = 96, /* files and links of the driver's libraries; a driver has about 60 */
	GPU_LOANS = GPUS_MAX + GPU_CONTROLS + GPU_LIBRARIES
};

/* Opened by main() before it gives up its rights; immutable afterwards. */
struct gpu_host;
int gpu_host_open(const struct gpu_places *places, struct gpu_host **ret, struct err *e) MUST_CHECK;
/* Accepts NULL. */
void gpu_host_free(struct gpu_host *h);
/* Bit per device that can be lent.  Accepts NULL: none. */
uint64_t gpu_host_mask(const struct gpu_host *h);

/* What one run gets: detached mounts, each with the number of what it is in the gpu_host. */
struct gpu_loan {
	size_t n;
	struct {
		int fd;
		uint32_t what;
	} at[GPU_LOANS];
};
/*
 * In the worker.  libraries: the run has an unpacked root, which lacks the driver's libraries; they
 * come to /dev/gpu.  0, or -1 and errno, with nothing held: ENODEV for a bit that is no device.
 * gpus 0 lends nothing; h may be NULL: no devices.
 */
int gpu_lend(const struct gpu_host *h, uint64_t gpus, bool libraries, struct gpu_loan *ret);
/* Also of {0}. */
void gpu_loan_close(struct gpu_loan *l);

/*
 * In the cell, still root in the initial user namespace: puts a /dev of its own in the place of
 * root_fd's, with all that lies there now and the loan.  After root_add_dev and before anything is
 * mounted below /dev.  Does nothing for a loan of nothing.  0, or -1 and errno.  Step
 * SANDBOX_STEP_GPU.
 */
int root_add_gpus(int root_fd, const struct gpu_host *h, const struct gpu_loan *l);

#endif
