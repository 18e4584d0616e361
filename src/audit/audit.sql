-- SPDX-License-Identifier: Apache-2.0
-- The record of changes: entries are added to the end of their tenant's chain, never changed.

-- :name audit_lock :role api,platform
-- Holds the chain of a tenant until the transaction ends.
select h.number from audit_head h where h.tenant_id = $1::uuid for update;

-- :name audit_insert :role api,platform
-- Moves the chain on by one entry.  The sub-select is evaluated again when the row was moved by
-- another transaction meanwhile, so that the time is taken with the row in hand; its volatile
-- function keeps it from being flattened, so that one time goes into the row and into the hash.
with moved as (
	update audit_head h
	set (number, at, hash) = (
		select h.number + 1, c.at, sha256(h.hash || int8send(h.number + 1)
			|| int8send((extract(epoch from c.at) * 1000000)::bigint)
			|| convert_to($2::text, 'UTF8'))
		from (select clock_timestamp() as at) c)
	where h.tenant_id = $1::uuid
	returning h.number, h.at, h.hash)
insert into audit_log (tenant_id, number, at, entry, hash)
select $1::uuid, m.number, m.at, $2::text, m.hash from moved m;

-- :name audit_page_newest :role api
-- Newest first, up to $2 and above $3.  One of the three ways is taken, each with an index of its own,
-- so that one plan does for all filters.
select a.number, a.at, a.hash, a.action, a.actor, a.resource, a.outcome,
	j.actor ->> 'type' as actor_type, j.actor ->> 'name' as actor_name,
	j.actor ->> 'user' as actor_user, j.actor ->> 'support' as actor_support,
	j.reason, j.source, j.request_id, nullif(j.changes, 'null') as changes
from (
	(select l.number, l.at, l.hash, l.action, l.actor, l.resource, l.outcome, l.entry
	from audit_log l
	where $9::text is null and $6::text is null
		and l.tenant_id = $1::uuid and l.number <= $2::bigint and l.number > $3::bigint
		and ($4::timestamptz is null or l.at >= $4::timestamptz)
		and ($5::timestamptz is null or l.at < $5::timestamptz)
		and ($7::text is null or l.action = $7::text)
		and ($8::text is null or starts_with(l.action, $8::text))
		and ($10::text is null or l.outcome = $10::text)
	order by l.number desc
	limit $11::bigint)
	union all
	(select l.number, l.at, l.hash, l.action, l.actor, l.resource, l.outcome, l.entry
	from audit_log l
	where $9::text is not null and l.resource = $9::text and ($6::text is null or l.actor = $6::text)
		and l.tenant_id = $1::uuid and l.number <= $2::bigint and l.number > $3::bigint
		and ($4::timestamptz is null or l.at >= $4::timestamptz)
		and ($5::timestamptz is null or l.at < $5::timestamptz)
		and ($7::text is null or l.action = $7::text)
		and ($8::text is null or starts_with(l.action, $8::text))
		and ($10::text is null or l.outcome = $10::text)
	order by l.number desc
	limit $11::bigint)
	union all
	(select l.number, l.at, l.hash, l.action, l.actor, l.resource, l.outcome, l.entry
	from audit_log l
	where $9::text is null and $6::text is not null and l.actor = $6::text
		and l.tenant_id = $1::uuid and l.number <= $2::bigint and l.number > $3::bigint
		and ($4::timestamptz is null or l.at >= $4::timestamptz)
		and ($5::timestamptz is null or l.at < $5::timestamptz)
		and ($7::text is null or l.action = $7::text)
		and ($8::text is null or starts_with(l.action, $8::text))
		and ($10::text is null or l.outcome = $10::text)
	order by l.number desc
	limit $11::bigint)
) a
cross join lateral jsonb_to_record(a.entry::jsonb)
	as j (actor jsonb, reason text, source text, request_id text, changes jsonb)
order by a.number desc;

-- :name audit_page_oldest :role api
-- The same, oldest first.
select a.number, a.at, a.hash, a.action, a.actor, a.resource, a.outcome,
	j.actor ->> 'type' as actor_type, j.actor ->> 'name' as actor_name,
	j.actor ->> 'user' as actor_user, j.actor ->> 'support' as actor_support,
	j.reason, j.source, j.request_id, nullif(j.changes, 'null') as changes
from (
	(select l.number, l.at, l.hash, l.action, l.actor, l.resource, l.outcome, l.entry
	from audit_log l
	where $9::text is null and $6::text is null
		and l.tenant_id = $1::uuid and l.number <= $2::bigint and l.number > $3::bigint
		and ($4::timestamptz is null or l.at >= $4::timestamptz)
		and ($5::timestamptz is null or l.at < $5::timestamptz)
		and ($7::text is null or l.action = $7::text)
		and ($8::text is null or starts_with(l.action, $8::text))
		and ($10::text is null or l.outcome = $10::text)
	order by l.number
	limit $11::bigint)
	union all
	(select l.number, l.at, l.hash, l.action, l.actor, l.resource, l.outcome, l.entry
	from audit_log l
	where $9::text is not null and l.resource = $9::text and ($6::text is null or l.actor = $6::text)
		and l.tenant_id = $1::uuid and l.number <= $2::bigint and l.number > $3::bigint
		and ($4::timestamptz is null or l.at >= $4::timestamptz)
		and ($5::timestamptz is null or l.at < $5::timestamptz)
		and ($7::text is null or l.action = $7::text)
		and ($8::text is null or starts_with(l.action, $8::text))
		and ($10::text is null or l.outcome = $10::text)
	order by l.number
	limit $11::bigint)
	union all
	(select l.number, l.at, l.hash, l.action, l.actor, l.resource, l.outcome, l.entry
	from audit_log l
	where $9::text is null and $6::text is not null and l.actor = $6::text
		and l.tenant_id = $1::uuid and l.number <= $2::bigint and l.number > $3::bigint
		and ($4::timestamptz is null or l.at >= $4::timestamptz)
		and ($5::timestamptz is null or l.at < $5::timestamptz)
		and ($7::text is null or l.action = $7::text)
		and ($8::text is null or starts_with(l.action, $8::text))
		and ($10::text is null or l.outcome = $10::text)
	order by l.number
	limit $11::bigint)
) a
cross join lateral jsonb_to_record(a.entry::jsonb)
	as j (actor jsonb, reason text, source text, request_id text, changes jsonb)
order by a.number;

-- :name audit_raw :role api
-- Entries as they were hashed, oldest first, up to $2 and above $3.
select a.number, a.at, a.entry, a.hash
from audit_log a
where a.tenant_id = $1::uuid
	and a.number <= $2::bigint and a.number > $3::bigint
	and ($4::timestamptz is null or a.at >= $4::timestamptz)
	and ($5::timestamptz is null or a.at < $5::timestamptz)
	and ($6::text is null or a.actor = $6::text)
	and ($7::text is null or a.action = $7::text)
	and ($8::text is null or starts_with(a.action, $8::text))
	and ($9::text is null or a.resource = $9::text)
	and ($10::text is null or a.outcome = $10::text)
order by a.number
limit $11::bigint;

-- :name audit_walk :role api
-- Entries for a verification: nothing that the table says may be trusted, so rows without a sane
-- number come, too.
select a.number, a.at, a.entry, a.hash
from audit_log a
where a.tenant_id = $1::uuid and a.number > $2::bigint and a.number <= $3::bigint
order by a.number
limit $4::bigint;

-- :name audit_ends :role api
-- Where the log ends by its head (-1: there is none) and by its rows, in one snapshot.
select coalesce(h.number, -1) as number, coalesce(h.hash, sha256('')) as hash,
	coalesce((select max(a.number) from audit_log a where a.tenant_id = $1::uuid), 0) as last
from (values (1)) one
left join audit_head h on h.tenant_id = $1::uuid;

-- :name audit_hash :role api
-- Hash of one entry.
select a.hash from audit_log a where a.tenant_id = $1::uuid and a.number = $2::bigint;

-- :name audit_heads :role platform
-- Logs that a checkpoint may be made of, in the order of their tenants' ids, behind $1.
select h.tenant_id, h.number, h.at, h.hash
from audit_head h
join tenant t on t.tenant_id = h.tenant_id and t.state <> 'deleting'
where h.tenant_id > $1::uuid
order by h.tenant_id
limit $2::bigint;
