# SPDX-License-Identifier: Apache-2.0
"""The merge of the fragments of the API's description: what follows from a fragment, and what stops a build."""

import json
import subprocess

import pytest

import wardian

MERGE = wardian.TOP / "src" / "api" / "openapi" / "merge.cmake"
BASE = {"openapi": "3.1.0", "info": {"title": "T; [x] \"q\" \\ ${x} …"}, "servers": [], "tags": [],
        "components": {"schemas": {"Base": {"type": "string"}}}}


def operation(**more):
    return {"operationId": "x", "x-permission": "job:read", "responses": {"200": {"description": "OK."}}, **more}


def fragment(path="/x", method="get", schema="X", **more):
    return {"paths": {path: {method: operation(**more)}}, "components": {"schemas": {schema: {"type": "object"}}}}


def merge(tmp_path, *fragments):
    files = []
    for i, doc in enumerate((BASE, *fragments)):
        files.append(tmp_path / f"{i}.json")
        files[-1].write_text(doc if isinstance(doc, str) else json.dumps(doc))
    out = tmp_path / "out.c"
    done = subprocess.run(["cmake", "-DFRAGMENTS=" + ";".join(map(str, files)), f"-DOUT={out}", "-DSYMBOL=doc",
                           "-P", str(MERGE)], capture_output=True, text=True, timeout=60, check=False)
    return done, out


def merged(tmp_path, *fragments):
    done, out = merge(tmp_path, *fragments)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out.c.json").read_text()
    numbers = out.read_text().split("= {", 1)[1].split("};")[0].replace("\n", "").split(",")
    assert bytes(int(n, 16) for n in numbers[:-1]).decode() == text and numbers[-1] == "0"
    return json.loads(text)


def test_what_all_operations_have_is_added(tmp_path):
    doc = merged(tmp_path, fragment())
    assert doc["info"] == BASE["info"]
    got = doc["paths"]["/x"]["get"]
    assert got["security"] == [{"bearer": []}, {"basic": []}]
    assert set(got["responses"]) == {"200", "400", "401", "403", "406", "413", "429", "500", "503"}
    assert set(got["responses"]["200"]["headers"]) == {"X-Request-Id", "Cache-Control", "RateLimit-Policy",
                                                       "RateLimit"}
    assert got["parameters"] == [{"$ref": "#/components/parameters/RequestId"}]
    assert set(doc["components"]["schemas"]) == {"Base", "X"}


def test_open_operations_have_neither_credential_nor_limits(tmp_path):
    got = merged(tmp_path, fragment(**{"x-permission": "none"}))["paths"]["/x"]["get"]
    assert got["security"] == []
    assert not {"401", "403", "429"} & set(got["responses"])
    assert set(got["responses"]["200"]["headers"]) == {"X-Request-Id", "Cache-Control"}


def test_bodies_can_be_wrong(tmp_path):
    got = merged(tmp_path, fragment(method="post", requestBody={}))["paths"]["/x"]["post"]
    assert {"415", "422"} <= set(got["responses"])


def test_an_answer_of_its_own_wins_and_null_leaves_one_out(tmp_path):
    own = {"200": {"description": "OK.", "headers": {"Link": {"description": "L."}}},
           "403": {"$ref": "#/components/responses/CannotGrant"}, "406": None}
    got = merged(tmp_path, fragment(responses=own))["paths"]["/x"]["get"]["responses"]
    assert got["403"] == own["403"] and "406" not in got
    assert got["200"]["headers"]["Link"] == {"description": "L."}
    assert "X-Request-Id" in got["200"]["headers"]


@pytest.mark.parametrize("second, word", [
    (fragment(schema="Y"), "/x is described elsewhere"),
    (fragment(path="/y"), "components/schemas/X is described elsewhere"),
    (fragment(path="/y", schema="Base"), "components/schemas/Base is described elsewhere"),
    ({"paths": {"/y": {"get": {"responses": {}}}}}, "lacks x-permission"),
    ("{", "2.json"), ("[]", "2.json")])
def test_a_fragment_that_does_not_fit_stops_the_build(tmp_path, second, word):
    done, out = merge(tmp_path, fragment(), second)
    assert done.returncode != 0
    assert word in " ".join(done.stderr.split())
    assert not out.exists()
