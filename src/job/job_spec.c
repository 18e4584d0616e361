/* SPDX-License-Identifier: Apache-2.0 */
#include "job_internal.h"

#include "parse.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/*
 * A manifest becomes a job_spec in three steps that all leave their faults in one error: the
 * declared shape, what the server's limits say about it, and what the environment says.  The caller
 * learns of everything at once.  When all faults are of one kind (an unknown environment, resources
 * that no node has), that kind is the code; a mixture is ERR_INVALID.
 */

enum {
	NAME_BYTES = 128,
	LABEL_VALUE_BYTES = 255,
	PARAMETERS = 256,
	ARGUMENT_BYTES = 32768,
	COMMAND_BYTES = 48 << 10, /* of the launch file's 64 KiB; the rest is for variables */
	/* Below it neither the keeper nor any simulator starts. */
	MEMORY_MIN_BYTES = 16 << 20,
	DISK_MIN_BYTES = 1 << 20,
	PAGE_BYTES = 4096,
	LOG_MIN_BYTES = 1 << 10,
	LOG_MAX_BYTES = 1 << 30,
	CPU_STEP_MILLI = 100,
	CPU_DEFAULT_MILLI = 1000,
	CPUS_MAX = 4096,
	GPUS_MAX = 64, /* a bit each in what a node is told */
	/* A slower disk is no limit but a standstill, which holds a place for as long as it lasts.
	 */
	IO_MIN_BPS = 64 << 10,
};
#define BYTES_MAX (INT64_C(1) << 50)
#define SECONDS_MAX (INT64_C(10) * 366 * 86400)
/* Ten thousand years of one CPU, which is also as much as a spawner takes. */
#define CPU_SECONDS_MAX (10000.0 * 366 * 86400)
/* Longest texts of 32 labels, each byte escaped as \uXXXX in the worst case. */
#define LABELS_BYTES_MAX ((size_t)CAP_LABELS * 6 * (CAP_NAME_BYTES + LABEL_VALUE_BYTES + 8))

/* The body as declared, before anything is known about limits and environments.  Zero and NULL are
 * "not given": no bound below allows them. */
struct manifest {
	const char *environment, *name, *project;
	bool has_command, has_parameters;
	const char *argv[CAP_ARGS + 1];
	size_t n_argv;
	struct environment_value parameters[PARAMETERS];
	size_t n_parameters;
	struct job_inputs inputs;
	double cpus, cpu_s;
	int64_t memory_bytes, disk_bytes, wall_s, no_output_s, output_bytes;
	int64_t io_read_bps, io_write_bps, gpus;
	bool has_gpus; /* 0 is an answer, too */
	bool pin_cpus;
	int64_t priority, max_attempts, seed;
	bool has_seed;
	struct json_out labels;
};

struct decoding {
	const struct job_limits *limits;
	struct arena *mem;
	struct manifest *m;
	struct job_spec *spec;
	struct err faults;
	enum err_code code; /* of all faults so far; ERR_NONE: none of ours yet */
};

static void PRINTF_LIKE(4, 5)
    fault(struct decoding *c, enum err_code code, const char *pointer, const char *fmt, ...)
{
	char msg[ERR_FIELD_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap); /* a long message is cut */
	va_end(ap);
	err_field_add(&c->faults, pointer, "%s", msg);
	c->code = c->code == ERR_NONE || c->code == code ? code : ERR_INVALID;
}

/* --- shape ---------------------------------------------------------------------------------- */

static int
argument_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx)
{
	struct manifest *m = ctx;
	const char *text;

	(void)name; /* elements of an array have none */
	REQUIRE(index < CAP_ARGS);
	if (!json_get_text(v, &text)) {
		json_fault(d, "", "must be a string, not %s", json_type_name(json_type(v)));
		text = "-"; /* any name of a program: one fault for one mistake */
	} else if (strlen(text) > ARGUMENT_BYTES) {
		json_fault(d, "", "must have at most %d bytes", ARGUMENT_BYTES);
	}
	m->argv[index] = text;
	m->n_argv = index + 1;
	return 0;
}

static int
parameter_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx)
{
	struct manifest *m = ctx;
	char *copy = arena_strdup(json_decoder_mem(d), name);

	REQUIRE(index < PARAMETERS);
	if (copy == NULL)
		return -1;
	m->parameters[index] = (struct environment_value){ .name = copy, .value = v };
	m->n_parameters = index + 1;
	return 0;
}

static bool
label_name_valid(const char *name)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t n = strspn(name, letters);

	if (n == 0)
		return false;
	for (; name[n] != '\0'; n++)
		if (strchr("._-", name[n]) == NULL && strchr(letters, name[n]) == NULL)
			return false;
	return n <= CAP_NAME_BYTES;
}

/* Text for people on one line. */
static bool
text_printable(const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t n = parse_utf8_printable(text, left);

		if (n == 0)
			return false;
		text += n;
		left -= n;
	}
	return true;
}

static int
label_each(
    struct json_decoder *d, const struct json_value *v, size_t index, const char *name, void *ctx)
{
	struct manifest *m = ctx;
	const char *text;

	(void)index; /* labels have no order */
	if (!label_name_valid(name))
		json_fault(d, "",
		    "a label's name is 1 to %d letters, digits, '.', '_' and '-', and "
		    "starts with a letter or digit",
		    CAP_NAME_BYTES);
	else if (!json_get_text(v, &text))
		json_fault(d, "", "must be a string, not %s", json_type_name(json_type(v)));
	else if (strlen(text) > LABEL_VALUE_BYTES || !text_printable(text))
		json_fault(d, "", "must be at most %d bytes without control characters",
		    LABEL_VALUE_BYTES);
	else
		json_put_text(&m->labels, name, text);
	return 0;
}

static int
decode_shape(const struct json *j, struct arena *mem, struct manifest *m, struct err *e)
{
	const struct json_field resources[] = { JSON_F64("cpus", &m->cpus, 0.1, CPUS_MAX, 0),
		JSON_I64("memory_bytes", &m->memory_bytes, MEMORY_MIN_BYTES, BYTES_MAX, 0),
		JSON_I64("disk_bytes", &m->disk_bytes, DISK_MIN_BYTES, BYTES_MAX, 0),
		{ .name = "gpus",
		    .kind = JSON_KIND_I64,
		    .dest = &m->gpus,
		    .max = GPUS_MAX,
		    .present = &m->has_gpus },
		JSON_BOOL("pin_cpus", &m->pin_cpus, 0), JSON_FIELDS_END };
	const struct json_field limits[] = { JSON_I64("wall_s", &m->wall_s, 1, SECONDS_MAX, 0),
		JSON_I64("no_output_s", &m->no_output_s, 1, SECONDS_MAX, 0),
		JSON_I64("output_bytes", &m->output_bytes, LOG_MIN_BYTES, LOG_MAX_BYTES, 0),
		JSON_F64("cpu_s", &m->cpu_s, 0.1, CPU_SECONDS_MAX, 0),
		JSON_I64("io_read_bytes_per_s", &m->io_read_bps, IO_MIN_BPS, BYTES_MAX, 0),
		JSON_I64("io_write_bytes_per_s", &m->io_write_bps, IO_MIN_BPS, BYTES_MAX, 0),
		JSON_FIELDS_END };
	const struct json_field retry[] = { JSON_I64("max_attempts", &m->max_attempts, 1, 10, 0),
		JSON_FIELDS_END };
	const struct json_field fields[] = { JSON_TEXT("environment", &m->environment, 1,
						 CAP_NAME_BYTES, JSON_REQUIRED),
		JSON_TEXT("name", &m->name, 1, NAME_BYTES, 0),
		JSON_TEXT("project", &m->project, 1, CAP_NAME_BYTES, 0),
		{ .name = "parameters",
		    .kind = JSON_KIND_MAP,
		    .each = parameter_each,
		    .ctx = m,
		    .max = PARAMETERS,
		    .present = &m->has_parameters },
		{ .name = "command",
		    .kind = JSON_KIND_EACH,
		    .each = argument_each,
		    .ctx = m,
		    .min = 1,
		    .max = CAP_ARGS,
		    .present = &m->has_command },
		JSON_EACH("inputs", job_input_each, &m->inputs, CAP_INPUTS, 0),
		JSON_OBJECT("resources", resources, 0), JSON_OBJECT("limits", limits, 0),
		JSON_I64("priority", &m->priority, -100, 100, 0), JSON_OBJECT("retry", retry, 0),
		{ .name = "seed",
		    .kind = JSON_KIND_I64,
		    .dest = &m->seed,
		    .max = INT64_MAX,
		    .present = &m->has_seed },
		JSON_MAP("labels", label_each, m, CAP_LABELS, 0), JSON_FIELDS_END };

	return json_decode(j, fields, mem, e);
}

/* --- limits --------------------------------------------------------------------------------- */

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* To the nearest thousandth; libm's own is not worth linking libm for. */
static int64_t
milli_of(double cpus)
{
	return (int64_t)(cpus * 1000 + 0.5);
}

/* CPUs of its own: whole ones, and each there is only once. */
static void
check_pins(struct decoding *c)
{
	int64_t milli = c->spec->cpu_milli, most = c->limits->pins_max;

	if (milli % 1000 != 0)
		fault(c, ERR_INVALID, "/resources/pin_cpus",
		    "needs whole CPUs, and this job has %lld.%lld; set resources.cpus to a whole "
		    "number",
		    (long long)(milli / 1000), (long long)(milli % 1000 / CPU_STEP_MILLI));
	else if (most == 0)
		fault(c, ERR_IMPOSSIBLE, "/resources/pin_cpus",
		    "no node can give a job CPUs of its own; leave it out");
	else if (milli > most * 1000 && milli <= c->limits->cpu_milli_max)
		fault(c, ERR_IMPOSSIBLE, "/resources/pin_cpus",
		    "no node has as many CPUs to give one job alone; the largest has %lld; lower "
		    "resources.cpus",
		    (long long)most);
}

static void
check_cpus(struct decoding *c)
{
	const struct environment *env = c->spec->environment;
	int64_t most = c->limits->cpu_milli_max, milli = CPU_DEFAULT_MILLI;

	if (env != NULL && env->default_cpus > 0)
		milli = milli_of(env->default_cpus);
	milli = least(milli, most);
	if (c->m->pin_cpus && c->limits->pins_max > 0)
		milli = least(milli, c->limits->pins_max * 1000);
	if (c->m->cpus > 0) {
		milli = milli_of(c->m->cpus);
		if (milli % CPU_STEP_MILLI != 0 || fabs(c->m->cpus * 1000 - (double)milli) > 1e-6)
			fault(c, ERR_INVALID, "/resources/cpus", "must be a multiple of 0.1");
		else if (milli > most)
			fault(c, ERR_IMPOSSIBLE, "/resources/cpus",
			    "no node has as many; the largest has %lld.%lld CPUs",
			    (long long)(most / 1000), (long long)(most % 1000 / CPU_STEP_MILLI));
	}
	c->spec->cpu_milli = milli;
	c->spec->pin_cpus = c->m->pin_cpus;
	if (c->m->pin_cpus)
		check_pins(c);
}

static void
check_gpus(struct decoding *c)
{
	const struct environment *env = c->spec->environment;
	int64_t most = c->limits->gpus_max;
	int64_t gpus = least(env == NULL ? 0 : env->default_gpus, most);

	if (c->m->has_gpus)
		gpus = c->m->gpus;
	if (gpus > most && most == 0)
		fault(c, ERR_IMPOSSIBLE, "/resources/gpus",
		    "no node has a GPU; leave it out, or ask for 0");
	else if (gpus > most)
		fault(c, ERR_IMPOSSIBLE, "/resources/gpus",
		    "no node has as many; the largest has %lld GPUs", (long long)most);
	c->spec->gpus = gpus;
}

/* What was asked for, else the first default that is set; a default never asks too much. */
static int64_t
check_bytes(
    struct decoding *c, const char *pointer, int64_t asked, int64_t environments, int64_t servers)
{
	int64_t most = c->limits->memory_max_bytes;

	if (asked > most)
		fault(c, ERR_IMPOSSIBLE, pointer,
		    "no node has as much; the largest has %lld bytes of memory", (long long)most);
	if (asked > 0)
		return asked;
	return least(environments > 0 ? environments : servers, most);
}

/* The scratch space is given in pages, which no two files share. */
static void
check_inputs(struct decoding *c)
{
	int64_t need = 0;

	for (size_t i = 0; i < c->m->inputs.n; i++)
		need +=
		    (int64_t)(c->m->inputs.items[i].n + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	if (need > c->spec->disk_bytes)
		fault(c, ERR_INVALID, "/inputs",
		    "take %lld bytes of scratch space in pages of %d, and the job has %lld; raise "
		    "resources.disk_bytes",
		    (long long)need, PAGE_BYTES, (long long)c->spec->disk_bytes);
}

static void
check_times(struct decoding *c)
{
	const struct environment *env = c->spec->environment;
	int64_t most = c->limits->wall_max_ms;
	int64_t wall_ms = env != NULL && env->default_wall_ms > 0 ? env->default_wall_ms
								  : c->limits->wall_default_ms;

	wall_ms = least(wall_ms, most);
	if (c->m->wall_s > 0) {
		wall_ms = c->m->wall_s * 1000;
		if (wall_ms > most)
			fault(c, ERR_INVALID, "/limits/wall_s",
			    "must be at most %lld on this server", (long long)(most / 1000));
	}
	c->spec->wall_ms = wall_ms;
	c->spec->no_output_ms = c->m->no_output_s * 1000;
	c->spec->cpu_ms = (int64_t)(c->m->cpu_s * 1000 + 0.5);
}

static bool
project_valid(const char *text)
{
	size_t n = strlen(text);
	struct uuid id;
	struct err ignored;

	if (id_parse("prj", text, &id, &ignored) == 0)
		return true;
	return n > 0 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
	       text[0] != '-' && text[n - 1] != '-';
}

static void
check_names(struct decoding *c)
{
	const struct manifest *m = c->m;

	if (m->name != NULL && !text_printable(m->name))
		fault(c, ERR_INVALID, "/name", "must not hold control characters");
	if (m->project != NULL && !project_valid(m->project))
		fault(c, ERR_INVALID, "/project",
		    "must be the id of a project (prj_...) or its name: letters a-z, digits and "
		    "'-'");
	c->spec->name = m->name;
	c->spec->project = m->project;
}

static void
check_limits(struct decoding *c)
{
	const struct manifest *m = c->m;
	struct job_spec *spec = c->spec;
	int64_t default_memory =
	    spec->environment == NULL ? 0 : spec->environment->default_memory_bytes;

	check_cpus(c);
	check_gpus(c);
	spec->memory_bytes = check_bytes(c, "/resources/memory_bytes", m->memory_bytes,
	    default_memory, c->limits->memory_default_bytes);
	/* Scratch space is memory, so a node that has too little memory has too little of it. */
	spec->disk_bytes = check_bytes(
	    c, "/resources/disk_bytes", m->disk_bytes, 0, c->limits->disk_default_bytes);
	check_inputs(c);
	check_times(c);
	spec->log_bytes = m->output_bytes > 0 ? m->output_bytes : c->limits->log_default_bytes;
	spec->io_read_bps = m->io_read_bps;
	spec->io_write_bps = m->io_write_bps;
	spec->inputs = m->inputs.items;
	spec->n_inputs = m->inputs.n;
	spec->parameters = m->parameters;
	spec->n_parameters = m->n_parameters;
	spec->priority = m->priority;
	spec->max_attempts = m->max_attempts;
	spec->seed = m->seed;
	spec->has_seed = m->has_seed;
}

/* --- environment and command ---------------------------------------------------------------- */

static void
find_environment(struct decoding *c, const struct environments *envs)
{
	const char *name = c->m->environment;
	const struct environment *env;
	char echo[PARSE_ECHO_SIZE];

	if (name == NULL)
		return; /* missing or malformed: a fault already */
	env = environments_find(envs, name);
	if (env == NULL) {
		const char *near = environments_nearest(envs, name);

		fault(c, ERR_NO_ENVIRONMENT, "/environment", "there is no environment '%s'%s%s%s",
		    parse_echo(name, echo), near[0] == '\0' ? "" : "; did you mean '", near,
		    near[0] == '\0' ? "; GET /v1/environments lists them" : "'?");
		return;
	}
	c->spec->environment = env;
	if (!env->available && env->root_digest != NULL && env->root_there)
		fault(c, ERR_ENVIRONMENT_BROKEN, "/environment",
		    "its root %.12s... has no program %.70s; the operator has to correct the "
		    "profile",
		    env->root_digest, env->program);
	else if (!env->available && env->root_digest != NULL)
		fault(c, ERR_ENVIRONMENT_BROKEN, "/environment",
		    "'%s' cannot run here until the operator unpacks its root %.12s... with "
		    "wardiand "
		    "root import",
		    name, env->root_digest);
	else if (!env->available)
		fault(c, ERR_ENVIRONMENT_BROKEN, "/environment",
		    "'%s' cannot run here until the operator installs the package %s", name,
		    env->package);
}

/* A program is named like in a shell, or lies under /usr, which is all that every sandbox shows; a
 * root of the environment's own has its programs where it likes. */
static const char *
program_path(struct decoding *c, const char *word)
{
	const struct environment *env = c->spec->environment;
	bool anywhere = env != NULL && env->root_digest != NULL;
	const char *why = "", *path = word;

	if (strchr(word, '/') == NULL)
		path = arena_printf(c->mem, "/usr/bin/%s", word);
	if (path == NULL)
		return NULL;
	if (strncmp(path, "/usr/", anywhere ? 1 : 5) != 0 || !job_path_valid(path + 1, &why))
		fault(c, ERR_INVALID, "/command/0",
		    "must be the name of a program in /usr/bin or an absolute path%s",
		    anywhere ? "" : " below /usr");
	return path;
}

static int
use_command(struct decoding *c, struct err *e)
{
	struct manifest *m = c->m;
	size_t bytes = 0;

	if (m->has_parameters)
		fault(c, ERR_INVALID, "/command",
		    "replaces the environment's own command, so \"parameters\" cannot be given "
		    "with it");
	if (m->n_argv == 0)
		return 0; /* not an array, or an empty one: a fault already */
	m->argv[0] = program_path(c, m->argv[0]);
	if (m->argv[0] == NULL)
		return arena_err(e);
	for (size_t i = 0; i < m->n_argv; i++)
		bytes += strlen(m->argv[i]) + 1;
	if (bytes > COMMAND_BYTES)
		fault(c, ERR_INVALID, "/command",
		    "must have at most %d bytes in all; put long arguments into an input file",
		    COMMAND_BYTES);
	c->spec->argv = m->argv;
	c->spec->n_argv = m->n_argv;
	return 0;
}

static int
use_template(struct decoding *c, struct err *e)
{
	const char *paths[CAP_INPUTS];
	struct environment_argv argv;
	struct err own = { 0 };
	size_t n = 0;

	if (c->spec->environment == NULL)
		return 0;
	for (size_t i = 0; i < c->m->inputs.n; i++)
		if (c->m->inputs.items[i].path != NULL)
			paths[n++] = c->m->inputs.items[i].path;
	if (environment_command(c->spec->environment, c->m->parameters, c->m->n_parameters, paths,
		n, c->mem, &argv, &own) == 0) {
		c->spec->argv = argv.words;
		c->spec->n_argv = argv.n;
		return 0;
	}
	if (own.n_fields == 0) {
		*e = own;
		return -1;
	}
	for (uint32_t i = 0; i < own.n_fields; i++)
		fault(c, ERR_INVALID, own.fields[i].name, "%s", own.fields[i].msg);
	c->faults.n_fields_lost += own.n_fields_lost;
	return 0;
}

int
job_spec_decode(const struct json *j, const struct environments *envs,
    const struct job_limits *limits, struct arena *mem, struct job_spec *ret, struct err *e)
{
	struct job_spec spec = { 0 };
	struct decoding c = { .limits = limits, .mem = mem, .spec = &spec };
	AUTO_BUF labels = { 0 };

	buf_init(&labels, LABELS_BYTES_MAX);
	c.m = arena_alloc(mem, sizeof(*c.m));
	if (c.m == NULL)
		return arena_err(e);
	c.m->max_attempts = 1;
	json_out_init(&c.m->labels, &labels);
	json_out_begin(&c.m->labels);
	if (decode_shape(j, mem, c.m, &c.faults) < 0) {
		c.code = c.faults.code;
		if (c.code != ERR_INVALID) {
			*e = c.faults;
			return -1;
		}
	}
	json_out_end(&c.m->labels);
	if (buf_check(&labels, e) < 0)
		return -1;
	spec.labels = arena_strndup(mem, labels.p, labels.n);
	if (spec.labels == NULL)
		return arena_err(e);

	find_environment(&c, envs);
	check_names(&c);
	check_limits(&c);
	if ((c.m->has_command ? use_command(&c, e) : use_template(&c, e)) < 0)
		return -1;
	if (err_fields_done(&c.faults, c.code) < 0) {
		*e = c.faults;
		return -1;
	}
	*ret = spec;
	return 0;
}
