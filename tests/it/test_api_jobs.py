# SPDX-License-Identifier: Apache-2.0
"""Submit, list, look, wait, cancel."""

import json
import re
import threading
import time
import uuid

import pytest

from test_api_contract import (TERMINAL, decoded, manifest, post, problem, run_job, submit,
                               wait_until)


@pytest.fixture
def sleeper(api, tenant_a):
    job = submit(api, tenant_a, "sleep 300", labels={"kind": "sleeper"})
    yield job
    api("POST", f"/v1/jobs/{job['id']}/cancel", key=tenant_a)


# --- submit ----------------------------------------------------------------------------------------

def test_a_submitted_job_is_where_location_says(api, tenant_a):
    doc = manifest(api, tenant_a, "true", name="located", labels={"a": "1"}, priority=5)
    status, headers, body = post(api, "/v1/jobs", tenant_a, doc)
    job = json.loads(body)
    assert status == 201
    assert headers["location"] == "/v1/jobs/" + job["id"]
    assert (job["name"], job["labels"], job["priority"]) == ("located", {"a": "1"}, 5)
    read = decoded(api("GET", headers["location"], key=tenant_a), 200)
    assert read["id"] == job["id"] and read["manifest"] == doc


def test_simulate_answers_with_the_id_alone(api, tenant_a):
    status, headers, body = post(api, "/simulate", tenant_a, manifest(api, tenant_a, "true"))
    doc = json.loads(body)
    assert status == 202 and list(doc) == ["job_id"]
    assert headers["location"] == "/v1/jobs/" + doc["job_id"]
    assert api("GET", headers["location"], key=tenant_a)[0] == 200


def test_unicode_in_names_and_labels_survives(api, tenant_a):
    job = submit(api, tenant_a, "true", name="Flügel 翼 🚀", labels={"ort": "Zürich"})
    read = decoded(api("GET", "/v1/jobs/" + job["id"], key=tenant_a), 200)
    assert (read["name"], read["labels"]) == ("Flügel 翼 🚀", {"ort": "Zürich"})


@pytest.mark.parametrize("path, status, member", [("/v1/jobs", 201, "id"), ("/simulate", 202, "job_id")])
def test_an_idempotency_key_makes_one_job(api, tenant_a, path, status, member):
    doc, key = manifest(api, tenant_a, "true"), str(uuid.uuid4())
    first = post(api, path, tenant_a, doc, {"Idempotency-Key": key})
    assert "idempotency-replayed" not in first[1]
    for form in (key, f'"{key}"'):
        again = post(api, path, tenant_a, doc, {"Idempotency-Key": form})
        assert decoded(again, status)[member] == decoded(first, status)[member]
        assert again[1]["idempotency-replayed"] == "true"
        assert again[1]["location"] == first[1]["location"]


def test_an_idempotency_key_is_for_one_request_of_one_tenant(api, tenant_a, tenant_b):
    doc, key = manifest(api, tenant_a, "true"), {"Idempotency-Key": str(uuid.uuid4())}
    first = decoded(post(api, "/v1/jobs", tenant_a, doc, key), 201)
    other = post(api, "/v1/jobs", tenant_a, {**doc, "priority": 1}, key)
    problem(other, 422, "idempotency-key-reused")
    problem(post(api, "/simulate", tenant_a, doc, key), 422, "idempotency-key-reused")
    theirs = decoded(post(api, "/v1/jobs", tenant_b, doc, key), 201)
    assert theirs["id"] != first["id"]


def test_a_refused_request_does_not_use_up_its_key(api, tenant_a):
    doc, key = manifest(api, tenant_a, "true"), {"Idempotency-Key": str(uuid.uuid4())}
    problem(post(api, "/v1/jobs", tenant_a, {**doc, "priority": 1000}, key), 422, "invalid-field")
    assert post(api, "/v1/jobs", tenant_a, doc, key)[0] == 201


def test_requests_that_race_with_one_key_make_one_job(api, tenant_a):
    doc, key = manifest(api, tenant_a, "true"), {"Idempotency-Key": str(uuid.uuid4())}
    answers = []
    threads = [threading.Thread(
        target=lambda: answers.append(post(api, "/v1/jobs", tenant_a, doc, key))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({decoded(answer, 201)["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer[1] for answer in answers) == 1


@pytest.mark.parametrize("bad", ['""', '"unclosed', "two words", "k" * 256, '"a\\x"'])
def test_malformed_idempotency_keys_are_refused(api, tenant_a, bad):
    answer = post(api, "/v1/jobs", tenant_a, manifest(api, tenant_a, "true"),
                  {"Idempotency-Key": bad})
    doc = problem(answer, 400, "bad-header")
    assert doc["errors"][0]["header"] == "Idempotency-Key"


# --- list ---------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def labeled(api, tenant_a):
    """Seven jobs with a label of their own, oldest first."""
    mark = uuid.uuid4().hex
    ids = [submit(api, tenant_a, "true", labels={"batch": mark, "n": str(i)})["id"]
           for i in range(7)]
    return mark, ids


def test_pages_show_each_job_once_newest_first(api, tenant_a, labeled):
    mark, ids = labeled
    seen, url, pages = [], f"/v1/jobs?label.batch={mark}&limit=3", 0
    while url:
        status, headers, body = api("GET", url, key=tenant_a)
        page = json.loads(body)
        assert status == 200 and len(page["data"]) <= 3
        seen += [job["id"] for job in page["data"]]
        link = re.fullmatch(r'<([^>]+)>; rel="next"', headers.get("link", ""))
        assert page["has_more"] == (link is not None) == (page["next_cursor"] is not None)
        url, pages = link and link.group(1), pages + 1
    assert seen == ids[::-1]
    assert pages == 3


def test_a_page_that_ends_exactly_has_no_next(api, tenant_a, labeled):
    mark, ids = labeled
    page = decoded(api("GET", f"/v1/jobs?label.batch={mark}&limit=7", key=tenant_a), 200)
    assert len(page["data"]) == 7 and page["next_cursor"] is None and not page["has_more"]


def test_pages_are_stable_while_jobs_are_added(api, tenant_a, labeled):
    mark, ids = labeled
    page = decoded(api("GET", f"/v1/jobs?label.batch={mark}&limit=3", key=tenant_a), 200)
    extra = submit(api, tenant_a, "true", labels={"batch": mark})["id"]
    rest = decoded(api("GET", f"/v1/jobs?label.batch={mark}&limit=200&cursor=" +
                       page["next_cursor"], key=tenant_a), 200)
    shown = [job["id"] for job in page["data"] + rest["data"]]
    assert shown == ids[::-1] and extra not in shown
    api("POST", f"/v1/jobs/{extra}/cancel", key=tenant_a)
    ids.append(extra)


def test_filters_choose_by_label_state_and_environment(api, tenant_a, labeled):
    mark, ids = labeled
    one = decoded(api("GET", "/v1/jobs?label.n=3&limit=200", key=tenant_a), 200)["data"]
    assert ids[3] in [job["id"] for job in one]
    assert all(job["labels"]["n"] == "3" for job in one)
    for state in ("queued", "succeeded", "canceled"):
        rows = decoded(api("GET", "/v1/jobs?state=" + state, key=tenant_a), 200)["data"]
        # A job may move on between the question and the answer, but not into a state of the past.
        assert all(job["state"] == state for job in rows)
    none = decoded(api("GET", f"/v1/jobs?label.batch={mark}&environment=no-such", key=tenant_a), 200)
    assert none == {"data": [], "next_cursor": None, "has_more": False}


def test_a_limit_beyond_the_most_is_lowered_and_nonsense_refused(api, tenant_a):
    assert api("GET", "/v1/jobs?limit=100000", key=tenant_a)[0] == 200
    for bad in ("0", "-1", "ten", "1.5", "", "99999999999999999999999"):
        problem(api("GET", "/v1/jobs?limit=" + bad, key=tenant_a), 400, "bad-parameter")


@pytest.fixture
def cursor(api, tenant_a, labeled):
    page = decoded(api("GET", f"/v1/jobs?label.batch={labeled[0]}&limit=2", key=tenant_a), 200)
    return page["next_cursor"]


def test_cursors_of_other_filters_and_tenants_are_refused(api, tenant_a, tenant_b, labeled, cursor):
    mine = f"/v1/jobs?label.batch={labeled[0]}"
    assert api("GET", f"{mine}&cursor={cursor}", key=tenant_a)[0] == 200
    assert api("GET", f"{mine}&limit=1&cursor={cursor}", key=tenant_a)[0] == 200
    for url in (f"/v1/jobs?cursor={cursor}", f"{mine}&state=queued&cursor={cursor}",
                f"/v1/jobs?label.other={labeled[0]}&cursor={cursor}"):
        problem(api("GET", url, key=tenant_a), 400, "bad-cursor")
    problem(api("GET", f"{mine}&cursor={cursor}", key=tenant_b), 400, "bad-cursor")


def test_altered_cursors_are_refused(api, tenant_a, labeled, cursor):
    mine = f"/v1/jobs?label.batch={labeled[0]}&cursor="
    for position in range(0, len(cursor), 7):
        bent = "A" if cursor[position] != "A" else "B"
        bad = cursor[:position] + bent + cursor[position + 1:]
        problem(api("GET", mine + bad, key=tenant_a), 400, "bad-cursor")
    for bad in (cursor[:-1], cursor + "A", "abc", "%20"):
        problem(api("GET", mine + bad, key=tenant_a), 400, "bad-cursor")


# --- one job --------------------------------------------------------------------------------------------

def test_an_unchanged_job_is_304(api, tenant_a):
    job = wait_until(api, tenant_a, submit(api, tenant_a, "true")["id"])["id"]
    first = api("GET", f"/v1/jobs/{job}", key=tenant_a)
    assert first[1]["cache-control"] == "private, no-cache"
    again = api("GET", f"/v1/jobs/{job}", key=tenant_a, headers={"If-None-Match": first[1]["etag"]})
    assert (again[0], again[2]) == (304, b"")


def test_waiting_ends_when_the_state_changes(api, tenant_a, sleeper):
    state = decoded(api("GET", "/v1/jobs/" + sleeper["id"], key=tenant_a), 200)["state"]
    seen = []
    thread = threading.Thread(target=lambda: seen.append(
        wait_until(api, tenant_a, sleeper["id"], seconds=50)))
    thread.start()
    time.sleep(0.3)
    started = time.monotonic()
    api("POST", f"/v1/jobs/{sleeper['id']}/cancel", key=tenant_a)
    thread.join()
    assert seen[0]["state"] != state
    if seen[0]["state"] in TERMINAL:
        assert time.monotonic() - started < 30


def test_waiting_ends_when_the_time_is_up(api, tenant_a, sleeper):
    wait_until(api, tenant_a, sleeper["id"], states=("running",), seconds=10)
    started = time.monotonic()
    doc = decoded(api("GET", f"/v1/jobs/{sleeper['id']}?wait=700ms", key=tenant_a), 200)
    assert doc["state"] not in TERMINAL
    assert 0.6 < time.monotonic() - started < 10


def test_waiting_for_what_is_over_is_immediate(api, tenant_a, sleeper):
    api("POST", f"/v1/jobs/{sleeper['id']}/cancel", key=tenant_a)
    wait_until(api, tenant_a, sleeper["id"])
    started = time.monotonic()
    decoded(api("GET", f"/v1/jobs/{sleeper['id']}?wait=60s", key=tenant_a), 200)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("bad", ["61s", "30", "-1s", "soon", "", "2m", "1h"])
def test_bad_waits_are_refused(api, tenant_a, sleeper, bad):
    answer = api("GET", f"/v1/jobs/{sleeper['id']}?wait={bad}", key=tenant_a)
    problem(answer, 400, "bad-parameter")


# --- cancel ----------------------------------------------------------------------------------------------

def test_canceling_is_accepted_repeatable_and_ends_the_job(api, tenant_a, sleeper):
    path = f"/v1/jobs/{sleeper['id']}/cancel"
    first = decoded(api("POST", path, key=tenant_a), 202)
    assert first["cancel_requested_at"]
    assert api("POST", path, key=tenant_a)[0] in (202, 409)
    assert wait_until(api, tenant_a, sleeper["id"])["state"] == "canceled"
    doc = problem(api("POST", path, key=tenant_a), 409, "conflict")
    assert "canceled" in doc["detail"]


def test_history_tells_every_move_in_order(api, tenant_a, sleeper):
    api("POST", f"/v1/jobs/{sleeper['id']}/cancel", key=tenant_a)
    wait_until(api, tenant_a, sleeper["id"])
    rows = decoded(api("GET", f"/v1/jobs/{sleeper['id']}/events", key=tenant_a), 200)["data"]
    assert [row["number"] for row in rows] == list(range(len(rows)))
    assert rows[0]["from"] == "queued" and rows[-1]["to"] == "canceled"
    for before, after in zip(rows, rows[1:]):
        assert before["to"] == after["from"] and before["at"] <= after["at"]


def test_a_job_that_ran_has_times_usage_and_history(api, tenant_a):
    job = run_job(api, tenant_a, "sleep 0.2; echo done")
    assert job["state"] == "succeeded" and job["cause"] is None and job["attempt"] == 1
    assert job["created_at"] <= job["claimed_at"] <= job["started_at"] <= job["ended_at"]
    assert 0.2 <= job["usage"]["wall_s"] < 30
    rows = decoded(api("GET", f"/v1/jobs/{job['id']}/events", key=tenant_a), 200)["data"]
    assert [row["to"] for row in rows] == ["claimed", "running", "succeeded"]


def test_a_job_that_failed_says_why(api, tenant_a):
    job = run_job(api, tenant_a, "exit 3")
    assert job["state"] == "failed"
    assert job["cause"]["exit_code"] == 3 and job["cause"]["message"]
