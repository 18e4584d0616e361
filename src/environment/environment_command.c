/* SPDX-License-Identifier: Apache-2.0 */
#include "environment_internal.h"

#include "buf.h"
#include "caps.h"

#include <errno.h>
#include <string.h>

/*
 * First every parameter becomes the texts that stand for it (environment_value.c), then the
 * template's words are filled from them.  There is no shell: a word stays a word whatever is in it.
 * What remains is that the program itself takes a word that begins with '-' for an option; such a
 * value is refused where it would begin a word.
 */

/* --- templates ---------------------------------------------------------------------------- */

/* Length of a path up to its extension: that of the last component, unless it only has that. */
static size_t
stem_length(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
	const char *dot = strrchr(name, '.');

	return dot == NULL || dot == name ? strlen(path) : (size_t)(dot - path);
}

/* Appends a place's text; false when its parameter is absent. */
static bool
put_place(
    const struct environment_filling *f, const struct environment_piece *piece, struct buf *out)
{
	const struct environment_texts *t = &f->texts[environment_piece_param(f->env, piece)];

	if (t->n == 0)
		return false;
	buf_append(out, t->v[0],
	    piece->kind == ENVIRONMENT_PIECE_STEM ? stem_length(t->v[0]) : strlen(t->v[0]));
	return true;
}

/* Fills one template that holds no list; NULL without a fault when a parameter in it is absent. */
static int
fill_word(struct environment_filling *f, const char *word, const char **ret)
{
	struct environment_piece piece;
	const char *at = word;
	AUTO_BUF out;

	*ret = NULL;
	buf_init(&out, ENVIRONMENT_ARGV_BYTES_MAX);
	buf_append(&out, "", 0);
	while ((piece = environment_piece_next(&at)).kind != ENVIRONMENT_PIECE_END) {
		REQUIRE(
		    piece.kind != ENVIRONMENT_PIECE_BAD); /* environment_profile_check has looked */
		if (piece.kind == ENVIRONMENT_PIECE_TEXT)
			buf_append(&out, piece.text, piece.n);
		else if (!put_place(f, &piece, &out))
			return 0;
	}
	if (out.failed) {
		errno = out.no_memory ? ENOMEM : EMSGSIZE; /* for arena_err */
		return -1;
	}
	*ret = arena_strndup(f->mem, out.n == 0 ? "" : out.p, out.n);
	return *ret == NULL ? -1 : 0;
}

/* The parameter that a word begins with, NULL when it begins with text. */
static const struct environment_param *
leading_param(const struct environment *env, const char *word)
{
	struct environment_piece piece = environment_piece_next(&word);

	if (piece.kind != ENVIRONMENT_PIECE_VALUE && piece.kind != ENVIRONMENT_PIECE_STEM)
		return NULL;
	return &env->params[environment_piece_param(env, &piece)];
}

struct argv {
	const char *words[CAP_ARGS];
	size_t n, bytes;
	bool over; /* words were dropped */
};

static void
put_word(struct argv *argv, const char *word)
{
	size_t n = strlen(word) + 1;

	if (argv->n == CAP_ARGS || argv->bytes + n > ENVIRONMENT_ARGV_BYTES_MAX) {
		argv->over = true;
		return;
	}
	argv->bytes += n;
	argv->words[argv->n++] = word;
}

/* The words that one word of the template becomes: one, none, or a list's. */
static int
put_template(struct environment_filling *f, struct argv *argv, const char *template)
{
	const struct environment_param *lead = leading_param(f->env, template);
	const char *word;

	if (lead != NULL && lead->type == ENVIRONMENT_PARAM_LIST) {
		const struct environment_texts *list = &f->texts[lead - f->env->params];

		for (size_t i = 0; i < list->n; i++)
			put_word(argv, list->v[i]);
		return 0;
	}
	if (fill_word(f, template, &word) < 0)
		return -1;
	if (word == NULL)
		return 0;
	if (word[0] == '-' && lead != NULL &&
	    (lead->type == ENVIRONMENT_PARAM_FILE || lead->type == ENVIRONMENT_PARAM_TEXT))
		environment_fault(f, lead->name,
		    "must not begin with '-', since the program would take it for an option");
	put_word(argv, word);
	return 0;
}

static int
fill_command(struct environment_filling *f, struct argv *argv)
{
	for (size_t i = 0; i < f->env->n_command; i++)
		if (put_template(f, argv, f->env->command[i]) < 0)
			return -1;
	if (argv->over)
		err_field_add(f->e, "/parameters",
		    "make a command of more than %d words or %d bytes; put some of it into an "
		    "input file",
		    CAP_ARGS, ENVIRONMENT_ARGV_BYTES_MAX);
	return 0;
}

int
environment_command(const struct environment *env, const struct environment_value *values,
    size_t n_values, const char *const *paths, size_t n_paths, struct arena *mem,
    struct environment_argv *ret, struct err *e)
{
	struct environment_filling f = {
		.env = env, .mem = mem, .e = e, .paths = paths, .n_paths = n_paths
	};
	struct argv argv = { .n = 0 };
	const char **copy;

	for (size_t i = 0; i < env->n_params; i++)
		if (environment_read_param(&f, i, values, n_values) < 0)
			return arena_err(e);
	environment_report_unknown(&f, values, n_values);
	if (err_fields_done(e, ERR_INVALID) < 0)
		return -1;
	if (fill_command(&f, &argv) < 0)
		return arena_err(e);
	if (err_fields_done(e, ERR_INVALID) < 0)
		return -1;
	copy = arena_array(mem, argv.n, sizeof(*copy));
	if (copy == NULL)
		return arena_err(e);
	memcpy(copy, argv.words, argv.n * sizeof(*copy));
	*ret = (struct environment_argv){ .words = copy, .n = argv.n };
	return 0;
}

const char *
environment_rule_file(const struct environment *env, const struct environment_rule *rule,
    const struct environment_value *values, size_t n_values, struct arena *mem)
{
	struct err faults = { 0 }; /* the values were checked when the job was submitted */
	struct environment_filling f = { .env = env, .mem = mem, .e = &faults, .any_path = true };
	const char *word;

	for (size_t i = 0; i < env->n_params; i++)
		if (environment_read_param(&f, i, values, n_values) < 0)
			return NULL;
	return fill_word(&f, rule->file, &word) < 0 ? NULL : word;
}
