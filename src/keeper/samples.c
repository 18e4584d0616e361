/* SPDX-License-Identifier: Apache-2.0 */
/* What the run used so far, written down once a second and later less often. */
#include "account.h"

#include "keeper_internal.h"

enum { MS = 1000000 };

/* The first instant of the file's interval, counted from the start, that is still to come. */
static struct deadline
due_after(const struct keeper *k, int64_t at_ms, int64_t interval_ms)
{
	const int64_t next_ms = (at_ms / interval_ms + 1) * interval_ms;

	return (struct deadline){ .mono_ns = k->account.started_ns + next_ms * MS };
}

void
sampler_begin(struct sampler *s, const struct keeper *k)
{
	*s = (struct sampler){ .next = due_after(k, 0, SANDBOX_SAMPLE_MS) };
	sandbox_samples_init(&s->file, KEEPER_FD_OUT);
}

void
sampler_look(struct sampler *s, struct keeper *k)
{
	struct sandbox_sample v;
	struct err e = { 0 };

	if (!deadline_passed(s->next))
		return;
	v = (struct sandbox_sample){
		.at_ms = (clock_mono_ns() - k->account.started_ns) / MS,
		.cpu_ns = account_used(k, CGROUP_STAT_CPU),
		.throttled_ns = account_used(k, CGROUP_STAT_THROTTLED),
		.memory_bytes = account_now(k, CGROUP_STAT_MEMORY),
		.processes = account_now(k, CGROUP_STAT_PROCESSES),
		.io_read_bytes = account_io(k, CGROUP_STAT_IO_READ),
		.io_write_bytes = account_io(k, CGROUP_STAT_IO_WRITE),
	};
	if (v.processes > k->account.processes_seen)
		k->account.processes_seen = v.processes;
	/* A full disk ends the samples, not the run. */
	if (sandbox_samples_add(&s->file, &v, &e) < 0)
		s->next = (struct deadline){ 0 };
	else
		s->next = due_after(k, v.at_ms, s->file.interval_ms);
}

void
sampler_close(struct sampler *s)
{
	sandbox_samples_done(&s->file);
}
