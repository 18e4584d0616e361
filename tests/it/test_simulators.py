# SPDX-License-Identifier: Apache-2.0
"""The four real simulators on real decks, each checked against a number known beforehand."""
import json
import math
import pathlib
import re

import pytest

import wardian

EXAMPLES = wardian.EXAMPLES


def deck_job(environment, name, **parameters):
    path = EXAMPLES / environment / name
    return {"environment": environment, "inputs": [{"path": name, "text": path.read_text()}],
            "parameters": parameters}


def values(daemon, key, job):
    return daemon.json("GET", f"/v1/jobs/{job}/result", key)["values"]


def succeeded(daemon, key, manifest, seconds=120):
    job = daemon.run(key, manifest, seconds)
    assert job["state"] == "succeeded", (job["cause"], daemon.job_log(key, job["id"])[-2000:])
    return job["id"]


def test_ngspice_measures_the_time_constant_of_an_rc_low_pass(daemon, tenant_a):
    job = succeeded(daemon, tenant_a, deck_job("ngspice", "rc.cir", deck="rc.cir"))
    # R = 1 kOhm, C = 1 uF
    assert values(daemon, tenant_a, job)["tau"]["value"] == pytest.approx(1e-3, rel=1e-2)


def test_calculix_bends_a_cantilever_as_beam_theory_says(daemon, tenant_a):
    # F L^3 / (3 E I) with shear: the deck's head has the arithmetic.
    job = succeeded(daemon, tenant_a, deck_job("calculix", "cantilever.inp", deck="cantilever.inp"))
    found = values(daemon, tenant_a, job)
    assert found["displacements.vz.max"]["value"] == pytest.approx(-3.05219e-3, rel=0.005), found


def test_lammps_thermo_table_becomes_metrics(daemon, tenant_a):
    job = succeeded(daemon, tenant_a, deck_job("lammps", "in.melt", deck="in.melt"))
    series = daemon.json("GET", f"/v1/jobs/{job}/result", tenant_a)["series"]
    assert series.get("Temp", 0) >= 3, series
    points = daemon.json("GET", f"/v1/jobs/{job}/metrics?name=Temp", tenant_a)["data"]
    assert len(points) == series["Temp"]
    assert [p["step"] for p in points] == sorted(p["step"] for p in points)
    assert all(0 < p["value"] < 100 for p in points)


def test_python_monte_carlo_estimates_pi_within_its_error(daemon, tenant_a):
    manifest = deck_job("python", "pi.py", script="pi.py", arguments=["200000", "7"])
    found = values(daemon, tenant_a, succeeded(daemon, tenant_a, manifest))
    assert abs(found["pi"]["value"] - math.pi) < 5 * found["standard_error"]["value"], found


def test_calculix_runs_a_deck_of_its_own_test_suite(daemon, tenant_a):
    decks = sorted(pathlib.Path("/usr/share/doc").glob("calculix-ccx*/**/beamp.inp*")) + \
        sorted(pathlib.Path("/usr/share").glob("calculix*/**/beamp.inp*"))
    if not decks:
        pytest.skip("package calculix-ccx-test has no beamp.inp here")
    import gzip
    raw = decks[0].read_bytes()
    text = gzip.decompress(raw).decode() if decks[0].suffix == ".gz" else raw.decode()
    manifest = {"environment": "calculix", "inputs": [{"path": "beamp.inp", "text": text}],
                "parameters": {"deck": "beamp.inp"}}
    job = succeeded(daemon, tenant_a, manifest)
    files = {f["path"] for f in daemon.json("GET", f"/v1/jobs/{job}/files", tenant_a)["data"]}
    assert "beamp.dat" in files and "beamp.frd" in files


def test_lammps_runs_the_melt_of_its_own_examples(daemon, tenant_a):
    decks = sorted(pathlib.Path("/usr/share").glob("lammps/examples/melt/in.melt*")) + \
        sorted(pathlib.Path("/usr/share/doc").glob("lammps*/examples/melt/in.melt*"))
    if not decks:
        pytest.skip("package lammps-examples has no melt here")
    text = re.sub(r"(?m)^region\s+box.*$", "region box block 0 5 0 5 0 5", decks[0].read_text())
    manifest = {"environment": "lammps", "inputs": [{"path": "in.melt", "text": text}],
                "parameters": {"deck": "in.melt"}}
    job = succeeded(daemon, tenant_a, manifest)
    assert daemon.json("GET", f"/v1/jobs/{job}/result", tenant_a)["series"]


def test_a_failing_deck_is_a_user_cause_with_the_simulators_words_in_the_log(daemon, tenant_a):
    manifest = {"environment": "lammps", "inputs": [{"path": "in.bad", "text": "units nonsense\n"}],
                "parameters": {"deck": "in.bad"}}
    job = daemon.run(tenant_a, manifest)
    assert job["state"] == "failed"
    assert job["cause"]["category"] == "user"
    assert b"ERROR" in daemon.job_log(tenant_a, job["id"])


def test_shipped_manifests_are_accepted_as_they_are(daemon, tenant_a):
    for manifest in sorted(EXAMPLES.glob("*/job.json")):
        body = json.loads(manifest.read_text())
        body["inputs"] = [{"path": f.name, "text": f.read_text()}
                          for f in sorted(manifest.parent.iterdir()) if f.name != "job.json"]
        job = daemon.run(tenant_a, body, 120)
        assert job["state"] == "succeeded", (manifest, job["cause"])
