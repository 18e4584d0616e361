/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's side of the socket against a peer that the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clock.h"
#include "sandbox.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void
pair(int fd[2])
{
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
}

static void
events_come_one_by_one_and_then_none(void **state)
{
	struct sandbox_event ev = { .protocol = SANDBOX_PROTOCOL, .kind = SANDBOX_STARTED }, got;
	struct err e = { 0 };
	int fd[2];

	(void)state;
	pair(fd);
	assert_int_equal(sandbox_receive(fd[0], &got, &e), 0);
	for (int pid = 1; pid <= 3; pid++) {
		ev.pid = pid;
		assert_int_equal(send(fd[1], &ev, sizeof(ev), 0), sizeof(ev));
	}
	for (int pid = 1; pid <= 3; pid++) {
		assert_int_equal(sandbox_receive(fd[0], &got, &e), 1);
		assert_int_equal(got.pid, pid);
	}
	assert_int_equal(sandbox_receive(fd[0], &got, &e), 0);
	close(fd[1]);
	assert_int_equal(sandbox_receive(fd[0], &got, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	close(fd[0]);
}

static void
a_record_too_short_or_too_long_is_an_error(void **state)
{
	static const size_t sizes[] = { 1, sizeof(struct sandbox_event) - 1,
		sizeof(struct sandbox_event) + 1, 4096 };
	char bytes[4096] = { 0 };
	struct sandbox_event got;
	int fd[2];

	(void)state;
	pair(fd);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct err e = { 0 };

		assert_int_equal(send(fd[1], bytes, sizes[i], 0), (ssize_t)sizes[i]);
		assert_int_equal(sandbox_receive(fd[0], &got, &e), -1);
		assert_int_equal(e.code, ERR_PROTOCOL);
	}
	close(fd[0]);
	close(fd[1]);
}

static void
a_peer_that_does_not_read_makes_us_busy_and_a_dead_one_unavailable(void **state)
{
	struct sandbox_request q = { .protocol = SANDBOX_PROTOCOL, .verb = SANDBOX_LIST };
	struct err e = { 0 };
	int fd[2], sent = 0;

	(void)state;
	pair(fd);
	while (sandbox_send(fd[0], &q, &e) == 0 && sent < 1000000)
		sent++;
	assert_int_equal(e.code, ERR_BUSY);
	close(fd[1]);
	assert_int_equal(sandbox_send(fd[0], &q, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	close(fd[0]);
}

static void
nobody_there_is_unavailable(void **state)
{
	static char far[200];
	struct sandbox_event ready;
	struct err e = { 0 };
	int fd = -1;

	(void)state;
	assert_int_equal(sandbox_connect("/tmp/wardian-no-such-socket", &fd, &ready, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_int_equal(fd, -1);
	memset(far, 'x', sizeof(far) - 1);
	assert_int_equal(sandbox_connect(far, &fd, &ready, &e), -1);
	assert_int_equal(e.code, ERR_CONF);
}

/* Accepts one connection in a child and answers HELLO with the given record. */
static pid_t
serve(const char *path, const struct sandbox_event *answer)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int server = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	pid_t pid;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(server, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(server, 1), 0);
	pid = fork();
	if (pid == 0) {
		struct sandbox_request q;
		int fd = accept(server, NULL, NULL);

		if (recv(fd, &q, sizeof(q), 0) != sizeof(q) || q.verb != SANDBOX_HELLO)
			_exit(1);
		_exit(send(fd, answer, sizeof(*answer), 0) == sizeof(*answer) ? 0 : 1);
	}
	close(server);
	return pid;
}

/* As version 1 does: refuses what is not exactly its own, naming itself. */
NORETURN static void
answer_as_version_1(int server)
{
	struct sandbox_event ev = { .protocol = 1, .kind = SANDBOX_REFUSED };
	int fd = accept(server, NULL, NULL), greeted = 0;
	char bytes[1024];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
		uint32_t protocol, verb;

		memcpy(&protocol, bytes, sizeof(protocol));
		memcpy(&verb, bytes + sizeof(protocol), sizeof(verb));
		ev.kind = SANDBOX_REFUSED;
		if (n == 152 && protocol == 1) {
			ev.kind = verb == SANDBOX_HELLO ? SANDBOX_READY : SANDBOX_LIST_END;
			greeted++;
		}
		(void)send(fd, &ev, sizeof(ev), MSG_NOSIGNAL);
	}
	_exit(greeted == 2 ? 0 : 1);
}

static void
a_spawner_of_version_1_is_spoken_to_in_its_own_words(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int server = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sandbox_request list = { .verb = SANDBOX_LIST };
	struct sandbox_event ev;
	struct err e = { 0 };
	int fd = -1, status, rc = 0;
	pid_t pid;

	(void)state;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/tmp/wardian-client-1-%d", getpid());
	assert_int_equal(bind(server, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(server, 1), 0);
	if ((pid = fork()) == 0)
		answer_as_version_1(server);
	close(server);
	assert_int_equal(sandbox_connect(addr.sun_path, &fd, &ev, &e), 0);
	unlink(addr.sun_path);
	assert_int_equal(ev.protocol, 1);
	list.protocol = ev.protocol;
	assert_int_equal(sandbox_send(fd, &list, &e), 0);
	while (rc == 0)
		rc = sandbox_receive(fd, &ev, &e);
	assert_int_equal(rc, 1);
	assert_int_equal(ev.kind, SANDBOX_LIST_END);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
connecting_exchanges_hello_and_ready(void **state)
{
	struct sandbox_event answer = {
		.protocol = SANDBOX_PROTOCOL, .kind = SANDBOX_READY, .weak = SANDBOX_WEAK_UIDS
	};
	struct sandbox_event ready;
	char path[64];
	int fd, status;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/wardian-client-%d", getpid());
	for (int right = 0; right < 2; right++) {
		struct err e = { 0 };
		pid_t pid;

		answer.kind = right ? SANDBOX_READY : SANDBOX_LIST_END;
		pid = serve(path, &answer);
		assert_int_equal(sandbox_connect(path, &fd, &ready, &e), right ? 0 : -1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		unlink(path);
		if (!right) {
			assert_int_equal(e.code, ERR_PROTOCOL);
			continue;
		}
		assert_int_equal(ready.weak, SANDBOX_WEAK_UIDS);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		close(fd);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_one_by_one_and_then_none),
		cmocka_unit_test(a_record_too_short_or_too_long_is_an_error),
		cmocka_unit_test(
		    a_peer_that_does_not_read_makes_us_busy_and_a_dead_one_unavailable),
		cmocka_unit_test(nobody_there_is_unavailable),
		cmocka_unit_test(connecting_exchanges_hello_and_ready),
		cmocka_unit_test(a_spawner_of_version_1_is_spoken_to_in_its_own_words),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
