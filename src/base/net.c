/* SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

enum { ADDR_BITS = 128, V4_BITS = 32, V4_AT = 12 /* bytes before the IPv4 address */ };

static const uint8_t V4_MAPPED[V4_AT] = { [10] = 0xff, [11] = 0xff };

bool
net_addr_is_v4(const struct net_addr *a)
{
	return memcmp(a->bytes, V4_MAPPED, V4_AT) == 0;
}

bool
net_addr_equal(const struct net_addr *a, const struct net_addr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* 32 or 128: the bits of the family that the text was written in; 0 when it is no address. */
static int
addr_read(const char *text, struct net_addr *ret)
{
	struct net_addr a = { 0 };

	if (inet_pton(AF_INET6, text, a.bytes) == 1) {
		*ret = a;
		return ADDR_BITS;
	}
	if (inet_pton(AF_INET, text, a.bytes + V4_AT) != 1)
		return 0;
	memcpy(a.bytes, V4_MAPPED, V4_AT);
	*ret = a;
	return V4_BITS;
}

int
net_addr_parse(const char *text, struct net_addr *ret, struct err *e)
{
	char echo[PARSE_ECHO_SIZE];

	if (addr_read(text, ret) == 0)
		return err_set(e, ERR_INVALID,
		    "expected an IP address such as 192.0.2.7 or 2001:db8::7, got '%s'",
		    parse_echo(text, echo));
	return 0;
}

const char *
net_addr_format(const struct net_addr *a, char out[static NET_ADDR_SIZE])
{
	const bool v4 = net_addr_is_v4(a);

	_Static_assert(NET_ADDR_SIZE >= INET6_ADDRSTRLEN, "the longest text fits");
	REQUIRE(inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->bytes + V4_AT : a->bytes, out,
		    NET_ADDR_SIZE) != NULL);
	return out;
}

/* --- Networks --------------------------------------------------------------------------------- */

/* Keeps the first `bits` bits. */
static struct net_addr
addr_masked(const struct net_addr *a, int bits)
{
	struct net_addr kept = { 0 };
	const int whole = bits / 8;

	memcpy(kept.bytes, a->bytes, (size_t)whole);
	if (bits % 8 != 0)
		kept.bytes[whole] = (uint8_t)(a->bytes[whole] & (0xff00 >> (bits % 8)));
	return kept;
}

static int
cidr_err(const char *text, struct err *e)
{
	char echo[PARSE_ECHO_SIZE];

	return err_set(e, ERR_INVALID,
	    "expected a network such as 10.0.0.0/8 or 2001:db8::/32, got '%s'",
	    parse_echo(text, echo));
}

/* The part before the slash; NULL when it is longer than any address. */
static const char *
address_part(const char *text, char out[static NET_ADDR_SIZE])
{
	const size_t n = strcspn(text, "/");

	if (n >= NET_ADDR_SIZE)
		return NULL;
	memcpy(out, text, n);
	out[n] = '\0';
	return out;
}

int
net_cidr_parse(const char *text, struct net_cidr *ret, struct err *e)
{
	char address[NET_ADDR_SIZE], echo[PARSE_ECHO_SIZE], right[NET_CIDR_SIZE];
	const char *slash = strchr(text, '/');
	struct net_cidr c, masked;
	struct err ignored;
	int64_t prefix;
	int bits;

	bits = address_part(text, address) == NULL ? 0 : addr_read(address, &c.addr);
	if (bits == 0)
		return cidr_err(text, e);
	prefix = bits;
	if (slash != NULL && parse_i64(slash + 1, 0, bits, &prefix, &ignored) < 0)
		return cidr_err(text, e);
	c.prefix = (int)prefix + ADDR_BITS - bits;
	masked = (struct net_cidr){ addr_masked(&c.addr, c.prefix), c.prefix };
	if (!net_addr_equal(&masked.addr, &c.addr))
		return err_set(e, ERR_INVALID,
		    "'%s' is an address inside a network; write %s for the network, or leave the "
		    "prefix out for the address",
		    parse_echo(text, echo), net_cidr_format(&masked, right));
	*ret = c;
	return 0;
}

const char *
net_cidr_format(const struct net_cidr *c, char out[static NET_CIDR_SIZE])
{
	/* A prefix that is shorter than the mapping is not one of IPv4, whatever its bits. */
	const int before = net_addr_is_v4(&c->addr) ? ADDR_BITS - V4_BITS : 0;
	char address[NET_ADDR_SIZE];
	const int n = snprintf(
	    out, NET_CIDR_SIZE, "%s/%d", net_addr_format(&c->addr, address), c->prefix - before);

	REQUIRE(n > 0 && n < NET_CIDR_SIZE);
	return out;
}

bool
net_cidr_contains(const struct net_cidr *c, const struct net_addr *a)
{
	const struct net_addr masked = addr_masked(a, c->prefix);

	return net_addr_is_v4(&c->addr) == net_addr_is_v4(a) && net_addr_equal(&masked, &c->addr);
}

/* --- Lists ------------------------------------------------------------------------------------ */

/* Appends the network in the n bytes at `item`. */
static int
cidrs_add(struct net_cidrs *set, const char *item, size_t n, struct err *e)
{
	char text[NET_CIDR_SIZE + 1]; /* one more than any network needs: what is cut is none */

	while (n > 0 && item[0] == ' ') {
		item++;
		n--;
	}
	while (n > 0 && item[n - 1] == ' ')
		n--;
	if (n == 0)
		return err_set(
		    e, ERR_INVALID, "a list of networks has one between each two commas");
	if (n >= sizeof(text))
		n = sizeof(text) - 1;
	memcpy(text, item, n);
	text[n] = '\0';
	if (set->n == NET_CIDRS_MAX)
		return err_set(
		    e, ERR_INVALID, "a list may have at most %d networks", NET_CIDRS_MAX);
	if (net_cidr_parse(text, &set->at[set->n], e) < 0)
		return -1;
	set->n++;
	return 0;
}

int
net_cidrs_parse(const char *text, struct net_cidrs *ret, struct err *e)
{
	struct net_cidrs set = { 0 };

	if (text[strspn(text, " ")] != '\0')
		for (const char *at = text; at != NULL;) {
			const char *comma = strchr(at, ',');
			const size_t n = comma == NULL ? strlen(at) : (size_t)(comma - at);

			if (cidrs_add(&set, at, n, e) < 0)
				return -1;
			at = comma == NULL ? NULL : comma + 1;
		}
	*ret = set;
	return 0;
}

bool
net_cidrs_contain(const struct net_cidrs *set, const struct net_addr *a)
{
	for (size_t i = 0; i < set->n; i++)
		if (net_cidr_contains(&set->at[i], a))
			return true;
	return false;
}
