# SPDX-License-Identifier: Apache-2.0
"""Starts tests/lib/http_probe.c and talks to it in raw bytes.

WARDIAN_BUILD names the build that holds tests/http-probe and tests/http-load.
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("WARDIAN_BUILD", ROOT / "build" / "check"))


def program(name):
    path = BUILD / "tests" / name
    if not path.exists():
        pytest.skip(f"{path} is not built; set WARDIAN_BUILD")
    return str(path)


class Probe:
    def __init__(self, descriptors=None, **args):
        limit = ["prlimit", f"--nofile={descriptors}"] if descriptors else []
        self.process = subprocess.Popen(
            limit + [program("http-probe")] + [f"{k}={v}" for k, v in args.items()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        first = self.process.stdout.readline().split()
        assert first and first[0] == "port", self.process.stderr.read()
        self.port = int(first[1])
        self.address = args.get("address", "127.0.0.1")
        self.before = self.stats()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stats(self):
        self.tell("stats")
        return json.loads(self.process.stdout.readline())

    def wait_for(self, condition, seconds=5.0):
        """Polls the counters until condition(stats); the last ones."""
        end = time.monotonic() + seconds
        while True:
            stats = self.stats()
            if condition(stats) or time.monotonic() > end:
                return stats
            time.sleep(0.02)

    def connect(self, rcvbuf=None, timeout=10.0, source=None):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        s = socket.socket(family, socket.SOCK_STREAM)
        if source:
            s.bind((source, 0))
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        s.settimeout(timeout)
        s.connect((self.address, self.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def exchange(self, data, timeout=10.0):
        """Sends data, reads to the end of file.  (bytes, whether the server closed)"""
        with self.connect(timeout=timeout) as s:
            s.sendall(data)
            return read_all(s)

    def get(self, path, extra=b""):
        """One request on a connection of its own; (status, headers, body)."""
        data, closed = self.exchange(
            b"GET " + path.encode() + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + extra +
            b"\r\n")
        assert closed
        (answer,) = answers(data)
        return answer

    def finish(self, grace=1000):
        """Shuts down; whatever else a test looks at, nothing may be left over."""
        start = time.monotonic()
        self.tell(f"shutdown {grace}")
        assert self.process.stdout.readline() == "done\n", self.process.stderr.read()
        self.shutdown_s = time.monotonic() - start
        last = json.loads(self.process.stdout.readline())
        stderr = self.process.stderr.read()
        assert self.process.wait(20) == 0, stderr
        assert stderr == ""
        assert last["served"] == last["finished"], last
        assert last["connections"] == 0 and last["streams"] == 0, last
        assert last["inherited"] == 0, last
        # The listening socket and the library's epoll descriptor are gone as well.
        assert last["fds"] < self.before["fds"], (last, self.before)
        return last


def read_all(s):
    data = b""
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                return data, True
            data += piece
    except socket.timeout:
        return data, False
    except ConnectionResetError:
        return data, True


def answers(data, head=False):
    """Splits a byte stream into (status, headers, body); fails on anything that is no answer."""
    found = []
    while data:
        top, blank, data = data.partition(b"\r\n\r\n")
        assert blank, f"no end of head in {top[:200]!r}"
        first, *lines = top.decode("latin-1").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {k.lower(): v for k, v in (x.split(": ", 1) for x in lines)}
        status = int(status)
        body = b""
        if status == 100 or head or status in (204, 304):
            pass
        elif headers.get("transfer-encoding") == "chunked":
            body, data = dechunk(data)
        else:
            n = int(headers["content-length"])
            assert len(data) >= n, f"{len(data)} of {n} bytes of body"
            body, data = data[:n], data[n:]
        found.append((status, headers, body))
    return found


def dechunk(data):
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        n = int(size, 16)
        if n == 0:
            assert data.startswith(b"\r\n")
            return body, data[2:]
        body += data[:n]
        assert data[n:n + 2] == b"\r\n"
        data = data[n + 2:]


def first_is_whole(data):
    """Cheap, for long answers in many pieces; True when it cannot tell."""
    end = data.find(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", data[:end + 2]) if end >= 0 else None
    return length is None or len(data) - end - 4 >= int(length.group(1))


def receive(s, n_answers):
    """Reads until that many whole answers have come."""
    data = bytearray()
    while True:
        found = []
        if first_is_whole(data):
            try:
                found = answers(bytes(data))
            except (AssertionError, ValueError, KeyError):
                pass
        if len(found) >= n_answers:
            return found
        piece = s.recv(1 << 20)
        assert piece, f"closed after {bytes(data[:300])!r}"
        data += piece
