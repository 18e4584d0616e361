/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's side of the spawner's socket. */
#include "keeper.h"

#include "clock.h"
#include "fd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A spawner answers within microseconds; one that is being restarted takes a second. */
enum { HELLO_TIMEOUT_MS = 5000 };

/* Spawners of version 1 refuse every record that is not as long as theirs. */
enum { BYTES_OF_VERSION_1 = 152 };

static int
dial(const char *path, int *ret_fd, struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	AUTO_FD int fd = -1;
	size_t n = strlen(path);

	if (n >= sizeof(addr.sun_path))
		return err_set(e, ERR_CONF,
		    "the path of the spawner's socket must be shorter than %zu bytes",
		    sizeof(addr.sun_path));
	memcpy(addr.sun_path, path, n);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, errno, "cannot make a socket");
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set(e, ERR_UNAVAILABLE, "no spawner answers (%s); start wardian-spawner",
		    strerrorname_np(errno));
	*ret_fd = fd_take(&fd);
	return 0;
}

static int
await_ready(int fd, struct sandbox_event *ret, struct err *e)
{
	struct deadline until = deadline_in_ms(HELLO_TIMEOUT_MS);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct sandbox_event ev = { 0 };
	int rc = 0;

	while (rc == 0 && !deadline_passed(until)) {
		if (poll(&p, 1, deadline_poll_ms(until)) < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot wait for the spawner");
		rc = sandbox_receive(fd, &ev, e);
	}
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(
		    e, ERR_UNAVAILABLE, "the spawner accepts connections but does not answer");
	*ret = ev;
	return 0;
}

static int
greet(int fd, uint32_t protocol, struct sandbox_event *ret, struct err *e)
{
	const struct sandbox_request hello = { .protocol = protocol, .verb = SANDBOX_HELLO };

	return sandbox_send(fd, &hello, e) < 0 ? -1 : await_ready(fd, ret, e);
}

int
sandbox_connect(
    const char *socket_path, int *ret_fd, struct sandbox_event *ret_ready, struct err *e)
{
	struct sandbox_event ready;
	AUTO_FD int fd = -1;

	if (dial(socket_path, &fd, e) < 0)
		return -1;
	if (greet(fd, SANDBOX_PROTOCOL, &ready, e) < 0)
		return -1;
	/* One that takes no greeting but its own names its version in the refusal. */
	if (ready.kind == SANDBOX_REFUSED && ready.protocol < SANDBOX_PROTOCOL &&
	    greet(fd, ready.protocol, &ready, e) < 0)
		return -1;
	if (ready.kind != SANDBOX_READY)
		return err_set(e, ERR_PROTOCOL, "the spawner did not begin with READY");
	*ret_ready = ready;
	*ret_fd = fd_take(&fd);
	return 0;
}

int
sandbox_send(int fd, const struct sandbox_request *r, struct err *e)
{
	const size_t size = r->protocol == 1 ? BYTES_OF_VERSION_1 : sizeof(*r);
	ssize_t n;

	do
		n = send(fd, r, size, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)size)
		return 0;
	if (n < 0 && errno == EAGAIN)
		return err_set(
		    e, ERR_BUSY, "the spawner has not read its last requests yet; try again");
	return err_set(e, ERR_UNAVAILABLE, "the spawner is gone");
}

int
sandbox_receive(int fd, struct sandbox_event *ret, struct err *e)
{
	/* One byte more than a record tells a longer one, which SOCK_SEQPACKET would cut. */
	char bytes[sizeof(struct sandbox_event) + 1];
	ssize_t n;

	do
		n = recv(fd, bytes, sizeof(bytes), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return err_set(e, ERR_UNAVAILABLE, "the spawner is gone");
	return sandbox_event_decode(bytes, (size_t)n, ret, e) < 0 ? -1 : 1;
}
