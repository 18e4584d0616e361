/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a manifest: what is accepted obeys every limit, what is refused says where. */
#include "caps.h"
#include "job_internal.h"
#include "parse.h"

#include <string.h>

static const char profile[] =
    "name = \"demo\"\ntitle = \"Demo\"\ndescription = \"For this harness.\"\npackage = "
    "\"coreutils\"\n"
    "program = \"/usr/bin/true\"\ncommand = [\"/usr/bin/true\", \"{deck}\", \"{n}\", \"{rest}\"]\n"
    "[parameter.deck]\ntype = \"file\"\ntitle = \"the deck\"\n"
    "[parameter.n]\ntype = \"integer\"\ntitle = \"a number\"\nmin = 1\nmax = 9\ndefault = \"3\"\n"
    "[parameter.rest]\ntype = \"list\"\ntitle = \"more\"\n";

static const struct job_limits limits = {
	.cpu_milli_max = 4000,
	.gpus_max = 4,
	.pins_max = 3,
	.memory_max_bytes = 8 * GIB,
	.memory_default_bytes = 512 * MIB,
	.disk_default_bytes = 256 * MIB,
	.wall_default_ms = 3600000,
	.wall_max_ms = 604800000,
	.log_default_bytes = 64 * MIB,
};

static void
check_inputs(const struct job_spec *s)
{
	const char *why;

	REQUIRE(s->n_inputs <= CAP_INPUTS);
	for (size_t i = 0; i < s->n_inputs; i++) {
		REQUIRE(job_path_valid(s->inputs[i].path, &why));
		REQUIRE(s->inputs[i].text != NULL);
		for (size_t k = 0; k < i; k++)
			REQUIRE(strcmp(s->inputs[i].path, s->inputs[k].path) != 0);
	}
}

/* Nothing but a name or an id reaches messages and the database. */
static void
check_project(const char *project)
{
	struct uuid id;
	struct err e;

	if (project == NULL || id_parse("prj", project, &id, &e) == 0)
		return;
	REQUIRE(project[0] != '\0');
	REQUIRE(strlen(project) <= CAP_NAME_BYTES);
	REQUIRE(project[strspn(project, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0');
}

static void
check_spec(const struct job_spec *s)
{
	struct json *labels = NULL;
	struct err e = { 0 };

	REQUIRE(strcmp(s->environment->name, "demo") == 0);
	REQUIRE(s->n_argv >= 1);
	REQUIRE(s->n_argv <= CAP_ARGS);
	REQUIRE(strncmp(s->argv[0], "/usr/", 5) == 0);
	REQUIRE(strstr(s->argv[0], "/../") == NULL);
	REQUIRE(s->cpu_milli >= 100);
	REQUIRE(s->cpu_milli <= limits.cpu_milli_max);
	REQUIRE(!s->pin_cpus || s->cpu_milli <= limits.pins_max * 1000);
	REQUIRE(s->cpu_milli % 100 == 0);
	REQUIRE(s->memory_bytes >= 16 * MIB);
	REQUIRE(s->memory_bytes <= limits.memory_max_bytes);
	REQUIRE(s->disk_bytes >= MIB);
	REQUIRE(s->wall_ms >= 1000);
	REQUIRE(s->wall_ms <= limits.wall_max_ms);
	REQUIRE(s->no_output_ms >= 0);
	REQUIRE(s->priority >= -100);
	REQUIRE(s->priority <= 100);
	REQUIRE(s->max_attempts >= 1);
	REQUIRE(s->max_attempts <= 10);
	REQUIRE(json_parse(s->labels, strlen(s->labels), &labels, &e) == 0);
	REQUIRE(json_count(json_root(labels)) <= CAP_LABELS);
	json_free(labels);
	check_inputs(s);
	check_project(s->project);
}

static void
check_faults(const struct err *e)
{
	REQUIRE(e->code == ERR_INVALID || e->code == ERR_NO_ENVIRONMENT ||
		e->code == ERR_IMPOSSIBLE || e->code == ERR_ENVIRONMENT_BROKEN ||
		e->code == ERR_TOO_LARGE);
	REQUIRE(e->code == ERR_TOO_LARGE || e->n_fields > 0);
	for (uint32_t i = 0; i < e->n_fields; i++) {
		REQUIRE(e->fields[i].name[0] == '\0' || e->fields[i].name[0] == '/');
		REQUIRE(e->fields[i].msg[0] != '\0');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct environments *envs; /* made once: it is not what is fuzzed */
	struct arena *mem = arena_new(CAP_REQUEST_ARENA_BYTES);
	struct json *j = NULL;
	struct job_spec spec;
	struct err e = { 0 };

	REQUIRE(mem != NULL);
	if (envs == NULL) {
		REQUIRE(environments_new(&envs, &e) == 0);
		REQUIRE(environments_add(envs, "demo.toml", profile, sizeof(profile) - 1, &e) == 0);
	}
	if (json_parse((const char *)data, size, &j, &e) == 0) {
		e = (struct err){ 0 };
		if (job_spec_decode(j, envs, &limits, mem, &spec, &e) == 0)
			check_spec(&spec);
		else
			check_faults(&e);
	}
	json_free(j);
	arena_free(mem);
	return 0;
}
