# SPDX-License-Identifier: Apache-2.0
"""What a test has to know of each operation: a body that is right, ids that exist, and what answers
then.  An operation of /openapi.json without a row here fails tests/it/test_isolation.py."""

import uuid

import access

# Placeholders of paths, and the type of the ids that they stand for; the others are names.
PREFIXES = {
    "job": "job",
    "tenant": "ten",
    "project": "prj",
    "user": "usr",
    "assignment": "asg",
    "key": "key",
    "issuer": "iss",
    "support": "sup",
    "operation": "opr",
    "role": "rol",
}
JWK = {
    "kty": "EC",
    "crv": "P-256",
    "alg": "ES256",
    "kid": "one",  # the public key of RFC 7517, A.1
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}


class Operation:
    """One of /openapi.json."""

    def __init__(self, method, path, described):
        self.method, self.path, self.described = method, path, described
        self.name = f"{method} {path}"
        self.permission = described["x-permission"]
        self.places = [part[1:-1] for part in path.split("/") if part.startswith("{")]


def operations(description):
    return [
        Operation(method.upper(), path, described)
        for path, methods in description["paths"].items()
        for method, described in methods.items()
    ]


def fill(path, ids):
    for place, value in ids.items():
        path = path.replace("{" + place + "}", value)
    return path


class Side:
    """One tenant seen by the rows: stable ids of everything, and makers of fresh ones."""

    def __init__(self, world, tenant):
        self.world, self.tenant = world, tenant
        self.ids = {"environment": "python", "slug": "not-found", "path": "out.txt", "attempt": "1"}

    def fill(self, job):
        """Makes one of everything; `job`: a job of the tenant that is over and left out.txt."""
        t = self.tenant
        self.ids.update(
            job=job,
            tenant=t.id,
            project=t.project(),
            user=t.user(),
            role=t.role("job:read")[0],
            assignment=t.assignment(),
            key=t.key_of(t.user())[0],
            issuer=self.make_issuer(),
            support=self.make_support(),
        )
        self.role_name = t.post("/v1/roles", {"name": f"only-in-{t.name}", "permissions": ["job:read"]})["name"]
        return self

    def unique(self, what="x"):
        return self.tenant.unique(what)

    def issuer(self):
        return {
            "name": self.unique("issuer"),
            "url": "https://id.example.com/" + self.unique(),
            "jwks": {"keys": [JWK]},
            "rules": [{"claim": "groups", "value": "sim", "role": "viewer"}],
        }

    def make_project(self):
        return self.tenant.project()

    def make_user(self):
        return self.tenant.user()

    def make_role(self):
        return self.tenant.role("job:read")[0]

    def make_assignment(self):
        return self.tenant.assignment()

    def make_key(self):
        return self.tenant.key_of(self.tenant.user())[0]

    def make_issuer(self):
        return self.tenant.post("/v1/issuers", self.issuer())["id"]

    def make_support(self):
        return self.world.support(self.tenant)["id"]

    def make_job(self):
        return self.tenant.job()


class PlatformSide(Side):
    """The platform's own tenant, and the customers that operators work on."""

    def __init__(self, world, customer):
        super().__init__(world, None)
        self.customer, self.n = customer, 0
        self.ids.update(
            tenant=customer.id,
            role="auditor",
            user=self.make_user(),
            key=self.make_key(),
            operation=self.make_operation(),
            assignment=self.make_assignment(),
            support=world.support(customer)["id"],
        )

    def unique(self, what="x"):
        self.n += 1
        return f"{what}-{self.n}"

    def post(self, path, body):
        return self.world.http.json("POST", path, self.world.operator, body)

    def make_user(self):
        return self.post("/v1/users", {"name": self.unique("operator")})["id"]

    def make_key(self):
        return self.post("/v1/keys", {"name": self.unique("key"), "user": self.make_user()})["id"]

    def make_assignment(self):
        return self.post("/v1/role-assignments", {"user": self.make_user(), "role": "auditor"})["id"]

    def make_support(self):
        return self.world.support(self.customer)["id"]

    def make_tenant(self):
        """Not yet deleted, not suspended, with the name that DELETE has to confirm."""
        return self.world.tenant("scrap").id

    def make_suspended(self):
        tenant = self.world.tenant("scrap")
        self.world.suspend(tenant)
        return tenant.id

    def make_ownerless(self):
        """One whose only owner has no key left."""
        tenant = self.world.tenant("scrap")
        assert self.world.http.request("DELETE", f"/v1/keys/{tenant.owner_key_id}", tenant.owner).status == 204
        return tenant.id

    def make_operation(self):
        """A deletion that waits for a node which does not exist, and which no daemon works on."""
        operation, self.node = uuid.uuid4(), uuid.uuid4()
        self.world.database.rows(
            "insert into operation (operation_id, kind, target, target_name, stage, created_by, lease_owner, lease_until) "
            "values (%s, 'tenant.delete', gen_random_uuid(), 'gone', 'files', 'test', gen_random_uuid(), 'infinity')",
            str(operation),
        )
        self.world.database.rows(
            "insert into operation_node (operation_id, node_id) values (%s, %s)", str(operation), str(self.node)
        )
        return access.id_of("opr", operation)


class Row:
    """ok: status for whoever has the permission and asks for something of theirs.  body(side): a right
    one.  fresh: the maker of an id that the operation uses up.  query(side).  limited: status for
    somebody who has the permission in another project only.  instead: {kind of credential: status}."""

    def __init__(self, ok, body=None, fresh=None, query=None, limited=None, instead=None, malformed=(400,)):
        self.ok, self.body, self.fresh, self.query = ok, body, fresh, query
        self.limited, self.instead, self.malformed = limited, instead or {}, malformed


def value(thing):
    return lambda side: thing


def of_platform(side):
    return isinstance(side, PlatformSide)


JOB = value({"environment": "python", "command": ["true"]})

ROWS = {
    # anybody
    "GET /livez": Row(200),
    "GET /readyz": Row(200),
    "GET /metrics": Row(200),
    "GET /openapi.json": Row(200),
    "GET /problems": Row(200),
    "GET /problems/{slug}": Row(200, malformed=(400, 404)),
    "GET /.well-known/jwks.json": Row(200),
    # jobs
    "POST /simulate": Row(202, JOB, limited=422),
    "POST /v1/jobs": Row(201, JOB, limited=422),
    "GET /v1/jobs": Row(200, limited=200),
    "GET /v1/jobs/{job}": Row(200),
    "GET /v1/jobs/{job}/events": Row(200),
    "GET /v1/jobs/{job}/attempts": Row(200),
    "GET /v1/jobs/{job}/attempts/{attempt}": Row(200, malformed=(400, 404)),
    "GET /v1/jobs/{job}/attempts/{attempt}/usage": Row(200, malformed=(400, 404)),
    "POST /v1/jobs/{job}/cancel": Row(202, fresh="job"),
    "GET /v1/jobs/{job}/log": Row(200),
    "GET /v1/jobs/{job}/files": Row(200),
    "GET /v1/jobs/{job}/files/{path}": Row(200, malformed=(400, 404)),
    "GET /v1/jobs/{job}/result": Row(200),
    "GET /v1/jobs/{job}/metrics": Row(200),
    "GET /v1/environments": Row(200, limited=200),
    "GET /v1/environments/{environment}": Row(200, limited=200, malformed=(400, 404)),
    # the caller
    "GET /v1/me": Row(200),
    "GET /v1/me/permissions": Row(200),
    "GET /v1/permissions": Row(200),
    "POST /v1/access/check": Row(200, value({"permission": "job:read"})),
    "POST /v1/auth/token": Row(201, value({}), instead={"token": 403}),  # only keys are exchanged
    "POST /v1/auth/revoke": Row(409),  # a key is no token
    # the tenant
    "GET /v1/tenant": Row(200),
    "PATCH /v1/tenant": Row(200, value({"support_allowed": True})),
    "GET /v1/tenant/isolation": Row(200),
    "GET /v1/projects": Row(200, limited=200),
    "POST /v1/projects": Row(201, lambda side: {"name": side.unique("made")}),
    "GET /v1/projects/{project}": Row(200),
    "PATCH /v1/projects/{project}": Row(200, value({"title": "another"})),
    "DELETE /v1/projects/{project}": Row(204, fresh="project"),
    "GET /v1/users": Row(200),
    "POST /v1/users": Row(201, lambda side: {"name": side.unique("made")}),
    "GET /v1/users/{user}": Row(200),
    "PATCH /v1/users/{user}": Row(200, value({"email": "u@example.com"})),
    "DELETE /v1/users/{user}": Row(204, fresh="user"),
    "GET /v1/roles": Row(200),
    "POST /v1/roles": Row(201, lambda side: {"name": side.unique("made"), "permissions": ["job:read"]}),
    "GET /v1/roles/{role}": Row(200),
    "PATCH /v1/roles/{role}": Row(200, value({"title": "another"})),
    "DELETE /v1/roles/{role}": Row(204, fresh="role"),
    "GET /v1/role-assignments": Row(200),
    "POST /v1/role-assignments": Row(
        201,
        lambda side: {"user": side.make_user(), "role": "auditor" if of_platform(side) else "viewer"},
        limited=403,
    ),
    "DELETE /v1/role-assignments/{assignment}": Row(204, fresh="assignment"),
    "GET /v1/keys": Row(200),
    "POST /v1/keys": Row(201, lambda side: {"name": side.unique("made"), "user": side.make_user()}),
    "GET /v1/keys/{key}": Row(200),
    "PATCH /v1/keys/{key}": Row(200, value({"name": "another"})),
    "DELETE /v1/keys/{key}": Row(204, fresh="key"),
    "POST /v1/keys/{key}/rotate": Row(200, value({})),
    "GET /v1/issuers": Row(200),
    "POST /v1/issuers": Row(201, lambda side: side.issuer()),
    "GET /v1/issuers/{issuer}": Row(200),
    "PATCH /v1/issuers/{issuer}": Row(200, lambda side: {"name": side.unique("another")}),
    "DELETE /v1/issuers/{issuer}": Row(204, fresh="issuer"),
    # limits, support, audit
    "GET /v1/quota": Row(200, limited=400),
    "PUT /v1/projects/{project}/quota": Row(200, value({"limits": {"jobs_queued": 10}})),
    "GET /v1/support-access": Row(200),
    "DELETE /v1/support-access/{support}": Row(204, fresh="support"),
    "GET /v1/audit": Row(200),
    "GET /v1/audit/verify": Row(200),
    "GET /v1/audit/checkpoints": Row(200),
    "GET /v1/audit/keys": Row(200),
    # the platform
    "GET /v1/tenants": Row(200),
    "POST /v1/tenants": Row(201, value({"name": "made", "owner": {"name": "first"}})),
    "GET /v1/tenants/{tenant}": Row(200),
    "PATCH /v1/tenants/{tenant}": Row(200, value({"name": "renamed"})),
    "DELETE /v1/tenants/{tenant}": Row(202, fresh="tenant", query=value("?confirm=scrap")),
    "POST /v1/tenants/{tenant}/suspend": Row(200, value({"reason": "for a test"}), fresh="tenant"),
    "POST /v1/tenants/{tenant}/resume": Row(200, fresh="suspended"),
    "POST /v1/tenants/{tenant}/owners": Row(201, lambda side: {"name": side.unique("owner")}, fresh="ownerless"),
    "GET /v1/tenants/{tenant}/quota": Row(200),
    "PUT /v1/tenants/{tenant}/quota": Row(200, value({"limits": {"keys": 100000}})),
    "POST /v1/tenants/{tenant}/support-access": Row(201, value({"reason": "looking into a failed job"})),
    "DELETE /v1/tenants/{tenant}/support-access/{support}": Row(204, fresh="support"),
    "GET /v1/operations": Row(200),
    "GET /v1/operations/{operation}": Row(200),
    "POST /v1/operations/{operation}/waive-node": Row(200, lambda side: {"node": str(side.node)}),
}
