/* SPDX-License-Identifier: Apache-2.0 */
#include "job.h"

#include <string.h>

/* Attempts and what they used over time, as the API shows them: seconds, bytes, counts. */

static double
seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

static void
put_count(struct json_out *o, const char *name, bool known, int64_t v)
{
	if (known)
		json_put_i64(o, name, v);
	else
		json_put_null(o, name);
}

static void
put_seconds(struct json_out *o, const char *name, bool known, int64_t ns)
{
	if (known)
		json_put_f64(o, name, seconds(ns));
	else
		json_put_null(o, name);
}

/* Where the time went, in the order in which it did. */
static void
print_phases(const struct job_attempt_view *v, struct json_out *o)
{
	const struct job_attempt *a = &v->did;
	int64_t queued_us = v->claimed_wall_us - v->queued_wall_us;

	json_out_key(o, "phases");
	json_out_begin(o);
	json_put_f64(o, "queued_s", queued_us > 0 ? (double)queued_us / 1e6 : 0);
	put_seconds(o, "stage_s", v->detailed, a->stage_ns);
	put_seconds(o, "launch_s", v->detailed, a->launch_ns);
	put_seconds(o, "run_s", v->recorded, a->wall_ns);
	put_seconds(o, "collect_s", v->detailed, a->collect_ns);
	json_out_end(o);
}

static void
print_usage(const struct job_attempt_view *v, struct json_out *o)
{
	const struct job_attempt *a = &v->did;

	json_out_key(o, "usage");
	if (!v->recorded) {
		json_out_null(o);
		return;
	}
	json_out_begin(o);
	json_put_f64(o, "wall_s", seconds(a->wall_ns));
	json_put_f64(o, "cpu_s", seconds(a->cpu_user_ns + a->cpu_system_ns));
	json_put_f64(o, "cpu_user_s", seconds(a->cpu_user_ns));
	json_put_f64(o, "cpu_system_s", seconds(a->cpu_system_ns));
	json_put_f64(o, "throttled_s", seconds(a->throttled_ns));
	json_put_i64(o, "memory_peak_bytes", a->memory_peak_bytes);
	put_count(o, "processes_peak", v->detailed, a->processes_peak);
	put_count(o, "faults_minor", v->detailed, a->faults_minor);
	put_count(o, "faults_major", v->detailed, a->faults_major);
	put_count(o, "io_read_bytes", v->detailed, a->io_read_bytes);
	put_count(o, "io_write_bytes", v->detailed, a->io_write_bytes);
	put_count(o, "oom_kills", v->detailed, a->oom_kills);
	json_put_i64(o, "log_bytes", a->log_bytes);
	json_put_bool(o, "log_truncated", a->log_truncated);
	json_put_i64(o, "output_files", a->output_files);
	json_put_i64(o, "output_bytes", a->output_bytes);
	put_count(o, "output_files_skipped", v->detailed, a->output_files_skipped);
	json_out_end(o);
}

/* What failed in the sandbox itself. */
static void
print_fault(const struct job_attempt *a, struct json_out *o)
{
	json_out_key(o, "fault");
	if (a->fault_step == NULL) {
		json_out_null(o);
		return;
	}
	json_out_begin(o);
	json_put_text(o, "step", a->fault_step);
	json_put_text(
	    o, "errno", a->fault_errno == 0 ? NULL : strerrorname_np((int)a->fault_errno));
	json_out_end(o);
}

static const char *
outcome(const struct job_attempt_view *v)
{
	if (v->recorded)
		return v->did.outcome;
	return v->did.ended_wall_us != 0 ? "lost" : NULL;
}

void
job_attempt_print(const struct job_attempt_view *v, struct json_out *o)
{
	const struct job_attempt *a = &v->did;
	const char *how = outcome(v);
	char node[UUID_STR_SIZE];

	json_out_begin(o);
	json_put_i64(o, "number", a->epoch);
	json_put_text(o, "outcome", how);
	put_count(o, "exit_code", how != NULL && strcmp(how, "exited") == 0, a->exit_code);
	put_count(o, "signal", how != NULL && strcmp(how, "signaled") == 0, a->signal);
	json_out_key(o, "cause");
	json_out_raw(o, v->cause == NULL ? "null" : v->cause);
	print_fault(a, o);
	json_put_text(o, "node", uuid_is_nil(a->node) ? NULL : uuid_format(a->node, node));
	json_put_time(o, "claimed_at", v->claimed_wall_us);
	json_put_time(o, "started_at", a->started_wall_us);
	json_put_time(o, "ended_at", a->ended_wall_us);
	print_phases(v, o);
	print_usage(v, o);
	json_out_end(o);
}

void
job_sample_print(const struct job_sample *s, struct json_out *o)
{
	json_out_begin(o);
	json_put_f64(o, "at_s", (double)s->at_ms / 1000);
	json_put_f64(o, "cpu_s", seconds(s->cpu_ns));
	json_put_f64(o, "throttled_s", seconds(s->throttled_ns));
	json_put_i64(o, "memory_bytes", s->memory_bytes);
	json_put_i64(o, "processes", s->processes);
	json_put_i64(o, "io_read_bytes", s->io_read_bytes);
	json_put_i64(o, "io_write_bytes", s->io_write_bytes);
	json_out_end(o);
}

/* --- fewer points ----------------------------------------------------------------------------- */

/* Moves one point, or the two with least and most memory in their order, to the front; the count.
 */
static size_t
extremes(struct job_sample *to, const struct job_sample *v, size_t n)
{
	size_t least = 0, most = 0;
	struct job_sample a, b;

	for (size_t i = 1; i < n; i++) {
		if (v[i].memory_bytes < v[least].memory_bytes)
			least = i;
		if (v[i].memory_bytes > v[most].memory_bytes)
			most = i;
	}
	a = v[least < most ? least : most];
	b = v[least < most ? most : least];
	to[0] = a; /* may lie where v does, so b was read before */
	if (least == most)
		return 1;
	to[1] = b;
	return 2;
}

size_t
job_samples_thin(struct job_sample *v, size_t n, size_t most)
{
	size_t stretches = (most - 2) / 2, inner = n - 2, kept = 1;
	struct job_sample last;

	REQUIRE(most >= 4);
	if (n <= most)
		return n;
	last = v[n - 1];
	for (size_t i = 0; i < stretches; i++) {
		size_t from = 1 + inner * i / stretches, to = 1 + inner * (i + 1) / stretches;

		/* Of `to - from` >= 2 points two stay at most, so what is read next is not written.
		 */
		kept += extremes(v + kept, v + from, to - from);
	}
	v[kept++] = last;
	return kept;
}
