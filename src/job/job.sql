-- SPDX-License-Identifier: Apache-2.0
-- Each statement of a tenant names the tenant itself: a second wall beside row-level security, and
-- what lets the primary key be used.  States are assigned by job_move alone.

-- :name job_admission :role api
-- What decides about a submission before anything is written, as rows of four kinds (few plan nodes,
-- which is what this costs): the project, by id ($2) or name ($3), once or once per limit of its own,
-- with the number of the tenant's last change and today's day (UTC, since 1970); an earlier use of
-- the idempotency key ($4); limits of the tenant; what is used, by project.
select 'project' as kind, p.project_id as id, l.name, coalesce(l.amount, 0) as v0,
	(p.archived_at is not null)::integer::bigint as v1, h.number as v2,
	((now() at time zone 'UTC')::date - date '1970-01-01')::bigint as v3, null::bytea as fingerprint
from project p
join audit_head h on h.tenant_id = $1::uuid
left join project_quota l on l.tenant_id = $1::uuid and l.project_id = p.project_id
where p.tenant_id = $1::uuid and (p.project_id = $2::uuid or p.name = $3::text)
union all
select 'key', i.resource_id, null, 0, 0, 0, 0, i.fingerprint
from idempotency i where i.tenant_id = $1::uuid and i.key = $4::text
union all
select 'limit', null, k.name, k.amount, 0, 0, 0, null
from tenant_quota k where k.tenant_id = $1::uuid and k.amount is not null
union all
select 'use', u.project_id, null, d.accepted - u.jobs_left, d.jobs, u.output_bytes,
	d.day - date '1970-01-01', null
from job_use u
cross join lateral (
	select d.day, d.jobs, d.accepted from job_day d
	where d.tenant_id = $1::uuid and d.project_id = u.project_id
	order by d.day desc limit 1) d
where u.tenant_id = $1::uuid;

-- :name job_day_open :role api
-- Counters for a project's first job ever, or its first of a day ($3, since 1970).
with held as (
	insert into job_use (tenant_id, project_id)
	select p.tenant_id, p.project_id from project p
	where p.tenant_id = $1::uuid and p.project_id = $2::uuid
	on conflict (tenant_id, project_id) do nothing
)
insert into job_day (tenant_id, project_id, day, jobs, accepted)
select p.tenant_id, p.project_id, date '1970-01-01' + $3::integer, 0,
	coalesce((select d.accepted from job_day d
		where d.tenant_id = $1::uuid and d.project_id = $2::uuid
		order by d.day desc limit 1), 0)
from project p
where p.tenant_id = $1::uuid and p.project_id = $2::uuid
on conflict (tenant_id, project_id, day) do nothing;

-- :name job_accept :role api
-- Accepts a job into project $3: counted on day $14, described, queued.  Nothing is written when the
-- project has been archived, or when the tenant's changes have gone beyond number $15: each adds at
-- most one job, so up to there the limits hold as they were seen.
with counted as (
	update job_day d set jobs = d.jobs + 1, accepted = d.accepted + 1
	from project p, audit_head h
	where d.tenant_id = $1::uuid and d.project_id = $3::uuid
	  and d.day = date '1970-01-01' + $14::integer
	  and p.tenant_id = $1::uuid and p.project_id = $3::uuid and p.archived_at is null
	  and h.tenant_id = $1::uuid and h.number <= $15::bigint
	returning d.project_id
), described as (
	insert into job (tenant_id, job_id, project_id, environment, environment_digest, name,
		labels, priority, cpu_milli, memory_bytes, created_by, gpus, pin_cpus)
	select $1::uuid, $2::uuid, c.project_id, $4::text, $5::text, $6::text,
		$7::jsonb, $8::integer, $9::bigint, $10::bigint, $11::uuid, $16::integer, $17::boolean
	from counted c
), kept as (
	insert into job_manifest (tenant_id, job_id, manifest)
	select $1::uuid, $2::uuid, $12::jsonb from counted c
)
insert into job_queue (tenant_id, job_id, project_id, priority, cpu_milli, memory_bytes, max_attempts,
	gpus, pin_cpus)
select $1::uuid, $2::uuid, c.project_id, $8::integer, $9::bigint, $10::bigint, $13::integer,
	$16::integer, $17::boolean
from counted c;

-- :name job_idempotency_insert :role api
-- A second request with the key breaks idempotency_pkey, whoever commits first.
insert into idempotency (tenant_id, key, fingerprint, resource_id)
values ($1::uuid, $2::text, $3::bytea, $4::uuid);

-- :name job_get :role api
-- One job: what was asked, where it stands, and what its last attempt used.
select j.job_id, j.project_id, coalesce(j.end_state, q.state) as state, j.environment, j.name, j.labels,
	j.cause, j.priority,
	coalesce(q.attempt, j.attempts) as attempt, coalesce(q.lease_epoch, j.last_epoch) as epoch,
	j.cpu_milli, j.memory_bytes, j.gpus, j.pin_cpus, j.created_at,
	coalesce(q.claimed_at, j.claimed_at) as claimed_at,
	case when j.end_state is null then q.started_at
	     else coalesce(j.started_at, case when a.epoch = j.last_epoch then a.started_at end)
	end as started_at,
	j.ended_at,
	coalesce(q.cancel_requested_at, j.cancel_requested_at) as cancel_requested_at,
	a.wall_ns, a.cpu_user_ns + a.cpu_system_ns as cpu_ns, a.memory_peak_bytes,
	coalesce(a.log_truncated, false) as log_truncated,
	coalesce(a.output_files_skipped, -1) as output_files_skipped, m.manifest
from job j
join job_manifest m on m.tenant_id = $1::uuid and m.job_id = j.job_id
left join job_queue q on q.tenant_id = $1::uuid and q.job_id = j.job_id
left join lateral (
	select a.* from job_attempt a where a.tenant_id = $1::uuid and a.job_id = j.job_id
	order by a.epoch desc limit 1) a on true
where j.tenant_id = $1::uuid and j.job_id = $2::uuid
  and ($3::uuid[] is null or j.project_id = any ($3::uuid[]));

-- :name job_list :role api
-- A page of jobs older than $2, newest first: of any state, of an end state ($3), or of a live one
-- ($8); of all projects or of some ($9).  Only one of the six branches runs, so that each uses its
-- own index: a tenant with a million finished jobs and three queued ones finds those three at once,
-- and so does one who sees a single small project.  (Live states have no index, so running ones
-- behind a backlog cost a walk over the tenant's part of the queue.)  The limits of 1 keep the
-- planner from reading whole tables for the sake of one page, whatever it knew of them; rows are
-- compared and sorted as pairs so that only the index of a project will do, however many of the
-- tenant's jobs lie in others.  The filter on labels is not leakproof and therefore never an index
-- condition; it runs after the tenant's.
with page as (
	(select j.job_id from job j
	 where j.tenant_id = $1::uuid and j.job_id < $2::uuid
	   and $9::uuid[] is null and $3::text is null and $8::text is null
	   and ($4::text is null or j.environment = $4::text)
	   and ($5::text is null or j.labels ->> $5::text = $6::text)
	 order by j.job_id desc limit $7::bigint)
	union all
	(select j.job_id from job j
	 where j.tenant_id = $1::uuid and j.job_id < $2::uuid
	   and $9::uuid[] is null and $3::text is not null and j.end_state = $3::text
	   and ($4::text is null or j.environment = $4::text)
	   and ($5::text is null or j.labels ->> $5::text = $6::text)
	 order by j.job_id desc limit $7::bigint)
	union all
	(select q.job_id from job_queue q
	 cross join lateral (
		select j.environment, j.labels from job j
		where j.tenant_id = $1::uuid and j.job_id = q.job_id limit 1) j
	 where q.tenant_id = $1::uuid and q.job_id < $2::uuid
	   and $9::uuid[] is null and $8::text is not null and q.state = $8::text
	   and ($4::text is null or j.environment = $4::text)
	   and ($5::text is null or j.labels ->> $5::text = $6::text)
	 order by q.job_id desc limit $7::bigint)
	union all
	(select p.job_id from unnest($9::uuid[]) as one (project_id)
	 cross join lateral (
		select j.job_id from job j
		where j.tenant_id = $1::uuid and j.project_id is not null
		  and (j.project_id, j.job_id) < (one.project_id, $2::uuid)
		  and (j.project_id, j.job_id) > (one.project_id, '00000000-0000-0000-0000-000000000000'::uuid)
		  and $3::text is null and $8::text is null
		  and ($4::text is null or j.environment = $4::text)
		  and ($5::text is null or j.labels ->> $5::text = $6::text)
		order by j.project_id desc, j.job_id desc limit $7::bigint) p)
	union all
	(select p.job_id from unnest($9::uuid[]) as one (project_id)
	 cross join lateral (
		select j.job_id from job j
		where j.tenant_id = $1::uuid and $3::text is not null and j.end_state = $3::text
		  and (j.project_id, j.job_id) < (one.project_id, $2::uuid)
		  and (j.project_id, j.job_id) > (one.project_id, '00000000-0000-0000-0000-000000000000'::uuid)
		  and ($4::text is null or j.environment = $4::text)
		  and ($5::text is null or j.labels ->> $5::text = $6::text)
		order by j.project_id desc, j.job_id desc limit $7::bigint) p)
	union all
	(select q.job_id from job_queue q
	 cross join lateral (
		select j.environment, j.labels from job j
		where j.tenant_id = $1::uuid and j.job_id = q.job_id limit 1) j
	 where q.tenant_id = $1::uuid and q.project_id = any ($9::uuid[]) and q.job_id < $2::uuid
	   and $8::text is not null and q.state = $8::text
	   and ($4::text is null or j.environment = $4::text)
	   and ($5::text is null or j.labels ->> $5::text = $6::text)
	 order by q.job_id desc limit $7::bigint)
)
select j.job_id, j.project_id, coalesce(j.end_state, q.state) as state, j.environment, j.name, j.labels,
	j.cause, j.priority,
	coalesce(q.attempt, j.attempts) as attempt, coalesce(q.lease_epoch, j.last_epoch) as epoch,
	j.cpu_milli, j.memory_bytes, j.gpus, j.pin_cpus, j.created_at,
	coalesce(q.claimed_at, j.claimed_at) as claimed_at,
	case when j.end_state is null then q.started_at
	     else coalesce(j.started_at, case when a.epoch = j.last_epoch then a.started_at end)
	end as started_at,
	j.ended_at,
	coalesce(q.cancel_requested_at, j.cancel_requested_at) as cancel_requested_at,
	a.wall_ns, a.cpu_user_ns + a.cpu_system_ns as cpu_ns, a.memory_peak_bytes,
	coalesce(a.log_truncated, false) as log_truncated,
	coalesce(a.output_files_skipped, -1) as output_files_skipped
from (select page.job_id from page order by page.job_id desc limit $7::bigint) p
cross join lateral (
	select j.* from job j where j.tenant_id = $1::uuid and j.job_id = p.job_id limit 1) j
left join lateral (
	select q.* from job_queue q where q.tenant_id = $1::uuid and q.job_id = p.job_id
	limit 1) q on true
left join lateral (
	select a.* from job_attempt a where a.tenant_id = $1::uuid and a.job_id = p.job_id
	order by a.epoch desc limit 1) a on true
order by p.job_id desc;

-- :name job_history :role api
-- The newest $3 moves of a job in order; one row of NULLs for a job that has not moved, none for an
-- unknown one.
select e.number, e.at, e.from_state, e.to_state, e.event, e.detail
from job j
left join lateral (
	select e.* from job_event e where e.tenant_id = $1::uuid and e.job_id = $2::uuid
	order by e.number desc limit $3::bigint) e on true
where j.tenant_id = $1::uuid and j.job_id = $2::uuid
  and ($4::uuid[] is null or j.project_id = any ($4::uuid[]))
order by e.number;

-- :name job_waiting :role api
-- What a queued job needs, what its tenant's and its project's jobs hold, and how much they may: a row
-- for each limit, none for a job that does not wait; $3 to $6 are the limits of tenants that have none
-- of their own.
select n.name, n.need, n.whole, n.part, coalesce(k.amount * n.scale, n.standard) as whole_amount,
	coalesce(l.amount * n.scale, 9223372036854775807) as part_amount, q.gpus,
	case when q.not_before > now() then q.not_before end as not_before
from job_queue q
cross join lateral (
	select coalesce(sum(u.jobs), 0)::bigint as jobs, coalesce(sum(u.cpu_milli), 0)::bigint as cpu_milli,
		coalesce(sum(u.memory_bytes), 0)::bigint as memory_bytes,
		coalesce(sum(u.gpus), 0)::bigint as gpus,
		coalesce(sum(u.jobs) filter (where u.project_id = q.project_id), 0)::bigint as part_jobs,
		coalesce(sum(u.cpu_milli) filter (where u.project_id = q.project_id), 0)::bigint as part_cpu_milli,
		coalesce(sum(u.memory_bytes) filter (where u.project_id = q.project_id), 0)::bigint
			as part_memory_bytes,
		coalesce(sum(u.gpus) filter (where u.project_id = q.project_id), 0)::bigint as part_gpus
	from job_use u where u.tenant_id = $1::uuid) u
cross join lateral (values
	(1, 'jobs_running', 1::bigint, u.jobs, u.part_jobs, $3::bigint, 1),
	(2, 'gpus', q.gpus::bigint, u.gpus, u.part_gpus, $4::bigint, 1),
	(3, 'cpus', q.cpu_milli, u.cpu_milli, u.part_cpu_milli, $5::bigint, 1000),
	(4, 'memory_bytes', q.memory_bytes, u.memory_bytes, u.part_memory_bytes, $6::bigint, 1))
	as n (place, name, need, whole, part, standard, scale)
left join tenant_quota k on k.tenant_id = $1::uuid and k.name = n.name and k.amount is not null
left join project_quota l on l.tenant_id = $1::uuid and l.project_id = q.project_id and l.name = n.name
where q.tenant_id = $1::uuid and q.job_id = $2::uuid and q.state = 'queued'
order by n.place;

-- :name job_attempts :role api
-- The newest $3 attempts of a job, or number $4 alone, oldest first: what its moves say of each, and
-- what its node recorded at the end.  One row of NULLs for a job without any, none for an unknown
-- one.  Between a claim and the next there are three moves at most; the fence of 8 keeps this linear.
select c.epoch, coalesce(p.at, j.created_at) as queued_at, c.at as claimed_at,
	coalesce(a.started_at, m.started_at) as started_at,
	coalesce(a.ended_at, m.ended_at) as ended_at, m.cause,
	coalesce(a.node_id, q.lease_owner) as node_id, a.outcome,
	a.epoch is not null as recorded, a.stage_ns is not null as detailed,
	a.exit_code, a.signal, a.wall_ns, a.cpu_user_ns, a.cpu_system_ns, a.memory_peak_bytes,
	a.throttled_ns, a.log_bytes, a.output_files, a.output_bytes,
	coalesce(a.log_truncated, false) as log_truncated, a.stage_ns, a.launch_ns, a.collect_ns,
	a.faults_minor, a.faults_major, a.io_read_bytes, a.io_write_bytes, a.processes_peak,
	a.oom_kills, a.output_files_skipped, a.fault_step, a.fault_errno
from job j
left join lateral (
	select e.number, e.epoch, e.at from job_event e
	where e.tenant_id = $1::uuid and e.job_id = $2::uuid and e.event = 'claim'
	  and ($4::bigint is null or e.epoch = $4::bigint)
	order by e.number desc limit $3::bigint) c on true
left join job_event p on p.tenant_id = $1::uuid and p.job_id = $2::uuid and p.number = c.number - 1
left join lateral (
	select min(e.at) filter (where e.to_state = 'running') as started_at,
		max(e.at) filter (where e.to_state not in ('running', 'canceling')) as ended_at,
		(array_agg(e.detail) filter (where e.to_state not in ('running', 'canceling')))[1] as cause
	from job_event e
	where e.tenant_id = $1::uuid and e.job_id = $2::uuid and e.epoch = c.epoch
	  and e.number > c.number and e.number <= c.number + 8 and e.from_state <> 'queued') m on true
left join job_attempt a on a.tenant_id = $1::uuid and a.job_id = $2::uuid and a.epoch = c.epoch
left join job_queue q on q.tenant_id = $1::uuid and q.job_id = $2::uuid and q.lease_epoch = c.epoch
where j.tenant_id = $1::uuid and j.job_id = $2::uuid
  and ($5::uuid[] is null or j.project_id = any ($5::uuid[]))
order by c.number;

-- :name job_samples :role api
-- What an attempt used over time, a row for each point.
select s.at_ms, s.cpu_ns, s.throttled_ns, s.memory_bytes, s.processes, s.io_read_bytes, s.io_write_bytes
from attempt_usage u
cross join lateral unnest(u.at_ms, u.cpu_ns, u.throttled_ns, u.memory_bytes, u.processes,
	u.io_read_bytes, u.io_write_bytes) with ordinality as s (at_ms, cpu_ns, throttled_ns,
	memory_bytes, processes, io_read_bytes, io_write_bytes, n)
where u.tenant_id = $1::uuid and u.job_id = $2::uuid and u.epoch = $3::bigint
order by s.n;

-- :name job_cancel_look :role api
-- Whether a job can still be canceled, and whether somebody asked already.
select j.end_state, q.cancel_requested_at is not null as wished
from job j
left join job_queue q on q.tenant_id = $1::uuid and q.job_id = j.job_id
where j.tenant_id = $1::uuid and j.job_id = $2::uuid
  and ($3::uuid[] is null or j.project_id = any ($3::uuid[]));

-- :name job_cancel_wish :role api
-- Records the wish once; no row when there is one already or the job is not alive.
update job_queue set cancel_requested_at = clock_timestamp()
where tenant_id = $1::uuid and job_id = $2::uuid and cancel_requested_at is null
  and ($3::uuid[] is null or project_id = any ($3::uuid[]));

-- :name job_cancel_wish_all :role api
-- The wish for up to $2 jobs that are alive, locked in key order like the moves beside it.
with live as materialized (
	select q.job_id from job_queue q
	where q.tenant_id = $1::uuid and q.cancel_requested_at is null
	order by q.tenant_id, q.job_id
	limit $2::bigint
	for update of q
)
update job_queue q set cancel_requested_at = clock_timestamp()
from live l
where q.tenant_id = $1::uuid and q.job_id = l.job_id;

-- :name job_queue_waiting :role sched
-- Wishes to end first, because they free places, then queued rows that are due, with what their
-- tenant and project may still claim; $2 to $5 are the limits of tenants that have none of their own.
-- Each project of a tenant is a lane.  Lanes with live jobs are found by hopping through an index
-- (job_queue_lane, whose predicate is repeated here);
-- those of tenants that are not active, and those without room, end there.  Of the others the best
-- are read in the order of that index, without those that are larger than a whole limit and those
-- that wait for GPUs where none is to be had (they hold up nobody who needs none), and
-- interleaved by their place in their tenant, so that one tenant's backlog neither hides another's
-- nor costs more than what is returned: from each lane as many as fill the list when short lanes
-- leave their part to long ones (with lanes by length, the greatest of what the shorter leave over
-- the number of the others).
with recursive hop as (
	(select q.tenant_id, q.project_id from job_queue q
	 where q.project_id is not null order by q.tenant_id, q.project_id limit 1)
	union all
	select n.tenant_id, n.project_id
	from hop h
	cross join lateral (
		select q.tenant_id, q.project_id from job_queue q
		where q.project_id is not null
		  and (q.tenant_id, q.project_id) > (h.tenant_id, h.project_id)
		order by q.tenant_id, q.project_id limit 1) n
), owner as materialized (
	select t.tenant_id,
		coalesce(k.jobs, $2::bigint) - u.jobs as jobs,
		coalesce(k.cpu_milli, $3::bigint) - u.cpu_milli as cpu_milli,
		coalesce(k.memory_bytes, $4::bigint) - u.memory_bytes as memory_bytes,
		coalesce(k.gpus, $5::bigint) - u.gpus as gpus,
		u.cpu_milli as held_cpu_milli, u.memory_bytes as held_memory_bytes, u.gpus as held_gpus
	from (select distinct h.tenant_id from hop h) l
	join tenant t on t.tenant_id = l.tenant_id
	cross join lateral (
		select sum(u.jobs)::bigint as jobs, sum(u.cpu_milli)::bigint as cpu_milli,
			sum(u.memory_bytes)::bigint as memory_bytes, sum(u.gpus)::bigint as gpus
		from job_use u where u.tenant_id = l.tenant_id) u
	cross join lateral (
		select max(k.amount) filter (where k.name = 'jobs_running') as jobs,
			max(k.amount) filter (where k.name = 'cpus') * 1000 as cpu_milli,
			max(k.amount) filter (where k.name = 'memory_bytes') as memory_bytes,
			max(k.amount) filter (where k.name = 'gpus') as gpus
		from tenant_quota k where k.tenant_id = l.tenant_id) k
	where t.state = 'active'
), lane as materialized (
	select h.tenant_id, h.project_id,
		o.jobs as tenant_jobs, o.cpu_milli as tenant_cpu_milli,
		o.memory_bytes as tenant_memory_bytes, o.gpus as tenant_gpus,
		coalesce(k.jobs, 9223372036854775807) - u.jobs as project_jobs,
		coalesce(k.cpu_milli, 9223372036854775807) - u.cpu_milli as project_cpu_milli,
		coalesce(k.memory_bytes, 9223372036854775807) - u.memory_bytes as project_memory_bytes,
		coalesce(k.gpus, 9223372036854775807) - u.gpus as project_gpus,
		least(k.cpu_milli, o.cpu_milli + o.held_cpu_milli) as most_cpu_milli,
		least(k.memory_bytes, o.memory_bytes + o.held_memory_bytes) as most_memory_bytes,
		case when least(o.gpus, coalesce(k.gpus, 9223372036854775807) - u.gpus) > 0
			then least(k.gpus, o.gpus + o.held_gpus) else 0 end as most_gpus,
		greatest(d.accepted - u.jobs_left, 0) as waiting
	from hop h
	join owner o on o.tenant_id = h.tenant_id
	join job_use u on u.tenant_id = h.tenant_id and u.project_id = h.project_id
	cross join lateral (
		select max(k.amount) filter (where k.name = 'jobs_running') as jobs,
			max(k.amount) filter (where k.name = 'cpus') * 1000 as cpu_milli,
			max(k.amount) filter (where k.name = 'memory_bytes') as memory_bytes,
			max(k.amount) filter (where k.name = 'gpus') as gpus
		from project_quota k
		where k.tenant_id = h.tenant_id and k.project_id = h.project_id) k
	left join lateral (
		select d.accepted from job_day d
		where d.tenant_id = h.tenant_id and d.project_id = h.project_id
		order by d.day desc limit 1) d on true
	where o.jobs > 0 and o.cpu_milli > 0 and o.memory_bytes > 0
), open_lane as materialized (
	select l.*, ($1::bigint - sum(l.waiting) over (order by l.waiting, l.tenant_id, l.project_id)
			+ l.waiting) / count(*) over (order by l.waiting desc, l.tenant_id desc, l.project_id desc)
		as level
	from lane l
	where l.project_jobs > 0 and l.project_cpu_milli > 0 and l.project_memory_bytes > 0
), share as materialized (
	select greatest(ceil(max(l.level)), 4)::bigint as n from open_lane l
)
select q.tenant_id, q.job_id, q.project_id, q.state, q.priority, q.queued_at, q.cpu_milli,
	q.memory_bytes, q.gpus, q.pin_cpus, q.attempt, q.max_attempts, q.lease_epoch as epoch, q.lease_owner,
	q.cancel_requested_at is not null as cancel_requested,
	q.tenant_jobs, q.tenant_cpu_milli, q.tenant_memory_bytes, q.tenant_gpus,
	q.project_jobs, q.project_cpu_milli, q.project_memory_bytes, q.project_gpus
from (
	(select q.*, null::bigint as tenant_jobs, null::bigint as tenant_cpu_milli,
		null::bigint as tenant_memory_bytes, null::bigint as tenant_gpus,
		null::bigint as project_jobs, null::bigint as project_cpu_milli,
		null::bigint as project_memory_bytes, null::bigint as project_gpus, 0 as place
	 from job_queue q
	 where q.cancel_requested_at is not null and q.state = 'queued'
	 order by q.tenant_id, q.job_id limit $1::bigint)
	union all
	(select b.*, l.tenant_jobs, l.tenant_cpu_milli, l.tenant_memory_bytes, l.tenant_gpus,
		l.project_jobs, l.project_cpu_milli, l.project_memory_bytes, l.project_gpus,
		row_number() over (partition by b.tenant_id order by b.priority desc, b.job_id)
	 from open_lane l
	 cross join lateral (
		select q.* from job_queue q
		where q.tenant_id = l.tenant_id and q.project_id = l.project_id and q.state = 'queued'
		  and q.cancel_requested_at is null
		  and (q.not_before is null or q.not_before <= now())
		  and q.cpu_milli <= l.most_cpu_milli and q.memory_bytes <= l.most_memory_bytes
		  and q.gpus <= l.most_gpus
		order by q.priority desc, q.job_id
		limit (select n from share)) b)
) q
order by q.place, q.priority desc, q.job_id
limit $1::bigint;

-- :name job_queue_mine :role sched
-- All that this node holds.
select q.tenant_id, q.job_id, q.project_id, q.state, q.priority, q.queued_at, q.cpu_milli,
	q.memory_bytes, q.gpus, q.pin_cpus, q.attempt, q.max_attempts, q.lease_epoch as epoch, q.lease_owner,
	q.cancel_requested_at is not null as cancel_requested
from job_queue q
where q.lease_owner = $1::uuid
order by q.tenant_id, q.job_id;

-- :name job_queue_expired :role sched
-- Leases that ran out more than $1 ms ago, the longest dead first, so that none starves behind a
-- full batch.
select q.tenant_id, q.job_id, q.project_id, q.state, q.priority, q.queued_at, q.cpu_milli,
	q.memory_bytes, q.gpus, q.pin_cpus, q.attempt, q.max_attempts, q.lease_epoch as epoch, q.lease_owner,
	q.cancel_requested_at is not null as cancel_requested
from job_queue q
where q.lease_until < clock_timestamp() - $1::bigint * interval '1 millisecond'
order by q.lease_until, q.job_id
limit $2::bigint;

-- :name job_queue_lock :role sched
-- Locks what is still free for a claim and says what starting it takes.  Manifests beyond $3 bytes
-- in all are left for the next batch: the first always fits, so that nothing can clog the queue.
with sized as materialized (
	select a.n, a.tenant_id, a.job_id, m.manifest,
		sum(octet_length(m.manifest::text)) over (order by a.n)
			- octet_length(m.manifest::text) as bytes_before
	from unnest($1::uuid[], $2::uuid[]) with ordinality as a (tenant_id, job_id, n)
	join job_manifest m on m.tenant_id = a.tenant_id and m.job_id = a.job_id
)
select s.n, q.project_id, q.cpu_milli, q.memory_bytes, q.gpus, q.lease_epoch as epoch, q.attempt,
	t.uid_slot, s.manifest, j.created_at
from sized s
join job_queue q on q.tenant_id = s.tenant_id and q.job_id = s.job_id
join job j on j.tenant_id = s.tenant_id and j.job_id = s.job_id
join tenant t on t.tenant_id = s.tenant_id
where q.state = 'queued' and q.cancel_requested_at is null
  and (q.not_before is null or q.not_before <= clock_timestamp())
  and t.state = 'active' and s.bytes_before < $3::bigint
order by q.tenant_id, q.job_id
for update of q skip locked;

-- :name job_use_lock :role sched
-- Holds the counters of some tenants until the transaction ends, in key order and after all queue
-- rows, like job_move.  A project's counters are as old as its first job, so two claims for one
-- tenant always meet in one of its rows, even when each of them sees a project that the other does
-- not.
select u.tenant_id from job_use u
where u.tenant_id = any ($1::uuid[])
order by u.tenant_id, u.project_id
for update of u;

-- :name job_room :role sched
-- What some projects ($1 tenants, $2 projects) and their tenants may still claim; $3 to $6 are the
-- limits of tenants that have none of their own.  Apart from job_use_lock, because a statement does
-- not see what was committed while it waited for its locks.
select a.n,
	coalesce(k.jobs, $3::bigint) - u.jobs as tenant_jobs,
	coalesce(k.cpu_milli, $4::bigint) - u.cpu_milli as tenant_cpu_milli,
	coalesce(k.memory_bytes, $5::bigint) - u.memory_bytes as tenant_memory_bytes,
	coalesce(k.gpus, $6::bigint) - u.gpus as tenant_gpus,
	coalesce(l.jobs, 9223372036854775807) - u.part_jobs as project_jobs,
	coalesce(l.cpu_milli, 9223372036854775807) - u.part_cpu_milli as project_cpu_milli,
	coalesce(l.memory_bytes, 9223372036854775807) - u.part_memory_bytes as project_memory_bytes,
	coalesce(l.gpus, 9223372036854775807) - u.part_gpus as project_gpus
from unnest($1::uuid[], $2::uuid[]) with ordinality as a (tenant_id, project_id, n)
cross join lateral (
	select sum(u.jobs)::bigint as jobs, sum(u.cpu_milli)::bigint as cpu_milli,
		sum(u.memory_bytes)::bigint as memory_bytes, sum(u.gpus)::bigint as gpus,
		sum(u.jobs) filter (where u.project_id = a.project_id)::bigint as part_jobs,
		sum(u.cpu_milli) filter (where u.project_id = a.project_id)::bigint as part_cpu_milli,
		sum(u.memory_bytes) filter (where u.project_id = a.project_id)::bigint as part_memory_bytes,
		sum(u.gpus) filter (where u.project_id = a.project_id)::bigint as part_gpus
	from job_use u where u.tenant_id = a.tenant_id) u
cross join lateral (
	select max(k.amount) filter (where k.name = 'jobs_running') as jobs,
		max(k.amount) filter (where k.name = 'cpus') * 1000 as cpu_milli,
		max(k.amount) filter (where k.name = 'memory_bytes') as memory_bytes,
		max(k.amount) filter (where k.name = 'gpus') as gpus
	from tenant_quota k where k.tenant_id = a.tenant_id) k
cross join lateral (
	select max(l.amount) filter (where l.name = 'jobs_running') as jobs,
		max(l.amount) filter (where l.name = 'cpus') * 1000 as cpu_milli,
		max(l.amount) filter (where l.name = 'memory_bytes') as memory_bytes,
		max(l.amount) filter (where l.name = 'gpus') as gpus
	from project_quota l where l.tenant_id = a.tenant_id and l.project_id = a.project_id) l;

-- :name job_move :role sched
-- The only statement that assigns a state.  Rows are locked in key order, so that two batches
-- cannot deadlock; one that is in another state or under another epoch is left alone and not
-- returned.  A claim sets the lease ($11 owner, $12 milliseconds) and adds 1 to the epoch; a return
-- to the queue ends it; an end takes the row away and writes how it ended into job.  What the moved
-- jobs hold is counted, after all queue rows and in key order, too.
with asked as materialized (
	select a.*, (a.event = 'claim')::integer as claims
	from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[],
		$7::text[], $8::bigint[], $9::bigint[], $10::bigint[]) with ordinality
		as a (tenant_id, job_id, epoch, from_state, to_state, event, detail, delay_ms,
		refund, ends, n)
), held as materialized (
	select q.tenant_id, q.job_id, q.project_id, q.cpu_milli, q.memory_bytes, q.gpus, q.moves,
		q.lease_epoch + a.claims as new_epoch,
		q.attempt + a.claims - a.refund as new_attempt, q.claimed_at, q.started_at,
		q.cancel_requested_at, a.n, a.claims, a.from_state, a.to_state, a.event,
		a.detail::jsonb as detail, a.delay_ms, a.ends,
		(a.from_state = 'queued')::integer - (a.to_state = 'queued')::integer as leaves,
		(a.ends = 0 and a.to_state <> 'queued')::integer
			- (a.from_state <> 'queued')::integer as holds
	from asked a
	join job_queue q on q.tenant_id = a.tenant_id and q.job_id = a.job_id
	where q.state = a.from_state and q.lease_epoch = a.epoch
	order by q.tenant_id, q.job_id
	for update of q
), moved as (
	update job_queue q set
		state = h.to_state,
		moves = h.moves + 1,
		lease_epoch = h.new_epoch,
		attempt = h.new_attempt,
		lease_owner = case when h.claims = 1 then $11::uuid
			when h.to_state <> 'queued' then q.lease_owner end,
		lease_until = case
			when h.claims = 1
			then clock_timestamp() + $12::bigint * interval '1 millisecond'
			when h.to_state <> 'queued' then q.lease_until end,
		claimed_at = case when h.claims = 1 then clock_timestamp() else q.claimed_at end,
		started_at = case when h.to_state = 'running' then clock_timestamp()
			when h.to_state = 'canceling' then q.started_at end,
		queued_at = case when h.to_state = 'queued' then clock_timestamp()
			else q.queued_at end,
		not_before = case when h.to_state = 'queued' and h.delay_ms > 0
			then clock_timestamp() + h.delay_ms * interval '1 millisecond' end
	from held h
	where h.ends = 0 and q.tenant_id = h.tenant_id and q.job_id = h.job_id
), gone as (
	delete from job_queue q using held h
	where h.ends = 1 and q.tenant_id = h.tenant_id and q.job_id = h.job_id
), ended as (
	update job j set
		end_state = h.to_state,
		claimed_at = h.claimed_at,
		started_at = h.started_at,
		ended_at = clock_timestamp(),
		cancel_requested_at = h.cancel_requested_at,
		attempts = h.new_attempt,
		last_epoch = h.new_epoch,
		cause = case when h.to_state <> 'succeeded' then h.detail end
	from held h
	where h.ends = 1 and j.tenant_id = h.tenant_id and j.job_id = h.job_id
), told as (
	insert into job_event (tenant_id, job_id, number, from_state, to_state, event, epoch,
		detail)
	select h.tenant_id, h.job_id, h.moves, h.from_state, h.to_state, h.event, h.new_epoch,
		h.detail
	from held h
), counted as (
	insert into job_use as u (tenant_id, project_id, jobs, cpu_milli, memory_bytes, gpus, jobs_left)
	select h.tenant_id, h.project_id, sum(h.holds), sum(h.holds * h.cpu_milli),
		sum(h.holds * h.memory_bytes), sum(h.holds * h.gpus), sum(h.leaves)
	from held h
	where h.holds <> 0 or h.leaves <> 0
	group by h.tenant_id, h.project_id
	order by h.tenant_id, h.project_id
	on conflict (tenant_id, project_id) do update set
		jobs = u.jobs + excluded.jobs,
		cpu_milli = u.cpu_milli + excluded.cpu_milli,
		memory_bytes = u.memory_bytes + excluded.memory_bytes,
		gpus = u.gpus + excluded.gpus,
		jobs_left = u.jobs_left + excluded.jobs_left
)
select h.n, h.new_epoch as epoch, h.new_attempt as attempt from held h;

-- :name job_lease_renew :role sched
-- Every lease of the node, locked in key order like the moves beside it.
with held as materialized (
	select q.tenant_id, q.job_id from job_queue q
	where q.lease_owner = $1::uuid
	order by q.tenant_id, q.job_id
	for update of q
)
update job_queue q set lease_until = clock_timestamp() + $2::bigint * interval '1 millisecond'
from held h
where q.tenant_id = h.tenant_id and q.job_id = h.job_id;

-- :name job_attempt_insert :role sched
-- Once per epoch by the primary key; no row when the job is under another epoch by now.  The bytes
-- that it keeps count for its project, whose counters the move before has locked.
with live as materialized (
	select j.project_id from job j
	left join job_queue q on q.tenant_id = j.tenant_id and q.job_id = j.job_id
	where j.tenant_id = $1::uuid and j.job_id = $2::uuid
	  and (q.lease_epoch = $3::bigint or j.last_epoch = $3::bigint)
), told as (
	insert into job_attempt (tenant_id, job_id, epoch, node_id, outcome, exit_code, signal,
		started_at, ended_at, wall_ns, cpu_user_ns, cpu_system_ns, memory_peak_bytes,
		throttled_ns, log_bytes, output_files, output_bytes, log_truncated, stage_ns,
		launch_ns, collect_ns, faults_minor, faults_major, io_read_bytes, io_write_bytes,
		processes_peak, oom_kills, fault_step, fault_errno, output_files_skipped)
	select $1::uuid, $2::uuid, $3::bigint, $4::uuid, $5::text, $6::integer, $7::integer,
		$8::timestamptz, $9::timestamptz, $10::bigint, $11::bigint, $12::bigint,
		$13::bigint, $14::bigint, $15::bigint, $16::bigint, $17::bigint, $18::boolean,
		$19::bigint, $20::bigint, $21::bigint, $22::bigint, $23::bigint, $24::bigint,
		$25::bigint, $26::bigint, $27::bigint, $28::text, $29::integer, $30::bigint
	from live l
)
insert into job_use as u (tenant_id, project_id, output_bytes)
select $1::uuid, l.project_id, $17::bigint from live l
on conflict (tenant_id, project_id) do update set output_bytes = u.output_bytes + excluded.output_bytes;

-- :name job_samples_insert :role sched
-- What an attempt used over time, beside its record.
insert into attempt_usage (tenant_id, job_id, epoch, at_ms, cpu_ns, throttled_ns, memory_bytes,
	processes, io_read_bytes, io_write_bytes)
values ($1::uuid, $2::uuid, $3::bigint, $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
	$8::bigint[], $9::bigint[], $10::bigint[]);

-- :name job_attempt_known :role sched
select exists (select from job_attempt a where a.tenant_id = $1::uuid and a.job_id = $2::uuid
	and a.epoch = $3::bigint) as known;

-- :name job_idempotency_expire :role sched
-- Keys older than $1 ms, at most $2 of each tenant and in all.  Tenants without any are passed by one
-- look at an index.
delete from idempotency i
using (
	select o.tenant_id, o.key from tenant t
	cross join lateral (
		select i.tenant_id, i.key from idempotency i
		where i.tenant_id = t.tenant_id
		  and i.created_at < now() - $1::bigint * interval '1 millisecond'
		order by i.created_at limit $2::bigint) o
	limit $2::bigint) o
where i.tenant_id = o.tenant_id and i.key = o.key;
