-- SPDX-License-Identifier: Apache-2.0
-- What frames a transaction.  Run by db_txn.c and db_batch.c on every connection.

-- :name db_begin :role api,sched,platform
begin

-- :name db_commit :role api,sched,platform
commit

-- :name db_rollback :role api,sched,platform
rollback

-- :name db_context :role api
-- Makes the transaction the tenant's.  `before` is what a former user of the connection left behind:
-- anything but empty text is a leak, and the connection is given up.
select coalesce(current_setting('wardian.tenant_id', true), '') as before,
	set_config('wardian.tenant_id', $1::uuid::text, true) as context

-- :name db_xid :role api,sched,platform
-- The transaction's id, to ask for its outcome when the acknowledgement of COMMIT is lost; NULL when
-- nothing was written.
select pg_current_xact_id_if_assigned()::text as xid

-- :name db_xact_status :role api,sched,platform
-- committed, aborted or in progress; NULL when too old to tell.
select pg_xact_status($1::text::xid8) as status

-- :name db_incarnation :role api,sched,platform
-- Changes with every crash recovery, after which transaction ids may be used again (statistics are
-- thrown away then, in all supported versions); it stays the same over a clean restart.
select coalesce(stats_reset::text, '') as incarnation from pg_stat_bgwriter

-- :name db_ping :role api,sched,platform
select 1::integer as one
