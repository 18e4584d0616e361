/* SPDX-License-Identifier: Apache-2.0 */
#include "http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"

/* Bursts of new connections wait here; the kernel caps it at net.core.somaxconn. */
enum { BACKLOG = 1024 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int
address_parse(const char *text, uint16_t port, union address *ret, socklen_t *ret_n, struct err *e)
{
	union address a = { 0 };

	if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1) {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons(port);
		*ret_n = sizeof(a.v4);
	} else if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1) {
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons(port);
		*ret_n = sizeof(a.v6);
	} else {
		return err_set(e, ERR_CONF,
		    "\"%s\" is not an IPv4 or IPv6 address to listen on; try 127.0.0.1 or ::",
		    text);
	}
	*ret = a;
	return 0;
}

static int
bind_err(struct err *e, int sys, const char *address, uint16_t port)
{
	switch (sys) {
	case EADDRINUSE:
		return err_set(e, ERR_CONF,
		    "%s port %u is in use; stop the other server or choose another port", address,
		    port);
	case EADDRNOTAVAIL:
		return err_set(e, ERR_CONF, "%s is not an address of this machine", address);
	case EACCES:
		return err_set(e, ERR_CONF,
		    "port %u is privileged; choose one from 1024 on or grant "
		    "CAP_NET_BIND_SERVICE",
		    port);
	default:
		return err_sys(e, sys, "cannot listen on %s port %u", address, port);
	}
}

int
http_listen(const char *address, uint16_t port, int *ret_fd, uint16_t *ret_port, struct err *e)
{
	AUTO_FD int fd = -1;
	union address a = { 0 };
	socklen_t n = 0;

	if (address_parse(address, port, &a, &n, e) < 0)
		return -1;
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, errno, "cannot make a listening socket");
	/* A restarted server must not wait for the connections of the old one to time out. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0)
		return err_sys(e, errno, "cannot set SO_REUSEADDR");
	if (bind(fd, &a.any, n) < 0 || listen(fd, BACKLOG) < 0)
		return bind_err(e, errno, address, port);
	if (getsockname(fd, &a.any, &n) < 0)
		return err_sys(e, errno, "cannot read the listening address");
	*ret_port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	*ret_fd = fd_take(&fd);
	return 0;
}
