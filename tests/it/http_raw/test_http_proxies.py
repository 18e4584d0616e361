# SPDX-License-Identifier: Apache-2.0
"""The daemon behind HAProxy and nginx with the shipped configurations.

The raw requests go through the proxy, each on a connection of its own with a well-formed one behind
it.  A desync is: an answer that the daemon gave and the client did not get, or more answers than
requests, or a later client that gets another's answer on a connection to the daemon that they
share.
"""
import os
import re
import socket
import time

import pytest

from proxies import Proxy
from raw_requests import BIG, H, HOSTILE, SIZES, SMUGGLING, get, post
from rawhttp import Probe, receive

NIGHTLY = os.environ.get("WARDIAN_NIGHTLY") == "1"

ALL = HOSTILE | SMUGGLING | {name: request for name, (request, _) in (SIZES | BIG).items()}


@pytest.fixture(scope="module", params=["haproxy", "nginx"])
def behind(request):
    """(probe, proxy)"""
    probe = Probe(trusted="127.0.0.1", head_ms=2000, body_ms=2000)
    proxy = Proxy(request.param, probe.port)
    yield probe, proxy
    proxy.finish()
    probe.finish()


def split(data):
    """(status, head, body) of each answer; a last one without a length, or a head, has the rest."""
    found = []
    while data:
        if not data.startswith(b"HTTP/1."):
            return found + [(0, b"", data)]
        head, _, data = data.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        n = int(length.group(1)) if length else 0 if status < 200 else len(data)
        found.append((status, head, data[:n]))
        data = data[n:]
    return found


def over(data, last):
    """Whether nothing more is to come: the answer that holds `last`, or one that closes."""
    answers = split(data)
    return last in data or any(b"\r\nconnection: close" in head.lower() for _, head, _ in answers)


def talk(proxy, request, last, quiet_s=0.6):
    """Sends; the answers, read until they are over, or it is quiet."""
    data = b""
    with proxy.connect(timeout=quiet_s) as s:
        try:
            s.sendall(request)
            while not over(data, last):
                piece = s.recv(65536)
                if not piece:
                    break
                data += piece
        except OSError:
            pass
    return split(data)


def own_answer(proxy, marker):
    """A later client, on a connection of its own."""
    answers = talk(proxy, get(b"/echo?later=" + marker), b"later=" + marker, quiet_s=5)
    return [status for status, _, _ in answers] == [200] and b"later=" + marker in answers[0][2]


def own_answers_for_later_clients(proxy, marker):
    return all(own_answer(proxy, marker + b"-%d" % i) for i in range(2))


def exchange(probe, proxy, request, marker):
    """(answers, requests that the daemon served, how many it refused)"""
    before = probe.stats()
    found = talk(proxy, request + get(b"/echo?second=" + marker), b"second=" + marker)
    after = probe.stats()
    assert after["smuggled"] == before["smuggled"], "a body was served as a request"
    return found, after["served"] - before["served"], after["refused"] - before["refused"]


def check(probe, proxy, request, marker):
    """Raises what went wrong; whether the daemon saw the request itself."""
    found, served, refused = exchange(probe, proxy, request, marker)
    bodies = [body for status, _, body in found if status == 200]
    answered = sum(body == b"hello" or b"\n127.0.0.1\n" in body for body in bodies)
    assert sum(status not in range(100, 200) for status, _, _ in found) <= 2, found
    assert served == answered, f"{served} requests were served and {answered} answers came"
    assert own_answers_for_later_clients(proxy, marker), "a later client got another's answer"
    return served + refused > any(b"second=" + marker in body for body in bodies)


def test_no_raw_request_brings_proxy_and_daemon_out_of_step(behind):
    probe, proxy = behind
    wrong, seen = {}, []
    for i, (name, request) in enumerate(ALL.items()):
        try:
            if check(probe, proxy, request, b"m%d" % i):
                seen.append(name)
        except AssertionError as fault:
            wrong[name] = str(fault)
    print(f"\n{proxy.process.args[0]}: {len(ALL)} raw requests, {len(ALL) - len(seen)} ended there, "
          f"{len(seen)} went on to the daemon, {len(wrong)} desyncs")
    assert wrong == {}


def ask(proxy, request, **options):
    """(status, headers, body) of one answer."""
    with proxy.connect(**options) as s:
        s.sendall(request)
        return receive(s, 1)[0]


def peer_of(answer):
    """What the daemon takes for the client's address."""
    return answer[2].split(b"\n")[4]


def test_the_daemon_sees_the_client_and_not_what_it_says_of_itself(behind):
    _, proxy = behind
    lies = b"X-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 192.0.2.2\r\nForwarded: for=192.0.2.3\r\n"
    assert peer_of(ask(proxy, get(b"/echo"), source="127.0.0.9")) == b"127.0.0.9"
    assert peer_of(ask(proxy, get(b"/echo", fields=H + lies), source="127.0.0.9")) == b"127.0.0.9"


@pytest.mark.parametrize("path", [
    b"/metrics", b"/metrics?x", b"/metrics/", b"//metrics", b"/%6detrics", b"/METRICS", b"/metrics/x",
    b"///%6d%65trics"])
def test_the_figures_of_the_installation_stay_inside(behind, path):
    probe, proxy = behind
    before = probe.stats()["served"]
    assert ask(proxy, get(path))[0] == 404
    assert probe.stats()["served"] == before


def test_events_pass_as_they_are_written(behind):
    _, proxy = behind
    with proxy.connect() as s:
        s.sendall(get(b"/stream?n=4&every=300"))
        data = b""
        for i in [4, 3, 2]:
            start = time.monotonic()
            while b"data: %d\n\n" % i not in data:
                data += s.recv(1000)
            assert time.monotonic() - start < 0.5


def test_many_clients_share_few_connections_to_the_daemon(behind):
    probe, proxy = behind
    for i in range(100):
        assert ask(proxy, get(b"/echo?n=%d" % i))[2].split(b"\n")[2] == b"n=%d" % i
    assert probe.stats()["connections"] <= 4


def test_bodies_pass_up_to_the_limit_and_no_further(behind):
    probe, proxy = behind
    answer = ask(proxy, post(b"Content-Length: 1048576\r\n", b"x" * 1048576))
    assert answer[0] == 200 and answer[2].endswith(b"\n" + b"x" * 1048576)
    before = probe.stats()
    assert ask(proxy, post(b"Content-Length: 1048577\r\n"))[0] == 413
    assert probe.stats()["refused"] == before["refused"]


def test_files_pass_whole(behind):
    _, proxy = behind
    assert ask(proxy, get(b"/file"))[2] == (bytes(range(251)) * 12533)[:3 << 20]


@pytest.mark.parametrize("method", [b"TRACE", b"BREW", b"PROPFIND"])
def test_other_methods_end_at_the_proxy(behind, method):
    probe, proxy = behind
    before = probe.stats()["refused"]
    assert ask(proxy, get().replace(b"GET", method))[0] in (405, 501)
    assert probe.stats()["refused"] == before


def test_plain_http_is_sent_to_https(behind):
    _, proxy = behind
    with socket.create_connection(("127.0.0.1", proxy.plain_port), 5) as s:
        s.sendall(get(b"/hello?x"))
        (answer,) = receive(s, 1)
    assert answer[0] == 308 and answer[1]["location"] == "https://h/hello?x"


def test_answers_tell_browsers_to_stay_with_https(behind):
    _, proxy = behind
    assert ask(proxy, get())[1]["strict-transport-security"] == "max-age=31536000"


@pytest.mark.skipif(not NIGHTLY, reason="takes as long as the shipped deadlines; --nightly runs it")
def test_a_dripped_head_is_cut_by_the_proxy(behind):
    probe, proxy = behind
    before = probe.stats()["served"]
    with proxy.connect(timeout=0.2) as s:
        start = time.monotonic()
        s.sendall(b"GET /hello HTTP/1.1\r\nX: ")
        while time.monotonic() - start < 10:
            try:
                s.sendall(b"y")
                if not s.recv(1000):
                    break
            except socket.timeout:
                pass
            except OSError:
                break
        assert 4 < time.monotonic() - start < 7
    assert probe.stats()["served"] == before
