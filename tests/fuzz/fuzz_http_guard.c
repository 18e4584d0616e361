/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A head as the library would show it: lines of the input, cut at LF; the first is method, target
 * and version, the rest are fields.  Whatever passes must satisfy what callers rely on.
 */
#include "http_internal.h"

#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = HTTP_FIELDS_MAX + 2, TEXT_MAX = 20000 };

static void
check_accepted(const struct http_head *head, int64_t body_bytes)
{
	char decoded[HTTP_TARGET_MAX + 1];
	const char *target = head->target;
	const size_t path_n = strcspn(target, "?");
	size_t framings = 0;

	REQUIRE(body_bytes >= HTTP_BODY_CHUNKED);
	REQUIRE(target[0] == '/' || strcmp(target, "*") == 0);
	REQUIRE(http_decode(target, path_n, false, decoded) == 0);
	REQUIRE(strstr(decoded, "/../") == NULL);
	REQUIRE(strchr(decoded, '\\') == NULL);
	REQUIRE(head->n_fields <= HTTP_FIELDS_MAX);
	for (size_t i = 0; i < head->n_fields; i++) {
		const char *name = head->fields[i].name;

		REQUIRE(strpbrk(name, " \t:\r") == NULL);
		REQUIRE(strpbrk(head->fields[i].value, "\r\n") == NULL);
		framings += strcasecmp(name, "Content-Length") == 0;
		framings += strcasecmp(name, "Transfer-Encoding") == 0;
	}
	REQUIRE(framings <= 1);
	REQUIRE(framings == 1 || body_bytes == 0);
	REQUIRE(body_bytes == 0 || strcmp(head->method, "GET") != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_field fields[FIELDS_MAX];
	static char text[TEXT_MAX + 1];
	struct http_head head = { .fields = fields };
	char *next = text, *line;
	int64_t body_bytes;
	struct err e;

	if (size > TEXT_MAX)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	line = strsep(&next, "\n");
	head.method = strsep(&line, " ");
	head.target = line == NULL ? "" : strsep(&line, " ");
	head.version = line == NULL ? "" : line;
	head.target_bytes = strlen(head.target);
	while (head.n_fields < FIELDS_MAX && (line = strsep(&next, "\n")) != NULL) {
		fields[head.n_fields].name = strsep(&line, ":");
		fields[head.n_fields++].value = line == NULL ? "" : line + (*line == ' ');
	}
	if (http_guard(&head, &body_bytes, &e) == 0)
		check_accepted(&head, body_bytes);
	else
		REQUIRE(err_http_status(e.code) >= 400);
	return 0;
}
