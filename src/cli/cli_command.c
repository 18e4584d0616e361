/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all commands: looking one up, and help. */
#include "cli_command_internal.h"

#include "parse.h"

#include <stdio.h>
#include <string.h>

/* Rows of cli_commands.def: commands of their own, and nouns with a table. */
struct entry {
	const char *noun;
	struct cli_command command; /* no fn: the rows of `table` */
	const struct cli_noun *table;
};
static const struct entry entries[] = {
#define COMMAND(noun, verb, handler, least, most, words, options, needs, summary, example)         \
	{ noun, { verb, handler, least, most, words, options, needs, summary, example, { 0 } },    \
		NULL },
#define NOUN(noun, rows) { noun, { 0 }, &rows },
#include "cli_commands.def"
#undef COMMAND
#undef NOUN
};

/* The first command of the noun (NULL: of all) that fn is true for; verb is for fn. */
typedef bool match_fn(const char *noun, const struct cli_command *c, const char *verb);

static const struct cli_command *
first_command(const char *noun, match_fn *fn, const char *verb)
{
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		const struct entry *e = &entries[i];
		const struct cli_command *rows =
		    e->table == NULL ? &e->command : e->table->commands;
		size_t n = e->table == NULL ? 1 : e->table->n;

		if (noun != NULL && strcmp(e->noun, noun) != 0)
			continue;
		for (size_t k = 0; k < n; k++)
			if (fn(e->noun, &rows[k], verb))
				return &rows[k];
	}
	return NULL;
}

/* --- looking up ------------------------------------------------------------------------------- */

static bool
has_verb(const char *noun, const struct cli_command *c, const char *verb)
{
	(void)noun;
	return c->verb[0] == '\0' || strcmp(c->verb, verb) == 0;
}

static bool
has_similar_verb(const char *noun, const struct cli_command *c, const char *verb)
{
	(void)noun;
	return parse_distance(c->verb, verb) <= 2;
}

static bool
has_similar_noun(const char *noun, const struct cli_command *c, const char *verb)
{
	(void)c;
	return parse_distance(noun, verb) <= 2;
}

static bool
is_there(const char *noun, const struct cli_command *c, const char *verb)
{
	(void)noun;
	(void)c;
	(void)verb;
	return true;
}

const struct cli_command *
cli_command_find(const char *noun, const char *verb)
{
	return first_command(noun, has_verb, verb);
}

bool
cli_noun_known(const char *noun)
{
	return first_command(noun, is_there, NULL) != NULL;
}

static const char *
noun_of(const struct cli_command *c)
{
	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		if (c == &entries[i].command ||
		    (entries[i].table != NULL && c == entries[i].table->commands))
			return entries[i].noun;
	return "";
}

int
cli_command_unknown(const char *noun, const char *verb, struct err *e)
{
	const struct cli_command *near;

	if (!cli_noun_known(noun)) {
		near = first_command(NULL, has_similar_noun, noun);
		return err_set(e, ERR_USAGE, "there is no command '%.30s %.30s'; %s%s%s", noun,
		    verb, near == NULL ? "see wardian --help" : "did you mean '",
		    near == NULL ? "" : noun_of(near), near == NULL ? "" : "'?");
	}
	if (verb[0] == '\0')
		return err_set(
		    e, ERR_USAGE, "'%s' needs a verb; see wardian %s --help", noun, noun);
	near = first_command(noun, has_similar_verb, verb);
	if (near != NULL)
		return err_set(e, ERR_USAGE,
		    "there is no command '%s %.30s'; did you mean '%s %s'?", noun, verb, noun,
		    near->verb);
	return err_set(e, ERR_USAGE, "there is no command '%s %.30s'; see wardian %s --help", noun,
	    verb, noun);
}

/* --- help ------------------------------------------------------------------------------------- */

/* Not yet the one. */
static bool
print_command(const char *noun, const struct cli_command *c, const char *verb)
{
	(void)verb;
	printf("  %-10s %-13s %-25s %s\n", noun, c->verb, c->words, c->summary);
	return false;
}

void
cli_print_commands(const char *noun)
{
	(void)first_command(noun, print_command, NULL); /* finds none, prints all */
}

void
cli_print_usage(void)
{
	puts("Usage: wardian NOUN VERB [WORDS] [OPTIONS]\n");
	cli_print_commands(NULL);
	puts("\nOptions of every command:\n"
	     "  -o, --output-format table|json   json is the API's answer, unchanged "
	     "(WARDIAN_OUTPUT)\n"
	     "  --context NAME                   whose server and credential (WARDIAN_CONTEXT);\n"
	     "                                   see wardian context --help\n"
	     "  --server URL                     default http://127.0.0.1:8080 (WARDIAN_URL)\n"
	     "  --api-key-file FILE              file with the API key, - for standard input;\n"
	     "                                   else WARDIAN_API_KEY, else what wardian auth "
	     "login\n"
	     "                                   stored, else ~/.config/wardian/api_key\n"
	     "  -h, --help                       help of a noun or command, with an example\n"
	     "  --version\n"
	     "\nExit status: 0 ok, 1 failure, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 "
	     "quota\nor rate, 7 server unavailable, 8 the job did not succeed.");
}

/* Options that several commands share; others say enough by their name. */
static const struct {
	const char *option, *value, *what;
} shared[] = {
	{ "--limit", "ROWS", "at most so many; with --all so many at a time" },
	{ "--all", "", "every row, page after page" },
	{ "--clear", "NAME[,NAME...]", "options whose value is taken away" },
	{ "--if-match", "VERSION", "only when this version is still there" },
	{ "--idempotency-key", "TEXT", "a second request with it makes nothing new" },
	{ "--output", "FILE", "written there, not to standard output" },
	{ "--wait", "", "until it is over" },
	{ "--timeout", "SECONDS", "wait no longer" },
	{ "--follow", "", "print the log until the job is over" },
};

static void
print_option(const char *option, const char *value, const char *what)
{
	char left[64];

	(void)snprintf(left, sizeof(left), "%s%s%s", option, value[0] == '\0' ? "" : " ", value);
	if (what[0] == '\0')
		printf("  %s\n", left);
	else
		printf("  %-28s %s\n", left, what);
}

/* One of "--name= --label=* --all". */
static void
print_listed(const char *p, size_t n)
{
	size_t len = strcspn(p, " =");
	const char *value = len < n ? "VALUE" : "", *what = "";
	char name[64];

	cli_piece(name, sizeof(name), p, len);
	if (p[n - 1] == '*')
		what = "may be repeated";
	for (size_t i = 0; i < ARRAY_LEN(shared); i++)
		if (strcmp(shared[i].option, name) == 0) {
			value = shared[i].value;
			what = shared[i].what;
		}
	print_option(name, value, what);
}

static void
print_params(const struct cli_command *c)
{
	static const struct {
		const char *value, *what;
	} types[] = {
		[CLI_PARAMS_END] = { "", "" },
		[CLI_TEXT] = { "TEXT", "" },
		[CLI_INTEGER] = { "NUMBER", "" },
		[CLI_DURATION] = { "TIME", "as 30m, 12h or 90d" },
		[CLI_SWITCH] = { "yes|no", "" },
		[CLI_PRESENT] = { "", "" },
		[CLI_TRUE] = { "", "" },
		[CLI_FALSE] = { "", "" },
		[CLI_LIST] = { "TEXT[,TEXT...]", "may be repeated" },
		[CLI_ROLES] = { "ROLE[@PROJECT]", "may be repeated" },
		[CLI_RULES] = { "CLAIM=TEXT:ROLE[@PROJECT]",
		    "or *:ROLE, or CLAIM:=JSON:ROLE; may be repeated" },
		[CLI_FILE] = { "FILE", "- for standard input" },
		[CLI_ID] = { "ID", "or a name" },
	};

	for (const struct cli_param *p = c->call.params; p != NULL && p->type != CLI_PARAMS_END;
	     p++)
		if (p->option[0] == '-')
			print_option(p->option, types[p->type].value,
			    (p->flags & CLI_REQUIRED) != 0 ? "required" : types[p->type].what);
}

static void
print_options(const struct cli_command *c)
{
	bool any = c->options[0] != '\0';

	for (const struct cli_param *p = c->call.params; p != NULL && p->type != CLI_PARAMS_END;
	     p++)
		any = any || p->option[0] == '-';
	if (!any)
		return;
	puts("\nOptions:");
	print_params(c);
	for (const char *p = c->options; *p != '\0'; p += strcspn(p, " "), p += strspn(p, " "))
		print_listed(p, strcspn(p, " "));
}

void
cli_print_help(const char *noun, const struct cli_command *c)
{
	printf("Usage: wardian %s %s %s\n\n%s.\n", noun, c->verb, c->words, c->summary);
	if (c->needs != NULL && c->needs[0] != '\0')
		printf("\nNeeds the permission %s.\n", c->needs);
	print_options(c);
	printf("\nExample:\n  %s\n", c->example);
}
