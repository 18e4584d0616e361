/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_call_internal.h"

#define SHOWN                                                                                      \
	"id public_id kind name user scopes cidrs roles last4 created_at expires_at last_used_at " \
	"last_used_from previous_until revoked revoked_at revoked_by version"

static const struct cli_param filters[] = {
	{ "--user", "?user", CLI_ID, 0 },
	{ "--revoked", "?revoked", CLI_SWITCH, 0 },
	{ 0 },
};
static const struct cli_param wishes[] = {
	{ "NAME", "name", CLI_TEXT, 0 },
	{ "--user", "user", CLI_ID, 0 },
	{ "--scope", "scopes", CLI_LIST, 0 },
	{ "--cidr", "cidrs", CLI_LIST, 0 },
	{ "--expires-in", "expires_in_s", CLI_DURATION, 0 },
	{ "--expires-at", "expires_at", CLI_TEXT, 0 },
	{ "--role", "roles", CLI_ROLES, 0 },
	{ 0 },
};
static const struct cli_param changes[] = {
	{ "--name", "name", CLI_TEXT, 0 },
	{ "--scope", "scopes", CLI_LIST, CLI_CLEARABLE },
	{ "--cidr", "cidrs", CLI_LIST, CLI_CLEARABLE },
	{ "--expires-at", "expires_at", CLI_TEXT, CLI_CLEARABLE },
	{ 0 },
};
static const struct cli_param overlap[] = {
	{ "--overlap", "overlap_s", CLI_DURATION, 0 },
	{ 0 },
};

static const struct cli_command commands[] = {
	{ "list", cli_call_list, 0, 0, "", CLI_PAGES, "key:read", "List API keys",
	    "wardian key list --user ci --revoked no",
	    { "GET", "/v1/keys", filters,
		"id name kind user public_id last4 expires_at last_used_at revoked", NULL } },
	{ "get", cli_call_one, 1, 1, "KEY", "", "key:read", "Show an API key without its secret",
	    "wardian key get nightly", { "GET", "/v1/keys/{KEY}", NULL, SHOWN, NULL } },
	{ "create", cli_call_secret, 1, 1, "NAME", CLI_SHOWS_SECRET, "key:create",
	    "Make an API key and print it, this once",
	    "wardian key create nightly --user ci --expires-in 90d --output nightly.key",
	    { "POST", "/v1/keys", wishes, SHOWN, "key" } },
	{ "update", cli_call_one, 1, 1, "KEY", CLI_CHANGES, "key:update", "Change an API key",
	    "wardian key update nightly --cidr 10.0.0.0/8 --clear expires-at",
	    { "PATCH", "/v1/keys/{KEY}", changes, SHOWN, NULL } },
	{ "rotate", cli_call_secret, 1, 1, "KEY", CLI_SHOWS_SECRET, "key:update",
	    "Give an API key another secret and print it, this once",
	    "wardian key rotate nightly --overlap 24h --output nightly.key",
	    { "POST", "/v1/keys/{KEY}/rotate", overlap, SHOWN, "key" } },
	{ "revoke", cli_call_done, 1, 1, "KEY", CLI_VERSIONED, "key:revoke",
	    "Refuse an API key from now on", "wardian key revoke nightly",
	    { "DELETE", "/v1/keys/{KEY}", NULL, "revoked", NULL } },
};
const struct cli_noun noun_key = { commands, ARRAY_LEN(commands) };
