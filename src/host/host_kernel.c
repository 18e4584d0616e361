/* SPDX-License-Identifier: Apache-2.0 */
/* The mode, and what the kernel itself must be able to do. */
#include "host_internal.h"

#include "parse.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#define TRY(name)                                                                                  \
	{                                                                                          \
		CAP_##name, #name                                                                  \
	}
/* Those that the spawner keeps (src/spawner/main.c); the last only raises limits of its own. */
static const struct capability {
	unsigned number;
	const char *name;
} needed[] = { TRY(SYS_ADMIN), TRY(SETUID), TRY(SETGID), TRY(SETPCAP), TRY(CHOWN),
	TRY(DAC_OVERRIDE), TRY(DAC_READ_SEARCH), TRY(FOWNER), TRY(FSETID), TRY(MKNOD), TRY(KILL),
	TRY(NET_ADMIN) };
#undef TRY

int
host_capabilities(const struct host_view *v, uint64_t *ret)
{
	AUTO_FREE char *status = NULL;
	const char *at;
	int sys = host_read(v, "/proc/self/status", &status);

	if (sys != 0)
		return sys;
	at = strstr(status, "\nCapEff:");
	if (at == NULL)
		return EINVAL;
	at += strlen("\nCapEff:");
	at += strspn(at, " \t");
	*ret = 0;
	for (int digit; (digit = parse_hex_digit(*at)) >= 0; at++)
		*ret = *ret << 4 | (uint64_t)digit;
	return 0;
}

void
host_check_privileges(const struct host_view *v)
{
	char lacking[HOST_LIST_SIZE] = "";
	uint64_t mask = 0;
	int sys;

	if (v->f->uid != 0) {
		host_say(v, HOST_LACKING,
		    "an ordinary user, uid %u: without root all tenants' jobs would share this uid",
		    v->f->uid);
		return;
	}
	sys = host_capabilities(v, &mask);
	if (sys != 0) {
		host_say_unseen(v, "/proc/self/status", sys);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if ((mask & UINT64_C(1) << needed[i].number) == 0)
			host_list_add(lacking, " ", needed[i].name);
	if (lacking[0] != '\0')
		host_say(v, HOST_LACKING, "root, but without the capabilities %s", lacking);
	else
		host_say(v, HOST_GOOD, "root, with all capabilities that the spawner needs");
}

/* "6.1.0-18-amd64" as 6001; -1 for what is no version. */
static int64_t
version_of(const char *release)
{
	char major[8], minor[8];
	size_t n = strspn(release, "0123456789"), m;
	int64_t a, b;
	struct err ignored = { 0 };

	if (n == 0 || n >= sizeof(major) || release[n] != '.')
		return -1;
	m = strspn(release + n + 1, "0123456789");
	if (m == 0 || m >= sizeof(minor))
		return -1;
	(void)snprintf(major, sizeof(major), "%.*s", (int)n, release); /* measured: both fit */
	(void)snprintf(minor, sizeof(minor), "%.*s", (int)m, release + n + 1);
	if (parse_i64(major, 0, 999, &a, &ignored) < 0 ||
	    parse_i64(minor, 0, 999, &b, &ignored) < 0)
		return -1;
	return a * 1000 + b;
}

void
host_check_kernel(const struct host_view *v)
{
	enum { NEEDED = 5012 /* mount_setattr */, WANTED = 5014 /* cgroup.kill */ };
	static const char path[] = "/proc/sys/kernel/osrelease";
	char release[HOST_LINE_SIZE];
	int sys = host_read_line(v, path, release);
	int64_t version = sys == 0 ? version_of(release) : -1;

	if (sys != 0)
		host_say_unseen(v, path, sys);
	else if (version < 0)
		host_say(v, HOST_UNSEEN, "%.60s is no version of Linux that is known", release);
	else if (version < NEEDED)
		host_say(v, HOST_LACKING, "Linux %.60s is too old", release);
	else if (version < WANTED)
		host_say(v, HOST_LESS, "Linux %.60s has no cgroup.kill", release);
	else
		host_say(v, HOST_GOOD, "Linux %.60s", release);
}

/* EPERM is an answer of mount calls to an ordinary user; the trial sandbox tells what it means. */
void
host_check_syscalls(const struct host_view *v)
{
	char lacking[HOST_LIST_SIZE] = "";

	for (size_t i = 0; i < HOST_SYSCALLS; i++)
		if (v->f->syscall[i] == ENOSYS)
			host_list_add(lacking, " ", host_syscall_name(i));
	if (lacking[0] != '\0')
		host_say(v, HOST_LACKING, "absent, or hidden by a filter: %s", lacking);
	host_say(v, HOST_GOOD, "all %d are there", HOST_SYSCALLS);
}

static const char *const namespaces[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" };

void
host_check_namespaces(const struct host_view *v)
{
	char lacking[HOST_LIST_SIZE] = "", path[64];
	int64_t least = INT64_MAX, limit;

	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		int sys;

		(void)snprintf(
		    path, sizeof(path), "/proc/sys/user/max_%s_namespaces", namespaces[i]);
		sys = host_read_number(v, path, &limit);
		if (sys != 0 && sys != ENOENT) {
			host_say_unseen(v, path, sys);
			return;
		}
		if (sys == ENOENT || limit <= 0)
			host_list_add(lacking, " ", namespaces[i]);
		else if (limit < least)
			least = limit;
	}
	if (lacking[0] != '\0')
		host_say(v, HOST_LACKING, "none can be made of: %s", lacking);
	else if (least < 1024)
		host_say(
		    v, HOST_LESS, "of one kind only %lld can be made at once", (long long)least);
	else
		host_say(v, HOST_GOOD, "all seven kinds, at least %lld of each", (long long)least);
}

/* A setting that must not have this value; true when it has. */
static bool
is_set_to(const struct host_view *v, const char *path, int64_t value)
{
	int64_t is;

	return host_read_number(v, path, &is) == 0 && is == value;
}

void
host_check_userns(const struct host_view *v)
{
	static const struct {
		const char *path;
		int64_t bad;
	} settings[] = { { "/proc/sys/kernel/unprivileged_userns_clone", 0 },
		{ "/proc/sys/user/max_user_namespaces", 0 },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1 } };
	const int tried = v->f->part[HOST_PART_NAMESPACES];

	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (is_set_to(v, settings[i].path, settings[i].bad)) {
			host_say(v, HOST_LACKING, "%s is %lld",
			    settings[i].path + strlen("/proc/sys/"), (long long)settings[i].bad);
			return;
		}
	if (v->f->uid == 0)
		host_say(v, HOST_GOOD, "no setting forbids them; root needs none");
	else if (tried != 0 && tried != HOST_UNTRIED)
		host_say(v, HOST_LACKING, "no setting forbids them, yet one could not be made (%s)",
		    strerrorname_np(tried));
	else
		host_say(v, HOST_GOOD, "allowed, and one was made");
}

void
host_check_trial(const struct host_view *v)
{
	static const char *const words[HOST_PARTS] = { [HOST_PART_NAMESPACES] = "namespaces",
		[HOST_PART_USER] = "user map",
		[HOST_PART_PROC] = "/proc",
		[HOST_PART_USR] = "/usr",
		[HOST_PART_DEVICE] = "/dev/null" };
	char lacking[HOST_LIST_SIZE] = "", word[48];

	/* In a chroot no user namespace can be made; the spawner leaves it first. */
	const bool maybe_chroot = v->f->uid == 0 && v->f->part[HOST_PART_USER] == EPERM;

	for (size_t i = 0; i < HOST_PARTS; i++) {
		const int sys = v->f->part[i];

		if (words[i] == NULL || sys == 0 || sys == HOST_UNTRIED ||
		    (i == HOST_PART_USER && maybe_chroot))
			continue;
		(void)snprintf(word, sizeof(word), "%s (%s)", words[i], strerrorname_np(sys));
		host_list_add(lacking, " ", word);
	}
	if (lacking[0] != '\0')
		host_say(v, HOST_LACKING, "could not be made: %s", lacking);
	else if (maybe_chroot)
		host_say(v, HOST_UNSEEN,
		    "no user namespace could be made (EPERM): this process is in a chroot, which "
		    "the spawner leaves, or a filter forbids it");
	else if (v->f->part[HOST_PART_PROC] == HOST_UNTRIED)
		host_say(v, HOST_UNSEEN, "the trial did not answer in time");
	else
		host_say(v, HOST_GOOD, "all of it could be made");
}

void
host_check_tmpfs(const struct host_view *v)
{
	const int sys = v->f->part[HOST_PART_TMPFS];

	if (sys == HOST_UNTRIED)
		host_say(v, HOST_UNSEEN, "not tried, because no namespace could be made");
	else if (sys != 0)
		host_say(v, HOST_LACKING, "none could be made with size= and nr_inodes= (%s)",
		    strerrorname_np(sys));
	else
		host_say(v, HOST_GOOD, "size= and nr_inodes= work");
}

void
host_check_seccomp(const struct host_view *v)
{
	if (v->f->seccomp != 0)
		host_say(v, HOST_LACKING, "the kernel takes no filter that refuses (%s)",
		    strerrorname_np(v->f->seccomp));
	host_say(v, HOST_GOOD, "filters may refuse");
}

void
host_check_landlock(const struct host_view *v)
{
	enum { SCOPES = 6 };
	const int version = v->f->landlock;

	if (version == -EOPNOTSUPP)
		host_say(v, HOST_LACKING, "built in, but not among the active security modules");
	else if (version < 1)
		host_say(v, HOST_LACKING, "the kernel has none (%s)",
		    version == 0 ? "version 0" : strerrorname_np(-version));
	else if (version < SCOPES)
		host_say(v, HOST_GOOD,
		    "version %d: files; signals and abstract sockets are scoped from %d on",
		    version, SCOPES);
	else
		host_say(v, HOST_GOOD, "version %d: files, signals, abstract sockets", version);
}
