/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_call_internal.h"

#define SHOWN                                                                                      \
	"id name url audience tenant_claim jwks.keys.kid:keys rules disabled created_at version"

static const struct cli_param wishes[] = {
	{ "NAME", "name", CLI_TEXT, 0 },
	{ "--url", "url", CLI_TEXT, CLI_REQUIRED },
	{ "--jwks", "jwks", CLI_FILE, CLI_REQUIRED },
	{ "--rule", "rules", CLI_RULES, CLI_REQUIRED },
	{ "--audience", "audience", CLI_TEXT, 0 },
	{ "--tenant-claim", "tenant_claim", CLI_TEXT, 0 },
	{ 0 },
};
static const struct cli_param changes[] = {
	{ "--name", "name", CLI_TEXT, 0 },
	{ "--url", "url", CLI_TEXT, 0 },
	{ "--jwks", "jwks", CLI_FILE, 0 },
	{ "--rule", "rules", CLI_RULES, 0 },
	{ "--audience", "audience", CLI_TEXT, CLI_CLEARABLE },
	{ "--tenant-claim", "tenant_claim", CLI_TEXT, CLI_CLEARABLE },
	{ "--disabled", "disabled", CLI_SWITCH, 0 },
	{ 0 },
};

static const struct cli_command commands[] = {
	{ "list", cli_call_list, 0, 0, "", CLI_PAGES, "issuer:read",
	    "List the issuers whose tokens are accepted", "wardian issuer list",
	    { "GET", "/v1/issuers", NULL, "id name url audience disabled created_at", NULL } },
	{ "get", cli_call_one, 1, 1, "ISSUER", "", "issuer:read", "Show an issuer",
	    "wardian issuer get sso", { "GET", "/v1/issuers/{ISSUER}", NULL, SHOWN, NULL } },
	{ "create", cli_call_one, 1, 1, "NAME", CLI_CREATES, "issuer:create",
	    "Accept the tokens of an issuer of your own, and say who gets which role",
	    "wardian issuer create sso --url https://sso.acme.example --jwks keys.json "
	    "--rule groups=sim:engineer",
	    { "POST", "/v1/issuers", wishes, SHOWN, NULL } },
	{ "update", cli_call_one, 1, 1, "ISSUER", CLI_CHANGES, "issuer:update",
	    "Change an issuer; --jwks and --rule replace what it has",
	    "wardian issuer update sso --jwks keys.json",
	    { "PATCH", "/v1/issuers/{ISSUER}", changes, SHOWN, NULL } },
	{ "delete", cli_call_done, 1, 1, "ISSUER", CLI_VERSIONED, "issuer:delete",
	    "Accept no more tokens of an issuer", "wardian issuer delete sso",
	    { "DELETE", "/v1/issuers/{ISSUER}", NULL, "deleted", NULL } },
};
const struct cli_noun noun_issuer = { commands, ARRAY_LEN(commands) };
