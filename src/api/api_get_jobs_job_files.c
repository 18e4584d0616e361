/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_query_internal.h"
#include "api_value_internal.h"

#include "caps.h"
#include "fd.h"
#include "http.h"
#include "object.h"

enum { FILES_DEFAULT = 1000 };

static int
print_file(struct req *rq, const struct object_file *f, struct json_out *o, struct err *e)
{
	AUTO_BUF href;
	char id[ID_STR_SIZE];

	buf_init(&href, 3 * CAP_PATH_BYTES + 128);
	buf_printf(&href, "/v1/jobs/%s/files/", id_format("job", req_id(rq, "job"), id));
	value_escape(&href, f->path, "/");
	if (buf_check(&href, e) < 0)
		return -1;
	json_out_begin(o);
	json_put_text(o, "path", f->path);
	json_put_i64(o, "size_bytes", f->size_bytes);
	json_put_time(o, "modified_at", f->modified_wall_us);
	json_put_text(o, "href", href.p);
	json_out_end(o);
	return 0;
}

/* GET /v1/jobs/{job}/files: what its latest attempt left behind. */
int
api_get_jobs_job_files(struct req *rq, struct err *e)
{
	AUTO_FD int dirfd = -1;
	int64_t limit = FILES_DEFAULT;
	const struct query_param params[] = {
		QUERY_PARAM("limit", LIMIT, 1, CAP_OUTPUT_FILES, &limit),
		QUERY_PARAMS_END,
	};
	struct object_file *files = NULL;
	struct json_out *o = reply_begin(rq);
	bool more = false;
	struct job job;
	size_t n = 0;
	int found;

	if (query_decode(http_req_query(rq->http), params, rq->mem, e) < 0 ||
	    req_job(rq, &job, e) < 0)
		return -1;
	found = req_open_out(rq, &job, "out/files", &dirfd, e);
	if (found < 0 ||
	    (found > 0 && object_list(dirfd, (size_t)limit, rq->mem, &files, &n, &more, e) < 0))
		return -1;
	json_out_begin(o);
	json_out_key(o, "data");
	json_out_begin_array(o);
	for (size_t i = 0; i < n; i++)
		if (print_file(rq, &files[i], o, e) < 0)
			return -1;
	json_out_end_array(o);
	json_put_bool(o, "has_more", more);
	json_out_end(o);
	return reply_json_tagged(rq, e);
}
