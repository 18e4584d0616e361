-- SPDX-License-Identifier: Apache-2.0
-- Whole devices, CPUs of one's own, and what an attempt used in every respect, over time, too.

alter table job
	add column gpus     integer not null default 0 check (gpus between 0 and 64),
	add column pin_cpus boolean not null default false;
comment on column job.gpus is 'Whole GPUs asked for.';
comment on column job.pin_cpus is 'Whether it asked for CPUs of its own to stay on.';

alter table job_queue
	add column gpus     integer not null default 0 check (gpus between 0 and 64),
	add column pin_cpus boolean not null default false;
comment on column job_queue.gpus is 'As in job.';
comment on column job_queue.pin_cpus is 'As in job.';

alter table job_use add column gpus bigint not null default 0;
comment on column job_use.gpus is 'GPUs that they hold.';
grant update (gpus) on job_use to wardian_sched;

-- NULL everywhere below: recorded before these columns were, so nobody knows.
alter table job_attempt
	add column stage_ns       bigint,
	add column launch_ns      bigint,
	add column collect_ns     bigint,
	add column faults_minor   bigint,
	add column faults_major   bigint,
	add column io_read_bytes  bigint,
	add column io_write_bytes bigint,
	add column processes_peak bigint,
	add column oom_kills      bigint,
	add column output_files_skipped bigint,
	add column fault_step     text,
	add column fault_errno    integer;
comment on column job_attempt.stage_ns is 'Nanoseconds from the order to start until the inputs lay in place; NULL: not known.';
comment on column job_attempt.launch_ns is 'Nanoseconds from there to the program''s first instruction; NULL: not known.';
comment on column job_attempt.collect_ns is 'Nanoseconds from the end of the last process until everything was kept; NULL: not known.';
comment on column job_attempt.faults_minor is 'Page faults that needed no disk, all processes; NULL: not known.';
comment on column job_attempt.faults_major is 'Page faults that did; NULL: not known.';
comment on column job_attempt.io_read_bytes is 'Bytes read from disks, all processes; NULL: not known.';
comment on column job_attempt.io_write_bytes is 'Bytes written to disks, all processes; NULL: not known.';
comment on column job_attempt.processes_peak is 'Most processes and threads at once; NULL: not known.';
comment on column job_attempt.oom_kills is 'Processes that the kernel ended for want of memory; NULL: not known.';
comment on column job_attempt.output_files_skipped is 'Files and directories in the working directory that were not kept: links, sockets and devices, unusable names, beyond a cap; NULL: not known.';
comment on column job_attempt.fault_step is 'Step at which the sandbox failed; NULL unless it did.';
comment on column job_attempt.fault_errno is 'Error number of that step; NULL: none.';

create table attempt_usage (
	tenant_id      uuid     not null,
	job_id         uuid     not null,
	epoch          bigint   not null,
	at_ms          bigint[] not null check (cardinality(at_ms) between 1 and 512),
	cpu_ns         bigint[] not null check (cardinality(cpu_ns) = cardinality(at_ms)),
	throttled_ns   bigint[] not null check (cardinality(throttled_ns) = cardinality(at_ms)),
	memory_bytes   bigint[] not null check (cardinality(memory_bytes) = cardinality(at_ms)),
	processes      bigint[] not null check (cardinality(processes) = cardinality(at_ms)),
	io_read_bytes  bigint[] not null check (cardinality(io_read_bytes) = cardinality(at_ms)),
	io_write_bytes bigint[] not null check (cardinality(io_write_bytes) = cardinality(at_ms)),
	primary key (tenant_id, job_id, epoch),
	foreign key (tenant_id, job_id, epoch) references job_attempt
);
comment on table attempt_usage is 'What an attempt used over time, one row with a point per interval; none for one that was over at once. Written by wardian_sched with job_attempt.';
comment on column attempt_usage.tenant_id is 'Whose job it is.';
comment on column attempt_usage.job_id is 'The job.';
comment on column attempt_usage.epoch is 'Lease epoch of the attempt.';
comment on column attempt_usage.at_ms is 'Milliseconds since its start, ascending; the n-th of each column belong together.';
comment on column attempt_usage.cpu_ns is 'Nanoseconds of CPU up to then, all processes.';
comment on column attempt_usage.throttled_ns is 'Nanoseconds spent waiting for CPU quota up to then.';
comment on column attempt_usage.memory_bytes is 'Bytes of memory held then.';
comment on column attempt_usage.processes is 'Processes and threads then.';
comment on column attempt_usage.io_read_bytes is 'Bytes read from disks up to then.';
comment on column attempt_usage.io_write_bytes is 'Bytes written to disks up to then.';

alter table attempt_usage enable row level security;
alter table attempt_usage force row level security;
create policy attempt_usage_api on attempt_usage to wardian_api
	using (tenant_id = (select nullif(current_setting('wardian.tenant_id', true), '')::uuid))
	with check (tenant_id = (select nullif(current_setting('wardian.tenant_id', true), '')::uuid));
create policy attempt_usage_sched on attempt_usage to wardian_sched using (true) with check (true);
create policy attempt_usage_platform on attempt_usage to wardian_platform using (true) with check (true);
create policy attempt_usage_platform_delete on attempt_usage as restrictive for delete to wardian_platform
	using (tenant_id in (select t.tenant_id from tenant t where t.state = 'deleting'));
grant select on attempt_usage to wardian_api;
grant select, insert on attempt_usage to wardian_sched;
grant delete on attempt_usage to wardian_platform;
grant select (tenant_id, ctid) on attempt_usage to wardian_platform;
