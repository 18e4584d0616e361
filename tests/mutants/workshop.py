# SPDX-License-Identifier: Apache-2.0
"""Where a mutant is made and tried: a copy of the sources and a build of its own for each worker, which all see
theirs at one path, so that a build can be copied; and a /tmp that nobody else sees."""
import contextlib
import ctypes
import glob
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time

import rows

PATIENCE_S = 20
HANG_S = 3         # where a row says that its test hangs; it takes less than 1 s otherwise
BASELINE_S = 60
TICK_S = 0.002
CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, MNT_DETACH = 0x00020000, 0x1000, 1 << 18, 0x4000, 2
PR_SET_CHILD_SUBREAPER = 36
SYS_LANDLOCK_CREATE_RULESET, LANDLOCK_VERSION = 444, 1
PARTS = ("CMakeLists.txt", "CMakePresets.json", "src", "include", "migrations", "tests", "deploy")
SOURCES = ("src/keeper/*.c", "src/spawner/*.c", "src/sandbox/*.c", "src/sandbox/seccomp.def")
USER = "user:"  # the test is run under a spawner of an ordinary user's
COUNTS = re.compile(r"(\d+) test\(s\) run")
libc = ctypes.CDLL(None, use_errno=True)


class Broken(Exception):
    """The mutant cannot be built."""


def check(rc, what):
    if rc < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind, flags, data=None):
    encode = [str(x).encode() if x is not None else None for x in (source, target, kind, data)]
    check(libc.mount(encode[0], encode[1], encode[2], flags, encode[3]), f"mount {target}")


# --- what the host has -----------------------------------------------------------------------------------


def root_is_mount():
    """Not os.path.ismount, for which "/" always is one: what a process in a chroot sees has no mount there."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        return any(line.split()[4] == "/" for line in mounts)


def unfit():
    if os.geteuid() != 0:
        return "only root can build sandboxes"
    if not root_is_mount():
        return "in a chroot mutants could not be kept from the host's mounts"
    return ""


def may_raise_limits():
    pid = os.fork()
    if pid == 0:
        try:
            resource.setrlimit(resource.RLIMIT_RTPRIO, (99, 99))
            os._exit(0)
        except (ValueError, OSError):
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def lacks(need):
    """Why a row cannot be tried here, or ""."""
    word, _, number = need.partition(" ")
    if word == "landlock":
        version = libc.syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION)
        return "" if version >= int(number) else f"this kernel has no Landlock of version {number}"
    if need == "higher limits" and not may_raise_limits():
        return "the starter has the limit already and may not raise it (CAP_SYS_RESOURCE)"
    if need == "separate groups" and not os.path.exists("/sys/fs/cgroup/pids/tasks"):
        return "the test looks at control groups of version 1"
    return ""


# --- running ---------------------------------------------------------------------------------------------


class Ran:
    """status None: it had to be ended."""

    def __init__(self, output, status, unit):
        self.output, self.hung, self.unit = output, status is None, unit
        counts = [int(n) for n in COUNTS.findall(output)]
        self.passed = status == 0 and sum(counts) > 0
        self.skipped = "[  SKIPPED ]" in output or status == 77

    def summary(self):
        lines = [line for line in self.output.splitlines() if "ERROR" in line or "LINE" in line]
        return " | ".join(lines or (["no end"] if self.hung else self.output.splitlines()[-3:]))[:300]


def wait(pid, seconds):
    """The exit status, or None when it takes too long.  Orphans, which come to this process, are taken away:
    tests wait until nothing is left of theirs."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended == pid:
            return os.waitstatus_to_exitcode(status)
        if ended == 0:
            time.sleep(TICK_S)
    return None


def children():
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = pathlib.Path(path).read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                found.append(int(path.split("/")[2]))
    return found


def end_children():
    """Whoever was left behind comes to this process, which adopts orphans."""
    until = time.monotonic() + 5
    while (left := children()) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.005)


def clean():
    end_children()
    device = f"{os.stat('/tmp').st_dev:x}"
    for path in glob.glob(f"/sys/fs/cgroup/**/wardian-{device}-*/", recursive=True):
        for group, _, _ in os.walk(path, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(group)
    for path in glob.glob("/tmp/*"):
        shutil.rmtree(path, ignore_errors=True)


class Workshop:
    """Before copies(): number 0 alone."""

    def __init__(self, base, number):
        self.base, self.number = base, number
        self.at = base / "at"
        self.tree, self.out = self.at / "tree", self.at / "build"
        own = base / str(number)
        own.mkdir(exist_ok=True)
        self.at.mkdir(exist_ok=True)
        mount(own, self.at, None, MS_BIND)
        check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")

    def own_tmp(self):
        """After the sources were read, which may lie there."""
        mount("mutants", "/tmp", "tmpfs", 0)

    def fill(self, top):
        for part in PARTS:
            if (top / part).is_dir():
                shutil.copytree(top / part, self.tree / part, symlinks=True,
                                ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "corpus"))
            else:
                self.tree.mkdir(exist_ok=True)
                shutil.copy2(top / part, self.tree / part)
        # Nothing is added to the copy: no need to look for new files each time.
        for path in self.tree.glob("**/CMakeLists.txt"):
            path.write_text(path.read_text().replace(" CONFIGURE_DEPENDS", ""))

    def configure(self):
        self.call(["cmake", "-S", self.tree, "-B", self.out, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=None",
                   "-DCMAKE_C_FLAGS=-O0 -w", "-DWARDIAN_WERROR=OFF"])

    def call(self, words):
        done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode != 0:
            lines = [x for x in done.stdout.splitlines() if "error" in x] or done.stdout.splitlines()[-3:]
            raise Broken(f"it cannot be built: {' | '.join(lines)[:400]}")

    def build(self, tests, jobs=1):
        targets = {"wardian-spawner", "wardian-keeper"} | {program(test)[0] for test in tests}
        self.call(["ninja", "-C", self.out, f"-j{jobs}", *sorted(targets)])

    def test(self, test, seconds=PATIENCE_S):
        target, only = program(test)
        with tempfile.TemporaryFile(dir=self.base) as log:
            proc = subprocess.Popen([self.out / "tests" / target], cwd=self.out / "tests", stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                                    env={**os.environ, "WARDIAN_TEST_ONLY": only,
                                         **({"WARDIAN_TEST_SPAWNER": "user"} if test.startswith(USER) else {})})
            status = wait(proc.pid, seconds)
            proc.returncode = 0 if status is None else status  # it was waited for
            clean()
            log.seek(0)
            output = log.read().decode(errors="replace")
        return Ran(output, status, test.startswith("unit:"))

    def second_try(self, test, seconds=PATIENCE_S):
        """For what must pass: a busy machine may spoil one."""
        ran = self.test(test, seconds)
        return ran if ran.passed else self.test(test, seconds)

    # --- mutants ---

    def sources(self):
        return {str(p.relative_to(self.tree)): p.read_text() for g in SOURCES for p in self.tree.glob(g)}

    @contextlib.contextmanager
    def changed(self, edits):
        before = self.sources()
        after = dict(before)
        for edit in edits:
            edit.apply(after)
        with self.written({p: (before[p], after[p]) for p in before if before[p] != after[p]}):
            yield

    @contextlib.contextmanager
    def replaced(self, path, text):
        with self.written({path: ((self.tree / path).read_text(), text)}):
            yield

    @contextlib.contextmanager
    def written(self, texts):
        for path, (_, after) in texts.items():
            (self.tree / path).write_text(after)
        try:
            yield
        finally:
            for path, (before, _) in texts.items():
                (self.tree / path).write_text(before)

    # --- more of them ---

    def copies(self, n):
        for i in range(1, n):
            subprocess.run(["cp", "-a", self.base / "0", self.base / str(i)], check=True)


def program(test):
    """(target, name of the test) for "walls/name", "user:walls/name" or "unit:record/name"."""
    stem, _, name = test.removeprefix(USER).partition("/")
    if stem.startswith("unit:"):
        return f"unit-sandbox-test_{stem[5:]}", name
    return f"sbx-sbx-test_{stem}", name


def take(mark):
    with contextlib.suppress(FileExistsError):
        mark.mkdir()
        return True
    return False


_current = []


def begin(base):
    """In a new worker: the first copy that no other has, where nobody else mounts."""
    check(libc.unshare(CLONE_NEWNS), "unshare")
    mount("", "/", None, MS_REC | MS_PRIVATE)
    number = next(i for i in range(64) if take(base / f"{i}.taken"))
    libc.umount2(str(base / "at").encode(), MNT_DETACH)
    _current.append(Workshop(base, number))
    current().own_tmp()


def current():
    return _current[0]


def leave(base):
    end_children()
    libc.umount2(b"/tmp", MNT_DETACH)
    libc.umount2(str(base / "at").encode(), MNT_DETACH)
