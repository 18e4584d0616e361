/* SPDX-License-Identifier: Apache-2.0 */
#include "api_internal.h"

#include "metrics.h"
#include "work.h"

/* GET /metrics: Prometheus text format 0.0.4. */
int
api_get_metrics(struct req *rq, struct err *e)
{
	const struct api_options *o = &rq->api->o;

	metrics_set(o->metrics, METRIC_WORK_QUEUE_DEPTH, work_depth(o->work));
	metrics_print(o->metrics, &rq->body);
	return reply_text(rq, "text/plain; version=0.0.4; charset=utf-8", e);
}
