/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_call_internal.h"

#include "id.h"

#include <string.h>

#define SHOWN "id name title system permissions created_at version"
#define ASSIGNED "id user key role project created_at"

static const struct cli_param wishes[] = {
	{ "NAME", "name", CLI_TEXT, 0 },
	{ "--title", "title", CLI_TEXT, 0 },
	{ "--permission", "permissions", CLI_LIST, CLI_ALWAYS },
	{ "--base", "base", CLI_TEXT, 0 },
	{ 0 },
};
static const struct cli_param changes[] = {
	{ "--name", "name", CLI_TEXT, 0 },
	{ "--title", "title", CLI_TEXT, CLI_CLEARABLE },
	{ "--permission", "permissions", CLI_LIST, 0 },
	{ 0 },
};
static const struct cli_param grant[] = {
	{ "ROLE", "role", CLI_TEXT, 0 },
	{ "--user", "user", CLI_ID, 0 },
	{ "--key", "key", CLI_ID, 0 },
	{ "--project", "project", CLI_ID, 0 },
	{ 0 },
};
static const struct cli_param filters[] = {
	{ "--user", "?user", CLI_ID, 0 },
	{ "--key", "?key", CLI_ID, 0 },
	{ "--project", "?project", CLI_ID, 0 },
	{ "--role", "?role", CLI_TEXT, 0 },
	{ 0 },
};
static const struct cli_param taken[] = {
	{ "ROLE", "?role", CLI_TEXT, 0 },
	{ "--user", "?user", CLI_ID, 0 },
	{ "--key", "?key", CLI_ID, 0 },
	{ "--project", "?project", CLI_ID, 0 },
	{ 0 },
};

/* --- unassign --------------------------------------------------------------------------------- */

/* Without --project only what holds in the whole tenant is meant. */
static int
pick_assignment(
    const struct cli *cli, const struct json_value *rows, const char **ret, struct err *e)
{
	bool in_project = cli_flag(cli, "--project");
	size_t found = 0;

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		if ((cli_text(row, "project")[0] != '\0') != in_project)
			continue;
		*ret = cli_text(row, "id");
		found++;
	}
	if (found == 1)
		return 0;
	return err_set(e, ERR_NOT_FOUND, "%s; see wardian role assignments",
	    found == 0 ? "the role is not given to them there"
		       : "more than one assignment is meant, so give its id");
}

static int
find_assignment(struct cli *cli, char ret[static CLI_ID_SIZE], struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	const char *id = "";

	if (cli_flag(cli, "--user") == cli_flag(cli, "--key"))
		return err_set(e, ERR_USAGE,
		    "give --user or --key, or the assignment's id in place of the role");
	if (cli_call_send(cli, &cli->command->call, &body, e) < 0 || cli_parse(&body, &j, e) < 0 ||
	    pick_assignment(cli, json_member(json_root(j), "data"), &id, e) < 0)
		return -1;
	if (strlen(id) >= CLI_ID_SIZE)
		return err_set(e, ERR_PROTOCOL, "the server's id of the assignment is none");
	memcpy(ret, id, strlen(id) + 1);
	return 0;
}

static int
unassign(struct cli *cli, struct err *e)
{
	struct client_request q = { .method = "DELETE" };
	struct err ignored = { 0 };
	char found[CLI_ID_SIZE];
	const char *id = cli->words[0];
	struct uuid given;
	AUTO_BUF path = { 0 };
	AUTO_BUF body = { 0 };

	if (id_parse("asg", id, &given, &ignored) < 0) {
		if (find_assignment(cli, found, e) < 0)
			return -1;
		id = found;
	}
	buf_init(&path, CLI_PATH_BYTES);
	buf_str(&path, "/v1/role-assignments/");
	client_escape(id, &path);
	if (buf_check(&path, e) < 0)
		return -1;
	q.path = path.p;
	if (cli_send(cli, &q, &body, e) < 0)
		return -1;
	if (!cli->json)
		cli_say("%s is taken away", cli->words[0]);
	return 0;
}

static const struct cli_command commands[] = {
	{ "list", cli_call_list, 0, 0, "", "", "role:read", "List roles, the system's own first",
	    "wardian role list",
	    { "GET", "/v1/roles", NULL, "name title system permissions", NULL } },
	{ "get", cli_call_one, 1, 1, "ROLE", "", "role:read", "Show a role",
	    "wardian role get engineer", { "GET", "/v1/roles/{ROLE}", NULL, SHOWN, NULL } },
	{ "create", cli_call_one, 1, 1, "NAME", CLI_CREATES, "role:create",
	    "Make a role, with the permissions of another one (--base) and more",
	    "wardian role create operator --base viewer --permission job:cancel",
	    { "POST", "/v1/roles", wishes, SHOWN, NULL } },
	{ "update", cli_call_one, 1, 1, "ROLE", CLI_CHANGES, "role:update",
	    "Change a role; --permission replaces all that it has",
	    "wardian role update operator --permission job:read,job:cancel",
	    { "PATCH", "/v1/roles/{ROLE}", changes, SHOWN, NULL } },
	{ "delete", cli_call_done, 1, 1, "ROLE", CLI_VERSIONED, "role:delete",
	    "Delete a role that nobody has", "wardian role delete operator",
	    { "DELETE", "/v1/roles/{ROLE}", NULL, "deleted", NULL } },
	{ "assign", cli_call_one, 1, 1, "ROLE", CLI_CREATES, "role:assign",
	    "Give a role to a user or key, in one project or everywhere",
	    "wardian role assign engineer --user alice --project wing",
	    { "POST", "/v1/role-assignments", grant, ASSIGNED, NULL } },
	{ "unassign", unassign, 1, 1, "ROLE", "", "role:assign",
	    "Take a role away; an assignment's id does as well",
	    "wardian role unassign engineer --user alice --project wing",
	    { "GET", "/v1/role-assignments?limit=200", taken, NULL, NULL } },
	{ "assignments", cli_call_list, 0, 0, "", CLI_PAGES, "role:read", "List who has which role",
	    "wardian role assignments --user alice",
	    { "GET", "/v1/role-assignments", filters, ASSIGNED, NULL } },
};
const struct cli_noun noun_role = { commands, ARRAY_LEN(commands) };
