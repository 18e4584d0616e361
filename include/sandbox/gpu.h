/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GPU_H
#define GPU_H

/*
 * The GPUs of this machine, found by looking at the driver's character devices and its directory in
 * /proc.  A device is named by its minor number, which is its bit in the records; the daemon and
 * the spawner look for themselves, so neither believes the other.
 */

#include "base.h"
#include "err.h"

enum { GPUS_MAX = 64, GPU_TEXT_SIZE = 64, GPU_CONTROLS = 4 };

struct gpu {
	uint32_t minor;            /* of /dev/nvidia<minor>; below GPUS_MAX */
	char model[GPU_TEXT_SIZE]; /* "" when the driver does not tell */
	char uuid[GPU_TEXT_SIZE];  /* "GPU-...", or "" */
	char bus[GPU_TEXT_SIZE];   /* PCI address, or "" */
	int64_t memory_bytes;      /* 0 when nobody tells */
};
struct gpus {
	size_t n;
	struct gpu at[GPUS_MAX]; /* by minor number */
	size_t n_closed;   /* devices left out because not everyone may open them: no job could */
	uint32_t controls; /* bit per control node that is there */
};

/* Where to look; the defaults are NULL, tests name directories of their own. */
struct gpu_places {
	const char *dev;       /* "/dev" */
	const char *proc;      /* "/proc": devices, and driver/nvidia/gpus */
	const char *libraries; /* the driver's; the directories where distributions put them */
};
/* An empty list is no error.  Character devices with the numbers that the kernel gave the driver
 * only: a file, a link, or a node that another driver answers to, is none. */
int gpu_list(const struct gpu_places *places, struct gpus *ret, struct err *e) MUST_CHECK;
/* Bit per device. */
uint64_t gpu_mask(const struct gpus *g);
/* Fills memory_bytes from lines of "uuid, MiB", which is what nvidia-smi prints for
 * --query-gpu=uuid,memory.total --format=csv,noheader,nounits.  What makes no sense is passed over.
 * Pure. */
void gpu_memory_read(const char *text, struct gpus *g);

/* What a GPU job needs beside its devices: nvidiactl always, the others where they are. */
enum gpu_control { GPU_CONTROL_CTL, GPU_CONTROL_UVM, GPU_CONTROL_UVM_TOOLS, GPU_CONTROL_MODESET };
const char *gpu_control_name(enum gpu_control c); /* below dev */
/*
 * Opens (O_PATH) one node for lending, with the checks of gpu_list: `name` is "nvidia<minor>" or a
 * control's.  ERR_NOT_FOUND when there is none, ERR_DENIED when not everyone may open it.
 */
int gpu_open(
    const struct gpu_places *places, const char *name, int *ret_fd, struct err *e) MUST_CHECK;

#endif
