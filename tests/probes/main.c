/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	act run;
} acts[] = {
#define ROW(name) { #name, act_##name },
	ACTS(ROW)
#undef ROW
};

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < LEN(acts); i++)
		if (strcmp(argv[1], acts[i].name) == 0)
			return acts[i].run(argv + 2);
	(void)fprintf(stderr, "wardian-hostile: the first word names an act:");
	for (size_t i = 0; i < LEN(acts); i++)
		(void)fprintf(stderr, " %s", acts[i].name);
	(void)fprintf(stderr, "\n");
	return 64;
}
