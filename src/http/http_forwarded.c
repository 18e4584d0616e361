/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X-Forwarded-For: each proxy appends whom it got the request from, so the list is believed from
 * its right end, as far as the proxies in it are ours; what stands before the first stranger was
 * written by the stranger.  A field that is sent several times is one list in order (RFC 9110
 * section 5.3).  Forwarded (RFC 7239) is ignored: its grammar (quoting, ports, obfuscated names)
 * lets two readers differ, and one way to say whence a request comes is enough.
 */
#include "http_internal.h"

#include <string.h>
#include <strings.h>

enum { ELEMENTS_MAX = 16 }; /* longer chains of proxies of one's own are a loop */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The address in the n bytes at p; -1 when there is anything else, a port for example. */
static int
element_addr(const char *p, size_t n, struct net_addr *ret)
{
	char text[NET_ADDR_SIZE];
	struct err ignored;

	while (n > 0 && is_blank(p[0])) {
		p++;
		n--;
	}
	while (n > 0 && is_blank(p[n - 1]))
		n--;
	if (n == 0 || n >= sizeof(text))
		return -1;
	memcpy(text, p, n);
	text[n] = '\0';
	return net_addr_parse(text, ret, &ignored);
}

struct walk {
	const struct net_cidrs *trusted;
	struct net_addr client; /* the last one believed */
	int n;                  /* elements read */
};

/* Reads the list in one field from its end; false when the client is found. */
static bool
walk_value(struct walk *w, const char *value)
{
	size_t n = strlen(value);

	while (w->n++ < ELEMENTS_MAX && net_cidrs_contain(w->trusted, &w->client)) {
		const char *comma = memrchr(value, ',', n);
		const char *element = comma == NULL ? value : comma + 1;

		if (element_addr(element, n - (size_t)(element - value), &w->client) < 0)
			return false;
		if (comma == NULL)
			return true;
		n = (size_t)(comma - value);
	}
	return false;
}

struct net_addr
http_forwarded(const struct net_cidrs *trusted, const struct net_addr *peer,
    const struct http_field *fields, size_t n_fields)
{
	struct walk w = { .trusted = trusted, .client = *peer };

	for (size_t i = n_fields; i > 0; i--)
		if (strcasecmp(fields[i - 1].name, "X-Forwarded-For") == 0 &&
		    !walk_value(&w, fields[i - 1].value))
			break;
	return w.client;
}
