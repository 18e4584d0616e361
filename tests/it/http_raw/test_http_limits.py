# SPDX-License-Identifier: Apache-2.0
"""Deadlines, connection limits, clients that leave, and the end of the server."""
import concurrent.futures
import socket
import struct
import subprocess
import time

import pytest

from rawhttp import Probe, answers, program, read_all, receive

H = b"Host: h\r\n"
HELLO = b"GET /hello HTTP/1.1\r\n" + H + b"\r\n"


def get(target):
    return b"GET " + target + b" HTTP/1.1\r\n" + H + b"\r\n"


def drip(s, data, every_s=0.05, limit_s=10.0):
    """Sends one byte at a time; seconds until the server closes, None when it never does."""
    start = time.monotonic()
    s.setblocking(False)
    for i in range(int(limit_s / every_s)):
        try:
            s.send(data[i % len(data):i % len(data) + 1])
            if s.recv(1000) == b"":
                return time.monotonic() - start
        except BlockingIOError:
            pass
        except (ConnectionResetError, BrokenPipeError):
            return time.monotonic() - start
        time.sleep(every_s)
    return None


@pytest.fixture(scope="module")
def brief():
    p = Probe(head_ms=1000, body_ms=1500, idle_ms=60000)
    yield p
    p.finish()


def test_a_dripped_head_is_cut_at_its_deadline(brief):
    with brief.connect() as s:
        assert 0.9 < drip(s, b"GET /hello HTTP/1.1\r\nX: " + b"y" * 1000) < 3


def test_dripped_empty_lines_are_cut_at_the_deadline(brief):
    with brief.connect() as s:
        assert 0.9 < drip(s, b"\r\n") < 3


def test_a_silent_connection_is_cut_at_the_deadline_of_a_head(brief):
    with brief.connect(timeout=5) as s:
        start = time.monotonic()
        assert read_all(s) == (b"", True)
        assert 0.9 < time.monotonic() - start < 3


def test_a_dripped_second_head_is_cut_from_its_first_byte(brief):
    with brief.connect() as s:
        s.sendall(HELLO)
        receive(s, 1)
        time.sleep(1.5)  # idle is not late
        assert 0.9 < drip(s, b"GET /hello HTTP/1.1\r\nX: " + b"y" * 1000) < 3


def test_a_second_head_that_began_with_the_first_is_cut_when_it_drips(brief):
    with brief.connect() as s:
        s.sendall(HELLO + b"GET /hello HTTP/1.1\r\nX: ")
        receive(s, 1)
        assert drip(s, b"y") < 4


def test_a_dripped_body_has_no_longer_than_a_head(brief):
    with brief.connect() as s:
        s.sendall(b"POST /echo HTTP/1.1\r\n" + H + b"Content-Length: 1000\r\n\r\n")
        assert 0.9 < drip(s, b"x") < 1.5


def test_a_dripped_chunk_has_no_longer_than_a_head(brief):
    with brief.connect() as s:
        s.sendall(b"POST /echo HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n")
        assert 0.9 < drip(s, b"1\r\nx\r\n") < 1.5


def test_a_steady_body_is_cut_at_its_deadline(brief):
    with brief.connect() as s:
        s.sendall(b"POST /echo HTTP/1.1\r\n" + H + b"Content-Length: 1000000\r\n\r\n")
        start = time.monotonic()
        try:
            while time.monotonic() - start < 5:
                s.sendall(b"x" * 500)
                time.sleep(0.05)
        except OSError:
            pass
        assert 1.4 < time.monotonic() - start < 2.2


def test_a_slow_answer_from_a_worker_is_not_cut(brief):
    with brief.connect() as s:
        s.sendall(get(b"/worker?ms=2500"))
        (answer,) = receive(s, 1)
        assert answer[2] == b"worker"


def test_a_reader_that_dribbles_is_cut(brief):
    with brief.connect(rcvbuf=4096) as s:
        s.sendall(get(b"/big?n=20000000"))
        start = time.monotonic()
        try:
            while s.recv(10):
                time.sleep(0.05)
                assert time.monotonic() - start < 8
                if brief.stats()["connections"] == 0:
                    break
        except ConnectionResetError:
            pass
        assert 1.4 < time.monotonic() - start < 4


def test_a_slow_but_steady_reader_gets_the_whole_answer(brief):
    with brief.connect(rcvbuf=16384) as s:
        s.sendall(get(b"/file"))
        data = b""
        start = time.monotonic()
        while len(data) < 3 << 20:
            data += s.recv(16384)
            time.sleep(0.01)
        assert time.monotonic() - start > 1.8  # longer than any deadline


def test_an_idle_connection_is_closed(start):
    p = start(idle_ms=1000)
    with p.connect(timeout=5) as s:
        s.sendall(HELLO)
        receive(s, 1)
        begin = time.monotonic()
        assert read_all(s) == (b"", True)
        assert 0.9 < time.monotonic() - begin < 4


def test_dripping_connections_keep_nobody_out(start):
    p = start(head_ms=1000, connections=60)
    drippers = [p.connect() for _ in range(50)]
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        for s in drippers:
            try:
                s.send(b"G")
            except OSError:
                pass
        began = time.monotonic()
        assert p.get("/hello")[0] == 200
        assert time.monotonic() - began < 0.5
        time.sleep(0.1)
    assert p.wait_for(lambda x: x["connections"] == 0)["connections"] == 0
    for s in drippers:
        s.close()


def test_a_client_that_half_closes_gets_the_answer_of_a_quick_handler(start):
    p = start()
    with p.connect() as s:
        s.sendall(HELLO)
        s.shutdown(socket.SHUT_WR)
        data, closed = read_all(s)
        assert closed and answers(data)[0][2] == b"hello"


def reset(s):
    """Closes with a reset instead of a FIN."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
def test_clients_that_leave_while_a_worker_has_their_request_do_no_harm(start, leave):
    p = start()
    for i in range(500):
        s = p.connect()
        s.sendall(get(b"/worker?ms=%d" % (i % 40)))
        if i % 5 == 0:
            p.stats()  # lets the server run: some requests have been taken, others have not
        leave(s)
    last = p.wait_for(lambda x: x["connections"] == 0 and x["served"] == x["finished"])
    assert last["served"] == last["finished"] and last["connections"] == 0
    assert last["tasks"] == 0
    assert p.get("/hello")[0] == 200


def test_clients_that_leave_during_a_body_do_no_harm(start):
    p = start()
    for i in range(200):
        s = p.connect()
        s.sendall(b"POST /echo HTTP/1.1\r\n" + H + b"Content-Length: 1000\r\n\r\n" + b"x" * i)
        reset(s)
    assert p.wait_for(lambda x: x["connections"] == 0)["served"] == 0


def test_an_idle_server_burns_no_cpu(start):
    p = start()
    held = [p.connect() for _ in range(100)]
    for s in held:
        s.sendall(HELLO)
        receive(s, 1)
    streams = [p.connect() for _ in range(20)]
    for s in streams:
        s.sendall(get(b"/stream?n=1000&every=60000"))
        s.recv(1000)
    before = p.stats()["cpu_ms"]
    time.sleep(3)
    assert p.stats()["cpu_ms"] - before < 150
    for s in held + streams:
        s.close()


# --- the end


def test_shutdown_without_connections_is_immediate(start):
    p = start()
    p.finish(grace=5000)
    assert p.shutdown_s < 1


def test_shutdown_closes_idle_and_silent_connections_at_once(start):
    p = start()
    held = [p.connect() for _ in range(20)]
    for s in held[:10]:
        s.sendall(HELLO)
        receive(s, 1)
    p.wait_for(lambda x: x["connections"] == 20)
    p.finish(grace=5000)
    assert p.shutdown_s < 1
    for s in held:
        assert read_all(s) == (b"", True)


def test_shutdown_lets_a_request_in_flight_finish_and_says_close(start):
    p = start()
    with p.connect() as s:
        s.sendall(get(b"/worker?ms=500"))
        p.wait_for(lambda x: x["served"] == 1)
        p.finish(grace=5000)
        assert 0.3 < p.shutdown_s < 2
        data, closed = read_all(s)
        assert closed
        (answer,) = answers(data)
        assert answer[0] == 200 and answer[1]["connection"] == "close"


def test_shutdown_ends_streams_properly(start):
    p = start()
    with p.connect() as s:
        s.sendall(get(b"/stream?n=100000&every=50"))
        data = s.recv(1000)
        p.finish(grace=5000)
        assert p.shutdown_s < 1
        rest, closed = read_all(s)
        assert closed and (data + rest).endswith(b"\r\n0\r\n\r\n")


def test_after_the_grace_everything_is_cut_without_an_abort(start):
    """MHD_stop_daemon aborts the process when a connection is suspended."""
    p = start()
    clients = []
    for request in [get(b"/worker?ms=60000"), get(b"/stream?n=9&every=60000"), get(b"/flood"),
                    b"POST /echo HTTP/1.1\r\n" + H + b"Content-Length: 9\r\n\r\nx",
                    b"GET /hel", get(b"/big?n=20000000")]:
        for _ in range(5):
            s = p.connect(rcvbuf=4096)
            s.sendall(request)
            clients.append(s)
    p.wait_for(lambda x: x["served"] >= 15)
    p.finish(grace=300)
    assert p.shutdown_s < 3
    for s in clients:
        s.close()


def test_shutdown_under_load_loses_no_answer_that_was_begun(start):
    p = start()

    def client(_):
        done = 0
        try:
            while True:
                with p.connect() as s:
                    s.sendall(get(b"/worker?ms=1"))
                    data, _ = read_all_of_one(s)
                    if data:
                        (answer,) = answers(data)
                        assert answer[2] == b"worker"
                        done += 1
        except OSError:
            return done

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        running = [pool.submit(client, i) for i in range(8)]
        p.wait_for(lambda x: x["served"] > 200)
        p.finish(grace=3000)
        assert sum(r.result() for r in running) > 100


def read_all_of_one(s):
    data = b""
    while b"worker" not in data:
        piece = s.recv(1000)
        if not piece:
            break
        data += piece
    return data, True


def test_a_taken_port_is_an_error_that_says_so(start):
    p = start()
    second = subprocess.run([program("http-probe"), f"port={p.port}"], capture_output=True,
                            text=True)
    assert second.returncode == 1
    assert f"port {p.port} is in use" in second.stderr


def test_what_is_no_address_is_an_error_that_says_so():
    for address in ["localhost", "1.2.3", "256.0.0.1", "8.8.8.8"]:
        bad = subprocess.run([program("http-probe"), f"address={address}"], capture_output=True,
                             text=True)
        assert bad.returncode == 1
        assert f"{address}" in bad.stderr
