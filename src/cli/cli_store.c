/* SPDX-License-Identifier: Apache-2.0 */
#include "cli_store_internal.h"

#include "fd.h"

#include <stdio.h>
#include <string.h>

struct cli_context *
cli_context_find(struct cli_store *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->contexts[i].name, name) == 0)
			return &s->contexts[i];
	return NULL;
}

int
cli_context_get(struct cli_store *s, const char *name, struct cli_context **ret, struct err *e)
{
	struct cli_context *found = cli_context_find(s, name);
	AUTO_BUF names = { 0 };

	if (found != NULL && found->listed) {
		*ret = found;
		return 0;
	}
	buf_init(&names, (size_t)CLI_CONTEXTS * (CLI_NAME_SIZE + 1));
	for (size_t i = 0; i < s->n; i++)
		if (s->contexts[i].listed)
			buf_printf(&names, " %s", s->contexts[i].name);
	return err_set(e, ERR_NOT_FOUND, "there is no context '%.63s'; there %s%s", name,
	    names.n == 0 ? "is none, see wardian context add --help" : "are:",
	    names.n == 0 ? "" : names.p);
}

static bool
name_fits(const char *name)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t n = strlen(name);

	return n > 0 && n < CLI_NAME_SIZE && strspn(name, allowed) == n;
}

int
cli_context_put(struct cli_store *s, const char *name, struct cli_context **ret, struct err *e)
{
	struct cli_context *c = cli_context_find(s, name);

	if (!name_fits(name))
		return err_set(e, ERR_USAGE,
		    "a context's name is 1 to %d letters, digits, '_' and '-'", CLI_NAME_SIZE - 1);
	if (c == NULL && s->n == CLI_CONTEXTS)
		return err_set(e, ERR_USAGE, "more than %d contexts; remove one", CLI_CONTEXTS);
	if (c == NULL) {
		c = &s->contexts[s->n++];
		*c = (struct cli_context){ 0 };
		(void)snprintf(c->name, sizeof(c->name), "%s", name); /* measured: fits */
	}
	*ret = c;
	return 0;
}

static void
wipe(char **text)
{
	if (*text != NULL)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void
cli_context_forget(struct cli_context *c)
{
	wipe(&c->api_key);
	wipe(&c->token);
	c->expires_at[0] = '\0';
}

void
cli_context_remove(struct cli_store *s, struct cli_context *c)
{
	size_t at = (size_t)(c - s->contexts);

	cli_context_forget(c);
	if (strcmp(s->current, c->name) == 0)
		s->current[0] = '\0';
	memmove(c, c + 1, (s->n - at - 1) * sizeof(*c));
	s->n--;
}

int
cli_context_set(char *member, size_t size, const char *text, const char *what, struct err *e)
{
	size_t n = strlen(text);

	if (n >= size)
		return err_set(e, ERR_USAGE, "%s is longer than %zu bytes", what, size - 1);
	for (size_t i = 0; i < n; i++)
		if (text[i] < ' ' || text[i] > '~')
			return err_set(e, ERR_USAGE, "%s may hold printable ASCII only", what);
	memcpy(member, text, n + 1);
	return 0;
}

const char *
cli_context_chosen(const struct cli *cli, const struct cli_store *s)
{
	const char *from_env = getenv("WARDIAN_CONTEXT");

	if (cli->globals.context != NULL)
		return cli->globals.context;
	return from_env != NULL && from_env[0] != '\0' ? from_env : s->current;
}

void
cli_store_free(struct cli_store *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++)
		cli_context_forget(&s->contexts[i]);
	fd_close(&s->lock);
	free(s->folder);
	free(s);
}
