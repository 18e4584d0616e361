/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_H
#define HOST_H

/*
 * What Wardian needs from a machine (host.def), and what this machine has of it.  Looking changes
 * nothing, works for root and for ordinary users, and never hangs: what cannot be seen, or does not
 * answer in time, is "unknown" and says why.  Used by `wardian doctor` and, for the names of what a
 * sandbox lacks, by the daemon.  Any thread.
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>

enum host_check {
#define HOST_CHECK(name, word, as_root, as_user, what, fix) HOST_AT_##name,
#include "host.def"
#undef HOST_CHECK
	HOST_CHECKS
};

enum host_level { HOST_REQUIRED, HOST_WEAKER, HOST_SLOWER, HOST_INFORMATIVE };
const char *host_level_word(enum host_level level); /* "required", ... */

struct host_row {
	const char *word, *what, *fix;
	enum host_level as_root, as_user; /* how bad it is when missing */
};
const struct host_row *host_row(enum host_check check);

enum host_state { HOST_OK, HOST_WEAK, HOST_MISSING, HOST_UNKNOWN };
const char *host_state_word(enum host_state state); /* "ok", "weaker", "missing", "unknown" */

enum { HOST_TEXT_SIZE = 256 };
struct host_finding {
	enum host_state state;
	enum host_level level;     /* of the row, in the mode of this process */
	bool advised;              /* the row's fix would help */
	char text[HOST_TEXT_SIZE]; /* what it means here */
};
struct host_report {
	bool root;     /* the mode: euid 0, or an ordinary user */
	uint32_t weak; /* bits of enum sandbox_weak that a spawner started like this would say */
	struct host_finding at[HOST_CHECKS];
};
size_t host_missing(const struct host_report *r); /* the number of required things that are */
bool host_refused(const struct host_report *r);   /* such a spawner would start no job */

struct host_simulator {
	const char *name, *package;
	bool available;
};
/* The settings that say where to look.  Paths are absolute; texts are the caller's. */
struct host_options {
	const char *root; /* below which /proc, /sys, /etc and all other paths lie */
	const char *state_dir, *user, *spawner, *keeper;
	const char *postgres_dir; /* "": Debian's */
	bool outside_database;
	bool weaker; /* sandbox.weaker is "allow" */
	int64_t uid_base, connections;
	const struct host_simulator *simulators;
	size_t n_simulators;
	const char *simulators_why; /* with n_simulators 0: why there are none */
};
/* On a thread of its own: after timeout_ms what has not been answered is unknown, and the thread,
 * which holds copies of what it needs, is left behind until it is answered or the process ends. */
int host_examine(const struct host_options *o, int64_t timeout_ms, struct host_report *ret,
    struct err *e) MUST_CHECK;

/* What a sandbox lacks: a bit of enum sandbox_weak in words; NULL behind the last. */
struct host_weakness {
	uint32_t bit;
	const char *word, *sentence, *fix;
};
const struct host_weakness *host_weakness(size_t i);

#endif
