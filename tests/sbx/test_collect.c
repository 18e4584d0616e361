/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in, what comes out, and the log: everything inside is hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
count_entries(const struct rig_result *res, const char *sub)
{
	char path[512];
	struct dirent *entry;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/files%s", res->out, sub);
	d = opendir(path);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
assert_output(const struct rig_result *res, const char *path, const char *text)
{
	char *got = rig_output(res, path);

	if (text == NULL) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_string_equal(got, text);
	free(got);
}

static void
inputs_are_there_owned_and_writable(void **state)
{
	const struct rig_file inputs[] = { { "deck.txt", "the deck\n", 0 },
		{ "mesh/part/a.msh", "mesh\n", 0 }, { "run.sh", "#!/bin/sh\necho ran\n", 0750 } };
	const struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c",
					 "pwd; cat deck.txt mesh/part/a.msh; stat -c '%n %U %a' "
					 "deck.txt run.sh mesh; ./run.sh;"
					 "echo more >> deck.txt && echo appended"),
		.inputs = inputs,
		.n_inputs = 3 };
	struct rig_result res;

	rig_do(*state, &run, &res);
	assert_string_equal(res.log, "/work\nthe deck\nmesh\ndeck.txt sim 644\nrun.sh sim 755\n"
				     "mesh sim 755\nran\nappended\n");
	assert_int_equal(res.exit.output_files, 1);
	assert_output(&res, "deck.txt", "the deck\nmore\n");
	rig_done(&res);
}

static void
inputs_that_did_not_change_are_no_outputs(void **state)
{
	const struct rig_file inputs[] = { { "same.txt", "same\n", 0 },
		{ "rewritten.txt", "abcde\n", 0 }, { "replaced.txt", "abcde\n", 0 },
		{ "sub/same.txt", "same\n", 0 } };
	const struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c",
					 "echo fghij > rewritten.txt; echo klmno > x; mv x "
					 "replaced.txt; cat same.txt > /dev/null"),
		.inputs = inputs,
		.n_inputs = 4 };
	struct rig_result res;

	rig_do(*state, &run, &res);
	assert_int_equal(res.exit.output_files, 2);
	assert_int_equal(res.exit.output_files_skipped, 0);
	assert_output(&res, "rewritten.txt", "fghij\n");
	assert_output(&res, "replaced.txt", "klmno\n");
	assert_output(&res, "same.txt", NULL);
	assert_output(&res, "sub/same.txt", NULL);
	rig_done(&res);
}

static void
only_regular_files_with_usable_names_come_out(void **state)
{
	const struct rig_file input = { "input.txt", "before\n", 0 };
	const struct rig_run run = { .argv = RIG_ARGV("/work/probe", "outputs"),
		.probe = true,
		.inputs = &input,
		.n_inputs = 1 };
	struct rig_result res;
	struct stat st;
	char path[512];

	rig_do(*state, &run, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_string_equal(res.log, "");
	assert_output(&res, "plain.txt", "plain\n");
	assert_output(&res, "closed.txt", "closed\n");
	assert_output(&res, "hard.txt", "plain\n");
	assert_output(&res, "sub/inner.txt", "inner\n");
	assert_output(&res, "d\xc3\xbcse.txt", "utf8\n");
	assert_output(&res, "input.txt", "changed\n");
	assert_output(&res, "probe", NULL);
	/* plain closed hard sub/inner düse input sparse */
	assert_int_equal(res.exit.output_files, 7);
	/* two names, three links, FIFO, socket */
	assert_int_equal(res.exit.output_files_skipped, 7);
	assert_int_equal(count_entries(&res, ""), 7);
	assert_int_equal(count_entries(&res, "/sub"), 1);
	snprintf(path, sizeof(path), "%s/files/sparse", res.out);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 20 << 20);
	assert_true(st.st_blocks * 512 < 1 << 20);
	rig_done(&res);
}

static void
outputs_belong_to_the_tenant_and_are_readable_and_removable_for_the_daemon(void **state)
{
	struct rig *r = *state;
	const struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c",
					 "mkdir d; echo x > d/f; chmod 0 d/f; echo y") };
	static const char *const paths[] = { "", "/files", "/files/d", "/files/d/f", "/log",
		"/exit" };
	struct rig_result res;

	rig_do(r, &run, &res);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		char path[512];
		struct stat st;

		snprintf(path, sizeof(path), "%s%s", res.out, paths[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_uid, r->uid_base);
		assert_int_equal(st.st_gid, r->gid);
		assert_int_equal(st.st_mode & 07777, S_ISDIR(st.st_mode) ? 02770 : 0640);
	}
	rig_done(&res);
}

static void
a_tree_too_deep_is_counted_and_left(void **state)
{
	const struct rig_run run = { .argv = RIG_ARGV("/work/probe", "deep"), .probe = true };
	struct rig_result res;

	rig_do(*state, &run, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.exit_code, 0);
	assert_int_equal(res.exit.output_files, 0);
	assert_int_equal(res.exit.output_files_skipped, 1);
	rig_done(&res);
}

static void
caps_on_files_and_bytes_are_exact(void **state)
{
	struct rig_run run = {
		.argv = RIG_ARGV("/work/probe", "many"), .probe = true, .limits = rig_limits()
	};
	struct rig_result res;

	run.limits.output_files = 20;
	rig_do(*state, &run, &res);
	assert_int_equal(res.exit.output_files, 20);
	assert_int_equal(res.exit.output_files_skipped, 30);
	assert_int_equal(count_entries(&res, ""), 20);
	rig_done(&res);

	run.limits.output_files = 1000;
	run.limits.output_bytes = 105;
	rig_do(*state, &run, &res);
	assert_int_equal(res.exit.output_files, 10);
	assert_int_equal(res.exit.output_bytes, 100);
	assert_int_equal(res.exit.output_files_skipped, 40);
	rig_done(&res);
}

static void
a_link_among_the_inputs_is_refused_and_nothing_is_left(void **state)
{
	struct rig *r = *state;
	const struct rig_run run = { .argv = RIG_ARGV("/usr/bin/true") };
	struct sandbox_request q = {
		.protocol = SANDBOX_PROTOCOL, .verb = SANDBOX_START, .limits = rig_limits()
	};
	struct rig_result res;
	char path[512];
	struct err e = { 0 };

	/* A first run makes a directory to copy from; the second has a link in it. */
	rig_do(r, &run, &res);
	assert_true(res.has_exit);
	snprintf(path, sizeof(path), "%s/../in/passwd", res.out);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	snprintf(path, sizeof(path), "%s/exit", res.out);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "rm -rf '%s'", res.out);
	assert_int_equal(system(path), 0);
	q.id = res.id;
	rig_done(&res);
	res.started = res.ended = res.failed = res.refused = false;
	assert_int_equal(sandbox_send(r->fd, &q, &e), 0);
	rig_wait(r, &res, 10000);
	assert_true(res.failed);
	assert_int_equal(res.step, SANDBOX_STEP_INPUTS);
	assert_int_equal(res.sys, EINVAL);
	assert_true(access(res.out, F_OK) < 0);
	assert_true(rig_quiet(r, 5000));
}

/* --- log ------------------------------------------------------------------------------------ */

static void
both_streams_reach_the_log_with_an_index(void **state)
{
	const struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c",
					 "echo one; sleep 0.05; echo two >&2; sleep 0.05; echo "
					 "three > /dev/stderr; sleep 0.05; printf 'a\\0b\\377'") };
	struct sandbox_log_entry entries[16];
	struct rig_result res;
	char path[512];
	int fd, n;

	rig_do(*state, &run, &res);
	assert_int_equal(res.log_n, 18);
	assert_memory_equal(res.log, "one\ntwo\nthree\na\0b\377", 18);
	assert_int_equal(res.exit.log_bytes, 18);
	assert_int_equal(res.exit.log_truncated, 0);
	snprintf(path, sizeof(path), "%s/log.index", res.out);
	fd = open(path, O_RDONLY);
	n = (int)read(fd, entries, sizeof(entries)) / (int)sizeof(entries[0]);
	close(fd);
	assert_true(n >= 3);
	assert_int_equal(entries[0].stream, 1);
	assert_int_equal(entries[0].offset, 0);
	assert_int_equal(entries[0].n, 4);
	assert_int_equal(entries[1].stream, 2);
	assert_int_equal(entries[1].offset, 4);
	assert_int_equal(entries[n - 1].offset + entries[n - 1].n, 18);
	for (int i = 1; i < n; i++)
		assert_true(entries[i].wall_us >= entries[i - 1].wall_us);
	rig_done(&res);
}

static long
peak_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmHWM: %ld kB", &kib) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kib;
}

static void
a_flood_is_cut_at_the_cap_and_costs_the_keeper_nothing(void **state)
{
	struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c", "/work/probe flood; sleep 0.5"),
		.probe = true,
		.limits = rig_limits() };
	struct rig_result res;
	long kib = -1, now;

	run.limits.log_bytes = 100000;
	rig_start(*state, &run, &res);
	rig_wait_started(*state, &res, 10000);
	while ((now = peak_kib(res.pid)) >= 0 && !res.ended) {
		kib = now;
		rig_wait(*state, &res, 20);
	}
	rig_collect(*state, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.log_bytes, INT64_C(200) << 20);
	assert_int_equal(res.exit.log_truncated, 1);
	assert_in_range(res.log_n, 100001, 100200);
	assert_int_equal(res.log[99999], 'x');
	assert_int_equal(res.log[100000], '\n');
	assert_non_null(strstr(res.log, "wardian"));
	/* A sanitizer's share included; the flood is 200 MiB. */
	assert_in_range(kib, 1, 16384);
	rig_done(&res);
}

static void
single_bytes_on_alternating_streams_do_not_blow_up_the_index(void **state)
{
	struct rig_run run = {
		.argv = RIG_ARGV("/work/probe", "drip"), .probe = true, .limits = rig_limits()
	};
	struct rig_result res;
	struct stat st;
	char path[512];

	run.limits.log_bytes = 20480;
	rig_do(*state, &run, &res);
	assert_int_equal(res.exit.log_bytes, 20000);
	assert_int_equal(res.log_n, 20000);
	snprintf(path, sizeof(path), "%s/log.index", res.out);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= (1024 + 20480 / 64) * (off_t)sizeof(struct sandbox_log_entry));
	rig_done(&res);
}

static void
small_disk(struct rig *r, char dir[static 32])
{
	snprintf(dir, 32, "/tmp/wardian-full-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=755"), 0);
	assert_int_equal(setenv("TMPDIR", dir, 1), 0);
	rig_open(r);
	assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void
away(struct rig *r, const char *dir)
{
	rig_close(r);
	assert_int_equal(umount(dir), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void
a_log_that_fills_the_disk_is_cut_and_the_run_goes_on(void **state)
{
	struct rig_run run = { .argv =
				   RIG_ARGV("/bin/sh", "-c", "head -c 3000000 /dev/zero; exit 4"),
		.limits = rig_limits() };
	struct rig_result res;
	struct rig r;
	char dir[32];

	(void)state;
	run.limits.log_bytes = 16 * MIB;
	small_disk(&r, dir);
	rig_do(&r, &run, &res);
	assert_true(res.ended);
	assert_true(res.has_exit);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.exit_code, 4);
	assert_int_equal(res.exit.log_truncated, 1);
	assert_int_equal(res.exit.log_bytes, 3000000);
	rig_done(&res);
	away(&r, dir);
}

static void
outputs_that_do_not_fit_on_the_disk_are_a_fault_of_the_platform(void **state)
{
	const struct rig_run run = { .argv = RIG_ARGV(
					 "/bin/sh", "-c", "head -c 3000000 /dev/zero >big") };
	struct rig_result res;
	struct rig r;
	char dir[32];

	(void)state;
	small_disk(&r, dir);
	rig_do(&r, &run, &res);
	assert_true(res.ended);
	assert_true(res.has_exit);
	assert_int_equal(res.exit.outcome, SANDBOX_FAULT);
	assert_int_equal(res.exit.step, SANDBOX_STEP_COLLECT);
	assert_int_equal(res.exit.sys, ENOSPC);
	rig_done(&res);
	away(&r, dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inputs_are_there_owned_and_writable),
		cmocka_unit_test(inputs_that_did_not_change_are_no_outputs),
		cmocka_unit_test(only_regular_files_with_usable_names_come_out),
		cmocka_unit_test(
		    outputs_belong_to_the_tenant_and_are_readable_and_removable_for_the_daemon),
		cmocka_unit_test(a_tree_too_deep_is_counted_and_left),
		cmocka_unit_test(caps_on_files_and_bytes_are_exact),
		cmocka_unit_test(a_link_among_the_inputs_is_refused_and_nothing_is_left),
		cmocka_unit_test(both_streams_reach_the_log_with_an_index),
		cmocka_unit_test(a_flood_is_cut_at_the_cap_and_costs_the_keeper_nothing),
		cmocka_unit_test(single_bytes_on_alternating_streams_do_not_blow_up_the_index),
		cmocka_unit_test(a_log_that_fills_the_disk_is_cut_and_the_run_goes_on),
		cmocka_unit_test(outputs_that_do_not_fit_on_the_disk_are_a_fault_of_the_platform),
	};

	return cmocka_run_group_tests_name("collect", tests, rig_suite_open, rig_suite_close);
}
