-- SPDX-License-Identifier: Apache-2.0
-- The catalogue audit: each statement returns one row per fault, a sentence.  Run at every start and
-- by the tests, as the role of the URL; the daemon does not serve while one of them finds anything.
-- What is right is written here once more, apart from the migrations, on purpose.

-- :name audit_rls :role owner
-- Row-level security is on and forced, so that even the owner is bound.
select format('table %s does not have row-level security enabled and forced', c.relname) as finding
from pg_class c
where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p')
	and c.relname <> 'schema_migration' and not (c.relrowsecurity and c.relforcerowsecurity)
order by 1

-- :name audit_policy_form :role owner
-- Each policy is permissive, for all commands, for one serving role, with USING and WITH CHECK.  The
-- other form is the one that narrows what wardian_platform deletes.
select format('policy %s on %s must be permissive, for all commands, for wardian_api, wardian_sched or wardian_platform alone, with USING and WITH CHECK',
	p.polname, c.relname) as finding
from pg_policy p
	join pg_class c on c.oid = p.polrelid
	left join pg_roles r on array[r.oid] = p.polroles
		and r.rolname in ('wardian_api', 'wardian_sched', 'wardian_platform')
where c.relnamespace = to_regnamespace('wardian')
	and (r.oid is null or p.polpermissive and (p.polqual is null or p.polwithcheck is null or p.polcmd <> '*')
		or not p.polpermissive and (r.rolname <> 'wardian_platform' or p.polcmd <> 'd'))
order by 1

-- :name audit_policy_expression :role owner
-- What wardian_api sees and writes is the transaction's tenant and nothing else.  The other roles see
-- all rows of the tables they may touch, but wardian_platform deletes only what belongs to tenants
-- that are being deleted.  Expressions are compared without blanks, parentheses and the text casts
-- that the server's printer adds.
with printed as (
	select p.polname, c.relname, p.polpermissive as permissive,
		array(select r.rolname from pg_roles r where r.oid = any (p.polroles)) as roles,
		regexp_replace(e.expression, '[\s()]|::text|AS "?nullif"?', '', 'g') as expression
	from pg_policy p
		join pg_class c on c.oid = p.polrelid
		cross join lateral (values (pg_get_expr(p.polqual, p.polrelid)),
			(pg_get_expr(p.polwithcheck, p.polrelid))) as e (expression)
	where c.relnamespace = to_regnamespace('wardian')
		and (p.polpermissive or e.expression is not null)
), expected as (
	select *, case
		when not permissive and relname = 'tenant' then 'state=''deleting'''
		when not permissive then 'tenant_idINSELECTt.tenant_idFROMtenanttWHEREt.state=''deleting'''
		when roles <@ array['wardian_sched', 'wardian_platform']::name[] and roles <> '{}' then 'true'
		else 'tenant_id=SELECTNULLIFcurrent_setting''wardian.tenant_id'',true,''''::uuid' end as right_one
	from printed
)
select distinct format('policy %s on %s is not %s', polname, relname, case
	when not permissive then 'the one that spares tenants that are not being deleted'
	when right_one = 'true' then 'true for all rows'
	else 'the tenant expression' end) as finding
from expected
where expression is distinct from right_one
order by 1

-- :name audit_policy_name :role owner
-- Policies of wardian_platform are told apart by their names in the server's messages.
select format('policy %s on %s must be named %s', p.polname, c.relname, x.name) as finding
from pg_policy p
	join pg_class c on c.oid = p.polrelid
	join pg_roles r on r.oid = any (p.polroles) and r.rolname = 'wardian_platform'
	cross join lateral (select c.relname || case when p.polpermissive then '_platform' else '_platform_delete' end) as x (name)
where c.relnamespace = to_regnamespace('wardian') and p.polname <> x.name
order by 1

-- :name audit_policy_count :role owner
-- Permissive policies add up: one per table for each role that may touch the table, none for the
-- others.  wardian_platform has one everywhere, and on tables of tenants one that restricts it.
with expected as (
	select c.oid as relid, c.relname, r.oid as role, r.rolname, k.permissive, case
		when not k.permissive then r.rolname = 'wardian_platform' and exists (select from pg_attribute a
			where a.attrelid = c.oid and a.attname = 'tenant_id')
		else r.rolname = 'wardian_platform'
			or has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate, references, trigger')
			or has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references') end::integer as n
	from pg_class c
		cross join pg_roles r
		cross join (values (true), (false)) as k (permissive)
	where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p')
		and c.relname <> 'schema_migration' and r.rolname in ('wardian_api', 'wardian_sched', 'wardian_platform')
)
select format('table %s has %s %s policies for %s instead of %s', x.relname, count(p.oid),
	case when x.permissive then 'permissive' else 'restrictive' end, x.rolname, x.n) as finding
from expected x
	left join pg_policy p on p.polrelid = x.relid and x.role = any (p.polroles) and p.polpermissive = x.permissive
group by x.relname, x.rolname, x.permissive, x.n
having count(p.oid) <> x.n
order by 1

-- :name audit_tenant_column :role owner
-- Every table says whose each row is, but those of the platform, which no other role may touch.
select format('table %s has no column tenant_id of type uuid that is not null', c.relname) as finding
from pg_class c
where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p')
	and c.relname <> 'schema_migration'
	and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'
		and a.atttypid = 'uuid'::regtype and a.attnotnull)
	and (exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')
		or exists (select from pg_roles r where r.rolname in ('wardian_api', 'wardian_sched')
			and (has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate, references, trigger')
				or has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references'))))
order by 1

-- :name audit_deletion :role owner
-- A tenant is deleted whole: wardian_platform can find and delete its rows wherever they are.
select format('wardian_platform may not %s rows of table %s, so that a tenant could not be deleted whole', x.verb, c.relname) as finding
from pg_class c
	join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
	join pg_roles r on r.rolname = 'wardian_platform'
	cross join lateral (values ('delete', has_table_privilege(r.oid, c.oid, 'delete')),
		('find', has_column_privilege(r.oid, c.oid, a.attnum, 'select'))) as x (verb, may)
where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p') and not x.may
order by 1

-- :name audit_contents :role owner
-- What tenants own is none of the platform's business: it neither reads nor writes it, beyond whose
-- row it is; it adds to the record of changes what operators did.
with contents (name) as (values ('job'), ('job_manifest'), ('job_queue'), ('job_event'), ('job_attempt'),
	('attempt_usage'), ('result'), ('metric'), ('idempotency'), ('audit_log'))
select format('wardian_platform may %s column %s of %s, which is the tenant''s alone', x.verb, a.attname, c.relname) as finding
from contents t
	join pg_class c on c.relnamespace = to_regnamespace('wardian') and c.relname = t.name
	join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
	join pg_roles r on r.rolname = 'wardian_platform'
	cross join lateral (values ('select', a.attname <> 'tenant_id'), ('insert', c.relname <> 'audit_log'),
		('update', true)) as x (verb, forbidden)
where x.forbidden and has_column_privilege(r.oid, c.oid, a.attnum, x.verb)
order by 1

-- :name audit_index :role owner
-- Primary keys, unique keys and indexes of tenants' tables begin with tenant_id: a unique key without
-- it tells one tenant what another one has, an index without it reads foreign rows.  Exemptions bear
-- a reason.
with exempt (name, reason) as (values
	('tenant_uid_slot_key', 'slots are drawn from a sequence that only wardian_platform may use, so a collision tells nothing'),
	('api_key_public_id', 'keys are looked up by wardian_platform before a tenant is known; not unique'),
	('issuer_url', 'issuers of tokens are looked up by wardian_platform before a tenant is known; not unique'))
select format('%s %s on %s does not begin with tenant_id',
	case when i.indisprimary then 'primary key' when i.indisunique then 'unique key' else 'index' end,
	x.relname, c.relname) as finding
from pg_index i
	join pg_class c on c.oid = i.indrelid
	join pg_class x on x.oid = i.indexrelid
	join pg_attribute t on t.attrelid = c.oid and t.attname = 'tenant_id'
where c.relnamespace = to_regnamespace('wardian') and i.indkey[0] <> t.attnum
	and x.relname not in (select name from exempt)
order by 1

-- :name audit_primary_key :role owner
select format('table %s has no primary key', c.relname) as finding
from pg_class c
where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p')
	and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)
order by 1

-- :name audit_foreign_key :role owner
-- A reference binds tenant to tenant, or a row could point at another tenant's.  Tables of the
-- platform refer to each other alone.
select format('foreign key %s on %s does not bind tenant_id to tenant_id', k.conname, c.relname) as finding
from pg_constraint k
	join pg_class c on c.oid = k.conrelid
	left join pg_attribute a on a.attrelid = k.conrelid and a.attname = 'tenant_id'
	left join pg_attribute b on b.attrelid = k.confrelid and b.attname = 'tenant_id'
where k.contype = 'f' and c.relnamespace = to_regnamespace('wardian')
	and (k.conkey[1] is distinct from a.attnum or k.confkey[1] is distinct from b.attnum)
	and (a.attnum is not null or b.attnum is not null)
order by 1

-- :name audit_function :role owner
-- A function that runs as its maker walks around the policies; one that claims to be leakproof is
-- evaluated before them.
select format('function %s runs with its owner''s rights and can be called by %s', f.oid::regprocedure, r.rolname) as finding
from pg_proc f
	join pg_namespace n on n.oid = f.pronamespace
	cross join pg_roles r
where f.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')
	and r.rolname in ('wardian_api', 'wardian_sched', 'wardian_platform')
	and has_schema_privilege(r.oid, n.oid, 'usage') and has_function_privilege(r.oid, f.oid, 'execute')
union all
select format('function %s of schema wardian claims to be leakproof', f.oid::regprocedure)
from pg_proc f
where f.proleakproof and f.pronamespace = to_regnamespace('wardian')
order by 1

-- :name audit_relation_kind :role owner
-- Views read as their owner unless told otherwise; materialised views and foreign tables have no
-- row-level security at all.
select format('%s is a %s, which row-level security does not protect', c.relname,
	case c.relkind when 'v' then 'view without security_invoker' when 'm' then 'materialised view'
		else 'foreign table' end) as finding
from pg_class c
where c.relnamespace = to_regnamespace('wardian')
	and (c.relkind in ('m', 'f')
		or c.relkind = 'v' and not coalesce(array_to_string(c.reloptions, ',') ~ 'security_invoker=(true|on|1|yes)', false))
order by 1

-- :name audit_rule :role owner
-- Rules rewrite what policies guard; triggers run code that nobody called.
select format('table %s has rule %s', c.relname, w.rulename) as finding
from pg_rewrite w join pg_class c on c.oid = w.ev_class
where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p')
union all
select format('table %s has trigger %s', c.relname, t.tgname)
from pg_trigger t join pg_class c on c.oid = t.tgrelid
where c.relnamespace = to_regnamespace('wardian') and not t.tgisinternal
order by 1

-- :name audit_public :role owner
-- Nothing is granted to everybody.
with granted (what, acl) as (
	select format('schema %s', nspname), coalesce(nspacl, acldefault('n', nspowner))
	from pg_namespace where nspname in ('wardian', 'public')
	union all
	select format('relation %s', relname), relacl from pg_class where relnamespace = to_regnamespace('wardian')
	union all
	select format('column %s of %s', a.attname, c.relname), a.attacl
	from pg_attribute a join pg_class c on c.oid = a.attrelid
	where c.relnamespace = to_regnamespace('wardian')
	union all
	select format('function %s', oid::regprocedure), coalesce(proacl, acldefault('f', proowner))
	from pg_proc where pronamespace = to_regnamespace('wardian')
)
select format('%s is granted to PUBLIC: %s', what, string_agg(a.privilege_type, ', ' order by a.privilege_type)) as finding
from granted, lateral aclexplode(acl) a
where a.grantee = 0
group by what
order by 1

-- :name audit_database :role owner
-- Temporary tables and schemas of one's own are ways to run code inside the database.
select format('role %s may use %s in this database', r.rolname, p.privilege) as finding
from pg_roles r cross join (values ('temporary'), ('create')) as p (privilege)
where r.rolname in ('wardian_api', 'wardian_sched', 'wardian_platform')
	and has_database_privilege(r.oid, current_database(), p.privilege)
union all
select format('role %s may create in schema %s', r.rolname, n.nspname)
from pg_roles r cross join pg_namespace n
where r.rolname in ('wardian_api', 'wardian_sched', 'wardian_platform') and has_schema_privilege(r.oid, n.oid, 'create')
order by 1

-- :name audit_role :role owner
-- The serving roles are as weak as can be.
select format('role %s is missing', n.name) as finding
from (values ('wardian_owner'), ('wardian_api'), ('wardian_sched'), ('wardian_platform')) as n (name)
where not exists (select from pg_roles where rolname = n.name)
union all
select format('role %s must not have %s', r.rolname, a.attribute)
from pg_roles r
	cross join lateral (values (r.rolsuper, 'SUPERUSER'), (r.rolbypassrls, 'BYPASSRLS'),
		(r.rolcreaterole, 'CREATEROLE'), (r.rolcreatedb, 'CREATEDB'), (r.rolreplication, 'REPLICATION'),
		(r.rolcanlogin and r.rolname = 'wardian_owner', 'LOGIN')) as a (has, attribute)
where r.rolname in ('wardian_owner', 'wardian_api', 'wardian_sched', 'wardian_platform') and a.has
union all
select format('role %s must not be a member of %s', m.rolname, g.rolname)
from pg_auth_members x join pg_roles m on m.oid = x.member join pg_roles g on g.oid = x.roleid
where m.rolname in ('wardian_owner', 'wardian_api', 'wardian_sched', 'wardian_platform')
order by 1

-- :name audit_owner :role owner
-- The serving roles own nothing, and all of the schema is wardian_owner's.
select format('role %s owns %s', r.rolname, pg_describe_object(d.classid, d.objid, d.objsubid)) as finding
from pg_shdepend d join pg_roles r on r.oid = d.refobjid
where d.refclassid = 'pg_authid'::regclass and d.deptype = 'o'
	and d.dbid in (0, (select oid from pg_database where datname = current_database()))
	and r.rolname in ('wardian_api', 'wardian_sched', 'wardian_platform')
union all
select format('%s belongs to %s instead of wardian_owner', c.relname, pg_get_userbyid(c.relowner))
from pg_class c
where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p', 'S', 'v', 'm', 'f')
	and pg_get_userbyid(c.relowner) <> 'wardian_owner'
order by 1

-- :name audit_grant :role owner
-- Of all privileges, only what rows need: nothing that empties a table or hangs code on it, nothing
-- that can be passed on, nobody but the serving roles.  Updates name their columns.
with granted as (
	select c.relname, c.relkind, null::name as attname, c.relowner, a.*
	from pg_class c, lateral aclexplode(c.relacl) a
	where c.relnamespace = to_regnamespace('wardian')
	union all
	select c.relname, c.relkind, t.attname, c.relowner, a.*
	from pg_class c join pg_attribute t on t.attrelid = c.oid, lateral aclexplode(t.attacl) a
	where c.relnamespace = to_regnamespace('wardian')
)
select format('%s on %s is granted to %s', g.privilege_type, g.relname, coalesce(r.rolname, 'PUBLIC')) as finding
from granted g left join pg_roles r on r.oid = g.grantee
where g.grantee <> g.relowner
	and (g.is_grantable
		or r.rolname is null
		or r.rolname not in ('wardian_api', 'wardian_sched', 'wardian_platform')
		or g.relname = 'schema_migration'
		or g.relkind = 'S' and (r.rolname <> 'wardian_platform' or g.privilege_type <> 'USAGE')
		or g.relkind <> 'S' and g.privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
		or g.relkind <> 'S' and g.privilege_type = 'UPDATE' and coalesce(g.attname, 'tenant_id') = 'tenant_id')
order by 1

-- :name audit_record :role owner
-- The record of changes only grows, until its tenant is deleted, and its end only moves.
with granted as (
	select c.relname, null::name as attname, r.rolname, a.privilege_type as privilege
	from pg_class c, lateral aclexplode(c.relacl) a join pg_roles r on r.oid = a.grantee and r.rolname <> 'wardian_owner'
	where c.relnamespace = to_regnamespace('wardian') and c.relname in ('audit_log', 'audit_head')
	union all
	select c.relname, t.attname, r.rolname, a.privilege_type
	from pg_class c join pg_attribute t on t.attrelid = c.oid, lateral aclexplode(t.attacl) a
		join pg_roles r on r.oid = a.grantee and r.rolname <> 'wardian_owner'
	where c.relnamespace = to_regnamespace('wardian') and c.relname in ('audit_log', 'audit_head')
)
select format('%s on %s is granted to %s, so that the record of changes could be rewritten', g.privilege,
	g.relname || coalesce(' (' || g.attname || ')', ''), g.rolname) as finding
from granted g
where g.privilege = 'DELETE' and g.rolname <> 'wardian_platform'
	or g.privilege = 'UPDATE' and g.relname = 'audit_log'
	or g.privilege = 'UPDATE' and (coalesce(g.attname, '') not in ('number', 'at', 'hash')
		or g.rolname not in ('wardian_api', 'wardian_platform'))
	or g.privilege = 'INSERT' and g.relname = 'audit_head' and g.rolname <> 'wardian_platform'
order by 1

-- :name audit_comment :role owner
-- What a table or column means, in which unit, and who writes it, stands beside it.
select format('table %s has no comment', c.relname) as finding
from pg_class c
where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p', 'S')
	and obj_description(c.oid, 'pg_class') is null
union all
select format('column %s of table %s has no comment', a.attname, c.relname)
from pg_attribute a join pg_class c on c.oid = a.attrelid
where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p')
	and a.attnum > 0 and not a.attisdropped and col_description(c.oid, a.attnum) is null
order by 1

-- :name audit_schema :role owner
select 'there is no schema wardian; run: wardiand migrate up' as finding
where to_regnamespace('wardian') is null
