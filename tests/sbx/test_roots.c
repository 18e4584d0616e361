/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes made of an unpacked environment: what is found, what is refused, what stays outside.
 * The spawner's own functions, called as its zygote calls them, in namespaces of a child.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "rig.h"

#include "fd.h"
#include "object.h"
#include "rootfs.h"

#include "../../src/keeper/keeper_internal.h"
#include "../../src/spawner/root_pick_internal.h"
#include "../../src/spawner/spawner_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OTHER_USER = 12345 };

struct place {
	char dir[64]; /* the state directory */
	char source[96];
	int state_fd, roots_fd;
	struct spawner s;
	char hex[ROOTFS_HEX_SIZE];
	uint8_t root[SANDBOX_ROOT_BYTES];
};

/* --- a state directory with one root -------------------------------------------------------- */

PRINTF_LIKE(1, 2)
static void
sh(const char *fmt, ...)
{
	char command[2048];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* Imports what lies in p->source. */
static void
import(struct place *p)
{
	const struct rootfs_limits limits = { 1 << 30, 1 << 16 };
	AUTO_FD int source = open(p->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct rootfs_info info;
	struct err e = { 0 };

	if (rootfs_import(p->roots_fd, source, &limits, &info, &e) < 0)
		fail_msg("import: %s", e.msg);
	(void)snprintf(p->hex, sizeof(p->hex), "%s", info.hex);
	for (size_t i = 0; i < SANDBOX_ROOT_BYTES; i++) {
		unsigned byte;

		assert_int_equal(sscanf(p->hex + 2 * i, "%2x", &byte), 1);
		p->root[i] = (uint8_t)byte;
	}
}

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct err e = { 0 };

	(void)snprintf(p->dir, sizeof(p->dir), "/var/tmp/wardian-roots-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	(void)snprintf(p->source, sizeof(p->source), "%s/source", p->dir);
	sh("mkdir -p %s/usr/bin %s/usr/lib %s/etc/ssl %s/opt %s/var/cache %s/run %s/dev %s/work",
	    p->source, p->source, p->source, p->source, p->source, p->source, p->source, p->source);
	sh("cd %s && echo marker >opt/marker && echo theirs >etc/passwd && echo cert >etc/ssl/cert "
	   "&& "
	   "ln -s usr/bin bin && ln -s /run var/run && ln -s /opt/marker usr/absolute && "
	   "ln -s /etc/shadow etc/hosts && echo no >dev/null && echo covered >work/covered && "
	   "echo in-run >run/here && echo program >usr/bin/probe",
	    p->source);
	p->state_fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->s.state_fd = p->state_fd;
	if (rootfs_open(p->state_fd, &p->roots_fd, &e) < 0)
		fail_msg("%s", e.msg);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	close(p->roots_fd);
	close(p->state_fd);
	sh("rm -rf %s", p->dir);
	free(p);
	return 0;
}

/* --- a sandbox of it ------------------------------------------------------------------------ */

/* What is looked at from inside; returns NULL or what is wrong. */
typedef const char *look_fn(void);

static const char *
build(const struct place *p, int tree_fd)
{
	int root_fd = -1;

	if (root_make(&root_fd) < 0)
		return "root_make";
	if (root_add_tree(&root_fd, tree_fd, p->root) < 0)
		return "root_add_tree";
	if (root_add_dev(root_fd) < 0)
		return "root_add_dev";
	if (root_pivot(root_fd) < 0)
		return "root_pivot";
	if (cell_mount_scratch(OTHER_USER, 1 << 20, 100) < 0)
		return "cell_mount_scratch";
	if (cell_mount_proc(MS_RDONLY) < 0)
		return "cell_mount_proc";
	return NULL;
}

NORETURN static void
inside(const struct place *p, int tree_fd, look_fn *look, int answer_fd)
{
	const char *why = build(p, tree_fd);
	char text[200];
	int n;

	close(tree_fd);
	if (why != NULL)
		n = snprintf(text, sizeof(text), "%s: %s", why, strerror(errno));
	else
		n = snprintf(text, sizeof(text), "%s", (why = look()) == NULL ? "" : why);
	if (write(answer_fd, text, (size_t)n) != n)
		_exit(1);
	_exit(0);
}

static void
read_answer(int fd)
{
	char text[200] = "";
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(text) - 1 && (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	if (text[0] != '\0')
		fail_msg("inside: %s", text);
}

/* The worker opens, its child in namespaces of its own builds: descriptors cross as they do there.
 */
static void
in_sandbox(const struct place *p, look_fn *look)
{
	int tree_fd, answer[2], status;
	pid_t outer;

	if (root_pick_open(&p->s, p->root, &tree_fd) < 0)
		fail_msg("root_pick_open: %s", strerror(errno));
	assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
	outer = fork();
	if (outer == 0) {
		pid_t pid = unshare(CLONE_NEWNS | CLONE_NEWPID) < 0 ? -1 : fork();

		if (pid == 0)
			inside(p, tree_fd, look, answer[1]);
		close(tree_fd);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			_exit(2);
		_exit(0);
	}
	close(answer[1]);
	close(tree_fd);
	assert_int_equal(waitpid(outer, &status, 0), outer);
	read_answer(answer[0]);
	close(answer[0]);
	assert_int_equal(status, 0);
}

static bool
holds(const char *path, const char *text)
{
	char had[256] = "";
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, had, sizeof(had) - 1) >= 0 && strstr(had, text) != NULL;
}

/* --- tests ---------------------------------------------------------------------------------- */

static const char *
look_at_contents(void)
{
	struct stat st;

	if (!holds("/opt/marker", "marker"))
		return "/opt/marker is not the environment's";
	if (access("/usr/bin/sh", F_OK) == 0 || access("/usr/share", F_OK) == 0)
		return "the host's /usr is there";
	if (!holds("/bin/probe", "program"))
		return "a relative link at the top does not work";
	if (!holds("/var/run/here", "in-run"))
		return "/var/run -> /run does not work";
	if (!holds("/usr/absolute", "marker"))
		return "an absolute link does not stay inside";
	if (!holds("/etc/ssl/cert", "cert"))
		return "/etc of the environment is missing";
	if (!holds("/etc/passwd", "sim:x:1000") || !holds("/etc/hosts", "localhost wardian"))
		return "our files of /etc do not win";
	if (stat("/var/tmp", &st) < 0 || (st.st_mode & 07777) != 01777)
		return "/var/tmp is not /tmp";
	if (access("/work/covered", F_OK) == 0)
		return "the environment's /work is not covered";
	if (stat("/dev/null", &st) < 0 || !S_ISCHR(st.st_mode))
		return "/dev/null is the environment's";
	return NULL;
}

static void
the_root_is_the_environment_and_not_the_hosts(void **state)
{
	if (!rig_root_is_mount())
		skip();
	import(*state);
	in_sandbox(*state, look_at_contents);
}

static const char *
look_at_mounts(void)
{
	static const char *const writable[] = { "/work", "/tmp", "/dev/shm" };
	static char why[300];
	char line[4096];
	int n = 0;
	FILE *f = fopen("/proc/self/mountinfo", "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char where[200], options[200];
		bool may = false;

		n++;
		if (sscanf(line, "%*s %*s %*s %*s %199s %199s", where, options) != 2)
			return "mountinfo cannot be read";
		for (size_t i = 0; i < ARRAY_LEN(writable); i++)
			may = may || strcmp(where, writable[i]) == 0;
		(void)snprintf(why, sizeof(why), "%s is %.2s, it seems", where, options);
		if ((strncmp(options, "rw", 2) == 0) != may || strstr(options, "nosuid") == NULL)
			return why;
		if (strstr(line, "/var/tmp/") != NULL)
			return "mountinfo shows a path of the host";
	}
	if (f != NULL)
		(void)fclose(f);
	/* The root, /dev, the scratch space three times and once more below /proc. */
	return n == 7 ? NULL : "there are not seven mounts";
}

static void
every_mount_but_the_scratch_is_read_only_and_names_no_path_of_the_host(void **state)
{
	if (!rig_root_is_mount())
		skip();
	import(*state);
	in_sandbox(*state, look_at_mounts);
}

static const char *
look_for_ways_to_write(void)
{
	static const char *const paths[] = { "/opt/marker", "/etc/passwd", "/new", "/usr/new",
		"/dev/new", "/var/new" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (open(paths[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 || errno != EROFS)
			return paths[i];
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0 &&
	    open("/opt/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0)
		return "the overlay has a writable layer";
	return NULL;
}

static void
nobody_inside_writes_to_the_environment_not_even_root(void **state)
{
	if (!rig_root_is_mount())
		skip();
	import(*state);
	in_sandbox(*state, look_for_ways_to_write);
}

static const char *
look_below_opt(void)
{
	if (access("/opt/secret", F_OK) == 0)
		return "what the host has mounted came along";
	return holds("/opt/marker", "marker") ? NULL : "what it covers on the host is missing";
}

static void
what_the_host_has_mounted_below_a_root_stays_outside(void **state)
{
	struct place *p = *state;
	char opt[256];
	int status;
	pid_t pid;

	if (!rig_root_is_mount())
		skip();
	import(p);
	(void)snprintf(opt, sizeof(opt), "%s/roots/%s/tree/opt", p->dir, p->hex);
	/* In a namespace of its own, so that nothing stays if this fails. */
	pid = fork();
	if (pid == 0) {
		AUTO_FD int fd = -1;

		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("tmpfs", opt, "tmpfs", 0, NULL) < 0)
			_exit(1);
		fd = open(opt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || mkdirat(fd, "secret", 0755) < 0)
			_exit(1);
		in_sandbox(p, look_below_opt);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
a_link_in_the_place_of_a_mount_point_is_refused_at_launch_too(void **state)
{
	static const char *const places[] = { "dev", "proc", "work", "tmp", "etc", "var", "usr" };
	struct place *p = *state;
	int fd = -1;

	import(p);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		/* Past the import, which refuses it. */
		sh("cd %s/roots/%s/tree && rm -rf %s && ln -s /proc/sys/kernel %s", p->dir, p->hex,
		    places[i], places[i]);
		assert_int_equal(root_pick_open(&p->s, p->root, &fd), -1);
		assert_int_equal(errno, ELOOP);
		sh("cd %s/roots/%s/tree && rm %s && echo file >%s", p->dir, p->hex, places[i],
		    places[i]);
		assert_int_equal(root_pick_open(&p->s, p->root, &fd), -1);
		assert_int_equal(errno, ENOTDIR);
		sh("cd %s/roots/%s/tree && rm %s", p->dir, p->hex, places[i]);
	}
	assert_int_equal(root_pick_open(&p->s, p->root, &fd), 0);
	close(fd);
}

struct tampering {
	const char *command; /* of the shell, in roots/ */
	int sys;
};

static void
a_root_that_is_not_the_spawners_own_alone_is_refused(void **state)
{
	static const struct tampering list[] = {
		{ "chown 12345 .", EPERM },
		{ "chown 12345 $hex", EPERM },
		{ "chown 12345 $hex/tree", EPERM },
		{ "chmod 0777 .", EPERM },
		{ "chmod 0775 $hex", EPERM },
		{ "chmod 0757 $hex/tree", EPERM },
		{ "mv $hex/tree $hex/t2 && ln -s t2 $hex/tree", ELOOP },
		{ "mv $hex h2 && ln -s h2 $hex", ELOOP },
		{ "mv $hex/tree .. && ln -s ../../tree $hex/tree", ELOOP },
		{ "rm -r $hex/tree && echo x >$hex/tree", ENOTDIR },
		{ "mv $hex h2", ENOENT },
		{ "cd .. && mv roots r2 && ln -s r2 roots", ELOOP },
		{ "cd .. && mv roots r2 && cp -a r2 roots && chown 12345 roots", EPERM },
		{ "cd .. && mv roots r2 && cp -a r2 roots && chown -R 12345 roots", EPERM },
	};
	struct place *p = *state;
	int fd = -1;

	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		struct err e = { 0 };

		close(p->roots_fd);
		sh("cd %s && rm -rf roots r2 tree", p->dir);
		assert_int_equal(rootfs_open(p->state_fd, &p->roots_fd, &e), 0);
		import(p);
		assert_int_equal(root_pick_open(&p->s, p->root, &fd), 0);
		close(fd);
		sh("cd %s/roots && hex=%s && %s", p->dir, p->hex, list[i].command);
		if (root_pick_open(&p->s, p->root, &fd) == 0)
			fail_msg("accepted after: %s", list[i].command);
		if (errno != list[i].sys)
			fail_msg("%s after: %s", strerror(errno), list[i].command);
	}
}

/* Says so on descriptor 1, and waits until the other end of descriptor 0 is closed. */
static const char *
stay(void)
{
	char byte;

	if (write(STDOUT_FILENO, "r", 1) != 1)
		return "no pipe to say that it is there";
	return read(STDIN_FILENO, &byte, 1) < 0 ? "no pipe to wait at" : NULL;
}

static pid_t
start_staying(const struct place *p, int *ret_go)
{
	int go[2], ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (dup2(go[0], STDIN_FILENO) < 0 || dup2(ready[1], STDOUT_FILENO) < 0)
			_exit(1);
		close(go[1]);
		close(ready[1]);
		in_sandbox(p, stay);
		_exit(0);
	}
	close(go[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*ret_go = go[1];
	return pid;
}

static void
refuses_removal(const struct place *p)
{
	struct err e = { 0 };

	assert_int_equal(rootfs_remove(p->roots_fd, p->hex, &e), -1);
	assert_int_equal(e.code, ERR_IN_USE);
}

static void
a_root_is_not_removed_while_it_is_held_or_mounted(void **state)
{
	struct place *p = *state;
	struct err e = { 0 };
	char tree[256];
	int fd, go = -1;
	pid_t pid;

	if (!rig_root_is_mount())
		skip();
	import(p);
	assert_int_equal(root_pick_open(&p->s, p->root, &fd), 0);
	refuses_removal(p);
	close(fd);

	/* A sandbox whose spawner has died: mounted, and locked by nobody. */
	pid = start_staying(p, &go);
	(void)snprintf(tree, sizeof(tree), "%s/roots/%s/tree", p->dir, p->hex);
	fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	refuses_removal(p);
	close(go);
	assert_int_equal(waitpid(pid, NULL, 0), pid);

	if (rootfs_remove(p->roots_fd, p->hex, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(root_pick_open(&p->s, p->root, &fd), -1);
	assert_int_equal(errno, ENOENT);
}

static void
a_root_that_is_being_removed_is_not_picked(void **state)
{
	struct place *p = *state;
	char tree[256];
	int held, fd;

	import(p);
	(void)snprintf(tree, sizeof(tree), "%s/roots/%s/tree", p->dir, p->hex);
	held = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(root_pick_open(&p->s, p->root, &fd), -1);
	assert_int_equal(errno, EAGAIN);
	close(held);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    the_root_is_the_environment_and_not_the_hosts, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    every_mount_but_the_scratch_is_read_only_and_names_no_path_of_the_host, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    nobody_inside_writes_to_the_environment_not_even_root, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_the_host_has_mounted_below_a_root_stays_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_link_in_the_place_of_a_mount_point_is_refused_at_launch_too, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_root_that_is_not_the_spawners_own_alone_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_root_is_not_removed_while_it_is_held_or_mounted, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_root_that_is_being_removed_is_not_picked, setup, teardown),
	};

	if (geteuid() != 0) {
		(void)fprintf(stderr, "skip: mounts need root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
