-- SPDX-License-Identifier: Apache-2.0
-- The registry of tenants and what operators do with it.  Run by wardian_platform, which sees
-- nothing of what tenants own, but for two statements of a tenant's own.

-- :name platform_asker_stands :role platform
-- Whether an operator is one still, and the credential holds: user $2, role $3, key $4, token $5 of
-- the platform's tenant.
select exists (
	select from tenant_user u
	where u.tenant_id = $1::uuid and u.user_id = $2::uuid and u.disabled_at is null
		and exists (select from role_assignment a where a.tenant_id = $1::uuid
			and a.user_id = $2::uuid and a.system_role = $3::text and a.project_id is null)
		and exists (select from api_key k where k.tenant_id = $1::uuid and k.key_id = $4::uuid
			and k.user_id = $2::uuid and k.revoked_at is null
			and (k.expires_at is null or k.expires_at > now()))
		and not exists (select from token_revocation v where v.tenant_id = $1::uuid
			and v.token_id = $5::uuid)) as stands;

-- :name platform_owner_stands :role platform
-- Whether somebody who has a role ($2) in a whole tenant has a key in force, or is a subject of an
-- issuer.
select exists (
	select from role_assignment a
	join tenant_user u on u.tenant_id = $1::uuid and u.user_id = a.user_id
	where a.tenant_id = $1::uuid and a.system_role = $2::text and a.project_id is null
		and u.disabled_at is null
		and (exists (select from api_key k where k.tenant_id = $1::uuid and k.user_id = u.user_id
				and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()))
			or exists (select from issuer i where i.tenant_id = $1::uuid
				and i.issuer_id = u.issuer_id and i.disabled_at is null))) as stands;

-- :name platform_tenant_insert :role platform
-- The slot of host uids comes from the column's default.
insert into tenant (tenant_id, name) values ($1::uuid, $2::text);

-- :name platform_tenant_head :role platform
-- Where the tenant's audit chain begins (migration 0008).
insert into audit_head (tenant_id, hash) values ($1::uuid, sha256(uuid_send($1::uuid)));

-- :name platform_tenant_project :role platform
insert into project (tenant_id, project_id, name) values ($1::uuid, $2::uuid, 'default');

-- :name platform_tenant_get :role platform
select t.tenant_id, t.name, t.kind, t.state, t.state_reason, t.support_allowed, t.state_changed_at,
	t.created_at, t.version
from tenant t where t.tenant_id = $1::uuid;

-- :name platform_tenant_find :role platform
-- Names are not unique: n tells of namesakes.
select t.tenant_id, count(*) over () as n from tenant t
where t.name = $1::text and t.kind = 'customer' order by t.tenant_id limit 1;

-- :name platform_tenant_list :role platform
-- A page, newest first.
select t.tenant_id, t.name, t.kind, t.state, t.state_reason, t.support_allowed, t.state_changed_at,
	t.created_at, t.version
from tenant t
where t.tenant_id < $1::uuid and ($2::text is null or t.name = $2::text)
	and ($3::text is null or t.state = $3::text)
order by t.tenant_id desc limit $4::bigint;

-- :name platform_tenant_rename :role platform
update tenant set name = $2::text, version = version + 1 where tenant_id = $1::uuid;

-- :name platform_tenant_move :role platform
-- Another state, with the reason for it; what is cached of the tenant's credentials is dropped.
update tenant set state = $2::text, state_reason = $3::text, state_changed_at = now(),
	access_version = access_version + 1, version = version + 1
where tenant_id = $1::uuid;

-- :name platform_limit_get :role platform
-- What was set, for the entry in the audit log.
select q.name, coalesce(q.amount, -1) as amount from tenant_quota q
where q.tenant_id = $1::uuid and q.name = $2::text;

-- :name platform_support_insert :role platform
insert into support_access (tenant_id, support_id, operator_id, operator_name, system_role, reason,
	expires_at)
values ($1::uuid, $2::uuid, $3::uuid, $4::text, $5::text, $6::text,
	now() + $7::bigint * interval '1 second')
returning support_id, operator_id, operator_name, system_role, reason, created_at, expires_at,
	ended_at, ended_by, true as active;

-- :name platform_support_end :role platform
-- Once; the tokens of it end with it.
update support_access s set ended_at = now(), ended_by = $3::text
where s.tenant_id = $1::uuid and s.support_id = $2::uuid and s.ended_at is null;

-- :name platform_support_known :role platform
select exists (select from support_access s
	where s.tenant_id = $1::uuid and s.support_id = $2::uuid) as known;

-- :name platform_support_end_own :role api
update support_access s set ended_at = now(), ended_by = $3::text
where s.tenant_id = $1::uuid and s.support_id = $2::uuid and s.ended_at is null;

-- :name platform_support_known_own :role api
select exists (select from support_access s
	where s.tenant_id = $1::uuid and s.support_id = $2::uuid) as known;

-- :name platform_access_bump :role platform
update tenant set access_version = access_version + 1 where tenant_id = $1::uuid;

-- :name platform_access_bump_own :role api
update tenant set access_version = access_version + 1 where tenant_id = $1::uuid;

-- :name platform_support_list :role api
-- A page of the tenant's own, newest first.
select s.support_id, s.operator_id, s.operator_name, s.system_role, s.reason, s.created_at,
	s.expires_at, s.ended_at, s.ended_by, s.ended_at is null and s.expires_at > now() as active
from support_access s
where s.tenant_id = $1::uuid and s.support_id < $2::uuid
order by s.support_id desc limit $3::bigint;

-- :name platform_operation_insert :role platform
insert into operation (operation_id, kind, target, target_name, stage, created_by)
values ($1::uuid, 'tenant.delete', $2::uuid, $3::text, 'stopping', $4::text);

-- :name platform_operation_get :role platform
select o.operation_id, o.target, o.kind, o.target_name, o.stage, o.progress, o.problem,
	o.created_by, o.state = 'done' as done, o.created_at, o.updated_at, o.ended_at
from operation o where o.operation_id = $1::uuid;

-- :name platform_operation_list :role platform
-- A page, newest first.
select o.operation_id, o.target, o.kind, o.target_name, o.stage, o.progress, o.problem,
	o.created_by, o.state = 'done' as done, o.created_at, o.updated_at, o.ended_at
from operation o where o.operation_id < $1::uuid
order by o.operation_id desc limit $2::bigint;

-- :name platform_operation_nodes :role platform
select n.node_id, n.waived, n.done_at from operation_node n
where n.operation_id = $1::uuid order by n.node_id;

-- :name platform_operation_waive :role platform
update operation_node n set waived = true
where n.operation_id = $1::uuid and n.node_id = $2::uuid;

-- :name platform_work_claim :role platform
-- One running operation that nobody else works on: the one that was looked at longest ago.
with one as (
	select o.operation_id from operation o
	where o.state = 'running'
		and (o.lease_until is null or o.lease_until < now() or o.lease_owner = $1::uuid)
	order by o.lease_until nulls first, o.operation_id limit 1
	for update skip locked
)
update operation o set lease_owner = $1::uuid, lease_until = now() + interval '30 seconds'
from one where o.operation_id = one.operation_id
returning o.operation_id, o.target, o.target_name, o.stage;

-- :name platform_work_move :role platform
-- Moves it on, while the lease holds.
update operation o set stage = $3::text, progress = o.progress || $4::jsonb, problem = $5::text,
	updated_at = now(), lease_until = now(),
	state = case when $3::text = 'done' then 'done' else o.state end,
	ended_at = case when $3::text = 'done' then now() end
where o.operation_id = $1::uuid and o.lease_owner = $2::uuid and o.state = 'running';

-- :name platform_work_live :role platform
-- Jobs of the tenant that are still alive.
select count(*) as live from job_queue q where q.tenant_id = $1::uuid;

-- :name platform_work_ran_on :role api
-- Nodes that may hold files of the tenant's jobs.
select distinct a.node_id from job_attempt a where a.tenant_id = $1::uuid;

-- :name platform_work_await :role platform
-- Nodes whose files must be gone first.
insert into operation_node (operation_id, node_id)
select $1::uuid, n.id from unnest($2::uuid[]) as n (id)
on conflict (operation_id, node_id) do nothing;

-- :name platform_work_awaited :role platform
select count(*) as awaited from operation_node n
where n.operation_id = $1::uuid and n.done_at is null and not n.waived;

-- :name platform_work_mine :role platform
-- Tenants whose files this node has to remove.
select o.operation_id, o.target from operation o
join operation_node n on n.operation_id = o.operation_id
where o.state = 'running' and o.stage = 'files' and n.node_id = $1::uuid and n.done_at is null
order by o.operation_id limit 16;

-- :name platform_work_mine_done :role platform
update operation_node n set done_at = now()
where n.operation_id = $1::uuid and n.node_id = $2::uuid;

-- :name platform_work_left :role platform
-- Deletions behind $1, oldest first.  Nodes that nobody waits for have something of the tenant, too: what
-- came about without its jobs, and all of it when they were waived and come back.  Ids of one moment need
-- not be committed in their order, so that the newest wait.
select o.operation_id, o.target, o.stage = 'stopping' as stopping from operation o
where o.operation_id > $1::uuid and o.created_at < now() - interval '5 seconds'
order by o.operation_id limit 16;

-- What follows deletes at most $2 rows of a tenant from one table each; row-level security lets only
-- rows of tenants go that are being deleted.  A batch is found by its place, because wardian_platform
-- may not look into the rows.

-- :name platform_delete_result :role platform
delete from result x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from result y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_metric :role platform
delete from metric x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from metric y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_attempt_usage :role platform
delete from attempt_usage x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from attempt_usage y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_job_attempt :role platform
delete from job_attempt x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from job_attempt y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_job_event :role platform
delete from job_event x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from job_event y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_job_manifest :role platform
delete from job_manifest x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from job_manifest y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_job_queue :role platform
delete from job_queue x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from job_queue y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_idempotency :role platform
delete from idempotency x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from idempotency y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_job :role platform
delete from job x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from job y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_job_use :role platform
delete from job_use x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from job_use y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_job_day :role platform
delete from job_day x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from job_day y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_project_quota :role platform
delete from project_quota x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from project_quota y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_tenant_quota :role platform
delete from tenant_quota x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from tenant_quota y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_rate_use :role platform
delete from rate_use x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from rate_use y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_role_assignment :role platform
delete from role_assignment x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from role_assignment y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_api_key :role platform
delete from api_key x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from api_key y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_token_revocation :role platform
delete from token_revocation x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from token_revocation y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_support_access :role platform
delete from support_access x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from support_access y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_tenant_user :role platform
delete from tenant_user x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from tenant_user y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_issuer :role platform
delete from issuer x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from issuer y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_role :role platform
delete from role x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from role y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_project :role platform
delete from project x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from project y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_audit_log :role platform
delete from audit_log x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from audit_log y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_audit_head :role platform
delete from audit_head x where x.tenant_id = $1::uuid and x.ctid = any (array(
	select y.ctid from audit_head y where y.tenant_id = $1::uuid limit $2::bigint));

-- :name platform_delete_tenant :role platform
-- The last row of all.
delete from tenant where tenant_id = $1::uuid and state = 'deleting' and $2::bigint > 0;

-- :name isolation_known :role platform
-- Something of another tenant that is sure to exist: a project and a user of the platform's own.
select p.project_id,
	(select u.user_id from tenant_user u where u.tenant_id = p.tenant_id
	 order by u.user_id limit 1) as user_id
from project p where p.tenant_id = $1::uuid order by p.project_id limit 1;

-- :name isolation_role :role api
-- Who the transactions of tenants run as, and for whom.
select r.rolname::text as role, r.rolsuper or r.rolbypassrls or r.rolcreaterole as powerful,
	coalesce(current_setting('wardian.tenant_id', true), '') as context
from pg_roles r where r.rolname = current_user;

-- :name isolation_tables :role api
-- Tables that the role may read or write, those of them whose rows are filtered for it, and those
-- whose owner would be bound as well.
select count(*) as tables, count(*) filter (where row_security_active(c.oid)) as filtered,
	count(*) filter (where c.relforcerowsecurity) as forced
from pg_class c
where c.relnamespace = 'wardian'::regnamespace and c.relkind in ('r', 'p')
	and (has_any_column_privilege(c.oid, 'select, insert, update')
		or has_table_privilege(c.oid, 'delete'));

-- :name isolation_policies :role api
-- Policies that bind this role and say anything but "the transaction's tenant" once blanks,
-- parentheses and casts are left out.
select count(*) as others
from pg_policy p join pg_class c on c.oid = p.polrelid
cross join lateral (values (pg_get_expr(p.polqual, p.polrelid)),
	(pg_get_expr(p.polwithcheck, p.polrelid))) as e (expression)
where c.relnamespace = 'wardian'::regnamespace
	and p.polroles && array(select r.oid from pg_roles r where r.rolname = current_user union all select 0)
	and regexp_replace(e.expression, '[\s()]|::text|AS "?nullif"?', '', 'g') is distinct from
		'tenant_id=SELECTNULLIFcurrent_setting''wardian.tenant_id'',true,''''::uuid';

-- :name isolation_foreign :role api
-- Rows of the other tenant ($1) that can be seen.  On purpose without the filter that every other
-- statement has: row-level security alone must answer.
select (select count(*) from tenant x where x.tenant_id = $1::uuid)
	+ (select count(*) from project x where x.tenant_id = $1::uuid)
	+ (select count(*) from tenant_user x where x.tenant_id = $1::uuid)
	+ (select count(*) from api_key x where x.tenant_id = $1::uuid)
	+ (select count(*) from role x where x.tenant_id = $1::uuid)
	+ (select count(*) from role_assignment x where x.tenant_id = $1::uuid)
	+ (select count(*) from issuer x where x.tenant_id = $1::uuid)
	+ (select count(*) from token_revocation x where x.tenant_id = $1::uuid)
	+ (select count(*) from support_access x where x.tenant_id = $1::uuid)
	+ (select count(*) from audit_head x where x.tenant_id = $1::uuid)
	+ (select count(*) from audit_log x where x.tenant_id = $1::uuid)
	+ (select count(*) from tenant_quota x where x.tenant_id = $1::uuid)
	+ (select count(*) from project_quota x where x.tenant_id = $1::uuid)
	+ (select count(*) from rate_use x where x.tenant_id = $1::uuid)
	+ (select count(*) from idempotency x where x.tenant_id = $1::uuid)
	+ (select count(*) from job x where x.tenant_id = $1::uuid)
	+ (select count(*) from job_manifest x where x.tenant_id = $1::uuid)
	+ (select count(*) from job_queue x where x.tenant_id = $1::uuid)
	+ (select count(*) from job_event x where x.tenant_id = $1::uuid)
	+ (select count(*) from job_attempt x where x.tenant_id = $1::uuid)
	+ (select count(*) from attempt_usage x where x.tenant_id = $1::uuid)
	+ (select count(*) from job_use x where x.tenant_id = $1::uuid)
	+ (select count(*) from job_day x where x.tenant_id = $1::uuid)
	+ (select count(*) from result x where x.tenant_id = $1::uuid)
	+ (select count(*) from metric x where x.tenant_id = $1::uuid) as seen;

-- :name isolation_foreign_ids :role api
-- The same by ids that exist there: without any tenant in the question.
select (select count(*) from project x where x.project_id = $1::uuid)
	+ (select count(*) from tenant_user x where x.user_id = $2::uuid) as seen;

-- :name isolation_foreign_write :role api
-- Tries to touch a project that exists there; rolled back in any case.
update project x set version = x.version where x.tenant_id = $1::uuid and x.project_id = $2::uuid;

-- :name isolation_foreign_delete :role api
-- The same with deletion.
delete from role_assignment x where x.tenant_id = $1::uuid;
