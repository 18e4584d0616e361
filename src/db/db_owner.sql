-- SPDX-License-Identifier: Apache-2.0
-- What runs on the owner's connection: migrations, logins, and the private cluster's first steps.
-- These statements are sent as they stand; none of them is prepared.

-- :name owner_lock :role owner
-- One migrator at a time per database.  The number spells "ward".
select pg_advisory_lock(x'77617264'::bigint)

-- :name owner_begin :role owner
begin

-- :name owner_patience :role owner
-- A migration may take longer than a request; its own client deadline still holds.
set local statement_timeout = 0

-- :name owner_become :role owner
-- Objects belong to wardian_owner; what runs as the connecting role makes none.
set local role wardian_owner

-- :name owner_path :role owner
set local search_path = wardian

-- :name owner_commit :role owner
commit

-- :name owner_rollback :role owner
rollback

-- :name owner_has_table :role owner
select to_regclass('wardian.schema_migration') is not null as has_table

-- :name owner_create_table :role owner
create table wardian.schema_migration (
	number     integer     not null primary key,
	name       text        not null,
	sha256     text        not null,
	applied_at timestamptz not null default now()
)

-- :name owner_comment_table :role owner
comment on table wardian.schema_migration is 'Migrations applied to this database. Written by wardiand migrate up; the only table without a tenant.'

-- :name owner_comment_number :role owner
comment on column wardian.schema_migration.number is 'Number of the migration''s file, from 1 without gaps.'

-- :name owner_comment_name :role owner
comment on column wardian.schema_migration.name is 'Name of the file without its suffix.'

-- :name owner_comment_sha256 :role owner
comment on column wardian.schema_migration.sha256 is 'SHA-256 of the file, hexadecimal; a file is never edited once applied.'

-- :name owner_comment_applied_at :role owner
comment on column wardian.schema_migration.applied_at is 'When it was applied.'

-- :name owner_applied :role owner
select number::text as number, name, sha256,
	(extract(epoch from applied_at) * 1000000)::bigint::text as applied_wall_us
from wardian.schema_migration order by wardian.schema_migration.number

-- :name owner_record :role owner
insert into wardian.schema_migration (number, name, sha256) values ($1::text::integer, $2, $3)

-- :name owner_may_set_passwords :role owner
select rolsuper or rolcreaterole as may from pg_roles where rolname = current_user

-- :name owner_password :role owner
-- The text of a statement that takes no parameters; $2 is a SCRAM verifier, not a password.
select format('alter role %I password %L', $1::text, $2::text) as statement

-- :name owner_durable :role owner
-- Empty when commits survive a crash of the server.
select concat_ws(', ',
	case when current_setting('fsync') = 'off' then 'fsync = off' end,
	case when current_setting('full_page_writes') = 'off' then 'full_page_writes = off' end,
	case when current_setting('synchronous_commit') = 'off' then 'synchronous_commit = off' end) as fault

-- :name owner_has_database :role owner
select exists (select from pg_database where datname = 'wardian')::text as has_database

-- :name owner_create_database :role owner
create database wardian
