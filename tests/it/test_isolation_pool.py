# SPDX-License-Identifier: Apache-2.0
"""Two tenants over a pool of two connections, with requests given up halfway and connections of the
database killed: nobody ever gets a row of somebody else."""

import collections
import multiprocessing
import os
import random
import time

import pytest

import access
import wardian

REQUESTS = 100_000 if os.environ.get("WARDIAN_NIGHTLY") == "1" else 20_000
PROCESSES = 6
ABORTED, KILLED = 0.05, 0.01  # of all requests


def makers(rng, tenants, mine):
    """Requests of the tenant `mine`: (weight, function that returns method, path, body)."""
    t, other = tenants[mine], tenants[1 - mine]

    def name():
        return f"{t['canary']}-{rng.getrandbits(48):x}"

    def job():
        return {"environment": "python", "command": ["true"], "name": name(), "labels": {"who": t["canary"]}}

    return (
        (20, lambda: ("GET", f"/v1/jobs/{rng.choice(t['jobs'])}", None)),
        (8, lambda: ("GET", f"/v1/jobs/{rng.choice(other['jobs'])}", None)),
        (8, lambda: ("GET", f"/v1/jobs?limit={rng.choice((1, 5, 20))}", None)),
        (6, lambda: ("GET", "/v1/projects", None)),
        (4, lambda: ("GET", f"/v1/projects/{other['project']}", None)),
        (6, lambda: ("GET", "/v1/users?limit=20", None)),
        (4, lambda: ("GET", f"/v1/users/{other['user']}", None)),
        (4, lambda: ("GET", "/v1/keys?limit=20", None)),
        (4, lambda: ("GET", "/v1/role-assignments?limit=20", None)),
        (4, lambda: ("GET", "/v1/quota", None)),
        (6, lambda: ("GET", "/v1/tenant", None)),
        (8, lambda: ("GET", "/v1/me", None)),
        (4, lambda: ("PATCH", f"/v1/projects/{t['project']}", {"title": name()})),
        (4, lambda: ("PATCH", f"/v1/users/{other['user']}", {"name": name()})),
        (6, lambda: ("POST", "/v1/jobs", job())),
        (2, lambda: ("POST", f"/v1/jobs/{rng.choice(other['jobs'])}/cancel", None)),
        (2, lambda: ("POST", "/v1/users", {"name": name()})),
    )


class Client:
    """One process's share: sends, gives up some, and looks at every answer."""

    def __init__(self, port, tenants, seed):
        self.rng = random.Random(seed)
        self.http = access.Http(port)
        self.tenants = tenants
        self.requests = [makers(self.rng, tenants, i) for i in (0, 1)]
        self.found = collections.Counter()
        self.foreign, self.broken = [], []

    def one(self):
        mine = self.rng.randrange(2)
        rows = self.requests[mine]
        method, path, body = self.rng.choices(rows, [row[0] for row in rows])[0][1]()
        if self.rng.random() < ABORTED:
            self.give_up(self.http.message(method, path, self.tenants[mine]["key"], body))
            return
        answer = self.http.request(method, path, self.tenants[mine]["key"], body)
        self.found[answer.status] += 1
        if answer.status >= 500 and answer.status != 503:
            self.broken.append((method, path, answer.status, answer.body[:500]))
        for secret in self.tenants[1 - mine]["secrets"]:
            if secret in answer.body and secret.decode() not in path:
                self.foreign.append((method, path, answer.status, secret))

    def give_up(self, message):
        """Somewhere inside the request, or with the answer on its way."""
        if self.http.socket is None:
            self.http.open()
        try:
            self.http.socket.sendall(message[: self.rng.choice((len(message) // 2, len(message), len(message)))])
            if self.rng.random() < 0.5:
                time.sleep(self.rng.random() * 0.002)
        except OSError:
            pass
        self.http.close()
        self.found["given up"] += 1


def work(port, tenants, seed, n, results):
    client = Client(port, tenants, seed)
    for _ in range(n):
        try:
            client.one()
        except (ConnectionError, TimeoutError) as error:
            client.broken.append(("connection", repr(error)))
    results.put((dict(client.found), client.foreign[:20], client.broken[:20]))


def describe(world, name):
    """A tenant whose every text bears a canary, and what others must never see."""
    t = world.tenant(name)
    world.limits(t, jobs_running=0)
    canary = f"canary-{name}"
    project = t.post("/v1/projects", {"name": f"{canary}-p", "title": canary})["id"]
    user = t.post("/v1/users", {"name": f"{canary}-u", "roles": [{"role": "viewer"}]})["id"]
    key = t.key_of(user)[0]
    jobs = [t.job(name=f"{canary}-{i}") for i in range(20)]
    secrets = [canary, t.id, str(t.uuid), project, user, key, t.owner_user, t.owner_key_id, *jobs]
    return {
        "key": t.owner,
        "uuid": str(t.uuid),
        "canary": canary,
        "project": project,
        "user": user,
        "jobs": jobs,
        "secrets": [s.encode() for s in secrets],
    }


@pytest.fixture
def world():
    daemon = wardian.Daemon([*access.NO_LIMITS, "--database.connections=2"]).start()
    made = access.World(daemon)
    yield made
    made.close()
    daemon.destroy()


def kill_backends(world, processes):
    """Kills connections of tenants' transactions, about as often as ABORTED says; how many."""
    killed, each = 0, REQUESTS * KILLED
    started = time.monotonic()
    while any(p.is_alive() for p in processes):
        killed += len(
            world.database.rows(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'wardian_api' order by random() limit 1"
            )
        )
        pause = 0.04 if killed < each else 0.2
        time.sleep(pause)
        assert time.monotonic() - started < 900
    return killed


def foreign_rows(database, tenants):
    """Rows with one tenant's canary that lie in another tenant."""
    found = []
    for t in tenants:
        for table, column in (
            ("project", "name"),
            ("project", "title"),
            ("tenant_user", "name"),
            ("job", "name"),
            ("job_manifest", "manifest::text"),
            ("audit_log", "entry::text"),
        ):
            n = database.value(
                f"select count(*) from {table} where {column} like %s and tenant_id <> %s",
                f"%{t['canary']}%",
                t["uuid"],
            )
            platform = table == "audit_log" and database.value(
                "select count(*) from audit_log where entry::text like %s and tenant_id = %s",
                f"%{t['canary']}%",
                access.PLATFORM,
            )
            if n - (platform or 0):
                found.append((table, column, n))
    return found


def test_aborts_and_killed_connections_mix_nobodys_rows(world):
    tenants = [describe(world, name) for name in ("alpha", "beta")]
    results = multiprocessing.Queue()
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=work, args=(world.daemon.port, tenants, seed, REQUESTS // PROCESSES, results))
        for seed in range(PROCESSES)
    ]
    started = time.monotonic()
    for p in processes:
        p.start()
    killed = kill_backends(world, processes)
    reports = [results.get(timeout=60) for _ in processes]
    for p in processes:
        p.join()
    seconds = time.monotonic() - started
    total = collections.Counter()
    for found, _, _ in reports:
        total.update(found)
    foreign, broken = ([x for r in reports for x in r[i]] for i in (1, 2))
    print(
        f"\npool of 2: {sum(total.values())} requests in {seconds:.1f} s, {total['given up']} given up, "
        f"{killed} connections killed, answers {dict(sorted((str(k), n) for k, n in total.items()))}"
    )
    assert not foreign, foreign[:10]
    assert not broken, broken[:10]
    assert foreign_rows(world.database, tenants) == []
    assert sum(total.values()) >= REQUESTS - PROCESSES
    assert total["given up"] > REQUESTS * ABORTED / 2 and killed > REQUESTS * KILLED / 4
    assert total[200] > REQUESTS / 3 and total[404] > REQUESTS / 20
    assert not world.http.json("GET", "/v1/me", tenants[0]["key"])["tenant_id"].encode() in tenants[1]["secrets"]
