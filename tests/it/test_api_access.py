# SPDX-License-Identifier: Apache-2.0
"""The caller, its permissions and tokens, and the tenant as it sees itself."""

import base64
import http.client
import json
import threading
import time

import pytest

import wardian
from test_api_contract import JSON, decoded, post, problem, submit, wait_until

MERGE = {"Content-Type": "application/merge-patch+json"}
UNKNOWN = "01jd8m2xq5e6tv0c3k9w7r4y1z"
UNKNOWN_PROJECT = "prj_" + UNKNOWN


def patch(api, path, key, doc, headers=None, media=MERGE):
    body = doc if isinstance(doc, bytes) else json.dumps(doc).encode()
    return api("PATCH", path, key=key, body=body, headers={**media, **(headers or {})})


def new_token(api, key, **wish):
    return decoded(post(api, "/v1/auth/token", key, wish), 201)


def default_project(api, key):
    return decoded(api("GET", "/v1/projects", key=key), 200)["data"][0]["id"]


# --- the caller ---------------------------------------------------------------------------------------

def test_me_tells_user_and_credential(api, tenant_a):
    me = decoded(api("GET", "/v1/me", key=tenant_a), 200)
    assert me["credential"] == {"type": "api_key", "expires_at": None}
    assert me["user"]["id"].startswith("usr_") and me["user"]["kind"] == "service"
    assert me["support_id"] is None
    token = new_token(api, tenant_a)
    mine = decoded(api("GET", "/v1/me", key=token["access_token"]), 200)
    assert mine["credential"] == {"type": "token", "expires_at": token["expires_at"]}
    assert {k: v for k, v in mine.items() if k != "credential"} == \
        {k: v for k, v in me.items() if k != "credential"}


def test_permissions_are_listed_with_their_level(api, tenant_a):
    rows = decoded(api("GET", "/v1/permissions", key=tenant_a), 200)["data"]
    described = decoded(api("GET", "/openapi.json", key=None), 200)["components"]["schemas"]["Permission"]
    assert [row["name"] for row in rows] == described["enum"]
    levels = {row["name"]: row["level"] for row in rows}
    assert (levels["job:read"], levels["audit:read"], levels["tenants:create"]) == ("project", "tenant", "platform")
    answer = api("GET", "/v1/permissions", key=tenant_a)
    again = api("GET", "/v1/permissions", key=tenant_a, headers={"If-None-Match": answer[1]["etag"]})
    assert (again[0], again[2]) == (304, b"")


def test_an_owner_may_everything_in_its_tenant_and_nothing_beside_it(api, tenant_a):
    rows = decoded(api("GET", "/v1/permissions", key=tenant_a), 200)["data"]
    mine = decoded(api("GET", "/v1/me/permissions", key=tenant_a), 200)
    assert mine["everywhere"] == [row["name"] for row in rows if row["level"] != "platform"]
    assert mine["projects"] == []


def test_permissions_in_a_project_of_mine_or_404(api, tenant_a, tenant_b):
    project = default_project(api, tenant_a)
    there = decoded(api("GET", f"/v1/me/permissions?project={project}", key=tenant_a), 200)
    assert there["project"] == project and "job:create" in there["permissions"]
    same_id = {"X-Request-Id": "the-same-id-each-time"}
    foreign = api("GET", f"/v1/me/permissions?project={project}", key=tenant_b, headers=same_id)
    unknown = api("GET", f"/v1/me/permissions?project={UNKNOWN_PROJECT}", key=tenant_b, headers=same_id)
    problem(foreign, 404, "not-found")
    assert foreign[2] == unknown[2]
    nil = "prj_" + "0" * 26
    problem(api("GET", f"/v1/me/permissions?project={nil}", key=tenant_a), 400, "bad-parameter")
    problem(api("GET", "/v1/me/permissions?project=default", key=tenant_a), 400, "bad-parameter")


# --- explanations -------------------------------------------------------------------------------------

def check(api, caller, **question):
    return decoded(post(api, "/v1/access/check", caller, question), 200)


def test_a_check_explains_why_the_caller_may(api, tenant_a):
    answer = check(api, tenant_a, permission="job:create")
    assert answer["allowed"] is True
    assert {"role": "owner", "scope": "tenant", "project": None, "via": "user"} in answer["reasons"]
    assert answer["limits"] == [] and "job:create" in answer["sentence"]
    assert check(api, tenant_a, permission="tenants:create")["allowed"] is False
    project = default_project(api, tenant_a)
    assert check(api, tenant_a, permission="job:create", project=project)["allowed"] is True


def test_a_check_tells_that_a_tokens_scopes_are_in_the_way(api, tenant_a):
    token = new_token(api, tenant_a, scopes=["job:read"])["access_token"]
    assert check(api, token, permission="job:read")["allowed"] is True
    answer = check(api, token, permission="job:create")
    assert answer["allowed"] is False
    assert answer["limits"] == ["the token's scopes leave it out"]
    assert answer["sentence"].startswith("No")


def test_a_check_about_others_needs_role_read(api, tenant_a):
    me = decoded(api("GET", "/v1/me", key=tenant_a), 200)
    token = new_token(api, tenant_a, scopes=["job:read"])["access_token"]
    other = {"permission": "job:read", "user": "usr_" + UNKNOWN}
    doc = problem(post(api, "/v1/access/check", token, other), 403, "denied")
    assert "role:read" in doc["detail"]
    problem(post(api, "/v1/access/check", tenant_a, other), 404, "not-found")
    for mine in ({"user": me["user"]["id"]}, {"key": me["key_id"]}):
        assert check(api, token, permission="job:create", **mine)["allowed"] is True


@pytest.mark.parametrize("question, pointer", [
    ({}, "/permission"), ({"permission": "job:fly"}, "/permission"), ({"permission": ""}, "/permission"),
    ({"permission": "job:read", "project": "default"}, "/project"),
    ({"permission": "job:read", "user": "key_" + UNKNOWN}, "/user"),
    ({"permission": "job:read", "user": "usr_" + UNKNOWN, "key": "key_" + UNKNOWN}, "/key"),
    # The id that stands for none in the program is nobody's.
    ({"permission": "job:read", "project": "prj_" + "0" * 26}, "/project"),
    ({"permission": "job:read", "role": "owner"}, "/role")])
def test_questions_that_cannot_be_answered_are_422(api, tenant_a, question, pointer):
    doc = problem(post(api, "/v1/access/check", tenant_a, question), 422, "invalid-field")
    assert pointer in [fault["pointer"] for fault in doc["errors"]]


def test_a_check_about_an_unknown_project_is_404(api, tenant_a):
    problem(post(api, "/v1/access/check", tenant_a, {"permission": "job:read", "project": UNKNOWN_PROJECT}),
            404, "not-found")


# --- tokens -------------------------------------------------------------------------------------------

def test_a_token_does_what_its_key_does(api, tenant_a):
    answer = post(api, "/v1/auth/token", tenant_a, {})
    token = decoded(answer, 201)
    assert answer[1]["cache-control"] == "no-store"
    assert token["token_type"] == "Bearer" and 3590 <= token["expires_in"] <= 3600
    mine = decoded(api("GET", "/v1/me/permissions", key=token["access_token"]), 200)
    assert mine == decoded(api("GET", "/v1/me/permissions", key=tenant_a), 200)
    assert token["scope"].split() == mine["everywhere"]


def test_no_body_at_all_gives_a_token_too(api, tenant_a):
    assert decoded(api("POST", "/v1/auth/token", key=tenant_a), 201)["access_token"]


def test_a_tokens_key_is_published(api, tenant_a):
    answer = api("GET", "/.well-known/jwks.json", key=None)
    keys = decoded(answer, 200)["keys"]
    assert answer[1]["cache-control"] == "public, max-age=300"
    head = new_token(api, tenant_a)["access_token"].split(".")[0]
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    assert header["typ"] == "at+jwt" and header["alg"] == "ES256"
    assert header["kid"] in [key["kid"] for key in keys]
    assert not any("d" in key for key in keys)


def test_scopes_limit_a_token(api, tenant_a):
    token = new_token(api, tenant_a, scopes=["job:read", "environment:read"], expires_in_s=60)
    assert token["expires_in"] <= 60
    assert token["scope"] == "job:read environment:read"
    key = token["access_token"]
    assert api("GET", "/v1/jobs", key=key)[0] == 200
    doc = problem(api("GET", "/v1/tenant", key=key), 403, "denied")
    assert "tenant:read" in doc["detail"]


@pytest.mark.parametrize("wish, pointer", [
    ({"expires_in_s": 59}, "/expires_in_s"), ({"expires_in_s": 3601}, "/expires_in_s"),
    ({"expires_in_s": "60"}, "/expires_in_s"), ({"scopes": []}, "/scopes"),
    ({"scopes": ["job:fly"]}, "/scopes/0"), ({"scopes": "job:read"}, "/scopes"),
    ({"scopes": ["job:read"] * 1000}, "/scopes"), ({"subject": "root"}, "/subject")])
def test_wishes_that_cannot_be_granted_are_422(api, tenant_a, wish, pointer):
    doc = problem(post(api, "/v1/auth/token", tenant_a, wish), 422, "invalid-field")
    assert pointer in [fault["pointer"] for fault in doc["errors"]]


def test_a_token_buys_no_other_token(api, tenant_a):
    token = new_token(api, tenant_a)["access_token"]
    problem(post(api, "/v1/auth/token", token, {}), 403, "denied")


def refused_soon(api, token, seconds=1.5):
    end = time.monotonic() + seconds
    while api("GET", "/v1/me", key=token)[0] != 401:
        assert time.monotonic() < end, "still accepted"
        time.sleep(0.05)


def test_a_token_that_is_given_back_is_refused_and_others_are_not(api, tenant_a):
    first, second = (new_token(api, tenant_a)["access_token"] for _ in range(2))
    assert api("POST", "/v1/auth/revoke", key=first)[0] == 204
    refused_soon(api, first)
    problem(api("POST", "/v1/auth/revoke", key=first), 401, "unauthenticated")
    assert api("GET", "/v1/me", key=second)[0] == 200


def test_an_api_key_is_not_given_back_this_way(api, tenant_a):
    doc = problem(api("POST", "/v1/auth/revoke", key=tenant_a), 409, "conflict")
    assert "DELETE /v1/keys/key_" in doc["detail"]


def test_a_long_poll_ends_when_its_credential_does(api, tenant_a):
    job = submit(api, tenant_a, "sleep 60")["id"]
    if wait_until(api, tenant_a, job, ("running",), 10)["state"] not in ("running", "queued"):
        pytest.skip("jobs do not stay alive here")
    token = new_token(api, tenant_a)["access_token"]
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append(api("GET", f"/v1/jobs/{job}?wait=60s", key=token)))
    waiting.start()
    time.sleep(0.5)
    assert api("POST", "/v1/auth/revoke", key=token)[0] == 204
    waiting.join(5)
    assert answers, "the poll goes on"
    problem(answers[0], 401, "unauthenticated")
    api("POST", f"/v1/jobs/{job}/cancel", key=tenant_a)


def test_a_stream_ends_when_its_credential_does(api, daemon, tenant_a):
    job = submit(api, tenant_a, "while true; do echo tick; sleep 0.1; done")["id"]
    token = new_token(api, tenant_a)["access_token"]
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
    connection.request("GET", f"/v1/jobs/{job}/log?follow=sse", headers={"Authorization": "Bearer " + token})
    response = connection.getresponse()
    assert response.status == 200
    assert response.read(1)
    assert api("POST", "/v1/auth/revoke", key=token)[0] == 204
    began = time.monotonic()
    while response.read(4096):
        assert time.monotonic() - began < 5, "the stream goes on"
    connection.close()
    api("POST", f"/v1/jobs/{job}/cancel", key=tenant_a)


# --- the tenant ---------------------------------------------------------------------------------------

def test_the_tenant_is_read_conditionally(api, tenant_a):
    answer = api("GET", "/v1/tenant", key=tenant_a)
    tenant = decoded(answer, 200)
    assert tenant["name"] == "alpha" and tenant["state"] == "active" and tenant["kind"] == "customer"
    assert answer[1]["etag"] == f'"{tenant["version"]}"'
    again = api("GET", "/v1/tenant", key=tenant_a, headers={"If-None-Match": answer[1]["etag"]})
    assert (again[0], again[2]) == (304, b"")


def test_a_change_needs_the_version_that_it_names(api, tenant_a):
    before = decoded(api("GET", "/v1/tenant", key=tenant_a), 200)
    tag = f'"{before["version"]}"'
    wish = {"support_allowed": not before["support_allowed"]}
    stale = patch(api, "/v1/tenant", tenant_a, wish, {"If-Match": f'"{before["version"] + 1}"'})
    problem(stale, 412, "precondition-failed")
    problem(patch(api, "/v1/tenant", tenant_a, wish, {"If-Match": "W/" + tag}), 412, "precondition-failed")
    problem(patch(api, "/v1/tenant", tenant_a, wish, {"If-Match": f'{tag}, "9"'}), 400, "bad-header")
    assert decoded(api("GET", "/v1/tenant", key=tenant_a), 200) == before
    answer = patch(api, "/v1/tenant", tenant_a, wish, {"If-Match": tag})
    after = decoded(answer, 200)
    assert after == {**before, **wish, "version": before["version"] + 1}
    assert answer[1]["etag"] == f'"{after["version"]}"'
    problem(patch(api, "/v1/tenant", tenant_a, wish, {"If-Match": tag}), 412, "precondition-failed")


def test_a_change_that_changes_nothing_makes_no_version(api, tenant_a):
    before = decoded(api("GET", "/v1/tenant", key=tenant_a), 200)
    for wish in ({}, {"support_allowed": before["support_allowed"]}):
        assert decoded(patch(api, "/v1/tenant", tenant_a, wish, {"If-Match": "*"}), 200) == before
        assert decoded(patch(api, "/v1/tenant", tenant_a, wish, media=JSON), 200) == before


@pytest.mark.parametrize("name", ["id", "name", "kind", "state", "state_reason", "created_at", "version"])
def test_what_is_read_only_is_unknown_in_a_change(api, tenant_a, name):
    doc = problem(patch(api, "/v1/tenant", tenant_a, {name: None}), 422, "invalid-field")
    assert [fault["pointer"] for fault in doc["errors"]] == ["/" + name]


@pytest.mark.parametrize("value", [None, 1, "true", [], {}])
def test_a_switch_is_true_or_false(api, tenant_a, value):
    doc = problem(patch(api, "/v1/tenant", tenant_a, {"support_allowed": value}), 422, "invalid-field")
    assert [fault["pointer"] for fault in doc["errors"]] == ["/support_allowed"]


def test_changes_of_many_at_once_keep_one_order(api, tenant_b):
    """Each of them names the version that it has read; one wins per version."""
    before = decoded(api("GET", "/v1/tenant", key=tenant_b), 200)
    tag, wish = f'"{before["version"]}"', {"support_allowed": not before["support_allowed"]}
    answers = []
    threads = [threading.Thread(
        target=lambda: answers.append(patch(api, "/v1/tenant", tenant_b, wish, {"If-Match": tag})))
        for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer[0] for answer in answers) == [200] + [412] * 7
    assert decoded(api("GET", "/v1/tenant", key=tenant_b), 200)["version"] == before["version"] + 1


# --- the record ---------------------------------------------------------------------------------------

def audit(api, key, query):
    return decoded(api("GET", "/v1/audit?" + query, key=key), 200)["data"]


def test_denials_tokens_and_changes_are_in_the_log(api, tenant_a):
    token = new_token(api, tenant_a, scopes=["job:read"])
    mark = {"X-Request-Id": f"denied-{time.monotonic_ns()}"}
    problem(api("GET", "/v1/tenant", key=token["access_token"], headers=mark), 403, "denied")
    entry = audit(api, tenant_a, "outcome=denied&limit=1")[0]
    assert entry["action"] == "tenant:read" and entry["reason"] == "needs tenant:read"
    assert entry["request_id"] == mark["X-Request-Id"] and entry["source"] == "127.0.0.1"
    made = audit(api, tenant_a, "action=token.create&limit=1")[0]
    assert made["resource"] == token["id"] and token["access_token"] not in str(made)
    api("POST", "/v1/auth/revoke", key=token["access_token"])
    assert audit(api, tenant_a, "action=token.revoke&limit=1")[0]["resource"] == token["id"]


def test_a_revoked_credential_that_is_tried_is_in_the_log(api, tenant_a):
    token = new_token(api, tenant_a)["access_token"]
    assert api("POST", "/v1/auth/revoke", key=token)[0] == 204
    refused_soon(api, token)

    def told():
        return [e for e in audit(api, tenant_a, "outcome=denied&limit=5") if e["reason"] == "credential revoked"]

    assert wardian.wait_for(told, 5, "the refusal is in the log")[0]["action"] == "self:read"
