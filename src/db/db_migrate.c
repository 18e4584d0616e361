/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Migrations: numbered files, embedded in the binary, applied in order, each in one transaction
 * that also records it with its checksum.  They run as wardian_owner, except number 1, which makes
 * the owner, and those whose first comment has a line `-- :as connecting`, because they make roles:
 * these run as the role of the URL.  What the database has and the binary lacks, or has
 * differently, is refused: an older daemon never touches a newer schema.
 */
#include "db_migrate_internal.h"

#include "auth.h"
#include "db_internal.h"
#include "db_owner_internal.h"
#include "parse.h"

#include <stdio.h>
#include <string.h>

enum {
	/* A migration may build an index over everything; the daemon waits for it. */
	BODY_TIMEOUT_MS = 600 * 1000,
	SHA_HEX_SIZE = 2 * AUTH_SHA256_SIZE + 1,
};

#define MIGRATION(name, symbol) extern const unsigned char symbol[];
#include "migrations.def"
#undef MIGRATION

const struct db_migration_file db_migration_files[] = {
#define MIGRATION(name, symbol) { #name, (const char *)symbol },
#include "migrations.def"
#undef MIGRATION
	{ NULL, NULL },
};

struct state {
	struct db_owner *owner;
	const struct db_migration_file *files;
	int n_files;
	int n_applied; /* the first n_applied files are in the database */
	int64_t applied_wall_us[DB_MIGRATIONS_MAX];
	bool has_table;
};

static void
checksum(const struct db_migration_file *f, char out[static SHA_HEX_SIZE])
{
	uint8_t sum[AUTH_SHA256_SIZE];

	auth_sha256(f->text, strlen(f->text), sum);
	auth_hex(sum, sizeof(sum), out);
}

/* Cells: number, name, sha256, applied_wall_us. */
static int
check_applied(void *ctx, const char *const *cells, struct err *e)
{
	struct state *s = ctx;
	char sum[SHA_HEX_SIZE];
	int64_t number, at;

	if (parse_i64(cells[0], 1, INT32_MAX, &number, e) < 0 ||
	    parse_i64(cells[3], INT64_MIN, INT64_MAX, &at, e) < 0)
		return err_set(
		    e, ERR_DB_SCHEMA, "table schema_migration holds a number that is not valid");
	if (number > s->n_files)
		return err_set(e, ERR_DB_SCHEMA,
		    "the database has migration %s, which this version does not know; "
		    "install the version that made it, or a newer one",
		    cells[1]);
	if (number != s->n_applied + 1)
		return err_set(e, ERR_DB_SCHEMA,
		    "migration %d is missing in the database although later ones were applied; "
		    "restore the database from a backup",
		    s->n_applied + 1);
	checksum(&s->files[number - 1], sum);
	if (strcmp(cells[1], s->files[number - 1].name) != 0 || strcmp(cells[2], sum) != 0)
		return err_set(e, ERR_DB_SCHEMA,
		    "migration %s was applied with another content than this version holds; "
		    "install the version that made the database",
		    cells[1]);
	s->applied_wall_us[s->n_applied++] = at;
	return 0;
}

static int
read_state(struct state *s, struct err *e)
{
	char has[8];

	s->n_files = 0;
	while (s->files[s->n_files].name != NULL)
		s->n_files++;
	REQUIRE(s->n_files <= DB_MIGRATIONS_MAX);
	if (db_owner_text(
		s->owner, db_owner_stmt(s->owner, "owner_has_table"), has, sizeof(has), e) < 0)
		return -1;
	s->has_table = strcmp(has, "t") == 0;
	s->n_applied = 0;
	if (s->has_table && db_owner_query(s->owner, db_owner_stmt(s->owner, "owner_applied"), 0,
				NULL, check_applied, s, e) < 0)
		return -1;
	return 0;
}

static int
run_named(struct state *s, const char *const *names, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (db_owner_query(
			s->owner, db_owner_stmt(s->owner, names[i]), 0, NULL, NULL, NULL, e) < 0)
			return -1;
	}
	return 0;
}

static int
record(struct state *s, int index, struct err *e)
{
	const struct db_migration_file *f = &s->files[index];
	char number[16], sum[SHA_HEX_SIZE];
	const char *params[] = { number, f->name, sum };

	(void)snprintf(number, sizeof(number), "%d", index + 1);
	checksum(f, sum);
	return db_owner_query(
		   s->owner, db_owner_stmt(s->owner, "owner_record"), 3, params, NULL, NULL, e) < 0
		   ? -1
		   : 0;
}

/* A line of the comment that the file begins with. */
static bool
has_marker(const char *text, const char *line)
{
	size_t n = strlen(line);

	while (strncmp(text, "--", 2) == 0) {
		size_t end = strcspn(text, "\n");

		if (end == n && memcmp(text, line, n) == 0)
			return true;
		text += end;
		text += *text == '\n';
	}
	return false;
}

static int
apply_in_transaction(struct state *s, int index, struct err *e)
{
	static const char *const become[] = { "owner_become", "owner_path" };
	static const char *const table[] = { "owner_create_table", "owner_comment_table",
		"owner_comment_number", "owner_comment_name", "owner_comment_sha256",
		"owner_comment_applied_at" };

	const char *text = s->files[index].text;
	bool connecting = index == 0 || has_marker(text, "-- :as connecting");

	if (!connecting && run_named(s, become, ARRAY_LEN(become), e) < 0)
		return -1;
	if (db_owner_script(s->owner, text, BODY_TIMEOUT_MS, e) < 0)
		return -1;
	if (connecting && run_named(s, become, ARRAY_LEN(become), e) < 0)
		return -1;
	if (index == 0 && run_named(s, table, ARRAY_LEN(table), e) < 0)
		return -1;
	return record(s, index, e);
}

static int
apply(struct state *s, int index, struct err *e)
{
	static const char *const begin[] = { "owner_begin", "owner_patience" },
				 *const end[] = { "owner_commit" },
				 *const back[] = { "owner_rollback" };
	struct err ignored;

	if (run_named(s, begin, ARRAY_LEN(begin), e) == 0 && apply_in_transaction(s, index, e) == 0)
		return run_named(s, end, ARRAY_LEN(end), e);
	/* The first error is the one to tell; without a rollback the end of the connection is one.
	 */
	run_named(s, back, ARRAY_LEN(back), &ignored);
	return err_wrap(e, "migration %s", s->files[index].name);
}

int
db_migrate_status_of(const struct db_migration_file *files, const char *url, int64_t timeout_ms,
    int (*fn)(void *ctx, const struct db_migration *m), void *ctx, struct err *e)
{
	AUTO(db_owner) owner = NULL;
	struct state s = { .files = files };

	if (db_owner_open(url, timeout_ms, &owner, e) < 0)
		return -1;
	s.owner = owner;
	if (read_state(&s, e) < 0)
		return -1;
	for (int i = 0; i < s.n_files; i++) {
		const struct db_migration m = { .number = i + 1,
			.name = files[i].name,
			.applied = i < s.n_applied,
			.applied_wall_us = s.applied_wall_us[i] };

		if (fn(ctx, &m) != 0)
			break;
	}
	return 0;
}

static void
warn_about_server(struct db_owner *o, const struct log *log)
{
	/* Fifteen's first release without the row-level security faults that were found until then
	 * (CVE-2026-14666 the latest). */
	enum { FIFTEEN_SAFE = 150019, SIXTEEN = 160000 };
	int version = db_owner_version(o);
	char fault[128];
	struct err e;

	if (version < FIFTEEN_SAFE && version < SIXTEEN)
		log_warn(log,
		    "PostgreSQL 15.%d has known faults in row-level security; update it to 15.%d "
		    "or newer",
		    version % 10000, FIFTEEN_SAFE % 10000);
	if (db_owner_text(o, db_owner_stmt(o, "owner_durable"), fault, sizeof(fault), &e) == 0 &&
	    fault[0] != '\0')
		log_warn(log, "the database server may lose what it confirmed: %s", fault);
}

int
db_migrate_up_of(const struct db_migration_file *files, const char *url, int64_t timeout_ms,
    const struct log *log, struct err *e)
{
	static const char *const lock[] = { "owner_lock" };
	AUTO(db_owner) owner = NULL;
	struct state s = { .files = files };
	int before;

	if (db_owner_open(url, timeout_ms, &owner, e) < 0)
		return -1;
	s.owner = owner;
	warn_about_server(owner, log);
	if (run_named(&s, lock, ARRAY_LEN(lock), e) < 0)
		return err_wrap(e, "waiting for another daemon's migrations");
	if (read_state(&s, e) < 0)
		return -1;
	before = s.n_applied;
	for (; s.n_applied < s.n_files; s.n_applied++) {
		if (apply(&s, s.n_applied, e) < 0)
			return -1;
		log_info(log, "applied migration %s", files[s.n_applied].name);
	}
	/* Under the lock still: two daemons must not alter a role at once. */
	return db_owner_set_passwords(owner, e) < 0 ? -1 : s.n_applied - before;
}

int
db_migrate_status(const char *url, int64_t timeout_ms,
    int (*fn)(void *ctx, const struct db_migration *m), void *ctx, struct err *e)
{
	return db_migrate_status_of(db_migration_files, url, timeout_ms, fn, ctx, e);
}

int
db_migrate_up(const char *url, int64_t timeout_ms, const struct log *log, struct err *e)
{
	return db_migrate_up_of(db_migration_files, url, timeout_ms, log, e);
}
