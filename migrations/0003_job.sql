-- SPDX-License-Identifier: Apache-2.0
-- Jobs.  A live job has a row in job_queue and a state there; a finished one has an end_state in job
-- and no row in job_queue: the two sets of states are disjoint, and one statement (job_move) writes
-- both.  job_queue is small and hot: no index holds a column that changes, so updates stay HOT.

create table job (
	tenant_id         uuid        not null references tenant,
	job_id            uuid        not null,
	environment       text        not null,
	environment_digest text       not null,
	name              text,
	labels            jsonb       not null default '{}',
	priority          integer     not null,
	cpu_milli         bigint      not null,
	memory_bytes      bigint      not null,
	created_at        timestamptz not null default now(),
	created_by        uuid        not null,
	end_state         text        check (end_state in ('succeeded', 'failed', 'canceled')),
	claimed_at        timestamptz,
	started_at        timestamptz,
	ended_at          timestamptz,
	cancel_requested_at timestamptz,
	attempts          integer     not null default 0,
	last_epoch        bigint      not null default 0,
	cause             jsonb,
	primary key (tenant_id, job_id),
	check ((end_state is null) = (ended_at is null))
);
create index job_end_state on job (tenant_id, end_state, job_id) where end_state is not null;
comment on table job is 'Every job ever accepted. Inserted by wardian_api; its end is written by wardian_sched.';
comment on column job.tenant_id is 'Whose job it is.';
comment on column job.job_id is 'UUIDv7: creation order.';
comment on column job.environment is 'Name of the environment it runs in.';
comment on column job.environment_digest is 'Digest of the environment''s profile when the job was accepted.';
comment on column job.name is 'The submitter''s name for it; NULL: none.';
comment on column job.labels is 'Object of texts given by the submitter.';
comment on column job.priority is '-100 to 100, greater is sooner within the tenant.';
comment on column job.cpu_milli is 'Thousandths of CPUs asked for.';
comment on column job.memory_bytes is 'Bytes of memory asked for.';
comment on column job.created_at is 'When it was accepted.';
comment on column job.created_by is 'api_key.key_id of the submitter.';
comment on column job.end_state is 'How it ended; NULL while it is alive, then job_queue.state tells.';
comment on column job.claimed_at is 'When the last lease began, written at the end; NULL: never claimed.';
comment on column job.started_at is 'When the last attempt''s simulation began; NULL: never.';
comment on column job.ended_at is 'When it reached its end_state; NULL while alive.';
comment on column job.cancel_requested_at is 'When the wish to cancel was given, written at the end; NULL: none.';
comment on column job.attempts is 'Attempts that counted, written at the end.';
comment on column job.last_epoch is 'Epoch of the last attempt, written at the end; 0: none.';
comment on column job.cause is 'Why it did not succeed; NULL when it did or is alive.';

create table job_manifest (
	tenant_id uuid  not null,
	job_id    uuid  not null,
	manifest  jsonb not null,
	primary key (tenant_id, job_id),
	foreign key (tenant_id, job_id) references job
);
comment on table job_manifest is 'What was submitted, kept apart because it is wide and read rarely.';
comment on column job_manifest.tenant_id is 'Whose job it is.';
comment on column job_manifest.job_id is 'The job.';
comment on column job_manifest.manifest is 'The body of the request.';

create table job_queue (
	tenant_id           uuid        not null,
	job_id              uuid        not null,
	state               text        not null default 'queued'
	                    check (state in ('queued', 'claimed', 'running', 'canceling')),
	priority            integer     not null,
	queued_at           timestamptz not null default now(),
	not_before          timestamptz,
	cpu_milli           bigint      not null,
	memory_bytes        bigint      not null,
	attempt             integer     not null default 0,
	max_attempts        integer     not null,
	moves               integer     not null default 0,
	lease_owner         uuid,
	lease_epoch         bigint      not null default 0,
	lease_until         timestamptz,
	claimed_at          timestamptz,
	started_at          timestamptz,
	cancel_requested_at timestamptz,
	primary key (tenant_id, job_id),
	foreign key (tenant_id, job_id) references job,
	check ((lease_owner is null) = (lease_until is null)),
	check ((state = 'queued') = (lease_owner is null))
) with (fillfactor = 50);
-- The order in which a tenant's jobs are looked at: columns that never change.
create index job_queue_order on job_queue (tenant_id, priority desc, job_id);
-- Wishes to cancel, which are few: the predicate changes once in the life of such a job.
create index job_queue_wish on job_queue (tenant_id, job_id) where cancel_requested_at is not null;
comment on table job_queue is 'Jobs that are alive. Inserted by wardian_api, moved by wardian_sched, deleted at the end.';
comment on column job_queue.tenant_id is 'Whose job it is.';
comment on column job_queue.job_id is 'The job.';
comment on column job_queue.state is 'Where it stands; written by the statement job_move alone.';
comment on column job_queue.priority is 'As in job.';
comment on column job_queue.queued_at is 'Since when it waits: its creation or its last return to the queue.';
comment on column job_queue.not_before is 'Not claimed earlier (retry delay); NULL: at once.';
comment on column job_queue.cpu_milli is 'As in job.';
comment on column job_queue.memory_bytes is 'As in job.';
comment on column job_queue.attempt is 'Attempts begun that count.';
comment on column job_queue.max_attempts is 'Attempts allowed.';
comment on column job_queue.moves is 'Moves made; the number of the next row in job_event.';
comment on column job_queue.lease_owner is 'Node that holds it; NULL while queued.';
comment on column job_queue.lease_epoch is 'Grows by one with each claim; fences every later write.';
comment on column job_queue.lease_until is 'When the lease runs out (database clock); NULL while queued.';
comment on column job_queue.claimed_at is 'When the present lease began; NULL while queued for the first time.';
comment on column job_queue.started_at is 'When the present attempt''s simulation began; NULL: not yet.';
comment on column job_queue.cancel_requested_at is 'A wish, written by wardian_api; NULL: none.';

create table job_event (
	tenant_id  uuid        not null,
	job_id     uuid        not null,
	number     integer     not null,
	at         timestamptz not null default clock_timestamp(),
	from_state text        not null,
	to_state   text        not null,
	event      text        not null,
	epoch      bigint      not null,
	detail     jsonb,
	primary key (tenant_id, job_id, number),
	foreign key (tenant_id, job_id) references job
);
comment on table job_event is 'Every move of every job, in order and without gaps. Written by job_move.';
comment on column job_event.tenant_id is 'Whose job it is.';
comment on column job_event.job_id is 'The job.';
comment on column job_event.number is 'From 0, without gaps within a job.';
comment on column job_event.at is 'When it happened (database clock).';
comment on column job_event.from_state is 'State before.';
comment on column job_event.to_state is 'State after.';
comment on column job_event.event is 'What caused the move, a name of job_fsm.def.';
comment on column job_event.epoch is 'Lease epoch under which it was made.';
comment on column job_event.detail is 'More about it; NULL: nothing.';

create table job_attempt (
	tenant_id         uuid        not null,
	job_id            uuid        not null,
	epoch             bigint      not null,
	node_id           uuid        not null,
	outcome           text        not null,
	exit_code         integer     not null,
	signal            integer     not null,
	started_at        timestamptz,
	ended_at          timestamptz not null,
	wall_ns           bigint      not null,
	cpu_user_ns       bigint      not null,
	cpu_system_ns     bigint      not null,
	memory_peak_bytes bigint      not null,
	throttled_ns      bigint      not null,
	log_bytes         bigint      not null,
	output_files      bigint      not null,
	output_bytes      bigint      not null,
	log_truncated     boolean     not null,
	primary key (tenant_id, job_id, epoch),
	foreign key (tenant_id, job_id) references job
);
comment on table job_attempt is 'One row per attempt that ended, in the transaction of its move: what it used, counted once.';
comment on column job_attempt.tenant_id is 'Whose job it is.';
comment on column job_attempt.job_id is 'The job.';
comment on column job_attempt.epoch is 'Lease epoch of the attempt.';
comment on column job_attempt.node_id is 'Node that ran it.';
comment on column job_attempt.outcome is 'How the sandbox ended: exited, signaled, oom, wall, ...';
comment on column job_attempt.exit_code is 'Exit code; meaningless unless exited.';
comment on column job_attempt.signal is 'Signal; 0 unless signaled.';
comment on column job_attempt.started_at is 'When the simulation began; NULL: it did not.';
comment on column job_attempt.ended_at is 'When it was over.';
comment on column job_attempt.wall_ns is 'Nanoseconds of wall time, by the monotonic clock.';
comment on column job_attempt.cpu_user_ns is 'Nanoseconds of CPU in user mode, all processes.';
comment on column job_attempt.cpu_system_ns is 'Nanoseconds of CPU in the kernel, all processes.';
comment on column job_attempt.memory_peak_bytes is 'Peak of the cgroup, page cache and tmpfs included.';
comment on column job_attempt.throttled_ns is 'Nanoseconds spent waiting for CPU quota.';
comment on column job_attempt.log_bytes is 'Bytes written to stdout and stderr, kept or not.';
comment on column job_attempt.output_files is 'Files kept.';
comment on column job_attempt.output_bytes is 'Bytes kept.';
comment on column job_attempt.log_truncated is 'Whether log bytes were dropped.';

create table idempotency (
	tenant_id   uuid        not null references tenant,
	key         text        not null check (length(key) between 1 and 255),
	fingerprint bytea       not null check (length(fingerprint) = 32),
	resource_id uuid        not null,
	created_at  timestamptz not null default now(),
	primary key (tenant_id, key)
);
comment on table idempotency is 'Idempotency keys of requests that created something, in the transaction of the creation.';
comment on column idempotency.tenant_id is 'Whose request it was.';
comment on column idempotency.key is 'Idempotency-Key of the request.';
comment on column idempotency.fingerprint is 'SHA-256 of method, route and body.';
comment on column idempotency.resource_id is 'What was created.';
comment on column idempotency.created_at is 'When; kept for at least 24 hours.';

-- Row-level security, the same for each.
do $$
declare
	t text;
	mine constant text := 'tenant_id = (select nullif(current_setting(''wardian.tenant_id'', true), '''')::uuid)';
begin
	foreach t in array array['job', 'job_manifest', 'job_queue', 'job_event', 'job_attempt', 'idempotency'] loop
		execute format('alter table %I enable row level security', t);
		execute format('alter table %I force row level security', t);
		execute format('create policy %I on %I to wardian_api using (%s) with check (%s)', t || '_api', t, mine, mine);
		execute format('create policy %I on %I to wardian_sched using (true) with check (true)', t || '_sched', t);
	end loop;
end
$$;

grant select, insert on job, job_manifest, job_queue, idempotency to wardian_api;
grant update (cancel_requested_at) on job_queue to wardian_api;
grant select on job_event, job_attempt to wardian_api;

grant select, delete on job_queue to wardian_sched;
grant update (state, queued_at, not_before, attempt, moves, lease_owner, lease_epoch, lease_until,
	claimed_at, started_at) on job_queue to wardian_sched;
grant select on job, job_manifest to wardian_sched;
grant update (end_state, claimed_at, started_at, ended_at, cancel_requested_at, attempts, last_epoch,
	cause) on job to wardian_sched;
grant select, insert on job_event, job_attempt to wardian_sched;
