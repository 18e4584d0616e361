-- SPDX-License-Identifier: Apache-2.0
-- :as connecting
-- The role of platform operations: the registry of tenants, credentials before their tenant is
-- known, the deletion of a tenant.  As weak as the other serving roles (0001_roles.sql); what it may
-- touch is granted beside each table.
do $$
begin
	if exists (select from pg_roles where rolname = 'wardian_platform') then
		return;
	end if;
	create role wardian_platform nosuperuser nocreatedb nocreaterole noreplication nobypassrls login;
exception
	when duplicate_object or unique_violation then
		-- Another database of the same server was faster.
		null;
	when insufficient_privilege then
		raise insufficient_privilege using message = format(
			'role %I may not create roles; run CREATE ROLE wardian_platform LOGIN as an administrator',
			current_user);
end
$$;

set local role wardian_owner;
grant usage on schema wardian to wardian_platform;
