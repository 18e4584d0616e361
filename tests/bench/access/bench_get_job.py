#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tests/bench/access/bench_get_job.py [SECONDS]: authenticated GET /v1/jobs/{id} against pgbench.

Requests per second over 64 keep-alive connections, and transactions per second of pgbench that sends
what the daemon sends for each of them: BEGIN, the tenant's context, job_get, COMMIT, prepared and in
one pipeline flush, as wardian_api under row-level security, over as many connections as the daemon
has.  Both ask for one job in one private PostgreSQL, in turns, so that whatever else runs on the
machine hits both; load generator, daemon, pgbench and PostgreSQL share its cores.  Target: 0.6.
WARDIAN_BUILD names the build, which should be optimised.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "it"))

import access  # noqa: E402
import wardian  # noqa: E402
from access_sql import statements  # noqa: E402

CONNECTIONS, DATABASE_CONNECTIONS, ROUNDS, TARGET = 64, 8, 5, 0.6


def statement(name, *values):
    """A statement of the program with pgbench's variables in place of its parameters."""
    text = re.sub(r"--[^\n]*\n", "", next(s for s in statements("api") if s.name == name).text)
    for n, value in enumerate(values, 1):
        text = re.sub(rf"\${n}::([a-z]+(?:\[\])?)", rf"cast({value} as \1)", text)
    assert "$" not in text, text
    return " ".join(text.split()) + ";"


def script():
    lines = [
        "\\startpipeline",
        "begin;",
        statement("db_context", ":tenant"),
        statement("job_get", ":tenant", ":job", "null"),
        "commit;",
        "\\endpipeline",
    ]
    return "\n".join(lines) + "\n"


def pgbench(daemon, path, tenant, job, seconds):
    out = subprocess.run(
        [
            "pgbench",
            "-h",
            str(daemon.state / "postgres" / "socket"),
            "-p",
            "5432",
            "-U",
            "wardian_api",
            "-n",
            "-M",
            "prepared",
            "-c",
            str(DATABASE_CONNECTIONS),
            "-j",
            "2",
            "-T",
            str(seconds),
            "-D",
            f"tenant={tenant}",
            "-D",
            f"job={job}",
            "-f",
            path,
            "wardian",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PGOPTIONS": "-c search_path=wardian -c jit=off"},
    )
    assert out.returncode == 0, out.stderr
    return float(re.search(r"tps = ([\d.]+)", out.stdout)[1])


def requests(daemon, path, key, seconds):
    out = subprocess.run(
        [
            str(wardian.BUILD / "tests" / "access-load"),
            str(daemon.port),
            path,
            str(CONNECTIONS),
            str(seconds * 1000),
            key,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(out.stdout)
    assert found["errors"] == found["refused"] == 0, found
    return found


def measure(daemon, t, job, path, seconds):
    print(f"{'round':>5} {'GET/s':>8} {'p50 us':>7} {'p99 us':>7} {'pgbench/s':>10} {'ratio':>6}   load before")
    ratios = []
    for i in range(ROUNDS):
        load = os.getloadavg()[0]
        got = requests(daemon, f"/v1/jobs/{job}", t.owner, seconds)
        base = pgbench(daemon, path, t.uuid, access.uuid_of(job), seconds)
        ratios.append(got["per_s"] / base)
        print(
            f"{i + 1:5} {got['per_s']:8.0f} {got['p50_us']:7} {got['p99_us']:7} {base:10.0f} {ratios[-1]:6.2f}   {load:.1f}",
            flush=True,
        )
    print(
        f"ratio: median {statistics.median(ratios):.2f}, least {min(ratios):.2f}, greatest {max(ratios):.2f}; target {TARGET}"
    )


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    settings = [*access.NO_LIMITS, f"--database.connections={DATABASE_CONNECTIONS}", "--log.level=warn"]
    daemon = wardian.Daemon(settings).start()
    try:
        world = access.World(daemon)
        t = world.tenant("bench")
        world.limits(t, jobs_running=0)
        job = t.job("true", name="the one that is asked for", labels={"team": "bench"})
        world.database.rows("analyze")
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as f:
            f.write(script())
            f.flush()
            measure(daemon, t, job, f.name, seconds)
        world.close()
    finally:
        daemon.destroy()


if __name__ == "__main__":
    main()
