/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses, networks and lists of them: what is read is printed and read back as the same, and a
 * network contains its own address, of its own family.
 */
#include "net.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 2000 };

static void
check_addr(const char *text)
{
	struct net_addr a, again;
	char out[NET_ADDR_SIZE];
	struct err e;

	if (net_addr_parse(text, &a, &e) < 0)
		return;
	REQUIRE(net_addr_parse(net_addr_format(&a, out), &again, &e) == 0);
	REQUIRE(net_addr_equal(&a, &again));
}

static void
check_cidr(const struct net_cidr *c)
{
	struct net_cidr again;
	char out[NET_CIDR_SIZE];
	struct err e;

	REQUIRE(c->prefix >= (net_addr_is_v4(&c->addr) ? 96 : 0));
	REQUIRE(c->prefix <= 128);
	REQUIRE(net_cidr_contains(c, &c->addr));
	REQUIRE(net_cidr_parse(net_cidr_format(c, out), &again, &e) == 0);
	REQUIRE(net_addr_equal(&c->addr, &again.addr));
	REQUIRE(c->prefix == again.prefix);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[TEXT_MAX + 1];
	struct net_cidrs set;
	struct net_cidr c;
	struct err e;

	if (size > TEXT_MAX)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_addr(text);
	if (net_cidr_parse(text, &c, &e) == 0)
		check_cidr(&c);
	if (net_cidrs_parse(text, &set, &e) < 0)
		return 0;
	REQUIRE(set.n <= NET_CIDRS_MAX);
	for (size_t i = 0; i < set.n; i++) {
		check_cidr(&set.at[i]);
		REQUIRE(net_cidrs_contain(&set, &set.at[i].addr));
	}
	return 0;
}
