/* SPDX-License-Identifier: Apache-2.0 */
/* Roles as the database returns them: whatever they say, a customer's tenant gets no more than can
 * be had in it, and grants keep their form. */
#include "json.h"
#include "tenant_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	json_start();
	return 0;
}

static void
check(const struct grants *g, struct tenant_id tenant)
{
	if ((grants_anywhere(g) & ~permission_set_in(tenant)) != 0 || g->n > GRANT_PROJECTS_MAX)
		abort();
	for (size_t i = 0; i < g->n; i++) {
		if (uuid_is_nil(g->in[i].project) || g->in[i].set == 0 ||
		    (g->in[i].set & g->everywhere) != 0)
			abort();
		if (i > 0 && uuid_cmp(g->in[i - 1].project, g->in[i].project) >= 0)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tenant_id customer = { { { 1 } } };
	char *text = strndup((const char *)data, size);
	struct grants here = { 0 }, there = { 0 };
	struct err e = { 0 };
	bool lost = false;

	if (text == NULL)
		return 0;
	if (tenant_roles_add(text, customer, &here, &lost, &e) == 0)
		check(&here, customer);
	if (tenant_roles_add(text, tenant_platform_id, &there, &lost, &e) == 0)
		check(&there, tenant_platform_id);
	free(text);
	return 0;
}
