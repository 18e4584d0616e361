/* SPDX-License-Identifier: Apache-2.0 */
/* Records between daemon, spawner and keeper.  Every decoder is pure and looks at every field. */
#include "keeper.h"

#include "parse.h"

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct sandbox_request) == 344, "no padding in a record");
_Static_assert(sizeof(struct sandbox_event) == 64, "no padding in a record");
_Static_assert(
    offsetof(struct sandbox_request, id) + sizeof(struct sandbox_run_id) == SANDBOX_HEAD_BYTES &&
	offsetof(struct sandbox_event, id) + sizeof(struct sandbox_run_id) == SANDBOX_HEAD_BYTES,
    "the same head in both directions, for ever");
_Static_assert(sizeof(struct keeper_zygote) == 80, "no padding in a record");
_Static_assert(sizeof(struct keeper_cell) == 32, "no padding in a record");
_Static_assert(sizeof(struct keeper_order) == 464, "no padding in a record");
_Static_assert(sizeof(struct keeper_report) == 16, "no padding in a record");
_Static_assert(sizeof(struct sandbox_log_entry) == 24, "no padding in a record");

enum {
	SCRATCH_BYTES_MIN = 64 << 10,
	SCRATCH_FILES_MIN = 16,
	KEEPER_VERSION_UNNAMED = 2 /* the last that did not tell */
};

const char *const keeper_ns_paths[KEEPER_NAMESPACES] = {
	[KEEPER_NS_CGROUP] = "/proc/self/ns/cgroup",
	[KEEPER_NS_IPC] = "/proc/self/ns/ipc",
	[KEEPER_NS_MNT] = "/proc/self/ns/mnt",
	[KEEPER_NS_NET] = "/proc/self/ns/net",
	[KEEPER_NS_PID] = "/proc/self/ns/pid",
	[KEEPER_NS_USER] = "/proc/self/ns/user",
	[KEEPER_NS_UTS] = "/proc/self/ns/uts",
};

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

/* What lies behind the head means the same only in the same version. */
static int
decode_start(const void *p, size_t n, struct sandbox_request *ret, struct err *e)
{
	if (ret->protocol != SANDBOX_PROTOCOL)
		return malformed(e, "it speaks another protocol");
	if (n != sizeof(*ret))
		return malformed(e, "its size is wrong");
	memcpy(ret, p, sizeof(*ret));
	if (ret->reserved != 0)
		return malformed(e, "a reserved field is set");
	return 0;
}

int
sandbox_request_decode(const void *p, size_t n, struct sandbox_request *ret, struct err *e)
{
	struct sandbox_request r = { 0 };

	if (n < SANDBOX_HEAD_BYTES)
		return malformed(e, "its size is wrong");
	memcpy(&r, p, SANDBOX_HEAD_BYTES);
	if (r.protocol == 0)
		return malformed(e, "it is of no version");
	if (r.verb < SANDBOX_HELLO || r.verb > SANDBOX_PURGE)
		return malformed(e, "the verb is unknown");
	if (r.verb == SANDBOX_START && decode_start(p, n, &r, e) < 0)
		return -1;
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
	RANGE(scratch_bytes, SCRATCH_BYTES_MIN, INT64_C(1) << 50),
	RANGE(scratch_files, SCRATCH_FILES_MIN, INT64_C(1) << 32),
	RANGE(open_files, 8, 1 << 20),
	RANGE(wall_ms, 1, INT64_C(10) * 366 * 86400 * 1000),
	RANGE(no_output_ms, 0, INT64_C(10) * 366 * 86400 * 1000),
	RANGE(log_bytes, 0, INT64_C(1) << 50),
	RANGE(output_bytes, 0, INT64_C(1) << 50),
	RANGE(output_files, 0, 1 << 20),
	RANGE(grace_ms, 0, INT64_C(3600) * 1000),
	RANGE(cpu_ms, 0, INT64_C(10000) * 366 * 86400 * 1000),
	RANGE(io_read_bps, 0, INT64_C(1) << 50),
	RANGE(io_write_bps, 0, INT64_C(1) << 50),
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

/* Of another version only the head is read, and its news may have no name here. */
static int
decode_event(const void *p, size_t n, struct sandbox_event *ret, struct err *e)
{
	if (n != sizeof(*ret))
		return malformed(e, "its size is wrong");
	memcpy(ret, p, sizeof(*ret));
	if (ret->kind < SANDBOX_READY || ret->kind > SANDBOX_REFUSED)
		return malformed(e, "the kind is unknown");
	return 0;
}

int
sandbox_event_decode(const void *p, size_t n, struct sandbox_event *ret, struct err *e)
{
	struct sandbox_event ev = { 0 };

	if (n < SANDBOX_HEAD_BYTES)
		return malformed(e, "its size is wrong");
	memcpy(&ev, p, SANDBOX_HEAD_BYTES);
	if (ev.protocol == 0)
		return malformed(e, "it is of no version");
	if (ev.protocol == SANDBOX_PROTOCOL && decode_event(p, n, &ev, e) < 0)
		return -1;
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
	if (o.n_enter > CGROUP_TREES_MAX)
		return malformed(e, "a count is too large");
	for (size_t i = 0; i < CGROUP_STATS; i++)
		if (o.stat_version[i] > 2)
			return malformed(e, "the version of a counter is unknown");
	if (memchr(o.group, '\0', sizeof(o.group)) == NULL || o.group[0] == '\0')
		return malformed(e, "the group has no name");
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
	if (r.kind < KEEPER_STARTED || r.kind > KEEPER_ENDED)
		return malformed(e, "the kind is unknown");
	if (r.step >= SANDBOX_STEP_COUNT || r.sys < 0)
		return malformed(e, "the step or the error number is impossible");
	*ret = r;
	return 0;
}

/* "<tenant uuid>/<run uuid>.<epoch>", the other direction of id_run_path. */
static bool
parse_run_path(const char *text, struct sandbox_run_id *ret)
{
	static const size_t run_at = UUID_STR_SIZE, epoch_at = (size_t)2 * UUID_STR_SIZE;
	char uuid[UUID_STR_SIZE];
	struct sandbox_run_id id = { 0 };
	struct err ignored = { 0 }; /* somebody else's process */

	if (strlen(text) <= epoch_at || text[run_at - 1] != '/' || text[epoch_at - 1] != '.')
		return false;
	memcpy(uuid, text, UUID_STR_SIZE - 1);
	uuid[UUID_STR_SIZE - 1] = '\0';
	if (uuid_parse(uuid, &id.tenant.uuid, &ignored) < 0)
		return false;
	memcpy(uuid, text + run_at, UUID_STR_SIZE - 1);
	if (uuid_parse(uuid, &id.run, &ignored) < 0 ||
	    parse_i64(text + epoch_at, 1, INT64_MAX, &id.epoch, &ignored) < 0)
		return false;
	*ret = id;
	return check_id(&id, &ignored) == 0;
}

/* Words of a command line: NUL-terminated, the last of them followed by what was not overwritten.
 */
static size_t
split_words(const char *p, size_t n, const char **words, size_t max)
{
	size_t found = 0;

	while (found < max && n > 0 && *p != '\0') {
		const char *nul = memchr(p, '\0', n);

		if (nul == NULL)
			break;
		words[found++] = p;
		n -= (size_t)(nul + 1 - p);
		p = nul + 1;
	}
	return found;
}

int
keeper_args_decode(const char *p, size_t n, struct keeper_args *ret, struct err *e)
{
	const char *words[4];
	const size_t found = split_words(p, n, words, ARRAY_LEN(words));
	struct keeper_args a = { .version = KEEPER_VERSION_UNNAMED };
	char name[ID_RUN_PATH_SIZE];
	int64_t version;

	if (found < 2 || strcmp(words[0], KEEPER_NAME) != 0 || !parse_run_path(words[1], &a.id))
		return malformed(e, "it is no keeper's command line");
	if (found == 3 || (found == 4 && (strchr(words[2], '/') != NULL || words[2][0] == '.' ||
					     strlen(words[2]) >= sizeof(a.group))))
		return malformed(e, "the group is impossible");
	if (found == 4) {
		if (parse_i64(words[3], KEEPER_VERSION_UNNAMED + 1, INT32_MAX, &version, e) < 0)
			return malformed(e, "the version is impossible");
		a.version = (uint32_t)version;
	}
	(void)snprintf(a.group, sizeof(a.group), "%s",
	    found == 4 ? words[2] : sandbox_run_name(&a.id, name)); /* fits */
	*ret = a;
	return 0;
}

int
keeper_zygote_decode(const void *p, size_t n, struct keeper_zygote *ret, struct err *e)
{
	struct keeper_zygote z;

	if (n != sizeof(z))
		return malformed(e, "its size is wrong");
	memcpy(&z, p, sizeof(z));
	if (z.magic != KEEPER_ZYGOTE_MAGIC || z.version != KEEPER_VERSION)
		return malformed(e, "it is no zygote's order of this version");
	if (z.one_uid > 1 || z.reserved != 0)
		return malformed(e, "a flag is neither 0 nor 1");
	/* UINT32_MAX means "no id"; the host's root is never a tenant, and id 0 of an ordinary
	 * user's spawner is that user. */
	if ((z.uid == 0) != (z.one_uid == 1) || z.uid > UINT32_MAX - KEEPER_UIDS)
		return malformed(e, "the ids are impossible");
	*ret = z;
	return 0;
}

int
keeper_cell_decode(const void *p, size_t n, struct keeper_cell *ret, struct err *e)
{
	struct keeper_cell c;

	if (n != sizeof(c))
		return malformed(e, "its size is wrong");
	memcpy(&c, p, sizeof(c));
	if (c.magic != KEEPER_CELL_MAGIC || c.version != KEEPER_VERSION)
		return malformed(e, "it is no order for a cell of this version");
	if (c.warm > 1 || c.late_filter > 1)
		return malformed(e, "a flag is neither 0 nor 1");
	if (c.scratch_bytes < SCRATCH_BYTES_MIN || c.scratch_bytes > INT64_C(1) << 50 ||
	    c.scratch_files < SCRATCH_FILES_MIN || c.scratch_files > INT64_C(1) << 32)
		return malformed(e, "the scratch space is impossible");
	*ret = c;
	return 0;
}
