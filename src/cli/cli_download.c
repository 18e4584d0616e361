/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_internal.h"
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct download {
	const char *to; /* NULL: standard output */
	int fd;         /* -1: not open yet */
	struct err *e;
	bool failed;
};

/* Opened when the server has sent something: what is at `to` survives a request that fails. */
static int
open_target(struct download *d)
{
	if (d->fd >= 0)
		return 0;
	d->fd = d->to == NULL ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
			      : open(d->to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (d->fd < 0)
		return err_sys(d->e, errno, "%.200s cannot be opened for writing",
		    d->to == NULL ? "standard output" : d->to);
	return 0;
}

static bool
write_piece(void *ctx, const char *p, size_t n)
{
	struct download *d = ctx;

	d->failed = open_target(d) < 0 || fd_write_all(d->fd, p, n, d->e) < 0;
	return !d->failed;
}

int
cli_download(struct cli *cli, const char *path, const char *to, struct err *e)
{
	struct download d = { .to = to, .fd = -1, .e = e };
	const struct client_request q = { .method = "GET", .path = path };
	int rc = client_stream(cli->client, &q, write_piece, &d, e);

	if (rc == 0 && !d.failed)
		rc = open_target(&d); /* an empty file is a file, too */
	/* What close(2) reports would be lost otherwise: a full disk of a network file system. */
	if (d.fd >= 0 && close(d.fd) < 0 && rc == 0 && !d.failed)
		rc = err_sys(e, errno, "the file cannot be written");
	return d.failed ? -1 : rc;
}
