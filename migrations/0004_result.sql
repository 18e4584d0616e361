-- SPDX-License-Identifier: Apache-2.0
-- What jobs found out: scalars and series.

create table result (
	tenant_id uuid             not null,
	job_id    uuid             not null,
	name      text             not null check (length(name) between 1 and 128),
	value     double precision,
	unit      text,
	reason    text,
	primary key (tenant_id, job_id, name),
	foreign key (tenant_id, job_id) references job,
	check ((value is null) = (reason is not null))
);
comment on table result is 'Scalars of a finished job. Written by wardian_sched in the transaction that ends the job.';
comment on column result.tenant_id is 'Whose job it is.';
comment on column result.job_id is 'The job.';
comment on column result.name is 'Name of the quantity.';
comment on column result.value is 'The value, NaN and infinities included; NULL: missing, see reason.';
comment on column result.unit is 'Unit as the environment declares it; NULL: none declared.';
comment on column result.reason is 'Why there is no value; NULL when there is one.';

create table metric (
	tenant_id uuid             not null,
	job_id    uuid             not null,
	name      text             not null check (length(name) between 1 and 128),
	number    integer          not null,
	step      double precision not null,
	value     double precision not null,
	primary key (tenant_id, job_id, name, number),
	foreign key (tenant_id, job_id) references job
);
comment on table metric is 'Series of a job. Written by wardian_sched.';
comment on column metric.tenant_id is 'Whose job it is.';
comment on column metric.job_id is 'The job.';
comment on column metric.name is 'Name of the series.';
comment on column metric.number is 'Order within the series, from 0.';
comment on column metric.step is 'Where on the axis: step, iteration or time, as the environment says.';
comment on column metric.value is 'The value, NaN and infinities included.';

do $$
declare
	t text;
	mine constant text := 'tenant_id = (select nullif(current_setting(''wardian.tenant_id'', true), '''')::uuid)';
begin
	foreach t in array array['result', 'metric'] loop
		execute format('alter table %I enable row level security', t);
		execute format('alter table %I force row level security', t);
		execute format('create policy %I on %I to wardian_api using (%s) with check (%s)', t || '_api', t, mine, mine);
		execute format('create policy %I on %I to wardian_sched using (true) with check (true)', t || '_sched', t);
	end loop;
end
$$;
grant select on result, metric to wardian_api;
grant select, insert, delete on result, metric to wardian_sched;
