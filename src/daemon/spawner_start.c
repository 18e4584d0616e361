/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"
#include "daemon_internal.h"
#include "fd.h"
#include "sandbox.h"

#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_TIMEOUT_MS = 5000, RETRY_MS = 20 };

static int
try_connect(const char *socket_path, int *ret_fd, uint32_t *ret_protocol)
{
	struct sandbox_event ready;
	struct err ignored = { 0 };

	if (sandbox_connect(socket_path, ret_fd, &ready, &ignored) < 0)
		return -1;
	*ret_protocol = ready.protocol;
	return 0;
}

/* Who may start one: root, and an ordinary user who is content with less. */
static bool
may_start(const struct conf *c, const struct account *a)
{
	return a->change || strcmp(c->sandbox_weaker, "allow") == 0;
}

static int
start(const struct conf *c, const struct state *s, const struct account *a, bool standby,
    pid_t *ret, struct err *e)
{
	char uid_base[24];
	char *const env[] = { (char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" }, NULL };
	const char *argv[20] = { c->sandbox_spawner, "--state", s->dir, "--keeper",
		c->sandbox_keeper };
	const struct {
		const char *option, *value;
	} set[] = { { "--user", a->change ? c->state_user : "" },
		{ "--uid-base", a->change ? uid_base : "" },
		{ "--weaker", a->change ? "" : c->sandbox_weaker },
		{ "--gpu-dev", c->sandbox_gpu_dev }, { "--gpu-proc", c->sandbox_gpu_proc } };
	size_t n = 5;
	posix_spawnattr_t attr;
	int rc;

	(void)snprintf(uid_base, sizeof(uid_base), "%lld", (long long)c->sandbox_uid_base);
	for (size_t i = 0; i < ARRAY_LEN(set); i++)
		if (set[i].value[0] != '\0') {
			argv[n++] = set[i].option;
			argv[n++] = set[i].value;
		}
	if (standby)
		argv[n++] = "--standby";
	if ((rc = posix_spawnattr_init(&attr)) != 0)
		return err_sys(e, rc, "prepare to start the spawner");
	/* A session of its own: a Ctrl-C meant for the daemon must not end what holds the runs. */
	rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
	if (rc == 0) {
		char *words[ARRAY_LEN(argv)];

		memcpy(words, argv, sizeof(argv));
		rc = posix_spawn(ret, c->sandbox_spawner, NULL, &attr, words, env);
	}
	(void)posix_spawnattr_destroy(&attr); /* cannot fail on Linux */
	if (rc != 0)
		return err_sys(
		    e, rc, "start the spawner %s (setting sandbox.spawner)", c->sandbox_spawner);
	return 0;
}

/* What was started goes to the background once its socket is there, and is reaped here. */
static int
await_start(pid_t pid, struct deadline until, struct err *e)
{
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (deadline_passed(until))
			return err_set(e, ERR_SANDBOX, "the spawner did not start within %d ms",
			    START_TIMEOUT_MS);
		(void)poll(NULL, 0, RETRY_MS); /* a nap; there is nothing to be told by */
	}
	if (status != 0)
		return err_set(e, ERR_SANDBOX,
		    "the spawner ended with status %d; its own lines above say why", status);
	return 0;
}

/*
 * A spawner of another release goes on with its runs; killing it would disturb nobody, but who may
 * do that is for the operator to say.  Ours waits in the background for its end, since later nobody
 * here has the right to start one.  It is not held on to: it ends when it has no runs and no
 * connection.
 */
static void
stand_by(const struct conf *c, const struct state *s, const struct account *a,
    const struct log *log, int *fd)
{
	struct err e = { 0 };
	pid_t pid = 0;

	fd_close(fd);
	if (!may_start(c, a))
		return;
	if (start(c, s, a, true, &pid, &e) < 0 ||
	    await_start(pid, deadline_in_ms(START_TIMEOUT_MS), &e) < 0)
		log_err(log, LOG_LEVEL_WARN, &e, "start the next spawner");
}

int
spawner_ensure(const struct conf *c, const struct state *s, const struct account *a,
    const struct log *log, int *ret_fd, struct err *e)
{
	struct deadline until = deadline_in_ms(START_TIMEOUT_MS);
	char path[STATE_PATH_SIZE];
	uint32_t protocol;
	pid_t pid = 0;

	state_path(s, "spawner.sock", path);
	if (try_connect(path, ret_fd, &protocol) == 0) {
		log_info(log, "a spawner is there already");
		if (protocol != SANDBOX_PROTOCOL)
			stand_by(c, s, a, log, ret_fd);
		return 0;
	}
	if (!may_start(c, a))
		return err_set(e, ERR_UNAVAILABLE,
		    "no spawner of root's listens here; start wardiand as root or the unit "
		    "wardian-spawner, or let all tenants' jobs run under your own uid with "
		    "sandbox.weaker=allow");
	if (start(c, s, a, false, &pid, e) < 0 || await_start(pid, until, e) < 0)
		return -1;
	while (try_connect(path, ret_fd, &protocol) < 0) {
		if (deadline_passed(until))
			return err_set(e, ERR_SANDBOX, "the spawner did not answer within %d ms",
			    START_TIMEOUT_MS);
		(void)poll(NULL, 0, RETRY_MS);
	}
	return 0;
}
