/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPUs in sandboxes.  This host need not have any: the devices are those of memory (major 1) in a
 * directory that the spawner takes for /dev, and /proc/devices there says that they are nvidia's.
 * Minor 3 is null, 5 zero, 7 full; a control node has no such number, so it can be seen and not
 * opened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fd.h"
#include "rig.h"

#include "../../src/spawner/spawner_internal.h"

#include "../../src/spawner/gpu_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
	struct rig rig;
	char dir[64], dev[80], proc[80], libraries[80];
};

PRINTF_LIKE(1, 2)
static void
sh(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static void
node(const struct place *p, const char *name, unsigned minor, mode_t mode)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", p->dev, name);
	if (mknod(path, S_IFCHR | mode, makedev(1, minor)) < 0) {
		printf("skipped: devices cannot be made here: %s\n", strerror(errno));
		sh("rm -rf %s", p->dir);
		exit(77);
	}
	assert_int_equal(chmod(path, mode), 0);
}

static int
make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	const char *const options[] = { "--gpu-dev", p->dev, "--gpu-proc", p->proc,
		"--gpu-libraries", p->libraries, NULL };

	snprintf(p->dir, sizeof(p->dir), "/var/tmp/wardian-gpus-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	assert_int_equal(chmod(p->dir, 0755), 0);
	snprintf(p->dev, sizeof(p->dev), "%s/dev", p->dir);
	snprintf(p->proc, sizeof(p->proc), "%s/proc", p->dir);
	snprintf(p->libraries, sizeof(p->libraries), "%s/libraries", p->dir);
	sh("mkdir %s %s %s && printf 'Character devices:\\n  1 nvidia\\n  1 nvidia-uvm\\n\\n' "
	   ">%s/devices",
	    p->dev, p->proc, p->libraries, p->proc);
	if (geteuid() == 0) {
		node(p, "nvidia3", 3, 0666);
		node(p, "nvidia5", 5, 0666);
		node(p, "nvidia7", 7, 0660);
		node(p, "nvidiactl", 255, 0666);
		node(p, "nvidia-uvm", 9, 0666);
	}
	sh("cd %s && echo driver >libcuda.so.999 && ln -s libcuda.so.999 libcuda.so.1 && echo ml "
	   ">../elsewhere && ln -s ../elsewhere libnvidia-ml.so.1 && echo no >libc.so.6 && ln -s "
	   "/nowhere libnvidia-gone.so.1 && mkdir libnvidia-dir.so.1",
	    p->libraries);
	rig_open_with(&p->rig, options);
	*state = p;
	return 0;
}

static int
drop_place(void **state)
{
	struct place *p = *state;

	sh("rm -rf %s", p->dir);
	rig_close(&p->rig);
	free(p);
	return 0;
}

/* Runs an act of the probe with the devices of the mask; what it said. */
static char *
act(struct place *p, uint64_t gpus, const char *const *argv)
{
	const struct rig_run run = {
		.argv = argv, .probe = true, .program = "sbx-gpu-probe", .gpus = gpus
	};
	struct rig_result res;
	char *said;

	rig_do(&p->rig, &run, &res);
	assert_true(res.has_exit);
	if (res.exit.outcome != SANDBOX_EXITED || res.exit.exit_code != 0)
		print_message("%s", res.log);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.exit_code, 0);
	said = strdup(res.log);
	rig_done(&res);
	return said;
}

static void
says(struct place *p, uint64_t gpus, const char *const *argv, const char *wanted)
{
	AUTO_FREE char *said = act(p, gpus, argv);

	assert_string_equal(said, wanted);
}

static const char *const probe_none[] = { "/work/probe", "none", NULL };
static const char *const probe_list[] = { "/work/probe", "list", "/dev", NULL };

static void
a_run_that_did_not_ask_sees_no_device(void **state)
{
	struct place *p = *state;

	says(p, 0, probe_none, "");
	says(p, 0, probe_list, "fd full null random shm stderr stdin stdout urandom zero\n");
}

static void
a_run_sees_exactly_the_devices_that_it_asked_for(void **state)
{
	struct place *p = *state;

	says(p, 1u << 5, probe_list,
	    "fd full null nvidia-uvm nvidia5 nvidiactl random shm stderr stdin stdout urandom "
	    "zero\n");
	says(p, 1u << 3, probe_list,
	    "fd full null nvidia-uvm nvidia3 nvidiactl random shm stderr stdin stdout urandom "
	    "zero\n");
	says(p, 1u << 3 | 1u << 5, probe_list,
	    "fd full null nvidia-uvm nvidia3 nvidia5 nvidiactl random shm stderr stdin stdout "
	    "urandom zero\n");
	/* And what one had leaves nothing for the next. */
	says(p, 0, probe_list, "fd full null random shm stderr stdin stdout urandom zero\n");
}

static void
a_device_can_be_written_to_and_its_driver_spoken_to(void **state)
{
	struct place *p = *state;

	says(p, 1u << 5, RIG_ARGV("/work/probe", "use", "/dev/nvidia5"), "device 1:5\n");
	says(p, 1u << 3, RIG_ARGV("/work/probe", "use", "/dev/nvidia3"), "device 1:3\n");
	says(p, 1u << 3, RIG_ARGV("/work/probe", "use", "/dev/nvidia-uvm"), "device 1:9\n");
}

static void
what_is_beside_a_device_stays_closed(void **state)
{
	struct place *p = *state;

	says(p, 1u << 5, RIG_ARGV("/work/probe", "beside"), "");
}

/* CUDA does not start without it; nobody else gets it. */
static void
threads_can_be_named_by_runs_with_gpus_alone(void **state)
{
	const struct rig_run run = { .argv = RIG_ARGV("/work/probe", "thread-name"),
		.probe = true,
		.program = "sbx-gpu-probe" };
	struct place *p = *state;
	struct rig_result res;

	says(p, 1u << 5, RIG_ARGV("/work/probe", "thread-name"), "");
	rig_do(&p->rig, &run, &res);
	assert_true(res.exit.exit_code == EROFS || res.exit.exit_code == EACCES);
	rig_done(&res);
}

static void
the_walls_hold_for_a_run_with_gpus(void **state)
{
	const struct rig_run run = {
		.argv = RIG_ARGV("/work/probe", "refusals"), .probe = true, .gpus = 1u << 5
	};
	struct place *p = *state;
	struct rig_result res;

	rig_do(&p->rig, &run, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	/* What can be opened for writing beside the names of threads; written to in "beside". */
	assert_string_equal(res.log, "open /proc/self/oom_score_adj with 0x1 worked\n"
				     "open /proc/self/uid_map with 0x1 worked\n");
	rig_done(&res);
}

static void
a_bit_that_is_no_device_starts_nothing(void **state)
{
	/* none of that name, one that jobs could not open, and both beside one that is there */
	static const uint64_t masks[] = { 1u << 0, 1u << 7, UINT64_C(1) << 63, 1u << 5 | 1u << 6,
		UINT64_MAX };
	struct place *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
		const struct rig_run run = { .argv = RIG_ARGV("/bin/true"), .gpus = masks[i] };
		struct rig_result res;

		rig_do(&p->rig, &run, &res);
		assert_true(res.failed || res.refused);
		assert_false(res.started);
		assert_int_equal(res.step, SANDBOX_STEP_GPU);
		assert_int_equal(res.sys, ENODEV);
		rig_done(&res);
	}
	/* The spawner goes on. */
	says(p, 1u << 5, RIG_ARGV("/work/probe", "use", "/dev/nvidia5"), "device 1:5\n");
}

/* What was found at the start is what is lent: a name that means another device later is nothing.
 */
static void
a_node_that_is_exchanged_later_is_not_lent(void **state)
{
	const struct rig_run run = { .argv = RIG_ARGV("/work/probe", "use", "/dev/nvidia3"),
		.probe = true,
		.program = "sbx-gpu-probe",
		.gpus = 1u << 3 };
	struct place *p = *state;
	struct rig_result res;

	sh("rm %s/nvidia3", p->dev);
	node(p, "nvidia3", 7, 0666);
	rig_do(&p->rig, &run, &res);
	/* What a zygote of an earlier run still holds is as good as what was found at the start. */
	if (res.failed)
		assert_int_equal(res.step, SANDBOX_STEP_GPU);
	else
		assert_string_equal(res.log, "device 1:3\n");
	rig_done(&res);
	says(p, 1u << 5, RIG_ARGV("/work/probe", "use", "/dev/nvidia5"), "device 1:5\n");
}

static void
devices_are_lent_by_a_spawner_that_was_started_again(void **state)
{
	struct place *p = *state;

	rig_restart(&p->rig, SIGKILL);
	says(p, 1u << 5, RIG_ARGV("/work/probe", "use", "/dev/nvidia5"), "device 1:5\n");
}

/* --- libraries: the spawner's functions themselves -------------------------------------------- */

static bool
reads(const char *path, const char *wanted)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0 && strcmp(text, wanted) == 0;
}

static bool
is_shut(const char *path, int flags, int sys)
{
	return open(path, flags | O_CLOEXEC, 0600) < 0 && errno == sys;
}

/* In a child: a root with what is lent; NULL or what is wrong. */
static const char *
look_inside(const struct gpu_places *places, uint64_t gpus, bool libraries)
{
	struct gpu_host *h = NULL;
	struct gpu_loan loan;
	struct err e = { 0 };
	struct statvfs st;
	int root_fd = -1;

	if (gpu_host_open(places, &h, &e) < 0 || gpu_lend(h, gpus, libraries, &loan) < 0)
		return "lend";
	if (unshare(CLONE_NEWNS) < 0 || root_make(&root_fd) < 0 || root_add_dev(root_fd) < 0)
		return "root";
	if (root_add_gpus(root_fd, h, &loan) < 0)
		return "root_add_gpus";
	gpu_loan_close(&loan);
	if (root_pivot(root_fd) < 0)
		return "pivot";
	if (!libraries)
		return is_shut("/dev/gpu", O_RDONLY, ENOENT) ? NULL : "libraries without need";
	if (!reads("/dev/gpu/libcuda.so.1", "driver\n") ||
	    !reads("/dev/gpu/libcuda.so.999", "driver\n"))
		return "a library and its link";
	if (!reads("/dev/gpu/libnvidia-ml.so.1", "ml\n"))
		return "a link out of the directory";
	if (!is_shut("/dev/gpu/libc.so.6", O_RDONLY, ENOENT) ||
	    !is_shut("/dev/gpu/libnvidia-gone.so.1", O_RDONLY, ENOENT) ||
	    !is_shut("/dev/gpu/libnvidia-dir.so.1", O_RDONLY, ENOENT))
		return "what is no library of the driver";
	if (!is_shut("/dev/gpu/libcuda.so.999", O_WRONLY, EROFS) ||
	    !is_shut("/dev/gpu/x", O_WRONLY | O_CREAT, EROFS))
		return "writing";
	if (statvfs("/dev/gpu/libcuda.so.999", &st) < 0 || (st.f_flag & ST_NOEXEC) != 0 ||
	    (st.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV)) != (ST_RDONLY | ST_NOSUID | ST_NODEV))
		return "flags";
	return NULL;
}

static void
inside(struct place *p, uint64_t gpus, bool libraries)
{
	const struct gpu_places places = {
		.dev = p->dev, .proc = p->proc, .libraries = p->libraries
	};
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		const char *bad = look_inside(&places, gpus, libraries);

		if (bad != NULL)
			fprintf(stderr, "%s: %s\n", bad, strerror(errno));
		_exit(bad != NULL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
a_device_that_a_living_run_has_is_not_lent_again(void **state)
{
	const struct rig_run first = { .argv = RIG_ARGV("/bin/sleep", "60"), .gpus = 1u << 5 };
	const struct rig_run second = { .argv = RIG_ARGV("/bin/true"), .gpus = 1u << 3 | 1u << 5 };
	struct place *p = *state;
	struct rig_result held, res;

	rig_start(&p->rig, &first, &held);
	rig_wait_started(&p->rig, &held, 10000);
	assert_true(held.started);
	rig_do(&p->rig, &second, &res);
	assert_true(res.failed || res.refused);
	assert_int_equal(res.step, SANDBOX_STEP_GPU);
	assert_int_equal(res.sys, EBUSY);
	rig_done(&res);
	rig_send(&p->rig, SANDBOX_KILL, &held.id);
	rig_wait(&p->rig, &held, 10000);
	assert_true(held.ended);
	rig_do(&p->rig, &second, &res);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	rig_done(&res);
	rig_done(&held);
}

static void
a_root_of_its_own_gets_the_driver_s_libraries_read_only(void **state)
{
	if (!rig_root_is_mount())
		skip();
	inside(*state, 1u << 5, true);
	inside(*state, 1u << 5, false);
}

/* --- a real one ------------------------------------------------------------------------------- */

static int
open_real(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	rig_open(&p->rig);
	*state = p;
	return 0;
}

static int
close_real(void **state)
{
	struct place *p = *state;

	rig_close(&p->rig);
	free(p);
	return 0;
}

/* The vendor's own program lists exactly the device that the run was given. */
static void
a_real_device_is_listed_by_its_own_program(void **state)
{
	static struct gpus g;
	struct place *p = *state;
	struct rig_result res;
	struct rig_run run = { .argv = RIG_ARGV("/usr/bin/nvidia-smi", "-L") };
	struct err e = { 0 };

	assert_int_equal(gpu_list(NULL, &g, &e), 0);
	if (g.n == 0 || access("/usr/bin/nvidia-smi", X_OK) < 0) {
		print_message("skipped: no NVIDIA device on this machine\n");
		skip();
	}
	run.gpus = UINT64_C(1) << g.at[g.n - 1].minor;
	run.limits = rig_limits();
	run.limits.memory_bytes = INT64_C(1) << 30;
	rig_do(&p->rig, &run, &res);
	print_message("%s", res.log);
	assert_int_equal(res.exit.outcome, SANDBOX_EXITED);
	assert_int_equal(res.exit.exit_code, 0);
	assert_non_null(strstr(res.log, "GPU 0:"));
	assert_null(strstr(res.log, "GPU 1:"));
	if (g.at[g.n - 1].uuid[0] != '\0')
		assert_non_null(strstr(res.log, g.at[g.n - 1].uuid));
	rig_done(&res);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_that_did_not_ask_sees_no_device),
		cmocka_unit_test(a_run_sees_exactly_the_devices_that_it_asked_for),
		cmocka_unit_test(a_device_can_be_written_to_and_its_driver_spoken_to),
		cmocka_unit_test(what_is_beside_a_device_stays_closed),
		cmocka_unit_test(threads_can_be_named_by_runs_with_gpus_alone),
		cmocka_unit_test(the_walls_hold_for_a_run_with_gpus),
		cmocka_unit_test(a_bit_that_is_no_device_starts_nothing),
		cmocka_unit_test(a_device_that_a_living_run_has_is_not_lent_again),
		cmocka_unit_test(a_root_of_its_own_gets_the_driver_s_libraries_read_only),
		cmocka_unit_test(a_node_that_is_exchanged_later_is_not_lent),
		cmocka_unit_test(devices_are_lent_by_a_spawner_that_was_started_again),
	};
	const struct CMUnitTest real[] = { cmocka_unit_test_setup_teardown(
	    a_real_device_is_listed_by_its_own_program, open_real, close_real) };
	int failed = cmocka_run_group_tests_name("gpu", tests, make_place, drop_place);

	return failed + cmocka_run_group_tests_name("real gpu", real, NULL, NULL);
}
