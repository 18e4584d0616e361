/* SPDX-License-Identifier: Apache-2.0 */
/* The operators' side, and a tenant's look at itself (self, isolation). */
#include "cli_call_internal.h"

#include <stdio.h>
#include <string.h>

#define SHOWN "id name kind state state_reason state_changed_at support_allowed created_at version"
#define OPENED "id operator.name:operator role reason created_at expires_at active"

static const struct cli_param filters[] = {
	{ "--name", "?name", CLI_TEXT, 0 },
	{ "--state", "?state", CLI_TEXT, 0 },
	{ 0 },
};
static const struct cli_param wishes[] = {
	{ "NAME", "name", CLI_TEXT, 0 },
	{ "--owner", "owner/name", CLI_TEXT, CLI_REQUIRED },
	{ "--owner-kind", "owner/kind", CLI_TEXT, 0 },
	{ "--owner-email", "owner/email", CLI_TEXT, 0 },
	{ 0 },
};
static const struct cli_param rename_to[] = {
	{ "NAME", "name", CLI_TEXT, 0 },
	{ 0 },
};
static const struct cli_param why[] = {
	{ "--reason", "reason", CLI_TEXT, CLI_REQUIRED },
	{ 0 },
};
static const struct cli_param meant[] = {
	{ "--confirm", "?confirm", CLI_TEXT, CLI_REQUIRED },
	{ 0 },
};
static const struct cli_param owner[] = {
	{ "NAME", "name", CLI_TEXT, 0 },
	{ "--kind", "kind", CLI_TEXT, 0 },
	{ "--email", "email", CLI_TEXT, 0 },
	{ 0 },
};
static const struct cli_param support[] = {
	{ "--reason", "reason", CLI_TEXT, CLI_REQUIRED },
	{ "--role", "role", CLI_TEXT, 0 },
	{ "--for", "expires_in_s", CLI_DURATION, 0 },
	{ 0 },
};

/* --- delete ----------------------------------------------------------------------------------- */

static int delete (struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	char operation[CLI_ID_SIZE];

	if (cli_call_send(cli, &cli->command->call, &body, e) < 0)
		return -1;
	if (!cli_flag(cli, "--wait"))
		return cli_call_show(cli, &cli->command->call, &body, e);
	if (cli_parse(&body, &j, e) < 0)
		return -1;
	(void)snprintf(operation, sizeof(operation), "%.63s", cli_text(json_root(j), "id"));
	return cli_operation_wait(cli, operation, e);
}

/* --- isolation -------------------------------------------------------------------------------- */

/* Exit status 1 when a probe found what it must not. */
static int
isolation(struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	const struct json_value *evidence;
	bool ok = false;

	if (cli_call_send(cli, &cli->command->call, &body, e) < 0)
		return -1;
	if (cli->json)
		cli_print_raw(&body);
	if (cli_parse(&body, &j, e) < 0)
		return -1;
	evidence = json_member(json_root(j), "evidence");
	(void)json_get_bool(json_member(evidence, "ok"), &ok); /* not, else */
	if (!ok)
		cli->exit_status = err_exit_status(ERR_INTERNAL);
	if (cli->json)
		return 0;
	if (cli_show_rows(json_member(evidence, "probes"), "name ok expected found question", e) <
	    0)
		return -1;
	return cli_show_fields(evidence, "ok at tenant", e);
}

static const struct cli_command commands[] = {
	{ "list", cli_call_list, 0, 0, "", CLI_PAGES, "tenants:read", "List tenants",
	    "wardian tenant list --state suspended",
	    { "GET", "/v1/tenants", filters, "id name kind state state_reason created_at", NULL } },
	{ "get", cli_call_one, 1, 1, "TENANT", "", "tenants:read", "Show a tenant",
	    "wardian tenant get acme", { "GET", "/v1/tenants/{TENANT}", NULL, SHOWN, NULL } },
	{ "create", cli_call_secret, 1, 1, "NAME", CLI_SHOWS_SECRET, "tenants:create",
	    "Make a tenant and its first owner; the owner's key is printed, this once",
	    "wardian tenant create acme --owner alice --owner-kind person --output alice.key",
	    { "POST", "/v1/tenants", wishes,
		"tenant.id:id tenant.name:name tenant.state:state owner.user:owner "
		"owner.key_id:key_id",
		"owner.key" } },
	{ "rename", cli_call_one, 2, 2, "TENANT NAME", CLI_VERSIONED, "tenants:update",
	    "Rename a tenant", "wardian tenant rename acme acme-group",
	    { "PATCH", "/v1/tenants/{TENANT}", rename_to, SHOWN, NULL } },
	{ "suspend", cli_call_one, 1, 1, "TENANT", "", "tenants:update",
	    "Refuse a tenant's credentials and let its jobs wait",
	    "wardian tenant suspend acme --reason 'invoice 17 is not paid'",
	    { "POST", "/v1/tenants/{TENANT}/suspend", why, SHOWN, NULL } },
	{ "resume", cli_call_one, 1, 1, "TENANT", "", "tenants:update", "Take a suspension back",
	    "wardian tenant resume acme",
	    { "POST", "/v1/tenants/{TENANT}/resume", NULL, SHOWN, NULL } },
	{ "delete", delete, 1, 1, "TENANT", "--wait --timeout=", "tenants:delete",
	    "Delete a tenant with all that it owns; say its name with --confirm",
	    "wardian tenant delete acme --confirm acme --wait",
	    { "DELETE", "/v1/tenants/{TENANT}", meant,
		"id kind target target_name stage problem created_at", NULL } },
	{ "self", cli_call_one, 0, 0, "", "", "tenant:read", "Show your own tenant",
	    "wardian tenant self",
	    { "GET", "/v1/tenant", NULL,
		"id name kind state state_reason support_allowed created_at version", NULL } },
	{ "isolation", isolation, 0, 0, "", "", "tenant:test",
	    "Probe your tenant's isolation; with -o json the evidence is signed",
	    "wardian tenant isolation -o json > evidence.json",
	    { "GET", "/v1/tenant/isolation", NULL, NULL, NULL } },
	{ "owner", cli_call_secret, 2, 2, "TENANT NAME", CLI_SHOWS_SECRET, "tenants:update",
	    "Make another owner for a tenant that lost its keys; the key is printed, this once",
	    "wardian tenant owner acme recovery --output recovery.key",
	    { "POST", "/v1/tenants/{TENANT}/owners", owner, "user key_id", "key" } },
	{ "support-open", cli_call_secret, 1, 1, "TENANT", CLI_SHOWS_SECRET, "tenants:support",
	    "Look into a tenant for a while; the token is printed, this once",
	    "wardian tenant support-open acme --reason 'ticket 4711: job hangs' --for 30m",
	    { "POST", "/v1/tenants/{TENANT}/support-access", support, OPENED, "access_token" } },
	{ "support-close", cli_call_done, 2, 2, "TENANT SUPPORT", "", "tenants:support",
	    "End support access", "wardian tenant support-close acme sup_01jd...",
	    { "DELETE", "/v1/tenants/{TENANT}/support-access/{SUPPORT}", NULL, "ended", NULL } },
};
const struct cli_noun noun_tenant = { commands, ARRAY_LEN(commands) };
