# SPDX-License-Identifier: Apache-2.0
"""Hostile environments: roots whose places for mounts are links, and jobs whose own program is broken."""
import os
import pathlib
import shutil
import subprocess

import pytest

import hostile_run
from hostile_verdict import Ledger, write_table

SECRET = "/proc/sys/kernel/core_pattern"
ARM = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00" + bytes(44)
WATCHED = [SECRET, "/etc", "/etc/passwd", "/root", "/usr/bin"]
PLACES = ("dev", "proc", "work", "tmp", "etc", "var", "usr", "sys", "dev/null", "dev/shm", "usr/bin")
PROGRAMS = {
    "arm": (ARM, "Exec format error"),
    "nothing": (b"nothing", "Exec format error"),
    "loop": (b"#!/usr/bin/loop\n", "Too many levels of symbolic links"),
    "orphan": (b"#!/no/such/interpreter\n", "No such file or directory"),
}


@pytest.fixture(scope="module")
def ledger():
    made = Ledger()
    yield made
    print(write_table("roots", made.verdicts))


def environment_of(place):
    return "link-" + place.replace("/", "-")


class Roots:
    """A daemon of which one environment has a root of its own."""

    def __init__(self):
        self.daemon = hostile_run.HostileDaemon().start()
        try:
            self.trees = self.daemon.root / "trees"
            self.trees.mkdir()
            self.watched = hostile_run.fingerprint(WATCHED)
            status, digest, said = self.import_tree(self.good_tree())
            assert status == 0, said
            self.profile("own", digest)
            self.said = {place: self.import_tree(self.link_tree(place)) for place in PLACES}
            for place, (status, digest, _) in self.said.items():
                if status == 0:
                    self.profile(environment_of(place), digest)
            self.daemon.stop()
            self.daemon.start()
            _, self.key = self.daemon.bootstrap("hostile")
        except BaseException:
            self.daemon.destroy()
            raise

    def profile(self, name, digest):
        text = hostile_run.PROFILE.replace('"bare"', f'"{name}"').replace("/usr/bin/sh", "/usr/bin/hostile")
        text = text.replace("program =", f'root = "{digest}"\nprogram =')
        (self.daemon.environments / f"{name}.toml").write_text(text)

    def tree(self, name):
        """A root with a program, not yet hostile."""
        top = self.trees / name
        (top / "usr" / "bin").mkdir(parents=True)
        shutil.copy(hostile_run.PROGRAM, top / "usr" / "bin" / "hostile")
        return top

    def link_tree(self, place):
        """A root in which a place is a link to the host's /etc, or to a file of its kernel."""
        top = self.tree(environment_of(place))
        at = top / place
        if at.is_dir():
            shutil.rmtree(at)
        at.parent.mkdir(exist_ok=True)
        at.symlink_to(SECRET if place == "dev/null" else "/etc")
        return top

    def good_tree(self):
        top = self.tree("good")
        for name, (content, _) in PROGRAMS.items():
            (top / "usr" / "bin" / name).write_bytes(content)
            (top / "usr" / "bin" / name).chmod(0o755)
        shutil.copy(hostile_run.PROGRAM, top / "usr" / "bin" / "suid")
        (top / "usr" / "bin" / "suid").chmod(0o6755)
        (top / "open").mkdir()
        (top / "open").chmod(0o1777)
        (top / "run").mkdir()
        (top / "link-to-root").symlink_to("/root")
        (top / "up").symlink_to("../../../../../../root")
        return top

    def import_tree(self, top):
        done = subprocess.run(self.daemon.arguments(["root", "import", str(top)]), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                              env=self.daemon.environment(), check=False)
        text = done.stdout.decode(errors="replace")
        words = [word for word in text.split() if len(word) == 64]
        return done.returncode, words[0] if words else "", text

    def available(self, environment):
        listed = self.daemon.json("GET", "/v1/environments", self.key)["data"]
        return next(e["available"] for e in listed if e["name"] == environment)

    def go(self, words, environment="own"):
        manifest = {"environment": environment, "command": [f"/usr/bin/{words[0]}", *words[1:]], "limits": {"wall_s": 20}}
        job = self.daemon.wait(self.key, self.daemon.submit(self.key, manifest))
        return hostile_run.Run(self, job, self.daemon.job_log(self.key, job["id"]), 0, hostile_run.processes_of(job["id"]))


@pytest.fixture(scope="module")
def roots():
    usage = subprocess.run([str(hostile_run.wardian.BUILD / "wardiand"), "--help"], stdout=subprocess.PIPE, check=False)
    if b"root import" not in usage.stdout:
        pytest.skip("this build knows no unpacked environments")
    made = Roots()
    yield made
    made.daemon.destroy()


@pytest.mark.parametrize("place", PLACES)
def test_a_root_whose_places_are_links_leads_nowhere(roots, ledger, place):
    status, _, said = roots.said[place]
    got, complaints = said.strip().splitlines()[-1][-60:], []
    if status == 0 and not roots.available(environment_of(place)):
        got = "imported; its program is not found, and jobs are refused"
    elif status == 0:
        run = roots.go(["hostile", "look"], environment_of(place))
        got = f"imported; a job: {run.ended()}, /dev has {run.one('dev')}"
        links = {"stdin", "stdout", "stderr", "fd"}
        complaints += [f"a device is missing: {got}"] if run.ended() == "exit 0" and not {"null", *links} <= set(
            run.one("dev").split()) else []
        complaints += [f"a file of the host was executed or shown: {got}"] if "root:" in run.log.decode() else []
        complaints += [got] if run.ended() not in ("exit 0", "exec-failed", "sandbox") else []
    complaints += ["the host changed"] if roots.watched != hostile_run.fingerprint(WATCHED) else []
    ledger("E3", f"CVE-2025-31133: a root in which {place} is a link is refused, or the link is not followed",
           "refused, or not followed", got, complaints)


def test_a_job_in_a_root_of_its_own_sees_that_and_nothing_of_the_host(roots, ledger):
    run = roots.go(["hostile", "look"])
    names = set(run.one("root").split())
    complaints = [f"ended with {run.ended()}: {run.job['cause']}"] if run.ended() != "exit 0" else []
    complaints += [f"{n} is there" for n in names & {"root", "home", "boot", "srv", "opt", "lost+found"}]
    mounts = run.facts.get("/proc/self/mountinfo", [])
    writable = {line.split()[4] for line in mounts if "rw" in line.split()[5].split(",")}
    complaints += [f"writable: {writable}"] if writable != {"/work", "/tmp", "/dev/shm"} else []
    complaints += [f"the state directory is told by {line}" for line in mounts if str(roots.daemon.root) in line]
    ledger("E12", "CVE-2026-87766: places for mounts are made in the sandbox's own root only, and all is read-only but the "
           "scratch", "rw only /work, /tmp, /dev/shm",
           f"{run.ended()}, {len(mounts)} mounts, / has {' '.join(sorted(names))}", complaints)


def test_a_root_cannot_be_written_and_links_in_it_stay_inside(roots, ledger):
    run = roots.go(["hostile", "opens", "host", "environment"])
    got = {name: said[0] for name, said in run.facts.items()}
    ledger("24b", "a root of one's own cannot be written", "refused", f"{len(got)} paths: {' '.join(sorted(set(got.values())))}",
           [f"{name}: {said}" for name, said in got.items() if said == "ok" and "/run " not in name] or
           ([] if got else ["nothing was tried"]))


def test_set_user_id_bits_of_a_root_give_nothing(roots, ledger):
    status = dict(line.split(":\t", 1) for line in roots.go(["suid", "look"]).facts["/proc/self/status"] if ":\t" in line)
    got = f"Uid {status['Uid'].split()}, CapEff {status['CapEff']}"
    ledger("54b", "a set-user-ID program of a root gains nothing", "the job's own ids", got,
           [got] if set(status["Uid"].split()) != {"1000"} or int(status["CapEff"], 16) else [])


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_broken_program_is_exec_failed_with_its_reason(roots, ledger, name):
    run = roots.go([name])
    cause = run.job["cause"] or {}
    wanted = PROGRAMS[name][1]
    got = f"{run.ended()}: {cause.get('message', '')}"
    ledger("31g", f"a program that is {name} is exec-failed", f"exec-failed: {wanted}", got,
           [str(cause)] if cause.get("kind") != "exec-failed" or wanted not in cause["message"] else [])


def test_the_root_is_as_it_was_imported(roots, ledger):
    digest = next(pathlib.Path(roots.daemon.state, "roots").glob("?" * 64)).name
    done = subprocess.run(roots.daemon.arguments(["root", "verify", digest]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=roots.daemon.environment(), check=False)
    ledger("24c", "after all of it the root has its digest", "verified", done.returncode,
           [done.stdout.decode()] if done.returncode else [])
    assert os.path.isdir(roots.daemon.state / "roots" / digest)
