-- SPDX-License-Identifier: Apache-2.0
-- Results are written once, in the transaction of the move that ends the job, and read by its
-- tenant.

-- :name result_insert :role sched
-- All scalars of a job.  $6 tells which are missing: those have a reason instead of a value.
insert into result (tenant_id, job_id, name, value, unit, reason)
select $1::uuid, $2::uuid, r.name, case when r.missing = 0 then r.value end, r.unit, r.reason
from unnest($3::text[], $4::float8[], $5::text[], $6::bigint[], $7::text[])
	as r (name, value, unit, missing, reason);

-- :name metric_insert :role sched
-- Points of a job in the order in which they were found; $6 is each point's number in its series.
insert into metric (tenant_id, job_id, name, number, step, value)
select $1::uuid, $2::uuid, m.name, m.number::integer, m.step, m.value
from unnest($3::text[], $4::float8[], $5::float8[], $6::bigint[]) as m (name, step, value, number);

-- :name result_list :role api
select r.name, r.value, r.value is null as missing, r.unit, r.reason
from result r
where r.tenant_id = $1::uuid and r.job_id = $2::uuid
order by r.name
limit $3::bigint;

-- :name metric_names :role api
-- Series of a job with their lengths.
select m.name, count(*)::float8 as value, 0::float8 as step
from metric m
where m.tenant_id = $1::uuid and m.job_id = $2::uuid
group by m.name
order by m.name
limit $3::bigint;

-- :name metric_points :role api
select m.value, m.step
from metric m
where m.tenant_id = $1::uuid and m.job_id = $2::uuid and m.name = $4::text
order by m.number
limit $3::bigint;
