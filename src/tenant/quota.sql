-- SPDX-License-Identifier: Apache-2.0
-- Limits of tenants and projects, and what is used of them.

-- :name quota_of_tenant :role api
-- What was set for the tenant.
select q.name, q.amount from tenant_quota q
where q.tenant_id = $1::uuid and q.amount is not null;

-- :name quota_of_project :role api
-- What was set for one project.
select q.name, q.amount from project_quota q
where q.tenant_id = $1::uuid and q.project_id = $2::uuid;

-- :name quota_use :role api
-- What is used, of the whole tenant or of one project ($2); NULL where that is not counted.
select
	(select coalesce(sum(d.accepted - u.jobs_left), 0)::bigint from job_use u
	 cross join lateral (
		select d.accepted from job_day d
		where d.tenant_id = $1::uuid and d.project_id = u.project_id
		order by d.day desc limit 1) d
	 where u.tenant_id = $1::uuid
	   and ($2::uuid is null or u.project_id = $2::uuid)) as jobs_queued,
	(select coalesce(sum(d.jobs), 0)::bigint from job_day d
	 where d.tenant_id = $1::uuid and d.day = (now() at time zone 'utc')::date
	   and ($2::uuid is null or d.project_id = $2::uuid)) as jobs_per_day,
	(select coalesce(sum(u.jobs), 0)::bigint from job_use u
	 where u.tenant_id = $1::uuid
	   and ($2::uuid is null or u.project_id = $2::uuid)) as jobs_running,
	(select coalesce(sum(u.cpu_milli), 0)::bigint from job_use u
	 where u.tenant_id = $1::uuid
	   and ($2::uuid is null or u.project_id = $2::uuid)) as cpu_milli,
	(select coalesce(sum(u.memory_bytes), 0)::bigint from job_use u
	 where u.tenant_id = $1::uuid
	   and ($2::uuid is null or u.project_id = $2::uuid)) as memory_bytes,
	(select coalesce(sum(u.gpus), 0)::bigint from job_use u
	 where u.tenant_id = $1::uuid
	   and ($2::uuid is null or u.project_id = $2::uuid)) as gpus,
	(select coalesce(sum(u.output_bytes), 0)::bigint from job_use u
	 where u.tenant_id = $1::uuid
	   and ($2::uuid is null or u.project_id = $2::uuid)) as storage_bytes,
	(select count(*) from project p where p.tenant_id = $1::uuid) as projects,
	(select count(*) from tenant_user u where u.tenant_id = $1::uuid) as users,
	(select count(*) from role r where r.tenant_id = $1::uuid) as roles,
	(select count(*) from role_assignment a where a.tenant_id = $1::uuid) as role_assignments,
	(select count(*) from api_key k
	 where k.tenant_id = $1::uuid and k.revoked_at is null) as keys,
	(select count(*) from issuer i where i.tenant_id = $1::uuid) as issuers;

-- :name quota_set :role platform
-- A limit of a tenant; NULL goes back to the default.
insert into tenant_quota (tenant_id, name, amount) values ($1::uuid, $2::text, $3::bigint)
on conflict (tenant_id, name) do update set amount = excluded.amount, set_at = now();

-- :name quota_project_set :role api
-- A limit of a project, if there is such a project.
insert into project_quota (tenant_id, project_id, name, amount)
select p.tenant_id, p.project_id, $3::text, $4::bigint from project p
where p.tenant_id = $1::uuid and p.project_id = $2::uuid
on conflict (tenant_id, project_id, name) do update set amount = excluded.amount, set_at = now();

-- :name quota_project_unset :role api
delete from project_quota q
where q.tenant_id = $1::uuid and q.project_id = $2::uuid and q.name = $3::text;
