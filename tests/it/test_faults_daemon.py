# SPDX-License-Identifier: Apache-2.0
"""The daemon is killed, frozen and starved of descriptors: runs do not notice, and nothing counts twice."""
import os
import signal
import subprocess
import time

import pytest

from fault_rig import NIGHTLY, Load, Victim, counter, cpu_seconds, gone, nothing_left, of_jobs, settled, whole
from test_outside_database import Server
from wardian import python_job, wait_for


@pytest.fixture
def victim():
    made = []

    def start(*settings, **more):
        made.append(Victim(settings, **more))
        return made[-1].start()

    yield start
    for each in made:
        each.destroy()


def test_twenty_jobs_do_not_notice_that_the_daemon_is_killed_again_and_again(victim):
    rounds = 50 if NIGHTLY else 15
    victim = victim("--sched.jobs=20")
    jobs = victim.running([counter(40 if NIGHTLY else 14)] * 20)
    pids, ready_s = of_jobs(jobs), []
    for i in range(rounds):
        victim.kill()
        time.sleep(0.01 * (i % 7))
        began = time.monotonic()
        victim.start()
        ready_s.append(time.monotonic() - began)
        assert of_jobs(jobs) == pids, i
    assert max(ready_s) < 3, ready_s
    print(f"ready after {min(ready_s):.2f} to {max(ready_s):.2f} s")
    settled(victim, jobs)
    for job in jobs:
        whole(victim.log_of(job))
        assert [e["event"] for e in victim.events(job)] == ["claim", "started", "exited-ok"]
        assert victim.job(job)["usage"]["wall_s"] >= (40 if NIGHTLY else 14)
    nothing_left(victim, jobs)


def test_a_daemon_killed_while_it_starts_and_ends_jobs_runs_each_once(victim):
    victim = victim("--sched.jobs=8")
    jobs = []
    for i in range(40 if NIGHTLY else 10):
        jobs += [victim.submit(victim.key, python_job(f"print({i})")) for _ in range(4)]
        time.sleep(0.02 + 0.013 * (i % 10))
        victim.kill()
        victim.start()
    settled(victim, jobs)
    for i, job in enumerate(jobs):
        assert victim.log_of(job) == f"{i // 4}\n".encode()
    nothing_left(victim, jobs)


@pytest.fixture
def server():
    made = Server()
    yield made
    made.destroy()


def test_a_frozen_daemon_loses_its_jobs_and_nothing_it_says_later_counts(server, victim):
    settings = ["--sched.lease=3s", "--sched.heartbeat=1s", "--sched.reap=500ms"]
    env = {"WARDIAN_DATABASE_URL": server.url}
    frozen = victim(*settings, env=env)
    job, = frozen.running([counter(12)])
    old = of_jobs([job])[job]
    other = victim(*settings, env=env)
    os.kill(frozen.process.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: of_jobs([job])[job] - old, 20, "another daemon runs it")
        # Its first sandbox ends meanwhile or goes on: nobody here may say anything about it yet.
        time.sleep(3)
    finally:
        os.kill(frozen.process.pid, signal.SIGCONT)
    wait_for(lambda: all(gone(p) for p in old), 2.5, "the stale sandbox is ended")
    settled(other, [job])
    whole(other.log_of(job))
    events = [e["event"] for e in other.events(job)]
    assert events.count("exited-ok") == 1 and events[-1] == "exited-ok" and events.count("claim") == 2, events
    wait_for(lambda: frozen.ready()[0] == 200, 10, "the frozen daemon is well again")
    assert frozen.job(job)["state"] == "succeeded"
    again = frozen.submit(frozen.key, python_job("print(1)"))
    assert frozen.over(again)["state"] == "succeeded"
    nothing_left(frozen, [job])


def set_descriptors(pid, soft):
    """As the daemon's own user: root needs a capability for it that not every container has."""
    subprocess.run(["setpriv", "--reuid=wardian", "--regid=wardian", "--clear-groups", "prlimit", f"--pid={pid}",
                    f"--nofile={soft}:"], check=True, timeout=10)


def descriptors(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        return next(line.split()[3] for line in limits if line.startswith("Max open files"))


def test_a_daemon_out_of_descriptors_refuses_and_recovers(victim):
    victim = victim()
    pid = victim.process.pid
    victim.run(victim.key, python_job("print(1)"))
    before = descriptors(pid)
    limit = len(os.listdir(f"/proc/{pid}/fd")) + 2

    def ask():
        try:
            return victim.request("POST", "/v1/jobs", victim.key, python_job("print(1)"), timeout=3)[0]
        except OSError as error:
            return type(error).__name__

    set_descriptors(pid, limit)
    loads = [Load(ask, 0.01) for _ in range(12)]
    for load in loads:
        load.start()
    time.sleep(1)
    spent, began = cpu_seconds(pid), time.monotonic()
    time.sleep(3)
    busy = (cpu_seconds(pid) - spent) / (time.monotonic() - began)
    for load in loads:
        load.__exit__()
    # Nobody asks any more, and connections that wait are still not accepted.
    spent, began = cpu_seconds(pid), time.monotonic()
    time.sleep(1)
    idle = (cpu_seconds(pid) - spent) / (time.monotonic() - began)
    set_descriptors(pid, before)
    healed = time.monotonic()
    wait_for(lambda: ask() == 201, 5, "it recovers")
    assert time.monotonic() - healed < 1.5
    assert victim.process.poll() is None and victim.process.pid == pid
    seen = {got for load in loads for _, _, got in load.seen}
    assert seen <= {201, 503, "ConnectionResetError", "TimeoutError", "RemoteDisconnected", "BrokenPipeError"}, seen
    assert idle < 0.2, (busy, idle)
    wait_for(lambda: victim.ready()[0] == 200, 10, "it is ready")
    listed = victim.json("GET", "/v1/jobs?limit=200", victim.key)["data"]
    settled(victim, [j["id"] for j in listed])
