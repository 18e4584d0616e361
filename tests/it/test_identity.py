# SPDX-License-Identifier: Apache-2.0
"""Projects, users, roles, keys and issuers over HTTP: stories as their people would live them, and
every refusal with its code and place."""

import itertools
import json
import subprocess

import pytest

import access
from test_api_contract import Checker, decoded, problem

PATCH = {"Content-Type": "application/merge-patch+json"}
REVOKE_SECONDS = 1.0
NUMBERS = itertools.count()
JWK = {"kty": "EC", "crv": "P-256", "kid": "one", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
       "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}


class Tenant:
    """A fresh tenant, and short ways to ask in the name of one of its keys (its owner's)."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.id, self.key = daemon.bootstrap(f"story-{next(NUMBERS)}")

    def ask(self, method, path, body=None, key=None, headers=None):
        if method == "PATCH":
            headers = {**PATCH, **(headers or {})}
        return self.daemon.request(method, path, key=key or self.key, body=body, headers=headers)

    def get(self, path, key=None):
        return decoded(self.ask("GET", path, key=key), 200)

    def make(self, path, body, key=None):
        return decoded(self.ask("POST", path, body, key=key), 201)

    def change(self, path, body, key=None):
        return decoded(self.ask("PATCH", path, body, key=key), 200)

    def remove(self, path, key=None):
        answer = self.ask("DELETE", path, key=key)
        assert (answer[0], answer[2]) == (204, b""), answer

    def refused(self, method, path, body, status, code, key=None, pointer=None, headers=None):
        doc = problem(self.ask(method, path, body, key=key, headers=headers), status, code)
        if pointer is not None:
            assert [fault["pointer"] for fault in doc["errors"]] == [pointer], doc
        return doc

    def user(self, name, *roles, kind="service"):
        return self.make("/v1/users", {"name": name, "kind": kind,
                                       "roles": [r if isinstance(r, dict) else {"role": r} for r in roles]})

    def login(self, name, *roles, **more):
        """A user with roles, and a key of it."""
        user = self.user(name, *roles)
        return user, self.make("/v1/keys", {"name": name, "user": user["id"], **more})["key"]


@pytest.fixture
def tenant(daemon):
    return Tenant(daemon)


@pytest.fixture(scope="module")
def shared(daemon):
    """For tests that leave nothing behind that others would see."""
    return Tenant(daemon)


def is_refused_within(tenant, key, seconds):
    took, status = access.last_sent(lambda: tenant.ask("GET", "/v1/me", key=key)[0], lambda status: status == 200)
    assert status == 401 and took <= seconds


# --- the way in ----------------------------------------------------------------------------------------

def run_bootstrap(daemon, *arguments):
    return subprocess.run(daemon.arguments(["bootstrap", *arguments]), stdin=subprocess.DEVNULL,
                          capture_output=True, env=daemon.environment(), timeout=60, check=False)


def test_bootstrap_makes_a_tenant_once_and_a_key_each_time(daemon):
    name = f"boot-{next(NUMBERS)}"
    made = [json.loads(run_bootstrap(daemon, "--tenant", name, "--key-name", f"k{i}").stdout) for i in range(2)]
    assert made[0]["tenant"] == made[1]["tenant"] and made[0]["name"] == name
    assert made[0]["api_key"] != made[1]["api_key"]
    users = decoded(daemon.request("GET", "/v1/users", made[0]["api_key"]), 200)["data"]
    assert [(u["name"], u["kind"], u["roles"]) for u in users] == [
        ("bootstrap", "service", [{"role": "owner", "project": None}])]
    keys = decoded(daemon.request("GET", "/v1/keys", made[1]["api_key"]), 200)["data"]
    assert sorted(k["name"] for k in keys) == ["k0", "k1"]


def test_bootstrap_makes_operators_of_the_platform(daemon):
    made = json.loads(run_bootstrap(daemon, "--operator", "ops").stdout)
    assert made["api_key"].startswith("wdn_op_") and made["name"] == "platform"
    again = json.loads(run_bootstrap(daemon, "--operator", "ops").stdout)
    users = decoded(daemon.request("GET", "/v1/users?limit=200", again["api_key"]), 200)["data"]
    assert [u["roles"] for u in users if u["name"] == "ops"] == [[{"role": "platform-operator", "project": None}]]


@pytest.mark.parametrize("arguments", [(), ("--tenant", "a", "--operator", "b"), ("--tenant", "platform"),
                                       ("--tenant", "Not A Label"), ("--operator", "")])
def test_bootstrap_refuses_what_it_cannot_mean(daemon, arguments):
    out = run_bootstrap(daemon, *arguments)
    assert out.returncode != 0 and out.stdout == b""


# --- stories -------------------------------------------------------------------------------------------

def test_a_company_sets_itself_up(tenant):
    red = tenant.make("/v1/projects", {"name": "red", "title": "Wings"})
    blue = tenant.make("/v1/projects", {"name": "blue"})
    ada, key = tenant.login("Ada", {"role": "engineer", "project": red["id"]})
    assert ada["roles"] == [{"role": "engineer", "project": red["id"]}]
    # Ada sees her project and nothing else.
    assert [p["name"] for p in tenant.get("/v1/projects", key)["data"]] == ["red"]
    tenant.get(f"/v1/projects/{red['id']}", key)
    unknown = "prj_" + "0" * 26
    answers = [tenant.ask("GET", f"/v1/projects/{p}", key=key) for p in (blue["id"], unknown)]
    assert strip(answers[0]) == strip(answers[1]) and answers[0][0] == 404
    tenant.refused("GET", "/v1/users", None, 403, "denied", key)
    tenant.refused("POST", "/v1/projects", {"name": "green"}, 403, "denied", key)
    # A second role, and she sees the other one, too.
    tenant.make("/v1/role-assignments", {"user": ada["id"], "role": "viewer", "project": blue["id"]})
    wait = [p["name"] for p in tenant.get("/v1/projects", key)["data"]]
    assert sorted(wait) == ["blue", "red"]
    check = decoded(tenant.ask("POST", "/v1/access/check", {
        "permission": "job:create", "project": blue["id"], "user": ada["id"]}), 200)
    assert check["allowed"] is False


def test_nobody_grants_what_they_lack(tenant):
    project = tenant.make("/v1/projects", {"name": "red"})
    boss = tenant.user("boss", "owner")
    _, admin = tenant.login("admin", "admin")
    _, engineer = tenant.login("engineer", "engineer")
    _, lead = tenant.login("lead", {"role": "admin", "project": project["id"]})
    someone = tenant.user("someone")
    give = {"user": someone["id"], "role": "owner"}
    for key, status, code in ((engineer, 403, "denied"), (lead, 403, "denied"), (admin, 403, "cannot-grant")):
        tenant.refused("POST", "/v1/role-assignments", give, status, code, key)
    tenant.refused("POST", "/v1/users", {"name": "x", "roles": [{"role": "owner"}]}, 403, "cannot-grant", admin)
    detail = tenant.refused("POST", "/v1/roles", {"name": "r", "permissions": ["billing:read"]},
                            403, "cannot-grant", admin)["detail"]
    assert "billing:read" in detail
    tenant.refused("POST", "/v1/keys", {"name": "k", "user": boss["id"]}, 403, "cannot-grant", engineer)
    tenant.refused("POST", "/v1/issuers", {"name": "i", "url": "https://a", "jwks": {"keys": [JWK]},
                                           "rules": [{"claim": "*", "role": "owner"}]}, 403, "cannot-grant", admin)
    tenant.refused("PATCH", f"/v1/users/{boss['id']}", {"disabled": True}, 403, "cannot-grant", admin)
    tenant.refused("DELETE", f"/v1/users/{boss['id']}", None, 403, "cannot-grant", admin)
    # What they have they give.
    tenant.make("/v1/role-assignments", {"user": someone["id"], "role": "engineer"}, admin)
    tenant.make("/v1/role-assignments", {"user": someone["id"], "role": "viewer", "project": project["id"]}, lead)


def test_the_life_of_a_key(tenant):
    user = tenant.user("ci", "engineer")
    made = tenant.ask("POST", "/v1/keys", {"name": "ci", "user": user["id"], "scopes": ["job:read", "key:read"],
                                           "expires_in_s": 3600})
    key = decoded(made, 201)
    assert made[1]["cache-control"] == "no-store" and made[1]["location"] == f"/v1/keys/{key['id']}"
    text = key.pop("key")
    assert text.startswith("wdn_sk_" + key["public_id"]) and text.endswith(key["last4"])
    seen = tenant.get(f"/v1/keys/{key['id']}", text)
    assert seen == key and text not in json.dumps(tenant.get("/v1/keys"))
    tenant.refused("GET", "/v1/users", None, 403, "denied", text)
    # Another text; for an hour the former one holds, too.
    rotated = decoded(tenant.ask("POST", f"/v1/keys/{key['id']}/rotate", {"overlap_s": 3600}), 200)
    assert rotated["public_id"] == key["public_id"] and rotated["previous_until"] is not None
    for each in (text, rotated["key"]):
        assert tenant.get("/v1/me", each)["key_id"] == key["id"]
    third = decoded(tenant.ask("POST", f"/v1/keys/{key['id']}/rotate"), 200)
    assert third["previous_until"] is None
    for each in (text, rotated["key"]):
        is_refused_within(tenant, each, REVOKE_SECONDS)
    assert tenant.get("/v1/me", third["key"])["key_id"] == key["id"]
    # Revoked for good, and again.
    tenant.remove(f"/v1/keys/{key['id']}")
    is_refused_within(tenant, third["key"], REVOKE_SECONDS)
    tenant.remove(f"/v1/keys/{key['id']}")
    gone = tenant.get(f"/v1/keys/{key['id']}")
    assert gone["revoked"] and gone["revoked_at"] and gone["revoked_by"].startswith("key_")
    tenant.refused("POST", f"/v1/keys/{key['id']}/rotate", None, 409, "conflict")
    tenant.refused("PATCH", f"/v1/keys/{key['id']}", {"scopes": None}, 409, "conflict")
    assert tenant.change(f"/v1/keys/{key['id']}", {"name": "old"})["name"] == "old"


def test_a_key_works_from_its_networks_alone(tenant):
    user = tenant.user("ci", "engineer")
    key = tenant.make("/v1/keys", {"name": "k", "user": user["id"], "cidrs": ["192.0.2.0/24"]})
    assert tenant.ask("GET", "/v1/me", key=key["key"])[0] == 401
    changed = tenant.change(f"/v1/keys/{key['id']}", {"cidrs": ["192.0.2.0/24", "127.0.0.0/8"]})
    assert changed["cidrs"] == ["192.0.2.0/24", "127.0.0.0/8"]
    assert tenant.ask("GET", "/v1/me", key=key["key"])[0] == 200


def test_keys_of_people_end(tenant):
    person = tenant.user("Ada", "engineer", kind="person")
    key = tenant.make("/v1/keys", {"name": "laptop", "user": person["id"]})
    assert key["kind"] == "pat" and key["key"].startswith("wdn_pat_") and key["expires_at"] is not None
    body = {"name": "k", "user": person["id"]}
    for more, pointer in (({"expires_at": None}, "/expires_at"), ({"expires_in_s": 366 * 86400}, "/expires_at"),
                          ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
                          ({"expires_at": "2099-01-01T00:00:00Z", "expires_in_s": 5}, "/expires_in_s")):
        tenant.refused("POST", "/v1/keys", {**body, **more}, 422, "invalid-field", pointer=pointer)


def test_a_disabled_user_is_refused_within_a_second_with_all_keys(tenant):
    user, key = tenant.login("ci", "engineer")
    assert tenant.ask("GET", "/v1/me", key=key)[0] == 200
    assert tenant.change(f"/v1/users/{user['id']}", {"disabled": True})["disabled_at"] is not None
    is_refused_within(tenant, key, REVOKE_SECONDS)
    tenant.change(f"/v1/users/{user['id']}", {"disabled": False})
    assert tenant.ask("GET", "/v1/me", key=key)[0] == 200
    tenant.refused("DELETE", f"/v1/users/{user['id']}", None, 409, "in-use")
    tenant.remove(f"/v1/users/{user['id']}?revoke_keys=true")
    is_refused_within(tenant, key, REVOKE_SECONDS)
    tenant.refused("GET", f"/v1/users/{user['id']}", None, 404, "not-found")


def test_rights_that_are_taken_away_are_gone_within_a_second(tenant):
    user, key = tenant.login("ci")
    role = tenant.make("/v1/role-assignments", {"user": user["id"], "role": "viewer"})
    assert tenant.ask("GET", "/v1/users", key=key)[0] == 200
    tenant.remove(f"/v1/role-assignments/{role['id']}")
    took, status = access.last_sent(lambda: tenant.ask("GET", "/v1/users", key=key)[0], lambda status: status == 200)
    assert status == 403 and took <= REVOKE_SECONDS


def test_the_last_owner_stays(tenant):
    me = tenant.get("/v1/me")["user"]["id"]
    mine = tenant.get(f"/v1/role-assignments?user={me}")["data"][0]["id"]
    for method, path, body in (("DELETE", f"/v1/role-assignments/{mine}", None),
                               ("PATCH", f"/v1/users/{me}", {"disabled": True}),
                               ("DELETE", f"/v1/users/{me}?revoke_keys=true", None)):
        tenant.refused(method, path, body, 409, "last-owner")
    tenant.user("second", "owner")
    tenant.remove(f"/v1/role-assignments/{mine}")


def test_roles_of_the_tenants_own(tenant):
    role = tenant.make("/v1/roles", {"name": "night", "permissions": ["job:create"], "base": "viewer"})
    assert "job:create" in role["permissions"] and "role:read" in role["permissions"]
    assert tenant.get("/v1/roles/night") == tenant.get(f"/v1/roles/{role['id']}") == role
    names = [r["name"] for r in tenant.get("/v1/roles")["data"]]
    assert names == ["owner", "admin", "engineer", "viewer", "billing", "auditor", "night"]
    tenant.refused("POST", "/v1/roles", {"name": "owner", "permissions": []}, 409, "name-taken", pointer="/name")
    tenant.refused("POST", "/v1/roles", {"name": "night", "permissions": []}, 409, "name-taken", pointer="/name")
    tenant.refused("POST", "/v1/roles", {"name": "x", "permissions": ["tenants:read"]}, 422, "invalid-field",
                   pointer="/permissions")
    tenant.refused("PATCH", "/v1/roles/viewer", {"title": "x"}, 403, "denied")
    tenant.refused("DELETE", "/v1/roles/viewer", None, 403, "denied")
    user, key = tenant.login("n", "night")
    tenant.refused("DELETE", "/v1/roles/night", None, 409, "in-use")
    # A narrower role is narrower for all who have it.
    tenant.change("/v1/roles/night", {"permissions": ["job:read"]})
    tenant.refused("GET", "/v1/roles", None, 403, "denied", key)
    tenant.remove(f"/v1/users/{user['id']}?revoke_keys")
    tenant.remove("/v1/roles/night")


def test_a_key_can_be_limited_to_roles(tenant):
    boss = tenant.user("boss", "owner")
    key = tenant.make("/v1/keys", {"name": "k", "user": boss["id"], "roles": [{"role": "viewer"}]})
    assert key["roles"] == [{"role": "viewer", "project": None}]
    tenant.refused("POST", "/v1/projects", {"name": "x"}, 403, "denied", key["key"])
    only = tenant.get(f"/v1/role-assignments?key={key['id']}")["data"]
    assert len(only) == 1
    tenant.refused("DELETE", f"/v1/role-assignments/{only[0]['id']}", None, 409, "in-use")


def test_projects_are_archived_and_deleted(tenant):
    project = tenant.make("/v1/projects", {"name": "red", "title": "Wings"})
    path = f"/v1/projects/{project['id']}"
    archived = tenant.change(path, {"archived": True, "title": None})
    assert archived["archived"] and archived["archived_at"] and archived["title"] is None
    assert [p["name"] for p in tenant.get("/v1/projects?archived=true")["data"]] == ["red"]
    assert [p["name"] for p in tenant.get("/v1/projects?archived=false")["data"]] == ["default"]
    default = tenant.get("/v1/projects?archived=false")["data"][0]["id"]
    for body in ({"name": "x"}, {"archived": True}):
        tenant.refused("PATCH", f"/v1/projects/{default}", body, 409, "in-use")
    tenant.refused("DELETE", f"/v1/projects/{default}", None, 409, "in-use")
    tenant.remove(path)
    tenant.refused("GET", path, None, 404, "not-found")


def test_issuers_are_registered_with_public_keys_only(tenant):
    body = {"name": "login", "url": "https://login.example.org", "jwks": {"keys": [JWK]},
            "rules": [{"claim": "groups", "value": "sim", "role": "engineer"}]}
    issuer = tenant.make("/v1/issuers", body)
    assert issuer["audience"] == f"wardian:{tenant.id}" and issuer["tenant_claim"] is None
    assert issuer["jwks"]["keys"][0]["alg"] == "ES256"
    assert issuer["rules"] == [{"claim": "groups", "value": "sim", "role": "engineer", "project": None}]
    private = {"keys": [{**JWK, "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]}
    for change, pointer in (({"jwks": private}, None), ({"jwks": {"keys": []}}, None), ({"jwks": None}, None),
                            ({"url": "http://example.org"}, "/url"), ({"url": "https://u@example.org"}, "/url"),
                            ({"audience": "mine"}, "/tenant_claim"), ({"rules": []}, "/rules"),
                            ({"rules": [{"claim": "a", "role": "engineer"}]}, "/rules/0/value"),
                            ({"rules": [{"claim": "a", "value": [], "role": "engineer"}]}, "/rules/0/value"),
                            ({"rules": [{"claim": "*", "role": "nobody"}]}, "/rules/0/role"),
                            ({"rules": [{"claim": "*", "role": "engineer"}] * 65}, "/rules")):
        tenant.refused("POST", "/v1/issuers", {**body, **change}, 422, "invalid-field", pointer=pointer)
        tenant.refused("PATCH", f"/v1/issuers/{issuer['id']}", change, 422, "invalid-field", pointer=pointer)
    user = tenant.make("/v1/users", {"name": "Ada", "kind": "person", "issuer": issuer["id"], "subject": "42"})
    tenant.refused("DELETE", f"/v1/issuers/{issuer['id']}", None, 409, "in-use")
    tenant.change(f"/v1/users/{user['id']}", {"issuer": None, "subject": None})
    own = tenant.change(f"/v1/issuers/{issuer['id']}", {"audience": "mine", "tenant_claim": "tid", "disabled": True})
    assert (own["audience"], own["tenant_claim"], own["disabled"]) == ("mine", "tid", True)
    again = tenant.change(f"/v1/issuers/{issuer['id']}", {"audience": None, "tenant_claim": None})
    assert again["audience"] == f"wardian:{tenant.id}"
    tenant.remove(f"/v1/issuers/{issuer['id']}")


# --- versions, repetition, pages -----------------------------------------------------------------------

def test_versions_are_entity_tags(tenant):
    user = tenant.user("Ada")
    path = f"/v1/users/{user['id']}"
    answer = tenant.ask("GET", path)
    assert answer[1]["etag"] == '"1"'
    assert tenant.ask("GET", path, headers={"If-None-Match": '"1"'})[0] == 304
    tenant.refused("PATCH", path, {"name": "Bob"}, 412, "precondition-failed", headers={"If-Match": '"2"'})
    assert tenant.get(path)["name"] == "Ada"
    changed = tenant.ask("PATCH", path, {"name": "Bob"}, headers={"If-Match": '"1"'})
    assert decoded(changed, 200)["version"] == 2 and changed[1]["etag"] == '"2"'
    assert tenant.ask("GET", path, headers={"If-None-Match": '"1"'})[0] == 200
    # Roles are shown with the user, so they are a new version of it.
    tenant.make("/v1/role-assignments", {"user": user["id"], "role": "viewer"})
    assert tenant.ask("GET", path, headers={"If-None-Match": '"2"'})[0] == 200
    tenant.refused("DELETE", path, None, 412, "precondition-failed", headers={"If-Match": '"2"'})
    assert tenant.ask("DELETE", path, headers={"If-Match": '"3"'})[0] == 204


def test_a_creation_can_be_repeated(tenant):
    bodies = {"/v1/projects": {"name": "red"}, "/v1/users": {"name": "Ada"},
              "/v1/roles": {"name": "night", "permissions": []},
              "/v1/issuers": {"name": "login", "url": "https://a", "jwks": {"keys": [JWK]},
                              "rules": [{"claim": "*", "role": "viewer"}]}}
    for i, (path, body) in enumerate(bodies.items()):
        once = {"Idempotency-Key": f"once-{i}"}
        first, second = (tenant.ask("POST", path, body, headers=once) for _ in range(2))
        assert decoded(first, 201)["id"] == decoded(second, 201)["id"]
        assert second[1]["idempotency-replayed"] == "true" and "idempotency-replayed" not in first[1]
        assert second[1]["location"] == first[1]["location"]
        tenant.refused("POST", path, {**body, "name": "other"}, 422, "idempotency-key-reused", headers=once)
    me = tenant.get("/v1/me")["user"]["id"]
    once = {"Idempotency-Key": "once-key"}
    assert tenant.ask("POST", "/v1/keys", {"name": "k", "user": me}, headers=once)[0] == 201
    tenant.refused("POST", "/v1/keys", {"name": "k", "user": me}, 409, "conflict", headers=once)
    assert len(tenant.get("/v1/keys")["data"]) == 2
    # A role that is there already is no creation at all.
    give = {"user": me, "role": "viewer"}
    first, second = (tenant.ask("POST", "/v1/role-assignments", give) for _ in range(2))
    assert decoded(first, 201)["id"] == decoded(second, 200)["id"]


def test_lists_come_in_pages(tenant):
    for i in range(5):
        tenant.user(f"u{i}", kind="person" if i % 2 else "service")
    seen, path = [], "/v1/users?limit=2"
    while path is not None:
        page = tenant.get(path)
        assert len(page["data"]) <= 2
        seen += [u["name"] for u in page["data"]]
        path = f"/v1/users?limit=2&cursor={page['next_cursor']}" if page["has_more"] else None
    assert seen == ["u4", "u3", "u2", "u1", "u0", "bootstrap"]
    assert [u["name"] for u in tenant.get("/v1/users?kind=person")["data"]] == ["u3", "u1"]
    assert tenant.get("/v1/users?disabled=true")["data"] == []
    for query in ("kind=robot", "disabled=1", "name=u1", "limit=0"):
        tenant.refused("GET", f"/v1/users?{query}", None, 400, "bad-parameter")


# --- hostile input -------------------------------------------------------------------------------------

def strip(answer):
    """An answer without what tells two answers apart anyway."""
    headers = {k: v for k, v in answer[1].items() if k not in ("date", "x-request-id", "ratelimit")}
    return answer[0], headers, answer[2].replace(answer[1]["x-request-id"].encode(), b"")


@pytest.fixture(scope="module")
def description(api):
    return decoded(api("GET", "/openapi.json", key=None), 200)


@pytest.fixture(scope="module")
def inventory(shared):
    """One of each in a tenant: {placeholder: id}."""
    user = shared.user("one", "viewer")
    return {
        "project": shared.make("/v1/projects", {"name": "one"})["id"],
        "user": user["id"],
        "role": shared.make("/v1/roles", {"name": "one", "permissions": ["job:read"]})["id"],
        "assignment": shared.get(f"/v1/role-assignments?user={user['id']}")["data"][0]["id"],
        "key": shared.make("/v1/keys", {"name": "one", "user": user["id"]})["id"],
        "issuer": shared.make("/v1/issuers", {"name": "one", "url": "https://a", "jwks": {"keys": [JWK]},
                                              "rules": [{"claim": "*", "role": "viewer"}]})["id"],
    }


COLLECTIONS = {"project": "/v1/projects", "user": "/v1/users", "role": "/v1/roles",
               "assignment": "/v1/role-assignments", "key": "/v1/keys", "issuer": "/v1/issuers"}


def one_of(description, kind):
    """Operations on one resource: (method, path)."""
    path = f"{COLLECTIONS[kind]}/{{{kind}}}"
    for template, methods in description["paths"].items():
        if template == path or template.startswith(path + "/"):
            for method in methods:
                yield method.upper(), template


def test_what_is_anothers_is_answered_like_what_is_unknown(daemon, description, inventory):
    stranger = Tenant(daemon)
    for kind, theirs in inventory.items():
        unknown = theirs[:4] + "0" * 26
        for method, template in one_of(description, kind):
            body = {} if method in ("POST", "PATCH", "PUT") else None
            answers = [stranger.ask(method, template.replace(f"{{{kind}}}", each), body)
                       for each in (theirs, unknown)]
            if template.endswith("/quota"):
                continue  # asks for a body of its own; test_isolation.py has it
            assert answers[0][0] == 404, (method, template, answers[0])
            assert strip(answers[0]) == strip(answers[1]), (method, template)


def test_ids_of_others_in_bodies_are_unknown_ids(daemon, inventory):
    stranger = Tenant(daemon)
    mine = stranger.get("/v1/me")["user"]["id"]
    for body, pointer in (({"user": inventory["user"], "role": "viewer"}, "/user"),
                          ({"key": inventory["key"], "role": "viewer"}, "/key"),
                          ({"user": mine, "role": "one"}, "/role"),
                          ({"user": mine, "role": "viewer", "project": inventory["project"]}, "/project")):
        stranger.refused("POST", "/v1/role-assignments", body, 422, "invalid-field", pointer=pointer)
    stranger.refused("POST", "/v1/keys", {"name": "k", "user": inventory["user"]}, 422, "invalid-field",
                     pointer="/user")
    stranger.refused("POST", "/v1/users", {"name": "u", "issuer": inventory["issuer"], "subject": "s"}, 422,
                     "invalid-field", pointer="/issuer")
    for query in (f"user={inventory['user']}", f"key={inventory['key']}", f"project={inventory['project']}"):
        assert stranger.get(f"/v1/role-assignments?{query}")["data"] == []
    assert stranger.get(f"/v1/keys?user={inventory['user']}")["data"] == []


def resolve(description, schema):
    while "$ref" in schema:
        node = description
        for part in schema["$ref"].split("/")[1:]:
            node = node[part]
        schema = node
    return schema


def schemas_of(description, kind):
    """(resource, wish or None, change or None) of a kind."""
    collection = description["paths"][COLLECTIONS[kind]]
    one = description["paths"][f"{COLLECTIONS[kind]}/{{{kind}}}"]

    def body(operation):
        if operation is None:
            return None
        content = operation["requestBody"]["content"]
        return resolve(description, next(iter(content.values()))["schema"])
    made = collection["post"]["responses"]["201"]["content"]["application/json"]["schema"]
    return resolve(description, made), body(collection["post"]), body(one.get("patch"))


@pytest.mark.parametrize("kind", COLLECTIONS)
def test_members_that_are_not_the_callers_to_set_are_unknown_members(shared, description, inventory, kind):
    resource, wish, change = schemas_of(description, kind)
    extra = ["tenant_id", "tenant", "access_version", "hash", "permissions_extra", "__proto__"]
    names = list(resource["properties"]) + extra
    tried = 0
    for method, path, schema in (("POST", COLLECTIONS[kind], wish),
                                 ("PATCH", f"{COLLECTIONS[kind]}/{inventory[kind]}", change)):
        for name in names if schema is not None else []:
            if name in schema["properties"]:
                continue
            doc = problem(shared.ask(method, path, {name: "x"}), 422, "invalid-field")
            assert "/" + name in [fault["pointer"] for fault in doc["errors"]], (method, path, name)
            tried += 1
    assert tried >= 5


VALUES = [None, True, False, 0, -1, 1.5, 2 ** 63, "", " ", "x" * 70000, "\u0007", "\ud7ff\U0001f600", "a\u0000b",
          "'; drop table project; --", "../../etc/passwd", "${jndi:ldap://a}", "%s%s%n", [], [None], [[]], {},
          {"$ne": None}, "usr_" + "0" * 26, "usr_" + "z" * 26, "job:read", ["job:read", 7], ["10.0.0.0/33"],
          [{"role": None}], [{"role": "viewer", "project": "x"}], "2026-13-45T99:99:99Z"]


@pytest.mark.parametrize("kind", COLLECTIONS)
def test_no_value_of_any_member_makes_the_server_fail(shared, description, inventory, kind):
    _, wish, change = schemas_of(description, kind)
    for method, path, schema in (("POST", COLLECTIONS[kind], wish),
                                 ("PATCH", f"{COLLECTIONS[kind]}/{inventory[kind]}", change)):
        for name, value in itertools.product(schema["properties"] if schema else [], VALUES):
            body = {name: value}
            if method == "POST":
                # Valid but for one member; with the member's fault nothing is made.
                body = {"name": 7, **body}
            answer = shared.ask(method, path, body)
            assert answer[0] < 500, (method, path, name, value, answer)
    # The project that was renamed or not is still one.
    assert shared.ask("GET", "/v1/me")[0] == 200


def test_ids_of_another_kind_are_bad_ids(shared, inventory):
    for kind, collection in COLLECTIONS.items():
        other = inventory["user" if kind != "user" else "project"]
        code = (404, "not-found") if kind == "role" else (400, "bad-id")
        method = "DELETE" if kind == "assignment" else "GET"
        shared.refused(method, f"{collection}/{other}", None, *code)


def test_answers_fit_their_schemas(shared, description, inventory):
    checker = Checker(description)
    for kind, collection in COLLECTIONS.items():
        for path, template in ((collection, collection), (f"{collection}/{inventory[kind]}", f"{collection}/{{{kind}}}")):
            operation = description["paths"][template].get("get")
            if operation is None:
                continue
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
            assert list(checker.faults(schema, shared.get(path))) == [], path


def test_limits_are_refused_with_name_use_and_remedy(own_daemon):
    daemon = own_daemon("--quota.projects=2", "--quota.users=2", "--quota.roles=1", "--quota.keys=2",
                        "--quota.role_assignments=3", "--quota.issuers=1")
    tenant = Tenant(daemon)
    me = tenant.get("/v1/me")["user"]["id"]
    issuer = {"url": "https://a", "jwks": {"keys": [JWK]}, "rules": [{"claim": "*", "role": "viewer"}]}
    room = {"projects": ("/v1/projects", {}), "users": ("/v1/users", {}), "roles": ("/v1/roles", {"permissions": []}),
            "keys": ("/v1/keys", {"user": me}), "issuers": ("/v1/issuers", issuer)}
    for name, (path, body) in room.items():
        tenant.make(path, {"name": "a", **body})
        doc = tenant.refused("POST", path, {"name": "b", **body}, 429, "quota-exceeded")
        assert name in doc["detail"] and "ask the operator" in doc["detail"]
    tenant.make("/v1/role-assignments", {"user": me, "role": "viewer"})
    tenant.make("/v1/role-assignments", {"user": me, "role": "billing"})
    doc = tenant.refused("POST", "/v1/role-assignments", {"user": me, "role": "auditor"}, 429, "quota-exceeded")
    assert "role_assignments" in doc["detail"]
