/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_call_internal.h"

#define SHOWN "id name title archived archived_at created_at version"

static const struct cli_param filters[] = {
	{ "--archived", "?archived", CLI_SWITCH, 0 },
	{ 0 },
};
static const struct cli_param wishes[] = {
	{ "NAME", "name", CLI_TEXT, 0 },
	{ "--title", "title", CLI_TEXT, 0 },
	{ 0 },
};
static const struct cli_param changes[] = {
	{ "--name", "name", CLI_TEXT, 0 },
	{ "--title", "title", CLI_TEXT, CLI_CLEARABLE },
	{ "--archived", "archived", CLI_SWITCH, 0 },
	{ 0 },
};
static const struct cli_param archived[] = {
	{ "", "archived", CLI_TRUE, 0 },
	{ 0 },
};

static const struct cli_command commands[] = {
	{ "list", cli_call_list, 0, 0, "", CLI_PAGES, "project:read", "List projects",
	    "wardian project list --archived no",
	    { "GET", "/v1/projects", filters, "id name title archived created_at", NULL } },
	{ "get", cli_call_one, 1, 1, "PROJECT", "", "project:read", "Show a project",
	    "wardian project get wing", { "GET", "/v1/projects/{PROJECT}", NULL, SHOWN, NULL } },
	{ "create", cli_call_one, 1, 1, "NAME", CLI_CREATES, "project:create", "Make a project",
	    "wardian project create wing --title 'Wing studies'",
	    { "POST", "/v1/projects", wishes, SHOWN, NULL } },
	{ "update", cli_call_one, 1, 1, "PROJECT", CLI_CHANGES, "project:update",
	    "Rename a project, change its title, archive it or take that back",
	    "wardian project update wing --title 'Wing and flap' --archived no",
	    { "PATCH", "/v1/projects/{PROJECT}", changes, SHOWN, NULL } },
	{ "archive", cli_call_one, 1, 1, "PROJECT", CLI_VERSIONED, "project:update",
	    "Archive a project: it takes no new jobs", "wardian project archive wing",
	    { "PATCH", "/v1/projects/{PROJECT}", archived, SHOWN, NULL } },
	{ "delete", cli_call_done, 1, 1, "PROJECT", CLI_VERSIONED, "project:delete",
	    "Delete a project that holds no jobs", "wardian project delete wing",
	    { "DELETE", "/v1/projects/{PROJECT}", NULL, "deleted", NULL } },
};
const struct cli_noun noun_project = { commands, ARRAY_LEN(commands) };
