-- SPDX-License-Identifier: Apache-2.0
-- The record of changes: rows are added, never changed.

-- :name audit_insert :role api
insert into audit_log (tenant_id, audit_id, actor, action, resource, outcome, request_id)
values ((select nullif(current_setting('wardian.tenant_id', true), '')::uuid), $1::uuid, $2::text,
	$3::text, $4::text, $5::text, $6::text)
