/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_DB_H
#define TEST_DB_H

/*
 * A fresh, migrated database for one test program: in the server of WARDIAN_TEST_DATABASE_URL when
 * that is set, else in a private cluster of the program's own (test_cluster_open, which tests that
 * change roles or stop the server call themselves).  Use:
 *
 *     static struct test_db t;
 *     int main(void) {
 *             test_db_open(&t);
 *             int rc = cmocka_run_group_tests(tests, NULL, NULL);
 *             test_db_close(&t);
 *             return rc;
 *     }
 *
 * `must(call)` fails the test with the message of a `struct err e` in scope.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db.h"
#include "db_cluster.h"
#include "db_owner_internal.h"
#include "db_schema.h"
#include "id.h"

#define must(call)                                                                                 \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s: %s", #call, err_slug(e.code), e.msg);                    \
	} while (0)
#define must_fail(expected, call)                                                                  \
	do {                                                                                       \
		if ((call) >= 0)                                                                   \
			fail_msg("%s succeeded", #call);                                           \
		if (e.code != (expected))                                                          \
			fail_msg("%s: %s instead of %s: %s", #call, err_slug(e.code),              \
			    err_slug(expected), e.msg);                                            \
	} while (0)

enum { TEST_URL_SIZE = 1024, TEST_TIMEOUT_MS = 20000 };

struct test_db {
	struct db_cluster *cluster;    /* NULL: somebody else's server */
	char dir[64];                  /* of the cluster, "" without one */
	char admin_url[TEST_URL_SIZE]; /* a superuser on another database of the server */
	char url[TEST_URL_SIZE];       /* the same role on the fresh database */
	char name[64];
};

/* The cluster to stop when a program ends without test_db_close. */
static struct test_db *test_db_left;

static inline void
test_die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* PostgreSQL does not run as root. */
static inline void
test_drop_root(void)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return;
	pw = getpwnam("wardian");
	if (pw == NULL)
		pw = getpwnam("nobody");
	if (pw == NULL || setgroups(0, NULL) < 0 || setgid(pw->pw_gid) < 0 ||
	    setuid(pw->pw_uid) < 0)
		test_die("test_drop_root", "cannot become an ordinary user");
	/* Sanitizers trace their own process, which a change of user forbids. */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* The connection string `base` with another database. */
static inline void
test_url_with(const char *base, const char *database, char out[static TEST_URL_SIZE])
{
	const char *host = strstr(base, "://"), *path, *query;

	if (host == NULL) { /* keywords: the last one counts */
		(void)snprintf(out, TEST_URL_SIZE, "%.900s dbname=%.64s", base, database);
		return;
	}
	path = strchr(host + 3, '/');
	query = strchr(base, '?');
	if (path == NULL)
		path = query == NULL ? base + strlen(base) : query;
	(void)snprintf(out, TEST_URL_SIZE, "%.*s/%.64s%.256s", (int)(path - base) % 512, base,
	    database, query == NULL ? "" : query);
}

/* The connection string of a private cluster with another user. */
static inline void
test_url_as(const char *base, const char *user, char out[static TEST_URL_SIZE])
{
	(void)snprintf(out, TEST_URL_SIZE, "%.900s user=%.60s", base, user);
}

static inline void
test_remove_tree(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *f = d == NULL ? NULL : readdir(d); f != NULL; f = readdir(d)) {
		if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0 &&
		    unlinkat(fd, f->d_name, 0) < 0)
			test_remove_tree(fd, f->d_name);
	}
	if (d != NULL)
		closedir(d);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

static inline void
test_cluster_close(void)
{
	struct test_db *t = test_db_left;

	test_db_left = NULL;
	if (t == NULL)
		return;
	db_cluster_stop(t->cluster);
	test_remove_tree(AT_FDCWD, t->dir);
	*t = (struct test_db){ 0 };
}

/*
 * Whatever ends a test program, an abort or a SIGKILL included, its server and files go, too: a
 * child waits for the end of a pipe whose other end only the program holds.
 */
static inline void
test_watch(const char *dir)
{
	const struct db_cluster_options o = { .dir = dir, .bin_dir = "" };
	struct db_cluster *left;
	char pid_file[128], byte;
	struct err e;
	int pipes[2];

	(void)snprintf(pid_file, sizeof(pid_file), "%.90s/data/postmaster.pid", dir);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		test_die("test_watch", "no pipe");
	switch (fork()) {
	case -1:
		test_die("test_watch", "no child");
		break;
	case 0:
		break;
	default:
		close(pipes[0]);
		return; /* the other end closes with the program */
	}
	setsid(); /* out of reach of what is sent to the program's group */
	close(pipes[1]);
	while (read(pipes[0], &byte, 1) < 0)
		continue;
	/* Adopting a server is the way to find and stop it. */
	if (access(pid_file, F_OK) == 0 && db_cluster_start(&o, &left, &e) == 0)
		db_cluster_stop(left);
	test_remove_tree(AT_FDCWD, dir);
	_exit(0);
}

/* A server of the program's own, which it may break; no database of its own yet. */
static inline void
test_cluster_open(struct test_db *t)
{
	struct db_cluster_options o = { .bin_dir = "" };
	struct err e;

	*t = (struct test_db){ 0 };
	test_drop_root();
	(void)snprintf(t->dir, sizeof(t->dir), "/tmp/wardian-test-XXXXXX");
	if (mkdtemp(t->dir) == NULL)
		test_die("mkdtemp", t->dir);
	test_db_left = t;
	test_watch(t->dir);
	(void)atexit(test_cluster_close);
	o.dir = t->dir;
	if (db_cluster_start(&o, &t->cluster, &e) < 0)
		test_die("db_cluster_start", e.msg);
	(void)snprintf(t->admin_url, sizeof(t->admin_url), "%s", db_cluster_url(t->cluster));
}

static inline void
test_script(const char *url, const char *text)
{
	struct db_owner *o;
	struct err e;

	if (db_owner_open(url, TEST_TIMEOUT_MS, &o, &e) < 0)
		test_die("test_script", e.msg);
	if (db_owner_script(o, text, TEST_TIMEOUT_MS, &e) < 0)
		test_die(text, e.msg);
	db_owner_free(o);
}

/* First cell of the first row, as text; valid until the next call. */
static inline const char *
test_text(const char *url, const char *sql)
{
	static char out[1024];
	struct db_owner *o;
	struct err e;

	if (db_owner_open(url, TEST_TIMEOUT_MS, &o, &e) < 0)
		test_die("test_text", e.msg);
	if (db_owner_text(o, sql, out, sizeof(out), &e) < 0)
		test_die(sql, e.msg);
	db_owner_free(o);
	return out;
}

/* A new, empty database on the server; t->url becomes its URL. */
static inline void
test_database_new(struct test_db *t)
{
	struct uuid u = uuid_v7();
	char sql[128];

	(void)snprintf(t->name, sizeof(t->name), "wt_%d_%02x%02x%02x%02x%02x%02x", (int)getpid(),
	    u.b[10], u.b[11], u.b[12], u.b[13], u.b[14], u.b[15]);
	(void)snprintf(sql, sizeof(sql), "create database %s", t->name);
	test_script(t->admin_url, sql);
	test_url_with(t->admin_url, t->name, t->url);
}

static inline void
test_migrate(struct test_db *t)
{
	const struct log silent = { 0 };
	struct err e;

	if (db_migrate_up(t->url, TEST_TIMEOUT_MS, &silent, &e) < 0)
		test_die("db_migrate_up", e.msg);
}

static inline void
test_db_open(struct test_db *t)
{
	const char *url = getenv("WARDIAN_TEST_DATABASE_URL");

	if (url == NULL || url[0] == '\0') {
		test_cluster_open(t);
	} else {
		*t = (struct test_db){ 0 };
		(void)snprintf(t->admin_url, sizeof(t->admin_url), "%s", url);
	}
	test_database_new(t);
	test_migrate(t);
}

/* Drops the database and, with it, a server of the program's own. */
static inline void
test_db_close(struct test_db *t)
{
	char sql[128];

	if (t->cluster == NULL) {
		(void)snprintf(sql, sizeof(sql), "drop database %s with (force)", t->name);
		test_script(t->admin_url, sql);
		return;
	}
	test_cluster_close();
}

/* Pools of four, two and two connections with the given statements. */
static inline struct db *
test_db_pools(const struct test_db *t, const struct db_sql *sql, int64_t timeout_ms)
{
	const struct db_options o = { .url = t->url,
		.api_connections = 4,
		.sched_connections = 2,
		.platform_connections = 2,
		.timeout_ms = timeout_ms,
		.sql = sql };
	struct db *db;
	struct err e;

	if (db_open(&o, &db, &e) < 0)
		test_die("db_open", e.msg);
	return db;
}

/* A tenant of that name with what every tenant has: a default project and the start of its audit
 * chain.  Made by the server's superuser. */
static inline struct tenant_id
test_tenant(const struct test_db *t, const char *name)
{
	struct tenant_id id = { uuid_v7() };
	char sql[768], text[UUID_STR_SIZE], project[UUID_STR_SIZE];

	(void)uuid_format(id.uuid, text);
	(void)uuid_format(uuid_v7(), project);
	(void)snprintf(sql, sizeof(sql),
	    "insert into wardian.tenant (tenant_id, name) values ('%s', '%.63s');"
	    "insert into wardian.project (tenant_id, project_id, name)"
	    " values ('%s', '%s', 'default');"
	    "insert into wardian.audit_head (tenant_id, hash)"
	    " values ('%s', sha256(uuid_send('%s')))",
	    text, name, text, project, text, text);
	test_script(t->url, sql);
	return id;
}

/* A table as the catalogue audit wants it: of tenants, where wardian_api and wardian_sched read and
 * insert (`columns` begin with a tenant_id), or of the platform. */
enum test_table_kind { TEST_TABLE_TENANTS, TEST_TABLE_PLATFORM };
static inline void
test_table(
    const struct test_db *t, const char *name, enum test_table_kind kind, const char *columns)
{
	static const char common[] =
	    "set search_path = wardian; do $do$ declare t constant text := '%s'; a name; begin"
	    " execute format('create table %%I (%%s)', t, $c$%s$c$);"
	    " execute format('comment on table %%I is ''x''', t);"
	    " for a in select attname from pg_attribute"
	    "   where attrelid = t::regclass and attnum > 0 loop"
	    "  execute format('comment on column %%I.%%I is ''x''', t, a);"
	    " end loop;"
	    " execute format('alter table %%I enable row level security', t);"
	    " execute format('alter table %%I force row level security', t);"
	    " execute format('alter table %%I owner to wardian_owner', t);"
	    " execute format('create policy %%I on %%I to wardian_platform"
	    "  using (true) with check (true)', t || '_platform', t);"
	    "%s end $do$";
	static const char *const parts[] = {
		[TEST_TABLE_TENANTS] =
		    " execute format($q$create policy %I on %I to wardian_api"
		    "  using (tenant_id = (select nullif(current_setting('wardian.tenant_id', "
		    "true), "
		    "'')::uuid))"
		    "  with check (tenant_id = (select nullif(current_setting('wardian.tenant_id', "
		    "true), '')::uuid))$q$, t || '_api', t);"
		    " execute format('create policy %I on %I to wardian_sched"
		    "  using (true) with check (true)', t || '_sched', t);"
		    " execute format($q$create policy %I on %I as restrictive for delete to "
		    "wardian_platform"
		    "  using (tenant_id in (select t.tenant_id from tenant t"
		    "   where t.state = 'deleting'))$q$, t || '_platform_delete', t);"
		    " execute format('grant select, insert on %I to wardian_api, wardian_sched', "
		    "t);"
		    " execute format('grant delete, select (tenant_id) on %I to wardian_platform', "
		    "t);",
		[TEST_TABLE_PLATFORM] =
		    " execute format('grant select, insert, delete on %I to wardian_platform', t);",
	};
	char sql[4096];

	(void)snprintf(sql, sizeof(sql), common, name, columns, parts[kind]);
	test_script(t->url, sql);
}

/* A table of tenants to write into: unique notes that may be touched. */
static inline void
test_note_table(const struct test_db *t)
{
	test_table(t, "note", TEST_TABLE_TENANTS,
	    "tenant_id uuid not null references tenant, note_id uuid not null, body text not null,"
	    " kind text not null default 'k', at timestamptz not null default clock_timestamp(),"
	    " touched_at timestamptz, primary key (tenant_id, note_id), unique (tenant_id, body)");
	test_script(t->url, "grant update (touched_at) on wardian.note to wardian_api");
}

#endif
