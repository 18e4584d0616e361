# SPDX-License-Identifier: Apache-2.0
"""Two walls stand between tenants: each statement names its tenant, and row-level security binds the
role.  Here each is taken away while the other stands.

The oracle is the same for both: what tenant A gets must not depend on whether tenant B has any rows,
and must leave B's rows as they are.  So everything is run twice in one transaction that is never
committed, the second time without a row of B, and compared."""

import collections
import datetime
import uuid

import psycopg2
import psycopg2.extras
import pytest

import access
import wardian
from access_routes import JWK
from access_sql import Rows, statements, variants
from test_outside_database import Server

# Statements that B's own rows cannot make tell anything, or that have no business with tenants.
NOT_DRIVEN = {
    "db_begin": "a command of transactions",
    "db_commit": "a command of transactions",
    "db_rollback": "a command of transactions",
    "db_context": "sets the context itself; tests/db/test_db_tx.c",
    "db_xid": "reads no table",
    "db_xact_status": "reads no table",
    "db_incarnation": "reads no table of tenants",
    "db_ping": "reads no table",
    "isolation_role": "reads catalogues only",
    "isolation_tables": "reads catalogues only",
    "isolation_policies": "reads catalogues only",
}
# Probes that leave their tenant out on purpose: row-level security is what they ask for.
UNFILTERED = {"isolation_foreign_ids"}
# Arguments that the text of the statement does not tell.
GIVEN = {
    "job_accept": lambda rows, i: {
        2: uuid.uuid4(),
        3: rows.value("job_day", "project_id", i),
        4: "python",
        5: "digest",
        7: {},
        8: 0,
        9: 1000,
        10: 1 << 20,
        12: {},
        13: 1,
        14: (rows.value("job_day", "day", i) - datetime.date(1970, 1, 1)).days,
        15: 1 << 40,
    },
    "identity_key_forget": lambda rows, i: {2: 1},  # all but the newest, which has roles
    "identity_key_forget_roles": lambda rows, i: {2: 0},
    "identity_rule_issuer": lambda rows, i: {2: rows.value("role", "name", i), 3: None},
}

Run = collections.namedtuple("Run", "statement variant kind text tenant context arguments types")


class Walls:
    """Two tenants with rows in every table, in a database that no daemon uses any more."""

    def __init__(self):
        self.server = Server()
        try:
            self.fill()
        except BaseException:
            self.server.destroy()
            raise

    def login(self):
        return {"host": "127.0.0.1", "port": self.server.port, "user": "postgres", "password": self.server.password}

    def fill(self):
        daemon = wardian.Daemon([*access.NO_LIMITS], env={"WARDIAN_DATABASE_URL": self.server.url}).start()
        try:
            world = access.World(daemon, **self.login())
            self.tenants = [self.make(world, name) for name in ("alpha", "beta")]
            world.close()
        finally:
            daemon.destroy()
        self.database = access.Database(None, autocommit=False, **self.login())
        self.tables = self.database.tables()
        for tenant in self.tenants:
            self.add(str(tenant))
        self.database.connection.commit()
        self.a, self.b = (str(tenant) for tenant in self.tenants)
        self.rows = Rows(self.database, self.b, self.tables)
        empty = [t for t in self.tables if not self.rows.rows[t]]
        assert not empty, f"no rows in {empty}"

    @staticmethod
    def make(world, name):
        """Rows that only the program makes, and bare ones that nothing refers to."""
        t = world.tenant(name)
        job = t.job("echo x > out.txt", name="first", labels={"team": name})
        access.wait_job(world.http, t.owner, job)
        world.limits(t, jobs_running=0, keys=500)
        t.http.json("POST", "/v1/jobs", t.owner, {"environment": "python", "command": ["true"]})
        t.http.request(
            "POST",
            "/v1/jobs",
            t.owner,
            {"environment": "python", "command": ["true"]},
            {"Idempotency-Key": "again"},
        ).json(201)
        project, bare_project = t.project(), t.project()
        role, name_of_role = t.role("job:read", "project:read")
        t.role("job:read")
        issuer = t.post(
            "/v1/issuers",
            {
                "name": "idp",
                "url": "https://id.example.com",
                "jwks": {"keys": [JWK]},
                "rules": [{"claim": "*", "role": name_of_role, "project": project}],
            },
        )["id"]
        t.post(
            "/v1/issuers",
            {
                "name": "bare",
                "url": "https://bare.example.com",
                "jwks": {"keys": [JWK]},
                "rules": [{"claim": "*", "role": "viewer"}],
            },
        )
        t.post(
            "/v1/users",
            {
                "name": "linked",
                "kind": "person",
                "email": "l@example.com",
                "issuer": issuer,
                "subject": "sub",
                "roles": [{"role": "engineer", "project": project}],
            },
        )
        t.user(), t.user()
        key, text = t.key_of(
            t.user("engineer", (name_of_role, project)),
            scopes=["job:read"],
            cidrs=["127.0.0.0/8"],
            roles=[{"role": "viewer", "project": project}],
        )
        bare_key, limited_key = t.key_of(t.user())[0], t.key_of(t.user(), roles=[{"role": "viewer"}])[0]
        for revoked in (bare_key, limited_key):  # in this order: GIVEN
            assert t.http.request("DELETE", f"/v1/keys/{revoked}", t.owner).status == 204
        t.http.json("PUT", f"/v1/projects/{project}/quota", t.owner, {"limits": {"jobs_queued": 5}})
        token = t.http.json("POST", "/v1/auth/token", t.owner, {})["access_token"]
        assert t.http.request("POST", "/v1/auth/revoke", token).status == 204
        world.support(t)
        assert role and bare_project and key and text
        return t.uuid

    def add(self, tenant):
        """What takes a simulator, or a day, to come about."""
        for text in (
            "insert into result (tenant_id, job_id, name, value) select tenant_id, job_id, 'r', 1 from job where tenant_id = %s",
            "insert into metric (tenant_id, job_id, name, number, step, value) "
            "select tenant_id, job_id, 'm', 0, 0, 1 from job where tenant_id = %s",
            "insert into attempt_usage select tenant_id, job_id, epoch, '{1}', '{1}', '{1}', '{1}', '{1}', '{1}', '{1}' "
            "from job_attempt where tenant_id = %s",
            "insert into token_revocation (tenant_id, token_id, expires_at) values (%s, gen_random_uuid(), '2001-01-01')",
        ):
            self.database.rows(text, tenant)
        if not self.database.value("select count(*) from rate_use where tenant_id = %s", tenant):
            self.database.rows(
                "insert into rate_use (tenant_id, bucket, node_id, spent) values (%s, 'tenant', gen_random_uuid(), 1)",
                tenant,
            )

    def close(self):
        self.database.close()
        self.server.destroy()

    # --- running -----------------------------------------------------------------------------------

    def types(self, text, n):
        """Types of a statement's parameters, as PostgreSQL infers them."""
        self.database.rows("savepoint types")
        try:
            self.database.rows(f"prepare asked as {text}")
            found = self.database.value(
                "select parameter_types::text[] from pg_prepared_statements where name = 'asked'"
            )
            self.database.rows("deallocate asked")
            return found
        finally:
            self.database.rows("rollback to types")

    def execute(self, run):
        """What comes back: rows, or the number of changed rows, or the error; and B's checksums after a change."""
        cursor = self.database.connection.cursor()
        cursor.execute("savepoint run")
        cursor.execute("set local role wardian_api")
        if run.context:
            cursor.execute("select set_config('wardian.tenant_id', %s, true)", (run.context,))
        try:
            types = ", ".join(run.types)
            cursor.execute(f"prepare asked ({types}) as {run.text}" if types else f"prepare asked as {run.text}")
            places = ", ".join(["%s"] * len(run.types))
            cursor.execute(
                f"execute asked ({places})" if places else "execute asked",
                (run.tenant, *map(adapted, run.arguments, run.types[1:])) if places else None,
            )
            found = sorted(map(shown, cursor.fetchall())) if cursor.description else cursor.rowcount
            cursor.execute("deallocate asked")
            cursor.execute("reset role")
            cursor.execute("set constraints all immediate")
        except psycopg2.Error as error:
            found = (error.pgcode, error.diag.message_primary)
            cursor.execute("rollback to run")
            cursor.execute("deallocate all")
            return found, None
        changed = self.checksums() if run.statement.writes else None
        cursor.execute("rollback to run")
        return found, changed

    def checksums(self):
        return self.database.checksums(self.b, ())

    def without_b(self):
        self.database.rows("set local session_replication_role = replica")
        for table in self.tables:
            self.database.rows(f"delete from {table} where tenant_id = %s", self.b)
        self.database.rows("set local session_replication_role = origin")

    def compare(self, runs):
        """Runs that depend on B's rows, or change them; nothing of it stays."""
        before = self.checksums()
        with_b = [self.execute(run) for run in runs]
        self.without_b()
        without = [self.execute(run)[0] for run in runs]
        self.database.connection.rollback()
        return [
            (run, found, other)
            for run, (found, changed), other in zip(runs, with_b, without)
            if found != other or (changed is not None and changed != before)
        ]

    def disable_security(self):
        for table in self.tables:
            self.database.rows(f"alter table {table} disable row level security")
            self.database.rows(f"alter table {table} no force row level security")


def adapted(value, kind):
    if kind == "jsonb" and value is not None:
        return psycopg2.extras.Json(value)
    if kind == "text" and isinstance(value, (dict, list)):
        return str(value)
    return (
        [str(v) for v in value] if kind == "uuid[]" and value else str(value) if kind == "uuid" and value else value
    )


def shown(row):
    return repr([bytes(v) if isinstance(v, memoryview) else v for v in row])


@pytest.fixture(scope="module")
def walls():
    made = Walls()
    yield made
    made.close()


@pytest.fixture(scope="module")
def driven(walls):
    """{statement: argument lists with which B gets or changes something of its own}."""
    runs = []
    for statement in statements("api"):
        if statement.name in NOT_DRIVEN:
            continue
        types = walls.types(statement.text, statement.n)
        for i, arguments in enumerate(
            variants(statement, types, walls.rows, walls.tables, GIVEN.get(statement.name))
        ):
            runs.append(Run(statement, i, "control", statement.text, walls.b, walls.b, arguments, types))
    found = collections.defaultdict(list)
    for run, _, _ in walls.compare(runs):
        if len(found[run.statement]) < 3:
            found[run.statement].append((run.arguments, run.types))
    return found


def report(leaks):
    return "\n".join(
        f"{run.statement.name} ({run.kind}): {found} instead of {other}; {run.arguments}"[:400]
        for run, found, other in leaks[:20]
    )


def test_every_statement_is_driven_or_says_why_not(walls, driven):
    names = {statement.name for statement in statements("api")}
    asked = {statement.name for statement in driven}
    missing = names - asked - set(NOT_DRIVEN)
    print(
        f"\nwalls: {len(names)} statements of wardian_api, {len(asked)} driven, {len(NOT_DRIVEN)} not for a reason"
    )
    assert not missing, sorted(missing)
    assert not set(NOT_DRIVEN) - names


def mutants(walls, driven):
    """Each statement of A without one of its filters, and with B named in place of A."""
    for statement, sets in driven.items():
        for i, (arguments, types) in enumerate(sets):
            for which, text in statement.without_filters():
                yield Run(statement, i, f"without filter {which}", text, walls.a, walls.a, arguments, types)
            yield Run(statement, i, "another tenant named", statement.text, walls.b, walls.a, arguments, types)


def test_row_level_security_holds_without_the_statements_filters(walls, driven):
    runs = list(mutants(walls, driven))
    leaks = walls.compare(runs)
    walls.disable_security()
    bare = {(run.statement.name, run.kind) for run, _, _ in walls.compare(runs)}
    made = {(run.statement.name, run.kind) for run in runs}
    print(
        f"\nfirst wall down: {len(made)} mutants, {len(leaks)} leak; {len(bare)} of them would without the second wall"
    )
    if leaks:
        pytest.fail(report(leaks))
    assert len(bare) > len(made) / 2, "the arguments do not reach what the filters protect"


def test_the_statements_filters_hold_without_row_level_security(walls, driven):
    runs = [
        Run(statement, i, "as it is", statement.text, walls.a, None, arguments, types)
        for statement, sets in driven.items()
        for i, (arguments, types) in enumerate(sets)
        if statement.name not in UNFILTERED
    ]
    walls.disable_security()
    leaks = walls.compare(runs)
    print(f"\nsecond wall down: {len(runs)} runs of {len(driven)} statements, {len(leaks)} leak")
    if leaks:
        pytest.fail(report(leaks))
