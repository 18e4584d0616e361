/* SPDX-License-Identifier: Apache-2.0 */
/* Tries to reach anybody outside: the host, the network, the job of another tenant. */
#include "probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECT_MS = 500, METADATA_PORT = 80, DNS_PORT = 53 };

static int
address_of(const char *text, int port, struct sockaddr_storage *ret, socklen_t *ret_n)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		memcpy(ret, &in, sizeof(in));
		*ret_n = sizeof(in);
		return AF_INET;
	}
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
		memcpy(ret, &in6, sizeof(in6));
		*ret_n = sizeof(in6);
		return AF_INET6;
	}
	return -1;
}

/* 0 when somebody answers, else -1 with errno. */
static int
finish_connect(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t n = sizeof(errno);
	int err = 0;

	if (errno != EINPROGRESS)
		return -1;
	if (poll(&p, 1, CONNECT_MS) == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n);
	errno = err;
	return err == 0 ? 0 : -1;
}

static void
try_address(const char *text, int port, int type)
{
	struct sockaddr_storage a = { 0 };
	socklen_t n = 0;
	const int family = address_of(text, port, &a, &n);
	const int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int yes = 1;
	char name[96];
	int rc = fd;

	(void)snprintf(name, sizeof(name), "%s %s", type == SOCK_STREAM ? "tcp" : "udp", text);
	if (fd >= 0 && type == SOCK_STREAM) {
		rc = connect(fd, (const struct sockaddr *)&a, n);
		if (rc < 0)
			rc = finish_connect(fd);
	} else if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes));
		rc = (int)sendto(fd, "x", 1, 0, (const struct sockaddr *)&a, n);
	}
	fact_rc(name, rc);
	if (fd >= 0)
		(void)close(fd);
}

static void
try_unix(const char *name, const char *path, bool abstract)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(un.sun_path + abstract, sizeof(un.sun_path) - 1, "%s", path);
	fact_rc(name,
	    connect(fd, (const struct sockaddr *)&un,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + strlen(path))));
	(void)close(fd);
}

/* reach PORT HOST-ADDRESS ABSTRACT-NAME SOCKET-PATH */
int
act_reach(char **argv)
{
	static const char *const far[] = { "169.254.169.254", "fd00:ec2::254", "10.0.0.1",
		"172.16.0.1", "192.168.0.1", "100.100.100.200", "fe80::1", "2001:db8::1",
		"192.0.2.1" };
	static const char *const names[] = { "8.8.8.8", "2001:4860:4860::8888", "224.0.0.251",
		"255.255.255.255" };
	const int port = (int)argument(argv, 0, 8080);

	try_address("127.0.0.1", port, SOCK_STREAM);
	try_address("127.1.2.3", port, SOCK_STREAM);
	try_address("0.0.0.0", port, SOCK_STREAM);
	try_address("::1", port, SOCK_STREAM);
	try_address("::ffff:127.0.0.1", port, SOCK_STREAM);
	try_address(argv[1], port, SOCK_STREAM);
	for (size_t i = 0; i < LEN(far); i++)
		try_address(far[i], METADATA_PORT, SOCK_STREAM);
	for (size_t i = 0; i < LEN(names); i++)
		try_address(names[i], DNS_PORT, SOCK_DGRAM);
	try_unix("abstract socket of the host", argv[2], true);
	try_unix("socket file of the host", argv[3], false);
	try_unix("socket of the spawner", "/var/lib/wardian/spawner.sock", false);
	return 0;
}

/* --- descriptors in flight ----------------------------------------------------------------------
 */

static ssize_t
pass(int to, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	char byte = 'x';
	struct iovec part = { &byte, 1 };
	struct msghdr m = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(to, &m, MSG_DONTWAIT);
}

/* Pairs of sockets that hold each other and nobody else: only the kernel can free them. */
int
act_passed_descriptors(char **argv)
{
	long rings = 0, passed = 0;
	int ends[2];

	(void)argv;
	for (; rings < 100000; rings++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
			break;
		if (pass(ends[0], ends[0]) < 0 || pass(ends[1], ends[1]) < 0)
			break;
		passed += 2;
		(void)close(ends[0]);
		(void)close(ends[1]);
	}
	fact_rc("ring", rings == 100000 ? 0 : -1);
	fact_number("rings", rings);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0)
		while (passed < 1000000 && pass(ends[0], 1) >= 0)
			passed++;
	fact_rc("in flight", -1);
	fact_number("passed", passed);
	return 0;
}
