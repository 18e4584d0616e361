/* SPDX-License-Identifier: Apache-2.0 */
#include "environment_internal.h"

#include "parse.h"

#include <string.h>

struct environment_piece
environment_piece_next(const char **at)
{
	static const char stem[] = ".stem";
	const size_t stem_n = sizeof(stem) - 1;
	struct environment_piece piece = { .text = *at, .n = strcspn(*at, "{}") };

	*at += piece.n;
	if (piece.n > 0) {
		piece.kind = ENVIRONMENT_PIECE_TEXT;
		return piece;
	}
	if (**at == '\0')
		return piece;
	piece.kind = ENVIRONMENT_PIECE_BAD;
	piece.text = *at + 1;
	piece.n = strcspn(piece.text, "{}");
	if (**at != '{' || piece.n == 0 || piece.text[piece.n] != '}')
		return piece;
	*at = piece.text + piece.n + 1;
	piece.kind = ENVIRONMENT_PIECE_VALUE;
	if (piece.n > stem_n && memcmp(piece.text + piece.n - stem_n, stem, stem_n) == 0) {
		piece.kind = ENVIRONMENT_PIECE_STEM;
		piece.n -= stem_n;
	}
	return piece;
}

size_t
environment_piece_param(const struct environment *env, const struct environment_piece *piece)
{
	size_t i = 0;

	while (i < env->n_params && (strlen(env->params[i].name) != piece->n ||
					memcmp(env->params[i].name, piece->text, piece->n) != 0))
		i++;
	return i;
}

size_t
environment_name_index(const char *const names[], size_t n, const char *name)
{
	size_t i = 0;

	while (i < n && strcmp(names[i], name) != 0)
		i++;
	return i;
}

const char *
environment_near(const char *const names[], size_t n, const char *name)
{
	const char *best = NULL;
	int best_distance = 4;

	for (size_t i = 0; i < n; i++) {
		int distance = parse_distance(names[i], name);

		/* A guess must keep more than half of what was written. */
		if (distance < best_distance && (size_t)distance * 2 < strlen(name)) {
			best = names[i];
			best_distance = distance;
		}
	}
	return best;
}
