# SPDX-License-Identifier: Apache-2.0
"""Tenants, people, roles, keys and limits from the command line, against a real server."""
import json
import re
import stat
import subprocess
import uuid

import pytest

from cli_rig import Cli


def fresh(word):
    """A name that nothing else of this server bears."""
    return f"{word}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def operator_key(daemon):
    """A key of an operator of the platform."""
    out = subprocess.run(daemon.arguments(["bootstrap", "--operator", fresh("oncall")]), stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, env=daemon.environment(), timeout=60, check=True)
    return json.loads(out.stdout)["api_key"]


@pytest.fixture
def as_key(daemon, tmp_path):
    """as_key(key) -> the CLI with this key."""
    return lambda key: Cli(tmp_path, f"http://127.0.0.1:{daemon.port}", key)


@pytest.fixture
def operator(as_key, operator_key):
    return as_key(operator_key)


@pytest.fixture
def tenant(operator, as_key):
    """(name of a tenant of this test alone, the CLI as its owner)"""
    name = fresh("acme")
    return name, as_key(operator.ok("tenant", "create", name, "--owner", "alice", "--owner-kind", "person").strip())


@pytest.fixture
def owner(tenant):
    return tenant[1]


def fields(text):
    return dict(re.split(r"  +", line, maxsplit=1) for line in text.splitlines())


def test_projects_live_and_die(owner):
    made = fields(owner.ok("project", "create", "wing", "--title", "Wing studies"))
    assert made["name"] == "wing" and made["title"] == "Wing studies" and made["archived"] == "no"
    assert owner("project", "create", "wing").returncode == 5
    assert fields(owner.ok("project", "get", "wing")) == made
    assert "title" not in fields(owner.ok("project", "update", "wing", "--name", "flap", "--clear", "title"))
    assert owner("project", "get", "wing").returncode == 3
    assert fields(owner.ok("project", "archive", "flap"))["archived"] == "yes"
    assert [line.split("\t")[1] for line in owner.ok("project", "list", "--archived", "yes").splitlines()] == ["flap"]
    assert owner("project", "update", "flap", "--archived", "no", "--if-match", "1").returncode == 5
    version = owner.json("project", "get", "flap")["version"]
    owner.ok("project", "update", "flap", "--archived", "no", "--if-match", version)
    out = owner("project", "delete", "flap")
    assert out.returncode == 0 and out.stdout == "" and "flap is deleted" in out.stderr
    assert owner("project", "delete", "default").returncode == 5


def test_lists_follow_pages(owner):
    names = [fresh("p") for _ in range(5)]
    for name in names:
        owner.ok("project", "create", name)
    shown = [line.split("\t")[1] for line in owner.ok("project", "list", "--all", "--limit", "2").splitlines()]
    assert shown == names[::-1] + ["default"]
    out = owner("project", "list", "--limit", "3")
    assert len(out.stdout.splitlines()) == 3 and "--all" in out.stderr


def test_people_get_roles_and_lose_them(owner, as_key):
    owner.ok("project", "create", "wing")
    made = owner.json("user", "create", "bob", "--kind", "person", "--email", "bob@acme.example", "--role", "viewer")
    assert made["roles"] == [{"role": "viewer", "project": None}]
    bob = as_key(owner.ok("key", "create", "laptop", "--user", "bob", "--expires-in", "1h").strip())
    assert "bob" in bob.ok("auth", "status")
    assert bob("project", "create", "x").returncode == 4
    assert bob("access", "check", "job:create").returncode == 4
    given = fields(owner.ok("role", "assign", "engineer", "--user", "bob", "--project", "wing"))
    assert given["role"] == "engineer" and given["user"] == made["id"]
    assert "engineer" in bob.ok("access", "check", "job:create", "--project", "wing")
    assert "engineer" in owner.ok("access", "check", "job:create", "--project", "wing", "--user", "bob")
    assert len(owner.ok("role", "assignments", "--user", "bob").splitlines()) == 2
    assert owner("role", "unassign", "engineer", "--user", "bob").returncode == 3  # only in the project
    owner.ok("role", "unassign", "engineer", "--user", "bob", "--project", "wing")
    assert bob("access", "check", "job:create", "--project", "wing").returncode == 4
    left = owner.json("role", "assignments", "--user", "bob")["data"]
    owner.ok("role", "unassign", left[0]["id"])
    assert bob("project", "list").returncode == 4


def test_users_are_disabled_and_removed(owner, as_key):
    owner.ok("user", "create", "ci", "--role", "engineer")
    key = as_key(owner.ok("key", "create", "nightly", "--user", "ci").strip())
    key.ok("project", "list")
    assert fields(owner.ok("user", "disable", "ci"))["disabled"] == "yes"
    assert fields(owner.ok("user", "enable", "ci"))["disabled"] == "no"
    assert fields(owner.ok("user", "update", "ci", "--name", "builds"))["name"] == "builds"
    assert owner("user", "delete", "builds").returncode == 5
    owner.ok("user", "delete", "builds", "--revoke-keys")
    assert key("project", "list").returncode == 4
    out = owner("user", "delete", "alice", "--revoke-keys")
    assert out.returncode == 5 and "last-owner" in out.stderr and "request id" in out.stderr


def test_roles_of_ones_own(owner):
    made = fields(owner.ok("role", "create", "watcher", "--base", "viewer", "--permission", "job:cancel"))
    assert "job:cancel" in made["permissions"].split(",") and made["system"] == "no"
    assert fields(owner.ok("role", "update", "watcher", "--permission", "job:read"))["permissions"] == "job:read"
    assert [line.split("\t")[0] for line in owner.ok("role", "list").splitlines()][-1] == "watcher"
    owner.ok("role", "assign", "watcher", "--user", "alice")
    assert owner("role", "delete", "watcher").returncode == 5
    owner.ok("role", "unassign", "watcher", "--user", "alice")
    owner.ok("role", "delete", "watcher")
    assert owner("role", "delete", "owner").returncode in (4, 5)
    assert owner("role", "create", "x", "--permission", "job:everything").returncode == 2


def test_keys_are_made_rotated_and_revoked(owner, as_key, tmp_path):
    owner.ok("user", "create", "ci", "--role", "engineer")
    path = tmp_path / "nightly.key"
    made = fields(owner.ok("key", "create", "nightly", "--user", "ci", "--scope", "job:read", "--cidr", "127.0.0.0/8",
                           "--output", path))
    assert made["scopes"] == "job:read" and made["cidrs"] == "127.0.0.0/8" and "key" not in made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    old = as_key(path.read_text().strip())
    old.ok("job", "list")
    assert old("project", "list").returncode == 4
    new = as_key(owner.ok("key", "rotate", "nightly", "--overlap", "1h").strip())
    assert old("job", "list").returncode == 0 and new("job", "list").returncode == 0
    changed = fields(owner.ok("key", "update", "nightly", "--name", "hourly", "--clear", "cidr", "--expires-at",
                              "2999-01-01T00:00:00Z"))
    assert changed["name"] == "hourly" and "cidrs" not in changed and changed["expires_at"].startswith("2999")
    owner.ok("key", "revoke", "hourly")
    assert new("job", "list").returncode == 4
    assert owner("key", "rotate", "hourly").returncode == 3  # names are of keys that hold
    assert owner("key", "rotate", made["id"]).returncode == 5
    listed = owner.ok("key", "list", "--user", "ci", "--revoked", "yes").splitlines()
    assert len(listed) == 1 and listed[0].endswith("\tyes")


def test_issuers_bring_their_own_keys(owner, tmp_path):
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [PUBLIC]}))
    made = fields(owner.ok("issuer", "create", "sso", "--url", "https://sso.acme.example", "--jwks", "jwks.json",
                           "--rule", "groups=sim:engineer@default", "--rule", "*:viewer"))
    assert made["keys"] == PUBLIC["kid"] and all(word in made["rules"] for word in (
        "role=engineer", "claim=groups", "value=sim", "project=prj_", "claim=*"))
    assert fields(owner.ok("issuer", "update", "sso", "--disabled", "yes"))["disabled"] == "yes"
    assert len(owner.ok("issuer", "list").splitlines()) == 1
    owner.ok("issuer", "delete", "sso")
    assert owner("issuer", "get", "sso").returncode == 3


PUBLIC = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "first",
          "alg": "EdDSA", "use": "sig"}


def limits(text):
    return {line.split("\t")[0]: line.split("\t")[2] for line in text.splitlines()}


def test_limits_of_projects_and_tenants(tenant, operator):
    name, owner = tenant
    owner.ok("project", "create", "wing")
    assert limits(owner.ok("quota", "set", "--project", "wing", "jobs_running=3", "memory_bytes=2GiB"))["jobs_running"] == "3"
    assert limits(owner.ok("quota", "get", "--project", "wing"))["memory_bytes"] == str(2 << 30)
    unset = limits(owner.ok("quota", "set", "--project", "wing", "memory_bytes=default"))
    assert unset.get("memory_bytes") != str(2 << 30) and unset["jobs_running"] == "3"
    assert owner("quota", "set", "--tenant", name, "users=1").returncode == 4
    assert limits(operator.ok("quota", "set", "--tenant", name, "users=1"))["users"] == "1"
    assert limits(operator.ok("quota", "get", "--tenant", name)) == limits(owner.ok("quota", "get"))
    out = owner("user", "create", "one-too-many")
    assert out.returncode == 6 and "quota-exceeded" in out.stderr
    assert owner("quota", "set", "--project", "wing", "nonsense=1").returncode == 2


def test_operators_run_tenants(tenant, operator, as_key, tmp_path):
    name, owner = tenant
    assert fields(operator.ok("tenant", "get", name)) ["state"] == "active"
    assert name in operator.ok("tenant", "list", "--name", name)
    operator.ok("tenant", "suspend", name, "--reason", "invoice 17 is not paid")
    out = owner("project", "list")
    assert out.returncode == 4 and "tenant-suspended" in out.stderr and "invoice 17" in out.stderr
    operator.ok("tenant", "resume", name)
    owner.ok("project", "list")
    other = fresh("group")
    assert fields(operator.ok("tenant", "rename", name, other))["name"] == other
    out = operator("tenant", "owner", other, "intruder", "--output", tmp_path / "intruder.key")
    assert out.returncode == 5 and "can come in" in out.stderr
    assert owner("key", "revoke", fields(owner.ok("auth", "status"))["key_id"]).returncode == 0
    operator.ok("tenant", "owner", other, "recovery", "--output", tmp_path / "recovery.key")
    owner = as_key((tmp_path / "recovery.key").read_text().strip())
    assert fields(owner.ok("tenant", "self"))["name"] == other
    assert owner("tenant", "list").returncode == 4


def test_support_is_opened_seen_and_ended(tenant, operator, as_key):
    name, owner = tenant
    support = as_key(operator.ok("tenant", "support-open", name, "--reason", "ticket 4711: job hangs", "--for", "30m").strip())
    assert fields(support.ok("auth", "status"))["tenant"] == name
    listed = owner.ok("support", "list").splitlines()
    assert len(listed) == 1 and "ticket 4711" in listed[0] and listed[0].endswith("yes")
    owner.ok("support", "end", listed[0].split("\t")[0])
    assert support("project", "list").returncode == 4
    assert fields(owner.ok("support", "refuse"))["support_allowed"] == "no"
    assert operator("tenant", "support-open", name, "--reason", "ticket 4712: again").returncode == 4
    owner.ok("support", "allow")
    opened = operator.json("tenant", "support-open", name, "--reason", "ticket 4713: again")
    operator.ok("tenant", "support-close", name, opened["id"])


def test_a_tenant_is_deleted_only_by_its_name(tenant, operator):
    name, owner = tenant
    assert operator("tenant", "delete", name, "--confirm", "another").returncode == 2
    owner.ok("project", "list")
    gone = operator.json("tenant", "delete", name, "--confirm", name, "--wait", "--timeout", "60")
    assert gone["done"] is True
    assert owner("project", "list").returncode == 4
    assert operator("tenant", "get", name).returncode == 3
    assert gone["id"] in operator.ok("operation", "list", "--all")
    assert fields(operator.ok("operation", "get", gone["id"]))["done"] == "yes"


def test_a_token_does_what_the_key_does_and_is_given_back(daemon, owner, tmp_path):
    key = owner.key
    cli = Cli(tmp_path / "home", key=None)
    cli.home.mkdir()
    out = cli("auth", "login", "--with-key", "-", "--token", "--server", owner.url, input=key)
    assert out.returncode == 0, out
    assert "alice" in out.stderr and key not in (cli.folder / "credentials.toml").read_text()
    shown = fields(cli.ok("auth", "status"))
    assert shown["credential"] == "token" and shown["tenant"] == fields(owner.ok("tenant", "self"))["name"]
    token = re.search(r'token = "(.*)"', (cli.folder / "credentials.toml").read_text()).group(1)
    cli.ok("project", "list")
    cli.ok("auth", "logout")
    assert daemon.request("GET", "/v1/projects", token)[0] == 401
    limited = owner.ok("auth", "token", "--expires-in", "2m", "--scope", "job:read").strip()
    assert daemon.request("GET", "/v1/jobs", limited)[0] == 200 and daemon.request("GET", "/v1/projects", limited)[0] == 403


def test_a_key_is_revoked_by_logging_out(owner, daemon, tmp_path):
    key = owner.ok("key", "create", "laptop").strip()
    cli = Cli(tmp_path / "home", key=None)
    cli.home.mkdir()
    assert cli("auth", "login", "--with-key", "-", "--server", owner.url, input=key).returncode == 0
    cli.ok("auth", "logout", "--revoke")
    assert daemon.request("GET", "/v1/me", key)[0] == 401


def test_evidence_of_isolation_and_permissions(owner):
    assert all(line.split("\t")[1] == "yes" for line in owner.ok("tenant", "isolation").splitlines() if "\t" in line)
    assert "signature" in json.dumps(owner.json("tenant", "isolation"))
    assert "job:create\tproject" in owner.ok("permission", "list")


def test_jobs_go_to_the_project_that_is_named(owner):
    owner.ok("project", "create", "wing")
    (owner.home / "main.py").write_text("print(1)\n")
    words = ("job", "submit", "python", "--input", "main.py", "--param", "script=main.py")
    job = owner.ok(*words, "--project", "wing").strip()
    assert [line.split("\t")[0] for line in owner.ok("job", "list", "--project", "wing").splitlines()] == [job]
    assert owner.ok("job", "list", "--project", "default") == ""
    owner.ok("project", "archive", "wing")
    assert owner(*words, "--project", "wing").returncode == 2
