# SPDX-License-Identifier: Apache-2.0
"""Starts that must fail say why and how to fix it; starts that succeed are quick and small."""
import os
import pathlib
import subprocess
import tempfile
import time

import pytest

import wardian


def refused(*settings, env=None, command="serve"):
    """Runs wardiand, expects it to end at once; (exit status, stderr)."""
    daemon = wardian.Daemon(settings, env=env)
    try:
        out = subprocess.run(daemon.arguments([command]), env=daemon.environment(), timeout=60,
                             stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return out.returncode, out.stderr.decode()
    finally:
        daemon.destroy()


@pytest.mark.parametrize("settings, words", [
    (["--state.user=nobody-of-that-name"], ["nobody-of-that-name", "adduser"]),
    (["--state.user=root"], ["root"]),
    (["--http.prot=1"], ["http.prot", "http.port"]),
    (["--http.port=70000"], ["http.port", "65535"]),
    (["--http.address=0.0.0.0"], ["loopback", "database.url"]),
    (["--database.bin_dir=/nonexistent"], ["apt-get install postgresql-15"]),
    (["--database.url=postgresql://nobody@127.0.0.1:1/none"], ["127.0.0.1"]),
    (["--environments.dir=/nonexistent"], ["/nonexistent"]),
    (["--sandbox.spawner=/nonexistent"], ["/nonexistent", "sandbox.spawner"]),
    (["--log.level=loud"], ["log.level", "debug"]),
    (["--sandbox.weaker=perhaps"], ["sandbox.weaker", "refuse", "allow"]),
    (["--sched.lease=4s", "--sched.heartbeat=3s"], ["sched.heartbeat"]),
])
def test_an_unusable_setting_is_refused_with_the_way_out(settings, words):
    status, text = refused(*settings)
    assert status in (1, 2, 7), text
    for word in words:
        assert word in text, text


def test_a_state_directory_that_cannot_be_written_is_refused():
    status, text = refused("--state.dir=/proc/wardian")
    assert status != 0 and "state.dir" in text


def test_a_second_daemon_on_the_same_state_is_refused(own_daemon):
    daemon = own_daemon()
    out = subprocess.run(daemon.arguments(["serve"]), env=daemon.environment(), timeout=30,
                         stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert out.returncode != 0 and b"another wardiand" in out.stderr
    assert daemon.request("GET", "/livez")[0] == 200


def test_a_postgres_that_is_too_old_is_refused():
    with tempfile.TemporaryDirectory(prefix="wardian-it-", dir="/var/tmp") as directory:
        binaries = pathlib.Path(directory)
        binaries.chmod(0o755)
        for name in ("postgres", "initdb"):
            fake = binaries / name
            fake.write_text("#!/bin/sh\necho \"$(basename \"$0\") (PostgreSQL) 13.4\"\n")
            fake.chmod(0o755)
        status, text = refused(f"--database.bin_dir={binaries}")
    assert status == 2 and "older than 15" in text and "apt-get install" in text, text


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def test_ready_within_two_seconds_with_an_existing_cluster_and_small_when_idle(own_daemon):
    daemon = own_daemon()
    daemon.bootstrap("alpha")
    daemon.stop()
    began = time.monotonic()
    daemon.start()
    seconds = time.monotonic() - began
    time.sleep(1)
    resident = resident_bytes(daemon.process.pid)
    print(f"start to ready {seconds:.2f} s, idle resident {resident / 2**20:.1f} MiB")
    assert seconds <= 2.0
    assert resident <= 30 * 2**20


def test_the_daemon_has_no_privileges(daemon):
    status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert int(fields["CapEff"], 16) == 0 and int(fields["CapPrm"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"
    assert "0" not in fields["Uid"].split()


def children(pid):
    return [int(word) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
            for word in (task / "children").read_text().split()]


def test_the_daemon_all_its_threads_and_its_database_are_under_a_filter(daemon):
    pids = [daemon.process.pid, *children(daemon.process.pid)]
    names = {pathlib.Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids}
    assert "postgres" in names, names
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            assert "\nSeccomp:\t2\n" in (task / "status").read_text(), (pid, task)


def test_a_file_of_roots_in_place_of_the_lock_is_not_given_away(own_daemon):
    daemon = own_daemon()
    daemon.stop()
    victim = daemon.root / "victim"
    victim.write_text("root's")
    (daemon.state / "lock").unlink()
    os.link(victim, daemon.state / "lock")
    out = subprocess.run(daemon.arguments(["serve"]), env=daemon.environment(), timeout=30,
                         stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert out.returncode != 0 and b"lock is no lock file" in out.stderr, out.stderr
    assert victim.stat().st_uid == 0
    (daemon.state / "lock").unlink()
    daemon.start()


def test_the_key_is_stored_only_as_a_digest(own_daemon):
    daemon = own_daemon()
    _, key = daemon.bootstrap("alpha")
    daemon.stop()
    secret = key[-38:-6].encode()
    for path in daemon.state.rglob("*"):
        if path.is_file():
            assert secret not in path.read_bytes(), path
    assert secret.decode() not in daemon.log()
