# SPDX-License-Identifier: Apache-2.0
"""What operators do: the registry of tenants, suspension, support access, and what each leaves behind
(nothing, or an entry in two logs)."""

import base64
import datetime
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import access
import wardian
from access import wait_job
from wardian import wait_for


@pytest.fixture(scope="module")
def world():
    daemon = wardian.Daemon([*access.NO_LIMITS, "--sched.poll=200ms"]).start()
    try:
        made = access.World(daemon)
        yield made
        made.close()
    finally:
        daemon.destroy()


def ask(world, method, path, body=None, key=None, headers=None):
    return world.http.request(method, path, key or world.operator, body, headers)


def refused(answer, status, code):
    assert (answer.status, answer.problem()) == (status, code), answer.body
    return answer.json()


# --- the registry ------------------------------------------------------------------------------------


def test_a_tenant_is_made_with_an_owner_whose_key_is_shown_once(world):
    made = world.http.json(
        "POST",
        "/v1/tenants",
        world.operator,
        {"name": "born", "owner": {"name": "olga", "kind": "person", "email": "o@example.com"}},
    )
    key = made["owner"]["key"]
    assert key.startswith("wdn_pat_")
    me = world.http.json("GET", "/v1/me", key)
    assert (me["tenant_id"], me["user"]["name"], me["user"]["kind"]) == (made["tenant"]["id"], "olga", "person")
    assert world.http.json("GET", "/v1/tenant", key)["name"] == "born"
    assert [p["name"] for p in world.http.json("GET", "/v1/projects", key)["data"]] == ["default"]
    assert key not in str(world.http.json("GET", f"/v1/tenants/{made['tenant']['id']}", world.operator))
    assert key not in world.daemon.log()
    assert key[-20:] not in str(world.database.rows("select * from api_key"))


@pytest.mark.parametrize("name", ["", "-x", "x-", "X", "a b", "a_b", "é", "x" * 64, "a.b", "a\n"])
def test_names_that_are_no_dns_labels_are_refused(world, name):
    problem = refused(
        ask(world, "POST", "/v1/tenants", {"name": name, "owner": {"name": "o"}}), 422, "invalid-field"
    )
    assert problem["errors"][0]["pointer"] == "/name"
    t = world.tenant("named")
    refused(ask(world, "PATCH", f"/v1/tenants/{t.id}", {"name": name}), 422, "invalid-field")


@pytest.mark.parametrize(
    "owner", [{"name": "  "}, {"name": "a\nb"}, {"name": "o", "email": "nowhere"}, {"name": "x" * 64}]
)
def test_an_owner_that_cannot_be_made_leaves_no_tenant_without_one(world, owner):
    refused(ask(world, "POST", "/v1/tenants", {"name": "half-made", "owner": owner}), 422, "invalid-field")
    assert world.http.json("GET", "/v1/tenants?name=half-made", world.operator)["data"] == []


def test_a_rename_honours_the_version_that_was_read(world):
    t = world.tenant("old-name")
    path = f"/v1/tenants/{t.id}"
    first = ask(world, "GET", path)
    renamed = ask(world, "PATCH", path, {"name": "new-name"}, headers={"If-Match": first.headers["etag"]})
    assert renamed.json(200)["name"] == "new-name" and renamed.headers["etag"] != first.headers["etag"]
    refused(
        ask(world, "PATCH", path, {"name": "third"}, headers={"If-Match": first.headers["etag"]}),
        412,
        "precondition-failed",
    )
    assert ask(world, "GET", path, headers={"If-None-Match": renamed.headers["etag"]}).status == 304
    assert world.http.json("GET", "/v1/me", t.owner)["tenant_name"] == "new-name"


def test_the_list_is_paged_and_filtered(world):
    ids = [world.tenant("listed").id for _ in range(5)]
    found, path = [], "/v1/tenants?name=listed&limit=2"
    while path:
        page = world.http.json("GET", path, world.operator)
        found += [t["id"] for t in page["data"]]
        assert len(page["data"]) <= 2
        path = page["has_more"] and f"/v1/tenants?name=listed&limit=2&cursor={page['next_cursor']}"
    assert found == ids[::-1], "newest first, each once"
    ask(world, "POST", f"/v1/tenants/{ids[0]}/suspend", {"reason": "for the list"}).json(200)
    page = world.http.json("GET", "/v1/tenants?name=listed&state=suspended", world.operator)
    assert [t["id"] for t in page["data"]] == [ids[0]]


def test_the_platforms_own_tenant_stays_as_it_is(world):
    own = access.id_of("ten", access.PLATFORM)
    for method, path, body in (
        ("PATCH", "", {"name": "x"}),
        ("POST", "/suspend", {"reason": "x"}),
        ("POST", "/resume", None),
        ("DELETE", "?confirm=platform", None),
        ("POST", "/support-access", {"reason": "looking into it"}),
    ):
        refused(ask(world, method, f"/v1/tenants/{own}{path}", body), 409, "conflict")
    answer = ask(world, "POST", f"/v1/tenants/{own}/owners", {"name": "intruder"})
    assert answer.status in (409, 422), answer.body
    assert world.http.json("GET", "/v1/me", world.operator)["tenant_name"] == "platform"


def test_moves_between_states_are_only_those_that_exist(world):
    t = world.tenant("moving")
    path = f"/v1/tenants/{t.id}"
    refused(ask(world, "POST", path + "/resume"), 409, "conflict")
    suspended = ask(world, "POST", path + "/suspend", {"reason": "unpaid"}).json(200)
    assert (suspended["state"], suspended["state_reason"]) == ("suspended", "unpaid")
    refused(ask(world, "POST", path + "/suspend", {"reason": "again"}), 409, "conflict")
    resumed = ask(world, "POST", path + "/resume").json(200)
    assert (resumed["state"], resumed["state_reason"]) == ("active", None)
    for body in (
        {},
        {"reason": ""},
        {"reason": "  "},
        {"reason": "a\nb"},
        {"reason": "x" * 1001},
        {"reason": "\u00e9" * 1001},
        {"reason": 7},
        {"reason": "x", "more": 1},
    ):
        refused(ask(world, "POST", path + "/suspend", body), 422, "invalid-field")


def test_operators_make_no_owner_beside_one_who_can_come_in(world):
    t = world.tenant("owned")
    refused(ask(world, "POST", f"/v1/tenants/{t.id}/owners", {"name": "intruder"}), 409, "conflict")
    assert [u["name"] for u in world.http.json("GET", "/v1/users", t.owner)["data"]] == ["first-owner"]
    assert entries(world, t.uuid, "tenant.admit_owner") == []


@pytest.mark.parametrize(
    "owner,member",
    [
        ({"name": "a\nb"}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"name": "o", "email": "x"}, "email"),
        ({"name": "o", "kind": "robot"}, "kind"),
    ],
)
def test_a_tenant_with_an_impossible_owner_is_not_made_at_all(world, owner, member):
    problem = refused(
        ask(world, "POST", "/v1/tenants", {"name": "never-made", "owner": owner}), 422, "invalid-field"
    )
    assert [e["pointer"] for e in problem["errors"]] == [f"/owner/{member}"]
    assert world.http.json("GET", "/v1/tenants?name=never-made", world.operator)["data"] == []


def test_a_tenant_that_lost_its_owners_gets_another_one(world):
    t = world.tenant("locked-out")
    assert ask(world, "DELETE", f"/v1/keys/{t.owner_key_id}", key=t.owner).status == 204
    refused(ask(world, "POST", f"/v1/tenants/{t.id}/owners", {"name": "first-owner"}), 409, "name-taken")
    made = ask(world, "POST", f"/v1/tenants/{t.id}/owners", {"name": "second"}).json(201)
    assert set(world.http.json("GET", "/v1/me/permissions", made["key"])["everywhere"]) == {
        p for p in access.PERMISSIONS if access.role_may("owner", p)
    }
    for log in (t.uuid, access.PLATFORM):
        assert entries(world, log, "tenant.admit_owner")[-1]["resource"] == t.id
    refused(ask(world, "POST", f"/v1/tenants/{t.id}/owners", {"name": "third"}), 409, "conflict")


def test_operators_cannot_reach_into_tenants(world):
    t = world.tenant("closed-to-operators")
    job, project = t.job(), t.project()
    for path in (
        f"/v1/jobs/{job}",
        f"/v1/jobs/{job}/log",
        f"/v1/projects/{project}",
        "/v1/jobs",
        "/v1/projects",
        "/v1/tenant",
    ):
        refused(ask(world, "GET", path), 403, "denied")
    refused(ask(world, "GET", f"/v1/users/{t.owner_user}"), 404, "not-found")
    refused(ask(world, "GET", f"/v1/keys/{t.owner_key_id}"), 404, "not-found")


# --- two logs ----------------------------------------------------------------------------------------


def entries(world, tenant, action):
    """Entries of an action in a tenant's log, oldest first, as they stand in the database."""
    return [
        row[0]
        for row in world.database.rows(
            "select entry::jsonb from audit_log where tenant_id = %s and entry::jsonb ->> 'action' = %s order by number",
            str(tenant),
            action,
        )
    ]


def test_what_operators_do_stands_in_both_logs(world):
    t = world.tenant("logged")
    path = f"/v1/tenants/{t.id}"
    ask(world, "PATCH", path, {"name": "logged-2"}, headers={"X-Request-Id": "rename-request-1"}).json(200)
    world.suspend(t, "for the logs")
    world.resume(t)
    world.limits(t, keys=7)
    support = world.support(t)
    assert ask(world, "DELETE", f"{path}/support-access/{support['id']}").status == 204
    operator = world.http.json("GET", "/v1/me", world.operator)
    for action, changes in (
        ("tenant.create", {"name": [None, "logged"]}),
        ("tenant.rename", {"name": ["logged", "logged-2"]}),
        ("tenant.suspend", {"state_reason": [None, "for the logs"]}),
        ("tenant.resume", {"state_reason": ["for the logs", None]}),
        ("quota.update", {"keys": [None, 7]}),
        ("support.open", {"reason": [None, "looking into a failed job"]}),
        ("support.end", None),
    ):
        theirs = entries(world, t.uuid, action)
        assert len(theirs) == 1, (action, theirs)
        assert theirs[0]["changes"] == changes, action
        assert theirs[0]["actor"]["id"] == operator["key_id"] and theirs[0]["outcome"] == "ok"
        resource = support["id"] if action.startswith("support.") else t.id
        assert theirs[0]["resource"] == resource
        own = [e for e in entries(world, access.PLATFORM, action) if e["request_id"] == theirs[0]["request_id"]]
        assert len(own) == 1 and own[0]["changes"] == changes
    assert entries(world, t.uuid, "tenant.rename")[0]["request_id"] == "rename-request-1"


def test_nothing_is_logged_twice_or_when_it_failed(world):
    t = world.tenant("quiet")
    support = world.support(t)
    path = f"/v1/tenants/{t.id}"
    for _ in range(3):
        assert ask(world, "DELETE", f"{path}/support-access/{support['id']}").status == 204
    refused(ask(world, "POST", path + "/resume"), 409, "conflict")
    refused(ask(world, "DELETE", path + "?confirm=other"), 400, "bad-parameter")
    refused(ask(world, "DELETE", path), 400, "bad-parameter")
    assert len(entries(world, t.uuid, "support.end")) == 1
    assert entries(world, t.uuid, "tenant.resume") == entries(world, t.uuid, "tenant.delete") == []


# --- suspension --------------------------------------------------------------------------------------


def test_queued_jobs_wait_while_suspended_and_running_ones_go_on(world):
    t = world.tenant("pausing")
    running = t.job("sleep 3; echo done")
    wait_for(
        lambda: world.http.json("GET", f"/v1/jobs/{running}", t.owner)["state"] == "running", 20, "the job runs"
    )
    world.limits(t, jobs_running=1)
    waiting = t.job("true")
    world.suspend(t, "unpaid")
    refused(
        world.http.request("POST", "/v1/jobs", t.owner, {"environment": "python", "command": ["true"]}),
        403,
        "tenant-suspended",
    )

    def states():
        return dict(
            world.database.rows(
                "select coalesce(j.end_state, q.state), j.job_id::text from job j left join job_queue q "
                "using (tenant_id, job_id) where j.tenant_id = %s",
                str(t.uuid),
            )
        )

    wait_for(lambda: "succeeded" in states(), 20, "the running job ends by itself")
    time.sleep(1.0)  # several looks at the queue
    assert states() == {"succeeded": str(access.uuid_of(running)), "queued": str(access.uuid_of(waiting))}
    world.resume(t)
    assert wait_job(world.http, t.owner, waiting)["state"] == "succeeded"


# --- support access ----------------------------------------------------------------------------------


def test_support_access_from_beginning_to_end(world):
    t = world.tenant("supported")
    job = t.job("echo secret log")
    wait_job(world.http, t.owner, job)
    opened = world.support(t, role="viewer", expires_in_s=300)
    token = opened["access_token"]
    me = world.http.json("GET", "/v1/me", token)
    assert (me["tenant_id"], me["credential"]["type"], me["support_id"], me["user"]) == (
        t.id,
        "support",
        opened["id"],
        None,
    )
    assert world.http.json("GET", f"/v1/jobs/{job}", token)["id"] == job
    refused(
        world.http.request("POST", "/v1/jobs", token, {"environment": "python", "command": ["true"]}), 403, "denied"
    )
    seen = world.http.json("GET", "/v1/support-access", t.owner)["data"]
    assert [(s["id"], s["active"], s["reason"], s["operator"]["name"]) for s in seen] == [
        (opened["id"], True, "looking into a failed job", "operator")
    ]
    assert "access_token" not in seen[0]
    looked = entries(world, t.uuid, "job:read")
    assert [e["resource"] for e in looked] == [job], "what was looked at is on record"
    assert looked[0]["actor"]["type"] == "support" and looked[0]["actor"]["id"] == opened["id"]
    assert len(entries(world, t.uuid, "support.open")) == 1
    refused(ask(world, "DELETE", f"/v1/support-access/{opened['id']}", key=token), 403, "denied")
    assert ask(world, "DELETE", f"/v1/support-access/{opened['id']}", key=t.owner).status == 204
    refused(world.http.request("GET", "/v1/me", token), 401, "unauthenticated")
    ended = world.http.json("GET", "/v1/support-access", t.owner)["data"][0]
    assert (ended["active"], ended["ended_by"]) == (False, t.owner_key_id) and ended["ended_at"]
    assert (
        ask(world, "DELETE", f"/v1/support-access/{opened['id']}", key=t.owner).status == 204
    ), "again changes nothing"
    assert len(entries(world, t.uuid, "support.end")) == 1


def test_a_tenant_that_allows_no_support_is_left_alone(world):
    t = world.tenant("private")
    token = world.support(t)["access_token"]
    assert world.http.request("GET", "/v1/jobs", token).status == 200
    world.http.json("PATCH", "/v1/tenant", t.owner, {"support_allowed": False})
    refused(world.http.request("GET", "/v1/jobs", token), 401, "unauthenticated")
    problem = refused(
        ask(world, "POST", f"/v1/tenants/{t.id}/support-access", {"reason": "looking into a failed job"}),
        403,
        "denied",
    )
    assert "support_allowed" in problem["detail"]
    world.http.json("PATCH", "/v1/tenant", t.owner, {"support_allowed": True})
    assert world.http.request("GET", "/v1/jobs", world.support(t)["access_token"]).status == 200


def test_support_access_ends_by_itself_and_with_its_operator(world):
    t = world.tenant("watched")
    opened = [world.support(t) for _ in range(2)]
    key = world.http.json(
        "POST",
        "/v1/keys",
        world.operator,
        {
            "name": "leaver",
            "user": (
                user := world.http.json(
                    "POST",
                    "/v1/users",
                    world.operator,
                    {"name": "leaver", "roles": [{"role": "platform-operator"}]},
                )
            )["id"],
        },
    )["key"]
    leaving = world.http.json(
        "POST", f"/v1/tenants/{t.id}/support-access", key, {"reason": "looking into a failed job"}
    )
    assert world.http.request("GET", "/v1/jobs", leaving["access_token"]).status == 200
    world.http.json("PATCH", f"/v1/users/{user['id']}", world.operator, {"disabled": True})
    wait_for(
        lambda: world.http.request("GET", "/v1/jobs", leaving["access_token"]).status == 401,
        1.0,
        "the operator is gone",
    )
    world.database.rows(
        "update support_access set expires_at = now() - interval '1 second' where support_id = %s",
        str(access.uuid_of(opened[0]["id"])),
    )
    world.database.rows("update tenant set access_version = access_version + 1 where tenant_id = %s", str(t.uuid))
    wait_for(
        lambda: world.http.request("GET", "/v1/jobs", opened[0]["access_token"]).status == 401,
        1.0,
        "it has expired",
    )
    assert world.http.request("GET", "/v1/jobs", opened[1]["access_token"]).status == 200
    assert ask(world, "DELETE", f"/v1/tenants/{t.id}/support-access/{opened[1]['id']}").status == 204
    refused(world.http.request("GET", "/v1/jobs", opened[1]["access_token"]), 401, "unauthenticated")


@pytest.mark.parametrize(
    "change,pointer",
    [
        ({"reason": "too short"}, "/reason"),
        ({"reason": "\u00e9" * 9}, "/reason"),
        ({"reason": " " * 20}, "/reason"),
        ({"reason": "  too short "}, "/reason"),
        ({"reason": "looking\ninto it"}, "/reason"),
        ({"reason": "x" * 1001}, "/reason"),
        ({"role": "owner"}, "/role"),
        ({"role": "platform-operator"}, "/role"),
        ({"role": "no-such"}, "/role"),
        ({"expires_in_s": 299}, "/expires_in_s"),
        ({"expires_in_s": 28801}, "/expires_in_s"),
        ({"expires_at": "2030-01-01T00:00:00Z"}, "/expires_at"),
    ],
)
def test_the_limits_of_support_access(world, change, pointer):
    t = world.tenant("limits")
    body = {"reason": "looking into it", "role": "viewer", "expires_in_s": 300, **change}
    problem = refused(ask(world, "POST", f"/v1/tenants/{t.id}/support-access", body), 422, "invalid-field")
    assert [e["pointer"] for e in problem["errors"]] == [pointer]


def test_support_access_leaves_no_access_behind(world):
    """Not even as admin: no keys, tokens, users, roles or issuers."""
    t = world.tenant("careful")
    token = world.support(t, role="admin")["access_token"]
    may = set(world.http.json("GET", "/v1/me/permissions", token)["everywhere"])
    assert may and not may & {
        "key:create",
        "key:update",
        "token:create",
        "user:create",
        "user:update",
        "role:create",
        "role:update",
        "role:assign",
        "issuer:create",
        "issuer:update",
        "support:end",
        "tenant:update",
        "billing:read",
    }
    for path, body in (
        ("/v1/keys", {"name": "k"}),
        ("/v1/users", {"name": "u"}),
        ("/v1/auth/token", {}),
        ("/v1/role-assignments", {"user": t.owner_user, "role": "viewer"}),
    ):
        refused(world.http.request("POST", path, token, body), 403, "denied")


# --- the tenant's own probes ---------------------------------------------------------------------------

FAULTS = {
    "row-level security switched off": (
        "alter table job disable row level security",
        "alter table job enable row level security",
        "row-security",
    ),
    "not forced on the owner": (
        "alter table result no force row level security",
        "alter table result force row level security",
        "row-security",
    ),
    "a second, permissive policy": (
        "create policy open on role to wardian_api using (true)",
        "drop policy open on role",
        "policies",
    ),
    "a policy with a wider condition": (
        "alter policy project_api on project using (true)",
        "alter policy project_api on project using (tenant_id = (select nullif(current_setting('wardian.tenant_id', true), '')::uuid))",
        "foreign-rows",
    ),
    "a role that passes all policies": (
        "alter role wardian_api bypassrls",
        "alter role wardian_api nobypassrls",
        "database-role",
    ),
}


def probe(world, t):
    """The evidence, whose signature was checked."""
    answer = world.http.json("GET", "/v1/tenant/isolation", t.owner)
    signed = answer["signed"]
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(signed["key"])).verify(
        bytes.fromhex(signed["signature"]), signed["text"].encode()
    )
    assert json.loads(signed["text"]) == answer["evidence"]
    published = {k["x"] for k in world.http.json("GET", "/v1/audit/keys", t.owner)["keys"]}
    assert base64.urlsafe_b64encode(bytes.fromhex(signed["key"])).rstrip(b"=").decode() in published
    return answer["evidence"]


def test_a_tenant_gets_dated_and_signed_evidence_of_its_isolation(world):
    t = world.tenant("curious")
    found = probe(world, t)
    assert found["tenant"] == t.id and found["ok"] is True
    assert len(found["probes"]) >= 8 and all(p["ok"] and p["expected"] == p["found"] for p in found["probes"])
    age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(
        found["at"].replace("Z", "+00:00")
    )
    assert abs(age.total_seconds()) < 60


@pytest.mark.parametrize("fault", FAULTS)
def test_the_probes_find_a_planted_fault(world, fault):
    t = world.tenant("worried")
    plant, undo, name = FAULTS[fault]
    world.database.rows(plant)
    try:
        found = probe(world, t)
    finally:
        world.database.rows(undo)
    assert found["ok"] is False
    assert name in [p["name"] for p in found["probes"] if not p["ok"]]
    assert probe(world, t)["ok"] is True
