# SPDX-License-Identifier: Apache-2.0
"""wardian doctor on this machine: as root, as an ordinary user, and where something is missing."""
import json
import os
import pathlib
import pty
import shutil
import subprocess
import tempfile
import time

import pytest

import wardian

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
# Never of this machine's making: what wardiand is told by its environment.
CLEAN = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}


@pytest.fixture(scope="module")
def program():
    """A copy that everybody may execute, wherever the build lies."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wardian-it-doctor-", dir="/var/tmp"))
    folder.chmod(0o755)
    for name in ("wardian", "wardian-spawner", "wardian-keeper"):
        shutil.copy(wardian.BUILD / name, folder / name)
    shutil.copytree(wardian.ENVIRONMENTS, folder / "environments")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def doctor(program):
    """doctor(words..., as_nobody=) -> CompletedProcess."""
    def run(*words, as_nobody=False, env=None):
        return subprocess.run([*(NOBODY if as_nobody else []), str(program / "wardian"), "doctor",
                               f"--set=environments.dir={program}/environments",
                               f"--set=sandbox.spawner={program}/wardian-spawner",
                               f"--set=sandbox.keeper={program}/wardian-keeper", *words],
                              env={**CLEAN, **(env or {})}, timeout=60, capture_output=True, text=True, check=False)
    return run


def checks(out):
    return {row["check"]: row for row in json.loads(out.stdout)["checks"]}


def test_a_machine_that_runs_jobs_lacks_nothing_that_is_required(doctor, daemon, tenant_a):
    """The daemon of the other tests runs jobs here: whatever doctor misses would be its mistake."""
    assert daemon.run(tenant_a, wardian.python_job("print(1)"))["state"] == "succeeded"
    out = doctor("--json", f"--state={daemon.state}")
    answer = json.loads(out.stdout)
    assert [row for row in answer["checks"] if row["state"] == "missing"] == []
    assert (out.returncode, answer["ok"], answer["mode"]) == (0, True, "root")
    assert answer["sandbox"]["state"] == "ok" or answer["sandbox"]["weak"] == ["landlock"]


def test_doctor_and_the_spawner_agree_on_what_a_sandbox_lacks(doctor, daemon):
    told = {c["name"]: c for c in daemon.json("GET", "/readyz?verbose")["checks"]}["sandbox"]
    assert json.loads(doctor("--json").stdout)["sandbox"]["weak"] == told["weak"]


def test_both_ways_to_ask_for_json_are_the_same(doctor):
    first, second = doctor("--json"), doctor("-o", "json")
    assert first.returncode == second.returncode
    shape = [(row["check"], row["state"]) for row in json.loads(first.stdout)["checks"]]
    assert shape == [(row["check"], row["state"]) for row in json.loads(second.stdout)["checks"]]


def test_an_ordinary_user_sees_its_own_machine(doctor):
    out = doctor("--json", as_nobody=True)
    answer, rows = json.loads(out.stdout), checks(out)
    assert (out.returncode, answer["ok"], answer["mode"]) == (1, False, "user")
    assert rows["privileges"]["state"] == "weaker" and "65534" in rows["privileges"]["detail"]
    assert "uids" in answer["sandbox"]["weak"] and "refused" in answer["sandbox"]["weak"]
    assert answer["sandbox"]["state"] == "missing"
    assert rows["cgroup-memory"]["state"] == "weaker" and "divide" in rows["cgroup-memory"]["detail"]
    assert rows["kernel"]["state"] == "ok"


def test_a_state_directory_that_may_not_be_entered_is_unknown_and_no_fault(doctor, tmp_path):
    closed = pathlib.Path(tempfile.mkdtemp(prefix="wardian-it-closed-", dir="/var/tmp"))
    try:
        (closed / "state").mkdir()
        rows = checks(doctor("--json", f"--state={closed}/state", as_nobody=True))
        assert rows["state-disk"]["state"] == "unknown" and "as root" in rows["state-disk"]["detail"]
        assert checks(doctor("--json", f"--state={closed}/state"))["state-disk"]["state"] != "unknown"
    finally:
        shutil.rmtree(closed)


def test_what_is_required_and_missing_is_an_exit_status_with_its_fix(doctor):
    out = doctor("--json", "--set=sandbox.keeper=/nonexistent")
    row = checks(out)["programs"]
    assert out.returncode == 1 and row["state"] == "missing" and row["level"] == "required"
    assert "/nonexistent" in row["detail"] and "sandbox.keeper" in row["fix"]
    out = doctor("--set=sandbox.keeper=/nonexistent")
    assert out.returncode == 1 and "1 required thing is missing" in out.stderr


@pytest.mark.parametrize("setting, check, state, says", [
    ("state.user=nobody-at-all", "account", "missing", "nobody-at-all"),
    ("database.bin_dir=/nonexistent", "postgresql", "missing", "database.bin_dir"),
    ("environments.dir=/nonexistent", "simulators", "weaker", "no environment"),
    ("http.connections=20000", "open-files", None, "40512"),
], ids=lambda word: str(word).split("=", maxsplit=1)[0])
def test_settings_decide_what_is_looked_for(doctor, setting, check, state, says):
    out = doctor("--json", f"--set={setting}")
    row = checks(out)[check]
    assert state is None or row["state"] == state, row
    assert says in row["detail"], row


def test_an_account_among_the_uids_of_jobs_is_found(doctor, program):
    """In a mount namespace with a /etc/passwd of its own."""
    passwd = program / "passwd"
    passwd.write_text(pathlib.Path("/etc/passwd").read_text() + "eve:x:1879048200:1::/:/bin/sh\n")
    out = subprocess.run(["unshare", "--mount", "sh", "-c", f"mount --bind {passwd} /etc/passwd && "
                          f"exec {program}/wardian doctor --json"], env={**CLEAN, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                         timeout=60, capture_output=True, text=True, check=False)
    row = checks(out)["uid-range"]
    assert row["state"] == "missing" and "eve" in row["detail"], out.stderr


def test_an_outside_database_needs_no_programs_here(doctor):
    out = doctor("--json", "--set=database.bin_dir=/nonexistent",
                 env={"WARDIAN_DATABASE_URL": "postgresql://x:secret-of-it@db.example/wardian"})
    assert checks(out)["postgresql"]["state"] == "ok" and "secret-of-it" not in out.stdout


def test_the_environment_and_a_file_are_read_as_wardiand_reads_them(doctor, tmp_path):
    conf = tmp_path / "wardian.toml"
    conf.write_text('[state]\nuser = "from-the-file"\n')
    assert "from-the-file" in checks(doctor("--json", f"--config={conf}"))["account"]["detail"]
    assert "from-the-file" in checks(doctor("--json", env={"WARDIAN_CONF": str(conf)}))["account"]["detail"]
    out = doctor("--json", f"--config={conf}", env={"WARDIAN_STATE_USER": "from-the-environment"})
    assert "from-the-environment" in checks(out)["account"]["detail"]
    out = doctor("--json", f"--config={conf}", "--set", "state.user=from-an-option",
                 env={"WARDIAN_STATE_USER": "from-the-environment"})
    assert "from-an-option" in checks(out)["account"]["detail"]


@pytest.mark.parametrize("words, says", [
    (["--set=state.usr=x"], "state.user"), (["--set=nonsense"], "section.key=value"),
    (["--state=relative"], "absolute"), (["--config=/nonexistent"], "/nonexistent"),
    (["--set=state.dir=/" + "a" * 2000], "too long"), (["surplus"], ""), (["--unknown"], "--json"),
])
def test_a_command_line_that_makes_no_sense_is_refused(doctor, words, says):
    out = doctor(*words)
    assert out.returncode == 2 and says in out.stderr and out.stdout == "", out


def test_a_pipe_gets_a_line_of_four_cells_for_each_check(doctor):
    out = doctor()
    rows = [line.split("\t") for line in out.stdout.splitlines()]
    assert {len(row) for row in rows} == {4} and rows[-1][0] == "sandbox"
    assert {row[1] for row in rows} <= {"ok", "weaker", "missing", "unknown"}
    assert len({row[0] for row in rows}) == len(rows) > 30


def test_a_terminal_gets_the_fixes_below_the_table(program):
    main, side = pty.openpty()
    with subprocess.Popen([str(program / "wardian"), "doctor", "--set=sandbox.keeper=/nonexistent"], stdin=side,
                          stdout=side, stderr=side, env=CLEAN, start_new_session=True) as process:
        os.close(side)
        text = b""
        try:
            while piece := os.read(main, 65536):
                text += piece
        except OSError:
            pass # the other end is closed
        assert process.wait(60) == 1
    os.close(main)
    lines = text.decode().splitlines()
    assert lines[0].split() == ["check", "state", "detail"]
    assert any(line.startswith("  programs: ") and "sandbox.keeper" in line for line in lines)


def test_looking_changes_nothing_and_leaves_nothing(doctor):
    def state():
        return (pathlib.Path("/proc/self/mountinfo").read_text(), sorted(os.listdir("/sys/fs/cgroup")),
                pathlib.Path("/proc/sys/kernel/core_pattern").read_text(), os.path.exists("/var/lib/wardian-doctor"))

    before = state()
    for as_nobody in (False, True):
        doctor("--state=/var/lib/wardian-doctor/state", as_nobody=as_nobody)
    assert state() == before


def test_looking_is_quick(doctor):
    began = time.monotonic()
    doctor()
    assert time.monotonic() - began < 10 # the limit of its own; milliseconds when nothing hangs


def test_a_hostile_profile_cannot_drive_the_terminal(doctor, tmp_path):
    (tmp_path / "bad.toml").write_text('name = "x\x1b[31m"\n')
    out = doctor("--json", f"--set=environments.dir={tmp_path}")
    assert "\x1b" not in out.stdout and checks(out)["simulators"]["state"] == "weaker"
