-- SPDX-License-Identifier: Apache-2.0
-- Each statement of a tenant names the tenant itself: a second wall beside row-level security, and
-- what lets the primary key be used.  States are assigned by job_move alone.

-- :name job_insert :role api
-- A job as it was accepted.
insert into job (tenant_id, job_id, environment, environment_digest, name, labels, priority,
	cpu_milli, memory_bytes, created_by)
values ($1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::jsonb, $7::integer,
	$8::bigint, $9::bigint, $10::uuid);

-- :name job_manifest_insert :role api
insert into job_manifest (tenant_id, job_id, manifest)
values ($1::uuid, $2::uuid, $3::jsonb);

-- :name job_queue_insert :role api
-- Queues the job unless the tenant's quota of waiting jobs is used up: then no row is inserted.
-- Counting costs a walk over the tenant's live jobs, so it is left out while the whole table is
-- too small to hold that many: a row with its line pointer takes at least 124 bytes, at most 66
-- fit in a page of 8 KiB, and 70 is on the safe side.  Transactions that commit at the same moment
-- do not see each other, so the quota may be passed by what they carry.
insert into job_queue (tenant_id, job_id, priority, cpu_milli, memory_bytes, max_attempts)
select $1::uuid, $2::uuid, $3::integer, $4::bigint, $5::bigint, $6::integer
where case when pg_relation_size('job_queue') / 8192 * 70 < $7::bigint then true
	else (select count(*) from job_queue q
	      where q.tenant_id = $1::uuid and q.state = 'queued') < $7::bigint end;

-- :name job_queue_count :role api
-- Waiting jobs of the tenant, for the message of a refusal.
select count(*) as waiting from job_queue q where q.tenant_id = $1::uuid and q.state = 'queued';

-- :name job_idempotency_insert :role api
-- A second request with the key breaks idempotency_pkey, whoever commits first.
insert into idempotency (tenant_id, key, fingerprint, resource_id)
values ($1::uuid, $2::text, $3::bytea, $4::uuid);

-- :name job_idempotency_get :role api
select i.fingerprint, i.resource_id from idempotency i
where i.tenant_id = $1::uuid and i.key = $2::text;

-- :name job_get :role api
-- One job: what was asked, where it stands, and what its last attempt used.
select j.job_id, coalesce(j.end_state, q.state) as state, j.environment, j.name, j.labels,
	m.manifest, j.cause, j.priority,
	coalesce(q.attempt, j.attempts) as attempt, coalesce(q.lease_epoch, j.last_epoch) as epoch,
	j.cpu_milli, j.memory_bytes, j.created_at,
	coalesce(q.claimed_at, j.claimed_at) as claimed_at,
	case when j.end_state is null then q.started_at
	     else coalesce(j.started_at, case when a.epoch = j.last_epoch then a.started_at end)
	end as started_at,
	j.ended_at,
	coalesce(q.cancel_requested_at, j.cancel_requested_at) as cancel_requested_at,
	a.wall_ns, a.cpu_user_ns + a.cpu_system_ns as cpu_ns, a.memory_peak_bytes,
	coalesce(a.log_truncated, false) as log_truncated
from job j
join job_manifest m on m.tenant_id = $1::uuid and m.job_id = j.job_id
left join job_queue q on q.tenant_id = $1::uuid and q.job_id = j.job_id
left join lateral (
	select a.* from job_attempt a where a.tenant_id = $1::uuid and a.job_id = j.job_id
	order by a.epoch desc limit 1) a on true
where j.tenant_id = $1::uuid and j.job_id = $2::uuid;

-- :name job_list :role api
-- A page of jobs older than $2, newest first: of any state, of an end state ($3), or of a live one
-- ($8).  Only one of the three branches runs, so that each uses its own index: a tenant with a
-- million finished jobs and three queued ones finds those three at once.  (Live states have no
-- index, so running ones behind a backlog cost a walk over the tenant's part of the queue.)  The
-- limits of 1 keep the planner from reading whole tables for the sake of one page.  The filter on
-- labels is not leakproof and therefore never an index condition; it runs after the tenant's.
with page as (
	(select j.job_id from job j
	 where j.tenant_id = $1::uuid and j.job_id < $2::uuid
	   and $3::text is null and $8::text is null
	   and ($4::text is null or j.environment = $4::text)
	   and ($5::text is null or j.labels ->> $5::text = $6::text)
	 order by j.job_id desc limit $7::bigint)
	union all
	(select j.job_id from job j
	 where j.tenant_id = $1::uuid and j.job_id < $2::uuid
	   and $3::text is not null and j.end_state = $3::text
	   and ($4::text is null or j.environment = $4::text)
	   and ($5::text is null or j.labels ->> $5::text = $6::text)
	 order by j.job_id desc limit $7::bigint)
	union all
	(select q.job_id from job_queue q
	 join job j on j.tenant_id = $1::uuid and j.job_id = q.job_id
	 where q.tenant_id = $1::uuid and q.job_id < $2::uuid
	   and $8::text is not null and q.state = $8::text
	   and ($4::text is null or j.environment = $4::text)
	   and ($5::text is null or j.labels ->> $5::text = $6::text)
	 order by q.job_id desc limit $7::bigint)
)
select j.job_id, coalesce(j.end_state, q.state) as state, j.environment, j.name, j.labels,
	j.cause, j.priority,
	coalesce(q.attempt, j.attempts) as attempt, coalesce(q.lease_epoch, j.last_epoch) as epoch,
	j.cpu_milli, j.memory_bytes, j.created_at,
	coalesce(q.claimed_at, j.claimed_at) as claimed_at,
	case when j.end_state is null then q.started_at
	     else coalesce(j.started_at, case when a.epoch = j.last_epoch then a.started_at end)
	end as started_at,
	j.ended_at,
	coalesce(q.cancel_requested_at, j.cancel_requested_at) as cancel_requested_at,
	a.wall_ns, a.cpu_user_ns + a.cpu_system_ns as cpu_ns, a.memory_peak_bytes,
	coalesce(a.log_truncated, false) as log_truncated
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
order by e.number;

-- :name job_cancel_wish :role api
-- Records the wish once; no row when there is one already or the job is not alive.
update job_queue set cancel_requested_at = clock_timestamp()
where tenant_id = $1::uuid and job_id = $2::uuid and cancel_requested_at is null;

-- :name job_end_state :role api
select j.end_state from job j where j.tenant_id = $1::uuid and j.job_id = $2::uuid;

-- :name job_queue_waiting :role sched
-- Wishes to end first, because they free places, then queued rows that are due.  Each tenant's
-- best are read in the order of an index and interleaved by their place in it, so that one
-- tenant's backlog neither hides another's nor costs more than what is returned.  Tenants with
-- live jobs are found by hopping through the primary key.
with recursive hop as (
	(select q.tenant_id from job_queue q order by q.tenant_id limit 1)
	union all
	select (select q.tenant_id from job_queue q where q.tenant_id > h.tenant_id
	        order by q.tenant_id limit 1)
	from hop h where h.tenant_id is not null
), live as materialized (
	select h.tenant_id from hop h where h.tenant_id is not null
), share as materialized (
	select greatest($1::bigint / greatest(count(*), 1), 64) as n from live
)
select q.tenant_id, q.job_id, q.state, q.priority, q.queued_at, q.cpu_milli, q.memory_bytes,
	q.attempt, q.max_attempts, q.lease_epoch as epoch, q.lease_owner,
	q.cancel_requested_at is not null as cancel_requested
from (
	(select q.*, 0 as place from job_queue q
	 where q.cancel_requested_at is not null and q.state = 'queued'
	 order by q.tenant_id, q.job_id limit $1::bigint)
	union all
	(select b.* from live l
	 cross join lateral (
		select q.*, row_number() over (order by q.priority desc, q.job_id) as place
		from job_queue q
		where q.tenant_id = l.tenant_id and q.state = 'queued'
		  and q.cancel_requested_at is null
		  and (q.not_before is null or q.not_before <= now())
		order by q.priority desc, q.job_id
		limit (select n from share)) b)
) q
order by q.place, q.priority desc, q.job_id
limit $1::bigint;

-- :name job_queue_mine :role sched
-- All that this node holds.
select q.tenant_id, q.job_id, q.state, q.priority, q.queued_at, q.cpu_milli, q.memory_bytes,
	q.attempt, q.max_attempts, q.lease_epoch as epoch, q.lease_owner,
	q.cancel_requested_at is not null as cancel_requested
from job_queue q
where q.lease_owner = $1::uuid
order by q.tenant_id, q.job_id;

-- :name job_queue_expired :role sched
-- Leases that ran out more than $1 ms ago, the longest dead first, so that none starves behind a
-- full batch.
select q.tenant_id, q.job_id, q.state, q.priority, q.queued_at, q.cpu_milli, q.memory_bytes,
	q.attempt, q.max_attempts, q.lease_epoch as epoch, q.lease_owner,
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
select s.n, q.lease_epoch as epoch, q.attempt, t.uid_slot, s.manifest, j.created_at
from sized s
join job_queue q on q.tenant_id = s.tenant_id and q.job_id = s.job_id
join job j on j.tenant_id = s.tenant_id and j.job_id = s.job_id
join tenant t on t.tenant_id = s.tenant_id
where q.state = 'queued' and q.cancel_requested_at is null
  and (q.not_before is null or q.not_before <= clock_timestamp())
  and s.bytes_before < $3::bigint
order by q.tenant_id, q.job_id
for update of q skip locked;

-- :name job_move :role sched
-- The only statement that assigns a state.  Rows are locked in key order, so that two batches
-- cannot deadlock; one that is in another state or under another epoch is left alone and not
-- returned.  A claim sets the lease ($11 owner, $12 milliseconds) and adds 1 to the epoch; a return
-- to the queue ends it; an end takes the row away and writes how it ended into job.
with asked as materialized (
	select a.*, (a.event = 'claim')::integer as claims
	from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[],
		$7::text[], $8::bigint[], $9::bigint[], $10::bigint[]) with ordinality
		as a (tenant_id, job_id, epoch, from_state, to_state, event, detail, delay_ms,
		refund, ends, n)
), held as materialized (
	select q.tenant_id, q.job_id, q.moves, q.lease_epoch + a.claims as new_epoch,
		q.attempt + a.claims - a.refund as new_attempt, q.claimed_at, q.started_at,
		q.cancel_requested_at, a.n, a.claims, a.from_state, a.to_state, a.event,
		a.detail::jsonb as detail, a.delay_ms, a.ends
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
-- Once per epoch by the primary key; no row when the job is under another epoch by now.
insert into job_attempt (tenant_id, job_id, epoch, node_id, outcome, exit_code, signal, started_at,
	ended_at, wall_ns, cpu_user_ns, cpu_system_ns, memory_peak_bytes, throttled_ns, log_bytes,
	output_files, output_bytes, log_truncated)
select $1::uuid, $2::uuid, $3::bigint, $4::uuid, $5::text, $6::integer, $7::integer,
	$8::timestamptz, $9::timestamptz, $10::bigint, $11::bigint, $12::bigint, $13::bigint,
	$14::bigint, $15::bigint, $16::bigint, $17::bigint, $18::boolean
where exists (select from job_queue q
              where q.tenant_id = $1::uuid and q.job_id = $2::uuid and q.lease_epoch = $3::bigint)
   or exists (select from job j
              where j.tenant_id = $1::uuid and j.job_id = $2::uuid and j.last_epoch = $3::bigint);

-- :name job_attempt_known :role sched
select exists (select from job_attempt a where a.tenant_id = $1::uuid and a.job_id = $2::uuid
	and a.epoch = $3::bigint) as known;
