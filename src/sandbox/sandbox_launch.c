/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch file: a head of four numbers, then argv and env as NUL-terminated strings.  Written by
 * the daemon, which forwards what tenants wrote; read by the keeper.
 */
#include "keeper.h"

#include "buf.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LAUNCH_MAGIC = 0x434e4c57 /* "WLNC" */, LAUNCH_VERSION = 1 };

struct launch_head {
	uint32_t magic;
	uint32_t version;
	uint32_t n_argv;
	uint32_t n_env;
};

static int
check_words(
    const char *const *argv, size_t n_argv, const char *const *env, size_t n_env, struct err *e)
{
	if (n_argv < 1 || n_argv > CAP_ARGS || n_env > CAP_ARGS)
		return err_set(e, ERR_INVALID,
		    "a command has 1 to %d words and an environment at most %d variables", CAP_ARGS,
		    CAP_ARGS);
	if (argv[0][0] != '/')
		return err_set(e, ERR_INVALID, "the program must be an absolute path");
	for (size_t i = 0; i < n_env; i++)
		if (env[i][0] == '=' || strchr(env[i], '=') == NULL)
			return err_set(e, ERR_INVALID,
			    "variable %zu of the environment must have the form NAME=value", i + 1);
	return 0;
}

/* Whole or absent, but not flushed: it must survive the daemon, and no run survives the machine. */
static int
put_in_place(int run_dirfd, const struct buf *b, struct err *e)
{
	AUTO_FD int fd = openat(
	    run_dirfd, "launch.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);

	/* The keeper reads it by its group, whatever the umask is. */
	if (fd < 0 || fchmod(fd, 0640) < 0)
		return err_sys(e, errno, "cannot create the launch file");
	if (fd_write_all(fd, b->p, b->n, e) < 0)
		return err_wrap(e, "the launch file");
	if (renameat(run_dirfd, "launch.new", run_dirfd, "launch") < 0)
		return err_sys(e, errno, "cannot put the launch file in place");
	return 0;
}

int
sandbox_launch_write(int run_dirfd, const struct sandbox_launch *l, struct err *e)
{
	struct launch_head head = { LAUNCH_MAGIC, LAUNCH_VERSION, (uint32_t)l->n_argv,
		(uint32_t)l->n_env };
	AUTO_BUF b;

	buf_init(&b, SANDBOX_LAUNCH_MAX);
	if (check_words(l->argv, l->n_argv, l->env, l->n_env, e) < 0)
		return -1;
	buf_append(&b, &head, sizeof(head));
	for (size_t i = 0; i < l->n_argv; i++)
		buf_append(&b, l->argv[i], strlen(l->argv[i]) + 1);
	for (size_t i = 0; i < l->n_env; i++)
		buf_append(&b, l->env[i], strlen(l->env[i]) + 1);
	if (buf_check(&b, e) < 0)
		return err_set(e, ERR_INVALID, "command and environment together exceed %d KiB",
		    SANDBOX_LAUNCH_MAX >> 10);
	return put_in_place(run_dirfd, &b, e);
}

/* Takes n strings from *p; false when the bytes end before they do. */
static bool
take_words(const char **p, const char *end, const char **words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *nul = memchr(*p, '\0', (size_t)(end - *p));

		if (nul == NULL)
			return false;
		words[i] = *p;
		*p = nul + 1;
	}
	words[n] = NULL;
	return true;
}

int
sandbox_launch_decode(const char *p, size_t n, struct keeper_launch *ret, struct err *e)
{
	const char *end = p + n;
	struct keeper_launch l;
	struct launch_head head;

	if (n < sizeof(head) || n > SANDBOX_LAUNCH_MAX)
		return err_set(e, ERR_PROTOCOL, "the launch file has an impossible size");
	memcpy(&head, p, sizeof(head));
	if (head.magic != LAUNCH_MAGIC || head.version != LAUNCH_VERSION)
		return err_set(e, ERR_PROTOCOL, "the launch file is none of this version");
	if (head.n_argv < 1 || head.n_argv > CAP_ARGS || head.n_env > CAP_ARGS)
		return err_set(
		    e, ERR_PROTOCOL, "the launch file has an impossible number of words");
	p += sizeof(head);
	l.n_argv = head.n_argv;
	l.n_env = head.n_env;
	if (!take_words(&p, end, l.argv, l.n_argv) || !take_words(&p, end, l.env, l.n_env))
		return err_set(e, ERR_PROTOCOL, "the launch file ends inside a word");
	if (p != end)
		return err_set(e, ERR_PROTOCOL, "the launch file goes on behind its last word");
	if (check_words(l.argv, l.n_argv, l.env, l.n_env, e) < 0)
		return -1;
	*ret = l;
	return 0;
}
