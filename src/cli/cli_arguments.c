/* SPDX-License-Identifier: Apache-2.0 */
/* Words and options of a command, checked against its row. */
#include "cli_command_internal.h"

#include <stdio.h>
#include <string.h>

const char *
cli_option(const struct cli *cli, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < cli->n_options; i++)
		if (strcmp(cli->options[i].name, name) == 0)
			value = cli->options[i].value;
	return value;
}

bool
cli_flag(const struct cli *cli, const char *name)
{
	return cli_option(cli, name) != NULL;
}

/* --- what a command takes --------------------------------------------------------------------- */

enum kind { UNKNOWN, FLAG, VALUED };

static enum kind
listed_kind(const char *list, const char *name, size_t n)
{
	for (const char *p = list; *p != '\0'; p += strcspn(p, " "), p += strspn(p, " ")) {
		size_t len = strcspn(p, " =");

		if (len == n && strncmp(p, name, n) == 0)
			return p[len] == '=' ? VALUED : FLAG;
	}
	return UNKNOWN;
}

static enum kind
option_kind(const struct cli_command *c, const char *name, size_t n)
{
	for (const struct cli_param *p = c->call.params; p != NULL && p->type != CLI_PARAMS_END;
	     p++)
		if (strlen(p->option) == n && strncmp(p->option, name, n) == 0)
			return p->type == CLI_PRESENT ? FLAG : VALUED;
	return listed_kind(c->options, name, n);
}

bool
cli_command_has(const struct cli *cli, const char *option)
{
	return option_kind(cli->command, option, strlen(option)) != UNKNOWN;
}

/* With all options in one line. */
static int
unknown_option(const struct cli *cli, const char *word, struct err *e)
{
	const struct cli_command *c = cli->command;
	AUTO_BUF all = { 0 };

	buf_init(&all, 4096); /* of our own tables */
	for (const struct cli_param *p = c->call.params; p != NULL && p->type != CLI_PARAMS_END;
	     p++)
		if (p->option[0] == '-')
			buf_printf(&all, "%s ", p->option);
	buf_str(&all, c->options);
	return err_set(e, ERR_USAGE, "'%s %s' has no option %.60s; it has: %s", cli->noun, c->verb,
	    word, all.n == 0 ? "none" : all.p);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct arguments {
	int argc;
	char **argv;
	int at;
};

static int
next_value(struct arguments *a, const char **ret, struct err *e)
{
	if (a->at + 1 >= a->argc)
		return err_set(e, ERR_USAGE, "%.60s needs a value", a->argv[a->at]);
	*ret = a->argv[++a->at];
	return 0;
}

/* Takes the argument when it is an option of every command: 1, 0 when it is none, -1 on misuse. */
static int
take_global(struct cli_globals *g, struct arguments *a, struct err *e)
{
	const struct {
		const char *name, *alias;
		const char **value;
	} valued[] = {
		{ "--output-format", "-o", &g->output },
		{ "--server", "--server", &g->server },
		{ "--api-key-file", "--api-key-file", &g->key_file },
		{ "--context", "--context", &g->context },
	};
	const char *word = a->argv[a->at];

	if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
		return g->help = true;
	if (strcmp(word, "--version") == 0)
		return g->version = true;
	for (size_t k = 0; k < ARRAY_LEN(valued); k++) {
		size_t n = strlen(valued[k].name);

		if (strncmp(word, valued[k].name, n) == 0 && word[n] == '=') {
			*valued[k].value = word + n + 1;
			return 1;
		}
		if (strcmp(word, valued[k].name) == 0 || strcmp(word, valued[k].alias) == 0)
			return next_value(a, valued[k].value, e) < 0 ? -1 : 1;
	}
	return 0;
}

static int
take_option(struct cli *cli, struct arguments *a, struct err *e)
{
	char *word = a->argv[a->at];
	size_t n = strcspn(word, "=");
	enum kind kind = option_kind(cli->command, word, n);
	struct cli_option *o;

	if (kind == UNKNOWN)
		return unknown_option(cli, word, e);
	if (cli->n_options == CLI_OPTIONS)
		return err_set(e, ERR_USAGE, "more than %d options", CLI_OPTIONS);
	o = &cli->options[cli->n_options++];
	*o = (struct cli_option){ .name = word, .value = "" };
	if (kind == FLAG && word[n] == '=')
		return err_set(e, ERR_USAGE, "%.*s takes no value", (int)n, word);
	if (kind == VALUED && word[n] == '=') {
		word[n] = '\0';
		o->value = word + n + 1;
		return 0;
	}
	return kind == VALUED ? next_value(a, &o->value, e) : 0;
}

static int
take_word(struct cli *cli, const char *word, struct err *e)
{
	const struct cli_command *c = cli->command;

	if (cli->n_words == c->most)
		return err_set(e, ERR_USAGE, "'%s' takes at most %zu words%s%s", c->verb, c->most,
		    c->words[0] == '\0' ? "" : ": ", c->words);
	cli->words[cli->n_words++] = word;
	return 0;
}

static int
take_argument(struct cli *cli, struct arguments *a, struct err *e)
{
	const char *word = a->argv[a->at];
	int taken;

	if (word[0] != '-' || word[1] == '\0')
		return take_word(cli, word, e);
	taken = take_global(&cli->globals, a, e);
	if (taken != 0)
		return taken < 0 ? -1 : 0;
	return take_option(cli, a, e);
}

int
cli_read_arguments(struct cli *cli, int argc, char **argv, struct err *e)
{
	const struct cli_command *c = cli->command;
	struct arguments a = { .argc = argc, .argv = argv };
	bool only_words = false;

	REQUIRE(c->most <= CLI_WORDS);
	for (a.at = c->verb[0] == '\0' ? 2 : 3; a.at < argc; a.at++) {
		if (!only_words && strcmp(argv[a.at], "--") == 0)
			only_words = true;
		else if ((only_words ? take_word(cli, argv[a.at], e) : take_argument(cli, &a, e)) <
			 0)
			return -1;
	}
	if (!cli->globals.help && !cli->globals.version && cli->n_words < c->least)
		return err_set(e, ERR_USAGE, "'%s %s' needs: %s", cli->noun, c->verb, c->words);
	return 0;
}
