-- SPDX-License-Identifier: Apache-2.0
-- What daemons tell each other about rates, and tenants' own rates.  Run by wardian_platform, which
-- names the tenants itself.

-- :name rate_exchange :role platform
-- Says what this node has let through since it started, and returns what all others have.
with asked as materialized (
	select a.* from unnest($2::uuid[], $3::text[], $4::bigint[]) with ordinality
		as a (tenant_id, bucket, spent, n)
), told as (
	insert into rate_use (tenant_id, bucket, node_id, spent)
	select a.tenant_id, a.bucket, $1::uuid, a.spent from asked a
	join tenant t on t.tenant_id = a.tenant_id
	order by a.tenant_id, a.bucket
	on conflict (tenant_id, bucket, node_id)
	do update set spent = excluded.spent, updated_at = now()
)
select a.n, coalesce(o.spent, 0) as others
from asked a
cross join lateral (
	select sum(u.spent)::bigint as spent from rate_use u
	where u.tenant_id = a.tenant_id and u.bucket = a.bucket and u.node_id <> $1::uuid) o
order by a.n;

-- :name rate_limits :role platform
-- Rates of these tenants that somebody set; -1 for those set back to the default.
select q.tenant_id, q.name, coalesce(q.amount, -1) as amount from tenant_quota q
where q.tenant_id = any ($1::uuid[])
	and q.name in ('requests_per_second', 'key_requests_per_second');
