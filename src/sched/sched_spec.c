/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a manifest to what a run needs.  The manifest was checked when it was submitted; it is
 * decoded again because profiles and limits may have changed since, and because a daemon that
 * adopts a run knows nothing else about it.
 */
#include "sched_internal.h"

#include <stdio.h>
#include <string.h>

/* Where simulators of a distribution lie; sbin is for administrators. */
static const char default_path[] = "/usr/local/bin:/usr/bin:/bin";

enum { ENV_OWN = 11 /* variables set here */ };

void
sched_spec_done(struct sched_spec *x)
{
	json_free(x->doc);
	x->doc = NULL;
}

int
sched_spec_of(const struct sched *s, const char *manifest, struct arena *mem,
    struct sched_spec *ret, struct err *e)
{
	AUTO(json) doc = NULL;
	struct job_spec spec;

	if (json_parse(manifest, strlen(manifest), &doc, e) < 0)
		return -1;
	if (job_spec_decode(doc, s->o.environments, s->o.limits, mem, &spec, e) < 0)
		return -1;
	*ret = (struct sched_spec){ .doc = doc, .spec = spec };
	doc = NULL;
	return 0;
}

int
sched_spec_read(const struct sched *s, const struct compute_run_id *id, struct arena *mem,
    struct sched_spec *ret, struct err *e)
{
	static const struct scope everywhere = { .everywhere = true };
	struct job job;

	if (job_get(s->o.db, id->tenant, &everywhere, id->run, mem, &job, e) < 0)
		return -1;
	return sched_spec_of(s, job.manifest, mem, ret, e);
}

/* --- limits ----------------------------------------------------------------------------------- */

static uint8_t
digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The profile's reader has checked the digits. */
static void
read_digest(const char *text, uint8_t out[static COMPUTE_ROOT_BYTES])
{
	for (size_t i = 0; i < COMPUTE_ROOT_BYTES; i++)
		out[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
}

void
sched_spec_apply(const struct job_spec *spec, struct compute_run *run)
{
	const struct environment *env = spec->environment;

	run->disk_bytes = spec->disk_bytes;
	run->wall_ms = spec->wall_ms;
	run->no_output_ms = spec->no_output_ms;
	run->log_bytes = spec->log_bytes;
	run->cpu_ms = spec->cpu_ms;
	run->io_read_bps = spec->io_read_bps;
	run->io_write_bps = spec->io_write_bps;
	if (env->root_digest != NULL)
		read_digest(env->root_digest, run->root);
	/* Environments live as long as the daemon, so the run may point into them. */
	run->stop = (struct compute_stop){ .signal = env->stop.signal,
		.file = env->stop.file,
		.text = env->stop.text,
		.wait_ms = env->stop.wait_ms };
}

/* --- environment variables -------------------------------------------------------------------- */

static bool
names(const struct sched_env *env, const char *variable)
{
	size_t n = (size_t)(strchr(variable, '=') - variable) + 1;

	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], variable, n) == 0)
			return true;
	return false;
}

/* A variable that the environment sets itself stays as it is. */
static int
put(struct sched_env *env, const char *variable, struct err *e)
{
	if (variable == NULL)
		return arena_err(e);
	if (!names(env, variable))
		env->v[env->n++] = variable;
	return 0;
}

static int
put_job(struct sched_env *env, const struct job_spec *spec, struct uuid job, int64_t attempt,
    struct arena *mem, struct err *e)
{
	char id[ID_STR_SIZE];

	if (put(env, arena_printf(mem, "WARDIAN_JOB_ID=%s", id_format("job", job, id)), e) < 0)
		return -1;
	if (put(env, arena_printf(mem, "WARDIAN_ATTEMPT=%lld", (long long)attempt), e) < 0)
		return -1;
	if (!spec->has_seed)
		return 0;
	return put(env, arena_printf(mem, "WARDIAN_SEED=%lld", (long long)spec->seed), e);
}

static int
put_defaults(struct sched_env *env, int64_t cpu_milli, struct arena *mem, struct err *e)
{
	/* More threads than CPUs only wait for the quota. */
	long long threads = cpu_milli <= 1000 ? 1 : (cpu_milli + 999) / 1000;

	if (put(env, arena_printf(mem, "PATH=%s", default_path), e) < 0)
		return -1;
	if (put(env, "HOME=/work", e) < 0 || put(env, "TMPDIR=/tmp", e) < 0 ||
	    put(env, "LANG=C.UTF-8", e) < 0)
		return -1;
	return put(env, arena_printf(mem, "OMP_NUM_THREADS=%lld", threads), e);
}

/* Of the environment's own, NULL when it has none. */
static const char *
value_of(const struct environment *own, const char *name)
{
	const size_t n = strlen(name);

	for (size_t i = 0; i < own->n_env; i++)
		if (strncmp(own->env[i], name, n) == 0 && own->env[i][n] == '=')
			return own->env[i] + n + 1;
	return NULL;
}

/* "0,1,2": inside, the devices of a run are numbered from 0, whichever they are on the host. */
static const char *
device_list(uint64_t gpus, struct arena *mem)
{
	char text[4 * 64] = ""; /* of two digits and a comma each */
	size_t at = 0;

	for (int i = 0; i < __builtin_popcountll(gpus); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, i > 0 ? ",%d" : "%d", i);
	return arena_strdup(mem, text);
}

/* Empty lists for a run without GPUs: programs then do not even look. */
static int
put_gpus(struct sched_env *env, const struct job_spec *spec, const struct compute_run *run,
    struct arena *mem, struct err *e)
{
	static const uint8_t host[COMPUTE_ROOT_BYTES] = { 0 };
	const char *found = value_of(spec->environment, "LD_LIBRARY_PATH");
	const char *own = found != NULL && found[0] != '\0' ? found : NULL;
	const char *list = device_list(run->gpus, mem);

	if (list == NULL)
		return arena_err(e);
	if (put(env, arena_printf(mem, "CUDA_VISIBLE_DEVICES=%s", list), e) < 0 ||
	    put(env, arena_printf(mem, "NVIDIA_VISIBLE_DEVICES=%s", list), e) < 0)
		return -1;
	/* An unpacked root lacks the driver's libraries. */
	if (run->gpus == 0 || memcmp(run->root, host, sizeof(host)) == 0)
		return 0;
	return put(env,
	    arena_printf(mem, "LD_LIBRARY_PATH=%s%s%s", COMPUTE_GPU_LIBRARIES,
		own == NULL ? "" : ":", own == NULL ? "" : own),
	    e);
}

int
sched_env_build(const struct job_spec *spec, const struct compute_run *run, int64_t attempt,
    struct arena *mem, struct sched_env *ret, struct err *e)
{
	const struct environment *own = spec->environment;
	struct sched_env env = { 0 };

	env.v = arena_array(mem, own->n_env + ENV_OWN, sizeof(*env.v));
	if (env.v == NULL)
		return arena_err(e);
	if (put_job(&env, spec, run->id.run, attempt, mem, e) < 0 ||
	    put_gpus(&env, spec, run, mem, e) < 0)
		return -1;
	for (size_t i = 0; i < own->n_env; i++)
		if (strchr(own->env[i], '=') != NULL && put(&env, own->env[i], e) < 0)
			return -1;
	if (put_defaults(&env, run->cpu_milli, mem, e) < 0)
		return -1;
	*ret = env;
	return 0;
}
