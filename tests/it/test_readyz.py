# SPDX-License-Identifier: Apache-2.0
"""/readyz?verbose: what it tells whom, and while parts of the server are away."""
import json
import os
import signal
import time

import pytest

import access
from access import operator_key
from test_api_contract import decoded
from test_outside_database import Server
from wardian import command_line, wait_for

# As far as the server can tell, these come from another machine.
FORWARDED = [{"X-Forwarded-For": "203.0.113.9"}, {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"},
             {"X-Real-IP": "127.0.0.1"}, {"Via": "1.1 proxy"}, {"X-Forwarded-Host": "localhost"}]
STRANGER = FORWARDED[0]
NECESSARY = ["database", "scheduler"]
PARTS = [*NECESSARY, "spawner", "sandbox", "audit", "disk", "gpus"]


@pytest.fixture(scope="module")
def operator(daemon):
    return operator_key(daemon)


def verbose(daemon, key=None, headers=None, status=200):
    """(the whole answer, {name: check})"""
    got = daemon.request("GET", "/readyz?verbose", key, headers=headers)
    answer = decoded(got, status)
    return answer, {check["name"]: check for check in answer["checks"]}


def test_a_caller_on_the_machine_sees_every_part(daemon):
    answer, parts = verbose(daemon)
    assert list(parts) == PARTS and all(check["ok"] for check in parts.values()), parts
    assert answer["version"].count(".") == 2
    assert set(parts["sandbox"]["weak"]) <= {"landlock"}
    assert 0 < parts["disk"]["free_bytes"] < parts["disk"]["total_bytes"]
    assert parts["gpus"]["count"] >= 0


@pytest.mark.parametrize("headers", FORWARDED, ids=lambda h: next(iter(h.items())))
def test_a_stranger_sees_what_balancers_need_and_nothing_of_the_machine(daemon, headers):
    answer, parts = verbose(daemon, headers=headers)
    assert answer == {"status": "ok", "checks": [{"name": name, "ok": True} for name in NECESSARY]}
    assert list(parts) == NECESSARY


def test_an_operator_sees_every_part_from_anywhere(daemon, operator):
    answer, parts = verbose(daemon, operator, STRANGER)
    assert list(parts) == PARTS and "version" in answer


@pytest.mark.parametrize("credential", ["a tenant's", "Bearer wdn_op_nonsense", "Basic !!!", "Bearer "])
def test_no_other_credential_shows_more_or_is_refused(daemon, tenant_a, credential):
    headers = {**STRANGER, "Authorization": f"Bearer {tenant_a}" if credential == "a tenant's" else credential}
    answer, parts = verbose(daemon, headers=headers)
    assert list(parts) == NECESSARY and "version" not in answer


def test_no_answer_holds_a_path_or_a_secret(daemon, operator):
    body = daemon.request("GET", "/readyz?verbose", operator)[2].decode()
    assert str(daemon.root) not in body and "/" not in body.replace("wardian doctor", "") and operator not in body


def test_the_short_form_has_no_parts_for_anybody(daemon, operator):
    for key in (None, operator):
        assert json.loads(daemon.request("GET", "/readyz", key)[2]) == {"status": "ok"}


def test_behind_a_trusted_proxy_the_client_is_who_is_named(own_daemon):
    daemon = own_daemon("--http.trusted_proxies=127.0.0.1")
    assert list(verbose(daemon)[1]) == PARTS
    for spoofed in ("203.0.113.9", "127.0.0.1", "203.0.113.9, 127.0.0.1"):
        assert list(verbose(daemon, headers={"X-Forwarded-For": spoofed})[1]) == NECESSARY


def test_a_spawner_that_is_gone_is_said_and_one_that_is_back(own_daemon):
    daemon = own_daemon()
    spawners = [pid for pid in daemon.strays() if command_line(pid).split(b"\0")[0].endswith(b"/wardian-spawner")]
    assert len(spawners) == 2
    for pid in spawners:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: daemon.request("GET", "/readyz")[0] == 503, 10, "the loss is noticed")
    _, parts = verbose(daemon, status=503)
    assert parts["database"]["ok"] and not parts["scheduler"]["ok"]
    assert not parts["spawner"]["ok"] and "not connected" in parts["spawner"]["detail"]
    assert not parts["sandbox"]["ok"] and "weak" not in parts["sandbox"]
    answer, parts = verbose(daemon, headers=STRANGER, status=503)
    assert answer["status"] == "unavailable" and list(parts) == NECESSARY
    daemon.stop()
    daemon.start()
    assert verbose(daemon)[1]["spawner"]["ok"]


def test_without_the_database_the_machine_still_tells_what_it_knows(own_daemon):
    server = Server()
    try:
        daemon = own_daemon(env={"WARDIAN_DATABASE_URL": server.url})
        key = operator_key(daemon)
        assert list(verbose(daemon, key, STRANGER)[1]) == PARTS
        server.stop()
        wait_for(lambda: daemon.request("GET", "/readyz")[0] == 503, 15, "the loss is noticed")
        _, parts = verbose(daemon, status=503)
        assert list(parts) == PARTS and parts["spawner"]["ok"] and parts["disk"]["ok"]
        assert parts["database"] == {"name": "database", "ok": False, "detail": "the database does not answer"}
        # Nobody can check a credential now, and nobody waits for that.
        began = time.monotonic()
        assert list(verbose(daemon, key, STRANGER, status=503)[1]) == NECESSARY
        assert time.monotonic() - began < 4
        server.start()
        wait_for(lambda: daemon.request("GET", "/readyz")[0] == 200, 15, "ready again")
        wait_for(lambda: list(verbose(daemon, key, STRANGER)[1]) == PARTS, 15, "the operator is known again")
    finally:
        server.destroy()


def last_checkpoint(path):
    """Its number; 0 while there is none, or no more than a new file."""
    text = path.read_bytes() if path.exists() else b""
    return json.loads(text.splitlines()[-1])["number"] if text.endswith(b"\n") else 0


def test_an_audit_log_that_was_set_back_is_said(own_daemon):
    daemon = own_daemon("--audit.checkpoint_interval=1s")
    tenant, key = daemon.bootstrap("alpha")
    file = daemon.state / "audit" / f"{access.uuid_of(tenant)}.ndjson"
    head = daemon.json("GET", "/v1/audit/verify", key)["last"]
    # Of a log that still moves the damage would be cut off: behind the last line lies what a crash left.
    wait_for(lambda: last_checkpoint(file) >= head > 0, 20, "the log has its checkpoint")
    with open(file, "ab") as opened:
        opened.write(b"damaged\n")
    daemon.bootstrap("alpha")  # another entry, so that the log moves
    part = wait_for(lambda: next((c for c in [verbose(daemon)[1]["audit"]] if not c["ok"]), None), 30,
                    "the damage is told")
    assert "checkpoint" in part["detail"]
    assert daemon.request("GET", "/readyz")[0] == 200
