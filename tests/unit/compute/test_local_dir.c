/* SPDX-License-Identifier: Apache-2.0 */
/* Run directories in a temporary place; the spawner's half is played by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "keeper.h"
#include "local/local_internal.h"
#include "object.h"

struct place {
	char dir[32];
	struct loop *loop;
	struct compute *c;
};

static void
on_event(void *ctx, const struct compute_event *ev)
{
	(void)ctx;
	(void)ev;
}

static int
make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct err e = { 0 };
	struct compute_options o = { .on_event = on_event, .socket_path = "/nonexistent" };

	snprintf(p->dir, sizeof(p->dir), "/tmp/wardian-dir-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	assert_int_equal(loop_new(&p->loop, &e), 0);
	o.loop = p->loop;
	o.runs_dir = p->dir;
	assert_int_equal(compute_new(&o, &p->c, &e), 0);
	*state = p;
	return 0;
}

static int
drop_place(void **state)
{
	struct place *p = *state;
	AUTO_FD int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = { 0 };

	compute_free(p->c);
	loop_free(p->loop);
	assert_int_equal(object_remove_tree(tmp_fd, p->dir + strlen("/tmp/"), &e), 0);
	free(p);
	return 0;
}

static struct compute_run
some_run(void)
{
	static const char *const argv[] = { "/usr/bin/true" };
	static const char *const env[] = { "A=1" };
	static const struct compute_input inputs[] = { { "deck.in", "text", 4 },
		{ "sub/dir/mesh", "\0\1", 2 }, { "empty", "", 0 } };

	return (
	    struct compute_run){ .id = { .tenant = { uuid_v7() }, .run = uuid_v7(), .epoch = 1 },
		.argv = argv,
		.n_argv = 1,
		.env = env,
		.n_env = 1,
		.inputs = inputs,
		.n_inputs = ARRAY_LEN(inputs) };
}

static int
open_run(const struct place *p, const struct compute_run_id *id)
{
	int fd = -1;
	struct err e = { 0 };

	assert_int_equal(local_open_run(p->c, id, &fd, &e), 0);
	return fd;
}

static bool
is_there(int dirfd, const char *path)
{
	struct stat st;

	return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What spawner and keeper leave. */
static void
end_run(const struct place *p, const struct compute_run_id *id, int exit_code)
{
	struct sandbox_exit x = {
		.id = { .tenant = id->tenant, .run = id->run, .epoch = id->epoch },
		.outcome = SANDBOX_EXITED,
		.exit_code = exit_code
	};
	AUTO_FD int run_fd = open_run(p, id);
	AUTO_FD int out_fd = -1;
	struct err e = { 0 };

	assert_int_equal(mkdirat(run_fd, "out", 0770), 0);
	assert_int_equal(object_open_dir(run_fd, "out", &out_fd, &e), 0);
	assert_int_equal(sandbox_exit_write(out_fd, &x, &e), 0);
}

static size_t
scan(const struct place *p, size_t max)
{
	AUTO(arena) mem = arena_new(1 << 20);
	struct compute_run_id *v;
	struct err e = { 0 };
	size_t n;

	assert_int_equal(compute_scan(p->c, max, mem, &v, &n, &e), 0);
	for (size_t i = 0; i < n; i++)
		assert_true(v[i].epoch >= 1);
	return n;
}

static void
preparing_writes_launch_file_and_inputs(void **state)
{
	const struct place *p = *state;
	struct compute_run r = some_run();
	AUTO_FREE char *text = NULL;
	struct err e = { 0 };
	struct stat st;
	size_t n;

	assert_int_equal(compute_prepare(p->c, &r, &e), 0);
	AUTO_FD int fd = open_run(p, &r.id);
	assert_true(is_there(fd, "launch"));
	assert_int_equal(fstatat(fd, "in/empty", &st, 0), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(fd_read_file(fd, "in/sub/dir/mesh", 100, &text, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_memory_equal(text, "\0\1", 2);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(fstatat(fd, "in", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
}

static void
modes_do_not_depend_on_the_umask(void **state)
{
	const struct place *p = *state;
	struct compute_run r = some_run();
	struct err e = { 0 };
	struct stat st;
	mode_t before = umask(0077);

	assert_int_equal(compute_prepare(p->c, &r, &e), 0);
	umask(before);
	AUTO_FD int fd = open_run(p, &r.id);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
}

static void
an_attempt_is_prepared_once(void **state)
{
	const struct place *p = *state;
	struct compute_run r = some_run();
	struct err e = { 0 };

	assert_int_equal(compute_prepare(p->c, &r, &e), 0);
	assert_int_equal(compute_prepare(p->c, &r, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	/* The first one stands as it was. */
	AUTO_FD int fd = open_run(p, &r.id);
	assert_true(is_there(fd, "in/deck.in"));
	r.id.epoch = 2;
	assert_int_equal(compute_prepare(p->c, &r, &e), 0);
}

static void
an_empty_directory_is_taken_over(void **state)
{
	const struct place *p = *state;
	struct compute_run r = some_run();
	char path[ID_RUN_PATH_SIZE], full[256];
	struct err e = { 0 };

	id_run_path(r.id.tenant, r.id.run, r.id.epoch, path);
	snprintf(full, sizeof(full), "%s/%s", p->dir, path);
	*strrchr(full, '/') = '\0';
	assert_int_equal(mkdir(full, 0750), 0);
	snprintf(full, sizeof(full), "%s/%s", p->dir, path);
	assert_int_equal(mkdir(full, 0750), 0);
	assert_int_equal(compute_prepare(p->c, &r, &e), 0);
}

static void
what_could_not_be_prepared_leaves_nothing(void **state)
{
	static const struct compute_input bad[] = { { "fine", "x", 1 }, { "../escape", "x", 1 } };
	const struct place *p = *state;
	struct compute_run r = some_run();
	char path[ID_RUN_PATH_SIZE], full[256];
	struct err e = { 0 };

	r.inputs = bad;
	r.n_inputs = ARRAY_LEN(bad);
	assert_int_equal(compute_prepare(p->c, &r, &e), -1);
	snprintf(full, sizeof(full), "%s/%s", p->dir,
	    id_run_path(r.id.tenant, r.id.run, r.id.epoch, path));
	assert_int_equal(access(full, F_OK), -1);
	assert_int_equal(scan(p, 10), 0);
	r = some_run();
	r.n_argv = 0;
	assert_int_equal(compute_prepare(p->c, &r, &e), -1);
	assert_int_equal(scan(p, 10), 0);
}

static void
an_outcome_is_there_when_its_record_is(void **state)
{
	const struct place *p = *state;
	struct compute_run r = some_run();
	struct compute_outcome o = { 0 };
	struct err e = { 0 };

	assert_int_equal(compute_outcome(p->c, &r.id, &o, &e), 0); /* not even a directory */
	assert_int_equal(compute_prepare(p->c, &r, &e), 0);
	assert_int_equal(compute_outcome(p->c, &r.id, &o, &e), 0);
	end_run(p, &r.id, 5);
	assert_int_equal(compute_outcome(p->c, &r.id, &o, &e), 1);
	assert_int_equal(o.kind, COMPUTE_EXITED);
	assert_int_equal(o.exit_code, 5);
}

static void
a_damaged_or_foreign_record_is_refused(void **state)
{
	const struct place *p = *state;
	struct compute_run a = some_run(), b = some_run();
	struct compute_outcome o = { 0 };
	struct err e = { 0 };

	assert_int_equal(compute_prepare(p->c, &a, &e), 0);
	assert_int_equal(compute_prepare(p->c, &b, &e), 0);
	end_run(p, &a.id, 0);
	end_run(p, &b.id, 0);
	AUTO_FD int a_fd = open_run(p, &a.id);
	AUTO_FD int b_fd = open_run(p, &b.id);
	assert_int_equal(renameat(a_fd, "out/exit", b_fd, "out/exit"), 0);
	assert_int_equal(compute_outcome(p->c, &a.id, &o, &e), 0);
	assert_int_equal(compute_outcome(p->c, &b.id, &o, &e), -1);
	assert_int_equal(e.code, ERR_PROTOCOL);
	assert_int_equal(unlinkat(b_fd, "out/exit", 0), 0);
	assert_int_equal(fd_write_file(b_fd, "out/exit", "short", 5, 0640, &e), 0);
	assert_int_equal(compute_outcome(p->c, &b.id, &o, &e), -1);
	assert_int_equal(e.code, ERR_PROTOCOL);
}

static void
tidying_keeps_what_was_put_out(void **state)
{
	const struct place *p = *state;
	struct compute_run r = some_run();
	struct err e = { 0 };
	int out_fd = -1;

	assert_int_equal(compute_prepare(p->c, &r, &e), 0);
	end_run(p, &r.id, 0);
	assert_int_equal(scan(p, 10), 1);
	assert_int_equal(compute_tidy(p->c, &r.id, &e), 0);
	AUTO_FD int fd = open_run(p, &r.id);
	assert_false(is_there(fd, "launch"));
	assert_false(is_there(fd, "in"));
	assert_true(is_there(fd, "out/exit"));
	assert_int_equal(scan(p, 10), 0);
	assert_int_equal(compute_open_out(p->c, &r.id, &out_fd, &e), 0);
	fd_close(&out_fd);
	assert_int_equal(compute_tidy(p->c, &r.id, &e), 0);
}

static void
tidying_what_put_nothing_out_removes_it(void **state)
{
	const struct place *p = *state;
	struct compute_run r = some_run();
	struct err e = { 0 };
	int fd = -1;

	assert_int_equal(compute_tidy(p->c, &r.id, &e), 0); /* never prepared */
	assert_int_equal(compute_prepare(p->c, &r, &e), 0);
	assert_int_equal(compute_tidy(p->c, &r.id, &e), 0);
	assert_int_equal(local_open_run(p->c, &r.id, &fd, &e), -1);
	assert_int_equal(compute_open_out(p->c, &r.id, &fd, &e), -1);
}

static void
what_a_run_has_to_itself_is_kept_until_it_is_tidied(void **state)
{
	const struct place *p = *state;
	struct compute_run plain = some_run(), r = some_run();
	uint64_t gpus = 1, cpus[COMPUTE_CPU_WORDS] = { 1 };
	struct err e = { 0 };

	r.gpus = UINT64_C(1) << 63 | 5;
	r.cpu_set[0] = 6;
	r.cpu_set[COMPUTE_CPU_WORDS - 1] = UINT64_C(1) << 63;
	assert_int_equal(compute_held(p->c, &plain.id, &gpus, cpus, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(compute_prepare(p->c, &plain, &e), 0);
	assert_int_equal(compute_prepare(p->c, &r, &e), 0);
	assert_int_equal(compute_held(p->c, &plain.id, &gpus, cpus, &e), 0);
	assert_int_equal(gpus, 0);
	for (size_t i = 0; i < COMPUTE_CPU_WORDS; i++)
		assert_int_equal(cpus[i], 0);
	assert_int_equal(compute_held(p->c, &r.id, &gpus, cpus, &e), 0);
	assert_true(gpus == r.gpus);
	assert_memory_equal(cpus, r.cpu_set, sizeof(cpus));
	end_run(p, &r.id, 0);
	assert_int_equal(compute_tidy(p->c, &r.id, &e), 0);
	AUTO_FD int fd = open_run(p, &r.id);
	assert_false(is_there(fd, "held"));
}

static void
what_was_kept_and_is_damaged_is_not_believed(void **state)
{
	const struct place *p = *state;
	struct compute_run r = some_run();
	uint64_t gpus = 77, cpus[COMPUTE_CPU_WORDS] = { 77 };
	struct err e = { 0 };
	char bytes[512] = { 0 };

	r.gpus = 1;
	assert_int_equal(compute_prepare(p->c, &r, &e), 0);
	AUTO_FD int fd = open_run(p, &r.id);
	for (size_t n = 0; n < sizeof(bytes); n += 48) {
		assert_int_equal(fd_write_file(fd, "held", bytes, n, 0640, &e), 0);
		assert_int_equal(compute_held(p->c, &r.id, &gpus, cpus, &e), -1);
	}
	assert_int_equal(unlinkat(fd, "held", 0), 0);
	assert_int_equal(symlinkat("launch", fd, "held"), 0);
	assert_int_equal(compute_held(p->c, &r.id, &gpus, cpus, &e), -1);
	assert_int_equal(gpus, 77);
	assert_int_equal(cpus[0], 77);
}

static void
a_scan_finds_what_was_not_tidied_and_nothing_else(void **state)
{
	const struct place *p = *state;
	struct err e = { 0 };
	char full[128];

	for (int i = 0; i < 12; i++) {
		struct compute_run r = some_run();

		r.id.epoch = 1 + i;
		assert_int_equal(compute_prepare(p->c, &r, &e), 0);
		if (i % 3 == 0)
			assert_int_equal(compute_tidy(p->c, &r.id, &e), 0);
	}
	snprintf(full, sizeof(full), "%s/lost+found", p->dir);
	assert_int_equal(mkdir(full, 0700), 0);
	snprintf(full, sizeof(full), "%s/018f4e6c-7b1a-7c3d-8e4f-0123456789ab", p->dir);
	assert_int_equal(symlink("/etc", full), 0); /* looks like a tenant, is none */
	assert_int_equal(scan(p, 100), 8);
	assert_int_equal(scan(p, 5), 5);
	assert_int_equal(scan(p, 0), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_place, drop_place)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(preparing_writes_launch_file_and_inputs),
		CASE(modes_do_not_depend_on_the_umask),
		CASE(an_attempt_is_prepared_once),
		CASE(an_empty_directory_is_taken_over),
		CASE(what_could_not_be_prepared_leaves_nothing),
		CASE(an_outcome_is_there_when_its_record_is),
		CASE(a_damaged_or_foreign_record_is_refused),
		CASE(tidying_keeps_what_was_put_out),
		CASE(tidying_what_put_nothing_out_removes_it),
		CASE(what_a_run_has_to_itself_is_kept_until_it_is_tidied),
		CASE(what_was_kept_and_is_damaged_is_not_believed),
		CASE(a_scan_finds_what_was_not_tidied_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
