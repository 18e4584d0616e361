-- SPDX-License-Identifier: Apache-2.0
-- Who is asking.  Each look-up is one statement, so that what a credential may do and the version of
-- the tenant that it is cached under come from one snapshot.  Roles are JSON: [[system role, names of
-- permissions, project], ...], those for the whole tenant first, and one more than the program reads
-- (TENANT_ROLES_MAX), so that it sees when some are left out.  Clocks are the database's, so that all
-- daemons agree.

-- :name tenant_self :role api
-- The tenant's own row.
select tenant_id, name, kind, state, state_reason, support_allowed, version, created_at
from tenant where tenant_id = $1::uuid

-- :name tenant_key_look_up :role platform
-- A key by its text ($1, $2), or, for a token that was issued for it, by its id ($3 to $5).  Should two
-- keys ever share a public part, the digest tells them apart; one with another digest is not found, so
-- that a wrong secret and an unknown key take the same path.
with k as (
	select k.tenant_id, k.key_id, k.public_id, k.hash, k.previous_hash, k.previous_until, k.user_id,
		k.scopes, k.cidrs, k.expires_at, k.revoked_at
	from api_key k
	where k.public_id = $1::text and (k.hash = $2::bytea or k.previous_hash = $2::bytea)
	union all
	select k.tenant_id, k.key_id, k.public_id, k.hash, k.previous_hash, k.previous_until, k.user_id,
		k.scopes, k.cidrs, k.expires_at, k.revoked_at
	from api_key k
	where k.tenant_id = $3::uuid and k.key_id = $4::uuid
	limit 1
)
select t.tenant_id, t.state, t.state_reason, t.access_version,
	k.key_id, k.public_id, k.hash, coalesce(k.previous_hash, '') as previous_hash, k.previous_until,
	coalesce(k.previous_until > now(), false) as previous_holds,
	array_to_string(k.scopes, ' ') as scopes, array_to_string(k.cidrs, ',') as cidrs,
	k.expires_at, coalesce(k.expires_at <= now(), false) as expired, k.revoked_at is not null as revoked,
	exists (select from token_revocation v where v.tenant_id = $3::uuid and v.token_id = $5::uuid) as token_revoked,
	u.user_id, u.name as user_name, u.disabled_at is not null as user_disabled,
	(select jsonb_agg(jsonb_build_array(x.system_role, x.permissions, x.project_id)) from (
		select a.system_role, array_to_string(r.permissions, ' ') as permissions, a.project_id
		from role_assignment a left join role r on r.tenant_id = a.tenant_id and r.role_id = a.role_id
		where a.tenant_id = k.tenant_id and a.user_id = k.user_id
		order by a.project_id nulls first, a.assignment_id limit 129) x) as roles,
	(select jsonb_agg(jsonb_build_array(x.system_role, x.permissions, x.project_id)) from (
		select a.system_role, array_to_string(r.permissions, ' ') as permissions, a.project_id
		from role_assignment a left join role r on r.tenant_id = a.tenant_id and r.role_id = a.role_id
		where a.tenant_id = k.tenant_id and a.key_id = k.key_id
		order by a.project_id nulls first, a.assignment_id limit 129) x) as key_roles
from k
	join tenant t on t.tenant_id = k.tenant_id
	join tenant_user u on u.tenant_id = k.tenant_id and u.user_id = k.user_id

-- :name tenant_support_look_up :role platform
-- A support access ($1, $2) with the operator behind it and what that operator may do now in the
-- platform's tenant ($3).
select t.tenant_id, t.state, t.state_reason, t.access_version, p.access_version as platform_version,
	s.system_role, s.operator_name, s.expires_at,
	s.ended_at is not null or s.expires_at <= now() or not t.support_allowed as ended,
	p.state = 'active' and u.user_id is not null and u.disabled_at is null as operator_stands,
	exists (select from token_revocation v where v.tenant_id = $1::uuid and v.token_id = $4::uuid) as token_revoked,
	(select jsonb_agg(jsonb_build_array(x.system_role, x.permissions, x.project_id)) from (
		select a.system_role, array_to_string(r.permissions, ' ') as permissions, a.project_id
		from role_assignment a left join role r on r.tenant_id = a.tenant_id and r.role_id = a.role_id
		where a.tenant_id = $3::uuid and a.user_id = s.operator_id
		order by a.project_id nulls first, a.assignment_id limit 129) x) as roles
from support_access s
	join tenant t on t.tenant_id = s.tenant_id
	join tenant p on p.tenant_id = $3::uuid
	left join tenant_user u on u.tenant_id = $3::uuid and u.user_id = s.operator_id
where s.tenant_id = $1::uuid and s.support_id = $2::uuid

-- :name tenant_issuer_look_up :role platform
-- Issuers of this name ($1) whom tenants that the token names ($2) trust, for one of its audiences
-- ($3); the tenant's user whom the token's subject ($4) stands for, if there is one; and the tenant's
-- own roles that the rules name, {name: names of permissions}.
select t.tenant_id, t.state, t.state_reason, t.access_version,
	i.issuer_id, i.version, i.audience, i.tenant_claim, i.jwks, i.rules,
	(select jsonb_object_agg(r.name, array_to_string(r.permissions, ' ')) from role r
		where r.tenant_id = i.tenant_id
			and r.name in (select x.role #>> '{}' from jsonb_path_query(i.rules, '$[*].role') as x (role))) as rule_roles,
	u.user_id, coalesce(u.name, $4::text) as user_name, u.disabled_at is not null as user_disabled,
	(select jsonb_agg(jsonb_build_array(x.system_role, x.permissions, x.project_id)) from (
		select a.system_role, array_to_string(r.permissions, ' ') as permissions, a.project_id
		from role_assignment a left join role r on r.tenant_id = a.tenant_id and r.role_id = a.role_id
		where a.tenant_id = u.tenant_id and a.user_id = u.user_id
		order by a.project_id nulls first, a.assignment_id limit 129) x) as roles
from unnest($2::uuid[]) as named (tenant_id)
	join tenant t on t.tenant_id = named.tenant_id
	join issuer i on i.tenant_id = named.tenant_id
	left join tenant_user u on u.tenant_id = i.tenant_id and u.issuer_id = i.issuer_id and u.subject = $4::text
where i.url = $1::text and i.audience = any ($3::text[]) and i.disabled_at is null
order by i.tenant_id, i.issuer_id limit 9

-- :name tenant_versions :role platform
-- Which of these tenants' cached principals still hold; a tenant that is gone is not there.
select tenant_id, access_version from tenant where tenant_id = any ($1::uuid[])

-- :name tenant_use_note :role platform
-- When and from where keys were last used.  A row that somebody else holds right now is left alone,
-- and the key's next use is noted: nobody waits for anybody here.
with used as (
	select k.tenant_id, k.key_id, u.at, u.source
	from api_key k
		join unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[]) as u (tenant_id, key_id, at, source)
			on k.tenant_id = u.tenant_id and k.key_id = u.key_id
	where k.last_used_at is null or k.last_used_at < u.at
	for no key update of k skip locked
)
update api_key k set last_used_at = used.at, last_used_from = used.source
from used where k.tenant_id = used.tenant_id and k.key_id = used.key_id

-- :name tenant_signing_keys :role platform
-- Public keys of tokens that may still hold: $1 is the longest life of a token in seconds.
select kid, jwk from signing_key
where retired_at is null or retired_at > now() - make_interval(secs => $1::bigint)
order by created_at desc, kid limit 256

-- :name tenant_signing_key_known :role platform
-- Whether a key exists that may have come after the last look at all of them.
select true as known from signing_key
where kid = $1::text and (retired_at is null or retired_at > now() - make_interval(secs => $2::bigint))

-- :name tenant_signing_key_insert :role platform
-- A node's key comes into use, or again; nothing happens when it is another node's.
insert into signing_key (kid, node_id, jwk) values ($1::text, $2::uuid, $3::jsonb)
on conflict (kid) do update set retired_at = null where signing_key.node_id = $2::uuid

-- :name tenant_signing_key_retire :role platform
-- The node signs with no other key any more.
update signing_key set retired_at = now() where node_id = $1::uuid and kid <> $2::text and retired_at is null

-- :name tenant_signing_key_prune :role platform
-- Keys whose last token has expired.
delete from signing_key where retired_at <= now() - make_interval(secs => $1::bigint)
