/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHED_MACHINES_H
#define SCHED_MACHINES_H

/* The machines of the world: compute.h for two nodes, "A" and "B". */

#include "sched_world.h"

static struct box *
box_find(char node, const struct compute_run_id *id)
{
	for (size_t i = 0; i < world.n_boxes; i++) {
		struct box *b = &world.boxes[i];

		if (b->node == node && b->id.epoch == id->epoch &&
		    uuid_cmp(b->id.run, id->run) == 0)
			return b;
	}
	return NULL;
}

static void
tell(struct compute *c, enum compute_event_kind kind, const struct compute_run_id *id)
{
	assert_true(c->n_events < EVENTS);
	c->events[c->n_events] = (struct compute_event){ .kind = kind, .what = "cgroup" };
	if (id != NULL)
		c->events[c->n_events].id = *id;
	c->n_events++;
}

static void
box_end(struct box *b, enum compute_outcome_kind kind, int64_t exit_code, bool record)
{
	b->live = false;
	b->record = record;
	b->outcome = (struct compute_outcome){ .kind = kind,
		.exit_code = exit_code,
		.started_wall_us = clock_wall_us(),
		.ended_wall_us = clock_wall_us(),
		.wall_ns = 1 };
}

static void
end_what_is_due(struct compute *c)
{
	for (size_t i = 0; i < world.n_boxes; i++) {
		struct box *b = &world.boxes[i];

		if (b->node != c->node || !b->live || b->ends_ms > sched_now_ms())
			continue;
		box_end(
		    b, COMPUTE_EXITED, b->behaviour == EXITS_BADLY, b->behaviour != KEEPER_DIES);
		if (c->connected)
			tell(c, COMPUTE_ENDED, &b->id);
	}
}

static void
on_world(void *arg)
{
	struct compute *c = arg;
	struct compute_event out[EVENTS / 16];
	size_t n;

	lock_take(&world.lock);
	end_what_is_due(c);
	if (c->connected == atomic_load(&world.spawner_down[c->node - 'A'])) {
		c->connected = !c->connected;
		c->n_events = 0;
		tell(c, c->connected ? COMPUTE_CONNECTED : COMPUTE_LOST, NULL);
	}
	n = c->n_events < ARRAY_LEN(out) ? c->n_events : ARRAY_LEN(out);
	memcpy(out, c->events, n * sizeof(out[0]));
	memmove(c->events, c->events + n, (c->n_events - n) * sizeof(out[0]));
	c->n_events -= n;
	lock_give(&world.lock);
	for (size_t i = 0; i < n; i++)
		c->o.on_event(c->o.ctx, &out[i]);
}

int
compute_new(const struct compute_options *o, struct compute **ret, struct err *e)
{
	struct compute *c = calloc(1, sizeof(*c));

	c->o = *o;
	c->node = o->runs_dir[0];
	assert_int_equal(loop_timer_new(o->loop, on_world, c, &c->timer, e), 0);
	loop_timer_start(c->timer, WORLD_TICK_MS, WORLD_TICK_MS);
	*ret = c;
	return 0;
}

void
compute_free(struct compute *c)
{
	if (c == NULL)
		return;
	loop_timer_free(c->timer);
	free(c);
}

int
compute_prepare(struct compute *c, const struct compute_run *r, struct err *e)
{
	struct box b = { .node = c->node,
		.id = r->id,
		.dir = true,
		.cpu_milli = r->cpu_milli,
		.hold = { .gpus = r->gpus } };
	struct sched_hold_counts n;

	(void)e;
	memcpy(b.hold.cpus, r->cpu_set, sizeof(b.hold.cpus));
	n = sched_hold_count(&b.hold);
	lock_take(&world.db_lock);
	b.behaviour = row_of(r->id.run)->behaviour;
	b.lasts_ms = row_of(r->id.run)->lasts_ms;
	world.odd_holds += n.gpus != row_of(r->id.run)->gpus;
	world.odd_holds +=
	    n.cpus != (row_of(r->id.run)->pin_cpus ? row_of(r->id.run)->cpu_milli / 1000 : 0);
	lock_give(&world.db_lock);
	lock_take(&world.lock);
	assert_true(world.n_boxes < BOXES);
	assert_null(box_find(c->node, &r->id));
	assert_non_null(r->argv);
	assert_true(r->n_env >= 6);
	world.boxes[world.n_boxes++] = b;
	lock_give(&world.lock);
	return 0;
}

int
compute_held(struct compute *c, const struct compute_run_id *id, uint64_t *ret_gpus,
    uint64_t ret_cpus[static COMPUTE_CPU_WORDS], struct err *e)
{
	const struct box *b;
	int rc = 0;

	lock_take(&world.lock);
	b = box_find(c->node, id);
	if (world.holds_lost || b == NULL) {
		rc = err_set(e, ERR_PROTOCOL, "the file is damaged");
	} else {
		*ret_gpus = b->hold.gpus;
		memcpy(ret_cpus, b->hold.cpus, sizeof(b->hold.cpus));
	}
	lock_give(&world.lock);
	return rc;
}

static bool
overlap(const struct sched_hold *a, const struct sched_hold *b)
{
	uint64_t both = a->gpus & b->gpus;

	for (size_t i = 0; i < COMPUTE_CPU_WORDS; i++)
		both |= a->cpus[i] & b->cpus[i];
	return both != 0;
}

static void
check_start(const struct compute *c, const struct box *started)
{
	int64_t cpu_milli = 0;

	for (size_t i = 0; i < world.n_boxes; i++) {
		const struct box *b = &world.boxes[i];

		if (!b->live)
			continue;
		cpu_milli += b->node == c->node ? b->cpu_milli : 0;
		world.shared +=
		    b != started && b->node == c->node && overlap(&b->hold, &started->hold);
		if (b == started || uuid_cmp(b->id.run, started->id.run) != 0)
			continue;
		world.overlaps_here += b->node == c->node;
		world.overlaps_there += b->node != c->node;
	}
	world.overloads += cpu_milli > world.cpu_milli;
}

static void
begin(struct compute *c, struct box *b)
{
	enum behaviour how = b->behaviour;
	bool endless = how == RUNS_ON || how == IGNORES_TERM;

	if (how == CANNOT_START || how == INPUTS_TOO_LARGE) {
		tell(c, COMPUTE_FAILED, &b->id);
		c->events[c->n_events - 1].no_scratch = how == INPUTS_TOO_LARGE;
		return;
	}
	if (how == CANNOT_EXECUTE) {
		box_end(b, COMPUTE_EXEC_FAILED, 0, true);
		tell(c, COMPUTE_ENDED, &b->id);
		return;
	}
	b->live = true;
	b->ends_ms = endless ? INT64_MAX : sched_now_ms() + b->lasts_ms;
	world.starts++;
	check_start(c, b);
	tell(c, COMPUTE_STARTED, &b->id);
}

int
compute_start(struct compute *c, const struct compute_run *r, struct err *e)
{
	int rc = 0;

	lock_take(&world.lock);
	if (!c->connected)
		rc = err_set(e, ERR_UNAVAILABLE, "no spawner");
	else if (draw(10) == 0)
		rc = err_set(e, ERR_BUSY, "the socket is full");
	else
		begin(c, box_find(c->node, &r->id));
	lock_give(&world.lock);
	return rc;
}

int
compute_stop(struct compute *c, const struct compute_run_id *id, bool at_once, struct err *e)
{
	struct box *b;
	int rc = 0;

	lock_take(&world.lock);
	b = box_find(c->node, id);
	if (!c->connected) {
		rc = err_set(e, ERR_UNAVAILABLE, "no spawner");
	} else if (b == NULL || !b->live) {
		tell(c, COMPUTE_ENDED, id);
	} else if (at_once || b->behaviour != IGNORES_TERM) {
		world.kills += at_once;
		box_end(b, COMPUTE_STOPPED, 0, true);
		tell(c, COMPUTE_ENDED, id);
	}
	lock_give(&world.lock);
	return rc;
}

int
compute_list(struct compute *c, struct err *e)
{
	int rc = 0;

	lock_take(&world.lock);
	if (!c->connected)
		rc = err_set(e, ERR_UNAVAILABLE, "no spawner");
	for (size_t i = 0; rc == 0 && i < world.n_boxes; i++)
		if (world.boxes[i].node == c->node && world.boxes[i].live)
			tell(c, COMPUTE_LISTED, &world.boxes[i].id);
	if (rc == 0)
		tell(c, COMPUTE_LIST_END, NULL);
	lock_give(&world.lock);
	return rc;
}

int
compute_purge(struct compute *c, const struct compute_run_id *id, struct err *e)
{
	(void)c;
	(void)id;
	(void)e;
	return 0;
}

const char *
compute_outcome_name(enum compute_outcome_kind k)
{
	return k == COMPUTE_EXITED ? "exited" : "other";
}

int
compute_outcome(
    struct compute *c, const struct compute_run_id *id, struct compute_outcome *ret, struct err *e)
{
	const struct box *b;
	int rc;

	(void)e;
	lock_take(&world.lock);
	b = box_find(c->node, id);
	rc = b != NULL && b->record;
	if (rc == 1)
		*ret = b->outcome;
	lock_give(&world.lock);
	return rc;
}

/* Two of each run that left a record. */
int
compute_samples(struct compute *c, const struct compute_run_id *id, struct arena *mem,
    struct compute_sample **ret, size_t *ret_n, struct err *e)
{
	struct compute_sample *v = arena_array(mem, 2, sizeof(*v));
	const struct box *b;

	if (v == NULL)
		return arena_err(e);
	lock_take(&world.lock);
	b = box_find(c->node, id);
	*ret_n = b != NULL && b->record ? 2 : 0;
	lock_give(&world.lock);
	for (int64_t i = 0; i < 2; i++)
		v[i] = (struct compute_sample){ 1000 * (i + 1), 2, 3, 4, 5, 6, id->epoch };
	*ret = v;
	return 0;
}

int
compute_open_out(struct compute *c, const struct compute_run_id *id, int *ret_fd, struct err *e)
{
	const struct box *b;
	char text[16];
	int n;

	(void)e;
	lock_take(&world.lock);
	b = box_find(c->node, id);
	n = snprintf(text, sizeof(text), "%d", (int)b->behaviour);
	lock_give(&world.lock);
	*ret_fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(*ret_fd >= 0);
	assert_int_equal(write(*ret_fd, text, (size_t)n), n);
	return 0;
}

bool
compute_weak(const struct compute *c, uint32_t *ret)
{
	*ret = 0;
	return c->connected;
}

void
compute_leave(struct compute *c)
{
	(void)c; /* spawners here are always of this release */
}

int
compute_tidy(struct compute *c, const struct compute_run_id *id, struct err *e)
{
	struct box *b;

	(void)e;
	lock_take(&world.lock);
	b = box_find(c->node, id);
	if (b != NULL)
		b->dir = false;
	lock_give(&world.lock);
	return 0;
}

int
compute_scan(struct compute *c, size_t max, struct arena *mem, struct compute_run_id **ret,
    size_t *ret_n, struct err *e)
{
	struct compute_run_id *v = arena_array(mem, BOXES, sizeof(*v));
	size_t n = 0;

	(void)e;
	lock_take(&world.lock);
	for (size_t i = 0; i < world.n_boxes && n < max; i++)
		if (world.boxes[i].node == c->node && world.boxes[i].dir)
			v[n++] = world.boxes[i].id;
	lock_give(&world.lock);
	*ret = v;
	*ret_n = n;
	return 0;
}

#endif
