/* SPDX-License-Identifier: Apache-2.0 */
/* Operators' access as the tenant sees it; the operators' side is in cli_tenant.c. */
#include "cli_call_internal.h"

#define TENANT "id name kind state support_allowed version"

static const struct cli_param allowed[] = {
	{ "", "support_allowed", CLI_TRUE, 0 },
	{ 0 },
};
static const struct cli_param refused[] = {
	{ "", "support_allowed", CLI_FALSE, 0 },
	{ 0 },
};

static const struct cli_command commands[] = {
	{ "list", cli_call_list, 0, 0, "", CLI_PAGES, "support:read",
	    "List when operators had access, and why", "wardian support list",
	    { "GET", "/v1/support-access", NULL,
		"id operator.name:operator role reason created_at expires_at ended_at active",
		NULL } },
	{ "end", cli_call_done, 1, 1, "SUPPORT", "", "support:end", "Show an operator out",
	    "wardian support end sup_01jd...",
	    { "DELETE", "/v1/support-access/{SUPPORT}", NULL, "ended", NULL } },
	{ "allow", cli_call_one, 0, 0, "", CLI_VERSIONED, "tenant:update",
	    "Let operators open support access", "wardian support allow",
	    { "PATCH", "/v1/tenant", allowed, TENANT, NULL } },
	{ "refuse", cli_call_one, 0, 0, "", CLI_VERSIONED, "tenant:update",
	    "Let no operator open support access, and end what is open", "wardian support refuse",
	    { "PATCH", "/v1/tenant", refused, TENANT, NULL } },
};
const struct cli_noun noun_support = { commands, ARRAY_LEN(commands) };
