# SPDX-License-Identifier: Apache-2.0
"""Attempts: where the time went, what was used, as a whole and over time, and who may know."""

import json
import os
import subprocess
import time

import pytest

import access
import wardian
from access import wait_job
from test_api_contract import decoded, problem, run_job, submit, wait_until
from wardian import python_job, wait_for

BUSY = "import time\nt = time.process_time()\nwhile time.process_time() - t < {s}: pass\nprint('done')"


def attempts(api, key, job):
    return decoded(api("GET", f"/v1/jobs/{job}/attempts", key=key), 200)["data"]


def usage(api, key, job, attempt=1, query=""):
    return decoded(api("GET", f"/v1/jobs/{job}/attempts/{attempt}/usage{query}", key=key), 200)


@pytest.fixture(scope="module")
def done(api, tenant_a):
    """A job that was over in a moment."""
    doc = run_job(api, tenant_a, "echo hello; echo 12345 > out.txt")
    assert doc["state"] == "succeeded", doc
    return doc["id"]


@pytest.fixture(scope="module")
def world():
    daemon = wardian.Daemon(access.NO_LIMITS).start()
    try:
        made = access.World(daemon)
        yield made
        made.close()
    finally:
        daemon.destroy()


@pytest.fixture
def sleeper(api, tenant_a):
    job = submit(api, tenant_a, "echo begun; sleep 300")["id"]
    wait_until(api, tenant_a, job, ("running",))
    yield job
    api("POST", f"/v1/jobs/{job}/cancel", key=tenant_a)


# --- one attempt ---------------------------------------------------------------------------------------


def test_an_attempt_tells_where_its_time_went_and_what_it_used(api, tenant_a, done):
    (one,) = attempts(api, tenant_a, done)
    job = decoded(api("GET", f"/v1/jobs/{done}", key=tenant_a), 200)
    assert (one["number"], one["outcome"], one["exit_code"], one["signal"]) == (1, "exited", 0, None)
    assert one["cause"] is None and one["fault"] is None and len(one["node"]) == 36
    assert job["created_at"] <= one["claimed_at"] <= one["started_at"] <= one["ended_at"] <= job["ended_at"]
    phases, used = one["phases"], one["usage"]
    assert list(phases) == ["queued_s", "stage_s", "launch_s", "run_s", "collect_s"]
    assert all(0 <= phases[name] < 30 for name in phases), phases
    assert phases["run_s"] == used["wall_s"] == job["usage"]["wall_s"] > 0
    assert used["cpu_s"] == pytest.approx(used["cpu_user_s"] + used["cpu_system_s"]) == job["usage"]["cpu_s"]
    assert used["memory_peak_bytes"] == job["usage"]["memory_peak_bytes"]
    assert (used["log_bytes"], used["log_truncated"]) == (6, False)
    assert (used["output_files"], used["output_bytes"], used["oom_kills"]) == (1, 6, 0)
    assert used["output_files_skipped"] == job["usage"]["output_files_skipped"] == 0
    assert decoded(api("GET", f"/v1/jobs/{done}/attempts/1", key=tenant_a), 200) == one


def test_what_was_left_out_of_the_outputs_is_counted(api, tenant_a, cli):
    script = "echo kept > kept.txt; ln -s kept.txt link; mkfifo pipe; mkdir empty; echo x > $(printf 'a\\nb'); mkdir -p " \
        + "/".join(["d"] * 70)
    doc = run_job(api, tenant_a, script)
    assert doc["state"] == "succeeded", doc
    (one,) = attempts(api, tenant_a, doc["id"])
    used = one["usage"]
    # The link, the pipe, the name with a line break, and what lies deeper than 64 directories.
    assert (used["output_files"], used["output_files_skipped"]) == (1, 4), used
    assert doc["usage"]["output_files_skipped"] == 4
    assert cli("job", "attempts", doc["id"]).split("\t")[9:11] == ["1", "4"]
    for words in (("attempts", doc["id"], "1"), ("get", doc["id"])):
        assert ["left_out", "4"] in [line.split() for line in cli("job", *words).splitlines()]


def test_each_attempt_of_a_job_that_is_tried_again_has_its_cause(daemon, api, tenant_a):
    job = daemon.run(tenant_a, python_job("raise SystemExit(3)", retry={"max_attempts": 2}), 30)["id"]
    first, second = attempts(api, tenant_a, job)
    assert (first["number"], second["number"]) == (1, 2)
    for one in (first, second):
        assert (one["outcome"], one["exit_code"], one["cause"]["kind"]) == ("exited", 3, "exit-code")
    assert second["phases"]["queued_s"] >= 0.4, "the delay before it counts as waiting"
    assert first["ended_at"] <= second["claimed_at"]


def test_an_attempt_that_goes_on_is_listed_without_figures(api, tenant_a, sleeper):
    (one,) = attempts(api, tenant_a, sleeper)
    assert one["outcome"] is None and one["ended_at"] is None and one["usage"] is None and one["cause"] is None
    assert one["started_at"] is not None and one["node"] is not None
    assert one["phases"]["queued_s"] >= 0 and one["phases"]["run_s"] is None


def test_a_program_that_is_not_there_is_a_fault_with_its_step_and_error(daemon, api, tenant_a):
    job = daemon.run(tenant_a, {"environment": "python", "command": ["/usr/bin/no-such-program"]})["id"]
    (one,) = attempts(api, tenant_a, job)
    assert (one["outcome"], one["cause"]["kind"], one["fault"]["errno"]) == ("exec-failed", "exec-failed", "ENOENT")


def test_cpu_time_beyond_the_limit_ends_a_job_with_that_cause(daemon, api, tenant_a):
    job = daemon.run(tenant_a, python_job(BUSY.format(s=60), limits={"cpu_s": 1, "wall_s": 50}), 60)
    assert (job["cause"]["category"], job["cause"]["kind"]) == ("resource", "cpu-time")
    assert "limits.cpu_s" in job["cause"]["message"]
    (one,) = attempts(api, tenant_a, job["id"])
    assert one["outcome"] == "cpu-time" and 0.9 <= one["usage"]["cpu_s"] < 3, one


def test_a_job_that_waits_has_no_attempts(own_daemon):
    daemon = own_daemon("--quota.jobs_running=0")
    key = daemon.bootstrap("waiting")[1]
    job = daemon.submit(key, python_job("print(1)"))
    assert daemon.json("GET", f"/v1/jobs/{job}/attempts", key)["data"] == []
    waiting = daemon.json("GET", f"/v1/jobs/{job}", key)["waiting"]
    assert (waiting["reason"], waiting["limit"], waiting["of"]) == ("limit", "jobs_running", "tenant")
    assert "0 of at most 0" in waiting["message"]
    problem(daemon.request("GET", f"/v1/jobs/{job}/attempts/1", key), 404, "not-found")
    problem(daemon.request("GET", f"/v1/jobs/{job}/attempts/1/usage", key), 404, "not-found")


# --- over time ---------------------------------------------------------------------------------------------


def check_series(data):
    for before, after in zip(data, data[1:]):
        assert after["at_s"] > before["at_s"]
        for counter in ("cpu_s", "throttled_s", "io_read_bytes", "io_write_bytes"):
            assert after[counter] >= before[counter], (counter, before, after)


def test_use_over_time_is_seen_while_it_goes_on_and_kept_afterwards(daemon, api, tenant_a):
    job = daemon.submit(tenant_a, python_job(BUSY.format(s=5) + "\nopen('x', 'w').write('y')"))
    live = wait_for(lambda: (usage(api, tenant_a, job)["data"] if attempts(api, tenant_a, job) else []), 30, "samples")
    assert not usage(api, tenant_a, job)["over"] or len(live) > 0
    assert daemon.wait(tenant_a, job, 60)["state"] == "succeeded"
    kept = usage(api, tenant_a, job)
    assert kept["over"] and (kept["job_id"], kept["attempt"]) == (job, 1)
    assert 3 <= len(kept["data"]) <= 512
    check_series(kept["data"])
    assert kept["data"][: len(live)] == live, "what was seen stays as it was"
    (one,) = attempts(api, tenant_a, job)
    assert kept["data"][-1]["cpu_s"] <= one["usage"]["cpu_s"] + 0.01
    assert max(s["memory_bytes"] for s in kept["data"]) <= one["usage"]["memory_peak_bytes"]
    assert max(s["processes"] for s in kept["data"]) >= 1


def test_an_attempt_that_was_over_at_once_has_an_empty_series(api, tenant_a, done):
    assert usage(api, tenant_a, done) == {"job_id": done, "attempt": 1, "over": True, "data": []}


def test_fewer_points_keep_the_ends_and_the_extremes(world):
    t = world.tenant("series")
    job = t.job("true")
    wait_job(world.http, t.owner, job)
    world.database.rows(
        "insert into attempt_usage select tenant_id, job_id, epoch, "
        + ", ".join(
            f"(select array_agg({what} order by i) from generate_series(1, 500) as i)"
            for what in ("i * 1000", "i", "i", "(i * 7919) %% 1000", "i", "i", "i")
        )
        + " from job_attempt where tenant_id = %s",
        str(t.uuid),
    )

    def ask(query):
        return world.http.json("GET", f"/v1/jobs/{job}/attempts/1/usage{query}", t.owner)["data"]

    whole = ask("")
    assert len(whole) == 500
    for points in (4, 5, 64, 499):
        some = ask(f"?points={points}")
        assert 4 <= len(some) <= points or points < 6
        assert some[0] == whole[0] and some[-1] == whole[-1]
        assert all(s in whole for s in some)
        for least_or_most in (min, max):
            assert least_or_most(s["memory_bytes"] for s in some) == least_or_most(s["memory_bytes"] for s in whole)
    assert ask("?points=100000") == whole


# --- hostile values and other tenants ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    ["0", "2", "-1", "01", "1.0", "1e0", "+1", "%201", "1%20", "one", "null", "9223372036854775807",
     "9223372036854775808", "9" * 400, "%ef%bc%91", "1'--"],
)
def test_numbers_that_no_attempt_has_are_not_found(api, tenant_a, done, number):
    for suffix in ("", "/usage"):
        answer = api("GET", f"/v1/jobs/{done}/attempts/{number}{suffix}", key=tenant_a)
        assert answer[0] == 404 and json.loads(answer[2])["code"] in ("not-found", "no-route"), answer


@pytest.mark.parametrize("points", ["0", "3", "-1", "x", "4.5", "9" * 30, ""])
def test_bad_numbers_of_points_are_refused(api, tenant_a, done, points):
    answer = api("GET", f"/v1/jobs/{done}/attempts/1/usage?points={points}", key=tenant_a)
    assert problem(answer, 400, "bad-parameter")["errors"][0]["parameter"] == "points"


def test_attempts_of_others_are_like_those_of_nobody(api, tenant_a, tenant_b, done):
    def ask(job, suffix):
        status, headers, body = api(
            "GET", f"/v1/jobs/{job}/attempts{suffix}", key=tenant_b, headers={"X-Request-Id": "the-same-each-time"}
        )
        return status, {k: v for k, v in headers.items() if k not in ("date", "ratelimit")}, body

    for suffix in ("", "/1", "/2", "/x", "/1/usage", "/2/usage", "/x/usage"):
        foreign = ask(done, suffix)
        assert foreign == ask("job_00000000000000000000000000", suffix)
        problem(foreign, 404, "not-found")
        assert done not in foreign[2].decode()


# --- what a manifest may ask for -----------------------------------------------------------------------------


def refused(api, key, code="invalid-field", **more):
    doc = {"environment": "python", "command": ["true"], **more}
    answer = api("POST", "/v1/jobs", key=key, body=json.dumps(doc).encode(), headers={"Content-Type": "application/json"})
    faults = problem(answer, 422, code)["errors"]
    assert all(len(fault["detail"]) > 10 for fault in faults)
    return [fault["pointer"] for fault in faults]


@pytest.mark.parametrize(
    "where, what",
    [("resources", "gpus"), ("resources", "pin_cpus"), ("limits", "cpu_s"), ("limits", "io_read_bytes_per_s"),
     ("limits", "io_write_bytes_per_s")],
)
@pytest.mark.parametrize("value", [-1, "1", [], {}, None, (1 << 63) - 1, 1e308, "NaN"])
def test_values_that_make_no_sense_are_refused_at_their_place(api, tenant_a, where, what, value):
    assert refused(api, tenant_a, **{where: {what: value}}) == [f"/{where}/{what}"]


def test_pinned_cpus_are_whole(api, tenant_a):
    assert refused(api, tenant_a, resources={"cpus": 0.5, "pin_cpus": True}) == ["/resources/pin_cpus"]
    job = submit(api, tenant_a, "true", resources={"cpus": 1, "pin_cpus": True})
    assert job["resources"]["pin_cpus"] is True and job["resources"]["gpus"] == 0


def test_more_pinned_cpus_than_the_machine_has_are_impossible_and_not_waited_for(own_daemon):
    daemon = own_daemon("--sched.cpus=4096")  # shares of CPU time may be given away twice, CPUs may not
    key = daemon.bootstrap("wide")[1]
    there = len(os.sched_getaffinity(0))
    manifest = {"environment": "python", "command": ["true"], "resources": {"cpus": there + 1, "pin_cpus": True}}
    (fault,) = problem(daemon.request("POST", "/v1/jobs", key, manifest), 422, "impossible-resources")["errors"]
    assert fault["pointer"] == "/resources/pin_cpus" and f"the largest has {there};" in fault["detail"], fault
    manifest["resources"]["cpus"] = there
    assert daemon.run(key, manifest)["state"] == "succeeded"
    manifest["resources"].update(cpus=there + 1, pin_cpus=False)
    assert daemon.run(key, manifest)["state"] == "succeeded"


def test_more_gpus_than_any_node_has_are_impossible(api, tenant_a):
    assert refused(api, tenant_a, "impossible-resources", resources={"gpus": 64}) == ["/resources/gpus"]
    assert refused(api, tenant_a, resources={"gpus": 65}) == ["/resources/gpus"]


def test_profiles_show_how_their_program_is_told_to_end(api, tenant_a):
    env = decoded(api("GET", "/v1/environments/python", key=tenant_a), 200)
    assert env["stop"] == {"signal": "SIGINT", "file": None, "text": None, "wait_s": 5}
    assert env["root"] is None and env["defaults"]["gpus"] == 0


def test_a_script_that_is_canceled_runs_its_last_lines(daemon, tenant_a):
    script = (
        "import time\ntry:\n    print('begun', flush=True)\n    time.sleep(100)\n"
        "finally:\n    open('saved.txt', 'w').write('all of it')"
    )
    job = daemon.submit(tenant_a, python_job(script))
    wait_for(lambda: b"begun" in daemon.job_log(tenant_a, job), 20, "the script waits")
    began = time.monotonic()
    daemon.json("POST", f"/v1/jobs/{job}/cancel", tenant_a)
    assert daemon.wait(tenant_a, job, 30)["state"] == "canceled"
    assert time.monotonic() - began < 5, "it ended when it was told, not when its time was up"
    assert daemon.request("GET", f"/v1/jobs/{job}/files/saved.txt", tenant_a)[2] == b"all of it"


# --- the CLI ---------------------------------------------------------------------------------------------------


@pytest.fixture
def cli(daemon, tenant_a):
    def run(*words, status=0):
        environment = {
            "PATH": "/usr/bin:/bin",
            "WARDIAN_URL": f"http://127.0.0.1:{daemon.port}",
            "WARDIAN_API_KEY": tenant_a,
        }
        out = subprocess.run(
            [str(wardian.BUILD / "wardian"), *words], env=environment, capture_output=True, text=True, timeout=60
        )
        assert out.returncode == status, (out.returncode, out.stderr)
        return out.stdout if status == 0 else out.stderr

    return run


def test_the_cli_shows_attempts_as_rows_and_as_json(cli, api, tenant_a, done):
    (row,) = cli("job", "attempts", done).splitlines()
    cells = row.split("\t")
    assert cells[:2] == ["1", "exited"] and len(cells) == 12 and len(cells[11]) == 36
    assert json.loads(cli("job", "attempts", done, "-o", "json"))["data"] == attempts(api, tenant_a, done)
    one = dict(line.split(None, 1) for line in cli("job", "attempts", done, "1").splitlines())
    assert one["number"] == "1" and one["outcome"] == "exited" and "usage.cpu_user_s" in one
    assert json.loads(cli("job", "attempts", done, "1", "-o", "json"))["number"] == 1
    assert "not-found" in cli("job", "attempts", done, "7", status=3)
    assert "number" in cli("job", "attempts", done, "one", status=2)


def test_the_cli_shows_use_over_time_of_the_newest_attempt(cli, api, tenant_a):
    job = run_job(api, tenant_a, "sleep 2.5")["id"]
    rows = [line.split("\t") for line in cli("job", "usage", job).splitlines()]
    data = usage(api, tenant_a, job)["data"]
    assert len(rows) == len(data) >= 1 and all(len(row) == 7 for row in rows)
    assert [float(row[0]) for row in rows] == [s["at_s"] for s in data]
    assert json.loads(cli("job", "usage", job, "1", "--points", "4", "-o", "json"))["data"] == data
    assert "points" in cli("job", "usage", job, "--points", "1", status=2)


def test_the_cli_submits_devices_and_limits_of_every_kind(cli, api, tenant_a, tmp_path):
    (tmp_path / "job.json").write_text('{"environment": "python", "command": ["true"]}')
    job = cli(
        *("job", "submit", "--manifest", str(tmp_path / "job.json"), "--cpus", "1", "--pin-cpus", "--gpus", "0"),
        *("--cpu-time", "7.5", "--io-read", "1MiB", "--io-write", "64KiB"),
    ).strip()
    asked = decoded(api("GET", f"/v1/jobs/{job}", key=tenant_a), 200)["manifest"]
    assert asked["resources"] == {"cpus": 1, "pin_cpus": True, "gpus": 0}
    assert asked["limits"] == {"cpu_s": 7.5, "io_read_bytes_per_s": 1 << 20, "io_write_bytes_per_s": 64 << 10}
