/* SPDX-License-Identifier: Apache-2.0 */
#include "job.h"

#include <string.h>

/*
 * The state table, unfolded from job_fsm.def.  A cell holds 1 + the next state, so that what no row
 * names is 0 and not allowed.  Nothing here knows a clock, a database or a log.
 */

static const char *const state_names[JOB_STATE_COUNT] = {
#define STATE(name, text, terminal) [JOB_##name] = (text),
#include "job_fsm.def"
#undef STATE
};

static const bool state_terminal[JOB_STATE_COUNT] = {
#define STATE(name, text, terminal) [JOB_##name] = (terminal) != 0,
#include "job_fsm.def"
#undef STATE
};

static const char *const event_names[JOB_EVENT_COUNT] = {
#define EVENT(name, text) [JOB_ON_##name] = (text),
#include "job_fsm.def"
#undef EVENT
};

static const unsigned char moves[JOB_STATE_COUNT][JOB_EVENT_COUNT] = {
#define MOVE(from, on, to) [JOB_##from][JOB_ON_##on] = 1 + JOB_##to,
#include "job_fsm.def"
#undef MOVE
};

const char *
job_state_name(enum job_state s)
{
	REQUIRE(s < JOB_STATE_COUNT);
	return state_names[s];
}

const char *
job_event_name(enum job_event ev)
{
	REQUIRE(ev < JOB_EVENT_COUNT);
	return event_names[ev];
}

bool
job_state_parse(const char *text, enum job_state *ret)
{
	for (unsigned s = 0; s < JOB_STATE_COUNT; s++) {
		if (strcmp(text, state_names[s]) == 0) {
			*ret = (enum job_state)s;
			return true;
		}
	}
	return false;
}

bool
job_state_terminal(enum job_state s)
{
	REQUIRE(s < JOB_STATE_COUNT);
	return state_terminal[s];
}

bool
job_fsm_next(enum job_state from, enum job_event on, enum job_state *ret)
{
	REQUIRE(from < JOB_STATE_COUNT);
	REQUIRE(on < JOB_EVENT_COUNT);
	if (moves[from][on] == 0)
		return false;
	*ret = (enum job_state)(moves[from][on] - 1);
	return true;
}
