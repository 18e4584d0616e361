# SPDX-License-Identifier: Apache-2.0
"""Daemon, spawner and keepers of different releases: runs go on, nobody is killed, and it is said."""
import contextlib
import fcntl
import os
import pathlib
import signal
import socket
import struct
import threading
import time
import uuid

import pytest

from fault_rig import Victim, counter, gone, keeper_of, of_jobs, runs_of, settled, stat_of, whole
from wardian import BUILD, ENVIRONMENTS, command_line, python_job, wait_for

# A build of the release before, and the environments that it knows.
OLD_BUILD = os.environ.get("WARDIAN_OLD_BUILD")
OLD_ENVIRONMENTS = os.environ.get("WARDIAN_OLD_ENVIRONMENTS", ENVIRONMENTS)
HEAD = struct.Struct("=II16s16sq")
HELLO, START, STOP, KILL, LIST, PURGE = range(1, 7)
READY, STARTED, FAILED, ENDED, LISTED, LIST_END, PURGED, REFUSED = range(1, 9)


class OtherSpawner(threading.Thread):
    """A spawner of another release, as far as every release is the same: it starts nothing, and knows runs that go
    on.  Version 1 takes records of 152 bytes and of its own version alone; later ones take any head."""

    def __init__(self, state, protocol, runs, request_bytes=None, event_bytes=64):
        super().__init__(daemon=True)
        self.path = state / "spawner.sock"
        self.protocol, self.request_bytes, self.event_bytes = protocol, request_bytes, event_bytes
        self.runs = set(runs)
        self.verbs, self.over = [], threading.Event()
        self.lock = open(state / "spawner.lock", "a")
        wait_for(self.take_lock, 5, "the lock is free: it goes with the last descriptor, after the process")
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(self.path))
        self.path.chmod(0o666)
        self.listener.listen(4)
        self.listener.settimeout(0.05)
        self.peers = []

    def take_lock(self):
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def event(self, peer, kind, run=None):
        who = (bytes(16), bytes(16), 0) if run is None else run
        with contextlib.suppress(OSError):
            peer.send(HEAD.pack(self.protocol, kind, *who).ljust(self.event_bytes, b"\xee"))

    def ended(self, run):
        self.runs.discard(run)
        if self.peers:
            self.event(self.peers[-1], ENDED, run)

    def answer(self, peer, record):
        protocol, verb, *run = HEAD.unpack(record[:HEAD.size])
        if self.request_bytes and (len(record) != self.request_bytes or protocol != self.protocol):
            self.event(peer, REFUSED)
            return
        self.verbs.append(verb)
        if verb == HELLO:
            self.event(peer, READY)
            self.event(peer, 77)  # news that only later releases know
        elif verb == LIST:
            for each in self.runs:
                self.event(peer, LISTED, each)
            self.event(peer, LIST_END)
        elif verb == PURGE:
            self.event(peer, PURGED, tuple(run))

    def run(self):
        while not self.over.is_set():
            with contextlib.suppress(TimeoutError):
                peer = self.listener.accept()[0]
                peer.setblocking(False)
                self.peers.append(peer)
            for peer in list(self.peers):
                try:
                    record = peer.recv(4096)
                except BlockingIOError:
                    continue
                except OSError:
                    record = b""
                if record:
                    self.answer(peer, record)
                else:
                    self.peers.remove(peer)
                    peer.close()

    def end(self):
        """As a spawner ends: the socket goes, then the lock."""
        self.over.set()
        self.join(5)
        self.path.unlink(missing_ok=True)
        for each in [self.listener, self.lock, *self.peers]:
            each.close()


@pytest.fixture
def victim():
    made = []

    def start(*settings, build=BUILD, environments=ENVIRONMENTS):
        made.append(Victim(settings, build=pathlib.Path(build), environments=environments))
        return made[-1].start()

    yield start
    for each in made:
        each.destroy()


def identity(run_dir):
    run, _, epoch = run_dir.name.rpartition(".")
    return uuid.UUID(run_dir.parent.name).bytes, uuid.UUID(run).bytes, int(epoch)


def listening(victim, seconds=15):
    """Starts the daemon and waits until it answers, ready or not."""
    victim.start(wait=False)

    def answers():
        try:
            victim.port = int((victim.state / "http.port").read_text())
            return victim.ready()[0]
        except (OSError, ValueError):
            return None
    return wait_for(answers, seconds, "the daemon answers")


RECORDS = [pytest.param({"protocol": 1, "request_bytes": 152}, id="earlier"),
           pytest.param({"protocol": 99, "event_bytes": 96}, id="later")]


@pytest.mark.parametrize("version", RECORDS)
def test_a_spawner_of_another_release_keeps_its_runs_until_they_are_over(victim, version):
    victim = victim()
    job, = victim.running([counter(3)])
    pids, keeper = of_jobs([job]), keeper_of(job)
    victim.kill()
    os.kill(victim.spawners()[0], signal.SIGTERM)
    wait_for(lambda: victim.spawners() == (None, None), 5, "the spawner ends")
    run = identity(runs_of(victim)[0])
    other = OtherSpawner(victim.state, runs=[run], **version)
    other.start()
    try:
        assert listening(victim) == 503
        wait_for(lambda: "another release" in victim.ready()[1], 5, "it is said")
        queued = victim.submit(victim.key, python_job("print('later')"))
        wait_for(lambda: gone(keeper), 20, "the run ends by itself")
        other.ended(run)
        found = victim.over(job)
        assert (found["state"], found["attempt"]) == ("succeeded", 1)
        whole(victim.log_of(job))
        assert pids[job] and victim.job(queued)["state"] == "queued"
        # Held by nobody it may end.
        wait_for(lambda: not other.peers, 10, "the daemon lets go of it")
        assert set(other.verbs) <= {HELLO, LIST, PURGE}, other.verbs
    finally:
        other.end()
    wait_for(lambda: victim.ready()[0] == 200, 10, "the daemon has a spawner of its own")
    settled(victim, [job, queued])
    said = [line for line in victim.log_lines() if "speaks protocol" in line["msg"]]
    assert len(said) == 1 and f"protocol {version['protocol']} " in said[0]["msg"]


def test_a_run_under_a_spawner_of_another_release_can_be_canceled(victim):
    victim = victim()
    job, = victim.running([counter(60)])
    victim.kill()
    os.kill(victim.spawners()[0], signal.SIGTERM)
    wait_for(lambda: victim.spawners() == (None, None), 5, "the spawner ends")
    run, keeper = identity(runs_of(victim)[0]), keeper_of(job)
    other = OtherSpawner(victim.state, 1, [run], request_bytes=152)
    other.start()
    try:
        listening(victim)
        assert victim.request("POST", f"/v1/jobs/{job}/cancel", victim.key)[0] == 202
        wait_for(lambda: STOP in other.verbs, 10, "it is asked to end the run")
        os.kill(keeper, signal.SIGTERM)
        wait_for(lambda: gone(keeper), 20, "the run ends")
        other.ended(run)
        assert victim.over(job)["state"] == "canceled"
    finally:
        other.end()


def test_the_next_spawner_takes_over_at_once_when_the_other_is_ended(victim):
    victim = victim()
    job, = victim.running([counter(6)])
    pids = of_jobs([job])
    victim.kill()
    os.kill(victim.spawners()[0], signal.SIGTERM)
    wait_for(lambda: victim.spawners() == (None, None), 5, "the spawner ends")
    other = OtherSpawner(victim.state, 99, [identity(runs_of(victim)[0])])
    other.start()
    try:
        assert listening(victim) == 503
        # Another start in between finds one waiting already.
        victim.kill()
        assert listening(victim) == 503
        assert len(victim.spawner_pids()) == 1
    finally:
        other.end()
    wait_for(lambda: victim.ready()[0] == 200, 10, "the daemon has a spawner of its own")
    assert of_jobs([job]) == pids
    settled(victim, [job])
    whole(victim.log_of(job))


def of_a_later_release(job):
    """Makes the keeper of a job one of version 9, in the arguments that it shows."""
    keeper = keeper_of(job)
    begin, end = map(int, stat_of(keeper)[45:47])
    with open(f"/proc/{keeper}/mem", "r+b", buffering=0) as memory:
        memory.seek(begin)
        words = memory.read(end - begin).split(b"\0")
        assert len(words) >= 4 and len(words[3]) == 1, words
        memory.seek(begin + sum(len(word) + 1 for word in words[:3]))
        memory.write(b"9")
    assert command_line(keeper).split(b"\0")[3] == b"9"


def kill_worker(victim):
    worker = victim.spawners()[1]
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: victim.spawners()[1] not in (None, worker), 5, "the next worker is there")
    wait_for(lambda: victim.ready()[0] == 200, 5, "the daemon is back with it")


def test_a_keeper_of_a_later_release_is_left_alone_and_it_is_said(victim):
    victim = victim()
    job, = victim.running([counter(4)])
    pids = of_jobs([job])
    of_a_later_release(job)
    for _ in range(2):
        kill_worker(victim)
        time.sleep(0.5)
        assert of_jobs([job]) == pids
    settled(victim, [job])
    whole(victim.log_of(job))
    assert "later release" in victim.log()


def test_a_keeper_of_a_later_release_ends_when_its_job_is_canceled(victim):
    victim = victim("--limits.job_grace=500ms")
    job, = victim.running([counter(60)])
    of_a_later_release(job)
    kill_worker(victim)
    assert victim.request("POST", f"/v1/jobs/{job}/cancel", victim.key)[0] == 202
    assert victim.over(job, 30)["state"] == "canceled"
    assert not any(of_jobs([job]).values())


@pytest.mark.skipif(not OLD_BUILD, reason="WARDIAN_OLD_BUILD names no build of the release before")
def test_an_upgrade_from_the_release_before_disturbs_nothing(victim):
    victim = victim("--sched.jobs=8", build=OLD_BUILD, environments=OLD_ENVIRONMENTS)
    jobs = victim.running([counter(8)] * 4)
    pids = of_jobs(jobs)
    assert victim.stop() == 0
    victim.build = victim.spawner_build = BUILD
    victim.environments = ENVIRONMENTS
    assert listening(victim) == 503
    queued = victim.submit(victim.key, python_job("print('new')"))
    assert of_jobs(jobs) == pids
    settled(victim, jobs)
    for job in jobs:
        whole(victim.log_of(job))
    settled(victim, [queued])


@pytest.mark.skipif(not OLD_BUILD, reason="WARDIAN_OLD_BUILD names no build of the release before")
def test_keepers_of_the_release_before_are_adopted(victim):
    victim = victim("--sched.jobs=8", build=OLD_BUILD, environments=OLD_ENVIRONMENTS)
    jobs = victim.running([counter(6)] * 4)
    pids = of_jobs(jobs)
    victim.kill()
    os.kill(victim.spawners()[0], signal.SIGTERM)
    wait_for(lambda: victim.spawners() == (None, None), 5, "the old spawner ends")
    victim.build = victim.spawner_build = BUILD
    victim.environments = ENVIRONMENTS
    victim.start()
    assert of_jobs(jobs) == pids
    settled(victim, jobs)
    for job in jobs:
        whole(victim.log_of(job))
