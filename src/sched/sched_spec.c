/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a manifest to what a run needs.  The manifest was checked when it was submitted; it is
 * decoded again because profiles and limits may have changed since, and because a daemon that
 * adopts a run knows nothing else about it.
 */
#include "sched_internal.h"

#include <string.h>

/* Where simulators of a distribution lie; sbin is for administrators. */
static const char default_path[] = "/usr/local/bin:/usr/bin:/bin";

enum { ENV_OWN = 8 /* variables set here */ };

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

int
sched_env_build(const struct job_spec *spec, struct uuid job, int64_t attempt, int64_t cpu_milli,
    struct arena *mem, struct sched_env *ret, struct err *e)
{
	const struct environment *own = spec->environment;
	struct sched_env env = { 0 };

	env.v = arena_array(mem, own->n_env + ENV_OWN, sizeof(*env.v));
	if (env.v == NULL)
		return arena_err(e);
	if (put_job(&env, spec, job, attempt, mem, e) < 0)
		return -1;
	for (size_t i = 0; i < own->n_env; i++)
		if (strchr(own->env[i], '=') != NULL && put(&env, own->env[i], e) < 0)
			return -1;
	if (put_defaults(&env, cpu_milli, mem, e) < 0)
		return -1;
	*ret = env;
	return 0;
}
