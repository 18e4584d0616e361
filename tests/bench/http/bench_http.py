#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/bench/http/bench_http.py [MILLISECONDS]: replies per second of src/http by connections.

The baseline is the rate at 64 connections, taken again before each count.  Server (1 loop thread,
for /worker 4 more), load generator (1 thread) and whatever else runs share the machine's cores, so
CPU time of the server per reply is printed beside the rate.  WARDIAN_BUILD names the build.
"""
import json
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "it" / "http_raw"))

from rawhttp import Probe, program  # noqa: E402

COUNTS = [1, 8, 127, 128, 129, 255, 256, 257, 512, 1000]


def measure(probe, path, connections, ms):
    before = probe.stats()["cpu_ms"]
    out = subprocess.run([program("http-load"), str(probe.port), path, str(connections), str(ms)],
                         capture_output=True, text=True, check=True)
    found = json.loads(out.stdout)
    found["cpu_us"] = (probe.stats()["cpu_ms"] - before) * 1000 / max(found["replies"], 1)
    return found


def main():
    ms = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    probe = Probe()
    print(f"{'path':8} {'conns':>5} {'per s':>8} {'at 64':>8} {'ratio':>6} {'CPU us':>7} "
          f"{'at 64':>7} {'gap ms':>7} {'p50 us':>7} {'p99 us':>7} errors")
    for path in ["/hello", "/worker"]:
        for connections in COUNTS:
            base = measure(probe, path, 64, ms)
            got = measure(probe, path, connections, ms)
            print(f"{path:8} {connections:5} {got['per_s']:8} {base['per_s']:8} "
                  f"{got['per_s'] / base['per_s']:6.2f} {got['cpu_us']:7.1f} "
                  f"{base['cpu_us']:7.1f} "
                  f"{got['longest_gap_ms']:7} {got['p50_us']:7} {got['p99_us']:7} "
                  f"{got['errors'] + base['errors']}", flush=True)
    probe.finish()


if __name__ == "__main__":
    main()
