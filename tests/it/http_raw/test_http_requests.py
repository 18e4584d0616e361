# SPDX-License-Identifier: Apache-2.0
"""Raw requests and what becomes of them.

Every refused request carries a second one behind it.  It must never be served: the connection
closes after exactly one answer, and no handler has run.
"""
import pytest

from raw_requests import (ACCEPTED, BIG, CHUNKED, H, REFUSED, REFUSED_BY_LIBRARY, SECOND, SIZES,
                          SMUGGLING, UNSEEN, get, post)
from rawhttp import answers, read_all, receive


@pytest.mark.parametrize("name", {**REFUSED, **SIZES})
def test_refused_once_and_closed(probe, name):
    request, status = {**REFUSED, **SIZES}[name]
    before = probe.stats()
    data, closed = probe.exchange(request + SECOND, timeout=3)
    assert closed, data
    (answer,) = answers(data)
    assert answer[0] == status
    assert answer[1]["connection"] == "close"
    assert "server" not in answer[1]
    after = probe.stats()
    assert after["served"] == before["served"]
    assert after["refused"] == before["refused"] + 1


@pytest.mark.parametrize("name", {**REFUSED_BY_LIBRARY, **BIG})
def test_refused_by_the_library_and_closed(probe, name):
    request, status = {**REFUSED_BY_LIBRARY, **BIG}[name]
    before = probe.stats()
    data, closed = probe.exchange(request + SECOND, timeout=3)
    assert closed, data
    assert data.startswith(b"HTTP/1.1 %d " % status), data[:100]
    assert probe.stats()["served"] == before["served"]


@pytest.mark.parametrize("name", UNSEEN)
def test_known_to_pass_with_the_right_body(probe, name):
    with probe.connect(timeout=3) as s:
        s.sendall(UNSEEN[name] + get(fields=H + b"Connection: close\r\n"))
        data = b""
        while piece := s.recv(65536):
            data += piece
    first, second = answers(data)
    assert first[0] == 200 and first[2].endswith(b"\n127.0.0.1\nabc")
    assert second[0] == 200 and second[2] == b"hello"


def test_no_request_is_smuggled_in_a_body(start):
    p = start(head_ms=300, body_ms=300, idle_ms=1000)
    for name, request in SMUGGLING.items():
        before = p.stats()
        p.exchange(request, timeout=5)
        assert p.stats()["smuggled"] == before["smuggled"], name


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(probe, name):
    request, body = ACCEPTED[name]
    with probe.connect() as s:
        s.sendall(request)
        (answer,) = receive(s, 1)
        assert answer[0] == 200
        assert answer[2] == body


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("name", ["chunked", "blanks around a value", "many parameters",
                                  "64 fields"])
def test_accepted_in_small_pieces(probe, name, size):
    request, body = ACCEPTED[name]
    with probe.connect() as s:
        for i in range(0, len(request), size):
            s.send(request[i:i + size])
        (answer,) = receive(s, 1)
        assert answer[0] == 200
        assert answer[2] == body


@pytest.mark.parametrize("path", ["/hello", "/worker", "/status?status=404", "/headers"])
def test_an_answer_does_not_close_the_connection(probe, path):
    with probe.connect() as s:
        for _ in range(50):
            s.sendall(get(path.encode()))
            (answer,) = receive(s, 1)
            assert "connection" not in answer[1]


def test_a_handler_may_close_the_connection(probe):
    data, closed = probe.exchange(get(b"/close") + SECOND)
    assert closed
    (answer,) = answers(data)
    assert answer[1]["connection"] == "close"


def test_a_thousand_pipelined_requests_are_answered_in_order(probe):
    request = b"".join(
        get(b"/echo?n=%d" % i) if i % 3 else
        b"POST /echo?n=%d HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody" % i
        for i in range(1000))
    with probe.connect() as s:
        s.settimeout(30)
        s.sendall(request)
        found = []
        data = b""
        while len(found) < 1000:
            data += s.recv(1 << 20)
            if data.count(b"HTTP/1.1 200") == 1000:
                try:
                    found = answers(data)
                except AssertionError:
                    continue
        assert [int(a[2].split(b"\n")[2][2:]) for a in found] == list(range(1000))


def test_pipelined_requests_to_workers_are_answered_in_order(probe):
    paths = [b"/worker?ms=20", b"/echo?1", b"/worker", b"/echo?2", b"/worker?ms=5"]
    with probe.connect() as s:
        s.sendall(b"".join(get(p) for p in paths))
        found = receive(s, len(paths))
        assert [a[2].split(b"\n")[2] if b"\n" in a[2] else a[2] for a in found] == [
            b"worker", b"1", b"worker", b"2", b"worker"]


def test_expect_100_gets_a_100_and_then_the_answer(probe):
    with probe.connect() as s:
        s.sendall(post(b"Content-Length: 3\r\nExpect: 100-continue\r\n"))
        assert s.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(b"abc")
        (answer,) = receive(s, 1)
        assert answer[2].endswith(b"abc")


def test_a_body_over_the_limit_is_refused_before_it_is_read(probe):
    with probe.connect() as s:
        s.sendall(post(b"Content-Length: 99999999999\r\n"))
        data = b""
        while piece := s.recv(65536):
            data += piece
    (answer,) = answers(data)
    assert answer[0] == 413


def test_the_refusal_survives_a_client_that_keeps_sending(probe):
    """Without lingering the kernel resets the connection and the answer is lost."""
    for _ in range(20):
        with probe.connect() as s:
            try:
                s.sendall(post(b"Content-Length: 9999999\r\n", b"x" * 3000000))
            except (ConnectionResetError, BrokenPipeError):
                pass
            data = b""
            while piece := s.recv(65536):
                data += piece
        (answer,) = answers(data)
        assert answer[0] == 413


def test_a_chunked_body_without_end_is_cut(probe):
    before = probe.stats()
    with probe.connect(timeout=3) as s:
        s.sendall(post(CHUNKED))
        try:
            for _ in range(64):
                s.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert read_all(s) == (b"", True)
    assert probe.stats()["served"] == before["served"]


@pytest.mark.parametrize("path", [b"/hello", b"/worker", b"/big?n=100000", b"/file"])
def test_head_sends_the_length_and_no_body(probe, path):
    with probe.connect() as s:
        s.sendall(get(path).replace(b"GET", b"HEAD") + get().replace(b"GET", b"HEAD"))
        data = b""
        while data.count(b"\r\n\r\n") < 2:
            data += s.recv(65536)
    first, second = answers(data, head=True)
    lengths = {b"/hello": "5", b"/worker": "6", b"/big?n=100000": "100000", b"/file": "3145728"}
    assert first[1]["content-length"] == lengths[path]
    assert second[1]["content-length"] == "5"


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_leave_the_connection_in_step(probe, status):
    with probe.connect() as s:
        s.sendall(get(b"/status?status=%d" % status) + get())
        found = receive(s, 2)
    assert found[0][0] == status
    if status == 204:
        assert "content-length" not in found[0][1]
    assert found[1][2] == b"hello"


def test_response_headers_cannot_be_split(probe):
    status, headers, body = probe.get("/headers")
    assert body == b"nnnnyy"
    assert headers["x-a"] == "second"
    assert "x-b" not in headers
    assert "server" not in headers
    assert headers["date"].endswith(" GMT")


@pytest.mark.parametrize("offset,n", [(0, 3 << 20), (0, 1), (1, 0), (250, 502), (1000003, 2000000),
                                      ((3 << 20) - 1, 1)])
def test_any_range_of_a_file_arrives_whole(probe, offset, n):
    _, headers, body = probe.get(f"/file?offset={offset}&n={n}")
    assert headers["content-length"] == str(n)
    pattern = bytes(range(251)) * ((n + 502) // 251)
    assert body == pattern[offset % 251:offset % 251 + n]


def test_without_sigpipe_ignored_files_are_sent_and_leavers_do_not_kill(start):
    p = start(ignore_sigpipe=0)
    for _ in range(20):
        s = p.connect(rcvbuf=4096)
        s.sendall(get(b"/file"))
        s.recv(1000)
        s.close()
    _, _, body = p.get("/file?offset=7&n=3000000")
    assert body == (bytes(range(251)) * 12000)[7:3000007]


def test_big_answers_arrive_whole(probe):
    _, _, body = probe.get("/big?n=20000000")
    assert body == b"b" * 20000000


def test_an_ipv6_address_can_be_listened_on(start):
    p = start(address="::1")
    _, _, body = p.get("/echo")
    assert body.split(b"\n")[4] == b"::1"


def test_the_dual_stack_address_shows_ipv4_peers_as_such(start):
    p = start(address="::")
    p.address = "127.0.0.1"
    _, _, body = p.get("/echo")
    assert body.split(b"\n")[4] == b"127.0.0.1"
