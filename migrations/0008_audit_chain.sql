-- SPDX-License-Identifier: Apache-2.0
-- The record of changes becomes a chain per tenant: each entry's hash covers the one before, so that
-- no entry can be changed, left out or moved without all later hashes disagreeing.  The row of
-- audit_head is locked by the writer until its transaction ends: numbers have no gaps.
--   hash = SHA-256(hash before ‖ number (8 bytes, big-endian) ‖ at (microseconds since 1970, the
--   same) ‖ entry (UTF-8)); the hash before number 1 is SHA-256 of the 16 bytes of tenant_id.

create table audit_head (
	tenant_id uuid        not null references tenant,
	number    bigint      not null default 0,
	at        timestamptz,
	hash      bytea       not null check (length(hash) = 32),
	primary key (tenant_id)
) with (fillfactor = 50);
comment on table audit_head is 'Where each tenant''s audit chain ends. Made with the tenant; moved on by each entry.';
comment on column audit_head.tenant_id is 'Whose chain it is.';
comment on column audit_head.number is 'Number of the last entry; 0: none yet.';
comment on column audit_head.at is 'Time of the last entry; NULL: none yet.';
comment on column audit_head.hash is 'Hash of the last entry, or what stands for it before the first.';

alter table tenant no force row level security;
alter table audit_log no force row level security;
alter table audit_log rename to audit_log_0005;
alter index audit_log_pkey rename to audit_log_0005_pkey;
insert into audit_head (tenant_id, hash) select t.tenant_id, sha256(uuid_send(t.tenant_id)) from tenant t;

-- No reference to tenant: each row is made from one of audit_head, which has it.
create table audit_log (
	tenant_id uuid        not null,
	number    bigint      not null,
	at        timestamptz not null,
	entry     text        not null check (length(entry) <= 16384),
	hash      bytea       not null check (length(hash) = 32),
	action    text        not null generated always as ((entry::json) ->> 'action') stored,
	actor     text        not null generated always as ((entry::json) -> 'actor' ->> 'id') stored,
	resource  text        generated always as ((entry::json) ->> 'resource') stored,
	outcome   text        not null generated always as ((entry::json) ->> 'outcome') stored
	                      check (outcome in ('ok', 'denied')),
	primary key (tenant_id, number)
);
create index audit_log_actor on audit_log (tenant_id, actor, number);
create index audit_log_resource on audit_log (tenant_id, resource, number);
comment on table audit_log is 'Append-only. One row per change, and per denied or sensitive read, in the transaction of what it tells of.';
comment on column audit_log.tenant_id is 'Whose log it is.';
comment on column audit_log.number is 'From 1, without gaps within a tenant.';
comment on column audit_log.at is 'When (database clock), in the order of the numbers up to steps of that clock.';
comment on column audit_log.entry is 'The entry as hashed: a JSON object with action, actor, resource, outcome and more.';
comment on column audit_log.hash is 'See the head of this migration and module chain.';
comment on column audit_log.action is 'From entry: resource.verb.';
comment on column audit_log.actor is 'From entry: id of who did it.';
comment on column audit_log.resource is 'From entry: id of what it was done to; NULL: none.';
comment on column audit_log.outcome is 'From entry: ok or denied.';

-- What was recorded before becomes the beginning of the chain.
do $$
declare
	o record;
	h record;
	text_of text;
begin
	for o in select * from audit_log_0005 order by tenant_id, audit_id loop
		select * into h from audit_head where tenant_id = o.tenant_id;
		text_of := jsonb_build_object('action', o.action,
			'actor', jsonb_build_object('type', split_part(o.actor, ':', 1), 'id', o.actor),
			'resource', o.resource, 'outcome', o.outcome, 'request_id', o.request_id)::text;
		update audit_head set number = h.number + 1, at = o.at,
			hash = sha256(h.hash || int8send(h.number + 1)
				|| int8send((extract(epoch from o.at) * 1000000)::bigint)
				|| convert_to(text_of, 'UTF8'))
		where tenant_id = o.tenant_id;
		insert into audit_log (tenant_id, number, at, entry, hash)
		select tenant_id, number, at, text_of, hash from audit_head where tenant_id = o.tenant_id;
	end loop;
end
$$;
drop table audit_log_0005;
alter table tenant force row level security;

do $$
declare
	t text;
	mine constant text := 'tenant_id = (select nullif(current_setting(''wardian.tenant_id'', true), '''')::uuid)';
begin
	foreach t in array array['audit_head', 'audit_log'] loop
		execute format('alter table %I enable row level security', t);
		execute format('alter table %I force row level security', t);
		execute format('create policy %I on %I to wardian_api using (%s) with check (%s)', t || '_api', t, mine, mine);
	end loop;
end
$$;
grant select on audit_head, audit_log to wardian_api;
grant update (number, at, hash) on audit_head to wardian_api;
grant insert (tenant_id, number, at, entry, hash) on audit_log to wardian_api;
-- Operators' deeds stand in the log of the tenant that they concern.  They cannot read it.
grant select, insert on audit_head to wardian_platform;
grant update (number, at, hash) on audit_head to wardian_platform;
grant insert (tenant_id, number, at, entry, hash) on audit_log to wardian_platform;
