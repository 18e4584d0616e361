/* SPDX-License-Identifier: Apache-2.0 */
/* The private PostgreSQL: first start, adoption, crashes, and what it refuses. */
#include "test_db.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

static char dir[64];
static struct db_cluster *cluster;

static int
start(struct err *e)
{
	const struct db_cluster_options o = { .dir = dir, .bin_dir = "" };

	return db_cluster_start(&o, &cluster, e);
}

static void
path_in(const char *name, char out[static 128])
{
	(void)snprintf(out, 128, "%s/%s", dir, name);
}

static pid_t
server_pid(void)
{
	char path[128], line[32] = "";
	FILE *f;

	path_in("data/postmaster.pid", path);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	return (pid_t)atoi(line);
}

/* A dead orphan waits for init to bury it, and has no directory any more. */
static bool
alive(pid_t pid)
{
	char path[32], cwd[8];

	(void)snprintf(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	return readlink(path, cwd, sizeof(cwd)) > 0;
}

static const char *
ask(const char *sql)
{
	return test_text(db_cluster_url(cluster), sql);
}

static int
fresh_directory(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/wardian-cluster-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	test_watch(dir);
	return 0;
}

static int
stop_and_remove(void **state)
{
	(void)state;
	db_cluster_stop(cluster);
	cluster = NULL;
	test_remove_tree(AT_FDCWD, dir);
	return 0;
}

static void
the_first_start_makes_a_private_database_and_the_next_one_finds_it(void **state)
{
	char path[128];
	struct stat st;
	struct err e;
	pid_t pid;

	(void)state;
	must(start(&e));
	assert_string_equal(
	    ask("select current_database() || ' ' || current_user"), "wardian wardian_admin");
	assert_string_equal(ask("show listen_addresses"), "");
	assert_string_equal(ask("show data_checksums"), "on");
	assert_string_equal(ask("show server_encoding"), "UTF8");
	assert_string_equal(ask("show fsync"), "on");
	path_in("socket", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	test_script(db_cluster_url(cluster), "create table public.kept (a int)");
	pid = server_pid();
	db_cluster_stop(cluster);
	assert_false(alive(pid));
	must(start(&e));
	assert_string_equal(ask("select count(*) from public.kept"), "0");
}

static void
an_interrupted_initdb_is_done_again(void **state)
{
	char path[128];
	struct err e;
	FILE *f;

	(void)state;
	path_in("data.new", path);
	assert_int_equal(mkdir(path, 0700), 0);
	path_in("data.new/base", path);
	assert_int_equal(mkdir(path, 0500), 0);
	path_in("data.new/PG_VERSION", path);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("15\n", f);
	fclose(f);
	path_in("data.new/link", path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	must(start(&e));
	assert_string_equal(ask("select 1"), "1");
	path_in("data.new", path);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access("/etc/passwd", R_OK), 0);
}

static void
a_server_left_by_a_crashed_daemon_is_adopted_and_can_be_stopped(void **state)
{
	int status;
	pid_t daemon, pid;
	struct err e;

	(void)state;
	daemon = fork();
	if (daemon == 0)
		_exit(start(&e) == 0 ? 0 : 1); /* without stopping it */
	assert_int_equal(waitpid(daemon, &status, 0), daemon);
	assert_int_equal(status, 0);
	pid = server_pid();
	assert_true(pid > 0 && alive(pid));
	must(start(&e));
	assert_int_equal(server_pid(), pid);
	assert_string_equal(ask("select 1"), "1");
	db_cluster_stop(cluster);
	cluster = NULL;
	assert_false(alive(pid));
}

static void
a_visitor_leaves_the_server_running(void **state)
{
	struct db_cluster *visitor;
	struct err e;

	(void)state;
	must(start(&e));
	visitor = cluster;
	must(start(&e));
	db_cluster_leave(visitor);
	assert_string_equal(ask("select 1"), "1");
}

static void
a_killed_server_is_started_again_and_recovers(void **state)
{
	struct err e;

	(void)state;
	must(start(&e));
	test_script(db_cluster_url(cluster),
	    "create table public.kept (a int); insert into public.kept values (7)");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kill(server_pid(), SIGKILL), 0);
		db_cluster_stop(cluster);
		must(start(&e));
		assert_string_equal(ask("select a from public.kept"), "7");
	}
}

static void
a_pid_file_that_names_a_stranger_does_not_stop_the_start(void **state)
{
	char path[128];
	struct err e;
	FILE *f;

	(void)state;
	must(start(&e));
	assert_int_equal(kill(server_pid(), SIGKILL), 0);
	db_cluster_stop(cluster);
	cluster = NULL;
	/* This program: alive, of the same user, and no server. */
	path_in("data/postmaster.pid", path);
	f = fopen(path, "r+");
	assert_non_null(f);
	fprintf(f, "%d\n%s/data\n", (int)getpid(), dir);
	fclose(f);
	must(start(&e));
	assert_string_equal(ask("select 1"), "1");
}

static void
what_cannot_work_is_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *dir, *bin_dir, *message;
	} cases[] = {
		{ "relative/path", "", "absolute path" },
		{ "/tmp/with,comma", "", "without quotes" },
		{ "/tmp/a-path-of-a-state-directory-that-is-much-too-long-for-a-unix-socket/"
		  "to-be-made/in",
		    "", "use at most 79 bytes" },
		{ NULL, "/nonexistent/bin", "database.bin_dir" },
		{ "/nonexistent/dir", "", "cannot make directory" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct db_cluster_options o = { .dir =
							  cases[i].dir == NULL ? dir : cases[i].dir,
			.bin_dir = cases[i].bin_dir };

		assert_int_equal(db_cluster_start(&o, &cluster, &e), -1);
		cluster = NULL;
		if (strstr(e.msg, cases[i].message) == NULL)
			fail_msg("%s", e.msg);
	}
}

static void
root_is_refused(void **state)
{
	(void)state;
	/* Only root can become root; main() looked before it gave that up. */
	if (getenv("WARDIAN_TEST_ROOT_MESSAGE") == NULL)
		skip();
	assert_non_null(strstr(getenv("WARDIAN_TEST_ROOT_MESSAGE"), "does not run as root"));
}

static void
a_server_that_cannot_start_is_told_with_the_place_of_its_log(void **state)
{
	char path[128];
	struct err e;
	FILE *f;

	(void)state;
	must(start(&e));
	db_cluster_stop(cluster);
	cluster = NULL;
	path_in("data/postgresql.auto.conf", path);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("nonsense = on\n", f);
	fclose(f);
	must_fail(ERR_CONF, start(&e));
	assert_non_null(strstr(e.msg, "postgres.log"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh_directory, stop_and_remove)
static const struct CMUnitTest tests[] = {
	TEST(the_first_start_makes_a_private_database_and_the_next_one_finds_it),
	TEST(an_interrupted_initdb_is_done_again),
	TEST(a_server_left_by_a_crashed_daemon_is_adopted_and_can_be_stopped),
	TEST(a_visitor_leaves_the_server_running),
	TEST(a_killed_server_is_started_again_and_recovers),
	TEST(a_pid_file_that_names_a_stranger_does_not_stop_the_start),
	TEST(what_cannot_work_is_refused_with_a_sentence),
	TEST(a_server_that_cannot_start_is_told_with_the_place_of_its_log),
	cmocka_unit_test(root_is_refused),
};

int
main(void)
{
	const struct db_cluster_options o = { .dir = "/tmp/wardian-root", .bin_dir = "" };
	struct err e;

	if (geteuid() == 0 && db_cluster_start(&o, &cluster, &e) < 0)
		(void)setenv("WARDIAN_TEST_ROOT_MESSAGE", e.msg, 1);
	test_drop_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
