-- SPDX-License-Identifier: Apache-2.0
-- Who exists in a tenant and what they may do.  Every change runs behind the lock of the tenant's audit
-- log (see identity_change.c), so that what one statement has read still holds when the next one writes.
-- Roles of a user or key are returned as text: "<role>:<project or nothing> ..." in order of assignment.

-- :name identity_standing :role api
-- Whether a credential still holds, and what its key is limited to.
select t.kind = 'platform' as platform, t.state, t.state_reason,
	u.user_id is not null and u.disabled_at is null as user_stands,
	k.key_id is not null and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) as key_stands,
	k.user_id as key_user, array_to_string(k.scopes, ' ') as key_scopes,
	i.issuer_id is not null and i.disabled_at is null as issuer_stands,
	t.support_allowed and exists (select from support_access s where s.tenant_id = $1::uuid
		and s.support_id = $5::uuid and s.ended_at is null and s.expires_at > now()) as support_stands,
	exists (select from token_revocation v where v.tenant_id = $1::uuid and v.token_id = $6::uuid) as token_revoked
from tenant t
	left join tenant_user u on u.tenant_id = $1::uuid and u.user_id = $2::uuid
	left join api_key k on k.tenant_id = $1::uuid and k.key_id = $3::uuid
	left join issuer i on i.tenant_id = $1::uuid and i.issuer_id = $4::uuid
where t.tenant_id = $1::uuid

-- :name identity_grants :role api
-- Roles of a user and of a key, with what the tenant's own ones allow.
select a.key_id is not null as of_key, coalesce(a.system_role, r.name) as role, a.system_role is not null as system,
	array_to_string(r.permissions, ' ') as permissions, a.project_id
from role_assignment a
	left join role r on r.tenant_id = $1::uuid and r.role_id = a.role_id
where a.tenant_id = $1::uuid and (a.user_id = $2::uuid or a.key_id = $3::uuid)
order by a.assignment_id

-- :name identity_issuer_grants :role api
-- Roles of all users that an issuer's tokens can name.
select false as of_key, coalesce(a.system_role, r.name) as role, a.system_role is not null as system,
	array_to_string(r.permissions, ' ') as permissions, a.project_id
from tenant_user u
	join role_assignment a on a.tenant_id = $1::uuid and a.user_id = u.user_id
	left join role r on r.tenant_id = $1::uuid and r.role_id = a.role_id
where u.tenant_id = $1::uuid and u.issuer_id = $2::uuid

-- :name identity_access_bump :role api
-- Principals that are cached of older versions are dropped.
update tenant set access_version = access_version + 1 where tenant_id = $1::uuid

-- :name identity_once_get :role api
-- What an Idempotency-Key has made.
select fingerprint, resource_id from idempotency where tenant_id = $1::uuid and key = $2::text

-- :name identity_once_insert :role api
insert into idempotency (tenant_id, key, fingerprint, resource_id)
values ($1::uuid, $2::text, $3::bytea, $4::uuid)

-- :name identity_use :role api
-- What counts against the limits of the tenant.
select (select count(*) from project where tenant_id = $1::uuid) as projects,
	(select count(*) from tenant_user where tenant_id = $1::uuid) as users,
	(select count(*) from role where tenant_id = $1::uuid) as roles,
	(select count(*) from role_assignment where tenant_id = $1::uuid) as assignments,
	(select count(*) from api_key where tenant_id = $1::uuid and revoked_at is null) as keys,
	(select count(*) from issuer where tenant_id = $1::uuid) as issuers

-- :name identity_owners :role api
-- Active users with a role in the whole tenant.
select count(*) as n
from role_assignment a
	join tenant_user u on u.tenant_id = $1::uuid and u.user_id = a.user_id
where a.tenant_id = $1::uuid and a.system_role = $2::text and a.project_id is null and u.disabled_at is null

-- :name identity_rule_issuer :role api
-- An issuer whose rules name a role or a project; NULL matches none.
select i.name
from issuer i
where i.tenant_id = $1::uuid and exists (select from jsonb_array_elements(i.rules) as x (rule)
	where x.rule ->> 'role' = $2::text or x.rule ->> 'project' = $3::text)
order by i.issuer_id limit 1

-- :name identity_project_get :role api
select project_id, name, title, created_at, archived_at, version
from project where tenant_id = $1::uuid and project_id = $2::uuid

-- :name identity_project_list :role api
select project_id, name, title, created_at, archived_at, version
from project
where tenant_id = $1::uuid and project_id < $2::uuid
	and ($3::uuid[] is null or project_id = any ($3::uuid[]))
	and ($4::boolean is null or (archived_at is not null) = $4::boolean)
order by project_id desc limit $5::bigint

-- :name identity_project_insert :role api
insert into project (tenant_id, project_id, name, title)
values ($1::uuid, $2::uuid, $3::text, $4::text)
returning project_id, name, title, created_at, archived_at, version

-- :name identity_project_update :role api
update project
set name = $3::text, title = $4::text, version = version + 1,
	archived_at = case when $5::boolean then coalesce(archived_at, now()) end
where tenant_id = $1::uuid and project_id = $2::uuid
returning project_id, name, title, created_at, archived_at, version

-- :name identity_project_keys :role api
-- Keys in force that would be without any of their roles, and so without limits, when the project goes.
select count(*) as n
from api_key k
where k.tenant_id = $1::uuid and k.revoked_at is null
	and exists (select from role_assignment a where a.tenant_id = $1::uuid and a.key_id = k.key_id
		and a.project_id = $2::uuid)
	and not exists (select from role_assignment a where a.tenant_id = $1::uuid and a.key_id = k.key_id
		and a.project_id is distinct from $2::uuid)

-- :name identity_project_grants :role api
-- Roles in a project, whoever has them.
select false as of_key, coalesce(a.system_role, r.name) as role, a.system_role is not null as system,
	array_to_string(r.permissions, ' ') as permissions, a.project_id
from role_assignment a
	left join role r on r.tenant_id = $1::uuid and r.role_id = a.role_id
where a.tenant_id = $1::uuid and a.project_id = $2::uuid

-- :name identity_project_unassign :role api
delete from role_assignment where tenant_id = $1::uuid and project_id = $2::uuid

-- :name identity_project_unlimit :role api
delete from project_quota where tenant_id = $1::uuid and project_id = $2::uuid

-- :name identity_project_delete :role api
delete from project where tenant_id = $1::uuid and project_id = $2::uuid

-- :name identity_user_get :role api
select u.user_id, u.kind, u.name, u.email, u.issuer_id, u.subject, u.created_at, u.disabled_at, u.version,
	(select string_agg(coalesce(a.system_role, r.name) || ':' || coalesce(a.project_id::text, ''), ' '
			order by a.assignment_id)
		from role_assignment a left join role r on r.tenant_id = $1::uuid and r.role_id = a.role_id
		where a.tenant_id = $1::uuid and a.user_id = u.user_id) as roles
from tenant_user u
where u.tenant_id = $1::uuid and u.user_id = $2::uuid

-- :name identity_user_by_name :role api
-- And whether it has a system role in the whole tenant, and is not disabled.
select u.user_id, u.disabled_at is null and exists (select from role_assignment a
	where a.tenant_id = $1::uuid and a.user_id = u.user_id and a.system_role = $3::text
		and a.project_id is null) as stands
from tenant_user u where u.tenant_id = $1::uuid and u.name = $2::text

-- :name identity_user_list :role api
select u.user_id, u.kind, u.name, u.email, u.issuer_id, u.subject, u.created_at, u.disabled_at, u.version,
	(select string_agg(coalesce(a.system_role, r.name) || ':' || coalesce(a.project_id::text, ''), ' '
			order by a.assignment_id)
		from role_assignment a left join role r on r.tenant_id = $1::uuid and r.role_id = a.role_id
		where a.tenant_id = $1::uuid and a.user_id = u.user_id) as roles
from tenant_user u
where u.tenant_id = $1::uuid and u.user_id < $2::uuid
	and ($3::text is null or u.kind = $3::text)
	and ($4::boolean is null or (u.disabled_at is not null) = $4::boolean)
order by u.user_id desc limit $5::bigint

-- :name identity_user_insert :role api
insert into tenant_user (tenant_id, user_id, kind, name, email, issuer_id, subject)
values ($1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::uuid, $7::text)

-- :name identity_user_update :role api
update tenant_user
set name = $3::text, email = $4::text, issuer_id = $5::uuid, subject = $6::text, version = version + 1,
	disabled_at = case when $7::boolean then coalesce(disabled_at, now()) end
where tenant_id = $1::uuid and user_id = $2::uuid

-- :name identity_user_keys :role api
-- Keys in force.
select count(*) as live
from api_key where tenant_id = $1::uuid and user_id = $2::uuid and revoked_at is null

-- :name identity_user_unassign :role api
-- Of the user and of its keys.
delete from role_assignment
where tenant_id = $1::uuid and (user_id = $2::uuid
	or key_id in (select k.key_id from api_key k where k.tenant_id = $1::uuid and k.user_id = $2::uuid))

-- :name identity_user_keys_delete :role api
delete from api_key where tenant_id = $1::uuid and user_id = $2::uuid

-- :name identity_user_delete :role api
delete from tenant_user where tenant_id = $1::uuid and user_id = $2::uuid

-- :name identity_role_find :role api
-- By id or by name; one of them is NULL.
select role_id, name, title, array_to_string(permissions, ' ') as permissions, created_at, version
from role where tenant_id = $1::uuid and (role_id = $2::uuid or name = $3::text)

-- :name identity_role_list :role api
select role_id, name, title, array_to_string(permissions, ' ') as permissions, created_at, version
from role where tenant_id = $1::uuid
order by name limit $2::bigint

-- :name identity_role_insert :role api
insert into role (tenant_id, role_id, name, title, permissions)
values ($1::uuid, $2::uuid, $3::text, $4::text, $5::text[])
returning role_id, name, title, array_to_string(permissions, ' ') as permissions, created_at, version

-- :name identity_role_update :role api
update role
set name = $3::text, title = $4::text, permissions = $5::text[], version = version + 1
where tenant_id = $1::uuid and role_id = $2::uuid
returning role_id, name, title, array_to_string(permissions, ' ') as permissions, created_at, version

-- :name identity_role_assignments :role api
select count(*) as n from role_assignment where tenant_id = $1::uuid and role_id = $2::uuid

-- :name identity_role_delete :role api
delete from role where tenant_id = $1::uuid and role_id = $2::uuid

-- :name identity_assignment_get :role api
select a.assignment_id, a.user_id, a.key_id, coalesce(a.system_role, r.name) as role, a.project_id, a.created_at
from role_assignment a
	left join role r on r.tenant_id = $1::uuid and r.role_id = a.role_id
where a.tenant_id = $1::uuid and a.assignment_id = $2::uuid

-- :name identity_assignment_find :role api
-- The assignment that says exactly this.
select a.assignment_id
from role_assignment a
where a.tenant_id = $1::uuid and a.user_id is not distinct from $2::uuid and a.key_id is not distinct from $3::uuid
	and a.system_role is not distinct from $4::text and a.role_id is not distinct from $5::uuid
	and a.project_id is not distinct from $6::uuid

-- :name identity_assignment_list :role api
select a.assignment_id, a.user_id, a.key_id, coalesce(a.system_role, r.name) as role, a.project_id, a.created_at
from role_assignment a
	left join role r on r.tenant_id = $1::uuid and r.role_id = a.role_id
where a.tenant_id = $1::uuid and a.assignment_id < $2::uuid
	and ($3::uuid is null or a.user_id = $3::uuid)
	and ($4::uuid is null or a.key_id = $4::uuid)
	and ($5::uuid is null or a.project_id = $5::uuid)
	and ($6::text is null or a.system_role = $6::text or r.name = $6::text)
order by a.assignment_id desc limit $7::bigint

-- :name identity_assignment_insert :role api
insert into role_assignment (tenant_id, assignment_id, user_id, key_id, system_role, role_id, project_id)
values ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::text, $6::uuid, $7::uuid)

-- :name identity_touch_users :role api
-- A user is shown with its roles: what is shown gets a new version with them.  The roles are those of
-- an assignment, of a project, or one role wherever it is given; the others are NULL.
update tenant_user set version = version + 1
where tenant_id = $1::uuid and user_id in (select a.user_id from role_assignment a
	where a.tenant_id = $1::uuid
		and (a.assignment_id = $2::uuid or a.project_id = $3::uuid or a.role_id = $4::uuid))

-- :name identity_touch_keys :role api
-- The same of keys.
update api_key set version = version + 1
where tenant_id = $1::uuid and key_id in (select a.key_id from role_assignment a
	where a.tenant_id = $1::uuid
		and (a.assignment_id = $2::uuid or a.project_id = $3::uuid or a.role_id = $4::uuid))

-- :name identity_assignment_delete :role api
delete from role_assignment where tenant_id = $1::uuid and assignment_id = $2::uuid

-- :name identity_key_get :role api
select k.key_id, k.user_id, k.public_id, k.kind, k.name, k.last4, array_to_string(k.scopes, ' ') as scopes,
	array_to_string(k.cidrs, ',') as cidrs, k.created_at, k.expires_at, k.last_used_at, k.last_used_from,
	case when k.previous_until > now() then k.previous_until end as previous_until,
	k.revoked_at, k.revoked_by, k.version,
	coalesce(k.expires_at <= now(), false) as expired,
	(select string_agg(coalesce(a.system_role, r.name) || ':' || coalesce(a.project_id::text, ''), ' '
			order by a.assignment_id)
		from role_assignment a left join role r on r.tenant_id = $1::uuid and r.role_id = a.role_id
		where a.tenant_id = $1::uuid and a.key_id = k.key_id) as roles
from api_key k
where k.tenant_id = $1::uuid and k.key_id = $2::uuid

-- :name identity_key_list :role api
select k.key_id, k.user_id, k.public_id, k.kind, k.name, k.last4, array_to_string(k.scopes, ' ') as scopes,
	array_to_string(k.cidrs, ',') as cidrs, k.created_at, k.expires_at, k.last_used_at, k.last_used_from,
	case when k.previous_until > now() then k.previous_until end as previous_until,
	k.revoked_at, k.revoked_by, k.version,
	coalesce(k.expires_at <= now(), false) as expired,
	(select string_agg(coalesce(a.system_role, r.name) || ':' || coalesce(a.project_id::text, ''), ' '
			order by a.assignment_id)
		from role_assignment a left join role r on r.tenant_id = $1::uuid and r.role_id = a.role_id
		where a.tenant_id = $1::uuid and a.key_id = k.key_id) as roles
from api_key k
where k.tenant_id = $1::uuid and k.key_id < $2::uuid
	and ($3::uuid is null or k.user_id = $3::uuid)
	and ($4::boolean is null or (k.revoked_at is not null) = $4::boolean)
order by k.key_id desc limit $5::bigint

-- :name identity_key_insert :role api
insert into api_key (tenant_id, key_id, user_id, public_id, kind, name, hash, last4, scopes, cidrs, expires_at)
values ($1::uuid, $2::uuid, $3::uuid, $4::text, $5::text, $6::text, $7::bytea, $8::text, $9::text[], $10::text[],
	$11::timestamptz)

-- :name identity_key_forget_roles :role api
-- Of the keys that the next statement forgets.
delete from role_assignment
where tenant_id = $1::uuid and key_id in (select k.key_id from api_key k
	where k.tenant_id = $1::uuid and k.revoked_at is not null
	order by k.revoked_at desc, k.key_id desc offset $2::bigint limit 100)

-- :name identity_key_forget :role api
-- Of the revoked keys those that $2 others were revoked after; a few at a time.
delete from api_key
where tenant_id = $1::uuid and key_id in (select k.key_id from api_key k
	where k.tenant_id = $1::uuid and k.revoked_at is not null
	order by k.revoked_at desc, k.key_id desc offset $2::bigint limit 100)

-- :name identity_key_update :role api
update api_key
set name = $3::text, scopes = $4::text[], cidrs = $5::text[], expires_at = $6::timestamptz, version = version + 1
where tenant_id = $1::uuid and key_id = $2::uuid

-- :name identity_key_rotate :role api
-- An overlap of 0 seconds ends the former text at once.
update api_key
set hash = $3::bytea, last4 = $4::text, version = version + 1,
	previous_hash = case when $5::bigint > 0 then hash end,
	previous_until = case when $5::bigint > 0 then now() + $5::bigint * interval '1 second' end
where tenant_id = $1::uuid and key_id = $2::uuid

-- :name identity_key_revoke :role api
update api_key
set revoked_at = now(), revoked_by = $3::text, previous_hash = null, previous_until = null, version = version + 1
where tenant_id = $1::uuid and key_id = $2::uuid and revoked_at is null

-- :name identity_issuer_get :role api
select issuer_id, name, url, audience, tenant_claim, jwks, rules, created_at, disabled_at, version
from issuer where tenant_id = $1::uuid and issuer_id = $2::uuid

-- :name identity_issuer_list :role api
select issuer_id, name, url, audience, tenant_claim, jwks, rules, created_at, disabled_at, version
from issuer
where tenant_id = $1::uuid and issuer_id < $2::uuid
order by issuer_id desc limit $3::bigint

-- :name identity_issuer_insert :role api
insert into issuer (tenant_id, issuer_id, name, url, audience, tenant_claim, jwks, rules)
values ($1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::text, $7::jsonb, $8::jsonb)
returning issuer_id, name, url, audience, tenant_claim, jwks, rules, created_at, disabled_at, version

-- :name identity_issuer_update :role api
update issuer
set name = $3::text, url = $4::text, audience = $5::text, tenant_claim = $6::text, jwks = $7::jsonb,
	rules = $8::jsonb, version = version + 1,
	disabled_at = case when $9::boolean then coalesce(disabled_at, now()) end
where tenant_id = $1::uuid and issuer_id = $2::uuid
returning issuer_id, name, url, audience, tenant_claim, jwks, rules, created_at, disabled_at, version

-- :name identity_issuer_users :role api
select count(*) as n from tenant_user where tenant_id = $1::uuid and issuer_id = $2::uuid

-- :name identity_issuer_delete :role api
delete from issuer where tenant_id = $1::uuid and issuer_id = $2::uuid

-- :name identity_self_get :role api
-- What a tenant decides about itself.
select support_allowed, version from tenant where tenant_id = $1::uuid

-- :name identity_self_update :role api
update tenant set support_allowed = $2::boolean, version = version + 1 where tenant_id = $1::uuid

-- :name identity_support_end :role api
-- All that are open: who is shown the door does not come back by the same one.
update support_access set ended_at = now(), ended_by = $2::text
where tenant_id = $1::uuid and ended_at is null and expires_at > now()

-- :name identity_token_revoke :role api
-- A token is given back; again changes nothing.  The leeway for clocks that disagree is added.
insert into token_revocation (tenant_id, token_id, expires_at)
values ($1::uuid, $2::uuid, $3::timestamptz + interval '5 minutes')
on conflict do nothing

-- :name identity_token_prune :role api
-- Tokens that nobody would accept any more need no row.  Found by an index (0012), because it is looked
-- for them with each token that is given back.
delete from token_revocation where tenant_id = $1::uuid and expires_at is not null and expires_at < now()

-- :name identity_project_limit :role api
-- What was set, for the entry in the audit log.
select q.amount from project_quota q
where q.tenant_id = $1::uuid and q.project_id = $2::uuid and q.name = $3::text
