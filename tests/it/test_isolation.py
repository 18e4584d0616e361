# SPDX-License-Identifier: Apache-2.0
"""Every operation of /openapi.json x every kind of credential x every kind of id.  What must answer
follows from the operation's x-permission, the table of roles in permission.def, and the operation's
row in access_routes.py."""

import collections
import re
import time

import pytest

import access
import wardian
from access import Http, random_id, role_may
from access_routes import PREFIXES, ROWS, PlatformSide, Side, fill, operations


class Credential:
    """state: good, unknown (401 whatever is asked) or suspended."""

    def __init__(self, name, side, text, state="good", may=None, kind="key", limited=False):
        self.name, self.side, self.text, self.state = name, side, text, state
        self.kind, self.limited = kind, limited
        self.may = may or (lambda permission: permission in ("any", "none"))


class Scene:
    """Two tenants with one of everything, the platform, and the credentials."""

    def __init__(self):
        self.daemon = wardian.Daemon([*access.NO_LIMITS, "--quota.issuers=1000"]).start()
        try:
            self.world = access.World(self.daemon)
            self.fill()
        except BaseException:
            self.daemon.destroy()
            raise

    def fill(self):
        world = self.world
        tenants = [world.tenant("alpha"), world.tenant("beta")]
        jobs = [t.job("echo a > out.txt") for t in tenants]
        self.sides = {}
        for letter, tenant, job in zip("AB", tenants, jobs):
            access.wait_job(world.http, tenant.owner, job)
            world.limits(tenant, jobs_running=0)  # from here on jobs wait
            self.sides[letter] = Side(world, tenant).fill(job)
        self.sides["P"] = PlatformSide(world, world.tenant("gamma"))
        self.description = world.http.json("GET", "/openapi.json")
        self.operations = operations(self.description)
        self.credentials = [*self.unknown(), *self.known(), *self.special()]

    def unknown(self):
        """Credentials that are no good, each for another reason."""
        a = self.sides["A"].tenant
        expired = a.credential("owner", expires_in_s=1)
        revoked_id, revoked = a.key_of(a.user("owner"))
        self.world.http.request("DELETE", f"/v1/keys/{revoked_id}", a.owner)
        disabled = a.user("owner")
        of_disabled = a.key_of(disabled)[1]
        self.world.http.json("PATCH", f"/v1/users/{disabled}", a.owner, {"disabled": True})
        gone = self.world.tenant("gone")
        self.world.delete(gone)
        time.sleep(1.2)
        yield from (
            Credential(name, self.sides["A"], text, state="unknown")
            for name, text in (
                ("none", None),
                ("malformed", "wdn_sk_nonsense"),
                ("expired key", expired),
                ("revoked key", revoked),
                ("key of a disabled user", of_disabled),
                ("key of a deleted tenant", gone.owner),
                ("key from elsewhere", a.credential("owner", cidrs=["10.0.0.0/8"])),
                ("no JWT", "a.b.c"),
            )
        )

    def known(self):
        a, b = self.sides["A"], self.sides["B"]
        for role in access.SYSTEM_ROLES:
            yield Credential(role, a, a.tenant.credential(role), may=lambda p, role=role: role_may(role, p))
        yield Credential("nothing", a, a.tenant.credential())
        yield Credential("admin of B", b, b.tenant.credential("admin"), may=lambda p: role_may("admin", p))
        yield Credential(
            "operator", self.sides["P"], self.world.operator, may=lambda p: role_may("platform-operator", p)
        )

    def special(self):
        a, http = self.sides["A"], self.world.http
        closed = self.world.tenant("closed")
        self.world.suspend(closed)
        yield Credential("key of a suspended tenant", a, closed.owner, state="suspended")
        token = http.json("POST", "/v1/auth/token", a.tenant.credential("viewer"), {})["access_token"]
        yield Credential("token of a viewer", a, token, may=lambda p: role_may("viewer", p), kind="token")
        support = self.world.support(a.tenant, role="viewer")["access_token"]
        yield Credential(
            "support as viewer",
            a,
            support,
            kind="support",
            may=lambda p: role_may("viewer", p) and p != "token:create",
        )
        scoped = a.tenant.credential("owner", scopes=["job:read", "project:read"])
        yield Credential(
            "owner's key for job:read", a, scoped, may=lambda p: p in ("any", "none", "job:read", "project:read")
        )
        elsewhere = a.tenant.project()
        member = a.tenant.credential(("admin", elsewhere), ("engineer", elsewhere))
        yield Credential(
            "admin of another project",
            a,
            member,
            limited=True,
            may=lambda p: p in ("any", "none") or (role_may("admin", p) and access.PERMISSIONS[p][0] == "project"),
        )

    def close(self):
        self.world.close()
        self.daemon.destroy()


@pytest.fixture(scope="module")
def scene():
    made = Scene()
    yield made
    made.close()


# --- cells -----------------------------------------------------------------------------------------

Cell = collections.namedtuple("Cell", "operation credential kind path body")


def other_ids(scene, operation, credential):
    """{kind: ids} beside the caller's own; the last id of the path, and the first of two."""
    own, other = credential.side.ids, scene.sides["B" if credential.side is scene.sides["A"] else "A"]
    names = {"slug": "no-such-slug", "environment": "no-such-environment", "path": "no/such.txt"}
    found = {}
    places = [p for p in operation.places if p in PREFIXES] or operation.places
    for place in dict.fromkeys((places[-1], places[0])) if places else ():
        suffix = "" if place == places[-1] else " " + place
        found["random" + suffix] = {**own, place: random_id(PREFIXES[place]) if place in PREFIXES else names[place]}
        found["malformed" + suffix] = {
            **own,
            place: f"{PREFIXES[place]}_{'u' * 26}" if place in PREFIXES else "%20%22",
        }
        if place not in PREFIXES:
            continue
        another = next(p for p in ("user", "key") if p != place)
        if place != "role":  # elsewhere it would be a name
            found["other type" + suffix] = {**own, place: own[another]}
        if place in other.ids and not (place == "tenant" and credential.name == "operator"):
            found["foreign" + suffix] = {**own, place: other.ids[place]}
    if "role" in operation.places:
        found["foreign name"] = {**own, "role": other.role_name}
        found["random name"] = {**own, "role": "only-in-nowhere"}
    return found


def ids_of(credential, operation, row):
    """Ids of the caller's own, fresh where the operation uses them up."""
    side = credential.side
    ids = dict(side.ids)
    uses = row.fresh and credential.state == "good" and credential.may(operation.permission)
    if uses:
        place = operation.places[-1]
        ids[place] = getattr(side, "make_" + row.fresh)()
    return {place: ids.get(place, random_id(PREFIXES.get(place, "usr"))) for place in operation.places}


def cells_of(scene, operation, credential, own=True):
    row = ROWS[operation.name]
    body = None
    if "requestBody" in operation.described:
        able = credential.state == "good" and credential.may(operation.permission)
        body = row.body(credential.side) if able else {}
    query = row.query(credential.side) if row.query else ""
    if own:
        yield Cell(
            operation, credential, "own", fill(operation.path, ids_of(credential, operation, row)) + query, body
        )
    for kind, ids in other_ids(scene, operation, credential).items():
        known = {p: ids.get(p, random_id(PREFIXES.get(p, "usr"))) for p in operation.places}
        yield Cell(operation, credential, kind, fill(operation.path, known) + query, body)


def expected(cell):
    """(statuses, code of the problem or None)."""
    row, c = ROWS[cell.operation.name], cell.credential
    public = cell.operation.permission == "none"
    if not public and c.state == "unknown":
        return (401,), "unauthenticated"
    if not public and c.state == "suspended":
        return (403,), "tenant-suspended"
    if not public and not c.may(cell.operation.permission):
        return (403,), "denied"
    if cell.kind.startswith(("malformed", "other type")):
        return row.malformed, None
    if cell.kind != "own":
        return (404,), None
    project_level = access.PERMISSIONS.get(cell.operation.permission, ("", ()))[0] == "project"
    if c.limited and project_level:
        return (row.limited or 404,), None
    return (row.instead.get(c.kind, row.ok),), None


def ask(http, cell):
    return http.request(
        cell.operation.method, cell.path, cell.credential.text, cell.body, {"X-Request-Id": "the-same-id-each-time"}
    )


class Findings:
    """What was asked and what was wrong with the answers."""

    def __init__(self):
        self.cells, self.wrong, self.statuses = 0, [], collections.Counter()

    def check(self, cell, answer):
        statuses, code = expected(cell)
        self.cells += 1
        self.statuses[answer.status // 100] += 1
        if answer.status not in statuses or (code and answer.problem() != code):
            self.wrong.append(
                (cell.operation.name, cell.credential.name, cell.kind, answer.status, statuses, answer.body[:300])
            )
        if answer.status >= 400 and answer.headers.get("content-type") != "application/problem+json":
            self.wrong.append((cell.operation.name, cell.credential.name, cell.kind, "no problem document"))


def alike(one, other, *paths):
    """Whether two answers differ in nothing but the date, the rate and the ids in the paths."""
    ids = [part for path in paths for part in re.split(r"[/?]", path) if len(part) > 8]
    return access.without_variables(one, *ids) == access.without_variables(other, *ids)


PAIRS = (("foreign", "random"), ("foreign tenant", "random tenant"), ("foreign name", "random name"))


# --- tests -------------------------------------------------------------------------------------------


def test_every_operation_has_a_row_and_every_row_an_operation(scene):
    served = {operation.name for operation in scene.operations}
    assert sorted(served - set(ROWS)) == [], "these operations need a row in access_routes.py"
    assert sorted(set(ROWS) - served) == [], "these rows have no operation"


def test_the_served_roles_are_those_of_the_table(scene):
    """So that what is expected below is what the program says of itself."""
    a = scene.sides["A"].tenant
    listed = scene.world.http.json("GET", "/v1/permissions", a.owner)["data"]
    assert {row["name"]: row["level"] for row in listed} == {
        p: level for p, (level, _) in access.PERMISSIONS.items()
    }
    served = {
        row["name"]: set(row["permissions"]) for row in scene.world.http.json("GET", "/v1/roles", a.owner)["data"]
    }
    for role in access.SYSTEM_ROLES:
        assert served[role] == {p for p in access.PERMISSIONS if role_may(role, p)}, role
    for operation in scene.operations:
        assert operation.permission in (*access.PERMISSIONS, "any", "none"), operation.name


def test_lists_hold_nothing_of_others(scene):
    """Every list, whole, as each owner sees it: no id of the other side anywhere in it.  Before the matrix:
    the ids that it asks for stand in the asker's own log."""
    for mine, other in ("AB", "BA"):
        tenant = scene.sides[mine].tenant
        theirs = [i for p, i in scene.sides[other].ids.items() if p in PREFIXES]
        for operation in scene.operations:
            if operation.method != "GET" or operation.places or operation.permission == "none":
                continue
            answer = scene.world.http.request("GET", operation.path, tenant.owner)
            assert not [i for i in theirs if i.encode() in answer.body], (operation.name, mine)
            assert scene.sides[other].tenant.name.encode() not in answer.body, (operation.name, mine)


def test_each_cell_of_the_matrix_answers_as_the_tables_say(scene):
    findings, http = Findings(), Http(scene.daemon.port)
    unauthenticated = {False: set(), True: set()}  # by whether any credential was sent
    for operation in scene.operations:
        if operation.name not in ROWS:
            continue  # the first test tells
        for credential in scene.credentials:
            if operation.name == "POST /v1/auth/revoke" and credential.kind != "key":
                continue  # would end the credential; tests/it/test_jwt.py does it
            answers = {}
            for cell in cells_of(scene, operation, credential):
                answer = answers[cell.kind] = (ask(http, cell), cell)
                findings.check(cell, answer[0])
                if credential.state == "unknown" and operation.permission != "none":
                    unauthenticated[credential.text is not None].add(access.without_variables(answer[0]))
            for one, other in PAIRS:
                if (
                    one in answers
                    and other in answers
                    and not alike(answers[one][0], answers[other][0], answers[one][1].path, answers[other][1].path)
                ):
                    findings.wrong.append(
                        (
                            operation.name,
                            credential.name,
                            "foreign differs from random",
                            answers[one][0].body,
                            answers[other][0].body,
                        )
                    )
    print(
        f"\nmatrix: {len(scene.operations)} operations, {len(scene.credentials)} credentials, {findings.cells} cells, "
        f"answers {dict(sorted((f'{k}xx', n) for k, n in findings.statuses.items()))}, "
        f"unexpected {len(findings.wrong)}"
    )
    if findings.wrong:
        pytest.fail("\n".join(map(str, findings.wrong[:40])))
    assert findings.statuses[5] == 0
    assert findings.cells > 3000
    assert [len(answers) for answers in unauthenticated.values()] == [1, 1], unauthenticated


def test_asking_for_what_is_not_ones_own_changes_nothing(scene):
    """Every operation of either tenant with the other's ids, then every row of both is as it was."""
    http, database = Http(scene.daemon.port), scene.world.database
    tenants = {letter: scene.sides[letter].tenant.uuid for letter in "AB"}
    asked, gone = [], []
    for credential in scene.credentials:
        if credential.name in ("owner", "admin of B"):
            for operation in scene.operations:
                asked += [
                    cell
                    for cell in cells_of(scene, operation, credential, own=False)
                    if cell.kind.startswith("foreign")
                ]
    quiet = ("audit_log", "audit_head", "rate_use")  # refusals are recorded
    before = {letter: database.checksums(tenants[letter], quiet) for letter in "AB"}
    for cell in asked:
        answer = ask(http, cell)
        if answer.status < 400:
            gone.append((cell.operation.name, cell.credential.name, answer.status))
        if cell.operation.method == "GET":
            pair = [
                http.request("HEAD", path, cell.credential.text, None, {"X-Request-Id": "the-same-id-each-time"})
                for path in (cell.path, re.sub(r"(?<=_)[0-9a-z]{26}", lambda m: random_id("x")[2:], cell.path))
            ]
            assert alike(*pair, cell.path) and pair[0].body == b"", cell
    after = {letter: database.checksums(tenants[letter], quiet) for letter in "AB"}
    print(
        f"\nforeign ids: {len(asked)} requests, {len(gone)} answered, rows changed: "
        f"{[t for letter in 'AB' for t in before[letter] if before[letter][t] != after[letter][t]]}"
    )
    assert len(asked) > 40
    assert not gone
    assert after == before


# --- ids in bodies and queries ---------------------------------------------------------------------

# Members and parameters that hold ids: where they are, and a request around one.
REFERENCES = {
    "GET /v1/me/permissions ?project": ("prj", lambda s, i: (f"?project={i}", None)),
    "POST /v1/access/check /project": ("prj", lambda s, i: ("", {"permission": "job:read", "project": i})),
    "POST /v1/access/check /user": ("usr", lambda s, i: ("", {"permission": "job:read", "user": i})),
    "POST /v1/access/check /key": ("key", lambda s, i: ("", {"permission": "job:read", "key": i})),
    "POST /v1/users /issuer": ("iss", lambda s, i: ("", {"name": s.unique("u"), "issuer": i, "subject": "s"})),
    "POST /v1/users /roles/project": (
        "prj",
        lambda s, i: ("", {"name": s.unique("u"), "roles": [{"role": "viewer", "project": i}]}),
    ),
    "PATCH /v1/users/{user} /issuer": ("iss", lambda s, i: ("", {"issuer": i, "subject": "s"})),
    "GET /v1/role-assignments ?user": ("usr", lambda s, i: (f"?user={i}", None)),
    "GET /v1/role-assignments ?key": ("key", lambda s, i: (f"?key={i}", None)),
    "GET /v1/role-assignments ?project": ("prj", lambda s, i: (f"?project={i}", None)),
    "POST /v1/role-assignments /user": ("usr", lambda s, i: ("", {"user": i, "role": "viewer"})),
    "POST /v1/role-assignments /key": ("key", lambda s, i: ("", {"key": i, "role": "viewer"})),
    "POST /v1/role-assignments /project": (
        "prj",
        lambda s, i: ("", {"user": s.ids["user"], "role": "viewer", "project": i}),
    ),
    "GET /v1/keys ?user": ("usr", lambda s, i: (f"?user={i}", None)),
    "POST /v1/keys /user": ("usr", lambda s, i: ("", {"name": s.unique("k"), "user": i})),
    "POST /v1/keys /roles/project": (
        "prj",
        lambda s, i: ("", {"name": s.unique("k"), "roles": [{"role": "viewer", "project": i}]}),
    ),
    "POST /v1/issuers /rules/project": (
        "prj",
        lambda s, i: (
            "",
            {**s.issuer(), "rules": [{"claim": "groups", "value": "x", "role": "viewer", "project": i}]},
        ),
    ),
    "PATCH /v1/issuers/{issuer} /rules/project": (
        "prj",
        lambda s, i: ("", {"rules": [{"claim": "groups", "value": "x", "role": "viewer", "project": i}]}),
    ),
    "GET /v1/quota ?project": ("prj", lambda s, i: (f"?project={i}", None)),
    "GET /v1/jobs ?project": ("prj", lambda s, i: (f"?project={i}", None)),
}
# The same by names, which tell nothing of another tenant either.
NAMED = {
    "POST /v1/jobs /project": (
        "project",
        lambda s, n: {"environment": "python", "command": ["true"], "project": n},
    ),
    "POST /v1/users /roles/role": ("role", lambda s, n: {"name": s.unique("u"), "roles": [{"role": n}]}),
    "POST /v1/role-assignments /role": ("role", lambda s, n: {"user": s.ids["user"], "role": n}),
    "POST /v1/roles /base": ("role", lambda s, n: {"name": s.unique("r"), "permissions": ["job:read"], "base": n}),
    "POST /v1/issuers /rules/role": (
        "role",
        lambda s, n: {**s.issuer(), "rules": [{"claim": "c", "value": "x", "role": n}]},
    ),
}


def id_members(description, schema, at=""):
    """Pointers of members (without array indexes) whose value is an id."""
    while "$ref" in schema:
        node = description
        for part in schema["$ref"].split("/")[1:]:
            node = node[part]
        schema = node
    if re.match(r"\^[a-z]{3}_", schema.get("pattern", "")):
        yield at
    for alternative in schema.get("oneOf", ()):
        yield from id_members(description, alternative, at)
    if "items" in schema:
        yield from id_members(description, schema["items"], at)
    for name, member in schema.get("properties", {}).items():
        yield from id_members(description, member, f"{at}/{name}")


def described_references(scene):
    for operation in scene.operations:
        if operation.permission.startswith("tenants:"):
            continue  # operators are told of every tenant
        for parameter in operation.described["parameters"]:
            while "$ref" in parameter:
                node = scene.description
                for part in parameter["$ref"].split("/")[1:]:
                    node = node[part]
                parameter = node
            if parameter["in"] == "query" and list(id_members(scene.description, parameter["schema"])):
                yield f"{operation.name} ?{parameter['name']}"
        for content in operation.described.get("requestBody", {}).get("content", {}).values():
            for pointer in id_members(scene.description, content["schema"]):
                yield f"{operation.name} {pointer}"


def refer(scene, name, reference, ids):
    """Answers of A's owner to the request around each id."""
    side = scene.sides["A"]
    method, path, _ = name.split(" ")
    for one in ids:
        query, body = reference(side, one)
        yield scene.world.http.request(
            method, fill(path, side.ids) + query, side.tenant.owner, body, {"X-Request-Id": "the-same-id-each-time"}
        )


def test_ids_of_others_in_bodies_and_queries_are_unknown_ids(scene):
    described = {re.sub(r"/\d+", "", name) for name in described_references(scene)}
    assert described == set(REFERENCES), described ^ set(REFERENCES)
    places = {prefix: place for place, prefix in PREFIXES.items()}
    for name, (prefix, reference) in REFERENCES.items():
        theirs = scene.sides["B"].ids[places[prefix]]
        foreign, unknown = refer(scene, name, reference, (theirs, random_id(prefix)))
        ids = (theirs, *re.findall(rb"[a-z]{3}_[0-9a-z]{26}", unknown.body))
        ids = [i if isinstance(i, str) else i.decode() for i in ids]
        assert foreign.status < 500, (name, foreign.body)
        assert access.without_variables(foreign, *ids) == access.without_variables(unknown, *ids), (
            name,
            foreign.body,
            unknown.body,
        )
        if foreign.status < 300:  # a filter: nothing of theirs
            assert b'"data":[]' in foreign.body, (name, foreign.body)
        else:
            assert foreign.status in (404, 422), (name, foreign.body)
    print(f"\nreferences: {len(REFERENCES)} members and parameters")


def test_names_of_others_are_unknown_names(scene):
    theirs = {
        "role": scene.sides["B"].role_name,
        "project": scene.sides["B"].tenant.post("/v1/projects", {"name": "only-theirs"})["name"],
    }
    nobodys = {"role": "only-in-none", "project": "only-nobodys"}
    for name, (what, reference) in NAMED.items():
        foreign, unknown = refer(scene, name, lambda s, n: ("", reference(s, n)), (theirs[what], nobodys[what]))
        assert foreign.status == unknown.status == 422, (name, foreign.body, unknown.body)
        same = [a.body.replace(n.encode(), b"NAME") for a, n in ((foreign, theirs[what]), (unknown, nobodys[what]))]
        assert same[0] == same[1], name


def test_a_name_that_another_tenant_took_is_free(scene):
    """Unique keys are per tenant: taking a name tells nothing of others."""
    a, b = scene.sides["A"].tenant, scene.sides["B"].tenant
    for path, body in (("/v1/projects", {}), ("/v1/users", {}), ("/v1/roles", {"permissions": ["job:read"]})):
        for tenant in (a, b):
            assert tenant.http.request("POST", path, tenant.owner, {"name": "taken-twice", **body}).status == 201
            again = tenant.http.request("POST", path, tenant.owner, {"name": "taken-twice", **body})
            assert (again.status, again.problem()) == (409, "name-taken")
