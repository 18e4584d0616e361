/* SPDX-License-Identifier: Apache-2.0 */
/* Room on this machine: memory, CPUs, descriptors, the disk of the state directory, GPUs. */
#include "host_internal.h"

#include "parse.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>

enum { SIZE_TEXT = 32 };

/* "3.4 GiB": for people; exact figures belong to the API. */
static const char *
size_text(int64_t bytes, char out[static SIZE_TEXT])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double n = (double)bytes;
	size_t unit = 0;

	while (n >= 1024 && unit + 1 < ARRAY_LEN(units)) {
		n /= 1024;
		unit++;
	}
	(void)snprintf(out, SIZE_TEXT, unit == 0 ? "%.0f %s" : "%.1f %s", n, units[unit]);
	return out;
}

void
host_check_memory(const struct host_view *v)
{
	AUTO_FREE char *text = NULL;
	char total_text[SIZE_TEXT], left_text[SIZE_TEXT];
	int64_t total, left;
	int sys = host_read(v, "/proc/meminfo", &text);

	if (sys != 0) {
		host_say_unseen(v, "/proc/meminfo", sys);
		return;
	}
	total = host_number_of(text, "MemTotal");
	left = host_number_of(text, "MemAvailable");
	if (total < 0 || left < 0 || total > INT64_MAX / KIB) {
		host_say(v, HOST_UNSEEN, "/proc/meminfo does not say how much there is");
		return;
	}
	size_text(total * KIB, total_text);
	size_text(left * KIB, left_text);
	/* Less than the smallest machine that a job of the default size fits beside PostgreSQL. */
	host_say(
	    v, left * KIB < GIB ? HOST_LACKING : HOST_GOOD, "%s left of %s", left_text, total_text);
}

void
host_check_cpus(const struct host_view *v)
{
	if (v->f->cpus_allowed > 0 && v->f->cpus_allowed < v->f->cpus)
		host_say(v, HOST_LACKING, "%lld of %lld: this process may not run on the others",
		    (long long)v->f->cpus_allowed, (long long)v->f->cpus);
	host_say(v, HOST_GOOD, "%lld", (long long)v->f->cpus);
}

/* "Max open files            1024                 524288               files" */
static int64_t
hard_limit(const char *limits)
{
	static const char name[] = "Max open files";
	const char *line = strstr(limits, name);

	if (line == NULL)
		return -1;
	line += strlen(name);
	line += strspn(line, " ");
	line += strcspn(line, " "); /* the soft one, which everyone may raise */
	return host_number_of(line, "");
}

void
host_check_open_files(const struct host_view *v)
{
	static const char limits[] = "/proc/self/limits";
	enum { SPARE = 512 };
	const int64_t wanted = 2 * v->o->connections + SPARE;
	AUTO_FREE char *text = NULL;
	uint64_t caps = 0;
	int64_t hard, most;
	int sys = host_read(v, limits, &text);

	if (sys != 0) {
		host_say_unseen(v, limits, sys);
		return;
	}
	hard = hard_limit(text);
	if (host_capabilities(v, &caps) == 0 && (caps & UINT64_C(1) << CAP_SYS_RESOURCE) != 0 &&
	    host_read_number(v, "/proc/sys/fs/nr_open", &most) == 0 && most > hard)
		hard = most; /* it may raise its own */
	if (hard < 0)
		host_say(v, HOST_UNSEEN, "%s does not say how many", limits);
	else
		host_say(v, hard < wanted ? HOST_LACKING : HOST_GOOD,
		    "at most %lld; http.connections of %lld may need %lld", (long long)hard,
		    (long long)v->o->connections, (long long)wanted);
}

/* --- the disk of the state directory ---------------------------------------------------------- */

static const struct file_system {
	int64_t type;
	const char *name;
	bool remote; /* another machine's: locks and renames are as good as that */
} file_systems[] = {
	{ EXT4_SUPER_MAGIC, "ext4", false },
	{ XFS_SUPER_MAGIC, "xfs", false },
	{ BTRFS_SUPER_MAGIC, "btrfs", false },
	{ TMPFS_MAGIC, "tmpfs", false },
	{ F2FS_SUPER_MAGIC, "f2fs", false },
	{ OVERLAYFS_SUPER_MAGIC, "overlayfs", false },
	{ 0x2fc12fc1, "zfs", false },
	{ NFS_SUPER_MAGIC, "nfs", true },
	{ SMB2_SUPER_MAGIC, "smb", true },
	{ CIFS_SUPER_MAGIC, "smb", true },
	{ FUSE_SUPER_MAGIC, "fuse", true },
	{ V9FS_MAGIC, "9p", true },
};

static const struct file_system *
file_system_of(int64_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(file_systems); i++)
		if (file_systems[i].type == type)
			return &file_systems[i];
	return NULL;
}

void
host_check_state_disk(const struct host_view *v)
{
	enum { FILES_MIN = 10000 };
	/* A job's default log and scratch with a database that has just been made; then a day's
	 * work of one busy tenant. */
	const int64_t least = 256 * MIB, wanted = 4 * GIB;
	const struct host_disk *d = &v->f->disk;
	const char *where = d->exists ? "" : " (where the state directory will be)";
	char left[SIZE_TEXT], all[SIZE_TEXT];

	if (d->failed != 0) {
		host_say_unseen(v, v->o->state_dir, d->failed);
		return;
	}
	size_text(d->bytes_free, left);
	size_text(d->bytes, all);
	if (d->bytes_free < least)
		host_say(v, HOST_LACKING, "%s left of %s%s", left, all, where);
	else if (d->files > 0 && d->files_free < FILES_MIN)
		host_say(v, HOST_LESS, "room for %lld more files only%s", (long long)d->files_free,
		    where);
	else
		host_say(v, d->bytes_free < wanted ? HOST_LESS : HOST_GOOD, "%s left of %s%s", left,
		    all, where);
}

void
host_check_state_files(const struct host_view *v)
{
	const struct host_disk *d = &v->f->disk;
	const struct file_system *fs = file_system_of(d->type);
	const char *name = fs == NULL ? "a file system of another kind" : fs->name;

	if (d->failed != 0)
		host_say_unseen(v, v->o->state_dir, d->failed);
	else if (fs != NULL && fs->remote)
		host_say(v, HOST_LACKING, "%s: as safe as the machine behind it", name);
	else if (d->tmpfile == EACCES || d->tmpfile == EPERM || d->tmpfile == EROFS)
		host_say(v, HOST_UNSEEN, "%s; uid %u may not try what it can do (%s)", name,
		    v->f->uid, strerrorname_np(d->tmpfile));
	else if (d->tmpfile != 0)
		host_say(v, HOST_LACKING, "%s has no unnamed files (%s)", name,
		    strerrorname_np(d->tmpfile));
	else
		host_say(v, HOST_GOOD, "%s with unnamed files and %s", name,
		    d->xattr == 0 ? "attributes" : "no attributes");
}

void
host_check_quota(const struct host_view *v)
{
	const struct host_disk *d = &v->f->disk;

	if (d->failed != 0)
		host_say_unseen(v, v->o->state_dir, d->failed);
	else if (d->quota == 0)
		host_say(v, HOST_GOOD, "counted by this disk");
	else
		host_say(
		    v, HOST_LACKING, "not counted by this disk (%s)", strerrorname_np(d->quota));
}

void
host_check_gpus(const struct host_view *v)
{
	const struct gpus *g = &v->f->gpus;
	char size[SIZE_TEXT];

	if (v->f->gpus_failed)
		host_say(v, HOST_UNSEEN, "the devices of /dev cannot be listed");
	else if (g->n == 0 && g->n_closed > 0)
		host_say(v, HOST_LACKING, "%zu, but not everyone may open them: no job could",
		    g->n_closed);
	else if (g->n == 0)
		host_say(v, HOST_GOOD, "none: a job that asks for one waits, or is refused");
	else if (g->at[0].memory_bytes > 0)
		host_say(v, HOST_GOOD, "%zu, the first of them %s with %s", g->n,
		    g->at[0].model[0] == '\0' ? "unnamed" : g->at[0].model,
		    size_text(g->at[0].memory_bytes, size));
	else
		host_say(v, HOST_GOOD, "%zu, the first of them %s", g->n,
		    g->at[0].model[0] == '\0' ? "unnamed" : g->at[0].model);
}
