/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDIT_FIXTURE_H
#define AUDIT_FIXTURE_H

/* A database, a directory for checkpoints, a desk over both, and short ways to write entries and to
 * look at a verdict. */

#include "test_db.h"

#include "audit.h"
#include "audit_log.h"
#include "audit_seal.h"
#include "chain.h"
#include "metrics.h"
#include "sign.h"

struct audit_fixture {
	struct test_db t;
	struct db *db;
	struct arena *mem;
	char dir[96];
	int dirfd;
	struct sign_key *key;
	struct uuid node;
	struct audit_desk *desk;
	struct metrics *metrics;
	struct principal who;
	struct caller by;
};

static inline void
audit_fixture_open(struct audit_fixture *f, int64_t export_max)
{
	static const uint8_t seed[SIGN_SEED_SIZE] = "fixture";
	static struct db_sql sql[2];
	struct audit_desk_options o = { .export_max_bytes = export_max, .exports = 2 };
	struct err e = { 0 };

	sql[0] = audit_sql;
	test_db_open(&f->t);
	f->db = test_db_pools(&f->t, sql, TEST_TIMEOUT_MS);
	f->mem = arena_new(64 << 20);
	f->node = uuid_v7();
	/* Beside a cluster of the program's own it goes with that, whatever ends the program. */
	(void)snprintf(f->dir, sizeof(f->dir), "%s/wardian-audit-XXXXXX",
	    f->t.dir[0] == '\0' ? "/tmp" : f->t.dir);
	if (f->mem == NULL || mkdtemp(f->dir) == NULL || metrics_new(&f->metrics, &e) < 0 ||
	    sign_key_load(seed, &f->key, &e) < 0)
		test_die("audit_fixture_open", e.msg);
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	o.db = f->db;
	o.dirfd = f->dirfd;
	o.node = f->node;
	memcpy(o.key, sign_key_public(f->key), sizeof(o.key));
	if (audit_desk_new(&o, &f->desk, &e) < 0)
		test_die("audit_desk_new", e.msg);
	f->who = (struct principal){
		.kind = PRINCIPAL_KEY, .key = uuid_v7(), .user = uuid_v7(), .name = "ann"
	};
	f->by =
	    (struct caller){ .who = &f->who, .request_id = "req-00000001", .source = "192.0.2.7" };
}

static inline void
audit_fixture_close(struct audit_fixture *f)
{
	audit_desk_free(f->desk);
	metrics_free(f->metrics);
	sign_key_free(f->key);
	close(f->dirfd);
	test_remove_tree(AT_FDCWD, f->dir);
	arena_free(f->mem);
	db_free(f->db);
	test_db_close(&f->t);
}

static inline struct audit_note
audit_fixture_note(struct audit_fixture *f)
{
	return (struct audit_note){ .by = &f->by,
		.action = "job.submit",
		.resource = "job_1",
		.changes = "{\"a\":[1,2]}" };
}

/* n entries, one after the other. */
static inline void
audit_fixture_write(struct audit_fixture *f, struct tenant_id tenant, int n)
{
	struct audit_note note = audit_fixture_note(f);
	struct err e = { 0 };

	for (int i = 0; i < n; i++) {
		arena_reset(f->mem);
		must(audit_record(f->db, tenant, &note, f->mem, &e));
	}
}

/* One statement for many entries of a log, by the hash rule of the migration. */
static inline void
audit_fixture_fill(struct audit_fixture *f, struct tenant_id tenant, int64_t n)
{
	char sql[2048], id[UUID_STR_SIZE];

	(void)snprintf(sql, sizeof(sql),
	    "do $$ declare h bytea; m bigint; at timestamptz; entry text; begin"
	    " select number, hash into m, h from wardian.audit_head where tenant_id = '%s';"
	    " for i in m + 1 .. m + %lld loop"
	    "  at := clock_timestamp();"
	    "  entry := '{\"action\":\"job.submit\",\"actor\":{\"type\":\"api_key\",\"id\":"
	    "\"key_01jd8m2xq5e6tv0c3k9w7r4y1z\",\"name\":\"ann\",\"user\":"
	    "\"usr_01jd8m2xq5e6tv0c3k9w7r4y1z\"},\"resource\":\"job_' || i || '\",\"outcome\":"
	    "\"ok\",\"reason\":null,\"source\":\"192.0.2.7\",\"request_id\":\"req-' || i ||"
	    " '\",\"changes\":{\"name\":[null,\"rc low-pass\"]}}';"
	    "  h := sha256(h || int8send(i) || int8send((extract(epoch from at) *"
	    " 1000000)::bigint) || convert_to(entry, 'UTF8'));"
	    "  insert into wardian.audit_log (tenant_id, number, at, entry, hash)"
	    "  values ('%s', i, at, entry, h);"
	    " end loop;"
	    " update wardian.audit_head set number = m + %lld, at = clock_timestamp(), hash = h"
	    " where tenant_id = '%s'; end $$",
	    uuid_format(tenant.uuid, id), (long long)n, id, (long long)n, id);
	test_script(f->t.url, sql);
}

/* "modified@5 missing@9", "" for a whole log. */
static inline const char *
audit_fixture_verify(struct audit_fixture *f, struct tenant_id tenant, int64_t from)
{
	static char out[4096];
	struct audit_verdict v;
	struct err e = { 0 };
	size_t n = 0;

	arena_reset(f->mem);
	out[0] = '\0';
	if (audit_verify(f->desk, tenant, from, f->mem, &v, &e) < 0) {
		(void)snprintf(out, sizeof(out), "%s", e.msg);
		return out;
	}
	for (size_t i = 0; i < v.n_problems; i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s@%lld", i == 0 ? "" : " ",
		    chain_fault_name(v.problems[i].fault), (long long)v.problems[i].number);
	return out;
}

/* One round of checkpoints: starts a sealer and stops it. */
static inline void
audit_fixture_seal(struct audit_fixture *f)
{
	const struct audit_seal_options o = { .db = f->db,
		.dirfd = f->dirfd,
		.key = f->key,
		.node = f->node,
		.interval_ms = 60000,
		.metrics = f->metrics };
	struct audit_seal *s;
	struct err e = { 0 };

	must(audit_seal_start(&o, &s, &e));
	audit_seal_stop(s);
}

/* A statement with the tenant's id for each %s, at most three. */
static inline void
audit_fixture_tamper(struct audit_fixture *f, struct tenant_id tenant, const char *fmt)
{
	char sql[2048], id[UUID_STR_SIZE];

	(void)uuid_format(tenant.uuid, id);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(sql, sizeof(sql), fmt, id, id, id);
#pragma GCC diagnostic pop
	test_script(f->t.url, sql);
}

#endif
