-- SPDX-License-Identifier: Apache-2.0
-- Tenants and API keys.

-- :name tenant_insert :role sched
-- A platform operation; the slot of host uids comes from the column's default.
insert into tenant (tenant_id, name) values ($1::uuid, $2::text)

-- :name tenant_self :role api
-- The tenant's own row; row-level security leaves no other.
select tenant_id, name, uid_slot, created_at from tenant

-- :name tenant_by_name :role sched
-- Names are not unique: n tells of namesakes.
select tenant_id, count(*) over () as n from tenant where name = $1::text order by tenant_id limit 1

-- :name tenant_key_by_public :role sched
-- Before a tenant is known.  Should two keys ever share a public part, the one with the hash comes
-- first.  The clock is the database's, so that all daemons agree.
select tenant_id, key_id, hash, expires_at, coalesce(expires_at <= now(), false) as expired,
	revoked_at is not null as revoked
from api_key where public_id = $1::text order by hash = $2::bytea desc limit 1

-- :name tenant_key_insert :role api
insert into api_key (tenant_id, key_id, public_id, hash, name, expires_at)
values ((select nullif(current_setting('wardian.tenant_id', true), '')::uuid), $1::uuid, $2::text,
	$3::bytea, $4::text, $5::timestamptz)

-- :name tenant_key_revoke :role api
-- Revoking again changes nothing and succeeds.
update api_key set revoked_at = coalesce(revoked_at, now()) where public_id = $1::text
