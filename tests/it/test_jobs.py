# SPDX-License-Identifier: Apache-2.0
"""How jobs end, and what is said about it."""
import json
import os
import tempfile

import pytest

from wardian import python_job, wait_for


def test_an_exit_code_is_reported_exactly(daemon, tenant_a):
    for code in (1, 2, 126, 127, 137, 255):
        job = daemon.run(tenant_a, python_job(f"raise SystemExit({code})"))
        assert job["state"] == "failed"
        assert job["cause"]["kind"] == "exit-code" and job["cause"]["exit_code"] == code


def test_a_signal_is_reported_as_a_signal(daemon, tenant_a):
    job = daemon.run(tenant_a, python_job("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"))
    assert job["cause"]["kind"] == "signal" and job["cause"]["signal"] == 11


def test_memory_beyond_the_limit_is_oom_and_not_a_signal(daemon, tenant_a):
    job = daemon.run(tenant_a, python_job("x = bytearray(300 << 20)\nprint(len(x))",
                                          resources={"memory_bytes": 96 << 20}))
    assert job["state"] == "failed"
    assert job["cause"]["category"] == "resource" and job["cause"]["kind"] == "oom"


def test_exit_137_is_no_oom(daemon, tenant_a):
    job = daemon.run(tenant_a, python_job("import os\nos._exit(137)"))
    assert job["cause"]["kind"] == "exit-code"


def test_wall_time_ends_a_job_that_ignores_term(daemon, tenant_a):
    script = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)"
    job = daemon.run(tenant_a, python_job(script, limits={"wall_s": 1}), 30)
    assert job["cause"]["category"] == "resource" and job["cause"]["kind"] == "wall-time"


def test_silence_beyond_the_limit_ends_a_job(daemon, tenant_a):
    job = daemon.run(tenant_a, python_job("import time\ntime.sleep(60)",
                                          limits={"wall_s": 50, "no_output_s": 1}), 30)
    assert job["cause"]["kind"] == "no-output"


def test_cancel_ends_a_running_job(daemon, tenant_a):
    job = daemon.submit(tenant_a, python_job("import time\nprint('up', flush=True)\ntime.sleep(100)"))
    wait_for(lambda: b"up" in daemon.job_log(tenant_a, job), 20, "the job runs")
    assert daemon.request("POST", f"/v1/jobs/{job}/cancel", tenant_a)[0] == 202
    over = daemon.wait(tenant_a, job, 20)
    assert over["state"] == "canceled"
    status, _, body = daemon.request("POST", f"/v1/jobs/{job}/cancel", tenant_a)
    assert status == 409 and b"canceled" in body


def test_a_failing_job_is_tried_as_often_as_asked(daemon, tenant_a):
    job = daemon.run(tenant_a, python_job("raise SystemExit(3)", retry={"max_attempts": 2}), 30)
    assert job["state"] == "failed" and job["attempt"] == 2
    events = [e["event"] for e in daemon.json("GET", f"/v1/jobs/{job['id']}/events", tenant_a)["data"]]
    assert events == ["claim", "started", "retry", "claim", "started", "exited-bad"]


def test_output_beyond_the_cap_is_cut_with_a_marker_and_the_job_goes_on(daemon, tenant_a):
    script = "import sys\nfor i in range(20000): print('x' * 99)\nopen('done', 'w').write('yes')"
    job = daemon.run(tenant_a, python_job(script, limits={"output_bytes": 10000}))
    assert job["state"] == "succeeded"
    log = daemon.job_log(tenant_a, job["id"])
    assert log.startswith(b"x" * 99) and len(log) < 11000 and b"wardian" in log
    files = [f["path"] for f in daemon.json("GET", f"/v1/jobs/{job['id']}/files", tenant_a)["data"]]
    assert "done" in files


def test_binary_output_is_carried_exactly(daemon, tenant_a):
    script = "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 3)"
    job = daemon.run(tenant_a, python_job(script))
    assert daemon.job_log(tenant_a, job["id"]) == bytes(range(256)) * 3


def test_a_job_sees_its_inputs_and_nothing_else_of_the_host(daemon, tenant_a):
    script = """
import os, json, socket
seen = {"cwd": os.getcwd(), "files": sorted(os.listdir(".")), "uid": os.getuid(), "pid": os.getpid(),
        "root": sorted(os.listdir("/")), "home": os.path.exists("/home"), "host": socket.gethostname(),
        "procs": sorted(p for p in os.listdir("/proc") if p.isdigit())}
try:
    socket.create_connection(("127.0.0.1", %d), 1)
    seen["daemon"] = True
except OSError:
    seen["daemon"] = False
for line in open("/proc/self/status"):
    if line.split(":")[0] in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp"):
        seen[line.split(":")[0]] = line.split()[1]
print(json.dumps(seen))
""" % daemon.port
    job = daemon.run(tenant_a, python_job(script))
    seen = json.loads(daemon.job_log(tenant_a, job["id"]))
    assert seen["cwd"] == "/work" and seen["files"] == ["main.py"]
    # PID 1 is the keeper, and nobody else was there.
    assert seen["uid"] == 1000 and seen["pid"] == 2
    assert not seen["home"] and not seen["daemon"]
    assert not {"srv", "root", "mnt", "boot", "opt"} & set(seen["root"])
    assert int(seen["CapEff"], 16) == 0 and int(seen["CapBnd"], 16) == 0
    assert seen["NoNewPrivs"] == "1" and seen["Seccomp"] == "2"
    assert "2" in seen["procs"] and len(seen["procs"]) <= 2


def test_inputs_fill_the_scratch_space_to_the_last_page_and_no_further(daemon, tenant_a):
    files = [{"path": f"d{i % 8}/f{i}", "text": "x" * (3 * 4096 + 1)} for i in range(64)]  # four pages each
    manifest = {"environment": "python", "command": ["true"], "inputs": files, "resources": {"disk_bytes": 1 << 20}}
    assert daemon.run(tenant_a, manifest)["state"] == "succeeded"
    files[63]["text"] += "x" * 4096
    status, _, body = daemon.request("POST", "/v1/jobs", tenant_a, manifest)
    (fault,) = json.loads(body)["errors"]
    assert status == 422 and fault["pointer"] == "/inputs", body
    assert "1052672 bytes" in fault["detail"] and "1048576" in fault["detail"] and "disk_bytes" in fault["detail"]
    manifest["resources"]["disk_bytes"] = 1052672
    assert daemon.run(tenant_a, manifest)["state"] == "succeeded"


def test_inputs_lie_as_deep_as_a_sandbox_walks(daemon, tenant_a):
    manifest = {"environment": "python", "command": ["true"],
                "inputs": [{"path": "/".join([f"i{n}", *["d"] * 62, "f"]), "text": "x"} for n in range(64)],
                "resources": {"disk_bytes": 1 << 20}}
    assert daemon.run(tenant_a, manifest)["state"] == "succeeded"
    manifest["inputs"][5]["path"] = "d/" + manifest["inputs"][5]["path"]
    status, _, body = daemon.request("POST", "/v1/jobs", tenant_a, manifest)
    assert status == 422 and b"63 directories" in body, body


def test_usage_is_measured(daemon, tenant_a):
    script = "import time\nt = time.process_time()\nwhile time.process_time() - t < 0.5: pass"
    job = daemon.run(tenant_a, python_job(script))
    assert job["usage"]["cpu_s"] == pytest.approx(0.55, abs=0.25)
    assert job["usage"]["wall_s"] >= 0.5
    assert job["usage"]["memory_peak_bytes"] > 1 << 20


def test_a_command_that_is_not_there_is_told_apart_from_a_program_that_fails(daemon, tenant_a):
    job = daemon.run(tenant_a, {"environment": "python", "command": ["/usr/bin/no-such-program"]})
    assert job["state"] == "failed"
    assert job["cause"]["category"] == "user" and job["cause"]["kind"] == "exec-failed"


def test_an_environment_whose_program_is_missing_is_listed_and_refused_with_its_package(own_daemon):
    with tempfile.TemporaryDirectory(prefix="wardian-it-env-", dir="/var/tmp") as directory:
        os.chmod(directory, 0o755)
        with open(f"{directory}/absent.toml", "w", encoding="utf8") as profile:
            profile.write('name = "absent"\ntitle = "Absent"\ndescription = "Is not there."\npackage = "absent-solver"\n'
                          'program = "/usr/bin/absent-solver"\ncommand = ["/usr/bin/absent-solver"]\n')
        daemon = own_daemon(environments=directory)
        _, key = daemon.bootstrap("alpha")
        listed = daemon.json("GET", "/v1/environments", key)["data"]
        assert [(e["name"], e["available"]) for e in listed] == [("absent", False)]
        status, _, body = daemon.request("POST", "/v1/jobs", key, {"environment": "absent"})
        assert status == 422 and b"environment-unavailable" in body and b"absent-solver" in body
