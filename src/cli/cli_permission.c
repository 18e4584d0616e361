/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_call_internal.h"

static const struct cli_command commands[] = {
	{ "list", cli_call_list, 0, 0, "", "", "", "List all permissions",
	    "wardian permission list",
	    { "GET", "/v1/permissions", NULL, "name level description", NULL } },
};
const struct cli_noun noun_permission = { commands, ARRAY_LEN(commands) };
