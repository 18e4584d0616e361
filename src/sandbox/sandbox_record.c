/* SPDX-License-Identifier: Apache-2.0 */
/* Records between daemon, spawner and keeper.  Every decoder is pure and looks at every field. */
#include "keeper.h"

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct sandbox_request) == 152, "no padding in a record");
_Static_assert(sizeof(struct sandbox_event) == 64, "no padding in a record");
_Static_assert(sizeof(struct sandbox_keeper_file) == 64, "no padding in a record");
_Static_assert(sizeof(struct keeper_order) == 176, "no padding in a record");
_Static_assert(sizeof(struct keeper_report) == 16, "no padding in a record");
_Static_assert(sizeof(struct sandbox_log_entry) == 24, "no padding in a record");

const char *
sandbox_step_name(uint32_t step)
{
	static const char *const names[] = {
		[SANDBOX_STEP_NONE] = "none",
#define STEP(name, text) [SANDBOX_STEP_##name] = text,
#include "sandbox_steps.def"
#undef STEP
	};

	return step < ARRAY_LEN(names) ? names[step] : "unknown";
}

const char *
sandbox_run_name(const struct sandbox_run_id *id, char out[static ID_RUN_PATH_SIZE])
{
	char run[UUID_STR_SIZE];

	(void)snprintf(out, ID_RUN_PATH_SIZE, "%s.%jd", uuid_format(id->run, run),
	    (intmax_t)id->epoch); /* fits: a run path holds a second uuid as well */
	return out;
}

static int
malformed(struct err *e, const char *what)
{
	return err_set(e, ERR_PROTOCOL, "the record is malformed: %s", what);
}

static int
check_id(const struct sandbox_run_id *id, struct err *e)
{
	if (uuid_is_nil(id->tenant.uuid) || uuid_is_nil(id->run))
		return malformed(e, "the id of tenant or run is nil");
	if (id->epoch < 1)
		return malformed(e, "the epoch is below 1");
	return 0;
}

static bool
verb_names_run(uint32_t verb)
{
	switch ((enum sandbox_verb)verb) {
	case SANDBOX_START:
	case SANDBOX_STOP:
	case SANDBOX_KILL:
	case SANDBOX_PURGE:
		return true;
	case SANDBOX_HELLO:
	case SANDBOX_LIST:
		return false;
	}
	return false;
}

int
sandbox_request_decode(const void *p, size_t n, struct sandbox_request *ret, struct err *e)
{
	struct sandbox_request r;

	if (n != sizeof(r))
		return malformed(e, "its size is wrong");
	memcpy(&r, p, sizeof(r));
	if (r.protocol != SANDBOX_PROTOCOL)
		return malformed(e, "it speaks another protocol");
	if (r.verb < SANDBOX_HELLO || r.verb > SANDBOX_PURGE)
		return malformed(e, "the verb is unknown");
	if (r.reserved != 0)
		return malformed(e, "a reserved field is set");
	if (verb_names_run(r.verb) && check_id(&r.id, e) < 0)
		return -1;
	*ret = r;
	return 0;
}

/* Bounds keep every later sum and product inside 64 bits; they are not policy. */
static const struct limit_range {
	const char *name;
	size_t offset;
	int64_t min, max;
} limit_ranges[] = {
#define RANGE(field, min, max)                                                                     \
	{                                                                                          \
#field, offsetof(struct sandbox_limits, field), min, max                           \
	}
	/* Until it is executed the simulation shares its memory with the keeper, and the kernel
	 * kills both when the words of a command alone exceed the limit. */
	RANGE(memory_bytes, 4 * MIB, INT64_C(1) << 50),
	/* The kernel takes no quota below 1 ms in 100 ms. */
	RANGE(cpu_milli, 10, INT64_C(10000) * 1000),
	RANGE(processes, 1, 4 << 20), /* PID_MAX_LIMIT */
	RANGE(scratch_bytes, 64 * KIB, INT64_C(1) << 50),
	RANGE(scratch_files, 16, INT64_C(1) << 32),
	RANGE(open_files, 8, 1 << 20),
	RANGE(wall_ms, 1, INT64_C(10) * 366 * 86400 * 1000),
	RANGE(no_output_ms, 0, INT64_C(10) * 366 * 86400 * 1000),
	RANGE(log_bytes, 0, INT64_C(1) << 50),
	RANGE(output_bytes, 0, INT64_C(1) << 50),
	RANGE(output_files, 0, 1 << 20),
	RANGE(grace_ms, 0, INT64_C(3600) * 1000),
#undef RANGE
};

int
sandbox_limits_check(const struct sandbox_limits *l, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(limit_ranges); i++) {
		const struct limit_range *r = &limit_ranges[i];
		int64_t v;

		memcpy(&v, (const char *)l + r->offset, sizeof(v));
		if (v < r->min || v > r->max)
			return err_set(e, ERR_INVALID, "%s must lie between %jd and %jd", r->name,
			    (intmax_t)r->min, (intmax_t)r->max);
	}
	return 0;
}

int
sandbox_event_decode(const void *p, size_t n, struct sandbox_event *ret, struct err *e)
{
	struct sandbox_event ev;

	if (n != sizeof(ev))
		return malformed(e, "its size is wrong");
	memcpy(&ev, p, sizeof(ev));
	if (ev.protocol != SANDBOX_PROTOCOL)
		return malformed(e, "it speaks another protocol");
	if (ev.kind < SANDBOX_READY || ev.kind > SANDBOX_REFUSED)
		return malformed(e, "the kind is unknown");
	*ret = ev;
	return 0;
}

int
keeper_order_decode(const void *p, size_t n, struct keeper_order *ret, struct err *e)
{
	struct keeper_order o;

	if (n != sizeof(o))
		return malformed(e, "its size is wrong");
	memcpy(&o, p, sizeof(o));
	if (o.magic != KEEPER_ORDER_MAGIC || o.version != KEEPER_VERSION)
		return malformed(e, "it is no order of this version");
	if (o.reserved != 0 || o.n_enter > CGROUP_TREES_MAX)
		return malformed(e, "a reserved field is set or a count is too large");
	for (size_t i = 0; i < CGROUP_STATS; i++)
		if (o.stat_version[i] > 2)
			return malformed(e, "the version of a counter is unknown");
	if (check_id(&o.id, e) < 0 || sandbox_limits_check(&o.limits, e) < 0)
		return -1;
	*ret = o;
	return 0;
}

int
keeper_report_decode(const void *p, size_t n, struct keeper_report *ret, struct err *e)
{
	struct keeper_report r;

	if (n != sizeof(r))
		return malformed(e, "its size is wrong");
	memcpy(&r, p, sizeof(r));
	if (r.version != KEEPER_VERSION)
		return malformed(e, "it is of another version");
	if (r.kind != KEEPER_STARTED && r.kind != KEEPER_FAILED)
		return malformed(e, "the kind is unknown");
	if (r.step >= SANDBOX_STEP_COUNT || r.sys < 0)
		return malformed(e, "the step or the error number is impossible");
	*ret = r;
	return 0;
}

int
keeper_file_decode(const void *p, size_t n, struct sandbox_keeper_file *ret, struct err *e)
{
	struct sandbox_keeper_file f;

	if (n != sizeof(f))
		return malformed(e, "its size is wrong");
	memcpy(&f, p, sizeof(f));
	if (f.magic != KEEPER_FILE_MAGIC || f.version != KEEPER_VERSION)
		return malformed(e, "it is no keeper file of this version");
	if (f.pid < 2 || f.pid > INT32_MAX || f.start_ticks < 0)
		return malformed(e, "the process is impossible");
	if (check_id(&f.id, e) < 0)
		return -1;
	*ret = f;
	return 0;
}
