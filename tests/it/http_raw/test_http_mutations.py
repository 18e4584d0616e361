# SPDX-License-Identifier: Apache-2.0
"""Mutated request streams against a second, strict reader of RFC 9112.

Whatever the server serves, the strict reader must have read at the same place in the stream, with
the same method, target and body: then no byte of one request was ever taken for another.  The
server may refuse more.  The strict reader is lenient only where raw_requests.py says UNSEEN.
"""
import concurrent.futures
import random
import re

from raw_requests import ACCEPTED, REFUSED
from rawhttp import Probe, answers

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+)(?:;[^\n]*|\r)?\n")
LAST = b"POST /echo?last HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nlast"
PIECES = [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b",", b"\r\n\r\n", b"\r\n ",
          b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n",
          b"0\r\n\r\n", b"chunked", b"%2e", b"/../", b"\x0b", b"\x7f", b"\xff", b"HTTP/1.0",
          b"GET /echo?smuggled", b"Content-Length:0\r\n", b"Connection: close\r\n"]


class Refused(Exception):
    pass


def need(condition):
    if not condition:
        raise Refused


def skip_known_preamble(data):
    """The library skips empty lines, and takes a line that begins with NUL for one."""
    while data[:1] in (b"\r", b"\n", b"\0"):
        need(data[:1] != b"\r" or data[1:2] == b"\n")
        line, lf, rest = data.partition(b"\n")
        need(lf)
        data = rest
    return data


def read_head(data):
    """A line end is CRLF.  Known leniencies, which look the same to the server: NUL and a bare LF,
    any four bytes of that kind at the end of the head, a colon for the CR of the blank line."""
    line = re.match(rb"([^\0\r\n]*)(\r?\n)", data)
    need(line)
    parts = line.group(1).split(b" ")
    need(len(parts) == 3 and re.match(rb"HTTP/1\.\d\Z", parts[2]))
    fields = []
    while True:
        data = data[line.end():]
        blank = re.match(rb":?\0*\r?\n" if fields else rb"\0*\r?\n", data)
        if blank:
            need(len(line.group(2)) + blank.end() == 4)
            return parts[0], parts[1], parts[2], fields, data[blank.end():]
        need(len(line.group(2)) == 2)
        line = re.match(rb"([^\0\r\n]*)(\0*\r?\n)", data)
        need(line)
        name, colon, value = line.group(1).partition(b":")
        need(colon and TOKEN.match(name))
        fields.append((name.lower(), value.strip(b" \t")))


def read_chunks(data):
    body = b""
    while True:
        size = CHUNK_SIZE.match(data)
        need(size)
        data = data[size.end():]
        n = int(size.group(1), 16)
        if n == 0:
            break
        need(len(data) > n)
        body += data[:n]
        data = data[n:]
        end = re.match(rb"\r?\n", data)
        need(end)
        data = data[end.end():]
    while True:  # trailers, which nobody looks at
        line, lf, data = data.partition(b"\n")
        need(lf)
        if line in (b"", b"\r") or line[:1] == b"\0":
            return body, data


def strict_requests(data):
    """(method, path, query, body) of each request up to the first that is in doubt."""
    found = []
    try:
        while True:
            method, target, version, fields, data = read_head(skip_known_preamble(data))
            lengths = [v for k, v in fields if k == b"content-length"]
            codings = [v for k, v in fields if k == b"transfer-encoding"]
            need(len(lengths) + len(codings) <= 1)
            body = b""
            if codings:
                need(codings[0].lower() == b"chunked" and version != b"HTTP/1.0")
                body, data = read_chunks(data)
            elif lengths:
                need(re.match(rb"\d+\Z", lengths[0]))
                n = int(lengths[0])
                need(len(data) >= n)
                body, data = data[:n], data[n:]
            path, _, query = target.partition(b"?")
            found.append((method, path, query, body))
    except Refused:
        return found


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            data[at:at] = rng.choice(PIECES)
        elif kind == 1:
            del data[at:at + rng.randint(1, 6)]
        elif kind == 2 and at < len(data):
            data[at] = rng.randrange(256)
        else:
            end = at + rng.randint(1, 30)
            data[at:at] = data[at:end]
    return bytes(data)


def served_of(data):
    """What the echo says that the server understood, None for a path without echo; stops
    where the bytes are no answers."""
    found = []
    while data:
        try:
            head, blank, rest = data.partition(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 100 "):
                data = rest
                continue
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            if not blank or not length:
                return found
            n = int(length.group(1))
            one, data = head + blank + rest[:n], rest[n:]
            (answer,) = answers(one)
        except (AssertionError, ValueError):
            return found
        if answer[0] in (200, 404):
            lines = answer[2].split(b"\n", 5)
            found.append((*lines[:3], lines[5]) if len(lines) == 6 else None)
    return found


def one(probe, seeds, seed):
    rng = random.Random(seed)
    stream = b"".join(rng.choice(seeds) for _ in range(rng.randint(1, 3)))
    data = mutate(rng, stream) + LAST
    got, closed = probe.exchange(data, timeout=6)
    assert closed, (seed, data)
    served = served_of(got)
    strict = strict_requests(data)
    assert len(served) <= len(strict), (seed, data, served, strict)
    for mine, other in zip(served, strict):
        assert mine in (None, other), (seed, data, served, strict)
    return len(served)


def test_nothing_is_served_that_a_strict_reader_reads_differently():
    """Every stream ends in a close: at a refusal, or when the deadlines pass."""
    seeds = [r.replace(b" /hello", b" /echo") for r, _ in REFUSED.values() if len(r) < 400]
    seeds += 25 * [r.replace(b" /hello", b" /echo") for r, _ in ACCEPTED.values() if len(r) < 400]
    p = Probe(head_ms=200, body_ms=200, idle_ms=1000)
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        counts = list(pool.map(lambda seed: one(p, seeds, seed), range(3000)))
    assert sum(counts) > 1000  # the test looks at something
    assert p.wait_for(lambda x: x["connections"] == 0)["connections"] == 0
    p.finish()
