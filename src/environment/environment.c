/* SPDX-License-Identifier: Apache-2.0 */
#include "environment_internal.h"

#include "fd.h"
#include "parse.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SET_ENVIRONMENTS_MAX = 256,
	/* 256 profiles of typical size are about 3 MiB, most of it room for parameters and rules.
	 */
	SET_ARENA_BYTES = 32 << 20
};

struct environments {
	struct arena *mem;
	size_t n;
	struct environment *items[SET_ENVIRONMENTS_MAX]; /* by name */
};

int
environments_new(struct environments **ret, struct err *e)
{
	struct environments *set = calloc(1, sizeof(*set));

	if (set != NULL)
		set->mem = arena_new(SET_ARENA_BYTES);
	if (set == NULL || set->mem == NULL) {
		free(set);
		err_set(e, ERR_NO_MEMORY, "The server is short of memory; try again later");
		return -1;
	}
	*ret = set;
	return 0;
}

void
environments_free(struct environments *set)
{
	if (set == NULL)
		return;
	arena_free(set->mem);
	free(set);
}

size_t
environments_count(const struct environments *set)
{
	return set->n;
}

const struct environment *
environments_at(const struct environments *set, size_t i)
{
	REQUIRE(i < set->n);
	return set->items[i];
}

const struct environment *
environments_find(const struct environments *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->items[i]->name, name) == 0)
			return set->items[i];
	return NULL;
}

const char *
environments_nearest(const struct environments *set, const char *name)
{
	const char *names[SET_ENVIRONMENTS_MAX], *near;

	for (size_t i = 0; i < set->n; i++)
		names[i] = set->items[i]->name;
	near = environment_near(names, set->n, name);
	return near == NULL ? "" : near;
}

/* --- adding ------------------------------------------------------------------------------- */

/* FNV-1a, 64 bits: tells versions of a profile apart, protects nothing. */
static const char *
digest(const char *text, size_t n, struct arena *mem)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)text[i]) * 1099511628211u;
	return arena_printf(mem, "%016" PRIx64, h);
}

static bool
program_runs(const char *program)
{
	struct stat st;

	return stat(program, &st) == 0 && S_ISREG(st.st_mode) && access(program, X_OK) == 0;
}

static int
insert(struct environments *set, const char *file, struct environment *env, struct err *e)
{
	size_t at = set->n;

	if (environments_find(set, env->name) != NULL)
		return err_set(
		    e, ERR_CONF, "%s: there are two environments named \"%s\"", file, env->name);
	if (set->n == SET_ENVIRONMENTS_MAX)
		return err_set(
		    e, ERR_CONF, "%s: more than %d environments", file, SET_ENVIRONMENTS_MAX);
	for (; at > 0 && strcmp(set->items[at - 1]->name, env->name) > 0; at--)
		set->items[at] = set->items[at - 1];
	set->items[at] = env;
	set->n++;
	return 0;
}

int
environments_add(
    struct environments *set, const char *file, const char *text, size_t n, struct err *e)
{
	struct environment *env = arena_alloc(set->mem, sizeof(*env));

	if (env == NULL)
		return arena_err(e);
	if (environment_profile_read(file, text, n, set->mem, env, e) < 0)
		return -1;
	if (environment_profile_check(file, env, e) < 0)
		return -1;
	env->digest = digest(text, n, set->mem);
	if (env->digest == NULL)
		return arena_err(e);
	env->available = env->root_digest == NULL && program_runs(env->program);
	return insert(set, file, env, e);
}

void
environments_find_roots(struct environments *set, environment_root_fn *has, void *ctx)
{
	for (size_t i = 0; i < set->n; i++) {
		struct environment *env = set->items[i];

		int found = 0;

		if (env->root_digest == NULL)
			continue;
		found = has(ctx, env->root_digest, env->program);
		env->available = found > 0;
		env->root_there = found >= 0;
	}
}

/* --- loading a directory ------------------------------------------------------------------ */

struct listing {
	struct arena *mem;
	const char *names[SET_ENVIRONMENTS_MAX];
	size_t n;
};

static int
list_profiles(DIR *dir, struct listing *l, struct err *e)
{
	const struct dirent *entry;

	while ((entry = readdir(dir)) != NULL) {
		size_t n = strlen(entry->d_name);

		if (entry->d_name[0] == '.' || n < 6 || strcmp(entry->d_name + n - 5, ".toml") != 0)
			continue;
		if (l->n == SET_ENVIRONMENTS_MAX)
			return err_set(e, ERR_CONF, "more than %d profiles in one directory",
			    SET_ENVIRONMENTS_MAX);
		l->names[l->n] = arena_strdup(l->mem, entry->d_name);
		if (l->names[l->n++] == NULL)
			return arena_err(e);
	}
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
load_file(struct environments *set, int dirfd, const char *name, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t n;

	if (fd_read_file(dirfd, name, ENVIRONMENT_PROFILE_BYTES_MAX, &text, &n, e) < 0) {
		e->code = ERR_CONF;
		return -1;
	}
	return environments_add(set, name, text == NULL ? "" : text, n, e);
}

/* In the order of names, so that of two faults the same one is told each time. */
static int
load_all(struct environments *set, DIR *dir, struct err *e)
{
	struct listing l = { .mem = set->mem };

	if (list_profiles(dir, &l, e) < 0)
		return -1;
	qsort(l.names, l.n, sizeof(l.names[0]), compare_names);
	for (size_t i = 0; i < l.n; i++)
		if (load_file(set, dirfd(dir), l.names[i], e) < 0)
			return -1;
	return 0;
}

int
environments_load(const char *dir, struct environments **ret, struct err *e)
{
	AUTO(environments) set = NULL;
	DIR *d;
	int r;

	if (environments_new(&set, e) < 0)
		return -1;
	d = opendir(dir);
	if (d == NULL)
		return err_set(e, ERR_CONF,
		    "The directory of environment profiles %s cannot be read: %s", dir,
		    strerror(errno));
	r = load_all(set, d, e);
	closedir(d);
	if (r < 0)
		return -1;
	*ret = set;
	set = NULL;
	return 0;
}
