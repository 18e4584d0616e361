-- SPDX-License-Identifier: Apache-2.0
-- Counters that stand in for counting.  How many jobs of a project wait is jobs accepted less jobs
-- that have left the queue; each number has one writer, in the transaction of what it counts, so
-- that the difference is exact whenever it is read and neither side waits for the other.

alter table job_day add column accepted bigint not null default 0;
comment on column job_day.accepted is 'Jobs accepted since the counters began, up to and including this day; of a project''s last day: up to now.';
alter table job_use
	add column jobs_left    bigint not null default 0,
	add column output_bytes bigint not null default 0;
comment on table job_use is 'What a project''s jobs hold. Made with its first job by wardian_api; written by job_move and job_attempt_insert.';
comment on column job_use.jobs_left is 'Jobs that left the queue less those that came back; the project''s last job_day.accepted less this wait now.';
comment on column job_use.output_bytes is 'Bytes of output kept by all attempts.';

-- Where the counters begin: with the jobs that wait.
alter table job no force row level security;
alter table job_queue no force row level security;
alter table job_attempt no force row level security;
alter table job_use no force row level security;
alter table job_day no force row level security;
insert into job_use (tenant_id, project_id)
select distinct j.tenant_id, j.project_id from job j on conflict do nothing;
insert into job_day (tenant_id, project_id, day, accepted)
select u.tenant_id, u.project_id, (now() at time zone 'UTC')::date, (select count(*) from job_queue q
	where q.tenant_id = u.tenant_id and q.project_id = u.project_id and q.state = 'queued')
from job_use u;
update job_use u set output_bytes = b.bytes
from (select j.tenant_id, j.project_id, sum(a.output_bytes)::bigint as bytes
	from job_attempt a join job j on j.tenant_id = a.tenant_id and j.job_id = a.job_id
	group by j.tenant_id, j.project_id) b
where u.tenant_id = b.tenant_id and u.project_id = b.project_id;
alter table job force row level security;
alter table job_queue force row level security;
alter table job_attempt force row level security;
alter table job_use force row level security;
alter table job_day force row level security;

-- Checks that say nothing new cost a look-up each time: a job's project is of the job's tenant, and
-- what counts a project's jobs goes when no job holds it any more (job_use refers to the project).
-- Rows that one transaction updates over and over are checked each time, too.
alter table job drop constraint job_tenant_id_fkey;
alter table job_day drop constraint job_day_tenant_id_project_id_fkey;

-- The predicates below hold for every row.  They keep an index out of plans for questions by primary
-- key: all indexes begin with tenant_id, so while a table is empty they cost the same, and the one
-- made last would win, with a walk over the tenant's rows for each foreign key that is checked until
-- the plan is made anew.

-- Today's jobs of a whole tenant.
create index job_day_tenant on job_day (tenant_id, day) where day is not null;
-- Each project is a lane of the queue: one that is at its limit is passed without reading its jobs.
drop index job_queue_order;
create index job_queue_lane on job_queue (tenant_id, project_id, priority desc, job_id) where project_id is not null;
-- Jobs of one project, and ended ones by how they ended.
drop index job_project;
create index job_project on job (tenant_id, project_id, job_id) where project_id is not null;
create index job_project_end on job (tenant_id, end_state, project_id, job_id) where end_state is not null;
-- Old keys of a tenant.
create index idempotency_age on idempotency (tenant_id, created_at) where created_at is not null;

create policy job_day_sched on job_day to wardian_sched using (true) with check (true);
grant select on job_day to wardian_sched;
grant update (accepted) on job_day to wardian_api;
grant insert (tenant_id, project_id) on job_use to wardian_api;
grant update (jobs_left, output_bytes) on job_use to wardian_sched;
