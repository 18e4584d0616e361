/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"
#include "api_query_internal.h"

#include "caps.h"

enum { LABEL_MAX = 255 };

static const char states[] =
#define STATE(name, text, terminal) text " "
#include "job_fsm.def"
#undef STATE
    ;

/* GET /v1/jobs: newest first, a page at a time. */
int
api_get_jobs(struct req *rq, struct err *e)
{
	const char *state = NULL, *environment = NULL;
	struct query_pair label = { 0 };
	struct job_filter f = { 0 };
	const struct query_param filters[] = {
		QUERY_WORDS("state", states, &state),
		QUERY_TYPED_ID("project", "prj", &f.project),
		QUERY_PARAM("environment", TEXT, 1, CAP_NAME_BYTES, &environment),
		QUERY_PARAM("label.", PAIR, 0, LABEL_MAX, &label),
		QUERY_PARAMS_END,
	};
	struct json_out *o;
	struct page page;
	struct job *jobs;
	bool more;
	size_t n;

	if (page_begin(rq, filters, &page, e) < 0)
		return -1;
	f.by_state = state != NULL && job_state_parse(state, &f.state);
	f.environment = environment;
	f.label_name = label.name;
	f.label_value = label.value;
	f.before = page.last;
	f.limit = page.limit;
	if (job_list(rq->api->o.db, rq->who.tenant, &rq->scope, &f, rq->mem, &jobs, &n, &more, e) <
	    0)
		return -1;
	o = page_rows(rq);
	for (size_t i = 0; i < n; i++)
		job_print(&jobs[i], false, o);
	return page_end(rq, &page, more && n > 0 ? &jobs[n - 1].id : NULL, e);
}
