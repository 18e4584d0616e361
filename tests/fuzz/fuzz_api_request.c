/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that api reads from a request before it knows who asks: the first line of the input is
 * the path, the second the query, the others go to each reader of a header's value.
 */

#include "api_page_internal.h"
#include "api_query_internal.h"
#include "api_route_internal.h"
#include "api_value_internal.h"

#include "arena.h"
#include "buf.h"
#include "id.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_path(const char *path)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	struct route_match m = { 0 };
	char allow[ROUTE_ALLOW_SIZE];
	unsigned allowed = 0, seen = 0;

	for (unsigned i = 0; i < ARRAY_LEN(methods); i++)
		if (route_find(methods[i], path, &m, &allowed) != NULL)
			seen |= 1u << i;
	REQUIRE(seen == allowed);
	REQUIRE(strlen(route_allow(allowed, allow)) < sizeof(allow));
	if (allowed == 0)
		return;
	REQUIRE(m.n <= ROUTE_ARGS_MAX);
	for (size_t i = 0; i < m.n; i++) {
		REQUIRE(m.args[i].raw_n > 0);
		REQUIRE(m.args[i].raw + m.args[i].raw_n <= path + strlen(path));
	}
}

static void
read_query(const char *raw)
{
	AUTO(arena) mem = arena_new(1 << 20);
	const char *text = NULL, *word = NULL;
	int64_t limit = 50, number = 0, wait_ms = 0, from_us = 0;
	struct uuid user = { 0 };
	struct query_pair pair = { 0 };
	bool flag = false;
	struct err e = { 0 };
	const struct query_param params[] = {
		QUERY_PARAM("cursor", TEXT, 1, 511, &text),
		QUERY_WORDS("state", "queued running", &word),
		QUERY_PARAM("offset", I64, 0, 1000, &number),
		QUERY_PARAM("limit", LIMIT, 1, 200, &limit),
		QUERY_PARAM("wait", TIME, 0, 60000, &wait_ms),
		QUERY_PARAM("verbose", FLAG, 0, 0, &flag),
		QUERY_PARAM("label.", PAIR, 0, 255, &pair),
		QUERY_TYPED_ID("user", "usr", &user),
		QUERY_PARAM("from", WHEN, 0, 0, &from_us),
		QUERY_PARAMS_END,
	};

	if (mem == NULL || query_decode(raw, params, mem, &e) < 0)
		return;
	REQUIRE(limit >= 1 && limit <= 200);
	REQUIRE(number >= 0 && number <= 1000);
	REQUIRE(wait_ms >= 0 && wait_ms <= 60000);
	REQUIRE(pair.name == NULL || pair.value != NULL);
	REQUIRE(word == NULL || strcmp(word, "queued") == 0 || strcmp(word, "running") == 0);
}

static void
read_value(const char *text)
{
	const struct page_scope scope = { .key = (const uint8_t[32]){ 1 },
		.route = "GET /v1/jobs" };
	char key[VALUE_KEY_SIZE] = "";
	struct value_event_id id;
	struct uuid last;
	int64_t first, n, version = 0;
	struct err e = { 0 };
	int q = value_accept(text, "application/json");

	REQUIRE(q >= 0 && q <= 1000);
	if (value_version(text, &version) == VALUE_VERSION_ONE)
		REQUIRE(version >= 1);
	(void)value_media_is(text, "application/json"); /* any answer is right */
	(void)value_etag_listed(text, "\"x\"", true);
	(void)value_request_id_valid(text);
	if (value_range_parse(text, 1000, &first, &n) == VALUE_RANGE_PART)
		REQUIRE(first >= 0 && n > 0 && n <= 1000 - first);
	if (value_idempotency_key(text, key, &e) == 0)
		REQUIRE(key[0] != '\0' && strlen(key) < sizeof(key));
	if (value_event_id(text, &id) && !id.end)
		REQUIRE(id.offset >= 0 && id.epoch >= 0);
	/* Nobody makes a cursor without the key. */
	REQUIRE(page_cursor_read(&scope, text, 0, &last, &e) < 0);
	REQUIRE(value_utf8_tail(text, strlen(text)) <= 3);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *line = text, *rest;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (int i = 0; line != NULL; i++, line = rest) {
		rest = strchr(line, '\n');
		if (rest != NULL)
			*rest++ = '\0';
		if (i == 0)
			read_path(line);
		else if (i == 1)
			read_query(line);
		else
			read_value(line);
	}
	free(text);
	return 0;
}
