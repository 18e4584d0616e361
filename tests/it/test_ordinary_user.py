# SPDX-License-Identifier: Apache-2.0
"""A whole wardiand that an ordinary user started: it refuses, or works with less and says with what."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import test_roots
import wardian

UID = 65534
NOBODY = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
ALLOW = "--sandbox.weaker=allow"


@pytest.fixture(scope="module")
def build():
    """A copy of the programs that everybody may execute, wherever the build lies."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wardian-it-user-", dir="/var/tmp"))
    folder.chmod(0o755)
    for name in ("wardian", "wardiand", "wardian-spawner", "wardian-keeper"):
        shutil.copy(wardian.BUILD / name, folder / name)
    shutil.copytree(wardian.ENVIRONMENTS, folder / "environments")
    yield folder
    shutil.rmtree(folder)


class UserDaemon(wardian.Daemon):
    """wardiand and all that it starts, as a user without any right."""

    def __init__(self, build, settings=()):
        super().__init__(settings, build=build, environments=build / "environments")
        os.chown(self.root, UID, UID)

    def arguments(self, command):
        return [*NOBODY, *super().arguments(command)]


@pytest.fixture
def started(build):
    """started(settings...) -> a running daemon of the user's."""
    made = []

    def start(*settings):
        made.append(UserDaemon(build, settings))
        return made[-1].start()

    yield start
    for daemon in made:
        daemon.destroy()


@pytest.fixture(scope="module")
def allowed(build):
    daemon = UserDaemon(build, [ALLOW]).start()
    yield daemon
    daemon.destroy()


@pytest.fixture(scope="module")
def key(allowed):
    return allowed.bootstrap("alpha")[1]


def parts(daemon):
    return {c["name"]: c for c in daemon.json("GET", "/readyz?verbose")["checks"]}


def test_without_consent_it_does_not_start_and_says_what_to_do(build):
    daemon = UserDaemon(build)
    try:
        out = subprocess.run(daemon.arguments(["serve"]), env=daemon.environment(), timeout=30,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert out.returncode != 0
        assert "start wardiand as root" in out.stderr and "sandbox.weaker=allow" in out.stderr, out.stderr
        assert not (daemon.state / "spawner.sock").exists()
    finally:
        daemon.destroy()


def test_a_job_runs_to_its_end_with_its_result(allowed, key):
    script = "import os\nprint('ids', os.getuid(), os.getgid())\nopen('made', 'w').write('done')\n"
    job = allowed.run(key, wardian.python_job(script))
    assert job["state"] == "succeeded", job
    assert b"ids 1000 1000\n" in allowed.job_log(key, job["id"])


def test_two_tenants_do_not_see_each_other(allowed, key):
    other = allowed.bootstrap("beta")[1]
    script = ("import os, time\nopen('/tmp/letter', 'w').write('secret')\nprint(sorted(os.listdir('/tmp')),"
              " sorted(p for p in os.listdir('/proc') if p.isdigit()), flush=True)\ntime.sleep(1)\n")
    jobs = [(k, allowed.submit(k, wardian.python_job(script))) for k in (key, other)]
    for k, job in jobs:
        assert allowed.wait(k, job)["state"] == "succeeded"
        log = allowed.job_log(k, job).decode()
        assert log.startswith("['letter'] ['") and log.count("'") == 4, log


def test_readyz_tells_each_weak_point_with_its_fix(allowed):
    sandbox = parts(allowed)["sandbox"]
    assert sandbox["ok"] and set(sandbox["weak"]) - {"landlock"} == {"limits", "uids"}
    assert len(sandbox["fixes"]) == len(sandbox["weak"])
    fixes = dict(zip(sandbox["weak"], sandbox["fixes"]))
    assert "root" in fixes["uids"] and "Delegate" in fixes["limits"]


def test_doctor_says_the_same_and_how_to_mend_it(build, allowed):
    def doctor(*words):
        return subprocess.run([*NOBODY, str(build / "wardian"), "doctor", f"--set=sandbox.spawner={build}/wardian-spawner",
                               f"--set=sandbox.keeper={build}/wardian-keeper",
                               f"--set=environments.dir={build}/environments", *words],
                              env={"PATH": "/usr/bin:/bin"}, timeout=60, capture_output=True, text=True, check=False)

    answer = json.loads(doctor("--json", "--set=sandbox.weaker=allow").stdout)
    told = parts(allowed)["sandbox"]
    assert (answer["sandbox"]["weak"], answer["sandbox"]["fixes"]) == (told["weak"], told["fixes"])
    assert answer["sandbox"]["state"] == "weaker" and answer["mode"] == "user"
    rows = {row["check"]: row for row in answer["checks"]}
    assert rows["trial-sandbox"]["state"] == rows["unprivileged-user-namespaces"]["state"] == "ok", rows
    assert "sandbox.weaker" in rows["privileges"]["fix"] and "Delegate" in rows["cgroup-memory"]["fix"]
    refused = json.loads(doctor("--json").stdout)["sandbox"]
    assert refused["state"] == "missing" and refused["weak"][-1] == "refused"
    table = doctor("--set=sandbox.weaker=allow").stdout.splitlines()
    assert table[-1].startswith("sandbox\tweaker\t") and "sudo wardiand serve" in table[-1]


def test_processes_and_time_are_limited_without_control_groups(allowed, key):
    script = ("import os\nn = 0\ntry:\n    while True:\n        if os.fork() == 0:\n            import time; time.sleep(30)\n"
              "        n += 1\nexcept OSError as e:\n    print('forked', n, e.strerror)\n")
    job = allowed.run(key, wardian.python_job(script))
    assert job["state"] == "succeeded" and b"Resource temporarily unavailable" in allowed.job_log(key, job["id"])
    burn = wardian.python_job("while True: pass", limits={"wall_s": 60, "cpu_s": 1})
    job = allowed.run(key, burn)
    assert job["state"] == "failed" and job["cause"]["kind"] == "cpu-time", job["cause"]


def test_a_kill_that_may_have_been_memory_is_not_called_anything_else(allowed, key):
    job = allowed.run(key, wardian.python_job("import os\nos.kill(os.getpid(), 9)"))
    assert job["state"] == "failed" and job["cause"]["kind"] == "signal"
    assert "cannot tell apart" in job["cause"]["message"], job["cause"]


def test_a_run_outlives_the_daemon_and_can_be_canceled(started):
    daemon = started(ALLOW)
    key = daemon.bootstrap("alpha")[1]
    job = daemon.submit(key, wardian.python_job("import time\nprint('up', flush=True)\ntime.sleep(100)"))
    wardian.wait_for(lambda: b"up" in daemon.job_log(key, job), 20, "the job runs")
    daemon.kill()
    daemon.start()
    assert daemon.json("GET", f"/v1/jobs/{job}", key)["state"] == "running"
    daemon.json("POST", f"/v1/jobs/{job}/cancel", key)
    assert daemon.wait(key, job)["state"] == "canceled"


def test_an_unpacked_environment_is_the_users_own(build):
    daemon = UserDaemon(build, [ALLOW])
    try:
        tree = daemon.root / "tree"
        test_roots.make_root(tree)
        daemon.environments = daemon.root / "environments"
        test_roots.profiles(daemon.environments)
        digest = test_roots.imported(daemon, tree)
        assert (daemon.state / "roots" / digest).stat().st_uid == UID
        test_roots.profiles(daemon.environments, rooted=digest)
        daemon.start()
        key = daemon.bootstrap("alpha")[1]
        job = daemon.run(key, test_roots.job("rooted", test_roots.LOOK))
        assert job["state"] == "succeeded", job
        seen = json.loads(daemon.job_log(key, job["id"]))
        assert seen["marker"] == "a root of its own" and seen["theirs"] == "from the root"
        assert "sim:x:1000" in seen["passwd"] and seen["write"] == []
        assert seen["rw"] == ["/dev/shm", "/tmp", "/work"]
    finally:
        daemon.destroy()
