# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: nothing is claimed any more, who asks is told, what runs goes on; a second one ends it where it stands."""
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import signal
import socket
import threading
import time

import pytest

import fault_rig
from fault_rig import NIGHTLY, Victim, counter, gone, of_jobs, settled, whole
from wardian import python_job, wait_for

EXIT_S = 10


@pytest.fixture
def victim():
    made = []

    def start(*settings):
        made.append(Victim(settings))
        return made[-1].start()

    yield start
    for each in made:
        each.destroy()


def seconds_of(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def claims_after(victim, jobs, wall_s):
    found = []
    for job in jobs:
        found += [e for e in victim.events(job) if e["event"] == "claim" and seconds_of(e["at"]) > wall_s]
    return found


def terminate(victim):
    """SIGTERM; (wall time, seconds until readiness was refused, status and reason then)."""
    wall, began = time.time(), time.monotonic()
    os.kill(victim.process.pid, signal.SIGTERM)
    while True:
        status, reason = victim.ready()
        if status != 200:
            return wall, time.monotonic() - began, status, reason
        assert time.monotonic() - began < 5


def test_after_sigterm_nothing_is_claimed_and_what_runs_goes_on(victim):
    victim = victim("--sched.jobs=20", "--shutdown.notice=1s")
    running = victim.running([counter(8)] * 18 + [counter(1.5)] * 2)
    queued = [victim.submit(victim.key, python_job("print('done')")) for _ in range(200)]
    pids = of_jobs(running[:18])
    began = time.monotonic()
    wall, refused_s, status, reason = terminate(victim)
    assert refused_s < 0.1 and status == 503 and "shutting down" in reason, (refused_s, status, reason)
    assert victim.request("GET", "/livez")[0] == 200
    assert victim.wait_status() == 0
    assert time.monotonic() - began < EXIT_S
    assert of_jobs(running[:18]) == pids
    back = time.time()
    victim.start()
    settled(victim, running + queued)
    for job in running:
        whole(victim.log_of(job))
    early = [e for e in claims_after(victim, queued, wall + 0.1) if seconds_of(e["at"]) < back]
    assert not early, early[:3]


def test_jobs_are_waited_for_when_the_settings_say_so(victim):
    victim = victim("--sched.jobs=2", "--shutdown.wait=30s")
    running = victim.running([counter(3)] * 2)
    queued = [victim.submit(victim.key, python_job("print('later')")) for _ in range(3)]
    began = time.monotonic()
    wall, refused_s, status, reason = terminate(victim)
    assert refused_s < 0.1 and status == 503 and "running jobs" in reason
    # Whoever follows a job can do so to its end.
    assert victim.request("GET", f"/v1/jobs/{running[0]}", victim.key)[0] == 200
    accepted = victim.submit(victim.key, python_job("print('later')"))
    assert victim.wait_status() == 0
    assert 1 < time.monotonic() - began < 8 and not any(of_jobs(running).values())
    ended = time.time()
    victim.start()
    for job in running:
        assert seconds_of(victim.job(job)["ended_at"]) < ended
    settled(victim, running + queued + [accepted])
    assert not [e for e in claims_after(victim, queued + [accepted], wall + 0.1) if seconds_of(e["at"]) < wall + 2]


def test_waiting_for_jobs_ends_in_time_and_leaves_them(victim):
    victim = victim("--shutdown.wait=1s")
    job, = victim.running([counter(6)])
    pids = of_jobs([job])
    began = time.monotonic()
    os.kill(victim.process.pid, signal.SIGTERM)
    assert victim.wait_status() == 0
    assert 1 < time.monotonic() - began < 4
    assert of_jobs([job]) == pids
    victim.start()
    settled(victim, [job])


def read_events(victim, job, into):
    connection = http.client.HTTPConnection("127.0.0.1", victim.port, timeout=20)
    connection.request("GET", f"/v1/jobs/{job}/log?follow=sse", headers={"Authorization": f"Bearer {victim.key}"})
    into.append(connection.getresponse().read())


def test_streams_are_told_and_requests_in_flight_are_answered(victim):
    victim = victim()
    job, = victim.running([counter(6)])
    told, answers = [], []
    reader = threading.Thread(target=read_events, args=(victim, job, told))
    reader.start()
    body = json.dumps(python_job("print(1)")).encode()
    half = socket.create_connection(("127.0.0.1", victim.port))
    half.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer "
                 + victim.key.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:20])
    wait_for(lambda: victim.metric("wardian_http_open_streams") == 1, 10, "the stream is open")

    def submit():
        try:
            status, _, data = victim.request("POST", "/v1/jobs", victim.key, python_job("print(1)"))
        except OSError as error:
            return type(error).__name__
        return json.loads(data)["id"] if status == 201 else status

    with fault_rig.Load(submit, 0.005) as one, fault_rig.Load(submit, 0.005) as two:
        time.sleep(0.3)
        os.kill(victim.process.pid, signal.SIGTERM)
        time.sleep(0.1)
        half.sendall(body[20:])
        answers.append(half.recv(4096))
        assert victim.wait_status() == 0
    half.close()
    reader.join(10)
    assert told and b"event: closing\n" in told[0] and b"event: end\n" not in told[0], told
    assert answers[0].startswith(b"HTTP/1.1 201"), answers
    got = [g for _, _, g in one.seen + two.seen]
    acked = [g for g in got if isinstance(g, str) and g.startswith("job_")]
    assert len(acked) > 20 and set(got) - set(acked) <= {503, "ConnectionRefusedError"}, set(got) - set(acked)
    victim.start()
    settled(victim, [job, *acked])


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_an_impatient_stop_is_a_crash_that_costs_nothing(victim, second):
    victim = victim("--shutdown.wait=60s")
    jobs = victim.running([counter(4)] * 3)
    pids = of_jobs(jobs)
    os.kill(victim.process.pid, signal.SIGTERM)
    wait_for(lambda: victim.ready()[0] == 503, 5, "the stop has begun")
    began = time.monotonic()
    os.kill(victim.process.pid, second)
    status = victim.wait_status()
    assert time.monotonic() - began < 1
    assert status == (-signal.SIGKILL if second == signal.SIGKILL else 128 + second)
    assert of_jobs(jobs) == pids
    victim.start()
    assert of_jobs(jobs) == pids
    settled(victim, jobs)
    for job in jobs:
        whole(victim.log_of(job))


def test_a_database_that_hangs_holds_up_no_stop(victim):
    victim = victim("--database.timeout=20s")
    postmaster = int((victim.state / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
    children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children")
    job, = victim.running([counter(11)])
    began, backends = time.monotonic(), [postmaster]
    try:
        os.kill(postmaster, signal.SIGSTOP)
        for pid in map(int, children.read_text().split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                backends.append(pid)
        os.kill(victim.process.pid, signal.SIGTERM)
        victim.wait_status()
        assert time.monotonic() - began < EXIT_S
    finally:
        for pid in backends:
            if not gone(pid):
                os.kill(pid, signal.SIGCONT)
    victim.start()
    settled(victim, [job])
    whole(victim.log_of(job))


@pytest.mark.skipif(not NIGHTLY, reason="takes ten seconds of waiting; WARDIAN_NIGHTLY=1 runs it")
def test_a_start_that_hangs_ends_when_told_to(victim):
    victim = victim()
    postmaster = int((victim.state / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
    victim.kill()
    os.kill(postmaster, signal.SIGSTOP)
    try:
        victim.start(wait=False)
        wait_for(lambda: "a spawner is there already" in victim.log(), 10, "the start is under way")
        began = time.monotonic()
        os.kill(victim.process.pid, signal.SIGTERM)
        victim.wait_status()
        assert time.monotonic() - began < EXIT_S
    finally:
        os.kill(postmaster, signal.SIGCONT)
    victim.start()


def test_the_spawner_outlives_the_daemon_as_long_as_something_runs(victim):
    victim = victim()
    job, = victim.running([counter(4)])
    assert victim.stop() == 0
    time.sleep(2)
    monitor, worker = victim.spawners()
    assert monitor and worker and of_jobs([job])[job]
    wait_for(lambda: victim.spawners() == (None, None), 15, "the spawner ends after the last run")
    assert not of_jobs([job])[job]
    victim.start()
    settled(victim, [job])
    whole(victim.log_of(job))


def test_a_stopped_spawner_leaves_runs_to_the_next(victim):
    victim = victim()
    job, = victim.running([counter(4)])
    pids = of_jobs([job])
    os.kill(victim.spawners()[0], signal.SIGTERM)
    wait_for(lambda: victim.spawners() == (None, None), 5, "the spawner ends")
    wait_for(lambda: victim.ready()[0] == 503, 5, "the daemon says that it has no spawner")
    assert of_jobs([job]) == pids
    victim.start_spawner()
    wait_for(lambda: victim.ready()[0] == 200, 5, "the daemon is back with the new spawner")
    assert of_jobs([job]) == pids
    settled(victim, [job])
    whole(victim.log_of(job))
