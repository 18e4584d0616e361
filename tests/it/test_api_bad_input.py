# SPDX-License-Identifier: Apache-2.0
"""Submissions that are wrong: each is refused with its own code, names the place, and never a 5xx."""

import http.client
import json
import random

import pytest

from test_api_contract import JSON, decoded, environment_name, manifest, post, problem


@pytest.fixture(scope="module")
def env(api, tenant_a):
    return environment_name(api, tenant_a)


def refused(api, key, doc, status, code):
    """Both ways of submitting refuse alike."""
    answers = [problem(post(api, path, key, doc), status, code) for path in ("/v1/jobs", "/simulate")]
    assert answers[0]["detail"] == answers[1]["detail"]
    return answers[0]


@pytest.mark.parametrize("body", [
    b"", b" ", b"{", b"}", b"nonsense", b"{}x", b'{"environment": }', b'{"environment": "x",}',
    b"{'environment': 'x'}", b'{"environment": "\xff"}', b'{"environment": "\\ud800"}',
    b'{"environment": "a\\u0000b"}', b'{"a": NaN}', b'{"a": 01}', b'{"a": 1e999}', b"\xef\xbb\xbf{}",
    b'{"a": 1, "a": 2}', b"[" * 100, b'{"a":' * 40 + b"1" + b"}" * 40,
    b'{"a": "\x01"}', b"{} {}", b"\x00"])
def test_malformed_json_is_bad_json(api, tenant_a, body):
    refused(api, tenant_a, body, 400, "bad-json")


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"text"', b"true"])
def test_a_body_that_is_no_object_is_refused(api, tenant_a, body):
    for path in ("/v1/jobs", "/simulate"):
        answer = post(api, path, tenant_a, body)
        assert answer[0] in (400, 422), answer
        assert json.loads(answer[2])["code"] in ("bad-json", "invalid-field")


# member to add, pointer of the fault
FAULTS = [
    ({"enviroment": "x"}, "/enviroment"),
    ({"resources": {"cpu": 1}}, "/resources/cpu"),
    ({"limits": {"wall_seconds": 1}}, "/limits/wall_seconds"),
    ({"name": 7}, "/name"),
    ({"name": ""}, "/name"),
    ({"name": "x" * 129}, "/name"),
    ({"name": "two\nlines"}, "/name"),
    ({"priority": "high"}, "/priority"),
    ({"priority": 101}, "/priority"),
    ({"priority": -101}, "/priority"),
    ({"priority": 1.5}, "/priority"),
    ({"priority": 2 ** 62}, "/priority"),
    ({"seed": -1}, "/seed"),
    ({"seed": "x"}, "/seed"),
    ({"resources": []}, "/resources"),
    ({"resources": {"cpus": 0}}, "/resources/cpus"),
    ({"resources": {"cpus": -1}}, "/resources/cpus"),
    ({"resources": {"cpus": 0.25}}, "/resources/cpus"),
    ({"resources": {"cpus": "1"}}, "/resources/cpus"),
    ({"resources": {"memory_bytes": 0}}, "/resources/memory_bytes"),
    ({"resources": {"memory_bytes": 1e6}}, "/resources/memory_bytes"),
    ({"resources": {"disk_bytes": -5}}, "/resources/disk_bytes"),
    ({"limits": {"wall_s": 0}}, "/limits/wall_s"),
    ({"limits": {"wall_s": 10 ** 12}}, "/limits/wall_s"),
    ({"limits": {"output_bytes": 1}}, "/limits/output_bytes"),
    ({"retry": {"max_attempts": 0}}, "/retry/max_attempts"),
    ({"retry": {"max_attempts": 11}}, "/retry/max_attempts"),
    ({"labels": {"": "x"}}, "/labels/"),
    ({"labels": {"a": 1}}, "/labels/a"),
    ({"labels": {"-a": "x"}}, "/labels/-a"),
    ({"labels": {"a": "x" * 256}}, "/labels/a"),
    ({"labels": {"l%02d" % i: "x" for i in range(33)}}, "/labels"),
    ({"labels": "x"}, "/labels"),
    ({"command": []}, "/command"),
    ({"command": "ls"}, "/command"),
    ({"command": [1]}, "/command/0"),
    ({"command": ["../../bin/sh"]}, "/command/0"),
    ({"command": ["/etc/passwd"]}, "/command/0"),
    ({"command": ["x"] * 129}, "/command"),
    ({"inputs": {}}, "/inputs"),
    ({"inputs": [1]}, "/inputs/0"),
    ({"inputs": [{"text": "x"}]}, "/inputs/0/path"),
    ({"inputs": [{"path": "a"}]}, "/inputs/0"),
    ({"inputs": [{"path": "a", "text": "x", "base64": "eA=="}]}, "/inputs/0"),
    ({"inputs": [{"path": "../a", "text": "x"}]}, "/inputs/0/path"),
    ({"inputs": [{"path": "/a", "text": "x"}]}, "/inputs/0/path"),
    ({"inputs": [{"path": "a//b", "text": "x"}]}, "/inputs/0/path"),
    ({"inputs": [{"path": "a\\b", "text": "x"}]}, "/inputs/0/path"),
    ({"inputs": [{"path": "a", "base64": "!"}]}, "/inputs/0/base64"),
    ({"inputs": [{"path": "a", "text": "x"}, {"path": "a", "text": "y"}]}, "/inputs/1/path"),
    ({"inputs": [{"path": "a", "text": "x"}, {"path": "a/b", "text": "y"}]}, "/inputs/1/path"),
    ({"parameters": {"x": 1}}, "/command"),
]


@pytest.mark.parametrize("more, pointer", FAULTS, ids=lambda v: str(v)[:40])
def test_each_wrong_member_is_named(api, tenant_a, more, pointer):
    doc = refused(api, tenant_a, {**manifest(api, tenant_a, "true"), **more}, 422, "invalid-field")
    assert pointer in [fault["pointer"] for fault in doc["errors"]], doc["errors"]


def test_all_faults_come_in_one_answer(api, tenant_a):
    doc = refused(api, tenant_a, {**manifest(api, tenant_a, "true"), "priority": 1000, "name": 1,
                                  "labels": {"a": 1}, "bogus": 0}, 422, "invalid-field")
    assert {"/priority", "/name", "/labels/a", "/bogus"} <= {f["pointer"] for f in doc["errors"]}


def test_many_faults_are_counted_beyond_the_first_eight(api, tenant_a):
    wrong = {"x%d" % i: 0 for i in range(20)}
    doc = refused(api, tenant_a, {**manifest(api, tenant_a, "true"), **wrong}, 422, "invalid-field")
    assert len(doc["errors"]) == 8 and doc["errors_omitted"] == 12


def test_an_unknown_member_is_answered_with_the_nearest_known(api, tenant_a):
    doc = refused(api, tenant_a, {**manifest(api, tenant_a, "true"), "lables": {}}, 422,
                  "invalid-field")
    assert "labels" in doc["errors"][0]["detail"]


def test_a_missing_environment_is_a_fault(api, tenant_a):
    doc = refused(api, tenant_a, {"command": ["true"]}, 422, "invalid-field")
    assert doc["errors"][0]["pointer"] == "/environment"


def test_an_unknown_environment_has_its_own_code(api, tenant_a, env):
    doc = refused(api, tenant_a, {"environment": env + "x", "command": ["true"]}, 422,
                  "no-such-environment")
    assert env in doc["detail"]


def test_resources_that_no_node_has_have_their_own_code(api, tenant_a):
    for resources in ({"cpus": 4096}, {"memory_bytes": 1 << 50}):
        refused(api, tenant_a, {**manifest(api, tenant_a, "true"), "resources": resources}, 422,
                "impossible-resources")


# --- media types and sizes --------------------------------------------------------------------------------

@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded",
                                   "application/jsonx", "application/json; charset=latin1",
                                   "multipart/form-data; boundary=x", ""])
def test_other_media_types_are_415(api, tenant_a, media):
    answer = post(api, "/v1/jobs", tenant_a, manifest(api, tenant_a, "true"),
                  {"Content-Type": media})
    problem(answer, 415, "media-type")
    assert answer[1]["accept-post"] == "application/json"


def test_a_body_without_a_media_type_is_415(daemon, tenant_a):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    connection.request("POST", "/v1/jobs", body=b"{}", headers={"Authorization": "Bearer " + tenant_a})
    response = connection.getresponse()
    assert response.status == 415 and json.loads(response.read())["code"] == "media-type"
    connection.close()


def test_a_charset_of_utf_8_is_fine(api, tenant_a):
    body = json.dumps(manifest(api, tenant_a, "true")).encode()
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    assert api("POST", "/v1/jobs", key=tenant_a, body=body, headers=headers)[0] == 201


def test_content_codings_are_refused(api, tenant_a):
    answer = post(api, "/v1/jobs", tenant_a, b"{}", {"Content-Encoding": "gzip"})
    problem(answer, 415, "media-type")


def test_a_body_over_one_mebibyte_is_too_large(daemon, tenant_a):
    body = b'{"environment": "' + b"x" * (1 << 20) + b'"}'
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    connection.putrequest("POST", "/v1/jobs")
    for name, value in (("Authorization", "Bearer " + tenant_a), ("Content-Length", str(len(body))),
                        ("Content-Type", "application/json")):
        connection.putheader(name, value)
    connection.endheaders()
    try:
        connection.send(body)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused by its head, before all of it was sent
    response = connection.getresponse()
    assert response.status == 413
    assert json.loads(response.read())["code"] == "too-large"
    connection.close()


def test_a_body_just_below_one_mebibyte_is_read(api, tenant_a):
    doc = manifest(api, tenant_a, "true", inputs=[{"path": "a", "text": ""}])
    doc["inputs"][0]["text"] = "x" * ((1 << 20) - len(json.dumps(doc).encode()) - 8)
    job = decoded(post(api, "/v1/jobs", tenant_a, doc), 201)
    api("POST", f"/v1/jobs/{job['id']}/cancel", key=tenant_a)


# --- noise --------------------------------------------------------------------------------------------------

def test_random_changes_to_a_manifest_never_cause_a_server_error(api, tenant_a):
    rng = random.Random(4711)
    base = json.dumps({"environment": "no-such", "name": "n", "command": ["sh", "-c", "true"],
                       "inputs": [{"path": "a/b", "base64": "AAEC"}], "labels": {"a": "b"},
                       "resources": {"cpus": 1, "memory_bytes": 1 << 28}, "limits": {"wall_s": 5},
                       "retry": {"max_attempts": 2}, "priority": 1, "seed": 3}).encode()
    tokens = [b"{", b"}", b"[", b"]", b'"', b",", b":", b"null", b"1e400", b"-0", b"\\u0000", b"\xff",
              b"\x00", b"9" * 40, b"true", b'"a":']
    for _ in range(400):
        body = bytearray(base)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(body))
            if rng.random() < 0.5:
                body[at] = rng.randrange(256)
            else:
                body[at:at] = rng.choice(tokens)
        status, _, answer = post(api, "/v1/jobs", tenant_a, bytes(body))
        assert 400 <= status < 500, (status, bytes(body), answer)


def test_random_queries_never_cause_a_server_error(api, tenant_a):
    rng = random.Random(42)
    letters = "abcdefglimtcursoenvrolabel.=&%+0123456789-_~"
    for _ in range(300):
        query = "".join(rng.choice(letters) for _ in range(rng.randint(1, 60)))
        query = query.replace("%", rng.choice(["%41", "%zz", "%c3%a4", "%ff", "%00"]))
        status = api("GET", "/v1/jobs?" + query, key=tenant_a)[0]
        assert status in (200, 400), (status, query)


def test_random_headers_never_cause_a_server_error(api, tenant_a):
    rng = random.Random(7)
    names = ["Accept", "If-None-Match", "If-Match", "Range", "Content-Type", "X-Request-Id",
             "Authorization", "Idempotency-Key", "Last-Event-ID"]
    pieces = ['"', "W/", "*", "/", ";", "q=", "0.5", ",", "bytes=", "-", "Bearer ", "Basic ", "a", "\\"]
    for _ in range(300):
        headers = {rng.choice(names): "".join(rng.choice(pieces) for _ in range(rng.randint(0, 8)))
                   for _ in range(3)}
        assert api("GET", "/v1/jobs", key=tenant_a, headers=headers)[0] < 500, headers
