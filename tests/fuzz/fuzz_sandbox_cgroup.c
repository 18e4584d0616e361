/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts that say where control groups stand, and the ones with counters.  The input is the two
 * texts of the first, separated by a NUL.
 */
#include "cgroup.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read is written so that it is read as the same. */
static void
check_cpu_set(const char *text)
{
	uint64_t set[SANDBOX_CPU_WORDS], again[SANDBOX_CPU_WORDS];
	char list[CPU_SET_TEXT_SIZE];
	struct err e = { 0 };

	if (cpu_set_parse(text, set, &e) < 0)
		return;
	REQUIRE(cpu_set_parse(cpu_set_format(set, list), again, &e) == 0);
	REQUIRE(memcmp(set, again, sizeof(set)) == 0);
	REQUIRE(cpu_set_empty(set) == (list[0] == '\0'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 2);
	const char *self;
	struct cgroup_places p;
	struct err e = { 0 };

	if (text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	self = text + strlen(text) + 1;
	if (self > text + size)
		self = text + size;
	if (cgroup_places_parse(text, self, &p, &e) == 0) {
		uint32_t seen = 0;

		REQUIRE(p.n <= CGROUP_TREES_MAX);
		for (size_t i = 0; i < p.n; i++) {
			REQUIRE(p.at[i].controllers != 0);
			REQUIRE((p.at[i].controllers & seen) == 0);
			REQUIRE(memchr(p.at[i].dir, '\0', sizeof(p.at[i].dir)) != NULL);
			seen |= p.at[i].controllers;
		}
	}
	REQUIRE(cgroup_text_number(text, "oom_kill") >= -1);
	REQUIRE(cgroup_text_number(text, NULL) >= -1);
	REQUIRE(cgroup_text_sum(text, "rbytes=") >= -1);
	REQUIRE(cgroup_text_sum(text, "Read ") >= -1);
	check_cpu_set(text);
	free(text);
	return 0;
}
