/* SPDX-License-Identifier: Apache-2.0 */
/* The splitter of .sql files: any text is split or refused, and what is split keeps its limits. */
#include "db_stmt_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct db_stmts *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct db_stmt *st = &s->v[i];

		if (st->name[0] == '\0' || strlen(st->name) > DB_STMT_NAME_MAX ||
		    st->text[0] == '\0' || strlen(st->text) > DB_STMT_TEXT_MAX || st->roles == 0 ||
		    db_stmts_find(s, st->name) != st)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct db_sql sql = { "fuzz", text };
	struct db_stmts s;
	struct err e;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (db_stmts_init(&s, &e) == 0) {
		if (db_stmts_add(&s, &sql, DB_ROLES_SERVING, &e) == 0 && db_stmts_end(&s, &e) == 0)
			check(&s);
		else if (e.code != ERR_DB_SCHEMA && e.code != ERR_TOO_LARGE)
			abort();
		db_stmts_done(&s);
	}
	free(text);
	return 0;
}
