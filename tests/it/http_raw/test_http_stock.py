# SPDX-License-Identifier: Apache-2.0
"""The list of raw requests against libmicrohttpd as it comes and against ours, in one run.

A request is refused when it gets no answer but one of 4xx or 5xx and the connection is closed within
a second; whoever serves it, or keeps the client waiting for more, has not refused it.
"""
import concurrent.futures
import re
import socket
import subprocess
import time

import pytest

from raw_requests import HOSTILE, SECOND, UNSEEN
from rawhttp import Probe, program, read_all


class Stock:
    """http_stock: no guard, the library's own strict mode."""

    def __init__(self):
        self.process = subprocess.Popen([program("http-stock")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def finish(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0


@pytest.fixture(scope="module")
def servers():
    ours, stock = Probe(head_ms=1500, body_ms=1500, idle_ms=1500), Stock()
    yield ours, stock
    stock.finish()
    ours.finish()


def refused(port, request):
    with socket.create_connection(("127.0.0.1", port), timeout=4) as s:
        start = time.monotonic()
        s.sendall(request + SECOND)
        data, closed = read_all(s)
        seconds = time.monotonic() - start
    served = re.search(rb"^HTTP/1\.1 2", data, re.M)
    return closed and not served and seconds < 0.9


def refusals(port):
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        names = list(HOSTILE)
        found = pool.map(lambda name: refused(port, HOSTILE[name]), names)
        return {name for name, yes in zip(names, found) if yes}


def test_ours_refuses_all_that_can_be_seen_and_stock_far_less(servers):
    ours, stock = (refusals(server.port) for server in servers)
    passed = sorted(HOSTILE.keys() - ours)
    print(f"\nstock libmicrohttpd refused {len(stock)} of {len(HOSTILE)}, "
          f"ours {len(ours)} of {len(HOSTILE)}; not seen by the daemon: {', '.join(passed)}")
    assert len(HOSTILE) >= 100
    assert set(passed) == set(UNSEEN)
    assert stock < ours
    assert len(stock) < len(HOSTILE) / 2


def test_a_plain_request_is_served_by_both(servers):
    for server in servers:
        with socket.create_connection(("127.0.0.1", server.port), timeout=4) as s:
            s.sendall(SECOND)
            assert s.recv(100).startswith(b"HTTP/1.1 200 ")
