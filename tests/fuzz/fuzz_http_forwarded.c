/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A head of lines cut at LF, each a name and a value, behind trusted proxies: whatever they say,
 * the client is the peer or an address that stands in a field, and a proxy only when nobody named
 * another.
 */
#include "http_internal.h"

#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 24, TEXT_MAX = 4000 };

/* Whether some element of some field reads as the address. */
static bool
named(const struct http_field *fields, size_t n, const struct net_addr *a)
{
	for (size_t i = 0; i < n; i++) {
		char copy[TEXT_MAX + 1], *next = copy, *element;

		if (strcasecmp(fields[i].name, "X-Forwarded-For") != 0)
			continue;
		memcpy(copy, fields[i].value, strlen(fields[i].value) + 1);
		while ((element = strsep(&next, ",")) != NULL) {
			struct net_addr found;
			struct err e;

			element += strspn(element, " \t");
			element[strcspn(element, " \t")] = '\0';
			if (net_addr_parse(element, &found, &e) == 0 && net_addr_equal(&found, a))
				return true;
		}
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct net_addr proxy = { { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 } };
	struct http_field fields[FIELDS_MAX];
	static char text[TEXT_MAX + 1];
	struct net_cidrs trusted, nobody = { 0 };
	struct net_addr client;
	char *next = text, *line;
	size_t n = 0;
	struct err e;

	if (size > TEXT_MAX)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	while (n < FIELDS_MAX && (line = strsep(&next, "\n")) != NULL) {
		fields[n].name = strsep(&line, ":");
		fields[n++].value = line == NULL ? "" : line;
	}
	REQUIRE(net_cidrs_parse("10.0.0.0/8, ::1", &trusted, &e) == 0);
	client = http_forwarded(&trusted, &proxy, fields, n);
	REQUIRE(net_addr_equal(&client, &proxy) || named(fields, n, &client));
	client = http_forwarded(&nobody, &proxy, fields, n);
	REQUIRE(net_addr_equal(&client, &proxy));
	return 0;
}
