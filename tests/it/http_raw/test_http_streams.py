# SPDX-License-Identifier: Apache-2.0
"""Streams: delivery, slow and departed readers, limits."""
import time

from rawhttp import dechunk, read_all, receive

H = b"Host: h\r\n"


def get(target, version=b"HTTP/1.1"):
    return b"GET " + target + b" " + version + b"\r\n" + H + b"\r\n"


def test_events_arrive_when_they_are_written(probe):
    with probe.connect() as s:
        s.sendall(get(b"/stream?n=5&every=200"))
        head = b""
        while b"data: 5" not in head:
            head += s.recv(1000)
        assert b"Transfer-Encoding: chunked" in head
        for i in [4, 3, 2, 1]:
            start = time.monotonic()
            assert b"data: %d\n\n" % i in s.recv(1000)
            assert 0.1 < time.monotonic() - start < 0.4


def test_the_connection_lives_on_after_a_stream(probe):
    with probe.connect() as s:
        s.sendall(get(b"/stream?n=3&every=1") + get(b"/hello"))
        stream, hello = receive(s, 2)
        assert stream[2] == b"data: 3\n\ndata: 2\n\ndata: 1\n\n"
        assert hello[2] == b"hello"


def test_http_1_0_gets_the_stream_without_chunks(probe):
    with probe.connect() as s:
        s.sendall(get(b"/stream?n=3&every=1", b"HTTP/1.0"))
        data, closed = read_all(s)
        assert closed
        assert data.endswith(b"\r\n\r\ndata: 3\n\ndata: 2\n\ndata: 1\n\n")


def test_head_of_a_stream_has_no_body_and_frees_the_stream(probe):
    with probe.connect() as s:
        s.sendall(get(b"/stream?n=1000&every=10").replace(b"GET", b"HEAD") + get(b"/hello"))
        data = b""
        while b"hello" not in data:
            data += s.recv(1000)
        assert data.count(b"HTTP/1.1 200") == 2 and b"data:" not in data
    assert probe.wait_for(lambda x: x["streams"] == 0)["streams"] == 0


def test_a_long_stream_arrives_whole(probe):
    with probe.connect(timeout=30) as s:
        s.sendall(get(b"/flood?n=20000000&patience=20000"))
        data = b""
        while not data.endswith(b"\r\n0\r\n\r\n"):
            data += s.recv(1 << 20)
        body, rest = dechunk(data.partition(b"\r\n\r\n")[2])
        assert rest == b""
        assert len(body) == 20000000


def test_a_slow_reader_is_told_apart_and_bounded(start):
    """The writer gets ERR_BUSY as soon as the buffers are full, and the connection dies in time."""
    p = start(idle_ms=1000, body_ms=1000)
    with p.connect(rcvbuf=4096) as s:
        s.sendall(get(b"/flood?patience=100"))
        stats = p.wait_for(lambda x: x["stream_busy"] == 1)
        assert stats["stream_busy"] == 1
        assert stats["stream_written"] < 8 << 20
        assert p.wait_for(lambda x: x["connections"] == 0)["connections"] == 0


def test_a_slow_reader_that_catches_up_loses_nothing(probe):
    with probe.connect(rcvbuf=8192, timeout=30) as s:
        s.sendall(get(b"/flood?n=6000000&patience=20000"))
        time.sleep(1)
        data = b""
        while not data.endswith(b"\r\n0\r\n\r\n"):
            data += s.recv(1 << 20)
        assert len(dechunk(data.partition(b"\r\n\r\n")[2])[0]) == 6000000


def test_a_reader_that_left_an_idle_stream_is_noticed_within_a_second(probe):
    before = probe.stats()
    with probe.connect() as s:
        s.sendall(get(b"/stream?n=1000&every=3000"))
        assert b"data: 1000" in s.recv(1000) + s.recv(1000)
        assert probe.stats()["streams"] == 1
    start = time.monotonic()
    assert probe.wait_for(lambda x: x["streams"] == 0)["streams"] == 0
    assert time.monotonic() - start < 1.2
    stats = probe.wait_for(lambda x: x["stream_gone"] > before["stream_gone"], 5)
    assert stats["stream_gone"] == before["stream_gone"] + 1


def test_readers_that_leave_busy_streams_do_no_harm(start):
    p = start(streams=1000)
    for i in range(300):
        s = p.connect()
        s.sendall(get(b"/stream?n=100000&every=1"))
        if i % 3:
            s.recv(10)
        s.close()
    last = p.wait_for(lambda x: x["streams"] == 0 and x["connections"] == 0 and x["tasks"] == 0, 10)
    assert last["streams"] == 0 and last["connections"] == 0 and last["tasks"] == 0


def test_streams_are_limited(start):
    p = start(streams=3)
    held = []
    for _ in range(3):
        s = p.connect()
        s.sendall(get(b"/stream?n=1000&every=1000"))
        assert b"200" in s.recv(1000)
        held.append(s)
    with p.connect() as s:
        s.sendall(get(b"/stream?n=1"))
        (answer,) = receive(s, 1)
        assert answer[0] == 503
    held.pop().close()
    p.wait_for(lambda x: x["streams"] == 2)
    assert p.get("/stream?n=1")[2] == b"data: 1\n\n"
    for s in held:
        s.close()


def test_many_streams_are_served_side_by_side(start):
    p = start(streams=200)
    clients = [p.connect() for _ in range(150)]
    for s in clients:
        s.sendall(get(b"/stream?n=20&every=20"))
    for s in clients:
        (answer,) = receive(s, 1)
        assert answer[2].count(b"data: ") == 20
        s.close()
