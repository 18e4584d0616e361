# SPDX-License-Identifier: Apache-2.0
"""What the tests of faults share: victims, their processes, and what must hold when a fault is over."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

from wardian import Daemon, command_line, processes_mentioning, python_job, wait_for

NIGHTLY = os.environ.get("WARDIAN_NIGHTLY") == "1"
PROC = pathlib.Path("/proc")

# Counts until its time is up, so that a gap, a repetition or a second run would show.
COUNTER = """
import os, sys, time
until = time.monotonic() + float(sys.argv[1])
print("pid", os.getpid(), flush=True)
i = 0
while time.monotonic() < until:
    print("tick", i, flush=True)
    i += 1
    time.sleep(0.05)
print("end", i, flush=True)
"""


def counter(seconds, **more):
    more.setdefault("resources", {"cpus": 0.1, "memory_bytes": 64 << 20})
    return python_job(COUNTER, [str(seconds)], **more)


def whole(log):
    """Every line of a COUNTER once and in order."""
    lines = log.decode().splitlines()
    ticks = int(lines[-1].split()[1])
    assert lines[0].startswith("pid ") and lines[1:] == [*(f"tick {i}" for i in range(ticks)), f"end {ticks}"]
    assert ticks > 0


# --- processes -----------------------------------------------------------------------------------


def stat_of(pid):
    """Fields of /proc/<pid>/stat from the third on; None when it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def parent(pid):
    fields = stat_of(pid)
    return int(fields[1]) if fields else None


def state_letter(pid):
    fields = stat_of(pid)
    return fields[0] if fields else None


def gone(pid):
    return state_letter(pid) in (None, "Z", "X")


def cpu_seconds(pid):
    fields = stat_of(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def of_jobs(jobs):
    """Host pids of the processes of each job, in one look at /proc."""
    found = {job: set() for job in jobs}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for word in environment:
            if word.startswith(b"WARDIAN_JOB_ID="):
                job = word.partition(b"=")[2].decode()
                if job in found:
                    found[job].add(int(entry.name))
    return found


def keeper_of(job):
    """The keeper of a running job: the parent of its main process."""
    for pid in of_jobs([job])[job]:
        above = parent(pid)
        if above and command_line(above).startswith(b"wardian-keeper\0"):
            return above
    return None


# --- victims -------------------------------------------------------------------------------------


class Victim(Daemon):
    """A daemon that is hurt; its spawner can be started by hand, as a service manager does."""

    def __init__(self, settings=(), **more):
        super().__init__(["--limits.failed_logins_per_minute=1000000", "--sched.cpus=8", *settings], **more)
        self.key = None
        self.spawner_build = self.build

    def start(self, wait=True):
        super().start(wait)
        if wait and self.key is None:
            self.key = self.bootstrap("alpha")[1]
        return self

    def running(self, manifests, seconds=30):
        """Submits; returns the jobs when each has a process."""
        jobs = [self.submit(self.key, m) for m in manifests]
        wait_for(lambda: all(of_jobs(jobs).values()), seconds, "all jobs run", pause=0.1)
        wait_for(lambda: all(self.job(job)["state"] == "running" for job in jobs), seconds, "all are said to run")
        return jobs

    def job(self, job):
        return self.json("GET", f"/v1/jobs/{job}", self.key)

    def events(self, job):
        return self.json("GET", f"/v1/jobs/{job}/events", self.key)["data"]

    def over(self, job, seconds=60):
        return self.wait(self.key, job, seconds)

    def log_of(self, job):
        return self.job_log(self.key, job)

    def metric(self, name, **labels):
        want = name + ("{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}" if labels else "")
        for line in self.request("GET", "/metrics")[2].decode().splitlines():
            if line.startswith(want + " "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def ready(self):
        """(status, reasons) of /readyz; (None, error) when nobody listens."""
        try:
            status, _, body = self.request("GET", "/readyz?verbose=true", timeout=5)
        except OSError as error:
            return None, str(error)
        return status, " ".join(c.get("detail") or "" for c in json.loads(body).get("checks", []))

    def wait_status(self, seconds=15):
        """Waits for the end that somebody else asked for."""
        status = self.process.wait(seconds)
        self.process = None
        return status

    def spawner_pids(self):
        return [p for p in processes_mentioning(str(self.state))
                if command_line(p).split(b"\0")[0].endswith(b"/wardian-spawner") and not gone(p)]

    def spawners(self):
        """(monitor, worker); None for what is not there."""
        pids = self.spawner_pids()
        workers = [p for p in pids if parent(p) in pids]
        monitors = [p for p in pids if p not in workers]
        return (monitors or [None])[0], (workers or [None])[0]

    def start_spawner(self, wait=True):
        """What the service unit does; it goes to the background."""
        command = [str(self.spawner_build / "wardian-spawner"), "--state", str(self.state), "--user", "wardian",
                   "--uid-base", "1879048192", "--keeper", str(self.spawner_build / "wardian-keeper")]
        with open(self.log_path, "ab") as log:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=20, check=False,
                                  start_new_session=True)
        if wait:
            assert done.returncode == 0, self.log()[-2000:]
        return done.returncode

    def end_spawner(self):
        pids = self.spawner_pids()
        for pid in pids:
            if parent(pid) not in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

    def destroy(self):
        if self.process is not None:
            with contextlib.suppress(OSError):
                os.kill(self.process.pid, signal.SIGCONT)
        self.stop()
        self.kill_keepers()
        self.end_spawner()
        self.end_postgres()
        if self.state.exists():
            self.sweep()
        super().destroy()

    def end_postgres(self):
        """Of a daemon that did not come to its own end."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int((self.state / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
            if str(self.state).encode() in command_line(pid):
                os.kill(pid, signal.SIGQUIT)

    def sweep(self):
        """What a killed spawner left is the next one's to remove; afterwards nothing may be there."""
        for _ in range(3):
            wait_for(lambda: not self.spawner_pids(), 15, "the spawner ends")
            if not groups_of(self):
                return
            self.start_spawner(wait=False)
            time.sleep(0.5)
            self.end_spawner()
        raise AssertionError(f"control groups stay: {groups_of(self)}")


def groups_of(victim):
    """The control groups that this victim's spawner makes its runs' groups in."""
    st = victim.state.stat()
    name, found = f"wardian-{st.st_dev:x}-{st.st_ino:x}", []
    for place, below, _ in os.walk("/sys/fs/cgroup"):  # unlike rglob it takes groups that go meanwhile
        if name in below:
            found.append(pathlib.Path(place) / name)
        below[:] = [each for each in below if not each.startswith("wardian-")]
    return found


def cgroups_of(victim):
    """Directories of control groups of this victim's runs."""
    found = set()
    for top in groups_of(victim):
        with contextlib.suppress(OSError):
            found.update(str(p) for p in top.iterdir() if p.is_dir())
    return found


def runs_of(victim):
    return [p for p in victim.state.glob("runs/*/*") if p.is_dir()]


def settled(victim, jobs, attempt=1, state="succeeded"):
    """J1, J2, J3, J7 for jobs that end: each once, without a lost attempt."""
    for job in jobs:
        found = victim.over(job)
        assert (found["state"], found["attempt"]) == (state, attempt), (job, found)
        events = [e["event"] for e in victim.events(job)]
        assert len([e for e in events if e in ("exited-ok", "exited-bad", "reaped")]) == 1, events
        numbers = [e["number"] for e in victim.events(job)]
        assert numbers == list(range(len(numbers)))


def nothing_left(victim, jobs, seconds=20):
    """J4, J5: no process of the jobs, no keeper, no control group of a run."""
    wait_for(lambda: not any(of_jobs(jobs).values()), seconds, "no process of a job is left")
    wait_for(lambda: not keepers(victim), seconds, "no keeper is left")
    wait_for(lambda: not [c for c in cgroups_of(victim) if is_run(c)], seconds, "no control group of a run is left")


def is_run(path):
    """Groups that wait for their next run have nobody in them."""
    with contextlib.suppress(OSError):
        return pathlib.Path(path, "cgroup.procs").read_text() != ""
    return False


def keepers(victim):
    """Keepers of this victim's runs."""
    names = {run.name for run in runs_of(victim)}
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            words = command_line(entry.name).split(b"\0")
            if words[0] == b"wardian-keeper" and len(words) > 1 and words[1].decode().rpartition("/")[2] in names:
                if not gone(int(entry.name)):
                    found.append(int(entry.name))
    return found


class Load(threading.Thread):
    """Asks for something again and again; keeps what came."""

    def __init__(self, ask, pause=0.01):
        super().__init__(daemon=True)
        self.ask, self.pause = ask, pause
        self.seen, self.stop_it = [], threading.Event()

    def run(self):
        while not self.stop_it.is_set():
            began = time.monotonic()
            try:
                got = self.ask()
            except OSError as error:
                got = error
            self.seen.append((began, time.monotonic(), got))
            self.stop_it.wait(self.pause)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop_it.set()
        self.join(30)
