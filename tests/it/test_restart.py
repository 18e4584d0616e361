# SPDX-License-Identifier: Apache-2.0
"""The daemon, its spawner and its PostgreSQL die; jobs do not notice."""
import json
import os
import pathlib
import signal
import time

from wardian import command_line, python_job, wait_for

TICKER = """
import os, sys, time
print("pid", os.getpid(), "started", time.time_ns(), flush=True)
for i in range(int(sys.argv[1])):
    print("tick", i, flush=True)
    time.sleep(0.05)
print("end", flush=True)
"""


def host_pids(daemon, marker):
    """Host pids whose environment marks them as the job's."""
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"WARDIAN_JOB_ID={marker}".encode() in (entry / "environ").read_bytes():
                    found.add(int(entry.name))
            except OSError:
                pass
    return found


def whole(log, ticks):
    lines = log.decode().splitlines()
    assert lines[0].startswith("pid ") and lines[-1] == "end", lines[-3:]
    assert [line for line in lines if line.startswith("tick")] == [f"tick {i}" for i in range(ticks)]


def test_kill_9_of_the_daemon_leaves_jobs_their_pids_logs_and_one_count(own_daemon):
    daemon = own_daemon()
    _, key = daemon.bootstrap("alpha")
    jobs = [daemon.submit(key, python_job(TICKER, ["120"], resources={"cpus": 0.2})) for _ in range(4)]
    for job in jobs:
        wait_for(lambda: b"tick 3" in daemon.job_log(key, job), 30, f"{job} runs")
    before = {job: host_pids(daemon, job) for job in jobs}
    assert all(before.values())
    for _ in range(3):
        daemon.kill()
        daemon.start()
        alive = {job: host_pids(daemon, job) for job in jobs}
        assert alive == before
        time.sleep(0.3)
    for job in jobs:
        over = daemon.wait(key, job, 60)
        assert over["state"] == "succeeded" and over["attempt"] == 1
        whole(daemon.job_log(key, job), 120)
        events = [e["event"] for e in daemon.json("GET", f"/v1/jobs/{job}/events", key)["data"]]
        assert events == ["claim", "started", "exited-ok"], events


def test_jobs_that_end_while_the_daemon_is_down_are_collected(own_daemon):
    daemon = own_daemon()
    _, key = daemon.bootstrap("alpha")
    job = daemon.submit(key, python_job(TICKER, ["20"]))
    wait_for(lambda: b"tick 1" in daemon.job_log(key, job), 30, "the job runs")
    daemon.kill()
    time.sleep(2.5)
    daemon.start()
    assert daemon.wait(key, job, 30)["state"] == "succeeded"
    whole(daemon.job_log(key, job), 20)


def test_queued_jobs_survive_a_crash(own_daemon):
    daemon = own_daemon("--sched.jobs=1")
    _, key = daemon.bootstrap("alpha")
    jobs = [daemon.submit(key, python_job("print('done')")) for _ in range(6)]
    daemon.kill()
    daemon.start()
    for job in jobs:
        over = daemon.wait(key, job, 60)
        assert over["state"] == "succeeded"
        assert daemon.job_log(key, job) == b"done\n"


def test_sigterm_leaves_running_jobs_to_their_keepers(own_daemon):
    daemon = own_daemon()
    _, key = daemon.bootstrap("alpha")
    job = daemon.submit(key, python_job(TICKER, ["80"]))
    wait_for(lambda: b"tick 3" in daemon.job_log(key, job), 30, "the job runs")
    pids = host_pids(daemon, job)
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 15
    daemon.start()
    assert host_pids(daemon, job) == pids
    assert daemon.wait(key, job, 30)["state"] == "succeeded"
    whole(daemon.job_log(key, job), 80)


def spawner_worker(daemon):
    """The spawner's worker: the child of the monitor."""
    spawners = [p for p in daemon.strays() if b"wardian-spawner" in command_line(p)]
    parents = {int(pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[1]): p for p in spawners}
    return next(child for parent, child in parents.items() if parent in spawners)


def test_a_killed_spawner_is_replaced_and_runs_are_adopted(own_daemon):
    daemon = own_daemon()
    _, key = daemon.bootstrap("alpha")
    job = daemon.submit(key, python_job(TICKER, ["80"]))
    wait_for(lambda: b"tick 3" in daemon.job_log(key, job), 30, "the job runs")
    pids = host_pids(daemon, job)
    os.kill(spawner_worker(daemon), signal.SIGKILL)
    time.sleep(1)
    assert host_pids(daemon, job) == pids
    assert daemon.wait(key, job, 30)["state"] == "succeeded"
    whole(daemon.job_log(key, job), 80)
    assert daemon.run(key, python_job("print(1)"))["state"] == "succeeded"


def test_a_killed_keeper_is_a_platform_fault_and_the_job_runs_again(own_daemon):
    daemon = own_daemon()
    _, key = daemon.bootstrap("alpha")
    job = daemon.submit(key, python_job(TICKER, ["40"]))
    wait_for(lambda: b"tick 3" in daemon.job_log(key, job), 30, "the job runs")
    simulation = host_pids(daemon, job).pop()
    keeper = int(pathlib.Path(f"/proc/{simulation}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(keeper, signal.SIGKILL)
    over = daemon.wait(key, job, 60)
    assert over["state"] == "succeeded" and over["attempt"] == 1
    whole(daemon.job_log(key, job), 40)


def postmaster(daemon):
    return int((daemon.state / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])


def test_postgres_left_over_from_a_crash_is_adopted_and_stopped_with_the_daemon(own_daemon):
    daemon = own_daemon()
    pid = postmaster(daemon)
    daemon.kill()
    assert pathlib.Path(f"/proc/{pid}").exists()
    daemon.start()
    assert postmaster(daemon) == pid
    daemon.stop()
    wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 20, "postgres stops with the daemon")


def test_a_private_postgres_that_dies_comes_back_and_no_job_is_lost(own_daemon):
    daemon = own_daemon()
    _, key = daemon.bootstrap("alpha")
    running = daemon.submit(key, python_job(TICKER, ["60"]))
    wait_for(lambda: b"tick 3" in daemon.job_log(key, running), 30, "the job runs")
    acknowledged, statuses = [running], set()
    for _ in range(2):
        os.kill(postmaster(daemon), signal.SIGKILL)
        until = time.monotonic() + 8
        while time.monotonic() < until:
            status, _, body = daemon.request("POST", "/v1/jobs", key, python_job("print('ok')"))
            statuses.add(status)
            if status == 201:
                acknowledged.append(json.loads(body)["id"])
                if len(acknowledged) % 20 == 0:
                    break
    assert statuses <= {201, 503}, statuses
    assert daemon.request("GET", "/readyz")[0] == 200
    for job in acknowledged:
        assert daemon.wait(key, job, 90)["state"] == "succeeded"


def test_requests_during_the_death_of_a_database_backend_are_never_500(own_daemon):
    daemon = own_daemon()
    _, key = daemon.bootstrap("alpha")
    statuses = set()
    until = time.monotonic() + 4
    while time.monotonic() < until:
        children = pathlib.Path(f"/proc/{postmaster(daemon)}/task/{postmaster(daemon)}/children").read_text().split()
        for child in children:
            if b"wardian_api" in command_line(child):
                os.kill(int(child), signal.SIGTERM)
        for _ in range(5):
            statuses.add(daemon.request("GET", "/v1/jobs", key)[0])
            statuses.add(daemon.request("POST", "/v1/jobs", key, python_job("pass"))[0])
    assert statuses <= {200, 201, 503}, statuses
    assert daemon.request("GET", "/v1/jobs", key)[0] == 200
