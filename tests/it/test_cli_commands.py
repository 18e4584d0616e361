# SPDX-License-Identifier: Apache-2.0
"""Commands that are rows of tables, against a server that records: what they ask, what they show."""
import json
import os
import re
import shlex
import stat
import subprocess
import time
import urllib.parse

import pytest

from cli_rig import KEY, Cli, Stub, all_commands, problem
from test_api_contract import Checker
from wardian import TOP

OPENAPI = TOP / "src" / "api" / "openapi"
NAMES = ("wing", "alice", "ci", "nightly", "acme", "sso")
KINDS = {"projects": "prj", "users": "usr", "keys": "key", "issuers": "iss", "tenants": "ten",
         "role-assignments": "asg"}
DIGITS = "01jd8m2xq5e6tv0c3k9w7r4y1"


def id_of(path, name):
    kind = urllib.parse.urlsplit(path).path.split("/")[2]
    return f"{KINDS.get(kind, 'job')}_{DIGITS}{NAMES.index(name)}"


def resources(request):
    """Everything that the examples name is there; any other answer has all members that matter."""
    rows = [{"id": id_of(request.path, name), "name": name, "project": None} for name in NAMES]
    if "role-assignments" in request.path:
        rows = [{"id": id_of(request.path, "wing"), "project": "prj_x"}]
    if request.method == "DELETE" and "/tenants/acme" not in request.path and request.path.count("/") == 3:
        return (202, {"id": "opr_1", "done": False}, {}) if "/tenants/" in request.path else (204, b"", {})
    return {"id": "id_1", "name": "x", "key": KEY, "access_token": KEY, "owner": {"key": KEY}, "allowed": True,
            "done": True, "state": "succeeded", "sentence": "Yes.", "data": rows, "expires_at": None,
            "evidence": {"ok": True, "probes": []}, "next_cursor": None}


@pytest.fixture
def stub():
    """stub(answer) starts a server; its .seen are the requests."""
    made = []

    def start(answer):
        made.append(Stub(answer))
        return made[-1]

    yield start
    for server in made:
        server.close()


@pytest.fixture
def cli(tmp_path):
    """cli(url) -> Cli"""
    return lambda server: Cli(tmp_path, server.url)


@pytest.fixture(scope="module")
def description():
    """The API's description, put together as the build does."""
    doc = {"paths": {}, "components": {}}
    for part in sorted(OPENAPI.glob("*.json")):
        found = json.loads(part.read_text())
        doc["paths"].update(found.get("paths", {}))
        for name, entries in found.get("components", {}).items():
            doc["components"].setdefault(name, {}).update(entries)
    return doc


def operation_of(description, method, path):
    """(path of the description, operation)"""
    for template, operations in description["paths"].items():
        if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template), urllib.parse.urlsplit(path).path) and \
                method.lower() in operations:
            return template, operations[method.lower()]
    raise AssertionError(f"the API has no {method} {path}")


# Nouns whose commands are rows of tables: one request each, after what looks names up.
TABLED = ("tenant", "project", "user", "role", "permission", "access", "key", "issuer", "quota", "support", "operation")
ROWS = [row for row in all_commands() if row[0] in TABLED]


def example_of(text):
    words = shlex.split(text[text.index("Example:\n") + 9:].strip())
    return words[:words.index(">")] if ">" in words else words


def parameters_of(description, operation):
    for row in operation.get("parameters", []):
        yield description["components"]["parameters"][row["$ref"].split("/")[-1]] if "$ref" in row else row


def test_every_noun_has_its_commands():
    assert len(ROWS) >= 55 and {noun for noun, _ in ROWS} == set(TABLED)


@pytest.mark.parametrize("noun, verb", ROWS, ids=lambda word: word)
def test_the_example_of_a_command_is_a_request_that_the_api_describes(stub, cli, description, noun, verb):
    server = stub(resources)
    run = cli(server)
    (run.home / "keys.json").write_text('{"keys":[{"kty":"OKP","kid":"1"}]}')
    text = run.ok(noun, verb, "--help")
    words = example_of(text)
    out = run(*words[1:])
    assert words[:3] == ["wardian", noun, verb] and out.returncode == 0, out
    asked = next((request for request in server.seen if request.method != "GET"), server.seen[-1])
    template, operation = operation_of(description, asked.method, asked.path)
    needs = re.search(r"Needs the permission (.*)\.\n", text)
    if operation["x-permission"] in ("any", "none"):
        assert needs is None
    else:
        assert operation["x-permission"] in re.findall(r"[a-z]+:[a-z]+", needs.group(1)), (operation, needs)
    known = {p["name"]: p for p in parameters_of(description, operation)}
    for name in urllib.parse.parse_qs(urllib.parse.urlsplit(asked.path).query):
        assert known[name]["in"] == "query", template
    assert asked.headers.get("idempotency-key") is None or "Idempotency-Key" in known
    assert bool(asked.text) == bool(operation.get("requestBody")), asked.text
    if asked.text:
        schema = operation["requestBody"]["content"][asked.headers["content-type"]]["schema"]
        assert not list(Checker(description).faults(schema, asked.body)), asked.body


@pytest.mark.parametrize("noun, verb", [row for row in ROWS if row[1] in ("update", "rename", "archive", "delete",
                                                                         "revoke", "disable", "enable", "allow")])
def test_if_match_is_sent_as_an_entity_tag_wherever_it_is_understood(stub, cli, description, noun, verb):
    server = stub(resources)
    run = cli(server)
    (run.home / "keys.json").write_text("{}")
    words = example_of(run.ok(noun, verb, "--help"))[1:]
    run.ok(*words)
    asked = next(request for request in server.seen if request.method != "GET")
    operation = operation_of(description, asked.method, asked.path)[1]
    conditional = "If-Match" in [p["name"] for p in parameters_of(description, operation)]
    server.seen.clear()
    assert run(*words, "--if-match", "3").returncode == (0 if conditional else 2)
    sent = [request.headers.get("if-match") for request in server.seen if request.method != "GET"]
    assert sent == (['"3"'] if conditional else [])


# --- bodies ----------------------------------------------------------------------------------------


def asked_with(stub, cli, *words):
    server = stub(resources)
    cli(server).ok(*words)
    return server.seen[-1]


@pytest.mark.parametrize("words, body", [
    (["user", "update", "alice", "--clear", "email,issuer", "--clear", "subject"],
     {"email": None, "issuer": None, "subject": None}),
    (["user", "update", "alice", "--email", "", "--disabled", "no"], {"email": "", "disabled": False}),
    (["user", "create", "bob", "--role", "viewer", "--role", "engineer@wing"],
     {"name": "bob", "roles": [{"role": "viewer", "project": None}, {"role": "engineer", "project": f"prj_{DIGITS}0"}]}),
    (["role", "create", "r", "--base", "viewer"], {"name": "r", "permissions": [], "base": "viewer"}),
    (["role", "create", "r", "--permission", "a:b,c:d", "--permission", "e:f"],
     {"name": "r", "permissions": ["a:b", "c:d", "e:f"]}),
    (["key", "create", "k", "--user", "ci", "--expires-in", "36h", "--cidr", "10.0.0.0/8,::1"],
     {"name": "k", "user": f"usr_{DIGITS}2", "cidrs": ["10.0.0.0/8", "::1"], "expires_in_s": 129600}),
    (["key", "update", "nightly", "--clear", "scope"], {"scopes": None}),
    (["tenant", "create", "t", "--owner", "o", "--owner-email", "o@x"],
     {"name": "t", "owner": {"name": "o", "email": "o@x"}}),
    (["issuer", "update", "sso", "--rule", "*:viewer", "--rule", "sub=urn:a:b:engineer", "--rule", "admin:=true:owner@wing"],
     {"rules": [{"claim": "*", "role": "viewer", "project": None},
                {"claim": "sub", "value": "urn:a:b", "role": "engineer", "project": None},
                {"claim": "admin", "value": True, "role": "owner", "project": f"prj_{DIGITS}0"}]}),
    (["quota", "set", "--tenant", "acme", "cpus=4", "memory_bytes=1KiB", "jobs_queued=default"],
     {"limits": {"cpus": 4, "memory_bytes": 1024, "jobs_queued": None}}),
])
def test_words_and_options_become_members(stub, cli, words, body):
    assert asked_with(stub, cli, *words).body == body


@pytest.mark.parametrize("words, says", [
    (["user", "update", "alice"], "what is to change"),
    (["user", "update", "alice", "--clear", "name"], "cannot be cleared"),
    (["user", "update", "alice", "--clear", "email", "--email", "x"], "at once"),
    (["user", "update", "alice", "--disabled", "perhaps"], "yes or no"),
    (["user", "create", "x", "--role", "@wing"], "ROLE@PROJECT"),
    (["user", "create", "x", "--role", "viewer@"], "ROLE@PROJECT"),
    (["role", "create", "x", "--permission", "a,,b"], "--permission"),
    (["key", "create", "x", "--expires-in", "90"], "--expires-in"),
    (["issuer", "create", "x", "--url", "u", "--jwks", "absent.json", "--rule", "*:viewer"], "absent.json"),
    (["issuer", "create", "x", "--url", "u", "--jwks", "broken.json", "--rule", "*:viewer"], "broken.json"),
    (["issuer", "create", "x", "--url", "u", "--rule", "*:viewer"], "--jwks"),
    (["issuer", "update", "x", "--rule", "viewer"], "CLAIM=VALUE:ROLE"),
    (["issuer", "update", "x", "--rule", "a:={:viewer"], "--rule"),
    (["tenant", "suspend", "acme"], "--reason"),
    (["tenant", "delete", "acme"], "--confirm"),
    (["quota", "set", "cpus=4"], "--project"),
    (["quota", "set", "--project", "wing", "cpus"], "NAME=AMOUNT"),
    (["quota", "set", "--project", "wing", "cpus=many"], "cpus"),
    (["quota", "get", "--project", "wing", "--tenant", "acme"], "not both"),
    (["role", "unassign", "viewer"], "--user"),
    (["project", "update", "wing", "--title", "x", "--if-match", "a b"], "version"),
    (["project", "list", "--limit", "none"], "--limit"),
    (["project", "get"], "PROJECT"),
    (["project", "get", "a", "b"], "at most 1"),
])
def test_misuse_is_told_and_changes_nothing(stub, cli, words, says):
    server = stub(resources)
    run = cli(server)
    (run.home / "broken.json").write_text('{"keys":')
    out = run(*words)
    assert out.returncode in (1, 2) and says in out.stderr and out.stdout == "", out
    assert all(request.method == "GET" for request in server.seen)


# --- names -----------------------------------------------------------------------------------------


def users(*pages):
    """A server whose list of users has these pages of names."""
    def answer(request):
        at = int(urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query).get("cursor", ["0"])[0])
        if request.path.startswith("/v1/users?"):
            rows = [{"id": f"usr_{DIGITS}{at}", "name": name} for name in pages[at]]
            return {"data": rows, "next_cursor": str(at + 1) if at + 1 < len(pages) else None}
        return {"id": "x"}
    return answer


def test_a_name_is_looked_for_on_every_page(stub, cli):
    server = stub(users(["a"], ["b"], ["alice", "alic"]))
    cli(server).ok("user", "get", "alice")
    assert len(server.seen) == 4 and server.seen[-1].path == f"/v1/users/usr_{DIGITS}2"


def test_an_id_is_not_looked_up(stub, cli):
    server = stub(users(["a"]))
    cli(server).ok("user", "get", f"usr_{DIGITS}7")
    assert [request.path for request in server.seen] == [f"/v1/users/usr_{DIGITS}7"]


@pytest.mark.parametrize("pages, says", [([["a"]], "no user 'alice'"), ([["alice"], ["alice"]], "give the id")])
def test_unknown_and_ambiguous_names_are_not_found(stub, cli, pages, says):
    server = stub(users(*pages))
    out = cli(server)("user", "delete", "alice")
    assert out.returncode == 3 and says in out.stderr and "/v1/users/usr" not in server.seen[-1].path


def test_names_that_may_not_be_looked_up_keep_the_reason(stub, cli):
    out = cli(stub(lambda request: problem(403, "denied", "This needs user:read")))("user", "get", "alice")
    assert out.returncode == 4 and "alice" in out.stderr and "user:read" in out.stderr


def test_a_list_without_end_is_given_up(stub, cli):
    server = stub(lambda request: {"data": [], "next_cursor": str(len(server.seen))})
    assert cli(server)("user", "get", "alice").returncode == 3
    assert len(server.seen) <= 50


@pytest.mark.parametrize("rows, words, status", [
    ([("1", None)], [], 0), ([("1", "prj_a")], [], 3), ([], [], 3), ([("1", None), ("2", None)], [], 3),
    ([("1", None), ("2", "prj_a")], ["--project", f"prj_{DIGITS}0"], 0)])
def test_unassign_takes_exactly_the_assignment_that_is_meant(stub, cli, rows, words, status):
    server = stub(lambda request: {"data": [{"id": f"asg_{i}", "project": project} for i, project in rows]}
                  if request.method == "GET" else (204, b"", {}))
    out = cli(server)("role", "unassign", "viewer", "--user", f"usr_{DIGITS}1", *words)
    assert out.returncode == status, out
    assert f"user=usr_{DIGITS}1" in server.seen[0].path and "role=viewer" in server.seen[0].path
    deleted = [request.path for request in server.seen if request.method == "DELETE"]
    assert deleted == ([f"/v1/role-assignments/asg_{2 if words else 1}"] if status == 0 else [])


# --- output ----------------------------------------------------------------------------------------


def test_json_is_the_answer_unchanged(stub, cli):
    text = b'{ "name":"x",\n  "unknown": [1.50, {}], "id" : "prj_1" }\n'
    server = stub(lambda request: (200, text, {}))
    run = cli(server)
    assert run.ok("project", "create", "x", "-o", "json").encode() == text
    assert run.ok("project", "list", "-o", "json").encode() == text


def test_cells_show_lists_and_roles_as_options_take_them(stub, cli):
    rows = [{"id": "usr_1", "name": "a\tb", "disabled": False, "email": None, "kind": "person", "created_at": "now",
             "roles": [{"role": "viewer", "project": None}, {"role": "engineer", "project": "prj_1"}]}]
    run = cli(stub(lambda request: {"data": rows, "next_cursor": None}))
    assert run.ok("user", "list") == "usr_1\ta\\x09b\tperson\t\tno\tviewer,engineer@prj_1\tnow\n"
    out, status = run.on_terminal("user", "list")
    assert status == 0 and b"ID     NAME" in out and b"CREATED AT" in out


def test_fields_of_objects_in_lists_are_joined(stub, cli):
    answer = {"id": "iss_1", "jwks": {"keys": [{"kid": "a", "n": "x" * 500}, {"kid": "b"}]},
              "rules": [{"claim": "groups", "value": 7, "role": "viewer", "project": None}], "version": 3}
    out = cli(stub(lambda request: answer)).ok("issuer", "get", f"iss_{DIGITS}1")
    assert re.search("^keys +a,b$", out, re.M) and "claim=groups value=7 role=viewer\n" in out and re.search("^version +3$", out, re.M)


def pages(request):
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
    at, limit = int(query.get("cursor", ["0"])[0]), int(query.get("limit", ["50"])[0])
    rows = [{"id": f"prj_{i}", "name": "x"} for i in range(at, min(at + limit, 450))]
    return {"data": rows, "next_cursor": str(at + limit) if at + limit < 450 else None}


@pytest.mark.parametrize("words, rows, requests, more", [
    ([], 50, 1, True), (["--limit", "7"], 7, 1, True), (["--limit", "250"], 250, 2, True), (["--all"], 450, 9, False),
    (["--all", "--limit", "200"], 450, 3, False), (["--limit", "9999"], 450, 3, False)])
def test_limit_and_all_follow_the_cursors(stub, cli, words, rows, requests, more):
    server = stub(pages)
    out = cli(server)("project", "list", *words)
    assert len(out.stdout.splitlines()) == rows and len(server.seen) == requests
    assert ("there are more" in out.stderr) == more


def test_access_that_is_not_allowed_is_an_exit_status(stub, cli):
    run = cli(stub(lambda request: {"allowed": False, "sentence": "No: nobody does."}))
    out = run("access", "check", "job:create")
    assert out.returncode == 4 and out.stdout == "No: nobody does.\n"
    assert run("access", "check", "job:create", "-o", "json").returncode == 4
    assert cli(stub(lambda request: {"sentence": "?"}))("access", "check", "job:create").returncode == 4


def test_an_operation_is_waited_for_through_an_absence(stub, cli):
    def answer(_):
        if len(server.seen) == 2:
            return b"not JSON at all"
        return {"id": "opr_1", "done": len(server.seen) > 2, "stage": "rows"}

    server = stub(answer)
    out = cli(server)("operation", "wait", "opr_1")
    assert out.returncode == 1 and len(server.seen) == 2  # that is no absence
    server.seen.clear()
    server.answer = lambda _: {"id": "opr_1", "done": len(server.seen) > 2, "stage": "rows"}
    assert re.search("^done +yes$", cli(server).ok("operation", "wait", "opr_1"), re.M)
    server.answer = lambda _: {"id": "opr_1", "done": False}
    out = cli(server)("operation", "wait", "opr_1", "--timeout", "1")
    assert out.returncode == 7 and "goes on" in out.stderr


def test_failed_isolation_is_an_exit_status(stub, cli):
    evidence = {"ok": False, "at": "now", "probes": [{"name": "rows", "ok": False, "question": "How many?"}]}
    out = cli(stub(lambda request: {"evidence": evidence}))("tenant", "isolation")
    assert out.returncode == 1 and "rows\tno" in out.stdout


# --- secrets ---------------------------------------------------------------------------------------

SECRETS = [["key", "create", "k"], ["key", "rotate", f"key_{DIGITS}1"], ["tenant", "create", "t", "--owner", "o"],
           ["tenant", "owner", f"ten_{DIGITS}1", "o"], ["auth", "token"],
           ["tenant", "support-open", f"ten_{DIGITS}1", "--reason", "a reason"]]


@pytest.mark.parametrize("words", SECRETS, ids=lambda words: " ".join(words[:2]))
def test_a_secret_is_alone_on_standard_output_and_nowhere_else(stub, cli, words):
    out = cli(stub(resources))(*words)
    assert out.returncode == 0 and out.stdout == KEY + "\n" and KEY not in out.stderr


@pytest.mark.parametrize("words", SECRETS, ids=lambda words: " ".join(words[:2]))
def test_a_secret_goes_to_a_file_that_only_the_owner_reads(stub, cli, words):
    run = cli(stub(resources))
    secret = run.home / "secret"
    secret.write_text("older, and open to all")
    secret.chmod(0o644)
    out = run(*words, "--output", secret)
    assert out.returncode == 0 and KEY not in out.stdout + out.stderr, out
    assert secret.read_text() == KEY + "\n" and stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert sorted(path.name for path in run.home.iterdir()) == ["secret"]


def test_on_a_terminal_the_secret_stands_with_its_fields(stub, cli):
    out, status = cli(stub(resources)).on_terminal("key", "create", "k")
    assert status == 0 and re.search(b"id +id_1", out) and KEY.encode() in out and b"this once" in out


def test_json_with_a_file_writes_the_answer_there(stub, cli):
    run = cli(stub(resources))
    out = run("key", "create", "k", "-o", "json", "--output", run.home / "answer")
    assert out.returncode == 0 and out.stdout == ""
    assert json.loads((run.home / "answer").read_text())["key"] == KEY
    assert run.json("key", "create", "k")["key"] == KEY


@pytest.mark.parametrize("target", ["absent/key", "folder", "link", "/dev/null"])
def test_nothing_is_made_when_the_file_cannot_be(stub, cli, target):
    server = stub(resources)
    run = cli(server)
    (run.home / "folder").mkdir()
    (run.home / "link").symlink_to("elsewhere")
    out = run("key", "create", "k", "--output", target)
    assert out.returncode in (1, 2) and target in out.stderr, out
    assert server.seen == [] and os.path.exists("/dev/null") and not os.path.isfile("/dev/null")


def test_a_refused_creation_leaves_no_file(stub, cli):
    run = cli(stub(lambda request: problem(403, "cannot-grant")))
    assert run("key", "create", "k", "--output", run.home / "key").returncode == 4
    assert list(run.home.iterdir()) == []


def test_an_answer_without_the_secret_is_an_error(stub, cli):
    out = cli(stub(lambda request: {"id": "key_1"}))("key", "create", "k")
    assert out.returncode == 1 and out.stdout == ""


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status, code, exit_status", [
    (403, "denied", 4), (403, "tenant-suspended", 4), (403, "cannot-grant", 4), (412, "precondition-failed", 5),
    (409, "name-taken", 5), (409, "in-use", 5), (409, "last-owner", 5), (429, "quota-exceeded", 6),
    (404, "not-found", 3), (422, "invalid-field", 2), (401, "unauthenticated", 4)])
def test_a_refusal_tells_code_detail_and_request_id(stub, cli, status, code, exit_status):
    def answer(_):
        return problem(status, code, "Because it is so.", errors=[{"pointer": "/name", "detail": "is wrong"}])

    run = cli(stub(answer))
    out = run("project", "create", "x")
    assert out.returncode == exit_status and out.stdout == ""
    for text in (code, "Because it is so.", "req-of-the-test", "/name: is wrong"):
        assert text in out.stderr
    out = run("project", "create", "x", "-o", "json")
    told = json.loads(out.stderr)
    assert out.stdout == "" and out.returncode == exit_status
    assert (told["code"], told["detail"], told["request_id"]) == (code, "Because it is so.", "req-of-the-test")
    assert told["errors"] == [{"name": "/name", "detail": "is wrong"}]


def test_an_error_of_the_command_line_has_no_request_id(stub, cli):
    out = cli(stub(resources))("project", "create", "-o", "json")
    assert out.returncode == 2 and json.loads(out.stderr)["request_id"] is None


@pytest.mark.parametrize("words", [["project", "get", f"prj_{DIGITS}1"], ["project", "create", "x"],
                                   ["key", "create", "k"], ["project", "delete", f"prj_{DIGITS}1"]])
def test_a_rate_limit_is_sat_out(stub, cli, words):
    def answer(request):
        return resources(request) if len(server.seen) > 1 else problem(429, "rate-limited", headers={"Retry-After": "1"})

    server = stub(answer)
    began = time.monotonic()
    assert cli(server)(*words).returncode == 0
    assert len(server.seen) == 2 and 0.9 < time.monotonic() - began < 5
    keys = {request.headers.get("idempotency-key") for request in server.seen}
    assert len(keys) == 1 and (words[1] != "create" or words[0] != "project" or None not in keys)


@pytest.mark.parametrize("words, tries", [(["project", "get", f"prj_{DIGITS}1"], 2), (["project", "create", "x"], 2),
                                          (["key", "create", "k"], 1), (["project", "delete", f"prj_{DIGITS}1"], 1)])
def test_an_absence_is_sat_out_where_the_request_may_be_repeated(stub, cli, words, tries):
    def answer(request):
        return resources(request) if len(server.seen) > 1 else problem(503, "busy", headers={"Retry-After": "1"})

    server = stub(answer)
    assert cli(server)(*words).returncode == (0 if tries == 2 else 7)
    assert len(server.seen) == tries


@pytest.mark.parametrize("code, after", [("quota-exceeded", "1"), ("rate-limited", "31"), ("rate-limited", "9" * 18)])
def test_what_takes_too_long_is_not_waited_for(stub, cli, code, after):
    server = stub(lambda request: problem(429, code, headers={"Retry-After": after}))
    assert cli(server)("project", "get", f"prj_{DIGITS}1").returncode == 6
    assert len(server.seen) == 1


def test_tries_are_bounded(stub, cli):
    server = stub(lambda request: problem(429, "rate-limited", headers={"Retry-After": "4"}))
    began = time.monotonic()
    assert cli(server)("project", "get", f"prj_{DIGITS}1").returncode == 6
    assert 2 <= len(server.seen) <= 8 and time.monotonic() - began < 35
