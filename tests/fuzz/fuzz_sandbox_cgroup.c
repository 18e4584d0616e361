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
	free(text);
	return 0;
}
