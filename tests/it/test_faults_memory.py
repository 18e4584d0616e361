# SPDX-License-Identifier: Apache-2.0
"""Memory that is not there: the daemon refuses, ends by its own word or is killed, and loses nothing."""
import contextlib
import http.client
import json
import os
import pathlib
import random
import time

import pytest

import fault_memory
from fault_memory import OFF, ON, ONCE, RATE, Hungry
from fault_rig import NIGHTLY, Load, Victim, counter, nothing_left, of_jobs, settled, whole
from wardian import python_job, wait_for

WHY_NOT = fault_memory.why_not()
needs_library = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")


@pytest.fixture
def hungry():
    made = []

    def start(*settings):
        made.append(Hungry(settings))
        return made[-1].start()

    yield start
    for each in made:
        each.destroy()


def points(calls, n):
    """Some of the first `calls` allocations, the early ones more densely; other ones each night."""
    found = {0, 1, 2, calls - 1}
    while len(found) < min(n, calls):
        found.add(int(calls ** random.random()) if random.random() < 0.3 else random.randrange(calls))
    return sorted(found)


def came_up(victim, seconds):
    """'ready', the exit status, or None when neither came about."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if victim.process.poll() is not None:
            return victim.process.returncode
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            victim.port = int((victim.state / "http.port").read_text())
            if victim.request("GET", "/readyz", timeout=2)[0] == 200:
                return "ready"
        time.sleep(0.02)
    return None


@needs_library
@pytest.mark.parametrize("mode", [ONCE, ON], ids=["once", "from then on"])
def test_a_start_without_memory_ends_by_its_own_word_or_serves(hungry, mode):
    victim = hungry()
    victim.stop()
    before = victim.calls()
    victim.start()
    calls = victim.calls() - before
    victim.stop()
    for n in points(calls, 400 if NIGHTLY else 8):
        victim.fail(mode, left=n)
        victim.start(wait=False)
        outcome = came_up(victim, 7)
        victim.fail(OFF)
        assert outcome is None or outcome == "ready" or outcome > 0, (n, outcome, victim.log()[-1500:])
        if outcome is None or outcome == "ready":
            # What it could not have at first it gets now; or it was still on its way and goes back.
            assert came_up(victim, 30) is not None, (n, victim.log()[-1500:])
            victim.kill()
        victim.process = None
    victim.start()
    assert victim.run(victim.key, python_job("print(1)"))["state"] == "succeeded"


ROUTES = ["/readyz", "/v1/jobs", "/v1/environments", "/v1/me/permissions", "/v1/keys", "/v1/audit", "/v1/quota",
          "/metrics", "/openapi.json", "/v1/users", "/v1/roles", "/v1/projects"]


REFUSED = {500, 503, None}


def revive(victim, ends):
    """Starts a daemon that ended again, and notes how it ended."""
    if victim.process.poll() is None:
        return
    ends.append(victim.process.returncode)
    victim.process = None
    victim.start(wait=False)
    came_up(victim, 20)


def attempt(victim, method, path, body=None):
    """The status; None when the connection was closed instead."""
    try:
        status, headers, data = victim.request(method, path, victim.key, body, timeout=20)
    except (OSError, http.client.HTTPException):
        return None
    if headers.get("content-type", "").startswith("application/problem+json"):
        assert json.loads(data)["status"] == status
    return status


@needs_library
def test_requests_without_memory_are_refused_and_the_next_is_served(hungry):
    victim = hungry()
    job = victim.run(victim.key, python_job("print('hello')"))["id"]
    submitted, seen, ends = [], set(), []
    paths = [*ROUTES, f"/v1/jobs/{job}", f"/v1/jobs/{job}/log", f"/v1/jobs/{job}/result", f"/v1/jobs/{job}/files"]
    for path in [*paths, None]:
        before = victim.calls()
        usual = attempt(victim, "GET", path) if path else attempt(victim, "POST", "/v1/jobs", python_job("print(1)"))
        calls = max(victim.calls() - before, 20)
        for n in points(calls, calls if NIGHTLY else 12):
            victim.fail(ONCE, left=n)
            if path:
                status = attempt(victim, "GET", path)
            else:
                status = attempt(victim, "POST", "/v1/jobs", python_job("print(1)"))
                submitted.append(status)
            victim.fail(OFF)
            revive(victim, ends)
            assert status in REFUSED | {usual}, (path, n, status)
            seen.add(status)
        if path:
            assert attempt(victim, "GET", path) == usual
    assert 200 in seen and seen & REFUSED, seen
    assert not ends, (ends, victim.log()[-1500:])
    # What was acknowledged is there.
    listed = [j["id"] for j in victim.json("GET", "/v1/jobs?limit=200", victim.key)["data"]]
    assert len(listed) >= 2 + submitted.count(201)
    settled(victim, listed)


@needs_library
def test_jobs_run_once_although_memory_is_short_on_their_way(hungry):
    victim = hungry()
    victim.run(victim.key, python_job("print(1)"))
    before = victim.calls()
    victim.run(victim.key, python_job("print(1)"))
    calls, jobs, ends = victim.calls() - before, [], []
    for n in points(calls, calls if NIGHTLY else 15):
        jobs.append(victim.submit(victim.key, python_job("print(1)")))
        victim.fail(ONCE, left=n)
        with contextlib.suppress(AssertionError):
            wait_for(lambda: victim.orders()[2] < 0, 0.4, "the failure")
        victim.fail(OFF)
        revive(victim, ends)
    assert not ends, (ends, victim.log()[-1500:])
    settled(victim, jobs)
    nothing_left(victim, jobs)


POOLED = 14  # connections to the database: 8 for requests, 4 of the platform, 2 of the scheduler


def open_files(victim):
    """(descriptors that are no sockets, sockets)."""
    found = []
    for entry in pathlib.Path(f"/proc/{victim.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(entry))
    sockets = sum(name.startswith("socket:") for name in found)
    return len(found) - sockets, sockets


@needs_library
@pytest.mark.parametrize("rate", [100, 50] if NIGHTLY else [100])
def test_memory_that_fails_at_random_loses_and_doubles_nothing(hungry, rate):
    victim = hungry("--sched.jobs=6")
    descriptors, sockets = open_files(victim)
    running, acknowledged, ends, odd = victim.running([counter(8)] * 3), [], [], []
    pids = of_jobs(running)

    def submit():
        try:
            status, _, data = victim.request("POST", "/v1/jobs", victim.key, python_job("print('ok')"), timeout=10)
        except http.client.HTTPException as error:
            return error
        if status == 201:
            acknowledged.append(json.loads(data)["id"])
        elif status not in REFUSED:
            odd.append((status, data))
        return status

    def look():
        try:
            return victim.request("GET", "/v1/jobs?limit=5", victim.key, timeout=10)[0]
        except http.client.HTTPException as error:
            return error

    victim.fail(RATE, rate=rate)
    loads = [Load(submit, 0.01) for _ in range(5)] + [Load(look, 0.005)]
    with contextlib.ExitStack() as stack:
        for load in loads:
            stack.enter_context(load)
        until = time.monotonic() + (60 if NIGHTLY else 8)
        while time.monotonic() < until:
            revive(victim, ends)
            assert len(ends) < 3, (ends, victim.log()[-1500:])
            time.sleep(0.1)
    failed = victim.failed()
    victim.fail(OFF)
    assert failed > 50 and acknowledged, (failed, len(acknowledged))
    assert pids and all(pids.values())
    revive(victim, ends)
    assert came_up(victim, 20) == "ready", (victim.ready(), victim.log()[-1500:])
    print(f"{failed} failures, {len(acknowledged)} jobs, ends of the daemon: {ends}")
    statuses = {s for load in loads for _, _, s in load.seen if isinstance(s, int)}
    assert statuses <= REFUSED | {200, 201}, (statuses, odd[:3])
    settled(victim, running + acknowledged)
    for job in running:
        whole(victim.log_of(job))
    nothing_left(victim, acknowledged)
    if not ends:
        # Connections to the database come as they are needed.
        assert open_files(victim)[0] == descriptors
        wait_for(lambda: open_files(victim)[1] <= sockets + POOLED, 10, f"sockets close: {open_files(victim)}")


def memory_cgroup():
    """Where groups of the first version's memory controller are made; None when the host has none."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            top = pathlib.Path("/sys/fs/cgroup/memory") / path.lstrip("/")
            return top if (top / "memory.limit_in_bytes").exists() else None
    return None


@pytest.mark.skipif(memory_cgroup() is None, reason="this host has no memory controller of version 1")
def test_a_daemon_that_the_kernel_kills_for_its_memory_leaves_runs_alone():
    victim = Victim().start()
    group = memory_cgroup() / f"wardian-it-{os.getpid()}"
    try:
        jobs = victim.running([counter(6)] * 3)
        pids = of_jobs(jobs)
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(8 << 20))
        (group / "cgroup.procs").write_text(str(victim.process.pid))
        big = python_job("print(1)" + "#" * 900000)
        with Load(lambda: attempt(victim, "POST", "/v1/jobs", big), 0), \
                Load(lambda: attempt(victim, "POST", "/v1/jobs", big), 0):
            status = victim.wait_status(30)
        assert status == -9, status
        assert int((group / "memory.oom_control").read_text().split("oom_kill ")[-1].split()[0]) >= 1
        assert of_jobs(jobs) == pids
        victim.start()
        assert of_jobs(jobs) == pids
        settled(victim, jobs)
        for job in jobs:
            whole(victim.log_of(job))
    finally:
        victim.destroy()
        if group.exists():
            wait_for(lambda: not (group / "cgroup.procs").read_text(), 10, "the group is empty")
            group.rmdir()
