/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_call_internal.h"

#define SHOWN "id kind name email issuer subject disabled disabled_at roles created_at version"

static const struct cli_param filters[] = {
	{ "--kind", "?kind", CLI_TEXT, 0 },
	{ "--disabled", "?disabled", CLI_SWITCH, 0 },
	{ 0 },
};
static const struct cli_param wishes[] = {
	{ "NAME", "name", CLI_TEXT, 0 },
	{ "--kind", "kind", CLI_TEXT, 0 },
	{ "--email", "email", CLI_TEXT, 0 },
	{ "--issuer", "issuer", CLI_ID, 0 },
	{ "--subject", "subject", CLI_TEXT, 0 },
	{ "--role", "roles", CLI_ROLES, 0 },
	{ 0 },
};
static const struct cli_param changes[] = {
	{ "--name", "name", CLI_TEXT, 0 },
	{ "--email", "email", CLI_TEXT, CLI_CLEARABLE },
	{ "--issuer", "issuer", CLI_ID, CLI_CLEARABLE },
	{ "--subject", "subject", CLI_TEXT, CLI_CLEARABLE },
	{ "--disabled", "disabled", CLI_SWITCH, 0 },
	{ 0 },
};
static const struct cli_param disabled[] = {
	{ "", "disabled", CLI_TRUE, 0 },
	{ 0 },
};
static const struct cli_param enabled[] = {
	{ "", "disabled", CLI_FALSE, 0 },
	{ 0 },
};
static const struct cli_param leaving[] = {
	{ "--revoke-keys", "?revoke_keys", CLI_PRESENT, 0 },
	{ 0 },
};

static const struct cli_command commands[] = {
	{ "list", cli_call_list, 0, 0, "", CLI_PAGES, "user:read",
	    "List people and service accounts", "wardian user list --kind person --all",
	    { "GET", "/v1/users", filters, "id name kind email disabled roles created_at", NULL } },
	{ "get", cli_call_one, 1, 1, "USER", "", "user:read", "Show a person or service account",
	    "wardian user get alice", { "GET", "/v1/users/{USER}", NULL, SHOWN, NULL } },
	{ "create", cli_call_one, 1, 1, "NAME", CLI_CREATES, "user:create",
	    "Add a service account, or with --kind person a person",
	    "wardian user create alice --kind person --email alice@acme.example --role engineer",
	    { "POST", "/v1/users", wishes, SHOWN, NULL } },
	{ "update", cli_call_one, 1, 1, "USER", CLI_CHANGES, "user:update",
	    "Change a person or service account",
	    "wardian user update alice --name alice.smith --clear email",
	    { "PATCH", "/v1/users/{USER}", changes, SHOWN, NULL } },
	{ "disable", cli_call_one, 1, 1, "USER", CLI_VERSIONED, "user:update",
	    "Refuse the keys and tokens of a user", "wardian user disable alice",
	    { "PATCH", "/v1/users/{USER}", disabled, SHOWN, NULL } },
	{ "enable", cli_call_one, 1, 1, "USER", CLI_VERSIONED, "user:update",
	    "Accept the keys and tokens of a user again", "wardian user enable alice",
	    { "PATCH", "/v1/users/{USER}", enabled, SHOWN, NULL } },
	{ "delete", cli_call_done, 1, 1, "USER", CLI_VERSIONED, "user:delete",
	    "Remove a user with its roles; one with keys only with --revoke-keys",
	    "wardian user delete alice --revoke-keys",
	    { "DELETE", "/v1/users/{USER}", leaving, "deleted", NULL } },
};
const struct cli_noun noun_user = { commands, ARRAY_LEN(commands) };
