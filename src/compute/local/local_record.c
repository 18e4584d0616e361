/* SPDX-License-Identifier: Apache-2.0 */
/* Translation between the spawner's records and the words of compute.h; no I/O. */
#include "local_internal.h"

#include "caps.h"
#include "parse.h"

#include <errno.h>
#include <string.h>

enum {
	/* A simulator keeps its deck, its libraries and its outputs open; 1,024 is the usual soft
	 * limit and too few for a domain-decomposed case that opens a file per region. */
	OPEN_FILES = 4096,
	/* Inodes of the scratch file system: one per 16 KiB of it, and never too few for a small
	   case. */
	SCRATCH_BYTES_PER_FILE = 16384,
	SCRATCH_FILES_LEAST = 4096,
	SCRATCH_FILES_MOST = 1 << 24 /* several GiB of the kernel's memory for inodes alone */
};

static int64_t
scratch_files(int64_t disk_bytes)
{
	int64_t n = disk_bytes / SCRATCH_BYTES_PER_FILE;

	if (n < SCRATCH_FILES_LEAST)
		return SCRATCH_FILES_LEAST;
	return n < SCRATCH_FILES_MOST ? n : SCRATCH_FILES_MOST;
}

int
local_start_record(const struct compute_run *r, struct sandbox_request *ret, struct err *e)
{
	if (r->uid_slot < 0 || r->uid_slot > UINT32_MAX || r->id.epoch < 1)
		return err_set(e, ERR_INVALID, "the run has no usable uid slot or epoch");
	*ret = (struct sandbox_request){ .protocol = SANDBOX_PROTOCOL,
		.verb = SANDBOX_START,
		.id = { .tenant = r->id.tenant, .run = r->id.run, .epoch = r->id.epoch },
		.uid_slot = (uint32_t)r->uid_slot };
	ret->limits = (struct sandbox_limits){ .memory_bytes = r->memory_bytes,
		.cpu_milli = r->cpu_milli,
		.processes = r->processes,
		.scratch_bytes = r->disk_bytes,
		.scratch_files = scratch_files(r->disk_bytes),
		.open_files = OPEN_FILES,
		.wall_ms = r->wall_ms,
		.no_output_ms = r->no_output_ms,
		.log_bytes = r->log_bytes,
		/* What is kept came out of the scratch space, so it cannot be larger. */
		.output_bytes = r->disk_bytes,
		.output_files = CAP_OUTPUT_FILES,
		.grace_ms = r->grace_ms,
		.cpu_ms = r->cpu_ms,
		.io_read_bps = r->io_read_bps,
		.io_write_bps = r->io_write_bps };
	_Static_assert(sizeof(ret->root) == sizeof(r->root), "one digest");
	_Static_assert(sizeof(ret->cpu_set) == sizeof(r->cpu_set), "one set");
	memcpy(ret->root, r->root, sizeof(ret->root));
	memcpy(ret->cpu_set, r->cpu_set, sizeof(ret->cpu_set));
	ret->gpus = r->gpus;
	return 0;
}

static bool
kind_of(uint32_t kind, enum compute_event_kind *ret)
{
	switch ((enum sandbox_event_kind)kind) {
	case SANDBOX_STARTED:
		*ret = COMPUTE_STARTED;
		return true;
	case SANDBOX_FAILED:
	/* A request that the spawner does not take is, for whoever waits for the run, one that
	 * failed. */
	case SANDBOX_REFUSED:
		*ret = COMPUTE_FAILED;
		return true;
	case SANDBOX_ENDED:
		*ret = COMPUTE_ENDED;
		return true;
	case SANDBOX_LISTED:
		*ret = COMPUTE_LISTED;
		return true;
	case SANDBOX_LIST_END:
		*ret = COMPUTE_LIST_END;
		return true;
	case SANDBOX_READY:
	case SANDBOX_PURGED:
		return false;
	}
	return false; /* a newer spawner's news */
}

/* The scratch space is as large as the job asked for, so this is no fault of the sandbox. */
static bool
fills_scratch(uint32_t step, int sys)
{
	return step == SANDBOX_STEP_INPUTS && (sys == ENOSPC || sys == EDQUOT);
}

bool
local_event_of(const struct sandbox_event *in, struct compute_event *ret)
{
	struct compute_event ev = {
		.id = { .tenant = in->id.tenant, .run = in->id.run, .epoch = in->id.epoch }
	};

	if (!kind_of(in->kind, &ev.kind))
		return false;
	if (ev.kind == COMPUTE_FAILED) {
		ev.no_scratch = fills_scratch(in->step, in->sys);
		ev.what = sandbox_step_name(in->step);
		ev.sys = in->sys;
	}
	*ret = ev;
	return true;
}

static bool
outcome_kind_of(uint32_t outcome, enum compute_outcome_kind *ret)
{
	static const enum compute_outcome_kind kinds[] = { [SANDBOX_EXITED] = COMPUTE_EXITED,
		[SANDBOX_SIGNALED] = COMPUTE_SIGNALED,
		[SANDBOX_OOM] = COMPUTE_OOM,
		[SANDBOX_WALL] = COMPUTE_WALL,
		[SANDBOX_NO_OUTPUT] = COMPUTE_NO_OUTPUT,
		[SANDBOX_STOPPED] = COMPUTE_STOPPED,
		[SANDBOX_EXEC_FAILED] = COMPUTE_EXEC_FAILED,
		[SANDBOX_FAULT] = COMPUTE_FAULT,
		[SANDBOX_CPU_TIME] = COMPUTE_CPU_TIME };

	if (outcome < SANDBOX_EXITED || outcome >= ARRAY_LEN(kinds))
		return false;
	*ret = kinds[outcome];
	return true;
}

static bool
same_run(const struct compute_run_id *a, const struct sandbox_run_id *b)
{
	return uuid_cmp(a->tenant.uuid, b->tenant.uuid) == 0 && uuid_cmp(a->run, b->run) == 0 &&
	       a->epoch == b->epoch;
}

int
local_outcome_of(const struct compute_run_id *id, const struct sandbox_exit *in,
    struct compute_outcome *ret, struct err *e)
{
	enum compute_outcome_kind kind;

	if (!same_run(id, &in->id))
		return err_set(e, ERR_PROTOCOL, "the exit record belongs to another run");
	if (!outcome_kind_of(in->outcome, &kind))
		return err_set(e, ERR_PROTOCOL, "the exit record has an unknown outcome");
	if (kind == COMPUTE_FAULT && fills_scratch(in->step, in->sys))
		kind = COMPUTE_SCRATCH;
	*ret = (struct compute_outcome){ .kind = kind,
		.exit_code = in->exit_code,
		.signal = in->signal,
		.what = sandbox_step_name(in->step),
		.sys = in->sys,
		.started_wall_us = in->started_wall_us,
		.ended_wall_us = in->ended_wall_us,
		.wall_ns = in->wall_ns,
		.cpu_user_ns = in->cpu_user_ns,
		.cpu_system_ns = in->cpu_system_ns,
		.memory_peak_bytes = in->memory_peak_bytes,
		.oom_kills = in->oom_kills,
		.throttled_ns = in->throttled_ns,
		.log_bytes = in->log_bytes,
		.output_files = in->output_files,
		.output_bytes = in->output_bytes,
		.output_files_skipped = in->output_files_skipped,
		.stage_ns = in->stage_ns,
		.launch_ns = in->launch_ns,
		.collect_ns = in->collect_ns,
		.faults_minor = in->faults_minor,
		.faults_major = in->faults_major,
		.io_read_bytes = in->io_read_bytes,
		.io_write_bytes = in->io_write_bytes,
		.processes_peak = in->processes_peak,
		.log_truncated = in->log_truncated != 0 };
	return 0;
}

const char *
compute_outcome_name(enum compute_outcome_kind k)
{
	static const char *const names[] = { [COMPUTE_EXITED] = "exited",
		[COMPUTE_SIGNALED] = "signaled",
		[COMPUTE_OOM] = "oom",
		[COMPUTE_WALL] = "wall",
		[COMPUTE_NO_OUTPUT] = "no-output",
		[COMPUTE_STOPPED] = "stopped",
		[COMPUTE_EXEC_FAILED] = "exec-failed",
		[COMPUTE_FAULT] = "fault",
		[COMPUTE_CPU_TIME] = "cpu-time",
		[COMPUTE_SCRATCH] = "scratch",
		[COMPUTE_GONE] = "gone" };

	REQUIRE((size_t)k < ARRAY_LEN(names));
	return names[k];
}

/* --- what a run has to itself ----------------------------------------------------------------- */

enum { HELD_MAGIC = 0x444c4857 /* "WHLD" */, HELD_VERSION = 1 };

_Static_assert(sizeof(struct local_held) == 16 + 8 * COMPUTE_CPU_WORDS, "no padding in a record");

bool
local_held_of(const struct compute_run *r, struct local_held *ret)
{
	uint64_t any = r->gpus;

	*ret = (struct local_held){ .magic = HELD_MAGIC, .version = HELD_VERSION, .gpus = r->gpus };
	for (size_t i = 0; i < COMPUTE_CPU_WORDS; i++)
		any |= ret->cpu_set[i] = r->cpu_set[i];
	return any != 0;
}

int
local_held_decode(const void *p, size_t n, struct local_held *ret, struct err *e)
{
	struct local_held h;

	if (n != sizeof(h))
		return err_set(e, ERR_PROTOCOL, "the file of what a run holds has another size");
	memcpy(&h, p, sizeof(h));
	if (h.magic != HELD_MAGIC || h.version != HELD_VERSION)
		return err_set(
		    e, ERR_PROTOCOL, "the file of what a run holds is none of this version");
	*ret = h;
	return 0;
}

bool
local_run_name_parse(const char *name, struct uuid *ret_run, int64_t *ret_epoch)
{
	char text[UUID_STR_SIZE];
	struct err ignored = { 0 }; /* another name is no fault */

	if (strnlen(name, UUID_STR_SIZE) < UUID_STR_SIZE || name[UUID_STR_SIZE - 1] != '.')
		return false;
	memcpy(text, name, UUID_STR_SIZE - 1);
	text[UUID_STR_SIZE - 1] = '\0';
	return uuid_parse(text, ret_run, &ignored) == 0 &&
	       parse_i64(name + UUID_STR_SIZE, 1, INT64_MAX, ret_epoch, &ignored) == 0;
}
