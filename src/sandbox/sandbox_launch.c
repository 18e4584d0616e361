/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch file: a head of numbers, then argv, env and the two words of the stop recipe as
 * NUL-terminated strings.  Written by
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

enum { LAUNCH_MAGIC = 0x434e4c57 /* "WLNC" */, LAUNCH_VERSION = 2 };

struct launch_head {
	uint32_t magic;
	uint32_t version;
	uint32_t n_argv;
	uint32_t n_env;
	int64_t stop_signal; /* 0: none */
	int64_t stop_wait_ms;
};
enum { STOP_WORDS = 2 /* file and text; no file is the empty word */, STOP_FILE_MAX = 255 };

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

/* One name directly in /work: no way out of it needs to be thought of. */
static int
check_stop(const struct sandbox_stop *s, struct err *e)
{
	if (s->signal < 0 || s->signal > 64)
		return err_set(e, ERR_INVALID, "the signal of a stop recipe is none");
	if (s->wait_ms < 0 || s->wait_ms > INT64_C(3600) * 1000)
		return err_set(e, ERR_INVALID, "a stop recipe may wait for an hour at most");
	if (s->file != NULL &&
	    (strlen(s->file) > STOP_FILE_MAX || strchr(s->file, '/') != NULL ||
		strcmp(s->file, ".") == 0 || strcmp(s->file, "..") == 0 || s->file[0] == '\0'))
		return err_set(e, ERR_INVALID,
		    "the file of a stop recipe must be one name in the working directory");
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
	const struct launch_head head = { LAUNCH_MAGIC, LAUNCH_VERSION, (uint32_t)l->n_argv,
		(uint32_t)l->n_env, l->stop.signal, l->stop.wait_ms };
	const char *const stop[STOP_WORDS] = { l->stop.file == NULL ? "" : l->stop.file,
		l->stop.text == NULL ? "" : l->stop.text };
	AUTO_BUF b;

	buf_init(&b, SANDBOX_LAUNCH_MAX);
	if (check_words(l->argv, l->n_argv, l->env, l->n_env, e) < 0 || check_stop(&l->stop, e) < 0)
		return -1;
	buf_append(&b, &head, sizeof(head));
	for (size_t i = 0; i < l->n_argv; i++)
		buf_append(&b, l->argv[i], strlen(l->argv[i]) + 1);
	for (size_t i = 0; i < l->n_env; i++)
		buf_append(&b, l->env[i], strlen(l->env[i]) + 1);
	for (size_t i = 0; i < STOP_WORDS; i++)
		buf_append(&b, stop[i], strlen(stop[i]) + 1);
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
	const char *stop[STOP_WORDS + 1];
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
	if (head.stop_signal < 0 || head.stop_signal > 64)
		return err_set(e, ERR_PROTOCOL, "the launch file has an impossible signal");
	if (!take_words(&p, end, l.argv, l.n_argv) || !take_words(&p, end, l.env, l.n_env) ||
	    !take_words(&p, end, stop, STOP_WORDS))
		return err_set(e, ERR_PROTOCOL, "the launch file ends inside a word");
	if (p != end)
		return err_set(e, ERR_PROTOCOL, "the launch file goes on behind its last word");
	l.stop = (struct sandbox_stop){ .signal = (int)head.stop_signal,
		.file = stop[0][0] == '\0' ? NULL : stop[0],
		.text = stop[1],
		.wait_ms = head.stop_wait_ms };
	if (check_words(l.argv, l.n_argv, l.env, l.n_env, e) < 0 || check_stop(&l.stop, e) < 0)
		return -1;
	*ret = l;
	return 0;
}
