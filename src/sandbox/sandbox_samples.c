/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run used over time: written down by its keeper, read by the daemon at any moment.  An
 * entry is appended by one write, so that only the last can be torn; when every second one goes, a
 * new file takes the place of the old one.
 */
#include "keeper.h"

#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(struct sandbox_sample) == 56, "no padding in a record");

static int
check(const struct sandbox_sample *v, size_t n, struct err *e)
{
	int64_t before_ms = -1;

	for (size_t i = 0; i < n; i++) {
		const int64_t counters[] = { v[i].at_ms, v[i].cpu_ns, v[i].throttled_ns,
			v[i].memory_bytes, v[i].processes, v[i].io_read_bytes,
			v[i].io_write_bytes };

		for (size_t j = 0; j < ARRAY_LEN(counters); j++)
			if (counters[j] < 0)
				return err_set(e, ERR_PROTOCOL, "a sample of use is below zero");
		if (v[i].at_ms <= before_ms)
			return err_set(e, ERR_PROTOCOL, "samples of use are out of order");
		before_ms = v[i].at_ms;
	}
	return 0;
}

int
sandbox_samples_read(int run_dirfd, struct sandbox_sample *ret, size_t *ret_n, struct err *e)
{
	AUTO_FD int out = openat(run_dirfd, "out", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_FREE char *text = NULL;
	struct err why = { 0 };
	size_t n = 0;

	*ret_n = 0;
	if (out < 0 && (errno == ENOENT || errno == EACCES)) /* not handed over yet */
		return 0;
	if (out < 0)
		return err_sys(e, errno, "cannot open the output of a run");
	if (fd_read_file(out, "usage", SANDBOX_SAMPLES_MAX * sizeof(*ret), &text, &n, &why) < 0) {
		if (why.sys == ENOENT)
			return 0;
		*e = why;
		return -1;
	}
	n /= sizeof(*ret); /* the last may still be on its way */
	if (n > 0)
		memcpy(ret, text, n * sizeof(*ret));
	if (check(ret, n, e) < 0)
		return -1;
	*ret_n = n;
	return 0;
}

/* --- the keeper's side ---------------------------------------------------------------------- */

static const char new_name[] = "usage.new";

void
sandbox_samples_init(struct sandbox_samples *s, int out_dirfd)
{
	*s = (struct sandbox_samples){
		.out_fd = out_dirfd, .fd = -1, .interval_ms = SANDBOX_SAMPLE_MS
	};
}

void
sandbox_samples_done(struct sandbox_samples *s)
{
	fd_close(&s->fd);
	free(s->at);
	s->at = NULL;
}

static int
put(int fd, const struct sandbox_samples *s, size_t from, size_t n, struct err *e)
{
	const off_t offset = (off_t)(from * sizeof(*s->at));

	if (pwrite(fd, s->at + from, n * sizeof(*s->at), offset) != (ssize_t)(n * sizeof(*s->at)))
		return err_sys(e, errno, "cannot write the samples of use");
	return 0;
}

static int
create(const struct sandbox_samples *s, const char *name, int *ret_fd, struct err *e)
{
	int fd =
	    openat(s->out_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);

	if (fd < 0)
		return err_sys(e, errno, "cannot create the samples of use");
	*ret_fd = fd;
	return 0;
}

/* Every second one stays, the last among them; from now on they come half as often. */
static int
halve(struct sandbox_samples *s, struct err *e)
{
	AUTO_FD int fd = -1;

	s->n /= 2;
	for (size_t i = 0; i < s->n; i++)
		s->at[i] = s->at[2 * i + 1];
	s->interval_ms *= 2;
	if (create(s, new_name, &fd, e) < 0 || put(fd, s, 0, s->n, e) < 0)
		return -1;
	if (renameat(s->out_fd, new_name, s->out_fd, "usage") < 0)
		return err_sys(e, errno, "cannot put the samples of use in place");
	fd_close(&s->fd);
	s->fd = fd_take(&fd);
	return 0;
}

int
sandbox_samples_add(struct sandbox_samples *s, const struct sandbox_sample *v, struct err *e)
{
	if (s->at == NULL) {
		s->at = calloc(SANDBOX_SAMPLES_MAX, sizeof(*s->at));
		if (s->at == NULL)
			return err_sys(e, ENOMEM, "no memory for the samples of use");
		if (create(s, "usage", &s->fd, e) < 0)
			return -1;
	}
	s->at[s->n] = *v;
	if (put(s->fd, s, s->n, 1, e) < 0)
		return -1;
	s->n++;
	return s->n == SANDBOX_SAMPLES_MAX ? halve(s, e) : 0;
}
