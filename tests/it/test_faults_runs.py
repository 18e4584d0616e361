# SPDX-License-Identifier: Apache-2.0
"""Keepers, spawners and simulations die, freeze and misbehave: every run has one end, and the right one."""
import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

from fault_rig import (NIGHTLY, Victim, cgroups_of, counter, gone, is_run, keeper_of, nothing_left, of_jobs, parent,
                       runs_of, settled, stat_of, whole)
from wardian import command_line, python_job, wait_for

SMALL = {"cpus": 0.5, "memory_bytes": 64 << 20}


@pytest.fixture(scope="module")
def shared():
    """For faults that a daemon and its spawner survive."""
    made = Victim(["--limits.job_grace=1s", "--sched.jobs=32"]).start()
    yield made
    made.destroy()


@pytest.fixture
def victim():
    made = []

    def start(*settings):
        made.append(Victim(settings))
        return made[-1].start()

    yield start
    for each in made:
        each.destroy()


# --- keepers -------------------------------------------------------------------------------------


def test_a_frozen_keeper_does_not_stretch_the_wall_time(shared):
    job, = shared.running([counter(60, limits={"wall_s": 2})])
    keeper = keeper_of(job)
    os.kill(keeper, signal.SIGSTOP)
    began = time.monotonic()
    over = shared.over(job, 30)
    assert time.monotonic() - began < 12
    assert (over["state"], over["cause"]["category"], over["cause"]["kind"]) == ("failed", "resource", "wall-time")
    assert over["attempt"] == 1
    assert not any(of_jobs([job]).values()) and gone(keeper)
    ends = [e["event"] for e in shared.events(job)]
    assert ends == ["claim", "started", "exited-bad"], ends


def test_a_frozen_keeper_that_wakes_goes_on_as_if_nothing_had_been(shared):
    job, = shared.running([counter(4)])
    keeper = keeper_of(job)
    os.kill(keeper, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(keeper, signal.SIGCONT)
    settled(shared, [job])
    whole(shared.log_of(job))


def test_a_frozen_keeper_ends_when_its_job_is_canceled(shared):
    job, = shared.running([counter(60)])
    os.kill(keeper_of(job), signal.SIGSTOP)
    began = time.monotonic()
    assert shared.request("POST", f"/v1/jobs/{job}/cancel", shared.key)[0] == 202
    assert shared.over(job, 20)["state"] == "canceled"
    assert time.monotonic() - began < 5


def test_a_killed_keeper_takes_its_sandbox_along_and_the_job_runs_again(shared):
    jobs = shared.running([counter(3)] * 3)
    before = of_jobs(jobs)
    victims = [keeper_of(job) for job in jobs]
    began = time.monotonic()
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: all(gone(p) for pids in before.values() for p in pids), 2, "the sandboxes are dead", pause=0.005)
    assert time.monotonic() - began < 2
    settled(shared, jobs)
    for job in jobs:
        whole(shared.log_of(job))
        events = shared.events(job)
        assert [e["event"] for e in events] == ["claim", "started", "retry", "claim", "started", "exited-ok"]
    nothing_left(shared, jobs)


# --- the spawner ---------------------------------------------------------------------------------


def test_a_spawner_killed_while_it_builds_leaves_a_start_or_none(victim):
    victim = victim("--sched.jobs=32")
    resources, jobs = {"cpus": 0.1, "memory_bytes": 64 << 20}, []
    for i in range(60 if NIGHTLY else 14):
        monitor, worker = victim.spawners()
        jobs += [victim.submit(victim.key, python_job(f"print({i})", resources=resources)) for _ in range(6)]
        time.sleep(0.002 * (i % 13))
        # The monitor starts another worker; without a monitor it is the service manager that starts both.  After
        # five workers in a minute the monitor gives up, as it should.
        doomed = [(monitor,), (worker, monitor), (worker,)][i % 3 if i < 15 else i % 2]
        for pid in doomed:
            os.kill(pid, signal.SIGKILL)
        if monitor in doomed:
            wait_for(lambda: victim.spawners() == (None, None), 5, "the spawner is gone")
            victim.start_spawner()
        wait_for(lambda: victim.spawners()[1] not in (None, worker), 5, "a worker is there")
    for i, job in enumerate(jobs):
        found = victim.over(job, 90)
        assert (found["state"], found["attempt"]) == ("succeeded", 1), (job, found)
        assert victim.log_of(job) == f"{i // 6}\n".encode()
    nothing_left(victim, jobs)
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    assert not [line for line in mounts if str(victim.state) in line]


def move(group, pids):
    for pid in pids:
        with contextlib.suppress(OSError):
            (group / "cgroup.procs").write_text(str(pid))


def pids_group(pid):
    """The group of the first version's pids controller that a process is in; None when there is none."""
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "pids":
            return pathlib.Path("/sys/fs/cgroup/pids") / path.lstrip("/")
    return None


def family(pid):
    found = {pid}
    for _ in range(4):
        found |= {int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit() and parent(p.name) in found}
    return found


@pytest.mark.skipif(pids_group("self") is None, reason="this host has no pids controller of version 1")
def test_a_spawner_that_cannot_fork_burns_no_attempt(victim):
    victim = victim()
    monitor, _ = victim.spawners()
    home = pids_group(monitor)
    tight = home / f"wardian-it-tight-{os.getpid()}"
    tight.mkdir()
    try:
        move(tight, family(monitor))
        (tight / "pids.max").write_text((tight / "pids.current").read_text().strip())
        jobs = [victim.submit(victim.key, python_job("print('at last')")) for _ in range(2)]
        wait_for(lambda: all(sum(e["event"] == "retry" for e in victim.events(job)) >= 2 for job in jobs), 20,
                 "each is put back twice")
        for job in jobs:
            found = victim.job(job)
            assert found["state"] in ("queued", "claimed") and found["attempt"] <= 1, found
        (tight / "pids.max").write_text("max")
        settled(victim, jobs)
        for job in jobs:
            assert victim.log_of(job) == b"at last\n"
        nothing_left(victim, jobs)
    finally:
        (tight / "pids.max").write_text("max")
        victim.end_spawner()
        wait_for(lambda: victim.spawners() == (None, None), 10, "the spawner ends")
        wait_for(lambda: not (tight / "cgroup.procs").read_text(), 10, "the group is empty")
        tight.rmdir()


# --- pids that come back ---------------------------------------------------------------------------


def stranger_with(pid, words, tries=60):
    """A process of that number, by setting the last one given; None when others were faster each time."""
    for _ in range(tries):
        if pathlib.Path(f"/proc/{pid}").exists():
            time.sleep(0.01)
            continue
        pathlib.Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        process = subprocess.Popen(words, executable="/usr/bin/sleep", stdin=subprocess.DEVNULL)
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    return None


def test_a_pid_that_comes_back_as_a_stranger_is_not_touched(victim):
    victim = victim()
    met = 0
    for _ in range(40 if NIGHTLY else 2):
        job, = victim.running([counter(1)])
        keeper = keeper_of(job)
        run = next(r for r in runs_of(victim) if (r / "out").exists())
        monitor, worker = victim.spawners()
        for pid in (monitor, worker, keeper):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: stat_of(keeper) is None, 5, "the keeper's pid is free")
        stranger = stranger_with(keeper, ["wardian-keeper", "30"])
        try:
            assert (run / "out").exists()
            victim.start_spawner()
            settled(victim, [job])
            if stranger:
                met += 1
                assert stranger.poll() is None
        finally:
            if stranger:
                stranger.kill()
                stranger.wait()
    assert met > 0, "the kernel never gave the pid again"


# --- simulations ---------------------------------------------------------------------------------

BOMB = """
import os, signal, sys
for s in (signal.SIGTERM, signal.SIGINT):
    signal.signal(s, signal.SIG_IGN)
print("lit", flush=True)
while True:
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
    except OSError:
        pass
"""
DEAF = """
import os, signal, time
for s in range(1, 32):
    try:
        signal.signal(s, signal.SIG_IGN)
    except OSError:
        pass
print("deaf", flush=True)
os.closerange(0, 64)
time.sleep(100)
"""
HEIR = """
import os, time
print("parent", flush=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(100)
    os._exit(0)
"""


# Of the environment's own way to be told, and the daemon's grace.
RECIPE_S, GRACE_S = 5, 1


def test_hostile_jobs_are_gone_a_second_after_their_grace(shared):
    jobs = [shared.submit(shared.key, python_job(script, resources=SMALL)) for script in (BOMB, DEAF)]
    wait_for(lambda: all(b"\n" in shared.log_of(job) for job in jobs), 20, "they run")
    time.sleep(0.5)
    began = time.monotonic()
    for job in jobs:
        assert shared.request("POST", f"/v1/jobs/{job}/cancel", shared.key)[0] == 202
    wait_for(lambda: not any(of_jobs(jobs).values()), RECIPE_S + GRACE_S + 1, "no process is left", pause=0.05)
    assert time.monotonic() - began < RECIPE_S + GRACE_S + 1
    for job in jobs:
        assert shared.over(job, 10)["state"] == "canceled"
    nothing_left(shared, jobs)


def test_a_run_ends_with_its_main_process_although_its_heirs_hold_the_log_open(shared):
    began = time.monotonic()
    over = shared.run(shared.key, python_job(HEIR, resources=SMALL))
    assert over["state"] == "succeeded" and time.monotonic() - began < 5
    assert shared.log_of(over["id"]) == b"parent\n"
    nothing_left(shared, [over["id"]])


def test_a_job_out_of_memory_fails_for_that_reason_within_two_seconds(shared):
    began = time.monotonic()
    over = shared.run(shared.key, python_job("x = bytearray(200 << 20)", resources=SMALL))
    assert time.monotonic() - began < 2.5
    assert (over["state"], over["cause"]["category"], over["cause"]["kind"]) == ("failed", "resource", "oom")
    assert over["usage"]["wall_s"] < 2


SUICIDE = "import os, signal, resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n" \
          "signal.signal({0}, signal.SIG_DFL) if {0} not in (9, 19) else None\nos.kill(os.getpid(), {0})\n" \
          "import time; time.sleep(5)"
SIGNALS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31, 34, 64]
CODES = list(range(1, 256)) if NIGHTLY else [1, 2, 126, 127, 128, 134, 137, 139, 143, 255]


def endings():
    """(name, job, category, kind, exit code, signal)."""
    found = [("exit 0", python_job("raise SystemExit(0)"), None, None, None, None)]
    for code in CODES:
        found.append((f"exit {code}", python_job(f"import os; os._exit({code})"), "user", "exit-code", code, None))
    for sig in SIGNALS:
        found.append((f"signal {sig}", python_job(SUICIDE.format(sig)), "numerical" if sig == signal.SIGFPE else "user",
                      "signal", None, int(sig)))
    more = [
        ("fault", python_job("import ctypes; ctypes.string_at(0)"), "user", "signal", None, signal.SIGSEGV),
        ("exception", python_job("raise ValueError"), "user", "exit-code", 1, None),
        ("oom", python_job("x = bytearray(200 << 20)"), "resource", "oom", None, None),
        ("oom of a child", python_job("import os, time\nif os.fork() == 0:\n x = bytearray(200 << 20)\nos.wait()\n"
                                      "time.sleep(30)"), "resource", "oom", None, None),
        ("oom that says 137", python_job("import os\nif os.fork() == 0:\n x = bytearray(200 << 20)\nos.wait()\n"
                                         "os._exit(137)"), "resource", "oom", None, None),
        ("wall", python_job("import time; time.sleep(60)", limits={"wall_s": 1}), "resource", "wall-time", None, None),
        ("silence", python_job("import time; time.sleep(60)", limits={"wall_s": 30, "no_output_s": 1}), "resource",
         "no-output", None, None),
        ("no Python", python_job("this is none"), "user", "exit-code", 1, None),
    ]
    for each in found + more:
        each[1].setdefault("resources", SMALL)
        yield each


def test_the_reason_of_every_end_is_exact(shared):
    cases = list(endings())
    assert len(cases) >= 40
    jobs = [shared.submit(shared.key, manifest) for _, manifest, *_ in cases]
    wrong = []
    for (name, _, category, kind, code, sig), job in zip(cases, jobs):
        over = shared.over(job, 120)
        cause = over["cause"] or {}
        got = (over["state"], over["attempt"], *(cause.get(k) for k in ("category", "kind", "exit_code", "signal")))
        want = ("succeeded" if category is None else "failed", 1, category, kind, code, sig)
        if kind in ("oom", "wall-time", "no-output"):
            got, want = got[:4], want[:4]
        if got != want:
            wrong.append((name, got, want))
    assert not wrong, wrong
    assert not [c for c in cgroups_of(shared) if is_run(c)]


def test_a_simulation_killed_from_outside_says_which_signal(shared):
    job, = shared.running([counter(30)])
    for pid in of_jobs([job])[job]:
        if not command_line(pid).startswith(b"wardian-keeper"):
            os.kill(pid, signal.SIGKILL)
    over = shared.over(job)
    assert (over["state"], over["cause"]["kind"], over["cause"]["signal"]) == ("failed", "signal", signal.SIGKILL)
