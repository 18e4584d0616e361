/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

/* The job as the API shows it.  Amounts read like those of the manifest: CPUs, seconds, bytes. */

static void
print_usage(const struct job *j, struct json_out *o)
{
	json_out_key(o, "usage");
	if (j->memory_peak_bytes == 0 && j->wall_ns == 0) {
		json_out_null(o); /* no attempt has ended */
		return;
	}
	json_out_begin(o);
	json_put_f64(o, "wall_s", (double)j->wall_ns / 1e9);
	json_put_f64(o, "cpu_s", (double)j->cpu_ns / 1e9);
	json_put_i64(o, "memory_peak_bytes", j->memory_peak_bytes);
	json_put_bool(o, "log_truncated", j->log_truncated);
	if (j->output_files_skipped < 0)
		json_put_null(o, "output_files_skipped");
	else
		json_put_i64(o, "output_files_skipped", j->output_files_skipped);
	json_out_end(o);
}

void
job_print(const struct job *j, bool with_manifest, struct json_out *o)
{
	char id[ID_STR_SIZE];

	json_out_begin(o);
	json_put_text(o, "id", id_format("job", j->id, id));
	json_put_text(o, "state", job_state_name(j->state));
	json_put_text(o, "project", id_format("prj", j->project, id));
	json_put_text(o, "environment", j->environment);
	json_put_text(o, "name", j->name);
	json_put_raw(o, "labels", j->labels);
	json_put_i64(o, "priority", j->priority);
	json_out_key(o, "resources");
	json_out_begin(o);
	json_put_f64(o, "cpus", (double)j->cpu_milli / 1000);
	json_put_i64(o, "memory_bytes", j->memory_bytes);
	json_put_i64(o, "gpus", j->gpus);
	json_put_bool(o, "pin_cpus", j->pin_cpus);
	json_out_end(o);
	json_put_i64(o, "attempt", j->attempt);
	json_put_time(o, "created_at", j->created_wall_us);
	json_put_time(o, "claimed_at", j->claimed_wall_us);
	json_put_time(o, "started_at", j->started_wall_us);
	json_put_time(o, "ended_at", j->ended_wall_us);
	json_put_time(o, "cancel_requested_at", j->cancel_requested_wall_us);
	json_out_key(o, "cause");
	json_out_raw(o, j->cause == NULL ? "null" : j->cause);
	print_usage(j, o);
	if (with_manifest) {
		job_wait_print(j->wait, o);
		json_put_raw(o, "manifest", j->manifest);
	}
	json_out_end(o);
}
