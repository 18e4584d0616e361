# SPDX-License-Identifier: Apache-2.0
"""The deletion of a tenant: what goes, what stays, and what a crash in the middle of it costs."""
import os
import time
import uuid

import pytest

import access
import wardian
from access import wait_job
from test_outside_database import Server
from test_platform import ask, refused, world  # noqa: F401 (a fixture)
from wardian import wait_for

NIGHTLY = os.environ.get("WARDIAN_NIGHTLY") == "1"


def rows_of(database, tenant):
    return {table: n for table, (n, _) in database.checksums(tenant, ()).items() if n}


def left_of(world, t):
    """Files of the state directory with the tenant's id, but for the database's own."""
    return [
        p
        for p in access.files_mentioning(world.daemon.state, str(t.uuid), t.id)
        if p.relative_to(world.daemon.state).parts[0] != "postgres"
    ]


def fill(world, t, rows):
    """Everything that a tenant can have, and `rows` rows of history."""
    job = t.job("echo x > out.txt; echo log", name="to be deleted")
    wait_job(world.http, t.owner, job)
    project = t.project()
    t.post(
        "/v1/issuers",
        {
            "name": "idp",
            "url": "https://id.example.com",
            "rules": [{"claim": "*", "role": "viewer"}],
            "jwks": {
                "keys": [
                    {
                        "kty": "EC",
                        "crv": "P-256",
                        "kid": "k",
                        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
                    }
                ]
            },
        },
    )
    t.credential("engineer", (t.role("job:read")[1], project), roles=[{"role": "viewer", "project": project}])
    world.limits(t, jobs_queued=1_000_000)
    t.http.json("PUT", f"/v1/projects/{project}/quota", t.owner, {"limits": {"jobs_queued": 5}})
    world.support(t)
    world.database.rows(
        "insert into metric (tenant_id, job_id, name, number, step, value) select %s, %s, 'm', n, n, n "
        "from generate_series(1, %s) as n",
        str(t.uuid),
        str(access.uuid_of(job)),
        rows,
    )


def others(world, *gone):
    """{tenant: checksums} of all tenants but the platform's, whose log grows, and those that go."""
    return {
        tenant: world.database.checksums(tenant)
        for (tenant,) in world.database.rows(
            "select tenant_id::text from tenant where tenant_id <> %s", access.PLATFORM
        )
        if tenant not in gone
    }


def test_a_deleted_tenant_leaves_nothing_and_touches_nobody(world):
    rows = 100_000 if NIGHTLY else 5_000
    t, other = world.tenant("doomed"), world.tenant("survivor")
    fill(world, other, 50)
    fill(world, t, rows)
    time.sleep(1.2)  # last uses of keys and shares of rates are written
    assert left_of(world, t), "its run directories would be found"
    before, held = others(world, str(t.uuid)), rows_of(world.database, t.uuid)
    assert len(held) > 15 and sum(held.values()) > rows
    started = time.monotonic()
    accepted = ask(world, "DELETE", f"/v1/tenants/{t.id}?confirm=doomed")
    operation = accepted.json(202)
    assert accepted.headers["location"] == f"/v1/operations/{operation['id']}"
    assert (operation["kind"], operation["target"], operation["done"]) == ("tenant.delete", t.id, False)
    refused(world.http.request("GET", "/v1/me", t.owner), 401, "unauthenticated")
    done = world.wait_deleted(operation["id"])
    seconds = time.monotonic() - started
    print(f"\ndeletion: {sum(held.values())} rows in {len(held)} tables and the files gone in {seconds:.1f} s")
    assert rows_of(world.database, t.uuid) == {}
    assert left_of(world, t) == []
    assert others(world) == before
    assert (
        done["problem"] is None and done["ended_at"] and all(n["done_at"] for n in done["nodes"]) and done["nodes"]
    )
    refused(ask(world, "GET", f"/v1/tenants/{t.id}"), 404, "not-found")
    refused(ask(world, "DELETE", f"/v1/tenants/{t.id}?confirm=doomed"), 404, "not-found")
    assert seconds <= 60


def test_a_deletion_ends_live_jobs_first(world):
    t = world.tenant("busy")
    jobs = [t.job("trap '' TERM; sleep 300") for _ in range(2)] + [t.job("sleep 300") for _ in range(3)]
    wait_for(
        lambda: any(world.http.json("GET", f"/v1/jobs/{j}", t.owner)["state"] == "running" for j in jobs),
        20,
        "one runs",
    )
    operation = world.delete(t)
    refused(ask(world, "DELETE", f"/v1/tenants/{t.id}?confirm=busy"), 409, "conflict")
    refused(ask(world, "POST", f"/v1/tenants/{t.id}/resume"), 409, "conflict")
    world.wait_deleted(operation)
    assert rows_of(world.database, t.uuid) == {} and left_of(world, t) == []
    assert wardian.processes_mentioning(str(t.uuid)) == []


def test_nodes_that_are_gone_for_good_are_waived(world):
    t = world.tenant("spread")
    job = t.job("true")
    wait_job(world.http, t.owner, job)
    absent = uuid.uuid4()
    world.database.rows("update job_attempt set node_id = %s where tenant_id = %s", str(absent), str(t.uuid))
    operation = world.delete(t)
    waits = wait_for(
        lambda: (o := world.operation(operation))["stage"] == "files" and o["problem"] and o, 20, "it waits"
    )
    assert "waive" in waits["problem"]
    assert str(absent) in [n["node"] for n in waits["nodes"]]
    path = f"/v1/operations/{operation}/waive-node"
    refused(ask(world, "POST", path, {"node": str(uuid.uuid4())}), 404, "not-found")
    refused(ask(world, "POST", path, {"node": "x"}), 422, "invalid-field")
    time.sleep(0.5)
    assert not world.operation(operation)["done"]
    assert ask(world, "POST", path, {"node": str(absent)}).status == 200
    world.wait_deleted(operation)
    assert rows_of(world.database, t.uuid) == {}


def test_a_node_that_nobody_waits_for_keeps_nothing_either():
    """Checkpoints of every tenant lie on every node, whether or not its jobs ran there."""
    server = Server()
    daemons = [
        wardian.Daemon(
            [*access.NO_LIMITS, "--audit.checkpoint_interval=1s"], env={"WARDIAN_DATABASE_URL": server.url}
        )
        for _ in range(2)
    ]
    try:
        for daemon in daemons:
            daemon.start()
        world = access.World(
            daemons[0], host="127.0.0.1", port=server.port, user="postgres", password=server.password
        )
        t = world.tenant("everywhere")
        names = (str(t.uuid), t.id)
        wait_for(
            lambda: all(access.files_mentioning(d.state, *names) for d in daemons),
            20,
            "both have checkpoints",
            pause=0.2,
        )
        daemons[1].stop()  # not even there when it happens
        world.wait_deleted(world.delete(t))
        assert access.files_mentioning(daemons[0].state, *names) == []
        assert access.files_mentioning(daemons[1].state, *names) != []
        daemons[1].start()
        wait_for(
            lambda: not access.files_mentioning(daemons[1].state, *names),
            20,
            "the other one forgets, too",
            pause=0.2,
        )
        world.close()
    finally:
        for daemon in daemons:
            daemon.destroy()
        server.destroy()


class Blocker:
    """Holds a deletion up at one stage; released by close()."""

    def __init__(self, world, stage, t):
        self.world, self.stage = world, stage
        self.lock = access.Database(world.daemon, autocommit=False)
        if stage == "rows":  # of the rows: a new connection of the daemon's must still prepare its statements
            assert self.lock.rows("select 1 from project where tenant_id = %s for update", str(t.uuid))
        if stage == "files":
            world.database.rows(
                "update job_attempt set node_id = gen_random_uuid() where tenant_id = %s", str(t.uuid)
            )

    def close(self, operation):
        self.lock.close()
        if self.stage == "files":
            self.world.database.rows(
                "update operation_node set waived = true where operation_id = %s and done_at is null",
                str(access.uuid_of(operation)),
            )


@pytest.mark.parametrize("stage", ["stopping", "files", "rows"])
def test_a_deletion_goes_on_after_a_crash(own_daemon, stage):
    daemon = own_daemon(*access.NO_LIMITS, "--sched.poll=200ms", "--limits.job_grace=3s")
    world = access.World(daemon)
    t, other = world.tenant("doomed"), world.tenant("survivor")
    for tenant in (t, other):
        fill(world, tenant, 200)
    if stage == "stopping":  # its end takes the whole grace
        job = t.job("trap '' TERM; echo up; sleep 300")
        wait_for(lambda: b"up" in daemon.job_log(t.owner, job), 20, "the job runs")
    time.sleep(1.2)
    before = others(world, str(t.uuid))
    blocker = Blocker(world, stage, t)
    operation = world.delete(t)

    def stands():
        return world.database.value(
            "select stage from operation where operation_id = %s", str(access.uuid_of(operation))
        )

    try:
        wait_for(lambda: stands() == stage, 40, f"it is in the stage {stage}", pause=0.002)
    except AssertionError as error:
        told = [line for line in daemon.log().splitlines() if '"component":"api"' not in line]
        raise AssertionError(f"{error}: {world.database.rows('select * from operation')} {told[-10:]}") from None
    time.sleep(0.3)  # inside of a step
    assert stands() == stage
    daemon.kill()
    world.database.close()
    if stage == "rows":
        blocker.lock.close()
    daemon.start()
    again = access.World(daemon)
    again.operator = world.operator
    if stage == "files":
        blocker.world = again
        assert again.operation(operation)["stage"] == "files"
        blocker.close(operation)
    again.wait_deleted(operation)
    assert rows_of(again.database, t.uuid) == {}
    assert left_of(again, t) == []
    assert others(again) == before
    refused(again.http.request("GET", "/v1/me", t.owner), 401, "unauthenticated")
    assert again.http.request("GET", "/v1/me", other.owner).status == 200
    again.close()
