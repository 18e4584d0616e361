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
-- Each policy is permissive, for all commands, for one serving role, with USING and WITH CHECK.
select format('policy %s on %s must be permissive, for all commands, for wardian_api or wardian_sched alone, with USING and WITH CHECK',
	p.polname, c.relname) as finding
from pg_policy p join pg_class c on c.oid = p.polrelid
where c.relnamespace = to_regnamespace('wardian')
	and (p.polqual is null or p.polwithcheck is null or p.polcmd <> '*' or not p.polpermissive
		or cardinality(p.polroles) <> 1
		or p.polroles[1] not in (select oid from pg_roles where rolname in ('wardian_api', 'wardian_sched')))
order by 1

-- :name audit_policy_api :role owner
-- What wardian_api sees and writes is the transaction's tenant and nothing else.  The expression is
-- compared without blanks, parentheses and the text casts that the server's printer adds.
with printed as (
	select p.polname, c.relname, regexp_replace(e.expression, '[\s()]|::text|AS "?nullif"?', '', 'g') as expression
	from pg_policy p
		join pg_class c on c.oid = p.polrelid
		cross join lateral (values (pg_get_expr(p.polqual, p.polrelid)),
			(pg_get_expr(p.polwithcheck, p.polrelid))) as e (expression)
	where c.relnamespace = to_regnamespace('wardian')
		and p.polroles && array(select oid from pg_roles where rolname <> 'wardian_sched' union all select 0)
)
select distinct format('policy %s on %s is not the tenant expression', polname, relname) as finding
from printed
where expression is distinct from
	'tenant_id=SELECTNULLIFcurrent_setting''wardian.tenant_id'',true,''''::uuid'
order by 1

-- :name audit_policy_count :role owner
-- One policy per table and serving role: permissive policies add up.
select format('table %s has %s policies for %s instead of one', c.relname, count(p.oid), r.rolname) as finding
from pg_class c
	cross join pg_roles r
	left join pg_policy p on p.polrelid = c.oid and r.oid = any (p.polroles)
where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p')
	and c.relname <> 'schema_migration' and r.rolname in ('wardian_api', 'wardian_sched')
group by c.relname, r.rolname
having count(p.oid) <> 1
order by 1

-- :name audit_tenant_column :role owner
-- Every table says whose each row is.
select format('table %s has no column tenant_id of type uuid that is not null', c.relname) as finding
from pg_class c
where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p')
	and c.relname <> 'schema_migration'
	and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'
		and a.atttypid = 'uuid'::regtype and a.attnotnull)
order by 1

-- :name audit_index :role owner
-- Primary keys, unique keys and indexes begin with tenant_id: a unique key without it tells one
-- tenant what another one has, an index without it reads foreign rows.  Exemptions bear a reason.
with exempt (name, reason) as (values
	('tenant_uid_slot_key', 'slots are drawn from a sequence that only wardian_sched may use, so a collision tells nothing'),
	('api_key_public_id', 'credentials are looked up by wardian_sched before a tenant is known; not unique'))
select format('%s %s on %s does not begin with tenant_id',
	case when i.indisprimary then 'primary key' when i.indisunique then 'unique key' else 'index' end,
	x.relname, c.relname) as finding
from pg_index i
	join pg_class c on c.oid = i.indrelid
	join pg_class x on x.oid = i.indexrelid
	left join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
where c.relnamespace = to_regnamespace('wardian') and c.relname <> 'schema_migration'
	and a.attname is distinct from 'tenant_id' and x.relname not in (select name from exempt)
order by 1

-- :name audit_primary_key :role owner
select format('table %s has no primary key', c.relname) as finding
from pg_class c
where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p')
	and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)
order by 1

-- :name audit_foreign_key :role owner
-- A reference binds tenant to tenant, or a row could point at another tenant's.
select format('foreign key %s on %s does not bind tenant_id to tenant_id', k.conname, c.relname) as finding
from pg_constraint k
	join pg_class c on c.oid = k.conrelid
	left join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
	left join pg_attribute b on b.attrelid = k.confrelid and b.attnum = k.confkey[1]
where k.contype = 'f' and c.relnamespace = to_regnamespace('wardian')
	and (a.attname is distinct from 'tenant_id' or b.attname is distinct from 'tenant_id')
order by 1

-- :name audit_function :role owner
-- A function that runs as its maker walks around the policies; one that claims to be leakproof is
-- evaluated before them.
select format('function %s runs with its owner''s rights and can be called by %s', f.oid::regprocedure, r.rolname) as finding
from pg_proc f
	join pg_namespace n on n.oid = f.pronamespace
	cross join pg_roles r
where f.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')
	and r.rolname in ('wardian_api', 'wardian_sched')
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
where r.rolname in ('wardian_api', 'wardian_sched')
	and has_database_privilege(r.oid, current_database(), p.privilege)
union all
select format('role %s may create in schema %s', r.rolname, n.nspname)
from pg_roles r cross join pg_namespace n
where r.rolname in ('wardian_api', 'wardian_sched') and has_schema_privilege(r.oid, n.oid, 'create')
order by 1

-- :name audit_role :role owner
-- The serving roles are as weak as can be.
select format('role %s is missing', n.name) as finding
from (values ('wardian_owner'), ('wardian_api'), ('wardian_sched')) as n (name)
where not exists (select from pg_roles where rolname = n.name)
union all
select format('role %s must not have %s', r.rolname, a.attribute)
from pg_roles r
	cross join lateral (values (r.rolsuper, 'SUPERUSER'), (r.rolbypassrls, 'BYPASSRLS'),
		(r.rolcreaterole, 'CREATEROLE'), (r.rolcreatedb, 'CREATEDB'), (r.rolreplication, 'REPLICATION'),
		(r.rolcanlogin and r.rolname = 'wardian_owner', 'LOGIN')) as a (has, attribute)
where r.rolname in ('wardian_owner', 'wardian_api', 'wardian_sched') and a.has
union all
select format('role %s must not be a member of %s', m.rolname, g.rolname)
from pg_auth_members x join pg_roles m on m.oid = x.member join pg_roles g on g.oid = x.roleid
where m.rolname in ('wardian_owner', 'wardian_api', 'wardian_sched')
order by 1

-- :name audit_owner :role owner
-- The serving roles own nothing, and all of the schema is wardian_owner's.
select format('role %s owns %s', r.rolname, pg_describe_object(d.classid, d.objid, d.objsubid)) as finding
from pg_shdepend d join pg_roles r on r.oid = d.refobjid
where d.refclassid = 'pg_authid'::regclass and d.deptype = 'o'
	and d.dbid in (0, (select oid from pg_database where datname = current_database()))
	and r.rolname in ('wardian_api', 'wardian_sched')
union all
select format('%s belongs to %s instead of wardian_owner', c.relname, pg_get_userbyid(c.relowner))
from pg_class c
where c.relnamespace = to_regnamespace('wardian') and c.relkind in ('r', 'p', 'S', 'v', 'm', 'f')
	and pg_get_userbyid(c.relowner) <> 'wardian_owner'
order by 1

-- :name audit_grant :role owner
-- Of all privileges, only what rows need: nothing that empties a table or hangs code on it, nothing
-- that can be passed on, nobody but the two serving roles, and the record of changes only grows.
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
	and (g.privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER')
		or g.is_grantable
		or r.rolname is null
		or r.rolname not in ('wardian_api', 'wardian_sched')
		or g.relname = 'schema_migration'
		or g.relname = 'audit_log' and g.privilege_type in ('UPDATE', 'DELETE')
		or g.privilege_type = 'UPDATE' and g.relkind <> 'S' and coalesce(g.attname, 'tenant_id') = 'tenant_id'
		or g.relkind = 'S' and r.rolname = 'wardian_api')
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
