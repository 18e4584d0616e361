# SPDX-License-Identifier: Apache-2.0
"""What to look at when a hostile job has ended: functions that take a run and return complaints."""
import os
import re
import stat

from hostile_run import CANARY, GRACE_S, everything

MIB = 1 << 20
STARTED_S = 0.1  # of CPU time: shell, gzip and exec on the slowest host
SET_UP_S = 0.002  # of CPU time: from the clone of the process to its control group
MARKER = re.compile(rb"\n\[wardian: the log's limit of (\d+) bytes is reached; what follows is not kept\]\n")


def all_of(*checks):
    return lambda run: [complaint for check in checks for complaint in check(run)]


def complain(bad, text):
    return [text] if bad else []


# --- limits ---------------------------------------------------------------------------------------


def peak_within(limit):
    def check(run):
        peak = run.usage["memory_peak_bytes"]
        return complain(not 0 < peak <= limit, f"the peak is {peak} of {limit} bytes")
    return check


def dead_within(seconds):
    """After wall time, grace, and the kill."""
    def check(run):
        wall = run.job["manifest"]["limits"]["wall_s"] if "manifest" in run.job else 1
        late = run.usage["wall_s"] - wall - GRACE_S
        return complain(late > seconds, f"ended {late * 1000:.0f} ms after the kill was due")
    check.of_time = True
    return check


def seconds_within(seconds):
    return lambda run: complain(run.seconds > seconds, f"took {run.seconds:.1f} s from submission to result")


def fact_between(name, low, high):
    return lambda run: complain(not low <= run.number(name) <= high, f"{name}: {run.number(name)} not in {low} to {high}")


def bounded(name, most):
    """Either it was killed for it, or what it got is little."""
    return lambda run: complain(run.ended() != "oom" and not 0 <= run.number(name) <= most, f"{name}: {run.number(name)}")


# --- logs -----------------------------------------------------------------------------------------


def cut(run, cap):
    """What is before the marker, and complaints about the marker."""
    found = MARKER.search(run.log, cap)
    if not found or found.start() != cap or found.end() != len(run.log):
        return b"", [f"no marker just behind {cap} bytes but at the end: {len(run.log)} bytes, {run.log[-120:]}"]
    return run.log[:cap], complain(int(found[1]) != cap or not run.usage["log_truncated"],
                                   f"the marker says {found[1]}, log_truncated {run.usage['log_truncated']}")


def log_cut_at(cap):
    def check(run):
        kept, complaints = cut(run, cap)
        return complaints + complain(kept.strip(b"x"), "something else in the log")
    return check


def log_cut_exactly(cap):
    def check(run):
        kept, complaints = cut(run, cap)
        return complaints or complain(kept != everything(cap), "other bytes than were written")
    return check


def log_is_everything(n):
    def check(run):
        expected = everything(n)
        return complain(run.log != expected or run.usage["log_truncated"],
                        f"{len(run.log)} bytes of {n}, log_truncated {run.usage['log_truncated']}")
    return check


def log_is_of(byte, n):
    return lambda run: complain(run.log != byte * n, f"{len(run.log)} bytes of {n}")


def two_writers(lines):
    def check(run):
        complaints = []
        for who, stream in enumerate(("stdout", "stderr")):
            _, _, text = run.rig.daemon.request("GET", f"/v1/jobs/{run.job['id']}/log?stream={stream}", run.rig.key)
            expected = b"".join(b"writer %d line %06d\n" % (who, i) for i in range(lines))
            complaints += complain(not text.startswith(expected), f"{stream} is not what was written: {text[:100]}")
            complaints += complain(text[len(expected):].replace(b"late\n", b""), f"{stream} has more")
        return complaints
    return check


# --- files ----------------------------------------------------------------------------------------


def files_are(*names):
    def check(run):
        return complain(set(run.files()) != set(names), f"kept: {sorted(run.files())}")
    return check


def files_at_most(n):
    def check(run):
        kept = sum(len(files) for _, _, files in os.walk(run.directory() / "out" / "files"))
        return complain(not 0 < kept <= n, f"{kept} files are kept")
    return check


def left_out(n):
    """What the API says about the job and about its attempt."""
    def check(run):
        attempt = run.rig.daemon.json("GET", f"/v1/jobs/{run.job['id']}/attempts/1", run.rig.key)
        said = run.usage["output_files_skipped"], attempt["usage"]["output_files_skipped"]
        return complain(said != (n, n), f"{said} of {n} are said to be left out")
    return check


def collected_sparse(run):
    complaints = complain(run.files() != {"sparse": 200 * MIB, "punched": 8 * MIB}, f"kept: {run.files()}")
    for name in ("sparse", "punched"):
        st = (run.directory() / "out" / "files" / name).stat()
        complaints += complain(st.st_blocks * 512 > 8 * MIB, f"{name} takes {st.st_blocks * 512} bytes of disk")
    return complaints


def names_survive(run):
    complaints = []
    for path, size in run.files().items():
        body = run.file(path)
        if body is None or len(body) != size or (not path.startswith("nnn") and body != path.encode()):
            complaints.append(f"{path!r} gives {body!r}")
    kept = {n for _, _, files in os.walk(os.fsencode(run.directory() / "out" / "files")) for n in files}
    for name in kept:
        try:
            bad = any(ord(c) < 32 or ord(c) == 127 for c in name.decode())
        except UnicodeDecodeError:
            bad = True
        complaints += complain(bad, f"a file named {name!r} lies on the host")
    expected = {"-rf", "--help", " space ", "dot.", "...", "Case", "case", "düse", "u\u0308", "quote\"'", "star*", "$(id)",
                "%2e%2e%2f", "a:b", "semi;colon"}
    return complaints + complain(not expected <= set(run.files()), f"missing: {expected - set(run.files())}")


def nothing_of_the_host(run):
    complaints = []
    for path in run.files():
        body = run.file(path) or b""
        complaints += complain(b"root:" in body, f"{path} holds a file of the host")
    for top, folders, files in os.walk(run.directory() / "out"):
        for name in [*folders, *files]:
            mode = os.lstat(os.path.join(top, name)).st_mode
            complaints += complain(not stat.S_ISREG(mode) and not stat.S_ISDIR(mode), f"{name} is neither file nor directory")
    return complaints


def plain_modes(run):
    complaints = []
    for top, folders, files in os.walk(run.directory() / "out" / "files"):
        for name in [*folders, *files]:
            path = os.path.join(top, name)
            mode = os.lstat(path).st_mode
            complaints += complain(not stat.S_ISDIR(mode) and mode & 0o7111, f"{name} has mode {mode:o}")
            complaints += complain(os.listxattr(path), f"{name} has attributes {os.listxattr(path)}")
    return complaints


def no_core(run):
    pattern = [line for line in open("/proc/sys/kernel/core_pattern", encoding="utf8")][0]
    found = [str(p) for p in run.rig.daemon.root.rglob("*core*") if "runs" in p.parts]
    return complain(found, f"cores: {found}") + complain(
        pattern.startswith("|") and run.one("limit of cores") != "1 1", "cores are piped to a program of the host")


# --- what a job sees ------------------------------------------------------------------------------


def mounts(run):
    return run.facts.get("/proc/self/mountinfo", [])


def no_canary(run):
    complaints = complain(CANARY.encode() in run.log, "the log holds the daemon's canary")
    names = {text.split("=")[0] for text in run.facts["environment"]}
    known = {"PATH", "HOME", "LANG", "TMPDIR", "PWD", "OMP_NUM_THREADS", "WARDIAN_JOB_ID", "WARDIAN_ATTEMPT",
             "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"}  # the last two: no device
    return complaints + complain(names - known, f"variables {names - known}")


def mounts_tell_nothing(run):
    daemon = run.rig.daemon
    text = "\n".join(mounts(run) + run.facts["/proc/self/cgroup"] + run.facts["root"])
    secrets = [str(daemon.root), "state", run.rig.tenant, run.rig.other_tenant, CANARY, os.uname().nodename]
    return complain(not mounts(run), "no mounts are shown") + [
        f"{secret} is told" for secret in secrets if secret and secret in text]


def fixed_sizes(run):
    """tmpfs, overlay and erofs are of a size that nothing outside changes."""
    fixed = {"0x1021994", "0x794c7630", "0xe0f5e1e2", "0x9fa0"}
    return [f"statfs {path}: {kind} is a file system of the host" for path in ("/", "/usr", "/work")
            for kind in [run.one(f"statfs {path}").split(" ")[0]] if kind not in fixed]


def read_only_mounts(run):
    complaints = complain(len(mounts(run)) < 5, "no mounts are shown")
    writable = set()
    for line in mounts(run):
        where, options = line.split(" ")[4:6]
        complaints += complain("nosuid" not in options.split(","), f"{where} without nosuid")
        if "rw" in options.split(","):
            writable.add(where)
            complaints += complain("nodev" not in options.split(","), f"{where} without nodev")
    return complaints + complain(writable - {"/work", "/tmp", "/dev/shm"}, f"writable: {writable}")


def status_of(run):
    return dict(line.split(":\t", 1) for line in run.facts["/proc/self/status"] if ":\t" in line)


def no_signals(run):
    status = status_of(run)
    return [f"{name} {status.get(name)}" for name in ("SigIgn", "SigBlk") if status.get(name) != "0" * 16]


def no_capabilities(run):
    status = status_of(run)
    complaints = [f"{name} {status.get(name)}" for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
                  if status.get(name) != "0" * 16]
    complaints += complain(status.get("Uid") != "1000\t1000\t1000\t1000", f"Uid {status.get('Uid')}")
    host = [int(line.split()[1]) for line in run.facts["/proc/self/uid_map"]]
    return complaints + complain(0 in host or any(u not in run.rig.daemon.uids() for u in host), f"host ids {host}")


def same_answer(run):
    first, again = run.one("a memory file"), run.one("a memory file, again")
    return complain(first != again or not first, f"{first}, then {again}")


def message(text):
    return lambda run: complain(text not in run.job["cause"]["message"], run.job["cause"]["message"])


# --- accounts -------------------------------------------------------------------------------------


def cpu_is_exact(run):
    """No less than the processes know of themselves but for the set-up, which is the keeper's and not
    billed, and no more than they can have missed: their own start and end."""
    used, billed = run.number("cpu ns") / 1e9, run.usage["cpu_s"]
    return complain(used <= 0 or billed < used * 0.999 - SET_UP_S, f"{billed:.4f} s are billed of {used:.4f}") + complain(
        billed > used * 1.01 + 0.004, f"{billed:.4f} s are billed for {used:.4f}")


cpu_is_exact.of_time = True


def usage_of_nothing(run):
    usage = run.usage
    return complain(not usage or usage["wall_s"] <= 0, f"no usage: {usage}") or complain(
        usage["cpu_s"] > STARTED_S or usage["memory_peak_bytes"] > 16 * MIB, f"billed too much: {usage}")
