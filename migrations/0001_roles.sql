-- SPDX-License-Identifier: Apache-2.0
-- Roles and the schema.  Runs as the connecting role; every later migration runs as wardian_owner.
-- wardian_owner owns every object and cannot log in; wardian_api serves tenants under row-level
-- security; wardian_sched moves jobs of all tenants through policies of its own.  None of them is
-- superuser or may bypass row-level security.  Roles belong to the whole server, so they may exist.
do $$
declare
	r text;
begin
	foreach r in array array['wardian_owner', 'wardian_api', 'wardian_sched'] loop
		if not exists (select from pg_roles where rolname = r) then
			begin
				execute format('create role %I nosuperuser nocreatedb nocreaterole noreplication nobypassrls %s',
					r, case r when 'wardian_owner' then 'nologin' else 'login' end);
			exception when duplicate_object or unique_violation then
				-- Another database of the same server was faster.
				null;
			end;
		end if;
	end loop;
	if not pg_has_role(current_user, 'wardian_owner', 'member') then
		execute format('grant wardian_owner to %I', current_user);
	end if;
end
$$;

create schema wardian authorization wardian_owner;
revoke all on schema wardian from public;
revoke all on schema public from public;
grant usage on schema wardian to wardian_api, wardian_sched;
-- Temporary tables and functions would be a way to run code of one's own.
do $$
begin
	execute format('revoke temporary, create on database %I from public', current_database());
end
$$;
comment on schema wardian is 'All of Wardian. Every table with a tenant_id has forced row-level security.';
