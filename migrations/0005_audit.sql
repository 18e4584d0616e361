-- SPDX-License-Identifier: Apache-2.0
-- Who changed what.  Insert and read only: no role of the application may change or delete.

create table audit_log (
	tenant_id  uuid        not null references tenant,
	audit_id   uuid        not null,
	at         timestamptz not null default clock_timestamp(),
	actor      text        not null,
	action     text        not null,
	resource   text        not null,
	outcome    text        not null check (outcome in ('ok', 'denied')),
	request_id text,
	primary key (tenant_id, audit_id)
);
comment on table audit_log is 'Append-only. One row per change, in the transaction of the change.';
comment on column audit_log.tenant_id is 'Whose resource it is.';
comment on column audit_log.audit_id is 'UUIDv7.';
comment on column audit_log.at is 'When (database clock).';
comment on column audit_log.actor is 'key:<public part>, or system.';
comment on column audit_log.action is 'resource.verb.';
comment on column audit_log.resource is 'Id of what was acted on.';
comment on column audit_log.outcome is 'ok or denied.';
comment on column audit_log.request_id is 'X-Request-Id of the request; NULL outside requests.';

alter table audit_log enable row level security;
alter table audit_log force row level security;
create policy audit_log_api on audit_log to wardian_api
	using (tenant_id = (select nullif(current_setting('wardian.tenant_id', true), '')::uuid))
	with check (tenant_id = (select nullif(current_setting('wardian.tenant_id', true), '')::uuid));
create policy audit_log_sched on audit_log to wardian_sched using (true) with check (true);
grant select, insert on audit_log to wardian_api;
grant insert on audit_log to wardian_sched;
