/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts and programs that Wardian starts but does not bring along. */
#include "host_internal.h"

#include "parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
host_check_account(const struct host_view *v)
{
	AUTO_FREE char *text = NULL;
	char *rest, *line;
	const size_t n = strlen(v->o->user);
	int sys = host_read(v, "/etc/passwd", &text);

	if (sys != 0) {
		host_say_unseen(v, "/etc/passwd", sys);
		return;
	}
	for (rest = text; (line = host_next_line(&rest)) != NULL;)
		if (strncmp(line, v->o->user, n) == 0 && line[n] == ':')
			host_say(v, HOST_GOOD, "the user %s is there", v->o->user);
	/* Accounts of LDAP and the like stand in no file. */
	host_say(v, HOST_LACKING, "/etc/passwd has no user %s", v->o->user);
}

void
host_check_programs(const struct host_view *v)
{
	const char *const paths[] = { v->o->spawner, v->o->keeper };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		int sys = host_may(v, paths[i], X_OK);

		if (sys == EACCES)
			host_say(v, HOST_LACKING, "%.150s may not be executed by uid %u", paths[i],
			    v->f->uid);
		else if (sys != 0)
			host_say(v, HOST_LACKING, "%.150s is not there", paths[i]);
	}
	host_say(v, HOST_GOOD, "wardian-spawner and wardian-keeper are there");
}

/* What the dynamic loader of a program of /usr is found by. */
void
host_check_usr(const struct host_view *v)
{
	static const struct {
		const char *path, *to;
		bool optional; /* absent on some architectures */
	} links[] = { { "bin", "usr/bin", false }, { "lib", "usr/lib", false },
		{ "lib64", "usr/lib64", true } };

	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		char to[PATH_MAX] = "";
		ssize_t n = readlinkat(v->root_fd, links[i].path, to, sizeof(to) - 1);

		if (n < 0 && errno == ENOENT && links[i].optional)
			continue;
		if (n < 0 || strcmp(to + strspn(to, "/"), links[i].to) != 0)
			host_say(
			    v, HOST_LACKING, "/%s is no link to /%s", links[i].path, links[i].to);
	}
	host_say(v, HOST_GOOD, "/bin and /lib are links into /usr");
}

/* --- PostgreSQL ---------------------------------------------------------------------------------
 */

static bool
has_postgres(const struct host_view *v, const char *dir)
{
	static const char *const names[] = { "initdb", "postgres" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (snprintf(path, sizeof(path), "%s/%s", dir, names[i]) >= (int)sizeof(path) ||
		    host_may(v, path, X_OK) != 0)
			return false;
	return true;
}

/* The newest major version of at least 15 below Debian's directory; 0: none. */
static int64_t
newest_postgres(const struct host_view *v)
{
	static const char debian[] = "usr/lib/postgresql";
	enum { OLDEST = 15, NEWEST = 99 };
	int fd = openat(v->root_fd, debian, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int64_t best = 0;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return 0;
	}
	for (struct dirent *f = readdir(d); f != NULL; f = readdir(d)) {
		char path[sizeof(debian) + sizeof(f->d_name) + 8];
		struct err ignored = { 0 };
		int64_t major;

		(void)snprintf(path, sizeof(path), "%s/%s/bin", debian, f->d_name); /* fits */
		if (parse_i64(f->d_name, OLDEST, NEWEST, &major, &ignored) == 0 && major > best &&
		    has_postgres(v, path))
			best = major;
	}
	(void)closedir(d); /* opened by us */
	return best;
}

void
host_check_postgres(const struct host_view *v)
{
	int64_t major;

	if (v->o->outside_database) {
		host_say(v, HOST_GOOD, "database.url names one; this machine needs none");
		return;
	}
	if (v->o->postgres_dir[0] != '\0') {
		if (has_postgres(v, v->o->postgres_dir))
			host_say(v, HOST_GOOD, "initdb and postgres are in database.bin_dir");
		host_say(v, HOST_LACKING, "%.150s (database.bin_dir) lacks initdb or postgres",
		    v->o->postgres_dir);
		return;
	}
	major = newest_postgres(v);
	if (major == 0)
		host_say(v, HOST_LACKING, "version 15 or newer is not installed");
	else
		host_say(v, HOST_GOOD, "version %lld", (long long)major);
}

/* --- simulators ---------------------------------------------------------------------------------
 */

void
host_check_simulators(const struct host_view *v)
{
	char missing[HOST_LIST_SIZE] = "", one[HOST_LIST_SIZE];
	size_t n_missing = 0;

	for (size_t i = 0; i < v->o->n_simulators; i++) {
		const struct host_simulator *s = &v->o->simulators[i];

		if (s->available)
			continue;
		n_missing++;
		(void)snprintf(one, sizeof(one), "%.60s (%.60s)", s->name, s->package); /* fits */
		host_list_add(missing, ", ", one);
	}
	if (v->o->n_simulators == 0)
		host_say(v, HOST_LACKING, "no environment: %.200s", v->o->simulators_why);
	else if (n_missing > 0)
		host_say(v, HOST_LACKING, "%zu of %zu are there; missing: %s",
		    v->o->n_simulators - n_missing, v->o->n_simulators, missing);
	else
		host_say(v, HOST_GOOD, "all %zu are there", v->o->n_simulators);
}
