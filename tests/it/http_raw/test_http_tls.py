# SPDX-License-Identifier: Apache-2.0
"""HTTPS: what is spoken, what is refused, and that certificates change under open connections."""
import os
import random
import select
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from proxies import anyone, make_certificate
from rawhttp import Probe, answers, program, read_all, receive

NIGHTLY = os.environ.get("WARDIAN_NIGHTLY") == "1"
H = b"Host: h\r\n"
HELLO = b"GET /hello HTTP/1.1\r\n" + H + b"\r\n"


def get(target):
    return b"GET " + target + b" HTTP/1.1\r\n" + H + b"\r\n"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """name -> (certificate, key)"""
    directory = tmp_path_factory.mktemp("tls")
    return {name: make_certificate(directory, name, kind) for name, kind in
            [("first", "ec"), ("second", "rsa"), ("weak", "weak"), ("odd", "odd")]}


def install(directory, pair):
    """Puts a pair where a server looks for it, as those who renew it do."""
    for source, name in zip(pair, ["live.pem", "live.key"]):
        new = directory / (name + ".new")
        shutil.copy(source, new)
        new.chmod(0o640)
        new.rename(directory / name)
    return directory / "live.pem", directory / "live.key"


@pytest.fixture
def https(start, pairs, tmp_path):
    """https(**args) -> Probe that speaks TLS with the first pair"""
    def run(**args):
        certificate, key = install(tmp_path, pairs["first"])
        return start(certificate=certificate, key=key, **args)
    return run


@pytest.fixture(scope="module", params=["first", "second"])
def server(pairs, request):
    certificate, key = pairs[request.param]
    p = Probe(certificate=certificate, key=key)
    yield p
    p.finish()


def connect(p, context=None, **args):
    return (context or anyone()).wrap_socket(p.connect(**args))


def certificate_of(s):
    return s.getpeercert(binary_form=True)


def der(pair):
    return ssl.PEM_cert_to_DER_cert(pair[0].read_text())


def ask(s, request=HELLO):
    s.sendall(request)
    return receive(s, 1)[0]


# --- what is spoken


def client(p, *options, text="", seconds=5):
    """What openssl says about a connection."""
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{p.port}", *options],
                          input=text, capture_output=True, text=True, timeout=seconds).stdout


@pytest.mark.parametrize("options, spoken", [
    (["-tls1"], False), (["-tls1_1"], False), (["-tls1_2"], True), (["-tls1_3"], True)])
def test_tls_from_1_2_on_is_spoken(server, options, spoken):
    said = client(server, *options, "-cipher", "ALL:@SECLEVEL=0")
    assert ("Cipher is (NONE)" in said) != spoken, said


@pytest.mark.parametrize("cipher", [
    "AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384", "DHE-RSA-AES256-GCM-SHA384", "NULL",
    "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-CAMELLIA128-SHA256", "aNULL", "ADH-AES256-GCM-SHA384"])
def test_suites_without_forward_secrecy_or_authenticated_encryption_are_refused(server, cipher):
    said = client(server, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert "Cipher is ECDHE" not in said and "Cipher is DHE" not in said, said
    assert "(NONE)" in said or said == ""


@pytest.mark.parametrize("cipher", ["AES256-GCM-SHA384", "AES128-GCM-SHA256", "CHACHA20-POLY1305"])
def test_authenticated_suites_of_1_2_are_spoken(server, cipher):
    said = client(server, "-tls1_2", "-cipher", f"ECDHE-ECDSA-{cipher}:ECDHE-RSA-{cipher}")
    assert f"-{cipher}\n" in said, said


@pytest.mark.parametrize("version, groups, spoken", [
    ("-tls1_3", "X25519", True), ("-tls1_3", "P-256", True), ("-tls1_3", "P-384", False),
    ("-tls1_3", "P-521", False), ("-tls1_3", "X448", False), ("-tls1_3", "ffdhe2048", False),
    # In 1.2 the list is one of curves for certificates as well.
    ("-tls1_2", "X25519:P-256", True), ("-tls1_2", "P-256", True), ("-tls1_2", "P-384", False),
    ("-tls1_2", "P-521", False), ("-tls1_2", "X448", False)])
def test_two_groups_are_spoken(server, version, groups, spoken):
    said = client(server, version, "-groups", groups)
    assert ("Cipher is (NONE)" in said) != spoken, said


def test_sha_1_signatures_are_not_made(server):
    said = client(server, "-tls1_2", "-sigalgs", "RSA+SHA1:ECDSA+SHA1", "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in said, said


def test_there_are_no_session_tickets(server):
    assert "TLS session ticket:" not in client(server, "-tls1_2")
    assert "TLS session ticket:" not in client(server, "-tls1_3", text="\n")


def test_a_client_that_asks_for_renegotiation_is_cut(https):
    p = https()
    s = subprocess.Popen(["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{p.port}"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert p.wait_for(lambda x: x["connections"] == 1)["connections"] == 1
    time.sleep(0.2)
    s.stdin.write(b"R\n")
    s.stdin.flush()
    assert p.wait_for(lambda x: x["connections"] == 0)["connections"] == 0
    s.kill()
    s.communicate()
    assert ask(connect(p))[2] == b"hello"


# --- requests and answers


def test_requests_of_one_connection_are_answered_in_order(server):
    with connect(server) as s:
        s.sendall(b"".join(get(b"/echo?n=%d" % i) for i in range(300)))
        for i, answer in enumerate(receive(s, 300)):
            assert answer[2].split(b"\n")[2] == b"n=%d" % i


def test_answers_of_workers_come_too(server):
    with connect(server) as s:
        for _ in range(20):
            assert ask(s, get(b"/worker"))[2] == b"worker"


@pytest.mark.parametrize("offset, n", [(0, 3 << 20), (1000003, 2000000), ((3 << 20) - 1, 1)])
def test_any_range_of_a_file_arrives_whole(server, offset, n):
    with connect(server) as s:
        body = ask(s, get(b"/file?offset=%d&n=%d" % (offset, n)))[2]
    assert body == (bytes(range(251)) * (n // 251 + 2))[offset % 251:offset % 251 + n]


def test_big_bodies_go_both_ways(server):
    with connect(server) as s:
        body = random.Random(1).randbytes(1 << 20)
        request = b"POST /echo HTTP/1.1\r\n" + H + b"Content-Length: %d\r\n\r\n" % len(body)
        assert ask(s, request + body)[2].endswith(body)
        assert ask(s, get(b"/big?n=5000000"))[2] == b"b" * 5000000


def test_requests_in_small_records_are_read(server):
    with connect(server) as s:
        request = b"POST /echo HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n"
        for i in range(0, len(request), 3):
            s.sendall(request[i:i + 3])
        for piece in [b"3\r\nab", b"c\r\n", b"2\r\nde\r\n0", b"\r\n\r\n"]:
            s.sendall(piece)
        assert receive(s, 1)[0][2].endswith(b"\nabcde")


def test_events_arrive_when_they_are_written(server):
    with connect(server) as s:
        s.sendall(get(b"/stream?n=4&every=200"))
        data = b""
        for i in [4, 3, 2, 1]:
            begin = time.monotonic()
            while b"data: %d\n\n" % i not in data:
                data += s.recv(1000)
            assert time.monotonic() - begin < 0.4


def test_a_refused_request_is_answered_and_closed(server):
    with connect(server, timeout=3) as s:
        s.sendall(b"GET /hello HTTP/1.1\r\n" + H + H + b"\r\n" + HELLO)
        data, closed = read_all(s)
    assert closed
    (answer,) = answers(data)
    assert answer[0] == 400


def test_a_key_update_with_a_request_behind_it_is_read(https):
    """The library forgets what came in one packet with such a message."""
    p = https(head_ms=20000)
    listener = socket.create_server(("127.0.0.1", 0))
    passed, together = [], threading.Event()

    def relay():
        """Passes on; once told to, two messages at once."""
        near, _ = listener.accept()
        far = p.connect()
        threading.Thread(target=copy, args=(far, near), daemon=True).start()
        while data := near.recv(65536):
            if together.is_set() and select.select([near], [], [], 5)[0]:
                data += near.recv(65536)
            far.sendall(data)
            passed.append(time.monotonic())

    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass

    threading.Thread(target=relay, daemon=True).start()
    s = subprocess.Popen(["openssl", "s_client", "-tls1_3", "-crlf", "-connect",
                          f"127.0.0.1:{listener.getsockname()[1]}"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # Hello and Finished have gone through, and nothing has followed them.
    until = time.monotonic() + 20
    while (len(passed) < 2 or time.monotonic() - passed[-1] < 0.3) and time.monotonic() < until:
        time.sleep(0.05)
    together.set()
    s.stdin.write(b"K\n")
    s.stdin.flush()
    time.sleep(0.2)
    s.stdin.write(b"GET /close HTTP/1.1\nHost: h\n\n")
    s.stdin.flush()
    stats = p.wait_for(lambda x: x["served"] == 1, 10)
    s.kill()
    s.communicate()
    listener.close()
    assert stats["served"] == 1


# --- certificates


def test_a_new_pair_serves_new_connections_and_the_old_ones_go_on(https, pairs, tmp_path):
    p = https(streams=100)
    idle = [connect(p) for _ in range(25)]
    streams = [connect(p) for _ in range(25)]
    for s in idle:
        assert ask(s)[2] == b"hello"
    for s in streams:
        s.sendall(get(b"/stream?n=1000&every=20"))
    assert {certificate_of(s) for s in idle + streams} == {der(pairs["first"])}
    for name in ["second", "first", "second"]:
        install(tmp_path, pairs[name])
        p.tell("reload")
        assert p.process.stdout.readline() == "reloaded\n"
        with connect(p) as s:
            assert certificate_of(s) == der(pairs[name])
            assert ask(s)[2] == b"hello"
        for s in idle:
            assert ask(s)[2] == b"hello"
    for s in streams:
        data = b""
        while data.count(b"data: ") < 5:
            piece = s.recv(1000)
            assert piece
            data += piece
    for s in idle + streams:
        s.close()


def test_a_pair_is_found_to_have_changed_without_being_told(https, pairs, tmp_path):
    p = https(check_ms=100)
    install(tmp_path, pairs["second"])
    end = time.monotonic() + 2
    while time.monotonic() < end:
        with connect(p) as s:
            if certificate_of(s) == der(pairs["second"]):
                break
        time.sleep(0.02)
    assert time.monotonic() < end


@pytest.mark.parametrize("what", ["mismatch", "absent", "empty", "torn"])
def test_a_bad_new_pair_leaves_the_old_one_until_a_good_one_comes(https, pairs, tmp_path, what):
    p = https(check_ms=50)
    live, key = tmp_path / "live.pem", tmp_path / "live.key"
    if what == "mismatch":
        shutil.copy(pairs["second"][0], live)
    elif what == "absent":
        key.unlink()
    elif what == "empty":
        live.write_text("")
    else:
        live.write_bytes(live.read_bytes()[:300])
    time.sleep(0.3)
    with connect(p) as s:
        assert certificate_of(s) == der(pairs["first"]) and ask(s)[2] == b"hello"
    install(tmp_path, pairs["second"])
    time.sleep(0.3)
    with connect(p) as s:
        assert certificate_of(s) == der(pairs["second"]) and ask(s)[2] == b"hello"


def test_handshakes_under_way_survive_a_change(https, pairs, tmp_path):
    """Each picks one pair and stays with it."""
    p = https(check_ms=10)
    end = time.monotonic() + 1.5
    found = set()
    while time.monotonic() < end:
        install(tmp_path, pairs[random.choice(["first", "second"])])
        for _ in range(5):
            with connect(p) as s:
                found.add(certificate_of(s))
                assert ask(s)[2] == b"hello"
    assert found == {der(pairs["first"]), der(pairs["second"])}


def refusal(**args):
    """What a server says that does not start."""
    done = subprocess.run([program("http-probe")] + [f"{k}={v}" for k, v in args.items()],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    assert done.returncode == 1, done
    return done.stderr


def test_a_key_of_somebody_else_is_refused_with_the_way_out(pairs):
    certificate, key = pairs["first"]
    for path in certificate.parents:
        if path.stat().st_uid == os.getuid() and "pytest" in str(path):
            path.chmod(0o755)
    certificate.chmod(0o644)
    done = subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", program("http-probe"),
         f"certificate={certificate}", f"key={key}"], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=10)
    if "Permission denied" in done.stderr and "setpriv" in done.stderr:
        pytest.skip("the build directory is not open to other users")
    assert done.returncode == 1
    for word in ["http.tls_key", "may not read", "0640"]:
        assert word in done.stderr, done.stderr


def test_what_cannot_be_used_is_refused_with_a_sentence(pairs, tmp_path):
    certificate, key = pairs["first"]
    (weak_certificate, weak_key), (odd_certificate, odd_key) = pairs["weak"], pairs["odd"]
    open_key, locked_key = tmp_path / "open.key", tmp_path / "locked.key"
    shutil.copy(key, open_key)
    open_key.chmod(0o644)
    subprocess.run(["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out",
                    locked_key], check=True)
    locked_key.chmod(0o600)
    rows = [
        ({"certificate": certificate}, ["http.tls_certificate is set", "http.tls_key is not"]),
        ({"key": key}, ["http.tls_key is set", "http.tls_certificate is not"]),
        ({"certificate": tmp_path / "none", "key": key}, ["http.tls_certificate", "No such file"]),
        ({"certificate": certificate, "key": tmp_path / "none"}, ["http.tls_key", "No such file"]),
        ({"certificate": tmp_path, "key": key}, ["http.tls_certificate", "PEM file"]),
        ({"certificate": "/dev/null", "key": key}, ["http.tls_certificate", "PEM file"]),
        ({"certificate": "/dev/zero", "key": key}, ["http.tls_certificate", "PEM file"]),
        ({"certificate": key, "key": key}, ["http.tls_certificate", "certificate chain"]),
        ({"certificate": certificate, "key": certificate}, ["http.tls_key"]),
        ({"certificate": certificate, "key": pairs["second"][1]}, ["is not the key of"]),
        ({"certificate": certificate, "key": open_key}, ["everyone may read", "chmod o-r"]),
        ({"certificate": certificate, "key": locked_key}, ["http.tls_key", "passphrase"]),
        ({"certificate": weak_certificate, "key": weak_key}, ["http.tls_key", "2048 bits"]),
        ({"certificate": odd_certificate, "key": odd_key}, ["http.tls_key", "P-384"]),
    ]
    for args, words in rows:
        said = refusal(**args)
        assert all(word in said for word in words), (args, said)


# --- hostile clients


def test_a_handshake_has_no_longer_than_a_head(https):
    p = https(head_ms=500)
    for first in [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]:
        with p.connect(timeout=5) as s:
            begin = time.monotonic()
            s.sendall(first)
            assert read_all(s)[1]
            assert 0.45 < time.monotonic() - begin < 1


def test_a_client_that_drips_its_handshake_is_cut(https):
    p = https(head_ms=1000)
    hello = client_hello()
    with p.connect(timeout=0.05) as s:
        begin = time.monotonic()
        try:
            for byte in hello:
                s.send(bytes([byte]))
                try:
                    if s.recv(10) == b"":
                        break
                except socket.timeout:
                    pass
        except OSError:
            pass
        assert 0.9 < time.monotonic() - begin < 1.6


def client_hello():
    """The first bytes of an honest client."""
    context, incoming, outgoing = anyone(), ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def test_stalled_handshakes_burn_no_cpu(https):
    """libmicrohttpd alone would try them again without pause."""
    p = https()
    held = [p.connect() for _ in range(200)]
    for s in held:
        s.sendall(client_hello()[:100])
    p.wait_for(lambda x: x["connections"] == 200)
    time.sleep(0.2)
    before = p.stats()["cpu_ms"]
    time.sleep(1.5)
    assert p.stats()["cpu_ms"] - before < 60
    for s in held:
        s.close()


def test_plain_http_to_the_port_is_closed_without_harm(https):
    p = https(head_ms=500)
    for request in [HELLO, b"\r\n\r\n", b"\0" * 100, b"x" * 100000]:
        data, closed = b"", True
        try:
            data, closed = p.exchange(request, timeout=3)
        except OSError:
            pass
        assert closed and b"HTTP/1.1 2" not in data
    assert ask(connect(p))[2] == b"hello"


def test_mutated_handshakes_do_no_harm(https):
    p = https(head_ms=300)
    hello, rng = client_hello(), random.Random(7)
    held = []
    for i in range(600 if not NIGHTLY else 20000):
        data = bytearray(hello)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        s = p.connect()
        try:
            s.sendall(data[:rng.randint(1, len(data))] if i % 3 else data)
        except OSError:
            pass
        held.append(s)
        if len(held) > 50:
            held.pop(0).close()
    for s in held:
        s.close()
    assert ask(connect(p))[2] == b"hello"
    assert p.wait_for(lambda x: x["connections"] <= 1)["connections"] <= 1


def test_clients_that_reset_at_any_time_do_no_harm(https):
    p = https()
    for i in range(150):
        s = p.connect()
        if i % 3:
            s = anyone().wrap_socket(s)
            s.sendall([HELLO, get(b"/worker?ms=20"), get(b"/big?n=3000000"), HELLO[:20],
                       get(b"/stream?n=50&every=5")][i % 5])
        else:
            s.sendall(client_hello())
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    last = p.wait_for(lambda x: x["connections"] == 0 and x["served"] == x["finished"])
    assert last["connections"] == 0 and last["served"] == last["finished"]


def test_a_reader_that_dribbles_is_cut(https):
    p = https(body_ms=800)
    with connect(p, rcvbuf=4096) as s:
        s.sendall(get(b"/big?n=20000000"))
        begin = time.monotonic()
        try:
            while s.recv(10) and p.stats()["connections"] == 1:
                time.sleep(0.05)
                assert time.monotonic() - begin < 8
        except OSError:
            pass
        assert 0.7 < time.monotonic() - begin < 3


def test_a_slow_but_steady_reader_gets_the_whole_file(https):
    p = https(body_ms=500)
    with connect(p, rcvbuf=65536) as s:
        s.sendall(get(b"/file"))
        begin, n = time.monotonic(), 0
        while n < 3 << 20:
            n += len(s.recv(16384))
            time.sleep(0.0012)
        assert time.monotonic() - begin > 0.8  # longer than the deadline


def test_a_slow_reader_of_a_stream_is_told_apart_and_cut(https):
    p = https(idle_ms=1000, body_ms=1000)
    with connect(p, rcvbuf=4096) as s:
        s.sendall(get(b"/flood?patience=100"))
        stats = p.wait_for(lambda x: x["stream_busy"] == 1)
        assert stats["stream_busy"] == 1 and stats["stream_written"] < 8 << 20
        assert p.wait_for(lambda x: x["connections"] == 0)["connections"] == 0


def test_a_reader_that_left_an_idle_stream_is_noticed_within_a_second(https):
    p = https()
    s = connect(p)
    s.sendall(get(b"/stream?n=1000&every=60000"))
    assert b"200" in s.recv(1000)
    s.close()
    begin = time.monotonic()
    assert p.wait_for(lambda x: x["streams"] == 0)["streams"] == 0
    assert time.monotonic() - begin < 1.2


def test_shutdown_closes_handshakes_and_idle_connections_and_ends_streams(https):
    p = https()
    half = [p.connect() for _ in range(10)]
    for s in half[5:]:
        s.sendall(client_hello()[:50])
    idle = [connect(p) for _ in range(10)]
    for s in idle:
        ask(s)
    stream = connect(p)
    stream.sendall(get(b"/stream?n=100000&every=50"))
    data = stream.recv(1000)
    p.wait_for(lambda x: x["connections"] == 21)
    p.finish(grace=5000)
    assert p.shutdown_s < 1
    rest, closed = read_all(stream)
    assert closed and (data + rest).endswith(b"\r\n0\r\n\r\n")
    for s in half + idle:
        s.close()


def test_after_the_grace_everything_is_cut_without_an_abort(https):
    p = https()
    clients = []
    for request in [get(b"/worker?ms=60000"), get(b"/stream?n=9&every=60000"), get(b"/flood"),
                    b"GET /hel", get(b"/big?n=20000000")]:
        for _ in range(4):
            s = connect(p, rcvbuf=4096)
            s.sendall(request)
            clients.append(s)
    p.wait_for(lambda x: x["served"] >= 12)
    p.finish(grace=300)
    assert p.shutdown_s < 3
    for s in clients:
        s.close()


@pytest.mark.skipif(not NIGHTLY, reason="takes minutes; --nightly runs it")
def test_testssl_finds_nothing(https, tmp_path):
    if shutil.which("testssl") is None:
        pytest.skip("testssl.sh is not installed; tests/run installs it")
    p = https()
    out = tmp_path / "testssl.csv"
    subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--csvfile", out,
                    "--protocols", "--std", "--pfs", "--vulnerable", f"127.0.0.1:{p.port}"],
                   stdin=subprocess.DEVNULL, capture_output=True, timeout=500)
    rows = [line.split('","') for line in out.read_text().splitlines()[1:]]
    rows = [row for row in rows if row[0] != '"engine_problem']  # of the openssl that it uses
    worse = [row for row in rows if row[3] not in ("OK", "INFO", "LOW")]
    print(f"\ntestssl.sh: {len(rows)} findings, {len(worse)} worse than LOW")
    assert len(rows) > 20 and worse == []
