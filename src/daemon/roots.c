/* SPDX-License-Identifier: Apache-2.0 */
/* wardiand root import|list|verify|remove, and which roots the daemon finds at its start. */
#include "buf.h"
#include "clock.h"
#include "daemon_internal.h"
#include "environment.h"
#include "fd.h"
#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES_MAX_BYTES = 1024 }; /* of the environments of one root, in a line */

struct ask {
	const struct conf *conf;
	const struct roots_ask *q;
	const struct log *log;
	FILE *out;
	int roots_fd;
	struct environments *set; /* NULL: no profile can be read */
};

/* --- profiles that name a root -------------------------------------------------------------- */

/* Appends the environments of a root, separated by ", ", as far as they fit; their number. */
static int
named_by(const struct environments *set, const char *hex, struct buf *names)
{
	int found = 0;

	for (size_t i = 0; set != NULL && i < environments_count(set); i++) {
		const struct environment *env = environments_at(set, i);

		if (env->root_digest == NULL || strcmp(env->root_digest, hex) != 0)
			continue;
		buf_printf(names, "%s%s", found++ > 0 ? ", " : "", env->name);
	}
	return found;
}

/* --- subcommands ---------------------------------------------------------------------------- */

/* An archive is read by a parser of a foreign library, as root: without capabilities, behind the
 * daemon's filter of system calls and a fence around roots/. */
static int
confine(const struct ask *a, int source_fd, struct err *e)
{
	static const struct account stay = { .change = false };
	struct stat st;

	if (fstat(source_fd, &st) < 0)
		return err_sys(e, errno, "look at what is to be imported");
	if (S_ISDIR(st.st_mode))
		return 0; /* no parser, and its files may belong to anybody */
	if (account_become(&stay, e) < 0)
		return -1;
	return rootfs_fence(a->roots_fd, e);
}

static int
open_source(const char *path, int *ret_fd, struct err *e)
{
	int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
					: open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno,
		    "%s cannot be opened; name an archive, a directory, or - for standard input",
		    path);
	*ret_fd = fd;
	return 0;
}

static int
run_import(const struct ask *a, struct err *e)
{
	const struct rootfs_limits limits = { .bytes_max = a->conf->sandbox_root_bytes_max_bytes,
		.files_max = a->conf->sandbox_root_files_max };
	AUTO_FD int source = -1;
	struct rootfs_info r;

	if (open_source(a->q->operand, &source, e) < 0 || confine(a, source, e) < 0 ||
	    rootfs_import(a->roots_fd, source, &limits, &r, e) < 0)
		return -1;
	log_info(a->log, "%s: %lld entries, %lld bytes",
	    r.fresh ? "imported" : "it was there already", (long long)r.entries,
	    (long long)r.bytes);
	if (r.left_out > 0)
		log_warn(a->log, "%lld devices, FIFOs, sockets and mounts were left out",
		    (long long)r.left_out);
	if (r.unreadable > 0)
		log_warn(a->log, "jobs cannot read %lld of the entries, whose mode forbids it",
		    (long long)r.unreadable);
	log_info(a->log,
	    "name it in a profile with root = \"...\" and start wardiand again; running "
	    "jobs go on");
	return fprintf(a->out, "%s\n", r.hex) < 0 || fflush(a->out) != 0
		   ? err_set(
			 e, ERR_SYSTEM, "the digest could not be written; see wardiand root list")
		   : 0;
}

static int
run_list(const struct ask *a, struct err *e)
{
	AUTO_FREE struct rootfs_info *all = calloc(ROOTFS_ROOTS_MAX, sizeof(*all));
	char when[CLOCK_STR_SIZE];
	size_t n = 0;

	if (all == NULL)
		return err_set(e, ERR_NO_MEMORY, "There is no memory for a list of roots");
	if (rootfs_list(a->roots_fd, all, ROOTFS_ROOTS_MAX, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		AUTO_BUF names = { 0 };
		int found;

		buf_init(&names, NAMES_MAX_BYTES);
		found = named_by(a->set, all[i].hex, &names);
		(void)fprintf(a->out, "%s  %9lld entries  %14lld bytes  %.19sZ  %s\n", all[i].hex,
		    (long long)all[i].entries, (long long)all[i].bytes,
		    clock_format(all[i].imported_wall_us, when), found == 0 ? "-" : names.p);
	}
	return fflush(a->out) != 0 ? err_sys(e, errno, "write the list") : 0;
}

static int
run_verify(const struct ask *a, struct err *e)
{
	struct rootfs_info r;

	if (rootfs_verify(a->roots_fd, a->q->operand, &r, e) < 0)
		return -1;
	return fprintf(a->out, "%s is whole: %lld entries, %lld bytes\n", r.hex,
		   (long long)r.entries, (long long)r.bytes) < 0
		   ? err_sys(e, errno, "write the outcome")
		   : 0;
}

static int
run_remove(const struct ask *a, struct err *e)
{
	AUTO_BUF names = { 0 };

	buf_init(&names, NAMES_MAX_BYTES);
	if (rootfs_hex_check(a->q->operand, e) < 0)
		return -1;
	if (!a->q->force && a->set == NULL)
		return err_set(e, ERR_CONF,
		    "the profiles, which may name this root, cannot be read; mend them, or remove "
		    "it "
		    "nonetheless with --force");
	if (named_by(a->set, a->q->operand, &names) > 0 && !a->q->force)
		return err_set(e, ERR_IN_USE,
		    "profiles name this root: %.100s; change them, or make these environments "
		    "unavailable "
		    "with --force",
		    names.p);
	return rootfs_remove(a->roots_fd, a->q->operand, e);
}

static const struct action {
	const char *name;
	const char *operand; /* NULL: none */
	int (*run)(const struct ask *a, struct err *e);
} actions[] = {
	{ "import", "FILE or DIRECTORY", run_import },
	{ "list", NULL, run_list },
	{ "verify", "DIGEST", run_verify },
	{ "remove", "DIGEST", run_remove },
};

static int
find_action(const struct roots_ask *q, const struct action **ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		const struct action *a = &actions[i];

		if (strcmp(q->action, a->name) != 0)
			continue;
		if ((a->operand == NULL) != (q->operand == NULL))
			return err_set(e, ERR_USAGE, "say: wardiand root %s%s%s", a->name,
			    a->operand == NULL ? "" : " ", a->operand == NULL ? "" : a->operand);
		*ret = a;
		return 0;
	}
	return err_set(
	    e, ERR_USAGE, "root knows import, list, verify and remove, not '%.40s'", q->action);
}

/* The state's lock is for daemons: an import may take long, and one may want to start meanwhile. */
static int
open_roots(const struct conf *c, int *ret_fd, struct err *e)
{
	struct account account;
	struct state s;
	bool served;
	int rc;

	if (account_find(c, &account, e) < 0 || state_open(c, &account, false, &s, &served, e) < 0)
		return -1;
	rc = rootfs_open(s.dirfd, ret_fd, e);
	state_close(&s);
	return rc;
}

int
roots_run(const struct conf *c, const struct roots_ask *q, const struct log *log, FILE *out,
    struct err *e)
{
	AUTO_FD int roots_fd = -1;
	AUTO(environments) set = NULL;
	const struct action *action = NULL;
	struct err unread = { 0 };
	struct ask a = { .conf = c, .q = q, .log = log, .out = out };

	if (find_action(q, &action, e) < 0 || open_roots(c, &roots_fd, e) < 0)
		return -1;
	if (environments_load(c->environments_dir, &set, &unread) < 0)
		log_err(log, LOG_LEVEL_WARN, &unread, "no profile is looked at");
	a.roots_fd = roots_fd;
	a.set = set;
	return action->run(&a, e);
}

/* --- at the daemon's start ------------------------------------------------------------------ */

static int
has_program(void *ctx, const char *root_digest, const char *program)
{
	const int *roots_fd = ctx;

	return *roots_fd < 0 ? -1 : rootfs_has_program(*roots_fd, root_digest, program);
}

void
roots_find(
    const struct state *s, const struct account *a, struct environments *set, const struct log *log)
{
	AUTO_FD int fd = -1;
	struct err e = { 0 };

	/* Only root makes the directory, which must not be the account's. */
	if (!a->change)
		fd = openat(s->dirfd, "roots", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	else if (rootfs_open(s->dirfd, &fd, &e) < 0)
		log_err(log, LOG_LEVEL_WARN, &e, "no unpacked environment can be used");
	environments_find_roots(set, has_program, &fd);
	for (size_t i = 0; i < environments_count(set); i++) {
		const struct environment *env = environments_at(set, i);

		if (env->root_digest == NULL || env->available)
			continue;
		if (env->root_there)
			log_warn(log,
			    "environment %s is unavailable: its root %s has no program %s that "
			    "everybody may execute; correct its profile",
			    env->name, env->root_digest, env->program);
		else
			log_warn(log,
			    "environment %s is unavailable: its root %s is not on this node; get "
			    "it with: wardiand root import FILE",
			    env->name, env->root_digest);
	}
}
