/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One test for each layer as the host sees it: what spawner, zygote and keeper are.  The spawner's
 * starter is careless: what it leaves open, exported or inheritable must not get in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "host_look.h"

#include "clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEAKS = 50 };

#define CAP(name) (UINT64_C(1) << CAP_##name)

/* --- a careless starter ---------------------------------------------------------------------- */

static void
make_inheritable(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	for (size_t i = 0; i < ARRAY_LEN(data); i++)
		data[i].inheritable = data[i].permitted;
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

static int
open_rig(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	const gid_t groups[] = { 4242, 4243 };

	if (geteuid() == 0) {
		rig_own_mounts();
		if (rig_root_is_mount())
			assert_int_equal(mount("", "/", NULL, MS_REC | MS_SHARED, NULL), 0);
		assert_int_equal(setgroups(ARRAY_LEN(groups), groups), 0);
		make_inheritable();
	}
	for (int i = 0; i < LEAKS; i++)
		assert_true(open("/etc/passwd", O_RDONLY) >= 0);
	assert_int_equal(setenv("WARDIAN_TEST_SECRET", "of the starter", 1), 0);
	rig_open(r);
	*state = r;
	return 0;
}

static int
close_rig(void **state)
{
	rig_close(*state);
	free(*state);
	return 0;
}

/* --- the keeper ------------------------------------------------------------------------------ */

static void
the_keeper_is_the_first_of_its_tenants_ids(void **state)
{
	struct rig *r = *state;
	struct rig_result res;
	char want[64];

	start_sleeper(r, &res);
	snprintf(want, sizeof(want), "%u\t%u\t%u\t%u", r->uid_base, r->uid_base, r->uid_base,
	    r->uid_base);
	has_status(res.pid, "Uid", want);
	has_status(res.pid, "Gid", want);
	end(r, &res);
}

static void
the_keeper_has_the_daemons_group_alone(void **state)
{
	struct rig *r = *state;
	struct rig_result res;
	char want[64];

	start_sleeper(r, &res);
	snprintf(want, sizeof(want), "%u ", r->gid);
	has_status(res.pid, "Groups", want);
	end(r, &res);
}

static void
the_keeper_has_seven_capabilities(void **state)
{
	const uint64_t mask = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH) | CAP(FOWNER) |
			      CAP(KILL) | CAP(SETGID) | CAP(SETUID);
	struct rig_result res;

	start_sleeper(*state, &res);
	has_caps(res.pid, "CapPrm", mask);
	has_caps(res.pid, "CapEff", mask);
	has_caps(res.pid, "CapInh", 0);
	has_caps(res.pid, "CapBnd", 0);
	end(*state, &res);
}

static void
the_keeper_is_under_both_filters(void **state)
{
	struct rig_result res;

	start_sleeper(*state, &res);
	has_status(res.pid, "NoNewPrivs", "1");
	has_status(res.pid, "Seccomp", "2");
	has_status(res.pid, "Seccomp_filters", "2");
	end(*state, &res);
}

static void
has_no_leak(pid_t pid)
{
	char path[64];
	const struct dirent *entry;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		char target[64] = "";

		(void)!readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1);
		if (strcmp(target, "/etc/passwd") == 0)
			fail_msg("process %d has descriptor %s of its starter", pid, entry->d_name);
	}
	closedir(d);
}

static void
the_spawner_has_no_descriptor_of_its_starter(void **state)
{
	has_no_leak(rig_worker(*state));
}

static void
the_keeper_has_no_descriptor_of_the_spawners_starter(void **state)
{
	struct rig_result res;

	start_sleeper(*state, &res);
	has_no_leak(res.pid);
	end(*state, &res);
}

static void
the_keeper_has_no_environment(void **state)
{
	struct rig_result res;
	char *text;

	start_sleeper(*state, &res);
	text = proc_text(res.pid, "environ");
	assert_string_equal(text, "");
	free(text);
	end(*state, &res);
}

static void
the_keepers_program_is_sealed(void **state)
{
	struct rig_result res;
	char path[64];
	int fd;

	start_sleeper(*state, &res);
	snprintf(path, sizeof(path), "/proc/%d/exe", res.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(
	    fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	close(fd);
	end(*state, &res);
}

/* Everything that somebody has who got hold of the first id of the tenant: all capabilities in its
 * user namespace.  0 when even that does not open the keeper's memory. */
static int
as_the_tenants_root(pid_t keeper)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", keeper);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setgroups(0, NULL) < 0 || setns(fd, CLONE_NEWUSER) < 0 ||
	    setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return 2;
	snprintf(path, sizeof(path), "/proc/%d/mem", keeper);
	return open(path, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES ? 0 : 1;
}

/* Root's id and the zygote's capabilities, and no others. */
static int
as_the_zygotes_equal(pid_t zygote)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const uint64_t mask =
	    CAP(SYS_ADMIN) | CAP(SETUID) | CAP(SETGID) | CAP(SETPCAP) | CAP(CHOWN);
	const struct __user_cap_data_struct data[2] = { { .effective = (uint32_t)mask,
	    .permitted = (uint32_t)mask } };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", zygote);
	if (syscall(SYS_capset, &head, data) < 0)
		return 2;
	return open(path, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES ? 0 : 1;
}

static void
nobody_of_the_tenant_opens_the_keepers_memory(void **state)
{
	struct rig_result res;

	start_sleeper(*state, &res);
	in_a_child(as_the_tenants_root, res.pid);
	end(*state, &res);
}

/* --- the zygote ------------------------------------------------------------------------------ */

static void
nobody_but_a_tracer_opens_the_zygotes_memory(void **state)
{
	struct rig_result res;

	start_sleeper(*state, &res);
	in_a_child(as_the_zygotes_equal, rig_zygote(*state));
	end(*state, &res);
}

static void
the_zygote_has_five_capabilities(void **state)
{
	const uint64_t mask =
	    CAP(SYS_ADMIN) | CAP(SETUID) | CAP(SETGID) | CAP(SETPCAP) | CAP(CHOWN);
	struct rig_result res;

	start_sleeper(*state, &res);
	has_caps(rig_zygote(*state), "CapPrm", mask);
	has_caps(rig_zygote(*state), "CapEff", mask);
	has_caps(rig_zygote(*state), "CapBnd", mask);
	end(*state, &res);
}

/* Stopped in the middle of something, it reads no end of file. */
static void
a_zygote_that_stands_still_ends_with_its_worker(void **state)
{
	const struct deadline until = deadline_in_ms(GONE_MS);
	struct rig *r = *state;
	struct rig_result res;
	pid_t zygote;

	start_sleeper(r, &res);
	zygote = rig_zygote(r);
	assert_true(zygote > 1);
	assert_int_equal(kill(zygote, SIGSTOP), 0);
	assert_int_equal(kill(rig_worker(r), SIGKILL), 0);
	while (kill(zygote, 0) == 0) {
		assert_false(deadline_passed(until));
		usleep(2000);
	}
	rig_connect(r);
	end(r, &res);
}

/* --- the spawner ----------------------------------------------------------------------------- */

static uint64_t
own_caps(void)
{
	char *text = proc_text(getpid(), "status");
	const uint64_t caps = strtoull(strstr(text, "CapPrm:") + 8, NULL, 16);

	free(text);
	return caps;
}

/* Or less, where its starter has less. */
static void
the_spawner_has_thirteen_capabilities(void **state)
{
	const uint64_t wanted = CAP(SYS_ADMIN) | CAP(SETUID) | CAP(SETGID) | CAP(SETPCAP) |
				CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH) |
				CAP(FOWNER) | CAP(FSETID) | CAP(MKNOD) | CAP(KILL) |
				CAP(NET_ADMIN) | CAP(SYS_RESOURCE);
	const uint64_t mask = wanted & own_caps();
	const pid_t worker = rig_worker(*state);

	has_caps(worker, "CapPrm", mask);
	has_caps(worker, "CapEff", mask);
	has_caps(worker, "CapBnd", mask);
	has_caps(worker, "CapInh", 0);
	has_status(worker, "NoNewPrivs", "1");
}

static void
mounts_of_the_spawner_do_not_reach_the_host(void **state)
{
	char *text;

	if (!rig_root_is_mount())
		skip(); /* a chroot: nothing in it can be made shared */
	text = proc_text(rig_worker(*state), "mountinfo");
	assert_null(strstr(text, " shared:"));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(the_keeper_is_the_first_of_its_tenants_ids),
		ONE(the_keeper_has_the_daemons_group_alone),
		ONE(the_keeper_has_seven_capabilities),
		ONE(the_keeper_is_under_both_filters),
		ONE(the_spawner_has_no_descriptor_of_its_starter),
		ONE(the_keeper_has_no_descriptor_of_the_spawners_starter),
		ONE(the_keeper_has_no_environment),
		ONE(the_keepers_program_is_sealed),
		ONE(nobody_of_the_tenant_opens_the_keepers_memory),
		ONE(nobody_but_a_tracer_opens_the_zygotes_memory),
		ONE(the_zygote_has_five_capabilities),
		ONE(a_zygote_that_stands_still_ends_with_its_worker),
		ONE(the_spawner_has_thirteen_capabilities),
		ONE(mounts_of_the_spawner_do_not_reach_the_host),
	};

	return cmocka_run_group_tests_name("layers of the host", tests, open_rig, close_rig);
}
