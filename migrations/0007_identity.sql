-- SPDX-License-Identifier: Apache-2.0
-- Who exists in a tenant and what they may do: projects, users, roles, keys, issuers of tokens.
-- One tenant is the platform itself: its users are the operators, its audit log is the platform's.
-- Existing rows are carried over; row-level security is not forced on them meanwhile, so that the
-- owner can see what it changes.

alter table tenant no force row level security;
alter table api_key no force row level security;
alter table job no force row level security;
alter table job_queue no force row level security;

alter table tenant
	add column kind             text        not null default 'customer' check (kind in ('customer', 'platform')),
	add column state            text        not null default 'active' check (state in ('active', 'suspended', 'deleting')),
	add column state_reason     text,
	add column state_changed_at timestamptz,
	add column support_allowed  boolean     not null default true,
	add column access_version   bigint      not null default 0,
	add column version          bigint      not null default 1;
comment on column tenant.kind is 'customer, or platform for the one tenant whose users operate this installation.';
comment on column tenant.state is 'active; suspended: credentials are refused and queued jobs wait; deleting: on the way out, for good.';
comment on column tenant.state_reason is 'Why it is not active, in the operator''s words; NULL: none given.';
comment on column tenant.state_changed_at is 'When state last changed; NULL: never.';
comment on column tenant.support_allowed is 'Whether operators may open support access to it; the tenant decides.';
comment on column tenant.access_version is 'Grows with every change of who may do what; cached principals of older versions are dropped.';
comment on column tenant.version is 'Grows with every change of the row; the entity tag.';

-- The id is known to the program (tenant_platform_id).
insert into tenant (tenant_id, name, kind) values ('00000000-0000-7000-8000-000000000001', 'platform', 'platform');

create table project (
	tenant_id   uuid        not null references tenant,
	project_id  uuid        not null,
	name        text        not null check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
	title       text        check (length(title) between 1 and 255),
	created_at  timestamptz not null default now(),
	archived_at timestamptz,
	version     bigint      not null default 1,
	primary key (tenant_id, project_id),
	unique (tenant_id, name)
);
comment on table project is 'A part of a tenant with members and limits of its own. Written by the tenant''s transactions.';
comment on column project.tenant_id is 'Whose project it is.';
comment on column project.project_id is 'UUIDv7.';
comment on column project.name is 'DNS label; "default" is made with the tenant and stays.';
comment on column project.title is 'What it is for; NULL: not said.';
comment on column project.created_at is 'When it was made.';
comment on column project.archived_at is 'Since when it takes no new jobs; NULL: it does.';
comment on column project.version is 'Grows with every change of the row; the entity tag.';
insert into project (tenant_id, project_id, name) select t.tenant_id, gen_random_uuid(), 'default' from tenant t;

create table tenant_user (
	tenant_id   uuid        not null references tenant,
	user_id     uuid        not null,
	kind        text        not null check (kind in ('person', 'service')),
	name        text        not null check (length(name) between 1 and 63),
	email       text        check (length(email) between 3 and 254),
	issuer_id   uuid,
	subject     text        check (length(subject) between 1 and 255),
	created_at  timestamptz not null default now(),
	disabled_at timestamptz,
	version     bigint      not null default 1,
	primary key (tenant_id, user_id),
	unique (tenant_id, name),
	unique (tenant_id, issuer_id, subject),
	check ((issuer_id is null) = (subject is null))
);
comment on table tenant_user is 'People and service accounts. Written by the tenant''s transactions.';
comment on column tenant_user.tenant_id is 'Whose user it is.';
comment on column tenant_user.user_id is 'UUIDv7.';
comment on column tenant_user.kind is 'person, or service for a program.';
comment on column tenant_user.name is 'Unique in the tenant.';
comment on column tenant_user.email is 'For people to know each other by; nothing is sent to it; NULL: none.';
comment on column tenant_user.issuer_id is 'Issuer whose tokens name this user; NULL: none.';
comment on column tenant_user.subject is 'The user''s "sub" in those tokens; NULL: none.';
comment on column tenant_user.created_at is 'When it was made.';
comment on column tenant_user.disabled_at is 'Since when it and its keys are refused; NULL: not.';
comment on column tenant_user.version is 'Grows with every change of the row; the entity tag.';

create table role (
	tenant_id   uuid        not null references tenant,
	role_id     uuid        not null,
	name        text        not null check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
	title       text        check (length(title) between 1 and 255),
	permissions text[]      not null check (cardinality(permissions) <= 128),
	created_at  timestamptz not null default now(),
	version     bigint      not null default 1,
	primary key (tenant_id, role_id),
	unique (tenant_id, name)
);
comment on table role is 'Roles that a tenant made itself; the system roles are in the program. Written by the tenant''s transactions.';
comment on column role.tenant_id is 'Whose role it is.';
comment on column role.role_id is 'UUIDv7.';
comment on column role.name is 'Unique in the tenant and not the name of a system role.';
comment on column role.title is 'What it is for; NULL: not said.';
comment on column role.permissions is 'Names from the program''s list, in its order; names it does not know give nothing.';
comment on column role.created_at is 'When it was made.';
comment on column role.version is 'Grows with every change of the row; the entity tag.';

-- Keys belong to a user from here on, and may do what it may do.
alter table api_key
	add column user_id        uuid,
	add column kind           text        not null default 'sk' check (kind in ('sk', 'pat', 'op')),
	add column scopes         text[]      check (cardinality(scopes) <= 128),
	add column cidrs          text[]      check (cardinality(cidrs) <= 32),
	add column last4          text        not null default '' check (length(last4) <= 4),
	add column previous_hash  bytea       check (length(previous_hash) = 32),
	add column previous_until timestamptz,
	add column last_used_at   timestamptz,
	add column last_used_from text,
	add column revoked_by     text,
	add column version        bigint      not null default 1,
	add check ((previous_hash is null) = (previous_until is null));
with made as (
	insert into tenant_user (tenant_id, user_id, kind, name)
	select k.tenant_id, gen_random_uuid(), 'service', 'bootstrap'
	from (select distinct tenant_id from api_key) k
	returning tenant_id, user_id
)
update api_key k set user_id = m.user_id from made m where m.tenant_id = k.tenant_id;
alter table api_key alter column user_id set not null,
	add foreign key (tenant_id, user_id) references tenant_user;
create index api_key_user on api_key (tenant_id, user_id);
comment on column api_key.user_id is 'Its owner: it never may more than this user may now.';
comment on column api_key.kind is 'Part of the text: sk of services, pat of people, op of operators.';
comment on column api_key.scopes is 'Permissions that it is limited to; NULL: all of its owner''s.';
comment on column api_key.cidrs is 'Source addresses it may be used from; NULL: any.';
comment on column api_key.last4 is 'Last characters of its text, to tell keys apart; empty for keys made before they were kept.';
comment on column api_key.previous_hash is 'SHA-256 of the text before the last rotation; NULL: not rotated.';
comment on column api_key.previous_until is 'Until when the former text is accepted; NULL with previous_hash.';
comment on column api_key.last_used_at is 'Last use, written in batches within a minute by wardian_platform; NULL: never.';
comment on column api_key.last_used_from is 'Source address of that use; NULL: never used.';
comment on column api_key.revoked_by is 'Who revoked it, as the audit log names actors; NULL: not revoked, or before this was kept.';
comment on column api_key.version is 'Grows with every change of the row but its last use; the entity tag.';

create table role_assignment (
	tenant_id     uuid        not null references tenant,
	assignment_id uuid        not null,
	user_id       uuid,
	key_id        uuid,
	system_role   text,
	role_id       uuid,
	project_id    uuid,
	created_at    timestamptz not null default now(),
	primary key (tenant_id, assignment_id),
	foreign key (tenant_id, user_id) references tenant_user,
	foreign key (tenant_id, key_id) references api_key,
	foreign key (tenant_id, role_id) references role,
	foreign key (tenant_id, project_id) references project,
	unique nulls not distinct (tenant_id, user_id, key_id, system_role, role_id, project_id),
	check (num_nonnulls(user_id, key_id) = 1),
	check (num_nonnulls(system_role, role_id) = 1)
);
create index role_assignment_key on role_assignment (tenant_id, key_id) where key_id is not null;
create index role_assignment_role on role_assignment (tenant_id, role_id) where role_id is not null;
create index role_assignment_project on role_assignment (tenant_id, project_id) where project_id is not null;
comment on table role_assignment is 'Who has which role where. Written by the tenant''s transactions.';
comment on column role_assignment.tenant_id is 'Whose assignment it is.';
comment on column role_assignment.assignment_id is 'UUIDv7.';
comment on column role_assignment.user_id is 'The user that has the role; NULL: a key.';
comment on column role_assignment.key_id is 'The key that is limited to the role; NULL: a user.';
comment on column role_assignment.system_role is 'Name of a system role; NULL: one of the tenant''s own.';
comment on column role_assignment.role_id is 'The tenant''s own role; NULL: a system role.';
comment on column role_assignment.project_id is 'Only there; NULL: in the whole tenant.';
comment on column role_assignment.created_at is 'When it was made.';
insert into role_assignment (tenant_id, assignment_id, user_id, system_role)
select u.tenant_id, gen_random_uuid(), u.user_id, 'owner' from tenant_user u;

create table issuer (
	tenant_id    uuid        not null references tenant,
	issuer_id    uuid        not null,
	name         text        not null check (length(name) between 1 and 63),
	url          text        not null check (length(url) between 1 and 255),
	audience     text        not null check (length(audience) between 1 and 255),
	tenant_claim text        check (length(tenant_claim) between 1 and 255),
	jwks         jsonb       not null,
	rules        jsonb       not null default '[]',
	created_at   timestamptz not null default now(),
	disabled_at  timestamptz,
	version      bigint      not null default 1,
	primary key (tenant_id, issuer_id),
	unique (tenant_id, name)
);
-- Tokens are looked at before a tenant is known, by wardian_platform alone.  Not unique: two tenants
-- may trust the same issuer, and neither learns of the other.
create index issuer_url on issuer (url);
alter table tenant_user add foreign key (tenant_id, issuer_id) references issuer;
comment on table issuer is 'Issuers whose tokens a tenant accepts, with their public keys. Written by the tenant''s transactions.';
comment on column issuer.tenant_id is 'Who accepts its tokens.';
comment on column issuer.issuer_id is 'UUIDv7.';
comment on column issuer.name is 'Unique in the tenant.';
comment on column issuer.url is 'Exactly the "iss" of its tokens.';
comment on column issuer.audience is 'What "aud" must hold; wardian:<tenant id> unless tenant_claim binds the token to the tenant.';
comment on column issuer.tenant_claim is 'Path of a claim that must be the tenant''s id; NULL: the audience says it.';
comment on column issuer.jwks is 'JWK Set with one pinned algorithm per key; public keys only.';
comment on column issuer.rules is 'Array of {claim, value, role, project}: what its users may do.';
comment on column issuer.created_at is 'When it was registered.';
comment on column issuer.disabled_at is 'Since when its tokens are refused; NULL: not.';
comment on column issuer.version is 'Grows with every change of the row; the entity tag.';

create table token_revocation (
	tenant_id  uuid        not null references tenant,
	token_id   uuid        not null,
	expires_at timestamptz not null,
	primary key (tenant_id, token_id)
);
comment on table token_revocation is 'Tokens of the daemon that were given back before they expired. Written and aged out by the tenant''s transactions.';
comment on column token_revocation.tenant_id is 'Whose token it was.';
comment on column token_revocation.token_id is 'Its "jti".';
comment on column token_revocation.expires_at is 'From when the row is of no more use.';

create table support_access (
	tenant_id     uuid        not null references tenant,
	support_id    uuid        not null,
	operator_id   uuid        not null,
	operator_name text        not null,
	system_role   text        not null,
	reason        text        not null check (length(reason) between 10 and 1000),
	created_at    timestamptz not null default now(),
	expires_at    timestamptz not null,
	ended_at      timestamptz,
	ended_by      text,
	primary key (tenant_id, support_id)
);
comment on table support_access is 'When operators may look into a tenant, and why. Written by wardian_platform; ended by either side.';
comment on column support_access.tenant_id is 'Whom it opens.';
comment on column support_access.support_id is 'UUIDv7.';
comment on column support_access.operator_id is 'User of the platform''s tenant to whom it was opened.';
comment on column support_access.operator_name is 'That user''s name then.';
comment on column support_access.system_role is 'What may be done meanwhile.';
comment on column support_access.reason is 'Why, in the operator''s words.';
comment on column support_access.created_at is 'When it was opened.';
comment on column support_access.expires_at is 'When it ends by itself.';
comment on column support_access.ended_at is 'When it was ended before that; NULL: it was not.';
comment on column support_access.ended_by is 'Who ended it, as the audit log names actors; NULL with ended_at.';

create table signing_key (
	kid        text        not null check (length(kid) between 1 and 64),
	node_id    uuid        not null,
	jwk        jsonb       not null,
	created_at timestamptz not null default now(),
	retired_at timestamptz,
	primary key (kid)
);
comment on table signing_key is 'Public halves of the keys that daemons sign their tokens with; the private ones never leave their nodes. Platform data.';
comment on column signing_key.kid is 'RFC 7638 thumbprint.';
comment on column signing_key.node_id is 'Node that signs with it.';
comment on column signing_key.jwk is 'Public key (RFC 7517).';
comment on column signing_key.created_at is 'When it came into use.';
comment on column signing_key.retired_at is 'From when nothing is signed with it; its tokens outlive it by their lifetime; NULL: in use.';

-- Jobs belong to a project.
alter table job add column project_id uuid;
update job j set project_id = p.project_id from project p where p.tenant_id = j.tenant_id;
alter table job alter column project_id set not null,
	add foreign key (tenant_id, project_id) references project;
create index job_project on job (tenant_id, project_id, job_id);
alter table job_queue add column project_id uuid;
update job_queue q set project_id = p.project_id from project p where p.tenant_id = q.tenant_id;
alter table job_queue alter column project_id set not null;
comment on column job.project_id is 'Project that it counts for.';
comment on column job.created_by is 'Id of the key, else the user, issuer or support access behind the request.';
comment on column job_queue.project_id is 'As in job.';

alter table tenant force row level security;
alter table api_key force row level security;
alter table job force row level security;
alter table job_queue force row level security;

do $$
declare
	t text;
	mine constant text := 'tenant_id = (select nullif(current_setting(''wardian.tenant_id'', true), '''')::uuid)';
begin
	foreach t in array array['project', 'tenant_user', 'role', 'role_assignment', 'issuer',
			'token_revocation', 'support_access'] loop
		execute format('alter table %I enable row level security', t);
		execute format('alter table %I force row level security', t);
		execute format('create policy %I on %I to wardian_api using (%s) with check (%s)', t || '_api', t, mine, mine);
	end loop;
end
$$;

grant select, insert on project, tenant_user, role, issuer, role_assignment, token_revocation to wardian_api;
grant delete on project, tenant_user, api_key, role, issuer, role_assignment, token_revocation to wardian_api;
grant update (support_allowed, access_version, version) on tenant to wardian_api;
grant update (name, title, archived_at, version) on project to wardian_api;
grant update (name, email, issuer_id, subject, disabled_at, version) on tenant_user to wardian_api;
grant update (name, title, permissions, version) on role to wardian_api;
grant update (name, url, audience, tenant_claim, jwks, rules, disabled_at, version) on issuer to wardian_api;
grant update (name, hash, last4, scopes, cidrs, expires_at, previous_hash, previous_until,
	revoked_by, version) on api_key to wardian_api;
grant select on support_access to wardian_api;
grant update (ended_at, ended_by) on support_access to wardian_api;

-- Credentials are looked up by wardian_platform from here on.
revoke all on api_key from wardian_sched;
drop policy api_key_sched on api_key;
revoke insert on tenant from wardian_sched;
revoke usage on sequence tenant_uid_slot from wardian_sched;
grant usage on sequence tenant_uid_slot to wardian_platform;
comment on sequence tenant_uid_slot is 'Slots of the host uid range. Only wardian_platform may draw, so that a tenant cannot count tenants.';
grant select, insert on tenant to wardian_platform;
grant update (name, state, state_reason, state_changed_at, access_version, version) on tenant to wardian_platform;
grant select, insert on project, tenant_user, role_assignment, api_key to wardian_platform;
grant select on role, issuer to wardian_platform;
grant select on token_revocation to wardian_platform;
grant update (last_used_at, last_used_from) on api_key to wardian_platform;
grant select, insert on support_access to wardian_platform;
grant update (ended_at, ended_by) on support_access to wardian_platform;
grant select, insert, delete on signing_key to wardian_platform;
grant update (retired_at) on signing_key to wardian_platform;
