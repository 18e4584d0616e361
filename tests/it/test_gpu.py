# SPDX-License-Identifier: Apache-2.0
"""GPUs and CPUs of one's own.  The devices are those of memory (major 1) in a directory that daemon and spawner
take for /dev; minor 3 is null, 5 zero."""
import json
import os
import pathlib
import shutil
import stat
import subprocess
import tempfile

import pytest

import wardian
from wardian import python_job, wait_for

MINORS = (3, 5)
LOOK = """
import json, os
found = sorted(name for name in os.listdir("/dev") if name.startswith("nvidia") or name == "gpu")
print(json.dumps({"devices": found, "cuda": os.environ.get("CUDA_VISIBLE_DEVICES"),
                  "nvidia": os.environ.get("NVIDIA_VISIBLE_DEVICES"), "cpus": sorted(os.sched_getaffinity(0))}),
      flush=True)
"""
HOLD = LOOK + """
import time
while not os.path.exists("/work/never"):
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def places():
    """Directories with two GPUs: the settings that name them."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="wardian-gpus-", dir="/var/tmp"))
    root.chmod(0o755)
    dev, proc = root / "dev", root / "proc"
    try:
        dev.mkdir()
        information = proc / "driver" / "nvidia" / "gpus" / "0000:19:00.0"
        information.mkdir(parents=True)
        for name, minor in [(f"nvidia{m}", m) for m in MINORS] + [("nvidiactl", 255), ("nvidia-uvm", 9)]:
            try:
                os.mknod(dev / name, stat.S_IFCHR | 0o666, os.makedev(1, minor))
            except PermissionError:
                pytest.skip("devices cannot be made here")
            (dev / name).chmod(0o666)
        (proc / "devices").write_text("Character devices:\n  1 nvidia\n  1 nvidia-uvm\n\nBlock devices:\n")
        (information / "information").write_text("Model: \t\t NVIDIA Test 80GB\nGPU UUID: \t GPU-00-11\n"
                                                 "Bus Location: \t 0000:19:00.0\nDevice Minor: \t 5\n")
        yield [f"--sandbox.gpu_dev={dev}", f"--sandbox.gpu_proc={proc}"]
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def node(places):
    """A daemon with two GPUs, shared by this file."""
    made = wardian.Daemon(places).start()
    yield made
    made.destroy()


@pytest.fixture(scope="module")
def key(node):
    return node.bootstrap("gpus")[1]


def asking(script, **resources):
    return python_job(script, resources={"memory_bytes": 128 << 20, **resources})


def said(node, key, job):
    """What LOOK printed, once it has."""
    def line():
        text = node.job_log(key, job).decode()
        return json.loads(text.splitlines()[0]) if "\n" in text else None
    return wait_for(line, 30, f"{job} looks around")


def state_of(node, key, job):
    return node.json("GET", f"/v1/jobs/{job}", key)["state"]


def cancel(node, key, *jobs):
    for job in jobs:
        node.request("POST", f"/v1/jobs/{job}/cancel", key)
    for job in jobs:
        node.wait(key, job)


def gauge(node, name):
    text = node.request("GET", "/metrics")[2].decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"wardian_{name} "))


def nodes_of(seen):
    return {name for name in seen["devices"] if name[6:].isdigit()}


def test_what_there_is_stands_in_the_log_and_in_the_metrics(node):
    lines = [line["msg"] for line in node.log_lines() if "GPU" in line.get("msg", "")]
    assert any("GPU 3: unknown model" in line for line in lines), lines
    assert any("GPU 5: NVIDIA Test 80GB, unknown memory, GPU-00-11, 0000:19:00.0" in line for line in lines), lines
    wait_for(lambda: gauge(node, "sched_gpus") == 2, 10, "the gauge is set")
    assert gauge(node, "sched_gpus_in_use") == 0


def test_a_job_that_did_not_ask_sees_nothing(node, key):
    job = node.submit(key, asking(LOOK))
    seen = said(node, key, job)
    assert seen["devices"] == [] and seen["cuda"] == "" and seen["nvidia"] == ""
    assert node.wait(key, job)["state"] == "succeeded"


def test_a_job_sees_only_its_own_device_and_counts_it_from_zero(node, key):
    job = node.submit(key, asking(LOOK, gpus=1))
    seen = said(node, key, job)
    assert len(nodes_of(seen)) == 1 and {"nvidiactl", "nvidia-uvm"} <= set(seen["devices"])
    assert seen["cuda"] == "0" and seen["nvidia"] == "0"
    assert node.wait(key, job)["state"] == "succeeded"


def test_devices_are_given_to_one_job_at_a_time(node, key):
    one, two = (node.submit(key, asking(HOLD, gpus=1, cpus=0.1)) for _ in range(2))
    first, second = nodes_of(said(node, key, one)), nodes_of(said(node, key, two))
    assert first | second == {"nvidia3", "nvidia5"}
    wait_for(lambda: gauge(node, "sched_gpus_in_use") == 2, 10, "both are in use")
    both = node.submit(key, asking(LOOK, gpus=2, cpus=0.1))
    # Who needs none goes on meanwhile.
    assert node.run(key, asking(LOOK, cpus=0.1))["state"] == "succeeded"
    assert state_of(node, key, both) == "queued"
    assert node.json("GET", f"/v1/jobs/{both}", key)["waiting"]["reason"] == "gpus"
    cancel(node, key, one)
    assert node.run(key, asking(LOOK, cpus=0.1))["state"] == "succeeded"
    assert state_of(node, key, both) == "queued"
    cancel(node, key, two)
    seen = said(node, key, both)
    assert nodes_of(seen) == {"nvidia3", "nvidia5"} and seen["cuda"] == "0,1"
    assert node.wait(key, both)["state"] == "succeeded"


def test_more_than_there_are_is_refused(node, key):
    status, _, body = node.request("POST", "/v1/jobs", key, asking(LOOK, gpus=3))
    assert status in (400, 422) and b"GPU" in body, body


def test_what_a_job_holds_is_known_to_the_next_daemon(own_daemon, places):
    node = own_daemon(*places)
    key = node.bootstrap("gpus")[1]
    held = node.submit(key, asking(HOLD, gpus=1, cpus=0.1))
    device = nodes_of(said(node, key, held))
    both = node.submit(key, asking(LOOK, gpus=2, cpus=0.1))
    for end in (node.kill, node.stop):
        end()
        node.start()
        other = node.submit(key, asking(LOOK, gpus=1, cpus=0.1))
        assert nodes_of(said(node, key, other)) == {"nvidia3", "nvidia5"} - device
        assert state_of(node, key, held) == "running"
        assert state_of(node, key, both) == "queued"
    cancel(node, key, held)
    assert node.wait(key, both)["state"] == "succeeded"


def test_pinned_jobs_have_cpus_of_their_own(node, key):
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("this machine has one CPU")
    plain = node.submit(key, asking(LOOK, cpus=0.1))
    assert said(node, key, plain)["cpus"] == cpus
    node.wait(key, plain)
    one, two = (node.submit(key, asking(HOLD, cpus=1, pin_cpus=True)) for _ in range(2))
    first, second = said(node, key, one)["cpus"], said(node, key, two)["cpus"]
    assert len(first) == len(second) == 1 and first != second
    wait_for(lambda: gauge(node, "sched_cpus_pinned") == 2, 10, "both are pinned")
    cancel(node, key, one, two)
    wait_for(lambda: gauge(node, "sched_cpus_pinned") == 0, 10, "both are free")


def test_where_no_gpu_is_a_job_that_asks_is_refused_with_a_reason(daemon, tenant_a):
    if list(pathlib.Path("/dev").glob("nvidia[0-9]*")):
        pytest.skip("this machine has NVIDIA devices")
    status, _, body = daemon.request("POST", "/v1/jobs", tenant_a, asking(LOOK, gpus=1))
    assert status in (400, 422) and b"GPU" in body, body
    assert any("no GPUs on this machine" in line.get("msg", "") for line in daemon.log_lines())
    job = daemon.submit(tenant_a, asking(LOOK))
    assert said(daemon, tenant_a, job)["devices"] == []
    daemon.wait(tenant_a, job)


def test_a_job_may_wait_for_a_gpu_of_another_machine(own_daemon):
    if list(pathlib.Path("/dev").glob("nvidia[0-9]*")):
        pytest.skip("this machine has NVIDIA devices")
    node = own_daemon("--limits.job_gpus=2")
    key = node.bootstrap("gpus")[1]
    job = node.submit(key, asking(LOOK, gpus=2))
    assert node.run(key, asking(LOOK))["state"] == "succeeded"
    found = node.json("GET", f"/v1/jobs/{job}", key)
    assert found["state"] == "queued" and found["waiting"]["reason"] == "gpus"
    assert node.request("POST", "/v1/jobs", key, asking(LOOK, gpus=3))[0] in (400, 422)
    cancel(node, key, job)


def test_a_real_gpu_computes_in_a_job(daemon, tenant_a):
    """Asks the driver's library for its devices, as every CUDA program does first."""
    if not list(pathlib.Path("/dev").glob("nvidia[0-9]*")) or not shutil.which("nvidia-smi"):
        pytest.skip("no NVIDIA device on this machine")
    script = """
import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
count = ctypes.c_int()
assert cuda.cuInit(0) == 0, cuda.cuInit(0)
assert cuda.cuDeviceGetCount(ctypes.byref(count)) == 0
print(count.value)
"""
    subprocess.run(["nvidia-smi"], stdout=subprocess.DEVNULL, check=True, timeout=60)
    job = daemon.run(tenant_a, python_job(script, resources={"gpus": 1, "memory_bytes": 4 << 30}))
    assert job["state"] == "succeeded", daemon.job_log(tenant_a, job["id"])
    assert daemon.job_log(tenant_a, job["id"]).strip() == b"1"
