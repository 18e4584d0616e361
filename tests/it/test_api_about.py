# SPDX-License-Identifier: Apache-2.0
"""Health, the description, problems, environments, and what holds for every answer."""

import base64
import json
import re

import pytest

import wardian
from test_api_contract import decoded, problem


def test_livez_answers_without_a_credential(api):
    status, headers, body = api("GET", "/livez", key=None)
    assert (status, json.loads(body)) == (200, {"status": "ok"})
    assert headers["cache-control"] == "no-store"


def test_readyz_lists_its_checks_when_asked(api):
    short = decoded(api("GET", "/readyz", key=None), 200)
    assert short == {"status": "ok"}
    for query in ("?verbose", "?verbose=true"):
        checks = decoded(api("GET", "/readyz" + query, key=None), 200)["checks"]
        assert {c["name"]: c["ok"] for c in checks}.items() >= {"database": True, "scheduler": True}.items()
    problem(api("GET", "/readyz?verbose=maybe", key=None), 400, "bad-parameter")


def test_metrics_are_prometheus_text(api, tenant_a):
    api("GET", "/v1/me", key=tenant_a)
    status, headers, body = api("GET", "/metrics", key=None)
    assert status == 200
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = body.decode()
    assert text.endswith("\n")
    assert "# TYPE wardian_jobs_submitted_total counter" in text
    assert 'route="/v1/me"' in text
    assert tenant_a not in text and "ten_" not in text


def test_route_labels_are_templates_even_for_hostile_paths(api):
    api("GET", "/no/such/path-4711", key=None)
    api("BREW", "/livez", key=None)
    text = api("GET", "/metrics", key=None)[2].decode()
    assert "4711" not in text and "BREW" not in text


def test_the_description_has_an_entity_tag(api):
    status, headers, body = api("GET", "/openapi.json", key=None)
    assert json.loads(body)["openapi"] == "3.1.0"
    again = api("GET", "/openapi.json", key=None, headers={"If-None-Match": headers["etag"]})
    assert (again[0], again[2]) == (304, b"")
    assert again[1]["etag"] == headers["etag"]
    other = api("GET", "/openapi.json", key=None, headers={"If-None-Match": '"x", W/"y"'})
    assert other[0] == 200
    changed = api("GET", "/openapi.json", key=None, headers={"If-Match": '"x"'})
    problem(changed, 412, "precondition-failed")


def test_problems_are_text_for_browsers_and_json_for_programs(api):
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    page = api("GET", "/problems", key=None, headers={"Accept": browser})
    assert page[1]["content-type"].startswith("text/plain")
    assert b"quota-exceeded" in page[2]
    one = api("GET", "/problems/quota-exceeded", key=None, headers={"Accept": "text/plain"})
    assert one[2].startswith(b"quota-exceeded") and b"429" in one[2]
    assert decoded(api("GET", "/problems/quota-exceeded", key=None), 200)["status"] == 429
    problem(api("GET", "/problems/no-such-problem", key=None), 404, "not-found")


def test_me_tells_tenant_and_key_and_no_secret(api, tenant_a, tenant_b):
    status, headers, body = api("GET", "/v1/me", key=tenant_a)
    me, other = json.loads(body), decoded(api("GET", "/v1/me", key=tenant_b), 200)
    assert status == 200 and headers["cache-control"] == "no-store"
    assert me["tenant_id"].startswith("ten_") and me["tenant_id"] != other["tenant_id"]
    assert me["key"] in tenant_a and tenant_a not in body.decode()


def test_a_key_may_come_as_basic_user(api, tenant_a):
    basic = base64.b64encode((tenant_a + ":").encode()).decode()
    answer = api("GET", "/v1/me", key=None, headers={"Authorization": "Basic " + basic})
    assert answer[0] == 200


def test_environments_are_listed_and_found_by_name(api, tenant_a):
    rows = decoded(api("GET", "/v1/environments", key=tenant_a), 200)["data"]
    assert rows and [r["name"] for r in rows] == sorted(r["name"] for r in rows)
    for row in rows:
        assert decoded(api("GET", "/v1/environments/" + row["name"], key=tenant_a), 200) == row


def test_a_mistyped_environment_is_answered_with_the_nearest(api, tenant_a):
    name = decoded(api("GET", "/v1/environments", key=tenant_a), 200)["data"][0]["name"]
    doc = problem(api("GET", f"/v1/environments/{name}x", key=tenant_a), 404, "not-found")
    assert name in doc["detail"]
    problem(api("GET", "/v1/environments/%F0%9F%9A%80", key=tenant_a), 404, "not-found")


def test_request_ids_are_kept_when_well_formed_and_made_otherwise(api):
    kept = api("GET", "/livez", key=None, headers={"X-Request-Id": "deploy-check_01"})
    assert kept[1]["x-request-id"] == "deploy-check_01"
    for bad in ("short", "with blank in it", "x" * 65, "semi;colon;semi"):
        made = api("GET", "/livez", key=None, headers={"X-Request-Id": bad})[1]["x-request-id"]
        assert re.fullmatch(r"req_[0-9a-z]{26}", made)


def test_the_callers_trace_is_in_the_access_log_and_not_in_the_answer(api, daemon):
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    for mark, sent in (("trace-good", f"00-{trace}-{parent}-01"), ("trace-bad", f"00-{trace.upper()}-{parent}-01")):
        answer = api("GET", "/problems", key=None, headers={"traceparent": sent, "X-Request-Id": mark})
        assert answer[0] == 200 and not {"traceparent", "tracestate"} & set(answer[1])

    def logged():
        lines = {line.get("request_id"): line for line in daemon.log_lines()}
        return lines if {"trace-good", "trace-bad"} <= set(lines) else None

    lines = wardian.wait_for(logged, 5, "both requests are in the log")
    assert lines["trace-good"]["trace_id"] == trace
    assert "trace_id" not in lines["trace-bad"]


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/v1/me", "/problems"])
def test_every_answer_carries_the_protective_headers(api, path):
    headers = api("GET", path, key=None)[1]
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] in ("no-store", "no-cache")
    assert "x-request-id" in headers


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/jobs/", "/V1/jobs", "/v1//jobs",
                                  "/v1/%6aobs", "/livez/x", "/problems/", "/v1/jobs/a/b/c"])
def test_unknown_paths_are_404_and_point_to_the_description(api, tenant_a, path):
    for key in (None, tenant_a):
        doc = problem(api("GET", path, key=key), 404, "no-such-route")
        assert "/openapi.json" in doc["detail"]


def test_unknown_methods_are_501(api):
    answer = api("BREW", "/livez", key=None)
    assert answer[0] == 501
    assert json.loads(answer[2])["code"] == "method-not-implemented"
