# SPDX-License-Identifier: Apache-2.0
"""A host whose wall clock is set a day forward and back every second, for the daemon and for the keepers: times that
are shown jump, and nothing else does.  And a keeper in haste, in whose sight a job runs for ten minutes.  (The clock of
this host stays as it is: tests/fault/false_clock.c.)"""
import subprocess
import time

import pytest

from fault_rig import NIGHTLY, Victim, counter, cpu_seconds, settled, whole
from wardian import BUILD, python_job

LIBRARY, JUMPS, HASTE = (BUILD / "tests" / name for name in ("libfalse-clock.so", "keeper-of-jumps", "keeper-of-haste"))
FASTER = 100  # the keeper in haste


def why_not():
    if not all(path.exists() for path in (LIBRARY, JUMPS, HASTE)):
        return "the false clocks are not built"
    if b"__asan_init" in subprocess.run(["nm", "-D", str(BUILD / "wardiand")], capture_output=True, check=False).stdout:
        return "the sanitizer wants to be loaded first"
    return None


pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


class FalseClocks(Victim):
    """With another keeper, and perhaps another clock of its own."""

    def __init__(self, keeper, settings=(), **more):
        super().__init__(settings, **more)
        self.keeper = keeper

    def arguments(self, command):
        mine, theirs = f"--sandbox.keeper={self.keeper}", f"--sandbox.keeper={self.build}/wardian-keeper"
        return [mine if word == theirs else word for word in super().arguments(command)]


@pytest.fixture(scope="module")
def victim():
    made = FalseClocks(JUMPS, ["--sched.lease=3s", "--sched.heartbeat=1s", "--limits.job_grace=200ms"],
                       env={"LD_PRELOAD": str(LIBRARY)})
    made.start()
    yield made
    made.destroy()


def test_the_clock_jumps_indeed(victim):
    said = {victim.request("GET", "/livez")[1]["date"][:16] for _ in range(40) if not time.sleep(0.05)}
    assert len(said) == 2, said
    job = victim.run(victim.key, python_job("import time\ntime.sleep(1)"))["id"]
    (one,) = victim.json("GET", f"/v1/jobs/{job}/attempts", victim.key)["data"]
    assert one["started_at"][:10] != one["claimed_at"][:10], "the keeper's clock is a day off, the database's is not"


def test_a_job_ends_when_its_wall_time_is_over_and_no_sooner(victim):
    job = victim.run(victim.key, python_job("import time\nwhile True: time.sleep(1)", limits={"wall_s": 4}), 30)
    assert job["cause"]["kind"] == "wall-time" and 4 <= job["usage"]["wall_s"] < 5, job


def test_a_job_that_is_silent_for_shorter_than_it_may_is_left_alone(victim):
    script = "import time\nfor _ in range(4):\n    print('here', flush=True)\n    time.sleep(1.2)"
    job = victim.run(victim.key, python_job(script, limits={"no_output_s": 3}), 30)
    assert job["state"] == "succeeded" and 4.8 <= job["usage"]["wall_s"] < 6, job
    job = victim.run(victim.key, python_job("import time\ntime.sleep(30)", limits={"no_output_s": 2}), 30)
    assert job["cause"]["kind"] == "no-output" and 2 <= job["usage"]["wall_s"] < 3, job


def test_what_is_measured_is_as_long_as_it_took(victim):
    began = time.monotonic()
    job = victim.run(victim.key, python_job("import time\ntime.sleep(3)"))
    took = time.monotonic() - began
    (one,) = victim.json("GET", f"/v1/jobs/{job['id']}/attempts", victim.key)["data"]
    assert 3 <= one["usage"]["wall_s"] <= took
    assert all(0 <= seconds <= took for seconds in one["phases"].values()), one
    points = victim.json("GET", f"/v1/jobs/{job['id']}/attempts/1/usage", victim.key)["data"]
    assert points and all(0 <= a["at_s"] < b["at_s"] <= took for a, b in zip(points, points[1:])), points


def test_leases_hold_jobs_run_once_and_nobody_is_busy(victim):
    jobs = victim.running([counter(6)] * 3)
    before = cpu_seconds(victim.process.pid)
    time.sleep(3)
    assert cpu_seconds(victim.process.pid) - before < 1, "a timer goes round and round"
    settled(victim, jobs)
    for job in jobs:
        assert victim.job(job)["attempt"] == 1
        whole(victim.log_of(job))
    assert not [line for line in victim.log_lines() if line.get("level") == "error"]


# --- ten minutes ------------------------------------------------------------------------------------------

QUIET = "import time\ntime.sleep({seconds})"


def test_a_job_that_asks_for_no_limit_has_none_after_ten_minutes_of_its_keepers_time():
    victim = FalseClocks(HASTE)
    try:
        victim.start()
        free = victim.submit(victim.key, python_job(QUIET.format(seconds=7)))
        bound = victim.submit(victim.key, python_job(QUIET.format(seconds=7), limits={"wall_s": 600}))
        job = victim.over(free)
        assert job["state"] == "succeeded" and 7 * FASTER <= job["usage"]["wall_s"] < 20 * FASTER, job
        job = victim.over(bound)
        assert job["cause"]["kind"] == "wall-time" and 600 <= job["usage"]["wall_s"] < 7 * FASTER, job
    finally:
        victim.destroy()


@pytest.mark.skipif(not NIGHTLY, reason="takes eleven minutes; WARDIAN_NIGHTLY=1 runs it")
def test_a_job_of_601_seconds_without_a_word_is_left_alone(own_daemon):
    daemon = own_daemon()
    key = daemon.bootstrap("patient")[1]
    job = daemon.run(key, python_job(QUIET.format(seconds=601)), 700)
    assert job["state"] == "succeeded" and job["attempt"] == 1 and 601 <= job["usage"]["wall_s"] < 610, job
