/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what a machine must have, and how a row's answer becomes a state.  A check answers
 * how much is there; how bad that is stands in the table, once for a spawner of root's and once for
 * one of an ordinary user.
 */
#include "host_internal.h"

#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct host_row rows[HOST_CHECKS] = {
#define HOST_CHECK(name, text, root_level, user_level, purpose, remedy)                            \
	[HOST_AT_##name] = { .word = text,                                                         \
		.what = purpose,                                                                   \
		.fix = remedy,                                                                     \
		.as_root = HOST_##root_level,                                                      \
		.as_user = HOST_##user_level },
#include "host.def"
#undef HOST_CHECK
};

static void (*const checks[HOST_CHECKS])(const struct host_view *v) = {
#define HOST_CHECK(name, word, as_root, as_user, what, fix) [HOST_AT_##name] = host_check_##name,
#include "host.def"
#undef HOST_CHECK
};

const struct host_row *
host_row(enum host_check check)
{
	REQUIRE((size_t)check < HOST_CHECKS);
	return &rows[check];
}

const char *
host_level_word(enum host_level level)
{
	static const char *const words[] = { [HOST_REQUIRED] = "required",
		[HOST_WEAKER] = "weaker",
		[HOST_SLOWER] = "slower",
		[HOST_INFORMATIVE] = "informative" };

	return words[level];
}

const char *
host_state_word(enum host_state state)
{
	static const char *const words[] = { [HOST_OK] = "ok",
		[HOST_WEAK] = "weaker",
		[HOST_MISSING] = "missing",
		[HOST_UNKNOWN] = "unknown" };

	return words[state];
}

size_t
host_missing(const struct host_report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < HOST_CHECKS; i++)
		n += r->at[i].state == HOST_MISSING;
	return n;
}

bool
host_refused(const struct host_report *r)
{
	return (r->weak & SANDBOX_WEAK_REFUSED) != 0;
}

bool
host_good(const struct host_report *r, enum host_check check)
{
	return r->at[check].state == HOST_OK && !r->at[check].advised;
}

/* --- one row ---------------------------------------------------------------------------------- */

static enum host_state
state_of(enum host_outcome outcome, enum host_level level)
{
	if (outcome == HOST_UNSEEN)
		return HOST_UNKNOWN;
	if (outcome == HOST_GOOD || level == HOST_INFORMATIVE)
		return HOST_OK;
	return outcome == HOST_LACKING && level == HOST_REQUIRED ? HOST_MISSING : HOST_WEAK;
}

void
host_say(const struct host_view *v, enum host_outcome outcome, const char *fmt, ...)
{
	struct host_finding *f = v->out;
	va_list ap;

	if (f->text[0] != '\0')
		return;
	f->state = state_of(outcome, f->level);
	f->advised = outcome == HOST_LESS || outcome == HOST_LACKING;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap); /* cut when too long */
	va_end(ap);
}

void
host_judge_row(struct host_view *v, enum host_check check)
{
	v->out = &v->report->at[check];
	*v->out = (struct host_finding){ .level = v->f->uid == 0 ? rows[check].as_root
								 : rows[check].as_user };
	checks[check](v);
	REQUIRE(v->out->text[0] != '\0');
}

int
host_view_open(const struct host_options *o, const struct host_facts *f, struct host_report *report,
    struct host_view *ret, struct err *e)
{
	int fd = open(o->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "cannot open the directory %s", o->root);
	*ret = (struct host_view){ .root_fd = fd, .o = o, .f = f, .report = report };
	return 0;
}

void
host_view_close(struct host_view *v)
{
	(void)close(v->root_fd);
}

/* --- the whole sandbox ------------------------------------------------------------------------ */

static const struct host_weakness weaknesses[] = {
	{ SANDBOX_WEAK_LIMITS, "limits", "memory, CPU time or processes of jobs cannot be limited",
	    "hand the spawner the controllers memory, cpu and pids: Delegate=yes in its systemd "
	    "unit" },
	{ SANDBOX_WEAK_UIDS, "uids", "jobs of all tenants run under one uid of the host",
	    "start the spawner as root: sudo wardiand serve, or deploy/systemd/"
	    "wardian-spawner.service" },
	{ SANDBOX_WEAK_LANDLOCK, "landlock", "the second wall around files is missing",
	    "boot with landlock among the security modules of the kernel's command line: lsm=" },
	{ SANDBOX_WEAK_REFUSED, "refused", "therefore no job is started",
	    "mend the above; without root: sandbox.weaker=allow" },
};

const struct host_weakness *
host_weakness(size_t i)
{
	return i < ARRAY_LEN(weaknesses) ? &weaknesses[i] : NULL;
}

/* What is unknown counts as there: the spawner itself looks again, with more rights. */
static bool
lacks(const struct host_report *r, enum host_check check)
{
	return r->at[check].state == HOST_MISSING || r->at[check].state == HOST_WEAK;
}

void
host_judge_weak(const struct host_view *v)
{
	struct host_report *r = v->report;

	r->root = v->f->uid == 0;
	r->weak = 0;
	if (lacks(r, HOST_AT_cgroup_memory) || lacks(r, HOST_AT_cgroup_cpu) ||
	    lacks(r, HOST_AT_cgroup_pids))
		r->weak |= SANDBOX_WEAK_LIMITS;
	if (!r->root || lacks(r, HOST_AT_privileges))
		r->weak |= SANDBOX_WEAK_UIDS;
	if (lacks(r, HOST_AT_landlock))
		r->weak |= SANDBOX_WEAK_LANDLOCK;
	/* Fail closed: tenants that no limit or uid parts from each other run nothing, unless an
	 * ordinary user was told to be content with it. */
	if ((r->weak & (SANDBOX_WEAK_LIMITS | SANDBOX_WEAK_UIDS)) != 0 &&
	    (r->root || !v->o->weaker))
		r->weak |= SANDBOX_WEAK_REFUSED;
}
