/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_value_internal.h"

#include "caps.h"
#include "fd.h"
#include "http.h"
#include "object.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* An invalid name names no file: the same answer, whatever is wrong with it. */
static int
open_file(struct req *rq, const struct job *job, int *ret_fd, struct err *e)
{
	AUTO_FD int dirfd = -1;
	const char *path = req_text(rq, "path");
	int64_t size;
	int found = req_open_out(rq, job, "out/files", &dirfd, e);

	if (found < 0)
		return -1;
	if (found > 0 && object_path_valid(path, NULL)) {
		if (object_open(dirfd, path, ret_fd, &size, e) == 0)
			return 0;
		if (e->code != ERR_NOT_FOUND)
			return -1;
	}
	return err_set(
	    e, ERR_NOT_FOUND, "The job has no such file; GET /v1/jobs/{job}/files lists them.");
}

/* attachment; filename*=UTF-8''... of the last component (RFC 6266). */
static int
put_disposition(struct req *rq, struct err *e)
{
	AUTO_BUF b;
	const char *path = req_text(rq, "path"), *slash = strrchr(path, '/');

	buf_init(&b, 3 * CAP_PATH_BYTES + 64);
	buf_str(&b, "attachment; filename*=UTF-8''");
	value_escape(&b, slash == NULL ? path : slash + 1, "");
	if (buf_check(&b, e) < 0)
		return -1;
	return reply_header(rq, "Content-Disposition", b.p, e);
}

static int
put_content_range(struct req *rq, int64_t first, int64_t n, int64_t size, struct err *e)
{
	char text[80];

	if (n == 0)
		(void)snprintf(text, sizeof(text), "bytes */%lld", (long long)size); /* both fit */
	else
		(void)snprintf(text, sizeof(text), "bytes %lld-%lld/%lld", (long long)first,
		    (long long)(first + n - 1), (long long)size);
	return reply_header(rq, "Content-Range", text, e);
}

/* Range applies to GET alone, and under If-Range only to the representation that the client holds
 * (RFC 9110 section 13.1.5). */
static int
choose_range(struct req *rq, const char *etag, int64_t size, struct err *e)
{
	const char *if_range = http_req_header(rq->http, "If-Range");
	int64_t first = 0, n = size;

	rq->reply.status = 200;
	if (!rq->head && (if_range == NULL || strcmp(if_range, etag) == 0)) {
		switch (value_range_parse(http_req_header(rq->http, "Range"), size, &first, &n)) {
		case VALUE_RANGE_NONE:
			break;
		case VALUE_RANGE_PART:
			rq->reply.status = 206;
			if (put_content_range(rq, first, n, size, e) < 0)
				return -1;
			break;
		case VALUE_RANGE_OUTSIDE:
			if (put_content_range(rq, 0, 0, size, e) < 0)
				return -1;
			return err_set(e, ERR_BAD_RANGE,
			    "The range begins beyond the end; the file has %lld bytes.",
			    (long long)size);
		}
	}
	rq->reply.offset = first;
	rq->reply.n = n;
	return 0;
}

/* GET /v1/jobs/{job}/files/{path...}: the bytes of one file, or of a range of it. */
int
api_get_jobs_job_files_path(struct req *rq, struct err *e)
{
	AUTO_FD int fd = -1;
	char etag[ETAG_SIZE];
	struct stat st;
	struct job job;
	int done;

	if (req_job(rq, &job, e) < 0 || open_file(rq, &job, &fd, e) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "measure a file");
	(void)snprintf(etag, sizeof(etag), "\"%llx-%llx-%llx\"", (unsigned long long)job.epoch,
	    (unsigned long long)st.st_size, /* 4 marks and 3 * 16 digits: fits */
	    (unsigned long long)st.st_mtim.tv_sec * 1000000000u +
		(unsigned long long)st.st_mtim.tv_nsec);
	done = reply_conditional(rq, etag, e);
	if (done != 0)
		return done < 0 ? -1 : 0;
	if (choose_range(rq, etag, st.st_size, e) < 0 || put_disposition(rq, e) < 0 ||
	    reply_header(rq, "Accept-Ranges", "bytes", e) < 0 ||
	    reply_header(rq, "Content-Type", "application/octet-stream", e) < 0)
		return -1;
	rq->reply.kind = REPLY_FILE;
	rq->reply.fd = fd_take(&fd);
	return 0;
}
