# SPDX-License-Identifier: Apache-2.0
"""Every limit of quota.def: reached, refused with its name, its use and a remedy, and free again."""

import re
import time

import pytest

import access
import wardian
from access import wait_job
from access_routes import JWK
from wardian import TOP, wait_for

QUOTAS = dict(re.findall(r"^QUOTA\(\w+,\s*(\w+),\s*(\w+),", (TOP / "include/tenant/quota.def").read_text(), re.M))


@pytest.fixture(scope="module")
def world():
    daemon = wardian.Daemon(
        [*access.NO_LIMITS, "--sched.poll=200ms", "--sched.cpus=8", "--sched.memory=8GiB"]
    ).start()
    try:
        made = access.World(daemon)
        yield made
        made.close()
    finally:
        daemon.destroy()


def job(project=None, script="true", **resources):
    body = {"environment": "python", "command": ["sh", "-c", script]}
    if project:
        body["project"] = project
    if resources:
        body["resources"] = resources
    return body


def user(t):
    return "POST", "/v1/users", {"name": t.unique("user")}


# What uses one more of each limit that is checked when something is made.
MAKERS = {
    "projects": lambda t: ("POST", "/v1/projects", {"name": t.unique("project")}),
    "users": user,
    "roles": lambda t: ("POST", "/v1/roles", {"name": t.unique("role"), "permissions": ["job:read"]}),
    "role_assignments": lambda t: ("POST", "/v1/role-assignments", {"user": t.user(), "role": "viewer"}),
    "keys": lambda t: ("POST", "/v1/keys", {"name": t.unique("key")}),
    "issuers": lambda t: (
        "POST",
        "/v1/issuers",
        {
            "name": t.unique("issuer"),
            "url": "https://i.example.com/" + t.unique(),
            "jwks": {"keys": [JWK]},
            "rules": [{"claim": "*", "role": "viewer"}],
        },
    ),
    "jobs_queued": lambda t: ("POST", "/v1/jobs", job()),
    "jobs_per_day": lambda t: ("POST", "/v1/jobs", job()),
}
# The others have a test of their own below, or in test_rates.py.
ELSEWHERE = {
    "jobs_running",
    "cpus",
    "memory_bytes",
    "gpus",  # tests/db/test_job_limits.c; here a limit of none
    "storage_bytes",
    "streams",
    "requests_per_second",
    "key_requests_per_second",
}


def line(world, key, name, project=None):
    path = "/v1/quota" + (f"?project={project}" if project else "")
    return next(row for row in world.http.json("GET", path, key)["data"] if row["name"] == name)


def send(t, request, key=None):
    method, path, body = request
    return t.http.request(method, path, key or t.owner, body)


def check_refusal(answer, name, limit, used, of=""):
    """ERR_QUOTA that names the limit, what is used, and what can be done."""
    problem = answer.json(429)
    assert problem["code"] == "quota-exceeded", problem
    detail = problem["detail"]
    assert name in detail, detail
    assert str(limit) in detail and str(used) in detail and of in detail, detail
    assert re.search(r"\b(ask|wait|delete|revoke|raise|remove|end|free)\b", detail, re.I), "no remedy: " + detail


def test_every_limit_has_a_test():
    assert set(MAKERS) | ELSEWHERE == set(QUOTAS)
    assert not set(MAKERS) & ELSEWHERE


@pytest.mark.parametrize("name", MAKERS)
def test_a_limit_is_reached_and_refused_by_name(world, name):
    t = world.tenant("limited")
    before = line(world, t.owner, name)
    assert before["default"] is True
    world.limits(t, jobs_running=0)  # jobs wait
    limit = before["used"] + 2
    world.limits(t, **{name: limit})
    now = line(world, t.owner, name)
    assert (now["limit"], now["default"], now["used"], now["unit"]) == (
        limit,
        False,
        before["used"],
        before["unit"],
    )
    for i in range(2):
        answer = send(t, MAKERS[name](t))
        assert answer.status == 201, answer.body
        assert line(world, t.owner, name)["used"] == before["used"] + i + 1
    check_refusal(send(t, MAKERS[name](t)), name, limit, limit)
    assert line(world, t.owner, name)["used"] == limit, "what was refused is not counted"
    world.limits(t, **{name: limit + 1})
    assert send(t, MAKERS[name](t)).status == 201
    check_refusal(send(t, MAKERS[name](t)), name, limit + 1, limit + 1)
    world.limits(t, **{name: None})
    assert line(world, t.owner, name)["default"] is True
    assert send(t, MAKERS[name](t)).status == 201


@pytest.mark.parametrize("name", MAKERS)
def test_a_limit_of_zero_allows_nothing_and_does_not_touch_others(world, name):
    t, other = world.tenant("none"), world.tenant("free")
    if name == "role_assignments":
        request = ("POST", "/v1/role-assignments", {"user": t.user(), "role": "viewer"})
    else:
        request = MAKERS[name](t)
    world.limits(t, **{name: 0})
    assert send(t, request).problem() == "quota-exceeded"
    assert send(other, MAKERS[name](other)).status == 201


def test_what_is_given_back_can_be_used_again(world):
    t = world.tenant("returning")
    for name, path in (
        ("projects", "/v1/projects"),
        ("users", "/v1/users"),
        ("roles", "/v1/roles"),
        ("keys", "/v1/keys"),
        ("issuers", "/v1/issuers"),
        ("role_assignments", "/v1/role-assignments"),
    ):
        again = (
            MAKERS[name](t)
            if name != "role_assignments"
            else ("POST", path, {"user": t.owner_user, "role": "viewer"})
        )
        request = MAKERS[name](t)
        world.limits(t, **{name: line(world, t.owner, name)["used"] + 1})
        made = send(t, request).json(201)["id"]
        assert send(t, again).problem() == "quota-exceeded", name
        assert t.http.request("DELETE", f"{path}/{made}", t.owner).status == 204
        assert send(t, again).status in (200, 201), name
        world.limits(t, **{name: None})


# --- projects ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jobs_queued", "jobs_per_day"])
def test_a_projects_limit_holds_beside_the_tenants(world, name):
    t = world.tenant("parted")
    project, other = t.project(), t.project()
    world.limits(t, jobs_running=0)
    t.http.json("PUT", f"/v1/projects/{project}/quota", t.owner, {"limits": {name: 2}})
    shown = line(world, t.owner, name, project)
    assert (shown["limit"], shown["default"], shown["used"]) == (2, False, 0)
    assert line(world, t.owner, name, other)["default"] is True
    for _ in range(2):
        assert send(t, ("POST", "/v1/jobs", job(project))).status == 201
    check_refusal(send(t, ("POST", "/v1/jobs", job(project))), name, 2, 2, "project")
    assert send(t, ("POST", "/v1/jobs", job(other))).status == 201
    assert (line(world, t.owner, name, project)["used"], line(world, t.owner, name)["used"]) == (2, 3)
    world.limits(t, **{name: 3})
    check_refusal(send(t, ("POST", "/v1/jobs", job(other))), name, 3, 3)
    world.limits(t, **{name: 10})
    t.http.json("PUT", f"/v1/projects/{project}/quota", t.owner, {"limits": {name: None}})
    assert line(world, t.owner, name, project)["default"] is True
    assert send(t, ("POST", "/v1/jobs", job(project))).status == 201


def test_only_what_projects_can_have_is_set_there(world):
    t = world.tenant("levels")
    project = t.project()
    for name, level in QUOTAS.items():
        answer = t.http.request("PUT", f"/v1/projects/{project}/quota", t.owner, {"limits": {name: 5}})
        assert answer.status == (200 if level == "PROJECT" else 422), (name, answer.body)
        assert level == "PROJECT" or answer.json()["errors"][0]["pointer"] == f"/limits/{name}"
    for body in (
        {"limits": {"no_such": 1}},
        {"limits": {"cpus": -1}},
        {"limits": {"cpus": (1 << 53) + 1}},
        {"limits": {"cpus": 1.5}},
        {"limits": {"cpus": "1"}},
        {"limits": []},
        {},
        {"limits": {"cpus": 1}, "x": 1},
    ):
        assert t.http.request("PUT", f"/v1/projects/{project}/quota", t.owner, body).status == 422, body
        assert t.http.request("PUT", f"/v1/tenants/{t.id}/quota", world.operator, body).status == 422, body
    assert (
        t.http.request("PUT", f"/v1/projects/{project}/quota", t.owner, {"limits": {"cpus": 1 << 53}}).status == 200
    )


def test_a_member_of_one_project_sees_the_limits_of_that_one(world):
    t = world.tenant("members")
    mine, other = t.project(), t.project()
    key = t.credential(("engineer", mine))
    assert line(world, key, "jobs_queued", mine)["limit"] > 0
    assert t.http.request("GET", f"/v1/quota?project={other}", key).status == 404
    assert t.http.request("GET", "/v1/quota", key).status == 400


# --- what running jobs hold -------------------------------------------------------------------------------


def states(t, jobs):
    return [t.http.json("GET", f"/v1/jobs/{j}", t.owner)["state"] for j in jobs]


LIVE = ("claimed", "running")


@pytest.mark.parametrize(
    "name,limit,resources",
    [("jobs_running", 2, {}), ("cpus", 2, {"cpus": 1}), ("memory_bytes", 128 << 20, {"memory_bytes": 64 << 20})],
)
@pytest.mark.parametrize("of_project", [False, True])
def test_jobs_beyond_what_may_run_wait_for_their_turn(world, name, limit, resources, of_project):
    t = world.tenant("turns")
    resources = {"cpus": 1, "memory_bytes": 32 << 20, **resources}
    project = t.project() if of_project else None
    if of_project:
        t.http.json("PUT", f"/v1/projects/{project}/quota", t.owner, {"limits": {name: limit}})
    else:
        world.limits(t, **{name: limit})
    jobs = [send(t, ("POST", "/v1/jobs", job(project, "sleep 2", **resources))).json(201)["id"] for _ in range(5)]
    most, until = 0, time.monotonic() + 30
    while (now := states(t, jobs)) != ["succeeded"] * 5:
        most = max(most, sum(s in LIVE for s in now))
        used = line(world, t.owner, name, project)["used"]
        assert used <= limit, f"{used} of {limit} {name} in use"
        assert time.monotonic() < until, now
        time.sleep(0.1)
    assert most == 2, "as many as may, and no more"
    assert line(world, t.owner, name, project)["used"] == 0


def test_a_limit_of_no_gpus_is_seen_and_stops_no_job_that_needs_none(world):
    t = world.tenant("without")
    world.limits(t, gpus=0)
    assert (line(world, t.owner, "gpus")["limit"], line(world, t.owner, "gpus")["used"]) == (0, 0)
    project = t.project()
    t.http.json("PUT", f"/v1/projects/{project}/quota", t.owner, {"limits": {"gpus": 0}})
    assert wait_job(world.http, t.owner, t.job("true"))["state"] == "succeeded"
    made = send(t, ("POST", "/v1/jobs", job(project))).json(201)["id"]
    assert wait_job(world.http, t.owner, made)["state"] == "succeeded"


def test_a_job_that_waits_for_its_tenants_limit_lets_others_pass(world):
    t, other = world.tenant("stuck"), world.tenant("passing")
    world.limits(t, jobs_running=0)
    waiting = t.job("true")
    assert wait_job(world.http, other.owner, other.job("true"))["state"] == "succeeded"
    assert states(t, [waiting]) == ["queued"]
    world.limits(t, jobs_running=None)
    assert wait_job(world.http, t.owner, waiting)["state"] == "succeeded"


# --- storage and streams -----------------------------------------------------------------------------------


@pytest.mark.parametrize("of_project", [False, True])
def test_no_job_is_accepted_beyond_the_storage(world, of_project):
    t = world.tenant("stored")
    project = t.project() if of_project else None
    first = send(t, ("POST", "/v1/jobs", job(project, "head -c 5000 /dev/zero > out.bin"))).json(201)["id"]
    assert wait_job(world.http, t.owner, first)["state"] == "succeeded"
    used = line(world, t.owner, "storage_bytes", project)["used"]
    assert used >= 5000
    if of_project:
        t.http.json("PUT", f"/v1/projects/{project}/quota", t.owner, {"limits": {"storage_bytes": 4000}})
    else:
        world.limits(t, storage_bytes=4000)
    check_refusal(
        send(t, ("POST", "/v1/jobs", job(project))), "storage_bytes", 4000, used, "project" if of_project else ""
    )
    if of_project:
        assert send(t, ("POST", "/v1/jobs", job())).status == 201
        t.http.json("PUT", f"/v1/projects/{project}/quota", t.owner, {"limits": {"storage_bytes": used + 1}})
    else:
        world.limits(t, storage_bytes=used + 1)
    assert send(t, ("POST", "/v1/jobs", job(project))).status == 201


def test_streams_beyond_the_limit_are_refused(world):
    t, other = world.tenant("streaming"), world.tenant("listening")
    running = t.job("sleep 60")
    elsewhere = other.job("sleep 60")
    world.limits(t, streams=2)
    time.sleep(1.2)
    opened = []

    def follow(tenant, one):
        http = access.Http(world.daemon.port)
        http.open()
        http.socket.sendall(
            http.message(
                "GET", f"/v1/jobs/{one}/log?follow=sse", tenant.owner, None, {"Accept": "text/event-stream"}
            )
        )
        opened.append(http)
        data = b""
        while b"\r\n\r\n" not in data:
            data += http.socket.recv(4096)
        return int(data.split(b" ", 2)[1]), data

    try:
        assert [follow(t, running)[0] for _ in range(2)] == [200, 200]
        status, data = follow(t, running)
        assert status == 429 and b"quota-exceeded" in data and b"streams" in data, data
        assert follow(other, elsewhere)[0] == 200
        opened[0].close()
        wait_for(lambda: follow(t, running)[0] == 200, 10, "the place is free again", pause=0.1)
    finally:
        for http in opened:
            http.close()
        for tenant, one in ((t, running), (other, elsewhere)):
            tenant.http.request("POST", f"/v1/jobs/{one}/cancel", tenant.owner)


def test_defaults_come_from_the_settings(own_daemon):
    daemon = own_daemon(
        "--quota.keys=3", "--quota.projects=2", "--quota.cpus=7", "--quota.memory=1GiB", "--quota.storage=2GiB"
    )
    w = access.World(daemon)
    t = w.tenant("defaults")
    shown = {
        row["name"]: (row["limit"], row["default"]) for row in w.http.json("GET", "/v1/quota", t.owner)["data"]
    }
    assert set(shown) == set(QUOTAS)
    for name, limit in (
        ("keys", 3),
        ("projects", 2),
        ("cpus", 7),
        ("memory_bytes", 1 << 30),
        ("storage_bytes", 2 << 30),
    ):
        assert shown[name] == (limit, True)
    assert send(t, MAKERS["projects"](t)).status == 201
    check_refusal(send(t, MAKERS["projects"](t)), "projects", 2, 2)
    w.close()
