/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Malformed records to a real spawner beside a run that lives and one that is over: whatever the
 * bytes, neither may change.  Most records are nearly right: a well-formed request for one of the
 * two with a bit of its id flipped, so that a spawner that looks at less than the whole id acts on
 * the wrong run.  A million records; ten million with WARDIAN_NIGHTLY=1.
 */
#include "rig.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { BATCH = 32, RECORD_MAX = 2 * sizeof(struct sandbox_request) };

struct noise {
	struct rig *r;
	uint64_t state;
	struct sandbox_run_id known[2];
	int64_t sent, reconnects;
};

/* xorshift: the same records every time. */
static uint64_t
next(struct noise *n)
{
	n->state ^= n->state << 13;
	n->state ^= n->state >> 7;
	n->state ^= n->state << 17;
	return n->state;
}

static void
flip(struct noise *n, void *p, size_t bytes)
{
	const uint64_t bit = next(n) % (bytes * 8);

	((unsigned char *)p)[bit / 8] ^= (unsigned char)(1u << bit % 8);
}

/* One of the known ids, but for one bit. */
static struct sandbox_run_id
near_miss(struct noise *n)
{
	struct sandbox_run_id id = n->known[next(n) % 2];

	flip(n, &id, sizeof(id));
	return id;
}

static size_t
random_record(struct noise *n, char *bytes)
{
	const size_t length = 1 + next(n) % RECORD_MAX;

	for (size_t i = 0; i < length; i++)
		bytes[i] = (char)next(n);
	return length;
}

/* The limits are the only part that says why it refuses in the log: few of them. */
static uint32_t
some_verb(struct noise *n)
{
	static const uint32_t verbs[] = { SANDBOX_HELLO, SANDBOX_STOP, SANDBOX_KILL, SANDBOX_LIST,
		SANDBOX_PURGE };

	return next(n) % 4096 == 0 ? SANDBOX_START : verbs[next(n) % ARRAY_LEN(verbs)];
}

static size_t
near_record(struct noise *n, char *bytes)
{
	struct sandbox_request q = { .protocol = SANDBOX_PROTOCOL,
		.verb = some_verb(n),
		.id = near_miss(n),
		.limits = rig_limits() };
	size_t length = sizeof(q);

	switch (next(n) % 4) {
	case 0: /* anything beyond the id */
		flip(n, (char *)&q + SANDBOX_HEAD_BYTES, sizeof(q) - SANDBOX_HEAD_BYTES);
		break;
	case 1: /* too short or too long by some bytes */
		length = 1 + next(n) % RECORD_MAX;
		break;
	case 2: /* another protocol or verb */
		flip(n, &q, 2 * sizeof(uint32_t));
		break;
	default:
		break;
	}
	memset(bytes, 0, RECORD_MAX);
	memcpy(bytes, &q, sizeof(q));
	return length;
}

/* For a known run, and broken where its meaning lies: nothing of it may be done. */
static size_t
broken_record(struct noise *n, char *bytes)
{
	struct sandbox_request q = { .protocol = SANDBOX_PROTOCOL,
		.verb = SANDBOX_PURGE + 1 + (uint32_t)(next(n) % 1000),
		.id = n->known[next(n) % 2] };

	memcpy(bytes, &q, sizeof(q));
	return sizeof(q);
}

static void
send_one(struct noise *n)
{
	static size_t (*const makers[])(struct noise * n, char *bytes) = { random_record,
		near_record, near_record, near_record, broken_record };
	char bytes[RECORD_MAX];
	const size_t length = makers[next(n) % ARRAY_LEN(makers)](n, bytes);

	if (send(n->r->fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) {
		rig_connect(n->r);
		n->reconnects++;
	}
	n->sent++;
}

static bool
is(const struct sandbox_event *ev, const struct sandbox_run_id *id)
{
	return memcmp(&ev->id, id, sizeof(*id)) == 0;
}

/* Reads all answers: up to that to one more request, of which the id is nobody's. */
static void
drain(struct noise *n)
{
	const struct sandbox_run_id mark = { .tenant = n->r->tenant, .run = uuid_v7(), .epoch = 1 };
	struct sandbox_event ev;

	rig_send(n->r, SANDBOX_PURGE, &mark);
	for (;;) {
		if (!rig_event(n->r, &ev, 10000)) {
			rig_connect(n->r);
			n->reconnects++;
			return;
		}
		if (ev.kind == SANDBOX_PURGED && is(&ev, &mark))
			return;
		/* Of the known runs nobody may say that they began, ended or went. */
		if (is(&ev, &n->known[0]) || is(&ev, &n->known[1]))
			assert_true(ev.kind == SANDBOX_LISTED || ev.kind == SANDBOX_REFUSED);
	}
}

static struct rig_result
begin(struct rig *r, const char *script)
{
	struct rig_run run = { .argv = RIG_ARGV("/bin/sh", "-c", script), .limits = rig_limits() };
	struct rig_result res;

	run.limits.wall_ms = 3600000;
	rig_start(r, &run, &res);
	return res;
}

static struct timespec
changed_at(const char *dir, const char *name)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ctim;
}

static void
no_record_acts_on_a_run_that_it_does_not_name(void **state)
{
	struct rig *r = *state;
	const char *nightly = getenv("WARDIAN_NIGHTLY");
	const int64_t total = nightly != NULL && strcmp(nightly, "1") == 0 ? 10000000 : 1000000;
	struct rig_result over = begin(r, "echo done > /work/out.txt; exit 7"), alive;
	struct timespec before, after;
	struct noise n = { .r = r, .state = 0x9e3779b97f4a7c15 };
	pid_t worker;

	rig_wait(r, &over, 10000);
	alive = begin(r, "echo up; exec sleep 3600");
	rig_wait_log(r, &alive, "up", 10000);
	rig_collect(r, &over);
	before = changed_at(over.out, "exit");
	n.known[0] = alive.id;
	n.known[1] = over.id;
	worker = rig_worker(r);
	while (n.sent < total) {
		for (int i = 0; i < BATCH; i++)
			send_one(&n);
		drain(&n);
	}
	printf("%jd records, %jd connections closed\n", (intmax_t)n.sent, (intmax_t)n.reconnects);
	assert_int_equal(rig_worker(r), worker);
	assert_int_equal(rig_processes(r), 2);
	assert_int_equal(kill(alive.pid, 0), 0);
	after = changed_at(over.out, "exit");
	assert_memory_equal(&before, &after, sizeof(before));
	rig_send(r, SANDBOX_STOP, &alive.id);
	rig_wait(r, &alive, 10000);
	rig_collect(r, &alive);
	assert_int_equal(alive.exit.outcome, SANDBOX_STOPPED);
	assert_int_equal(over.exit.exit_code, 7);
	rig_done(&alive);
	rig_done(&over);
	assert_true(rig_quiet(r, 10000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_record_acts_on_a_run_that_it_does_not_name),
	};

	return cmocka_run_group_tests(tests, rig_suite_open, rig_suite_close);
}
