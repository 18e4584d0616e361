-- SPDX-License-Identifier: Apache-2.0
-- Long work of the platform, and what wardian_platform may do with tenants' tables: delete the rows
-- of a tenant that is being deleted, and nobody else's.

create table operation (
	operation_id uuid        not null,
	kind         text        not null check (kind in ('tenant.delete')),
	target       uuid        not null,
	target_name  text        not null,
	state        text        not null default 'running' check (state in ('running', 'done')),
	stage        text        not null,
	progress     jsonb       not null default '{}',
	problem      text,
	created_by   text        not null,
	created_at   timestamptz not null default now(),
	updated_at   timestamptz not null default now(),
	ended_at     timestamptz,
	lease_owner  uuid,
	lease_until  timestamptz,
	primary key (operation_id),
	check ((ended_at is null) = (state = 'running'))
);
comment on table operation is 'Long work of the platform, resumed by any daemon. Platform data.';
comment on column operation.operation_id is 'UUIDv7.';
comment on column operation.kind is 'What is being done.';
comment on column operation.target is 'Id of what it is done to; kept after the target is gone.';
comment on column operation.target_name is 'Its name at the beginning.';
comment on column operation.state is 'running, or done.';
comment on column operation.stage is 'Where it stands.';
comment on column operation.progress is 'Counts, as the kind defines them.';
comment on column operation.problem is 'What holds it up right now; NULL: nothing.';
comment on column operation.created_by is 'Who asked for it, as the audit log names actors.';
comment on column operation.created_at is 'When it was asked for.';
comment on column operation.updated_at is 'When it last moved on.';
comment on column operation.ended_at is 'When it was done; NULL: not yet.';
comment on column operation.lease_owner is 'Node that works on it; NULL: none.';
comment on column operation.lease_until is 'Until when (database clock); NULL: none.';

create table operation_node (
	operation_id uuid        not null references operation,
	node_id      uuid        not null,
	waived       boolean     not null default false,
	done_at      timestamptz,
	primary key (operation_id, node_id)
);
comment on table operation_node is 'Nodes that must remove files of an operation''s target. Platform data.';
comment on column operation_node.operation_id is 'The operation.';
comment on column operation_node.node_id is 'The node.';
comment on column operation_node.waived is 'An operator said that the node is gone for good.';
comment on column operation_node.done_at is 'When it said that nothing is left; NULL: not yet.';

do $$
declare
	t text;
begin
	foreach t in array array['operation', 'operation_node', 'signing_key'] loop
		execute format('alter table %I enable row level security', t);
		execute format('alter table %I force row level security', t);
		execute format('create policy %I on %I to wardian_platform using (true) with check (true)', t || '_platform', t);
	end loop;
	for t in select c.relname from pg_class c
			join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
			where c.relnamespace = 'wardian'::regnamespace and c.relkind = 'r' order by 1 loop
		execute format('create policy %I on %I to wardian_platform using (true) with check (true)', t || '_platform', t);
		execute format('create policy %I on %I as restrictive for delete to wardian_platform using (%s)',
			t || '_platform_delete', t,
			case t when 'tenant' then 'state = ''deleting'''
				else 'tenant_id in (select t.tenant_id from tenant t where t.state = ''deleting'')' end);
		execute format('grant delete on %I to wardian_platform', t);
		execute format('grant select (tenant_id, ctid) on %I to wardian_platform', t);
	end loop;
end
$$;
grant select, insert, delete on operation, operation_node to wardian_platform;
grant update (state, stage, progress, problem, updated_at, ended_at, lease_owner, lease_until) on operation to wardian_platform;
grant update (waived, done_at) on operation_node to wardian_platform;
