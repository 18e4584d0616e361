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
try_connect(const char *socket_path, int *ret_fd)
{
	struct sandbox_event ready;
	struct err ignored = { 0 };

	return sandbox_connect(socket_path, ret_fd, &ready, &ignored);
}

static int
start(const struct conf *c, const struct state *s, pid_t *ret, struct err *e)
{
	char uid_base[24];
	char *const env[] = { (char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" }, NULL };
	const char *argv[] = { c->sandbox_spawner, "--state", s->dir, "--user", c->state_user,
		"--uid-base", uid_base, "--keeper", c->sandbox_keeper, NULL };
	posix_spawnattr_t attr;
	int rc;

	(void)snprintf(uid_base, sizeof(uid_base), "%lld", (long long)c->sandbox_uid_base);
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

int
spawner_ensure(const struct conf *c, const struct state *s, const struct account *a,
    const struct log *log, int *ret_fd, struct err *e)
{
	struct deadline until = deadline_in_ms(START_TIMEOUT_MS);
	char path[STATE_PATH_SIZE];
	pid_t pid = 0;
	int status;

	state_path(s, "spawner.sock", path);
	if (try_connect(path, ret_fd) == 0) {
		log_info(log, "a spawner is there already");
		return 0;
	}
	if (!a->change)
		return err_set(e, ERR_UNAVAILABLE,
		    "no spawner listens in %s and only root can start one; start wardiand as root, "
		    "or "
		    "run: wardian-spawner --state %s --user %s",
		    s->dir, s->dir, c->state_user);
	if (start(c, s, &pid, e) < 0)
		return -1;
	/* What was started goes to the background once its socket is there, and is reaped here. */
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (deadline_passed(until))
			return err_set(e, ERR_SANDBOX, "the spawner did not start within %d ms",
			    START_TIMEOUT_MS);
		(void)poll(NULL, 0, RETRY_MS); /* a nap; there is nothing to be told by */
	}
	if (status != 0)
		return err_set(e, ERR_SANDBOX,
		    "the spawner ended with status %d; its own lines above say why", status);
	while (try_connect(path, ret_fd) < 0) {
		if (deadline_passed(until))
			return err_set(e, ERR_SANDBOX, "the spawner did not answer within %d ms",
			    START_TIMEOUT_MS);
		(void)poll(NULL, 0, RETRY_MS);
	}
	return 0;
}
