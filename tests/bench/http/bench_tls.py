#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/bench/http/bench_tls.py [SECONDS]: HTTPS of src/http against nginx with one worker.

Both have one thread, the same certificate (P-256) and the same suites.  Whole handshakes a second
(openssl s_time, one client after the other, each with a connection of its own) and MiB a second of
one file; then the CPU that stalled handshakes cost ours.  Clients share the machine's cores.
WARDIAN_BUILD names the build.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "it" / "http_raw"))

from proxies import Proxy, make_certificate  # noqa: E402
from rawhttp import Probe  # noqa: E402


def handshakes_per_s(port, version, seconds):
    out = subprocess.run(["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", version, "-time",
                          str(seconds)], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"(\d+) connections in \d+ real seconds", out).group(1)) / (seconds + 1)


def mib_per_s(port, seconds):
    url, done, end = f"https://127.0.0.1:{port}/file", 0, time.monotonic() + seconds
    begin = time.monotonic()
    while time.monotonic() < end:
        subprocess.run(["curl", "-sk", url, "-o", "/dev/null", url, "-o", "/dev/null", url, "-o",
                        "/dev/null", url, "-o", "/dev/null"], check=True)
        done += 4 * 3
    return done / (time.monotonic() - begin)


def stalled_ms(probe, n, seconds):
    held = [probe.connect() for _ in range(n)]
    for s in held:
        s.sendall(b"\x16\x03\x01")
    time.sleep(0.5)
    before = probe.stats()["cpu_ms"]
    time.sleep(seconds)
    spent = probe.stats()["cpu_ms"] - before
    for s in held:
        s.close()
    return spent


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    directory = pathlib.Path(tempfile.mkdtemp(prefix="wardian-bench-", dir="/var/tmp"))
    certificate, key = make_certificate(directory)
    plain, ours = Probe(), Probe(certificate=certificate, key=key)
    nginx = Proxy("nginx", plain.port)
    for version in ["-tls1_3", "-tls1_2"]:
        mine = handshakes_per_s(ours.port, version, seconds)
        theirs = handshakes_per_s(nginx.port, version, seconds)
        print(f"handshakes/s {version[1:]}: ours {mine:.0f}, nginx {theirs:.0f}, ratio {mine / theirs:.2f}")
    mine, theirs = mib_per_s(ours.port, seconds), mib_per_s(nginx.port, seconds)
    print(f"file MiB/s: ours {mine:.0f}, nginx in front of ours {theirs:.0f}, ratio {mine / theirs:.2f}")
    print(f"CPU of 200 stalled handshakes: {stalled_ms(ours, 200, 2)} ms in 2 s")
    for server in [nginx, ours, plain]:
        server.finish()
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
