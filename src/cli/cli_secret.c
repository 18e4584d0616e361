/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets that come once, and secrets that are typed. */
#include "cli_call_internal.h"

#include "fd.h"
#include "id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* --- to a file -------------------------------------------------------------------------------- */

/* A device or a link would be replaced by a file. */
static int
check_target(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "%.180s is not a regular file; name another", path);
	return 0;
}

int
cli_secret_open(const char *path, struct cli_secret_file *ret, struct err *e)
{
	AUTO_FREE char *temporary = NULL;
	char random[UUID_STR_SIZE];
	int fd;

	if (check_target(path, e) < 0)
		return -1;
	if (asprintf(&temporary, "%s.%s.tmp", path, uuid_format(uuid_v7(), random)) < 0) {
		temporary = NULL;
		return err_set(e, ERR_NO_MEMORY, "not enough memory for a file name");
	}
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(
		    e, errno, "%.180s cannot be written, so nothing was asked for", path);
	*ret = (struct cli_secret_file){ .path = path, .temporary = temporary, .fd = fd };
	temporary = NULL;
	return 0;
}

int
cli_secret_write(struct cli_secret_file *f, const char *p, size_t n, struct err *e)
{
	if (fd_write_all(f->fd, p, n, e) < 0)
		return err_wrap(e, "%.120s", f->path);
	if (fsync(f->fd) < 0 || rename(f->temporary, f->path) < 0)
		return err_sys(e, errno, "%.120s cannot be written", f->path);
	free(f->temporary);
	f->temporary = NULL;
	return 0;
}

void
cli_secret_close(struct cli_secret_file *f)
{
	if (f->temporary != NULL)
		(void)unlink(f->temporary); /* empty, or a part: of no use to anybody */
	free(f->temporary);
	f->temporary = NULL;
	fd_close(&f->fd);
}

/* --- from the terminal ------------------------------------------------------------------------ */

enum { KEY_INTERRUPT = 3, KEY_END = 4, KEY_BACKSPACE = 8, KEY_KILL_LINE = 21, KEY_DELETE = 127 };

/* Characters up to the end of the line: 1, or 0 when it was canceled. */
static int
read_typed(char *out, size_t size, struct err *e)
{
	size_t n = 0;

	for (;;) {
		char c;
		ssize_t got = read(STDIN_FILENO, &c, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, errno, "the terminal cannot be read");
		if (got == 0 || c == KEY_INTERRUPT || (c == KEY_END && n == 0))
			return 0;
		if (c == '\n' || c == '\r' || c == KEY_END)
			break;
		if (c == KEY_KILL_LINE)
			n = 0;
		else if (c == KEY_BACKSPACE || c == KEY_DELETE)
			n -= n > 0;
		else if (n + 1 < size)
			out[n++] = c;
		else
			return err_set(e, ERR_USAGE, "what was typed is too long to be a key");
	}
	out[n] = '\0';
	return 1;
}

/* Signals from the keyboard are read as characters meanwhile: one of them would otherwise leave a
 * terminal without echo behind. */
int
cli_secret_ask(const char *prompt, char *out, size_t size, struct err *e)
{
	struct termios before, silent;
	int rc;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return err_sys(e, errno, "the terminal cannot be set");
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG);
	silent.c_cc[VMIN] = 1;
	silent.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) < 0)
		return err_sys(e, errno, "the terminal cannot be set");
	(void)fputs(prompt, stderr);
	rc = read_typed(out, size, e);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before); /* nothing helps when it fails */
	(void)fputc('\n', stderr);
	return rc;
}
