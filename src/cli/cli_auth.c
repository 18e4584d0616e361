/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging in: a key is asked for, shown to the server once, and stored for the context; or it is
 * exchanged for a token of an hour, and only that is stored.
 */
#include "cli_call_internal.h"
#include "cli_store_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char default_context[] = "default";

/* What is stored in the end. */
struct login {
	char context[CLI_NAME_SIZE];
	char server[CLI_SERVER_SIZE];
	char credential[CLI_CREDENTIAL_SIZE];
	char expires_at[CLI_TIME_SIZE]; /* "" for keys */
	bool token;
};

/* --- login ------------------------------------------------------------------------------------ */

/* The context need not be there yet. */
static int
choose_place(struct cli *cli, struct login *l, struct err *e)
{
	AUTO(cli_store) s = NULL;
	const char *name;

	if (cli_store_open(&s, e) < 0)
		return -1;
	name = cli_context_chosen(cli, s);
	if (name[0] == '\0')
		name = default_context;
	if (cli_context_set(l->context, sizeof(l->context), name, "the context's name", e) < 0)
		return -1;
	return cli_context_set(l->server, sizeof(l->server),
	    cli_choose_server(cli, cli_context_find(s, name)), "the server's URL", e);
}

/* 1, or 0 when it was canceled. */
static int
obtain_key(struct cli *cli, struct login *l, struct err *e)
{
	const char *file = cli_option(cli, "--with-key");
	char prompt[CLI_SERVER_SIZE + 32];
	int rc;

	if (file != NULL) {
		rc = cli_read_credential(file, l->credential, e) < 0 ? -1 : 1;
	} else if (isatty(STDIN_FILENO) != 1) {
		return err_set(e, ERR_USAGE,
		    "there is no terminal to ask for the key; give it with --with-key - on "
		    "standard "
		    "input");
	} else {
		(void)snprintf(prompt, sizeof(prompt), "API key for %s: ", l->server); /* fits */
		rc = cli_secret_ask(prompt, l->credential, sizeof(l->credential), e);
	}
	if (rc == 1 && l->credential[0] == '\0')
		return err_set(e, ERR_USAGE, "no key was given");
	return rc;
}

/* Only the token is kept; the key is forgotten with this process. */
static int
exchange(struct cli *cli, struct login *l, struct err *e)
{
	static const char wish[] = "{\"expires_in_s\":3600}";
	struct client_request q = {
		.method = "POST", .path = "/v1/auth/token", .body = wish, .n = sizeof(wish) - 1
	};
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	const char *token;

	if (cli_send(cli, &q, &body, e) < 0 || cli_parse(&body, &j, e) < 0)
		return -1;
	token = cli_text(json_root(j), "access_token");
	if (token[0] == '\0' || strlen(token) >= sizeof(l->credential))
		return err_set(e, ERR_PROTOCOL, "the server's answer lacks the token");
	memcpy(l->credential, token, strlen(token) + 1);
	l->token = true;
	return cli_context_set(l->expires_at, sizeof(l->expires_at),
	    cli_text(json_root(j), "expires_at"), "expires_at", e);
}

static int
store(const struct login *l, struct err *e)
{
	AUTO(cli_store) s = NULL;
	struct cli_context *c;
	char *copy;

	if (cli_store_open_locked(&s, e) < 0 || cli_context_put(s, l->context, &c, e) < 0)
		return -1;
	copy = strdup(l->credential);
	if (copy == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory for a credential");
	cli_context_forget(c);
	*(l->token ? &c->token : &c->api_key) = copy;
	c->listed = true;
	memcpy(c->server, l->server, sizeof(c->server));
	memcpy(c->expires_at, l->expires_at, sizeof(c->expires_at));
	memcpy(s->current, c->name, sizeof(s->current));
	return cli_store_save(s, e);
}

static void
say_who(const struct cli *cli, const struct login *l, const struct json_value *me)
{
	const struct json_value *user = json_member(me, "user");

	cli_say("logged in to %s as %s of tenant %s (context %s)", l->server,
	    cli_text(user, "name")[0] == '\0' ? "a caller without a user" : cli_text(user, "name"),
	    cli_text(me, "tenant_name"), l->context);
	if (getenv("WARDIAN_API_KEY") != NULL && cli->globals.key_file == NULL)
		cli_say("WARDIAN_API_KEY is set and goes before what was stored now");
}

/* Whether what goes to the server stays on this machine. */
static bool
is_local(const char *host)
{
	static const char ipv6[] = "[::1]", name[] = "localhost", digits[] = "0123456789.";
	size_t n = strcspn(host, ":/");

	if (strncmp(host, ipv6, sizeof(ipv6) - 1) == 0)
		return true;
	if (n == sizeof(name) - 1 && strncmp(host, name, n) == 0)
		return true;
	return strncmp(host, "127.", 4) == 0 && strspn(host, digits) == n;
}

static void
warn_of_listeners(const char *server)
{
	static const char plain[] = "http://";

	if (strncmp(server, plain, sizeof(plain) - 1) == 0 && !is_local(server + sizeof(plain) - 1))
		cli_say("%s is not encrypted: whoever listens on the way has the key", server);
}

static int
log_in(struct cli *cli, struct login *l, struct err *e)
{
	AUTO(json) me = NULL;
	AUTO_BUF body = { 0 };
	int rc;

	if (choose_place(cli, l, e) < 0)
		return -1;
	rc = obtain_key(cli, l, e);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		cli_say("canceled; nothing was stored");
		cli->exit_status = CLI_INTERRUPTED;
		return 0;
	}
	warn_of_listeners(l->server);
	if (cli_connect_with(cli, l->server, l->credential, e) < 0 ||
	    cli_get_json(cli, "/v1/me", &me, &body, e) < 0)
		return -1;
	if (cli_flag(cli, "--token") && exchange(cli, l, e) < 0)
		return -1;
	if (store(l, e) < 0)
		return -1;
	if (cli->json)
		cli_print_raw(&body);
	say_who(cli, l, json_root(me));
	return 0;
}

static int
login(struct cli *cli, struct err *e)
{
	struct login *l = calloc(1, sizeof(*l));
	int rc;

	if (l == NULL)
		return err_set(e, ERR_NO_MEMORY, "not enough memory to log in");
	rc = log_in(cli, l, e);
	cli->server = NULL; /* it lies in l */
	explicit_bzero(l, sizeof(*l));
	free(l);
	return rc;
}

/* --- status ----------------------------------------------------------------------------------- */

static void
print_count(const char *name, size_t n, const char *what)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%zu%s", n, what); /* fits */
	cli_print_field(name, text);
}

static int
print_permissions(struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	const struct json_value *projects;

	if (cli_get_json(cli, "/v1/me/permissions", &j, &body, e) < 0)
		return -1;
	projects = json_member(json_root(j), "projects");
	print_count("permissions", json_count(json_member(json_root(j), "everywhere")),
	    " in the whole tenant");
	if (json_count(projects) > 0)
		print_count("", json_count(projects), " projects with more");
	return 0;
}

static int
status(struct cli *cli, struct err *e)
{
	AUTO(json) j = NULL;
	AUTO_BUF body = { 0 };
	const char *context;

	if (cli_get_json(cli, "/v1/me", &j, &body, e) < 0)
		return -1;
	if (cli->json) {
		cli_print_raw(&body);
		return 0;
	}
	context = cli_context_chosen(cli, cli->store);
	cli_print_field("server", cli->server);
	cli_print_field("context", context);
	cli_print_field("credential from", cli->credential_from);
	if (cli_show_fields(json_root(j),
		"tenant_name:tenant tenant_id user.name:user user.id:user_id user.kind:kind "
		"credential.type:credential key key_id support_id credential.expires_at:expires_at",
		e) < 0)
		return -1;
	return print_permissions(cli, e);
}

/* --- logout ----------------------------------------------------------------------------------- */

static int
revoke_token(struct cli *cli, struct err *e)
{
	const struct client_request q = { .method = "POST", .path = "/v1/auth/revoke" };
	AUTO_BUF body = { 0 };

	return cli_send(cli, &q, &body, e);
}

static int
revoke_key(struct cli *cli, struct err *e)
{
	struct client_request q = { .method = "DELETE" };
	AUTO(json) me = NULL;
	AUTO_BUF body = { 0 };
	AUTO_BUF gone = { 0 };
	AUTO_BUF path = { 0 };

	if (cli_get_json(cli, "/v1/me", &me, &body, e) < 0)
		return -1;
	buf_init(&path, CLI_PATH_BYTES);
	buf_str(&path, "/v1/keys/");
	client_escape(cli_text(json_root(me), "key_id"), &path);
	if (buf_check(&path, e) < 0)
		return -1;
	q.path = path.p;
	return cli_send(cli, &q, &gone, e);
}

static int
connect_as(struct cli *cli, const struct cli_context *c, struct err *e)
{
	return cli_connect_with(cli,
	    c->server[0] != '\0' ? c->server : cli_choose_server(cli, NULL),
	    c->token != NULL ? c->token : c->api_key, e);
}

/* A token that nobody accepts any more is as good as revoked; one that could not be revoked expires
 * within the hour.  A key stays valid until it is revoked, so that failure keeps it. */
static int
give_back(struct cli *cli, const struct cli_context *c, struct err *e)
{
	struct err why = { 0 };

	if (c->token != NULL) {
		if (connect_as(cli, c, &why) < 0 ||
		    (revoke_token(cli, &why) < 0 && why.code != ERR_UNAUTHENTICATED))
			cli_say("the token could not be revoked and expires at %s: %s",
			    c->expires_at, why.msg);
		return 0;
	}
	if (!cli_flag(cli, "--revoke"))
		return 0;
	if (connect_as(cli, c, e) < 0 || revoke_key(cli, e) < 0)
		return err_wrap(e, "the key could not be revoked and is kept");
	return 0;
}

static int
find_login(struct cli *cli, struct cli_store *s, struct cli_context **ret, struct err *e)
{
	const char *name = cli_context_chosen(cli, s);

	*ret = cli_context_find(s, name[0] == '\0' ? default_context : name);
	if (*ret == NULL || ((*ret)->api_key == NULL && (*ret)->token == NULL))
		return err_set(
		    e, ERR_NOT_FOUND, "nobody is logged in there; see wardian context list");
	return 0;
}

static int
forget(struct cli *cli, struct err *e)
{
	AUTO(cli_store) s = NULL;
	struct cli_context *c;

	/* Others wait for the files only now, not while a server is asked. */
	if (cli_store_open_locked(&s, e) < 0 || find_login(cli, s, &c, e) < 0)
		return -1;
	cli_context_forget(c);
	if (cli_store_save(s, e) < 0)
		return -1;
	cli_say("logged out of %s (context %s)", c->server, c->name);
	return 0;
}

static int
logout(struct cli *cli, struct err *e)
{
	AUTO(cli_store) s = NULL;
	struct cli_context *c;

	if (cli_store_open(&s, e) < 0 || find_login(cli, s, &c, e) < 0 || give_back(cli, c, e) < 0)
		return -1;
	return forget(cli, e);
}

/* --- token ------------------------------------------------------------------------------------ */

static const struct cli_param token_wishes[] = {
	{ "--expires-in", "expires_in_s", CLI_DURATION, 0 },
	{ "--scope", "scopes", CLI_LIST, 0 },
	{ 0 },
};

static const struct cli_command commands[] = {
	{ "login", login, 0, 0, "", "--with-key= --token", NULL,
	    "Store a key, or with --token a token of an hour in its place",
	    "wardian auth login --server https://wardian.example.com --context prod", { 0 } },
	{ "status", status, 0, 0, "", "", "", "Show who you are to which server",
	    "wardian auth status", { 0 } },
	{ "logout", logout, 0, 0, "", "--revoke", NULL,
	    "Forget the stored credential; a token is revoked, a key with --revoke",
	    "wardian auth logout --context prod", { 0 } },
	{ "token", cli_call_secret, 0, 0, "", CLI_SHOWS_SECRET, "token:create",
	    "Exchange the key for a token of at most an hour and print it",
	    "wardian auth token --expires-in 10m --scope job:read",
	    { "POST", "/v1/auth/token", token_wishes, "id expires_at scope", "access_token" } },
};
const struct cli_noun noun_auth = { commands, ARRAY_LEN(commands) };
