-- SPDX-License-Identifier: Apache-2.0
-- Limits of tenants and projects, and counters of what counts against them.

create table tenant_quota (
	tenant_id uuid        not null references tenant,
	name      text        not null check (length(name) between 1 and 63),
	amount    bigint      check (amount >= 0),
	set_at    timestamptz not null default now(),
	primary key (tenant_id, name)
);
comment on table tenant_quota is 'Limits of a tenant that differ from the default. Written by platform operations.';
comment on column tenant_quota.tenant_id is 'Whose limit it is.';
comment on column tenant_quota.name is 'Name from the program''s list, which says the unit.';
comment on column tenant_quota.amount is 'The limit; 0 allows nothing; NULL: the default again.';
comment on column tenant_quota.set_at is 'When it was set.';

create table project_quota (
	tenant_id  uuid        not null,
	project_id uuid        not null,
	name       text        not null check (length(name) between 1 and 63),
	amount     bigint      not null check (amount >= 0),
	set_at     timestamptz not null default now(),
	primary key (tenant_id, project_id, name),
	foreign key (tenant_id, project_id) references project
);
comment on table project_quota is 'Limits of a project inside its tenant''s. Written by the tenant''s transactions; none: only the tenant''s hold.';
comment on column project_quota.tenant_id is 'Whose project it is.';
comment on column project_quota.project_id is 'The project.';
comment on column project_quota.name is 'As in tenant_quota.';
comment on column project_quota.amount is 'The limit; 0 allows nothing.';
comment on column project_quota.set_at is 'When it was set.';

create table job_use (
	tenant_id    uuid   not null,
	project_id   uuid   not null,
	jobs         bigint not null default 0,
	cpu_milli    bigint not null default 0,
	memory_bytes bigint not null default 0,
	primary key (tenant_id, project_id),
	foreign key (tenant_id, project_id) references project
) with (fillfactor = 50);
comment on table job_use is 'What a project''s claimed jobs hold right now. Written by job_move, with the move.';
comment on column job_use.tenant_id is 'Whose project it is.';
comment on column job_use.project_id is 'The project.';
comment on column job_use.jobs is 'Jobs that are claimed, running or canceling.';
comment on column job_use.cpu_milli is 'Thousandths of CPUs that they hold.';
comment on column job_use.memory_bytes is 'Bytes of memory that they hold.';
alter table job_queue no force row level security;
insert into job_use (tenant_id, project_id, jobs, cpu_milli, memory_bytes)
select q.tenant_id, q.project_id, count(*), sum(q.cpu_milli), sum(q.memory_bytes)
from job_queue q where q.state <> 'queued' group by q.tenant_id, q.project_id;
alter table job_queue force row level security;

create table job_day (
	tenant_id  uuid   not null,
	project_id uuid   not null,
	day        date   not null,
	jobs       bigint not null default 0,
	primary key (tenant_id, project_id, day),
	foreign key (tenant_id, project_id) references project
) with (fillfactor = 50);
comment on table job_day is 'Jobs accepted per day, in the transaction that accepts them. Written by wardian_api.';
comment on column job_day.tenant_id is 'Whose project it is.';
comment on column job_day.project_id is 'The project.';
comment on column job_day.day is 'Day in UTC (database clock).';
comment on column job_day.jobs is 'Jobs accepted on it.';

-- Lost in a crash, which costs nothing: the buckets fill again.
create unlogged table rate_use (
	tenant_id  uuid        not null references tenant,
	bucket     text        not null check (length(bucket) between 1 and 63),
	node_id    uuid        not null,
	spent      bigint      not null,
	updated_at timestamptz not null default now(),
	primary key (tenant_id, bucket, node_id)
) with (fillfactor = 50);
comment on table rate_use is 'What each daemon has let through of a tenant''s rates, so that the others count it. Written by wardian_platform.';
comment on column rate_use.tenant_id is 'Whose rate it is.';
comment on column rate_use.bucket is '"tenant", or the public id of a key.';
comment on column rate_use.node_id is 'The daemon''s node.';
comment on column rate_use.spent is 'Requests let through since the daemon started.';
comment on column rate_use.updated_at is 'When it last said so.';

do $$
declare
	t text;
	mine constant text := 'tenant_id = (select nullif(current_setting(''wardian.tenant_id'', true), '''')::uuid)';
begin
	foreach t in array array['tenant_quota', 'project_quota', 'job_use', 'job_day', 'rate_use'] loop
		execute format('alter table %I enable row level security', t);
		execute format('alter table %I force row level security', t);
		execute format('create policy %I on %I to wardian_api using (%s) with check (%s)', t || '_api', t, mine, mine);
	end loop;
	foreach t in array array['tenant_quota', 'project_quota', 'job_use'] loop
		execute format('create policy %I on %I to wardian_sched using (true) with check (true)', t || '_sched', t);
	end loop;
end
$$;
grant select on tenant_quota, job_use to wardian_api;
grant select, insert, delete on project_quota to wardian_api;
grant update (amount, set_at) on project_quota to wardian_api;
grant select, insert on job_day to wardian_api;
grant update (jobs) on job_day to wardian_api;
grant select on rate_use to wardian_api;
grant select on tenant_quota, project_quota to wardian_sched;
grant select, insert on job_use to wardian_sched;
grant update (jobs, cpu_milli, memory_bytes) on job_use to wardian_sched;
grant select, insert on tenant_quota to wardian_platform;
grant update (amount, set_at) on tenant_quota to wardian_platform;
grant select, insert on rate_use to wardian_platform;
grant update (spent, updated_at) on rate_use to wardian_platform;

-- Idempotency keys are kept for a day, then aged out.
grant select, delete on idempotency to wardian_sched;
