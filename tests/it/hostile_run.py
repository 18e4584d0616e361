# SPDX-License-Identifier: Apache-2.0
"""Runs hostile jobs through the API beside a witness of another tenant, and looks at the host."""
import base64
import concurrent.futures
import gzip
import hashlib
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import threading
import time
import urllib.parse

import wardian

NIGHTLY = os.environ.get("WARDIAN_NIGHTLY") == "1"
PROGRAM = pathlib.Path(os.environ.get("WARDIAN_HOSTILE") or wardian.BUILD / "tests" / "probes" / "wardian-hostile")
GRACE_S = 0.2
AT_ONCE = 6
SETTLE_S = 10
TICKS = 60  # of a witness: 50 ms each
CANARY = "canary-of-the-daemon"
UNPACK = 'gzip -dc hostile.gz > /tmp/hostile && rm hostile.gz && chmod 755 /tmp/hostile && exec /tmp/hostile "$@"'
SETTINGS = ("--limits.failed_logins_per_minute=1000000", f"--limits.job_grace={int(GRACE_S * 1000)}ms",
            "--sched.cpus=32")


def xorshift(n, x=88172645463325252):
    """The low bytes of n steps, and the last state."""
    out = bytearray()
    for _ in range(n):
        x ^= (x << 13) & 0xFFFFFFFFFFFFFFFF
        x ^= x >> 7
        x ^= (x << 17) & 0xFFFFFFFFFFFFFFFF
        out.append(x & 0xFF)
    return bytes(out), x


def everything(n):
    """What the program's `bytes` writes."""
    period = xorshift(65521)[0]
    out = bytearray()
    for k in range(n // len(period) + 1):
        out += period.translate(bytes(c ^ (k & 0xFF) for c in range(256)))
    return bytes(out[:n])


# Nothing but a shell: no stop recipe, and one result that a job can replace.
PROFILE = """
name = "bare"
title = "Bare"
description = "Runs a command."
package = "dash"
program = "/usr/bin/sh"
command = ["/usr/bin/sh", "-c", "true"]

[defaults]
cpus = 1
memory = "512MiB"
wall = "1h"

[result.result]
kind = "json"
file = "result.json"

[success]
exit_code = 0
"""


class HostileDaemon(wardian.Daemon):
    """A daemon that somebody started carelessly: 50 open descriptors, a secret in the environment, a
    directory of its own, and ignored signals.  Its uids are nobody else's on this host."""

    def __init__(self, *settings):
        self.uid_base = 1_400_000_000 + os.getpid() % 4096 * 65536
        super().__init__([*SETTINGS, f"--sandbox.uid_base={self.uid_base}", *settings], env={"SECRET": CANARY})
        self.secret = self.root / CANARY
        self.secret.mkdir(mode=0o755)
        self.environments = self.root / "environments"
        self.environments.mkdir(mode=0o755)
        (self.environments / "bare.toml").write_text(PROFILE)

    def arguments(self, command):
        words = super().arguments(command)
        if command != ["serve"]:
            return words
        careless = ("trap '' HUP USR1 USR2 ALRM WINCH; for i in {100..149}; do eval \"exec $i</etc/passwd\"; done; "
                    'cd "$0" && exec "$@"')
        return ["/bin/bash", "-c", careless, str(self.secret), *words]

    def uids(self):
        return range(self.uid_base, self.uid_base + 65536)

    def processes(self):
        """(pid, uid, name) of what runs under the uids of this daemon's tenants."""
        return [(p, u, n) for p, u, n in processes() if u in self.uids()]

    def cgroups(self):
        """Control groups of this daemon's spawner, in every hierarchy."""
        st = self.state.stat()
        name = f"wardian-{st.st_dev:x}-{st.st_ino:x}"
        found = []
        for top, folders, _ in os.walk("/sys/fs/cgroup"):
            if os.path.basename(top) == name:
                found.append(pathlib.Path(top))
                folders.clear()
        return found

    def spawner(self):
        pids = [p for p in self.strays() if b"wardian-spawner" in wardian.command_line(p).split(b"\0")[0]]
        return pids[0] if pids else None


def processes():
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                status = pathlib.Path(entry.path, "status").read_text()
            except OSError:
                continue
            found.append((int(entry.name), int(re.search(r"^Uid:\t(\d+)", status, re.M).group(1)),
                          status.split("\n", 1)[0][6:]))
    return found


def processes_of(job):
    """Pids whose environment bears the job's id: all that came from its program, wherever they went."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if f"WARDIAN_JOB_ID={job}".encode() in pathlib.Path(entry.path, "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


# --- the host ------------------------------------------------------------------------------------


def lines_of(path):
    try:
        return pathlib.Path(path).read_text().splitlines()
    except OSError:
        return []


def shared_memory(daemon):
    """Bytes of tmpfs and shared memory that are charged to the daemon's jobs, the ended ones included."""
    total = 0
    for group in daemon.cgroups():
        for line in lines_of(group / "memory.stat"):
            name, n = line.split()
            if name == ("total_shmem" if (group / "memory.limit_in_bytes").exists() else "shmem"):
                total += int(n)
    return total


def fingerprint(paths):
    """Owners, modes, sizes and times of change: what no write leaves as it was."""
    found = {}
    for path in paths:
        try:
            st = os.lstat(path)
            found[str(path)] = (st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_ctime_ns)
        except OSError:
            found[str(path)] = None
    return found


def files_of(uids, left_out):
    """Files that belong to somebody in uids, where a job could have left them."""
    tops = ["/"] if NIGHTLY else ["/tmp", "/var/tmp", "/dev", "/run", "/var/lib", "/var/spool", "/var/log", "/etc", "/home",
                                 "/mnt", "/opt", "/srv", "/root", "/boot"]
    depth = [] if NIGHTLY else ["-maxdepth", "4"]
    out = subprocess.run(["find", *tops, *depth, "-xdev", "-path", str(left_out), "-prune", "-o", "-uid",
                          f"+{uids.start - 1}", "-uid", f"-{uids.stop}", "-print"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return out.stdout.decode(errors="replace").splitlines()


class Host:
    """What no job may change, taken before and after."""

    WATCHED = ["/etc", "/etc/passwd", "/etc/shadow", "/etc/hosts", "/usr", "/usr/bin", "/usr/bin/true", "/usr/bin/env",
               "/usr/bin/python3", "/usr/lib", "/usr/local", "/", "/dev", "/home", "/var", "/var/lib", "/boot"]
    SETTINGS = ["kernel/core_pattern", "kernel/hostname", "kernel/randomize_va_space", "vm/overcommit_memory",
                "kernel/sysrq", "kernel/yama/ptrace_scope"]

    def __init__(self, daemon):
        self.daemon = daemon
        self.facts = {
            "files of the system": fingerprint(self.WATCHED),
            "settings of the kernel": {s: lines_of(f"/proc/sys/{s}") for s in self.SETTINGS},
            "programs": {n: hashlib.sha256((daemon.build / n).read_bytes()).hexdigest()
                         for n in ("wardian-keeper", "wardian-spawner", "wardiand")},
            "loop devices": {p.name: lines_of(p / "loop/backing_file") for p in pathlib.Path("/sys/block").glob("loop*")},
            "named network namespaces": sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else [],
            "message queues and segments": [line for kind in ("msg", "sem", "shm")
                                            for line in lines_of(f"/proc/sysvipc/{kind}")[1:]
                                            if any(int(word) in daemon.uids() for word in line.split())],
            "modules": sorted(line.split()[0] for line in lines_of("/proc/modules")),
            "swaps": lines_of("/proc/swaps"),
            "mounts of the host": sorted({line.split()[4] for line in lines_of("/proc/self/mountinfo")
                                          if "wardian-it-" not in line}),
            "daemon": daemon.process.pid,
            "spawner": daemon.spawner(),
        }
        self.clock = time.time() - time.monotonic()
        self.shared = shared_memory(daemon)
        self.files = int(lines_of("/proc/sys/fs/file-nr")[0].split()[0])
        self.descriptors = {n: self.count_fds(p) for n, p in self.servers().items()}
        self.rss = self.rss_of(daemon.process.pid)

    def servers(self):
        return {"daemon": self.daemon.process.pid, "spawner": self.daemon.spawner()}

    @staticmethod
    def count_fds(pid):
        return len(os.listdir(f"/proc/{pid}/fd"))

    @staticmethod
    def rss_of(pid):
        return next(int(line.split()[1]) * 1024 for line in lines_of(f"/proc/{pid}/status") if line.startswith("VmRSS"))

    def changes(self):
        """Complaints: one sentence for each thing that is not as it was."""
        now = Host(self.daemon)
        found = [f"{name}: {self.facts[name]} became {now.facts[name]}" for name in self.facts
                 if self.facts[name] != now.facts[name]]
        if abs(now.clock - self.clock) > 1:
            found.append(f"the clock moved by {now.clock - self.clock} s")
        # What was taken here is far beyond these bounds; below them is what the host does anyway.
        if now.shared > self.shared + (8 << 20):
            found.append(f"{now.shared - self.shared} bytes of scratch spaces are still there")
        if now.files > self.files + 4000:
            found.append(f"{now.files - self.files} more open files")
        for name, n in now.descriptors.items():
            if n > self.descriptors[name] + 16:
                found.append(f"the {name} has {n} descriptors instead of {self.descriptors[name]}")
        if now.rss > self.rss + (96 << 20):
            found.append(f"the daemon grew by {now.rss - self.rss} bytes")
        return found


def is_servant(pid):
    """The keeper or another program of ours, by its file: some may wait for the next job."""
    try:
        return "wardian-" in os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return True  # it has just ended


def what_is_left(daemon):
    found = [f"process {p}" for p in daemon.processes() if not is_servant(p[0])]
    found += [f"key of {line}" for line in lines_of("/proc/key-users") if int(line.split(":")[0]) in daemon.uids()]
    found += [f"mount {line.split()[4]}" for line in lines_of("/proc/self/mountinfo") if str(daemon.root) in line]
    return found


def leftovers(daemon):
    """Complaints about what stays of a daemon's jobs while it goes on, after a moment for the last of
    them."""
    until = time.monotonic() + SETTLE_S
    while what_is_left(daemon) and time.monotonic() < until:
        time.sleep(0.2)
    return what_is_left(daemon) + [f"file {f}" for f in files_of(daemon.uids(), daemon.root)]


def what_stays(daemon):
    """Complaints about what is there when the daemon and its spawner have ended; what they held ends a
    moment later."""
    until = time.monotonic() + SETTLE_S
    while True:
        found = [f"process {p}" for p in daemon.processes()] + [f"control group {g}" for g in daemon.cgroups()]
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.2)


# --- jobs -----------------------------------------------------------------------------------------


class Run:
    """One job that ended, and everything that can be asked about it."""

    def __init__(self, rig, job, log, began, alive):
        self.rig, self.job, self.log, self.alive = rig, job, log, alive
        self.seconds = time.monotonic() - began
        self.facts = {}
        for line in log.splitlines():
            try:
                said = json.loads(line)
                self.facts.setdefault(said["fact"], []).append(said["got"])
            except (ValueError, KeyError, TypeError):
                continue

    @property
    def usage(self):
        return self.job["usage"] or {}

    def ended(self):
        """The verdict in words: "exit 0", "signal 9", "oom"..."""
        cause = self.job["cause"]
        if self.job["state"] == "succeeded":
            return "exit 0"
        if cause["kind"] == "exit-code":
            return f"exit {cause['exit_code']}"
        if cause["kind"] == "signal":
            return f"signal {cause['signal']}"
        return cause["kind"]

    def one(self, name):
        return self.facts.get(name, [""])[0]

    def number(self, name):
        return int(self.one(name) or -1)

    def files(self):
        """{path: bytes} of what was kept."""
        path = f"/v1/jobs/{self.job['id']}/files?limit=10000"
        return {f["path"]: f["size_bytes"] for f in self.rig.daemon.json("GET", path, self.rig.key)["data"]}

    def file(self, path):
        quoted = urllib.parse.quote(path, safe="/")
        status, _, body = self.rig.daemon.request("GET", f"/v1/jobs/{self.job['id']}/files/{quoted}", self.rig.key)
        return body if status == 200 else None

    def directory(self):
        """Of the run on the host."""
        return next(iter(self.rig.daemon.state.glob(f"runs/*/{job_uuid(self.job['id'])}.*")))


def job_uuid(job):
    """The uuid behind a TypeID."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    n = 0
    for c in job.split("_")[1]:
        n = n * 32 + alphabet.index(c)
    h = f"{n:032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


class Witness(threading.Thread):
    """Jobs of the other tenant, one after the other, as long as the hostile ones run."""

    def __init__(self, rig):
        super().__init__()
        self.rig, self.over = rig, threading.Event()
        self.complaints, self.pace, self.jobs = [], [], 0
        x, lines = 88172645463325252, []
        for i in range(TICKS):
            x = xorshift(500, x)[1]
            lines.append(f"tick {i} {x:016x}\n")
        self.expected = ("".join(lines) + "end nobody else's\n").encode()

    def run(self):
        while not self.over.is_set():
            try:
                self.once()
            except Exception as error:  # what ends this thread must end as a complaint
                self.complaints.append(f"the witness could not run: {error!r}"[:500])
                return

    def once(self):
        run = self.rig.go(["witness", str(TICKS)], key=self.rig.other)
        self.jobs += 1
        if run.ended() != "exit 0":
            self.complaints.append(f"a witness ended with {run.ended()}")
        elif run.log != self.expected:
            self.complaints.append(f"a witness wrote {run.log[:300]} ... {run.log[-100:]}")
        status, _, pace = self.rig.daemon.request("GET", f"/v1/jobs/{run.job['id']}/files/pace.txt", self.rig.other)
        if status == 200:
            self.pace.append([int(n) for n in pace.split()])


class Places:
    """Listeners of the host that no job may reach."""

    def __init__(self):
        self.abstract = f"wardian-hostile-{os.getpid()}"
        self.socket = f"/var/tmp/wardian-hostile-{os.getpid()}.sock"
        self.listeners = [self.listen("\0" + self.abstract), self.listen(self.socket)]
        os.chmod(self.socket, 0o777)

    @staticmethod
    def listen(address):
        made = socket.socket(socket.AF_UNIX)
        made.bind(address)
        made.listen()
        return made

    @staticmethod
    def address():
        """An address of this host that is not loopback; a documentation address where there is none."""
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return "192.0.2.2"
        finally:
            probe.close()

    def close(self):
        for listener in self.listeners:
            listener.close()
        os.unlink(self.socket)


class Rig:
    """A careless daemon, a hostile tenant, the tenant beside it."""

    def __init__(self):
        self.program = base64.b64encode(gzip.compress(PROGRAM.read_bytes())).decode()
        self.daemon = HostileDaemon().start()
        self.places = Places()
        try:
            self.tenant, self.key = self.daemon.bootstrap("hostile")
            self.other_tenant, self.other = self.daemon.bootstrap("neighbour")
            self.go(["threads"])
            self.go(["threads"], key=self.other)
            quiet = Witness(self)
            quiet.once()
            assert not quiet.complaints, quiet.complaints
            self.pace_alone = statistics.median(quiet.pace[0])
            self.before = Host(self.daemon)
        except BaseException:
            self.places.close()
            self.daemon.destroy()
            raise

    def manifest(self, words, more):
        if "command" in more:
            return {"environment": "bare", **more}
        inputs = [{"path": "hostile.gz", "base64": self.program}, *more.pop("inputs", [])]
        return {"environment": "bare", "command": ["sh", "-c", UNPACK, "hostile", *words], "inputs": inputs,
                "limits": {"wall_s": 40, **more.pop("limits", {})}, **more}

    def submit(self, words, key=None, **more):
        return self.daemon.submit(key or self.key, self.manifest(words, dict(more)))

    def go(self, words, key=None, **more):
        began = time.monotonic()
        return self.finish(self.submit(words, key, **more), key, began)

    def finish(self, job, key=None, began=None):
        over = self.daemon.wait(key or self.key, job, 120)
        alive = processes_of(job)
        status, _, log = self.daemon.request("GET", f"/v1/jobs/{job}/log?limit=16777216", key or self.key)
        assert status == 200, log
        return Run(self, over, log, began or time.monotonic(), alive)

    def cancel(self, job, key=None):
        self.daemon.request("POST", f"/v1/jobs/{job}/cancel", key or self.key)
        return self.finish(job, key)

    def until(self, job, text, key=None):
        """Waits until the job has written the text."""
        wardian.wait_for(lambda: text in self.daemon.job_log(key or self.key, job), 30, f"{job} says {text}")

    def together(self, rows, judge):
        """{row: verdict}: rows that say so alone, the others a few at once, beside a witness."""
        witness = Witness(self)
        witness.start()
        try:
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                crowd = [row for row in rows if not row.alone]
                found = dict(zip(crowd, pool.map(lambda row: judge(self, row), crowd)))
            for row in rows:
                if row.alone:
                    found[row] = judge(self, row)
        finally:
            witness.over.set()
            witness.join()
        return found, witness

    def changes(self):
        """What is not as it was; teardown goes on for a moment after a result."""
        until = time.monotonic() + SETTLE_S
        while True:
            found = self.before.changes()
            if not found or time.monotonic() > until:
                return found
            time.sleep(0.5)

    def close(self):
        """Ends the daemon; complaints about what is there afterwards."""
        self.places.close()
        self.daemon.stop()
        self.daemon.kill_keepers()
        wardian.wait_for(lambda: not self.daemon.strays(), 30, "the daemon's processes end")
        found = what_stays(self.daemon)
        self.daemon.destroy()
        return found
