/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the host that stand behind the walls of the sandbox. */
#include "host_internal.h"

#include "parse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- uids of jobs -------------------------------------------------------------------------------
 */

struct claim {
	char name[64];
	int64_t first, n;
};

/* Field number `at` of a line with colons, as a number; -1 for none. */
static int64_t
field_of(const char *line, int at)
{
	char text[24];
	struct err ignored = { 0 };
	int64_t value;
	size_t n;

	for (int i = 0; i < at; i++) {
		line += strcspn(line, ":");
		if (*line++ == '\0')
			return -1;
	}
	n = strcspn(line, ":\n");
	if (n == 0 || n >= sizeof(text))
		return -1;
	(void)snprintf(text, sizeof(text), "%.*s", (int)n, line); /* measured: fits */
	return parse_i64(text, 0, UINT32_MAX, &value, &ignored) < 0 ? -1 : value;
}

/* The first line of a file that claims ids from `base` on; false when none does. */
static bool
find_claim(
    const struct host_view *v, const char *path, int first_at, int count_at, struct claim *ret)
{
	AUTO_FREE char *text = NULL;
	char *rest, *line;
	size_t n;

	if (host_read(v, path, &text) != 0)
		return false;
	for (rest = text; (line = host_next_line(&rest)) != NULL;) {
		ret->first = field_of(line, first_at);
		ret->n = count_at < 0 ? 1 : field_of(line, count_at);
		if (ret->first < 0 || ret->n < 1 || ret->first + ret->n <= v->o->uid_base)
			continue;
		n = strcspn(line, ":");
		n = n < sizeof(ret->name) ? n : sizeof(ret->name) - 1;
		memcpy(ret->name, line, n);
		ret->name[n] = '\0';
		return true;
	}
	return false;
}

/* Tenants take ranges from uid_base upwards, without an end: everything above is theirs. */
void
host_check_uids(const struct host_view *v)
{
	static const struct {
		const char *path;
		int first_at, count_at;
	} files[] = { { "/etc/passwd", 2, -1 }, { "/etc/group", 2, -1 }, { "/etc/subuid", 1, 2 },
		{ "/etc/subgid", 1, 2 } };
	struct claim c;
	int sys = host_may(v, files[0].path, R_OK);

	if (sys != 0) {
		host_say_unseen(v, files[0].path, sys);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (find_claim(v, files[i].path, files[i].first_at, files[i].count_at, &c))
			host_say(v, HOST_LACKING,
			    "%s of %s has ids from %lld on, jobs from %lld on", c.name,
			    files[i].path, (long long)c.first, (long long)v->o->uid_base);
	host_say(v, HOST_GOOD, "nobody has ids from %lld on", (long long)v->o->uid_base);
}

/* --- single settings ----------------------------------------------------------------------------
 */

/* A limit of 0 for core files does not stop a core that goes to a program (core(5)). */
void
host_check_core_pattern(const struct host_view *v)
{
	static const char path[] = "/proc/sys/kernel/core_pattern";
	char pattern[HOST_LINE_SIZE];
	int sys = host_read_line(v, path, pattern);

	if (sys != 0)
		host_say_unseen(v, path, sys);
	else if (pattern[0] == '|')
		host_say(v, HOST_LACKING, "each crash is handed to %.*s, which runs as root",
		    (int)strcspn(pattern + 1, " "), pattern + 1);
	else
		host_say(v, HOST_GOOD, "cores are files, and jobs write none");
}

void
host_check_yama(const struct host_view *v)
{
	static const char path[] = "/proc/sys/kernel/yama/ptrace_scope";
	int64_t scope;
	int sys = host_read_number(v, path, &scope);

	if (sys == ENOENT)
		host_say(v, HOST_LACKING, "this kernel runs without Yama");
	else if (sys != 0)
		host_say_unseen(v, path, sys);
	else if (scope < 1)
		host_say(v, HOST_LACKING, "any process may trace another one of its uid");
	else
		host_say(v, HOST_GOOD, "ptrace_scope is %lld", (long long)scope);
}

void
host_check_tiocsti(const struct host_view *v)
{
	int64_t on;
	int sys = host_read_number(v, "/proc/sys/dev/tty/legacy_tiocsti", &on);

	if (sys == 0 && on == 0)
		host_say(v, HOST_GOOD, "switched off");
	else if (sys == 0)
		host_say(v, HOST_LACKING, "terminals take typed input from programs");
	else
		host_say(v, HOST_LACKING, "this kernel cannot switch it off (older than 6.2)");
}

void
host_check_links(const struct host_view *v)
{
	static const char *const names[] = { "symlinks", "hardlinks", "fifos", "regular" };
	char lacking[HOST_LIST_SIZE] = "", path[64];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int64_t on;

		(void)snprintf(path, sizeof(path), "/proc/sys/fs/protected_%s", names[i]);
		if (host_read_number(v, path, &on) != 0 || on == 0)
			host_list_add(lacking, " ", names[i]);
	}
	if (lacking[0] != '\0')
		host_say(v, HOST_LACKING, "not protected: %s", lacking);
	host_say(v, HOST_GOOD, "symbolic and hard links, FIFOs and files are protected");
}

void
host_check_io_uring(const struct host_view *v)
{
	int64_t disabled;
	int sys = host_read_number(v, "/proc/sys/kernel/io_uring_disabled", &disabled);

	if (sys == 0 && disabled == 2)
		host_say(v, HOST_GOOD, "switched off");
	else if (sys == 0)
		host_say(v, HOST_LACKING, "open to programs of the host%s",
		    disabled == 1 ? " with CAP_SYS_ADMIN" : "");
	else
		host_say(v, HOST_LACKING, "this kernel cannot switch it off (older than 6.6)");
}

void
host_check_overcommit(const struct host_view *v)
{
	static const char path[] = "/proc/sys/vm/overcommit_memory";
	int64_t mode;
	int sys = host_read_number(v, path, &mode);

	if (sys != 0)
		host_say_unseen(v, path, sys);
	else if (mode == 2)
		host_say(v, HOST_LACKING,
		    "strict: reservations beyond the commit limit fail though memory is free");
	else
		host_say(
		    v, HOST_GOOD, "mode %lld: memory counts when it is touched", (long long)mode);
}

void
host_check_thp(const struct host_view *v)
{
	static const char path[] = "/sys/kernel/mm/transparent_hugepage/enabled";
	char modes[HOST_LINE_SIZE];
	int sys = host_read_line(v, path, modes);

	if (sys == ENOENT)
		host_say(v, HOST_GOOD, "this kernel has none");
	else if (sys != 0)
		host_say_unseen(v, path, sys);
	else if (strstr(modes, "[always]") != NULL)
		host_say(v, HOST_LACKING, "always: small jobs are counted with 2 MiB a piece");
	else
		host_say(v, HOST_GOOD, "%s",
		    strstr(modes, "[madvise]") != NULL ? "on request" : "never");
}

void
host_check_time_sync(const struct host_view *v)
{
	if (v->f->clock_in_step)
		host_say(v, HOST_GOOD, "kept in step");
	else
		host_say(v, HOST_LACKING, "nothing tells the kernel that it is kept in step");
}
