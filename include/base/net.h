/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_H
#define NET_H

/*
 * IP addresses and networks as values: no names, no sockets, no I/O.  An IPv4 address and its
 * IPv4-mapped IPv6 form (RFC 4291 section 2.5.5.2) are the same value, so that a list of networks
 * cannot be passed by writing an address the other way.  Networks of one family never contain
 * addresses of the other: ::/0 is all of IPv6 and none of IPv4.
 */

#include "base.h"
#include "err.h"

#include <stdbool.h>

enum {
	NET_ADDR_SIZE = 46, /* longest text of an address with its NUL */
	NET_CIDR_SIZE = NET_ADDR_SIZE + 4,
	/* Lists are searched one by one, for each request. */
	NET_CIDRS_MAX = 32,
};

struct net_addr {
	uint8_t bytes[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
};

/* "192.0.2.7" or "2001:db8::7"; no port, brackets, zone, blanks or octal.  ERR_INVALID. */
int net_addr_parse(const char *text, struct net_addr *ret, struct err *e) MUST_CHECK;
/* The shortest form (RFC 5952); IPv4 in dotted form. */
const char *net_addr_format(const struct net_addr *a, char out[static NET_ADDR_SIZE]);
bool net_addr_is_v4(const struct net_addr *a);
bool net_addr_equal(const struct net_addr *a, const struct net_addr *b);

struct net_cidr {
	struct net_addr addr; /* the bits behind the prefix are 0 */
	int prefix;           /* of all 128 bits: 96 more than written for IPv4 */
};

/* "10.0.0.0/8", "2001:db8::/32", or an address alone, which is a network of one.  ERR_INVALID; one
 * with bits set behind the prefix is refused, because it may be meant either way. */
int net_cidr_parse(const char *text, struct net_cidr *ret, struct err *e) MUST_CHECK;
const char *net_cidr_format(const struct net_cidr *c, char out[static NET_CIDR_SIZE]);
bool net_cidr_contains(const struct net_cidr *c, const struct net_addr *a);

struct net_cidrs {
	size_t n;
	struct net_cidr at[NET_CIDRS_MAX];
};

/* A comma-separated list, blanks around each; empty text is the empty set.  ERR_INVALID. */
int net_cidrs_parse(const char *text, struct net_cidrs *ret, struct err *e) MUST_CHECK;
bool net_cidrs_contain(const struct net_cidrs *set, const struct net_addr *a);

#endif
