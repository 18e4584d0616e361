# SPDX-License-Identifier: Apache-2.0
"""The CLI against a real server."""
import json
import subprocess

import pytest

import wardian
from wardian import python_job


@pytest.fixture
def cli(daemon, tenant_a):
    """cli(words...) -> CompletedProcess with text output."""
    def run(*words, key=tenant_a, url=None, env=None, **options):
        environment = {"PATH": "/usr/bin:/bin", "WARDIAN_URL": url or f"http://127.0.0.1:{daemon.port}"}
        if key is not None:
            environment["WARDIAN_API_KEY"] = key
        environment.update(env or {})
        return subprocess.run([str(wardian.BUILD / "wardian"), *words], env=environment, timeout=120,
                              capture_output=True, text=True, check=False, **options)
    return run


def test_submit_follow_prints_the_log_and_the_end(cli, tmp_path):
    script = tmp_path / "main.py"
    script.write_text("print('hello from inside')\n")
    out = cli("job", "submit", "python", "--input", str(script), "--param", "script=main.py", "--follow")
    assert out.returncode == 0, out.stderr
    assert "hello from inside" in out.stdout and "succeeded" in out.stdout


def test_submit_wait_exits_8_when_the_job_fails(cli, tmp_path):
    script = tmp_path / "main.py"
    script.write_text("raise SystemExit(1)\n")
    out = cli("job", "submit", "python", "--input", str(script), "--param", "script=main.py", "--wait")
    assert out.returncode == 8 and "failed" in out.stdout


def test_list_parameters_become_arguments_in_order(cli, tmp_path):
    script = tmp_path / "main.py"
    script.write_text("import sys\nprint(sys.argv[1:])\n")
    out = cli("job", "submit", "python", "--input", str(script), "--param", "script=main.py",
              "--param", "arguments=one", "--param", "arguments=two words", "--follow")
    assert "['one', 'two words']" in out.stdout, out.stderr


def test_binary_inputs_arrive_exactly(cli, tmp_path):
    (tmp_path / "main.py").write_text("print(open('data.bin', 'rb').read() == bytes(range(256)))\n")
    (tmp_path / "data.bin").write_bytes(bytes(range(256)))
    out = cli("job", "submit", "python", "--input", f"{tmp_path}/main.py", "--input", f"{tmp_path}/data.bin",
              "--param", "script=main.py", "--follow")
    assert "True" in out.stdout, out.stderr


def test_a_manifest_file_is_sent_with_the_options_added(cli, tmp_path):
    manifest = tmp_path / "job.json"
    manifest.write_text(json.dumps({"environment": "python", "parameters": {"script": "main.py"}}))
    (tmp_path / "main.py").write_text("print('from a manifest')\n")
    out = cli("job", "submit", "--manifest", str(manifest), "--input", f"{tmp_path}/main.py", "--name", "named", "--follow")
    assert out.returncode == 0 and "from a manifest" in out.stdout, out.stderr


def test_json_output_is_the_servers_answer(cli, daemon, tenant_a):
    job = daemon.run(tenant_a, python_job("print(1)"))
    shown = json.loads(cli("job", "get", job["id"], "-o", "json").stdout)
    assert shown == daemon.json("GET", f"/v1/jobs/{job['id']}", tenant_a)


def test_tables_are_tab_separated_when_piped(cli, daemon, tenant_a):
    job = daemon.run(tenant_a, python_job("open('a.txt', 'w').write('abc')"))
    rows = [line.split("\t") for line in cli("job", "list").stdout.splitlines()]
    assert job["id"] in [row[0] for row in rows]
    files = [line.split("\t") for line in cli("job", "files", job["id"]).stdout.splitlines()]
    assert ["a.txt", "3"] in [row[:2] for row in files]
    assert cli("job", "download", job["id"], "a.txt").stdout == "abc"


def test_exit_statuses_follow_the_error(cli, daemon, tenant_a):
    unknown = "job_01jd0000000000000000000000"
    assert cli("job", "get", unknown).returncode == 3
    assert cli("job", "get", "nonsense").returncode == 2
    assert cli("job", "list", key="wdn_sk_wrong").returncode == 4
    assert cli("job", "list", url="http://127.0.0.1:1").returncode == 7
    assert cli("job", "frobnicate").returncode == 2
    assert cli("job", "get").returncode == 2
    assert cli("job", "list", "--nonsense").returncode == 2
    done = daemon.run(tenant_a, python_job("pass"))
    assert cli("job", "cancel", done["id"]).returncode == 5


def test_faults_of_a_manifest_are_listed_with_their_places(cli, tmp_path):
    out = cli("job", "submit", "pyton", "--cpus", "0")
    assert out.returncode in (2, 3)
    assert "python" in out.stderr


def test_env_list_and_status(cli):
    names = [line.split("\t")[0] for line in cli("env", "list").stdout.splitlines()]
    assert {"ngspice", "calculix", "lammps", "python"} <= set(names)
    out = cli("status")
    assert out.returncode == 0 and "ready" in out.stdout and "alpha" in out.stdout


def test_help_names_every_command(cli):
    text = cli("--help").stdout
    for words in ("job    submit", "job    logs", "env    list", "status"):
        assert words in text
    assert "Example" in cli("job", "submit", "--help").stdout


def test_wait_reports_a_timeout_and_the_job_goes_on(cli, daemon, tenant_a):
    job = daemon.submit(tenant_a, python_job("import time\ntime.sleep(3)"))
    out = cli("job", "wait", job, "--timeout", "1")
    assert out.returncode == 7 and "goes on" in out.stderr
    assert daemon.wait(tenant_a, job)["state"] == "succeeded"
