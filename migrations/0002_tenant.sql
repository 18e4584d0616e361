-- SPDX-License-Identifier: Apache-2.0
-- Tenants and their API keys.

create sequence tenant_uid_slot as integer minvalue 0 start 0;
revoke all on sequence tenant_uid_slot from public;
grant usage on sequence tenant_uid_slot to wardian_sched;
comment on sequence tenant_uid_slot is 'Slots of the host uid range. Only wardian_sched may draw, so that a tenant cannot count tenants.';

create table tenant (
	tenant_id  uuid        not null,
	name       text        not null check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
	uid_slot   integer     not null default nextval('tenant_uid_slot') unique,
	created_at timestamptz not null default now(),
	primary key (tenant_id)
);
comment on table tenant is 'One row per company. Written by platform operations (wardian_sched); each tenant reads its own row.';
comment on column tenant.tenant_id is 'UUIDv7; the first column of every key of every tenant table.';
comment on column tenant.name is 'DNS label for operators; not unique, ids are.';
comment on column tenant.uid_slot is 'Number of the tenant''s range of host uids; never used again.';
comment on column tenant.created_at is 'When the tenant was made.';

create table api_key (
	tenant_id  uuid        not null references tenant,
	key_id     uuid        not null,
	public_id  text        not null check (length(public_id) = 12),
	hash       bytea       not null check (length(hash) = 32),
	name       text        not null check (length(name) between 1 and 63),
	created_at timestamptz not null default now(),
	expires_at timestamptz,
	revoked_at timestamptz,
	primary key (tenant_id, key_id),
	unique (tenant_id, public_id)
);
-- Credentials are looked up before a tenant is known, by wardian_sched alone.  Not unique, so that
-- nothing can be learnt from a collision; 71 random bits make one a curiosity.
create index api_key_public_id on api_key (public_id);
comment on table api_key is 'API keys. Written by the tenant''s own transactions; looked up by wardian_sched.';
comment on column api_key.tenant_id is 'Whose key it is.';
comment on column api_key.key_id is 'UUIDv7.';
comment on column api_key.public_id is 'Public part of the key''s text, for people and for the look-up.';
comment on column api_key.hash is 'SHA-256 of the whole key; the key itself is nowhere.';
comment on column api_key.name is 'What the key is for, in its maker''s words.';
comment on column api_key.created_at is 'When the key was made.';
comment on column api_key.expires_at is 'From when it is refused; NULL: never.';
comment on column api_key.revoked_at is 'Since when it is refused; NULL: not revoked.';

alter table tenant enable row level security;
alter table tenant force row level security;
create policy tenant_api on tenant to wardian_api
	using (tenant_id = (select nullif(current_setting('wardian.tenant_id', true), '')::uuid))
	with check (tenant_id = (select nullif(current_setting('wardian.tenant_id', true), '')::uuid));
create policy tenant_sched on tenant to wardian_sched using (true) with check (true);
grant select on tenant to wardian_api;
grant select, insert on tenant to wardian_sched;

alter table api_key enable row level security;
alter table api_key force row level security;
create policy api_key_api on api_key to wardian_api
	using (tenant_id = (select nullif(current_setting('wardian.tenant_id', true), '')::uuid))
	with check (tenant_id = (select nullif(current_setting('wardian.tenant_id', true), '')::uuid));
create policy api_key_sched on api_key to wardian_sched using (true) with check (true);
grant select, insert on api_key to wardian_api;
grant update (revoked_at) on api_key to wardian_api;
grant select on api_key to wardian_sched;
