/* SPDX-License-Identifier: Apache-2.0 */
#include "export.h"

#include "auth.h"
#include "clock.h"
#include "json.h"

#include <string.h>

enum { HASH_TEXT_SIZE = 2 * CHAIN_HASH_SIZE + 1 };

void
export_print_entry(const struct chain_entry *entry, struct buf *out)
{
	char hash[HASH_TEXT_SIZE];
	struct json_out o;

	auth_hex(entry->hash, sizeof(entry->hash), hash);
	json_out_init(&o, out);
	json_out_begin(&o);
	json_put_i64(&o, "number", entry->number);
	json_put_time(&o, "at", entry->at_wall_us);
	json_out_key(&o, "entry");
	json_out_text_n(&o, entry->text, entry->text_n);
	json_put_text(&o, "hash", hash);
	json_out_end(&o);
	buf_char(out, '\n');
}

void
export_print_end(const struct export_end *end, const char *filter, struct buf *out)
{
	char hash[HASH_TEXT_SIZE], tenant[ID_STR_SIZE];
	struct json_out o;

	auth_hex(end->head.hash, sizeof(end->head.hash), hash);
	json_out_init(&o, out);
	json_out_begin(&o);
	json_put_text(&o, "type", "end");
	json_put_i64(&o, "count", end->count);
	json_put_text(&o, "tenant", id_format("ten", end->tenant.uuid, tenant));
	json_put_raw(&o, "filter", filter);
	json_out_key(&o, "head");
	json_out_begin(&o);
	json_put_i64(&o, "number", end->head.number);
	json_put_text(&o, "hash", hash);
	json_out_end(&o);
	json_out_end(&o);
	buf_char(out, '\n');
}

/* --- reading ---------------------------------------------------------------------------------- */

static int
read_entry(const struct json *j, struct arena *mem, struct chain_entry *ret, struct err *e)
{
	struct chain_entry entry = { 0 };
	const char *at = NULL, *hash = NULL;
	const struct json_field fields[] = {
		JSON_I64("number", &entry.number, 1, CHAIN_NUMBER_MAX, JSON_REQUIRED),
		JSON_TEXT("at", &at, 1, CLOCK_STR_SIZE, JSON_REQUIRED),
		JSON_TEXT("entry", &entry.text, 0, CHAIN_ENTRY_MAX, JSON_REQUIRED),
		JSON_TEXT("hash", &hash, 1, HASH_TEXT_SIZE - 1, JSON_REQUIRED),
		JSON_FIELDS_END,
	};

	if (json_decode(j, fields, mem, e) < 0 || clock_parse(at, &entry.at_wall_us, e) < 0)
		return -1;
	if (!chain_unhex(hash, entry.hash, sizeof(entry.hash)))
		return err_set(e, ERR_INVALID, "the hash is not one");
	entry.text_n = strlen(entry.text);
	*ret = entry;
	return 1;
}

static bool
has(const struct json_value *v, const char *name)
{
	return json_type(json_member(v, name)) != JSON_NULL;
}

static int
read_end(const struct json *j, struct arena *mem, struct export_end *ret, struct err *e)
{
	struct export_end end = { 0 };
	const char *type = NULL, *tenant = NULL, *hash = NULL;
	const struct json_value *filter = NULL;
	const struct json_field head[] = {
		JSON_I64("number", &end.head.number, 0, CHAIN_NUMBER_MAX, JSON_REQUIRED),
		JSON_TEXT("hash", &hash, 1, HASH_TEXT_SIZE - 1, JSON_REQUIRED),
		JSON_FIELDS_END,
	};
	const struct json_field fields[] = {
		JSON_TEXT("type", &type, 3, 3, JSON_REQUIRED),
		JSON_I64("count", &end.count, 0, CHAIN_NUMBER_MAX, JSON_REQUIRED),
		JSON_TEXT("tenant", &tenant, 1, ID_STR_SIZE, JSON_REQUIRED),
		JSON_VALUE("filter", &filter, JSON_REQUIRED),
		JSON_OBJECT("head", head, JSON_REQUIRED),
		JSON_FIELDS_END,
	};

	if (json_decode(j, fields, mem, e) < 0 || id_parse("ten", tenant, &end.tenant.uuid, e) < 0)
		return -1;
	if (strcmp(type, "end") != 0 || !chain_unhex(hash, end.head.hash, sizeof(end.head.hash)))
		return err_set(e, ERR_INVALID, "the line says neither an entry nor the end");
	end.thinned = has(filter, "actor") || has(filter, "action") || has(filter, "resource") ||
		      has(filter, "outcome");
	end.to = has(filter, "to");
	end.later = has(filter, "from") || has(filter, "after");
	*ret = end;
	return 0;
}

int
export_read_line(const char *line, size_t n, struct arena *mem, struct chain_entry *ret_entry,
    struct export_end *ret_end, struct err *e)
{
	AUTO(json) j = NULL;
	struct err why = { 0 }; /* faults of fields add up in one that was used before */
	int kind;

	if (json_parse(line, n, &j, &why) < 0)
		kind = -1;
	else if (has(json_root(j), "type"))
		kind = read_end(j, mem, ret_end, &why);
	else
		kind = read_entry(j, mem, ret_entry, &why);
	if (kind < 0)
		*e = why;
	return kind;
}
