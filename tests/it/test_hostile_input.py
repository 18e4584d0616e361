# SPDX-License-Identifier: Apache-2.0
"""Input that means harm: what may not be written, values beyond every stated limit, ids of another
type, texts that are code elsewhere, and JSON of all kinds.  Nothing of it makes the server fail, and
nothing is changed but what was asked for."""

import collections
import json
import os
import re
import urllib.parse

import pytest

import access
import wardian
from access import Http
from access_routes import JWK, PREFIXES, ROWS, PlatformSide, Side, fill, operations
from hostile_json import LEFT_OUT, RIGHT, WRONG
from hostile_strings import ALL
from schema_cases import Schemas, place, pointer

NIGHTLY = os.environ.get("WARDIAN_NIGHTLY") == "1"
QUOTAS = [f"--quota.{name}=1000000" for name in ("users", "role_assignments", "keys")]
QUOTAS += ["--quota.projects=100000", "--quota.roles=10000", "--quota.issuers=1000"]
# Words of the server's insides, which no answer may hold unless it was sent.
INSIDES = re.compile(
    rb"wardian_(?:api|sched|owner|platform|admin)|pg_catalog|SQLSTATE|syntax error|libpq|relation \\?\"|violates|"
    rb"select .* from |insert into |src/[a-z]+/|/var/tmp/wardian|/var/lib/wardian|\.c:\d+|Traceback|AddressSanitizer",
    re.I,
)


class Scene:
    """A tenant to shoot at, a neighbour that must not notice, and an operator."""

    def __init__(self):
        self.daemon = wardian.Daemon([*access.NO_LIMITS, *QUOTAS]).start()
        try:
            self.world = access.World(self.daemon)
            self.http = Http(self.daemon.port)
            tenants = [self.world.tenant("target"), self.world.tenant("neighbour")]
            jobs = [t.job("echo a > out.txt") for t in tenants]
            sides = []
            for tenant, job in zip(tenants, jobs):
                access.wait_job(self.http, tenant.owner, job)
                self.world.limits(tenant, jobs_running=0)
                sides.append(Side(self.world, tenant).fill(job))
            self.a, self.b = sides
            self.platform = PlatformSide(self.world, self.world.tenant("customer"))
            self.description = self.http.json("GET", "/openapi.json")
            self.schemas = Schemas(self.description)
            self.operations = [o for o in operations(self.description) if o.name in ROWS]
        except BaseException:
            self.daemon.destroy()
            raise

    def side(self, operation):
        return self.platform if operation.permission.startswith("tenants:") else self.a

    def key(self, operation):
        return self.world.operator if operation.permission.startswith("tenants:") else self.a.tenant.owner

    def ids(self, operation):
        """{prefix: id}, for samples."""
        return {
            prefix: self.side(operation).ids.get(place, access.random_id(prefix))
            for place, prefix in PREFIXES.items()
        }

    def path(self, operation):
        """With ids that exist, fresh ones where the operation uses them up."""
        side, row = self.side(operation), ROWS[operation.name]
        ids = dict(side.ids)
        if row.fresh:
            ids[operation.places[-1]] = getattr(side, "make_" + row.fresh)()
        return fill(
            operation.path, {p: ids.get(p, access.random_id(PREFIXES.get(p, "usr"))) for p in operation.places}
        )

    def body_schema(self, operation):
        content = operation.described.get("requestBody", {}).get("content", {})
        return next(iter(content.values()))["schema"] if content else None

    def send(self, operation, body=None, path=None, headers=None):
        return self.http.request(operation.method, path or self.path(operation), self.key(operation), body, headers)

    def close(self):
        self.world.close()
        self.daemon.destroy()


@pytest.fixture(scope="module")
def scene():
    made = Scene()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def the_neighbour_notices_nothing(scene):
    before = scene.world.database.checksums(scene.b.tenant.uuid)
    yield
    assert scene.world.database.checksums(scene.b.tenant.uuid) == before


def with_bodies(scene):
    return [o for o in scene.operations if scene.body_schema(o) is not None]


# --- what may not be written -----------------------------------------------------------------------------

ALWAYS = {
    "id": "x",
    "tenant_id": access.PLATFORM,
    "tenant": "x",
    "version": 7,
    "created_at": "2020-01-01T00:00:00Z",
    "state": "active",
    "kind": "platform",
    "system": True,
    "used": 0,
    "hash": "x",
    "key": "x",
    "public_id": "x",
    "owner": "x",
    "revoked": False,
    "access_version": 1,
    "revoked_by": "x",
    "last_used_at": None,
    "default": True,
    "ended_at": None,
    "end_state": "succeeded",
}


def shown_members(scene, operation):
    """Members of what the operation answers with, as it describes them."""
    found = set()
    for status, response in operation.described["responses"].items():
        for content in (
            scene.schemas.resolve(response).get("content", {}).values() if status in ("200", "201") else ()
        ):
            found |= set(scene.schemas.resolve(content["schema"]).get("properties", {}))
    return found


def test_members_that_are_only_read_are_refused_by_name(scene):
    cells, wrong = 0, []
    for operation in with_bodies(scene):
        writable = set(scene.schemas.resolve(scene.body_schema(operation)).get("properties", {}))
        for member in sorted((shown_members(scene, operation) | set(ALWAYS)) - writable):
            body = {**ROWS[operation.name].body(scene.side(operation)), member: ALWAYS.get(member, "x")}
            answer = scene.send(operation, body)
            cells += 1
            named = [e.get("pointer") for e in answer.json().get("errors", ())] if answer.body else []
            if answer.status != 422 or named != [f"/{member}"]:
                wrong.append((operation.name, member, answer.status, answer.body[:200]))
    print(f"\nread-only members: {cells} requests, {len(wrong)} not refused by name")
    assert not wrong, wrong[:10]
    assert cells > 400


# --- limits ------------------------------------------------------------------------------------------------

# Values that the schema allows and another rule refuses; each with the reason.
RULES_BEYOND_SCHEMAS = {
    "email": "must look like an address",
    "url": "must be https",
    "cidrs": "must be a network",
    "expires_at": "must be in the future",
    "role": "must exist",
    "base": "must exist",
    "project": "must exist",
    "user": "must exist",
    "key": "user or key",
    "issuer": "with a subject",
    "subject": "with an issuer",
    "audience": "needs a claim",
    "tenant_claim": "with an audience",
    "jwks": "must be keys",
    "rules": "must fit each other",
    "scopes": "may be repeated or lacking",
    "permissions": "platform permissions are nobody's to give",
    "environment": "must exist",
    "inputs": "must be paths",
    "resources": "must fit the machine",
    "limits": "must fit the settings",
    "command": "must be runnable",
    "parameters": "the environment's own",
    "expires_in_s": "with expires_at",
    "kind": "of people, who have rules of their own",
    "node": "must be awaited",
    "roles": "must exist",
}


def counted_in_bytes(operation, path):
    """Manifests, which become file names and arguments, what is compared with tokens, and what can only
    be of one-byte letters."""
    return (
        operation.name in ("POST /v1/jobs", "POST /simulate")
        or path[0] == "rules"
        or path[-1] in ("role", "base", "url")
    )


def faults_at(answer, where):
    """Whether the answer's faults are about this pointer, or what holds it or lies in it."""
    named = [e.get("pointer", e.get("parameter", "")) for e in answer.json().get("errors", ())]
    return [n for n in named if n == where or where.startswith(n + "/") or n.startswith(where + "/")]


def beyond_cases(scene, operation):
    schema, ids = scene.body_schema(operation), scene.ids(operation)
    base = ROWS[operation.name].body(scene.side(operation))
    if "issuers" in operation.name:
        base["jwks"] = {"keys": [JWK]}
    for path, leaf in scene.schemas.leaves(schema):
        for what, value in scene.schemas.beyond(leaf if path == () else leaf_of(scene, schema, path), ids):
            if not path and value is None:
                continue  # no body at all
            if not path and what == "an unknown member":
                value = {**base, "no_such_member": 1}
            yield path, what, place(scene.schemas, schema, base, path, value, ids) if path else value


def leaf_of(scene, schema, path):
    """The schema at a path with all its alternatives."""
    for part in path:
        one = scene.schemas.alternatives(schema)[0]
        schema = (
            one["items"]
            if part == "*" and "items" in one
            else one["additionalProperties"] if part == "*" else one["properties"][part]
        )
    return schema


def test_values_beyond_the_stated_limits_are_refused_where_they_stand(scene):
    cells, wrong, seen = 0, [], set()
    for operation in with_bodies(scene):
        for path, what, body in beyond_cases(scene, operation):
            where = pointer(path).replace("/labels/0", "/labels/team").replace("/limits/0", "/limits/jobs_queued")
            if (operation.name, where, what) in seen:
                continue
            seen.add((operation.name, where, what))
            cells += 1
            answer = scene.send(operation, body)
            if not path:  # the whole body: a scalar is no document, an array is no object
                good = answer.status in (400, 422)
            elif what in ("the greatest integer and one", "a huge number"):
                good = answer.status in (400, 422)
            elif len(str(body)) > 1 << 20:
                good = answer.status == 413
            else:
                good = answer.status == 422 and faults_at(answer, where)
            if not good or answer.status >= 500:
                wrong.append((operation.name, where, what, answer.status, answer.body[-300:]))
    print(f"\nbeyond the limits of bodies: {cells} requests, {len(wrong)} not refused where they stand")
    if wrong:
        pytest.fail("\n".join(map(str, wrong[:25])))
    assert cells > 500


def test_missing_members_are_named(scene):
    for operation in with_bodies(scene):
        base = ROWS[operation.name].body(scene.side(operation))
        for member in scene.schemas.resolve(scene.body_schema(operation)).get("required", ()):
            answer = scene.send(operation, {k: v for k, v in base.items() if k != member})
            assert answer.status == 422 and faults_at(answer, f"/{member}"), (operation.name, member, answer.body)


def test_values_at_the_stated_limits_are_taken(scene):
    """Or refused for another reason than their size, where RULES_BEYOND_SCHEMAS has one."""
    cells, wrong = 0, []
    for operation in with_bodies(scene):
        schema, ids = scene.body_schema(operation), scene.ids(operation)
        for path, leaf in scene.schemas.leaves(schema):
            for what, value in scene.schemas.within(leaf, ids) if path else ():
                side = scene.side(operation)
                base = ROWS[operation.name].body(side)
                answer = scene.send(operation, place(scene.schemas, schema, base, path, value, ids))
                cells += 1
                excused = set(path) & set(RULES_BEYOND_SCHEMAS)
                if counted_in_bytes(operation, path):
                    excused |= {"bytes"} if what.endswith("bytes a letter") else set()
                elif re.search(
                    rb"must (?:have|be) (?:at (?:most|least)|1 to) \d+ (?:bytes|characters)", answer.body
                ):
                    excused = set()
                if answer.status >= 500 or (answer.status == 422 and not excused):
                    wrong.append((operation.name, pointer(path), what, answer.status, answer.body[90:400]))
    print(f"\nat the limits of bodies: {cells} requests, {len(wrong)} refused or failed")
    if wrong:
        pytest.fail("\n".join(map(str, wrong[:25])))
    assert cells > 150


def parameters(scene, operation, kind):
    for parameter in operation.described["parameters"]:
        parameter = scene.schemas.resolve(parameter)
        if parameter["in"] == kind:
            yield parameter


def query_text(value):
    return (
        "true"
        if value is True
        else "null" if value is None else json.dumps(value) if isinstance(value, (dict, list)) else str(value)
    )


# Taken although the schema says otherwise, and why that is harmless.
TAKEN = {
    ("limit", "maximum and one beyond"): "more than a page is a page",
    ("offset", "maximum and one beyond"): "behind the log's end there is nothing",
    ("revoke_keys", "nothing"): "a flag may be given without a value",
    ("verbose", "nothing"): "a flag may be given without a value",
}


def test_query_parameters_beyond_their_limits_are_refused_by_name(scene):
    cells, wrong = 0, []
    for operation in scene.operations:
        for parameter in parameters(scene, operation, "query"):
            schema = parameter["schema"]
            for what, value in [*scene.schemas.beyond(schema, scene.ids(operation)), ("nothing", "")]:
                text = query_text(value)
                textual = "string" in scene.schemas.types(schema) and not any(
                    k in scene.schemas.resolve(schema) for k in ("enum", "pattern", "format")
                )
                if (textual and what.startswith("a ")) or (
                    what == "a number" and "number" in scene.schemas.types(schema)
                ):
                    continue  # text is text
                if what == "a boolean" and "true" in scene.schemas.resolve(schema).get("enum", ()):
                    continue
                name = parameter["name"]
                path = scene.path(operation) + f"?{name}={urllib.parse.quote(text, safe='')}"
                answer = scene.http.request(operation.method, path, scene.key(operation), None)
                cells += 1
                if answer.status != 400 or (
                    answer.problem() == "bad-parameter"
                    and not [e for e in answer.json()["errors"] if e.get("parameter") == name]
                ):
                    # A name that cannot exist finds nothing.
                    if (name, what) not in TAKEN and not (
                        name == "name" and answer.status == 200 and b'"data":[]' in answer.body
                    ):
                        wrong.append((operation.name, name, what, text[:60], answer.status, answer.body[:200]))
            twice = scene.http.request(
                operation.method,
                scene.path(operation) + f"?{parameter['name']}=1&{parameter['name']}=2",
                scene.key(operation),
                None,
            )
            cells += 1
            if twice.status != 400:
                wrong.append((operation.name, parameter["name"], "twice", twice.status))
    print(f"\nbeyond the limits of queries: {cells} requests, {len(wrong)} not refused by name")
    if wrong:
        pytest.fail("\n".join(map(str, wrong[:25])))
    assert cells > 150


# --- texts that are code elsewhere ---------------------------------------------------------------------------


def string_members(scene, operation):
    """Paths of all texts in the body, names of maps' members included."""
    schema = scene.body_schema(operation)
    found = (
        dict.fromkeys(
            path for path, leaf in scene.schemas.leaves(schema) if path and "string" in scene.schemas.types(leaf)
        )
        if schema
        else {}
    )
    return list(found)


def shots(scene):
    """(operation, where, function(text) -> path, body, headers) for everything that takes a text."""
    for operation in scene.operations:
        row = ROWS[operation.name]
        if row.fresh and operation.permission.startswith("tenants:"):
            stable = dict(scene.platform.ids)  # what is shot at an operator's own ids must not come through
        else:
            stable = scene.side(operation).ids
        known = {p: stable.get(p, access.random_id(PREFIXES.get(p, "usr"))) for p in operation.places}
        schema, ids = scene.body_schema(operation), scene.ids(operation)
        for name in operation.places:
            yield operation, f"{{{name}}}", lambda t, o=operation, k=known, n=name: (
                fill(o.path, {**k, n: urllib.parse.quote(t.encode("utf-8", "surrogatepass"), safe="")}),
                None,
                None,
            )
        for parameter in parameters(scene, operation, "query"):
            yield operation, f"?{parameter['name']}", lambda t, o=operation, k=known, n=parameter["name"]: (
                fill(o.path, k) + f"?{n}=" + urllib.parse.quote(t.encode("utf-8", "surrogatepass"), safe=""),
                None,
                None,
            )
        for path in string_members(scene, operation):
            yield operation, pointer(path), lambda t, o=operation, r=row, p=path, s=schema, i=ids: (
                None,
                place(scene.schemas, s, r.body(scene.side(o)), p, t, i),
                None,
            )
        # "If-Match: *" is no injection: what would be deleted stays.
        for parameter in parameters(scene, operation, "header") if not row.fresh else ():
            yield operation, parameter["name"], lambda t, o=operation, k=known, n=parameter["name"]: (
                fill(o.path, k),
                None,
                {
                    n: re.sub(r"[\x00-\x1f\x7f\r\n]", " ", t)[:2000]
                    .encode("utf-8", "surrogatepass")
                    .decode("latin-1")
                },
            )


TABLES = {
    "POST /v1/projects": "project",
    "POST /v1/users": "tenant_user",
    "POST /v1/roles": "role",
    "POST /v1/keys": "api_key",
    "POST /v1/issuers": "issuer",
    "POST /v1/role-assignments": "role_assignment",
    "POST /v1/jobs": "job",
    "POST /simulate": "job",
}


def counts(scene):
    return {
        table: scene.world.database.value(
            f"select count(*) from {table} where tenant_id = %s", str(scene.a.tenant.uuid)
        )
        for table in set(TABLES.values())
    }


def echo_of(doc, where):
    """The member of an answer that is what was sent."""
    for part in where.strip("/").split("/"):
        doc = (
            doc[int(part)]
            if isinstance(doc, list) and part.isdigit() and int(part) < len(doc)
            else doc.get(part) if isinstance(doc, dict) else None
        )
    return doc


def side_effects(scene, operation, where, text, answer):
    """What is wrong with an answer to a text."""
    if answer.status >= 500:
        yield "fails"
    # Lists show what was sent before.
    if (
        answer.status >= 400
        and INSIDES.search(answer.body)
        and not INSIDES.search(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    ):
        yield "tells of the server's insides"
    if b"\r" in answer.body or any("\n" in v or "\r" in v for v in answer.headers.values()):
        yield "has a bare line break where none belongs"
    if (
        answer.status in (200, 201)
        and where.startswith("/")
        and operation.method in ("POST", "PATCH")
        and where not in ("/project", "/roles/0/role")
    ):
        shown = echo_of(answer.json(), where)
        if isinstance(shown, str) and shown != text and shown != text.strip():
            yield f"keeps {shown!r}"


def test_no_text_is_taken_for_code(scene):
    assert len(ALL) >= 500
    fields = list(shots(scene))
    each = len(ALL) if NIGHTLY else 100
    before, made, total, wrong = counts(scene), collections.Counter(), collections.Counter(), []
    tables = scene.world.database.tables()
    for i, (operation, where, build) in enumerate(fields):
        for text in (ALL[(i * each + j) % len(ALL)] for j in range(each)):
            path, body, headers = build(text)
            answer = scene.send(operation, body, path, headers)
            total[answer.status] += 1
            wrong += [
                (operation.name, where, text[:60], fault, answer.status, answer.body[:300])
                for fault in side_effects(scene, operation, where, text, answer)
            ]
            if (
                answer.status in (201, 202)
                and operation.name in TABLES
                and "idempotency-replayed" not in answer.headers
            ):
                made[TABLES[operation.name]] += 1
                if operation.name == "POST /v1/issuers":
                    scene.http.request("DELETE", f"/v1/issuers/{answer.json()['id']}", scene.a.tenant.owner)
                    made["issuer"] -= 1
    after = counts(scene)
    print(
        f"\ninjections: {len(ALL)} texts, {len(fields)} places, {sum(total.values())} requests, "
        f"answers {dict(sorted(total.items()))}, {len(wrong)} wrong"
    )
    if wrong:
        pytest.fail("\n".join(map(str, wrong[:25])))
    assert scene.world.database.tables() == tables
    assert len(fields) > 150
    assert scene.http.request("GET", "/readyz").status == 200
    helpers = {table: after[table] - before[table] - made[table] for table in after}
    # Users that rows made to be asked about, and nothing else.
    assert {t: n for t, n in helpers.items() if n and t != "tenant_user"} == {"role_assignment": 0} or not any(
        n for t, n in helpers.items() if t not in ("tenant_user", "role_assignment", "api_key")
    ), helpers


def test_what_was_sent_is_what_is_kept(scene):
    """A name that is taken comes back letter for letter, in the resource, in lists and in the log."""
    owner, kept = scene.a.tenant.owner, 0
    for text in ALL[:: 1 if NIGHTLY else 4]:
        answer = scene.http.request("POST", "/v1/projects", owner, {"name": scene.a.unique("kept"), "title": text})
        assert answer.status in (201, 400, 422), (text, answer.body)
        if answer.status == 201:
            kept += 1
            path = "/v1/projects/" + answer.json()["id"]
            shown = scene.http.json("GET", path, owner)["title"]
            assert shown in (text, text.strip()), (text, shown)
            stored = scene.world.database.value(
                "select title from project where project_id = %s", str(access.uuid_of(answer.json()["id"]))
            )
            assert stored == shown
    assert kept > 40


# --- JSON ----------------------------------------------------------------------------------------------------


def post_raw(scene, body):
    return scene.http.request("POST", "/v1/access/check", scene.a.tenant.owner, body)


def test_json_is_read_as_the_standard_says(scene):
    wrong = []
    for expected, texts in (("valid", RIGHT), ("refused", [*WRONG, *LEFT_OUT])):
        for text in texts:
            for wrapped in (text, b'{"permission":' + text + b"}"):
                answer = post_raw(scene, wrapped)
                code = answer.problem()
                if expected == "valid" and wrapped.strip()[:1] in (b"{", b"["):
                    good = answer.status == 422 and code == "invalid-field"
                elif expected == "valid":  # a scalar is no document
                    good = answer.status == 400 and b"expected" in answer.body
                else:
                    good = answer.status == 400 and code == "bad-json"
                if not good:
                    wrong.append((expected, wrapped[:60], answer.status, code))
    n = 2 * (len(RIGHT) + len(WRONG) + len(LEFT_OUT))
    print(
        f"\nJSON: {len(RIGHT)} right, {len(WRONG)} wrong, {len(LEFT_OUT)} refused on purpose, {n} requests, {len(wrong)} otherwise"
    )
    assert len(RIGHT) + len(WRONG) + len(LEFT_OUT) >= 150
    if wrong:
        pytest.fail("\n".join(map(str, wrong[:25])))


@pytest.mark.parametrize("depth,status", [(20, 422), (500, 400), (100_000, 400), (400_000, 400)])
def test_depth_is_bounded(scene, depth, status):
    if depth > 16_000:  # larger than the endpoint takes at all
        status = 413
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        answer = post_raw(scene, b'{"permission":' + opening * depth + b"1" + closing * depth + b"}")
        assert answer.status == status, answer.body[:300]


@pytest.mark.parametrize(
    "body", [b"", b"\x00", b"\xff" * 100, b"{" * 10_000, b'{"permission":"job:read"}' + b" " * 60_000]
)
def test_bodies_that_are_no_documents(scene, body):
    answer = post_raw(scene, body)
    assert answer.status in (200, 400, 413), answer.body[:300]
    assert (answer.status == 200) == body.startswith(b'{"permission"')
