# SPDX-License-Identifier: Apache-2.0
"""The daemon, the spawner and keepers are killed at every moment of a launch; and many launches.  Then
the host is as it was, and every job's end is told as it was."""
import os
import pathlib
import random
import signal
import time

import pytest

import hostile_run
from hostile_run import NIGHTLY
from hostile_verdict import Ledger, write_table
from wardian import FINAL, NotReady, command_line, wait_for

KILLS = 1000 if NIGHTLY else 9
LAUNCHES = 10_000 if NIGHTLY else 100
SEED = 20


@pytest.fixture(scope="module")
def ledger():
    made = Ledger()
    yield made
    print(write_table("crash", made.verdicts))


@pytest.fixture
def daemon():
    made = hostile_run.HostileDaemon("--sched.lease=3s", "--sched.heartbeat=1s", "--sched.reap=200ms").start()
    yield made
    made.destroy()


def short_job(seconds):
    return {"environment": "bare", "command": ["sh", "-c", f"echo begins; sleep {seconds}; echo ends"]}


def keepers(daemon):
    """Pids of first processes of sandboxes: their uids are the tenants'."""
    return [pid for pid, _, name in daemon.processes() if name.startswith("wardian-keeper")]


class Killer:
    """Ends one of the three with SIGKILL, and starts again what does not start by itself."""

    def __init__(self, daemon, seed):
        self.daemon, self.random, self.done = daemon, random.Random(seed), {"daemon": 0, "spawner": 0, "keeper": 0}

    def strike(self, i):
        time.sleep(self.random.random() * 0.12)
        what = ("daemon", "spawner", "keeper")[i % 3]
        if what == "daemon":
            self.daemon.kill()
            self.start()
        elif what == "spawner":
            pid = self.daemon.spawner()
            if pid is None:
                return
            os.kill(pid, signal.SIGKILL)
            self.daemon.stop()  # a new daemon starts a new spawner, which adopts what runs
            self.start()
        else:
            found = keepers(self.daemon)
            if not found:
                return
            try:
                os.kill(self.random.choice(found), signal.SIGKILL)
            except ProcessLookupError:
                return
        self.done[what] += 1

    def start(self):
        for attempt in range(3):
            try:
                self.daemon.start(wait=False)
                self.daemon.wait_ready()
                return
            except NotReady:
                self.daemon.process = None
                if attempt == 2:
                    raise


def test_kills_at_every_moment_of_a_launch_lose_no_job_and_leave_nothing(daemon, ledger):
    _, key = daemon.bootstrap("alpha")
    killer, jobs, complaints = Killer(daemon, SEED), [], []
    for i in range(KILLS):
        jobs += [daemon.submit(key, short_job(s)) for s in (0.01, 0.3)]
        killer.strike(i)
    for job in jobs:
        over = daemon.wait(key, job, 180)
        lost = over["cause"] is not None and over["cause"]["category"] == "platform"
        if over["state"] != "succeeded" and not lost:
            complaints.append(f"{job}: {over['state']} {over['cause']}")
        elif over["state"] == "succeeded" and over["attempt"] != 1:
            complaints.append(f"{job} was billed {over['attempt']} attempts for the platform's faults")
        if over["state"] == "succeeded" and daemon.job_log(key, job) != b"begins\nends\n":
            complaints.append(f"{job} wrote {daemon.job_log(key, job)}")
        if hostile_run.processes_of(job):
            complaints.append(f"{job} is over and has processes")
    complaints += hostile_run.leftovers(daemon)
    daemon.stop()
    wait_for(lambda: not daemon.strays(), 30, "everything ends")
    complaints += hostile_run.what_stays(daemon)
    ledger("77", "kill -9 of daemon, spawner and keeper at every moment; E21", "no leak; every job's end is told",
           f"{killer.done}, {len(jobs)} jobs, {len(complaints)} wrong", complaints[:10])


# --- many launches -------------------------------------------------------------------------------------


def counts(daemon):
    """What launches take, and should give back."""
    groups = [p for top in daemon.cgroups() for p in top.rglob("*") if p.is_dir()]
    spaces = set()
    for pid in os.listdir("/proc"):
        if pid.isdigit() and str(daemon.state).encode() in command_line(pid):
            try:
                spaces |= {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
            except OSError:
                pass
    spawner = daemon.spawner()
    return {
        "processes": len(daemon.processes()),
        "control groups": len(groups),
        "mounts seen by the spawner": len(hostile_run.lines_of(f"/proc/{spawner}/mountinfo")),
        "namespaces held": len([s for s in spaces if ":[" in s and not s.startswith(("pipe", "socket"))]),
        "descriptors of the daemon": len(os.listdir(f"/proc/{daemon.process.pid}/fd")),
        "descriptors of the spawner": len(os.listdir(f"/proc/{spawner}/fd")),
        "loop devices in use": len([p for p in pathlib.Path("/sys/block").glob("loop*/loop")]),
        "MiB of the spawner": hostile_run.Host.rss_of(spawner) >> 20,
        "MiB of the daemon": hostile_run.Host.rss_of(daemon.process.pid) >> 20,
    }


# Cells and groups that wait for the next job come and go, a few in each hierarchy.
NOISE = {"processes": 8, "control groups": 48, "namespaces held": 8, "MiB of the daemon": 48, "MiB of the spawner": 4,
         "descriptors of the daemon": 8, "descriptors of the spawner": 48}


def settled(daemon):
    """Counts when nothing of a job goes on any more; warm cells stay as they are."""
    last = [None]

    def same():
        now = counts(daemon)
        quiet, last[0] = now == last[0], now
        return quiet
    wait_for(same, 20, "the counts settle", pause=0.3)
    return last[0]


def test_many_launches_take_nothing_that_they_do_not_give_back(daemon, ledger):
    _, key = daemon.bootstrap("alpha")

    def launch(n):
        jobs = [daemon.submit(key, {"environment": "bare", "command": ["true"]}) for _ in range(n)]
        for job in jobs:
            over = daemon.wait(key, job, 600)
            assert over["state"] in FINAL and over["cause"] is None, over

    launch(20)
    before = settled(daemon)
    for _ in range(LAUNCHES // 100):
        launch(100)
    after = settled(daemon)
    grown = {name: after[name] - n for name, n in before.items() if after[name] - n > NOISE.get(name, 1)}
    dying = [line.split()[2] for line in hostile_run.lines_of("/proc/cgroups") if line.startswith("memory")]
    ledger("78", f"{LAUNCHES} launches take nothing that they do not give back", "equal to before",
           f"{after}; memory groups of the host {dying}", [f"{name}: {n} more" for name, n in grown.items()])
