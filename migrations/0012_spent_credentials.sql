-- SPDX-License-Identifier: Apache-2.0
-- What is left of credentials that hold no more: whoever makes and ends them in a loop must not make
-- it slow to count those that hold, or to clear up behind them.

create index api_key_live on api_key (tenant_id, key_id) where revoked_at is null;
create index api_key_revoked on api_key (tenant_id, revoked_at, key_id) where revoked_at is not null;
-- The predicate holds for every row, and keeps the index to the statement that repeats it
-- (0011_job_counter.sql).
create index token_revocation_end on token_revocation (tenant_id, expires_at) where expires_at is not null;
comment on table api_key is 'API keys, and revoked ones up to a number. Written by the tenant''s own transactions; looked up by wardian_platform.';

-- First owners are made by the tenant's own transactions.
revoke insert on tenant_user, role_assignment, api_key from wardian_platform;
