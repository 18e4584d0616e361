# SPDX-License-Identifier: Apache-2.0
"""The description at /openapi.json against the server: every operation with every kind of caller,
and every answer against its schema.  A new operation is covered without a line here."""

import json
import re
import time

import pytest

TERMINAL = ("succeeded", "failed", "canceled")
JSON = {"Content-Type": "application/json"}
UNKNOWN_JOB = "job_00000000000000000000000000"
# Placeholders of paths, and the type of the ids that they stand for.
PREFIXES = {"job": "job", "tenant": "ten", "project": "prj", "user": "usr", "role": "rol", "assignment": "asg",
            "key": "key", "issuer": "iss", "support": "sup", "operation": "opr"}
BAD_IDS = ("{}_0", "{}_" + "u" * 26, "{}_" + "0" * 27, "{}_8zzzzzzzzzzzzzzzzzzzzzzzzz", "xyz_" + "0" * 26,
           "00000000-0000-7000-8000-000000000000", "{upper}_" + "0" * 26, "%00")


# --- helpers that the other test_api files share ---------------------------------------------------

def decoded(answer, status):
    """The JSON body of an answer that must have this status."""
    assert answer[0] == status, (answer[0], answer[2])
    return json.loads(answer[2])


def problem(answer, status, code):
    """The problem document of an answer, checked in all its parts."""
    assert answer[0] == status, (answer[0], answer[2])
    assert answer[1]["content-type"] == "application/problem+json"
    doc = json.loads(answer[2])
    assert doc["status"] == status
    assert doc["code"] == code, doc
    assert doc["type"] == "/problems/" + code
    assert doc["request_id"] == answer[1]["x-request-id"]
    assert doc["instance"] == "urn:wardian:request:" + doc["request_id"]
    assert doc["detail"] and doc["title"]
    assert isinstance(doc["retryable"], bool)
    return doc


def environment_name(api, key):
    """An environment whose program is installed; jobs bring a command of their own."""
    rows = decoded(api("GET", "/v1/environments", key=key), 200)["data"]
    names = [row["name"] for row in rows if row["available"]]
    if not names:
        pytest.skip("no environment is available on this host")
    return "python" if "python" in names else names[0]


def manifest(api, key, script, **more):
    return {"environment": environment_name(api, key), "command": ["sh", "-c", script], **more}


def post(api, path, key, doc, headers=None):
    body = doc if isinstance(doc, bytes) else json.dumps(doc).encode()
    return api("POST", path, key=key, body=body, headers={**JSON, **(headers or {})})


def submit(api, key, script, **more):
    return decoded(post(api, "/v1/jobs", key, manifest(api, key, script, **more)), 201)


def wait_until(api, key, job, states=TERMINAL, seconds=60):
    end = time.monotonic() + seconds
    while True:
        doc = decoded(api("GET", f"/v1/jobs/{job}?wait=5s", key=key), 200)
        if doc["state"] in states or time.monotonic() > end:
            return doc


def run_job(api, key, script, **more):
    """A job that was run to its end; skips where this host cannot run sandboxes."""
    doc = wait_until(api, key, submit(api, key, script, **more)["id"])
    if doc["state"] not in TERMINAL:
        pytest.skip("jobs do not start here: " + doc["state"])
    if (doc["cause"] or {}).get("category") == "platform":
        pytest.skip("sandboxes cannot be built here: " + doc["cause"]["message"])
    return doc


# --- the checker ---------------------------------------------------------------------------------------

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


class Checker:
    """The part of JSON Schema that the description uses; an unknown keyword fails."""

    IGNORED = {"description", "examples", "format", "default"}

    def __init__(self, doc):
        self.doc = doc

    def resolve(self, schema):
        while "$ref" in schema:
            node = self.doc
            for part in schema["$ref"].split("/")[1:]:
                node = node[part]
            schema = node
        return schema

    def faults(self, schema, value, at="$"):
        schema = self.resolve(schema)
        for keyword in schema:
            if keyword in self.IGNORED or keyword == "properties":
                continue
            yield from getattr(self, "check_" + keyword)(schema, value, at)
        for name, sub in schema.get("properties", {}).items():
            if isinstance(value, dict) and name in value:
                yield from self.faults(sub, value[name], f"{at}.{name}")

    def check_type(self, schema, value, at):
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(is_type(value, name) for name in names):
            yield f"{at}: {value!r} is not {names}"

    def check_enum(self, schema, value, at):
        if value not in schema["enum"]:
            yield f"{at}: {value!r} is not listed"

    def check_pattern(self, schema, value, at):
        if isinstance(value, str) and not re.search(schema["pattern"], value):
            yield f"{at}: {value!r} does not match {schema['pattern']}"

    def check_minLength(self, schema, value, at):
        if isinstance(value, str) and len(value) < schema["minLength"]:
            yield f"{at}: too short"

    def check_maxLength(self, schema, value, at):
        if isinstance(value, str) and len(value) > schema["maxLength"]:
            yield f"{at}: too long"

    def check_minimum(self, schema, value, at):
        if is_type(value, "number") and value < schema["minimum"]:
            yield f"{at}: {value} is too small"

    def check_maximum(self, schema, value, at):
        if is_type(value, "number") and value > schema["maximum"]:
            yield f"{at}: {value} is too large"

    def check_minItems(self, schema, value, at):
        if isinstance(value, list) and len(value) < schema["minItems"]:
            yield f"{at}: too few items"

    def check_maxItems(self, schema, value, at):
        if isinstance(value, list) and len(value) > schema["maxItems"]:
            yield f"{at}: too many items"

    def check_maxProperties(self, schema, value, at):
        if isinstance(value, dict) and len(value) > schema["maxProperties"]:
            yield f"{at}: too many members"

    def check_required(self, schema, value, at):
        for name in schema["required"]:
            if isinstance(value, dict) and name not in value:
                yield f"{at}: lacks {name}"

    def check_items(self, schema, value, at):
        for i, item in enumerate(value if isinstance(value, list) else []):
            yield from self.faults(schema["items"], item, f"{at}[{i}]")

    def check_propertyNames(self, schema, value, at):
        for name in value if isinstance(value, dict) else []:
            yield from self.faults(schema["propertyNames"], name, f"{at}.{name}")

    def check_additionalProperties(self, schema, value, at):
        extra = schema["additionalProperties"]
        for name in value if isinstance(value, dict) else []:
            if name in schema.get("properties", {}):
                continue
            if extra is False:
                yield f"{at}: {name} is not described"
            elif extra is not True:
                yield from self.faults(extra, value[name], f"{at}.{name}")

    def check_oneOf(self, schema, value, at):
        n = sum(1 for sub in schema["oneOf"] if not list(self.faults(sub, value, at)))
        if n != 1:
            yield f"{at}: {n} alternatives fit"


# --- fixtures --------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def description(api):
    return decoded(api("GET", "/openapi.json", key=None), 200)


@pytest.fixture(scope="module")
def job_of_a(api, tenant_a):
    """A job of tenant A that is alive for as long as the module needs it."""
    job = submit(api, tenant_a, "sleep 300")["id"]
    yield job
    api("POST", f"/v1/jobs/{job}/cancel", key=tenant_a)


def operations(doc):
    for path, methods in doc["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def fill(path, /, **known):
    values = {name: f"{prefix}_{'0' * 26}" for name, prefix in PREFIXES.items()}
    values.update({"path": "x.txt", "environment": "no-such", "slug": "not-found", "attempt": "1", **known})
    return re.sub(r"{(\w+)}", lambda m: values[m.group(1)], path)


def ask(api, method, path, operation, caller, /, **known):
    """An operation with a body that is well formed but asks for nothing that exists."""
    body, headers = None, {"X-Request-Id": "the-same-id-each-time"}
    if "requestBody" in operation and method != "HEAD":
        body, headers = b"{}", {**headers, **JSON}
    if path in ("/simulate", "/v1/jobs") and method == "POST":
        body = b'{"environment": "no-such"}'
    return api(method, fill(path, **known), key=caller, body=body, headers=headers)


def for_operators(operation):
    return operation["x-permission"].startswith("tenants:")


def without_date(answer):
    """What must not differ: the date does, and what is left of the caller's own limit."""
    return answer[0], {k: v for k, v in answer[1].items() if k not in ("date", "ratelimit")}, answer[2]


# --- the matrix ------------------------------------------------------------------------------------------

def test_only_described_public_operations_answer_without_a_credential(api, description):
    for path, method, operation in operations(description):
        answer = ask(api, method, path, operation, None)
        if operation["x-permission"] == "none":
            assert answer[0] < 400, (method, path)
        else:
            problem(answer, 401, "unauthenticated")
            assert answer[1]["vary"] == "Authorization"


def test_what_operators_do_is_denied_to_owners_of_tenants(api, description, tenant_a):
    checked = 0
    for path, method, operation in operations(description):
        if for_operators(operation):
            doc = problem(ask(api, method, path, operation, tenant_a), 403, "denied")
            assert operation["x-permission"] in doc["detail"]
            checked += 1
    assert checked >= 10


@pytest.mark.parametrize("authorization", [
    "Bearer wdn_sk_nonsense", "Bearer", "Bearer ", "Basic !!!", "Basic d2RuX3NrX3g6", "Digest x=y",
    "wdn_sk_nonsense", "Bearer " + "a" * 4000, "Basic " + "YWFh" * 500])
def test_bad_credentials_are_refused_everywhere_in_the_same_words(api, description, authorization):
    bodies = set()
    for path, method, operation in operations(description):
        if not operation["security"]:
            continue
        headers = {"Authorization": authorization, "X-Request-Id": "the-same-id-each-time"}
        answer = api(method, fill(path), key=None, headers=headers)
        problem(answer, 401, "unauthenticated")
        assert answer[1]["www-authenticate"].startswith("Bearer ")
        bodies.add(answer[2])
    assert len(bodies) == 1


def test_a_key_that_is_well_formed_but_unknown_is_refused(api, tenant_a):
    # Flip a letter of the secret: the checksum no longer fits; flip two and it is still unknown.
    for position in (25, 40):
        letter = "A" if tenant_a[position] != "A" else "B"
        bent = tenant_a[:position] + letter + tenant_a[position + 1:]
        problem(api("GET", "/v1/me", key=bent), 401, "unauthenticated")


def test_foreign_jobs_are_answered_byte_for_byte_like_unknown_ones(
        api, description, tenant_b, job_of_a):
    checked = 0
    for path, method, operation in operations(description):
        if "{job}" not in path:
            continue
        foreign = ask(api, method, path, operation, tenant_b, job=job_of_a)
        unknown = ask(api, method, path, operation, tenant_b)
        problem(foreign, 404, "not-found")
        assert without_date(foreign) == without_date(unknown), (method, path)
        checked += 1
    assert checked >= 8


def test_foreign_jobs_stay_alive_and_unseen(api, tenant_a, tenant_b, job_of_a):
    assert job_of_a not in str(decoded(api("GET", "/v1/jobs?limit=200", key=tenant_b), 200))
    problem(api("POST", f"/v1/jobs/{job_of_a}/cancel", key=tenant_b), 404, "not-found")
    doc = decoded(api("GET", f"/v1/jobs/{job_of_a}", key=tenant_a), 200)
    assert doc["cancel_requested_at"] is None


@pytest.mark.parametrize("bad", BAD_IDS)
def test_malformed_ids_are_400_for_everyone_who_may_ask(api, description, tenant_a, bad):
    for path, method, operation in operations(description):
        for name in re.findall(r"{(\w+)}", path):
            if name not in PREFIXES or for_operators(operation):
                continue
            text = bad.format(PREFIXES[name], upper=PREFIXES[name].upper())
            if name == "role" and not text.startswith(("rol_", "%")):
                continue  # a name
            answer = ask(api, method, path, operation, tenant_a, **{name: text})
            assert answer[0] == 400, (method, path, answer)
            assert json.loads(answer[2])["code"] in ("bad-id", "bad-request")


def test_each_get_has_a_head_with_the_same_status_and_no_body(api, description, tenant_a, job_of_a):
    for path, method, operation in operations(description):
        if method != "GET" or path == "/metrics":
            continue
        get = ask(api, "GET", path, operation, tenant_a, job=job_of_a)
        head = ask(api, "HEAD", path, operation, tenant_a, job=job_of_a)
        assert head[0] == get[0], path
        assert head[2] == b""
        assert head[1].get("content-type") == get[1].get("content-type"), path


def test_other_methods_are_405_with_what_is_allowed(api, description, tenant_a):
    for path, methods in description["paths"].items():
        other = next(m for m in ("DELETE", "PUT", "PATCH", "POST") if m.lower() not in methods)
        answer = api(other, fill(path), key=tenant_a)
        problem(answer, 405, "method-not-allowed")
        allowed = set(answer[1]["allow"].split(", "))
        assert {m.upper() for m in methods} | {"OPTIONS"} == allowed - {"HEAD"}
        assert ("HEAD" in allowed) == ("get" in methods)
        options = api("OPTIONS", fill(path), key=None)
        assert options[0] == 204 and set(options[1]["allow"].split(", ")) == allowed


def test_every_operation_refuses_unknown_query_parameters_and_names_the_known(
        api, description, tenant_a, job_of_a):
    check = Checker(description)
    for path, method, operation in operations(description):
        if method != "GET" or for_operators(operation):
            continue
        answer = api(method, fill(path, job=job_of_a) + "?no_such=1", key=tenant_a)
        doc = problem(answer, 400, "bad-parameter")
        fault = doc["errors"][0]
        assert fault["parameter"] == "no_such"
        known = [p for p in map(check.resolve, operation["parameters"]) if p["in"] == "query"]
        for parameter in known:
            assert parameter["name"] in fault["detail"], path
        if not known:
            assert "no query parameters" in fault["detail"], path


def test_every_operation_refuses_an_accept_that_leaves_nothing(api, description, tenant_a, job_of_a):
    for path, method, operation in operations(description):
        if "406" not in operation["responses"] or for_operators(operation):
            continue
        answer = api(method, fill(path, job=job_of_a), key=tenant_a, headers={"Accept": "image/png"})
        problem(answer, 406, "not-acceptable")


def test_operations_without_a_body_refuse_one(api, description, tenant_a):
    for path, method, operation in operations(description):
        if method in ("POST", "DELETE") and "requestBody" not in operation and not for_operators(operation):
            answer = api(method, fill(path), key=tenant_a, body=b"{}", headers=JSON)
            problem(answer, 413, "too-large")


def test_operations_with_a_body_refuse_other_media_types(api, description, tenant_a):
    hints = {"POST": ("accept-post", "application/json"), "PUT": (None, None),
             "PATCH": ("accept-patch", "application/merge-patch+json, application/json")}
    for path, method, operation in operations(description):
        if "requestBody" not in operation or for_operators(operation):
            continue
        for media in ("text/plain", "application/xml", "application/json-patch+json",
                      "application/json; charset=latin-1"):
            answer = api(method, fill(path), key=tenant_a, body=b"{}", headers={"Content-Type": media})
            problem(answer, 415, "media-type")
            name, value = hints[method]
            assert name is None or answer[1][name] == value


def test_every_answer_to_a_known_caller_tells_its_limits(api, description, tenant_a):
    for path, method, operation in operations(description):
        if method != "GET" or operation["x-permission"] == "none":
            continue
        headers = ask(api, method, path, operation, tenant_a)[1]
        assert re.fullmatch(r'"tenant";q=\d+;w=\d+, "key";q=\d+;w=\d+', headers["ratelimit-policy"]), path
        assert re.fullmatch(r'"tenant";r=\d+;t=\d+, "key";r=\d+;t=\d+', headers["ratelimit"]), path
        assert "Authorization" in headers["vary"].split(", "), path


# --- answers against schemas ---------------------------------------------------------------------------

def test_the_examples_of_the_description_fit_its_schemas(description):
    check = Checker(description)
    n = 0

    def visit(node):
        nonlocal n
        if isinstance(node, dict):
            schema = node.get("schema")
            for example in node.get("examples", {}).values() if isinstance(schema, dict) else []:
                faults = list(check.faults(schema, example["value"]))
                assert not faults, faults
                n += 1
            for sub in node.values():
                visit(sub)
        elif isinstance(node, list):
            for sub in node:
                visit(sub)

    visit(description["paths"])
    visit(description["components"]["responses"])
    assert n > 30


def test_answers_fit_the_schemas_of_their_status(api, description, tenant_a, job_of_a):
    check = Checker(description)
    for path, method, operation in operations(description):
        if method != "GET":
            continue
        status, headers, body = ask(api, method, path, operation, tenant_a, job=job_of_a)
        response = check.resolve(operation["responses"][str(status)])
        media = headers["content-type"].split(";")[0]
        assert media in response["content"], (path, media)
        if media in ("application/json", "application/problem+json"):
            faults = list(check.faults(response["content"][media]["schema"], json.loads(body)))
            assert not faults, (path, faults)
        for name in response["headers"]:
            if check.resolve(response["headers"][name]).get("required"):
                assert name.lower() in headers, (path, name)


def test_a_submission_and_its_job_fit_their_schemas(api, description, tenant_a):
    check = Checker(description)
    schemas = description["components"]["schemas"]
    doc = manifest(api, tenant_a, "true", name="contract", labels={"suite": "contract"}, seed=7)
    assert not list(check.faults(schemas["Manifest"], doc))
    job = decoded(post(api, "/v1/jobs", tenant_a, doc), 201)
    assert not list(check.faults(schemas["JobSummary"], job))
    over = wait_until(api, tenant_a, job["id"])
    assert not list(check.faults(schemas["Job"], over))
    page = decoded(api("GET", "/v1/jobs?limit=200", key=tenant_a), 200)
    assert not list(check.faults(schemas["Jobs"], page))
    events = decoded(api("GET", f"/v1/jobs/{job['id']}/events", key=tenant_a), 200)
    assert not list(check.faults(schemas["JobEvents"], events))


def test_every_page_of_the_problem_table_is_there(api, description):
    codes = description["components"]["schemas"]["ProblemCode"]["enum"]
    rows = decoded(api("GET", "/problems", key=None), 200)["data"]
    assert [row["code"] for row in rows] == codes
    for row in rows:
        assert decoded(api("GET", row["type"], key=None), 200) == row
