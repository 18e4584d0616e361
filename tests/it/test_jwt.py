# SPDX-License-Identifier: Apache-2.0
"""Tokens against the running daemon: those of a tenant's issuer and the daemon's own, forged in every
way that is known; what the right ones may do; and how they end."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

pytest.importorskip("jwcrypto", reason="python3-jwcrypto is not installed")

from cryptography.hazmat.primitives import serialization
from jwcrypto import jwk as jose_jwk
from jwcrypto import jwt as jose_jwt

import access
import wardian
from jwt_cases import URL, forgeries
from jwt_forge import ALGORITHMS, Key, b64, claims, other_half, signed, unb64

RULES = [
    {"claim": "groups", "value": "sim-admins", "role": "admin"},
    {"claim": "groups", "value": "sim-engineers", "role": "engineer"},
    {"claim": "realm_access.roles", "value": "look", "role": "viewer"},
    {"claim": "level", "value": 7, "role": "auditor"},
    {"claim": "contractor", "value": True, "role": "billing"},
]


class Scene:
    """A tenant with an issuer of its own, a key of each algorithm, and a neighbour."""

    def __init__(self):
        self.daemon = wardian.Daemon([*access.NO_LIMITS]).start()
        try:
            self.world = access.World(self.daemon)
            self.http = self.world.http
            self.a, self.b = self.world.tenant("alpha"), self.world.tenant("beta")
            self.keys = {alg: Key(alg) for alg in ALGORITHMS}
            self.stranger = Key("ES256", "es256")
            self.project = self.a.project()
            self.own_role = self.a.role("job:read")[1]
            rules = [
                *RULES,
                {"claim": "team", "value": "wing", "role": "engineer", "project": self.project},
                {"claim": "own", "value": "yes", "role": self.own_role},
            ]
            self.issuer = self.a.post(
                "/v1/issuers",
                {
                    "name": "idp",
                    "url": URL,
                    "jwks": {"keys": [k.jwk() for k in self.keys.values()]},
                    "rules": rules,
                },
            )
            self.audience = self.issuer["audience"]
            pem = (self.daemon.state / "token.key").read_bytes()
            private = serialization.load_pem_private_key(pem[pem.index(b"-----BEGIN") :], None)
            kid = self.http.json("GET", "/.well-known/jwks.json")["keys"][0]["kid"]
            self.daemon_key = Key("ES256", kid, private)
            self.owner = self.http.json("POST", "/v1/auth/token", self.a.owner, {})["access_token"]
            self.own_claims = json.loads(unb64(self.owner.split(".")[1]))
        except BaseException:
            self.daemon.destroy()
            raise

    def claims(self, **more):
        """Of the issuer's tokens."""
        return claims(URL, self.audience, **{"groups": ["sim-admins"], **more})

    def token(self, alg="ES256", **more):
        return signed(self.keys[alg], self.claims(**more))

    def permissions(self, token):
        return self.http.json("GET", "/v1/me/permissions", token)

    def close(self):
        self.world.close()
        self.daemon.destroy()


@pytest.fixture(scope="module")
def scene():
    made = Scene()
    yield made
    made.close()


class Connects:
    """Outbound connections of the daemon while the block runs, told by strace."""

    def __init__(self, daemon, path):
        self.pid, self.path = daemon.process.pid, path

    def __enter__(self):
        self.strace = subprocess.Popen(
            ["strace", "-f", "-qq", "-e", "trace=connect", "-o", str(self.path), "-p", str(self.pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        time.sleep(0.5)
        if self.strace.poll() is not None:
            pytest.skip("strace may not attach here: " + self.strace.stderr.read().decode()[:200])
        tracer = re.search(r"TracerPid:\s*(\d+)", pathlib.Path(f"/proc/{self.pid}/status").read_text())[1]
        assert tracer == str(self.strace.pid)
        return self

    def __exit__(self, *failure):
        self.strace.send_signal(signal.SIGINT)
        self.strace.wait(10)
        lines = [line for line in self.path.read_text().splitlines() if "connect(" in line]
        self.database = [line for line in lines if "AF_UNIX" in line]
        self.elsewhere = [line for line in lines if "AF_UNIX" not in line]


def test_the_tokens_that_the_forgeries_start_from_are_taken(scene):
    assert scene.http.request("GET", "/v1/me", scene.token()).status == 200
    assert scene.http.request("GET", "/v1/me", scene.owner).status == 200
    again = signed(scene.daemon_key, {**scene.own_claims, "jti": access.random_id("tok")})
    assert scene.http.request("GET", "/v1/me", again).status == 200, "the cases with the daemon's key prove nothing"


def test_every_forgery_gets_the_same_401(scene):
    bodies, taken, slow, n = set(), [], [], 0
    for name, token in forgeries(scene):
        header = {"Authorization": "Bearer " + token}
        started = time.monotonic()
        answer = scene.http.request("GET", "/v1/me", headers=header)
        slow.append(time.monotonic() - started)
        n += 1
        if answer.status != 401:
            taken.append((name, answer.status, answer.body[:200]))
        bodies.add(access.without_variables(answer))
    slow.sort()
    print(
        f"\nforged tokens: {n - len(taken)} of {n} refused, {len(bodies)} different answers, "
        f"median {slow[n // 2] * 1000:.2f} ms, longest {slow[-1] * 1000:.1f} ms"
    )
    assert not taken, taken
    assert n >= 48 and len(bodies) == 1, bodies


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_forgery_makes_the_daemon_connect_to_anything(scene, tmp_path):
    with Connects(scene.daemon, tmp_path / "strace") as connects:
        for _, token in forgeries(scene):
            assert scene.http.request("GET", "/v1/me", headers={"Authorization": "Bearer " + token}).status == 401
        # What strace would not see proves nothing: the daemon's own database is such a connection.
        scene.world.database.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename like 'wardian_%%' "
            "and usename <> 'wardian_admin'"
        )
        wardian.wait_for(
            lambda: scene.http.request("GET", "/v1/me", scene.token()).status == 200, 10, "the database is back"
        )
    assert connects.database
    assert connects.elsewhere == []


def test_tokens_are_taken_from_the_header_alone(scene):
    token = scene.token()
    for path in (f"/v1/me?access_token={token}", f"/v1/me?token={token}"):
        assert scene.http.request("GET", path).status == 401
    for name in ("Cookie", "X-Api-Key", "X-Access-Token", "Proxy-Authorization"):
        assert scene.http.request("GET", "/v1/me", headers={name: f"Bearer {token}"}).status == 401


# --- right tokens ----------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_tokens_of_each_algorithm_are_taken_when_another_implementation_signs_them(scene, alg):
    key = scene.keys[alg]
    pem = key.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    token = jose_jwt.JWT(header={"alg": alg, "kid": key.kid, "typ": "JWT"}, claims=scene.claims())
    token.make_signed_token(jose_jwk.JWK.from_pem(pem))
    me = scene.http.json("GET", "/v1/me", token.serialize())
    assert (me["tenant_id"], me["credential"]["type"]) == (scene.a.id, "issuer")
    assert me["user"] is None and me["key_id"] is None


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "JWT", "jwt", None])
def test_the_types_that_issuers_write_are_taken(scene, typ):
    assert scene.http.request("GET", "/v1/me", signed(scene.keys["ES256"], scene.claims(), typ=typ)).status == 200


def test_an_audience_may_be_one_of_several(scene):
    assert scene.http.request("GET", "/v1/me", scene.token(aud=["other", scene.audience])).status == 200


@pytest.mark.parametrize(
    "given,roles",
    [
        ({"groups": ["x", "sim-admins"]}, {"admin"}),
        ({"groups": "sim-engineers"}, {"engineer"}),
        ({"groups": ["sim-engineers"], "level": 7}, {"engineer", "auditor"}),
        ({"groups": [], "realm_access": {"roles": ["look"]}}, {"viewer"}),
        ({"groups": [], "contractor": True}, {"billing"}),
    ],
)
def test_claims_become_roles(scene, given, roles):
    expected = {p for p in access.PERMISSIONS if any(access.role_may(role, p) for role in roles)}
    found = scene.permissions(scene.token(**given))
    assert set(found["everywhere"]) == expected and found["projects"] == []


@pytest.mark.parametrize(
    "given",
    [
        {"groups": ["sim-admin"]},
        {"groups": ["SIM-ADMINS"]},
        {"groups": {"sim-admins": True}},
        {"groups": [["sim-admins"]]},
        {"level": "7"},
        {"level": 7.5},
        {"level": [8]},
        {"contractor": "true"},
        {"contractor": 1},
        {"realm_access": ["look"]},
        {"realm_access.role": "look"},
        {"level": True},
    ],
)
def test_claims_that_nearly_fit_a_rule_open_nothing(scene, given):
    assert scene.http.request("GET", "/v1/me", scene.token(**{"groups": [], **given})).status == 401


def test_rules_for_a_project_and_for_a_role_of_ones_own(scene):
    found = scene.permissions(scene.token(groups=[], team="wing"))
    assert found["everywhere"] == []
    assert found["projects"] == [
        {
            "project": scene.project,
            "permissions": sorted(
                (
                    p
                    for p in access.PERMISSIONS
                    if access.role_may("engineer", p) and access.PERMISSIONS[p][0] == "project"
                ),
                key=list(access.PERMISSIONS).index,
            ),
        }
    ]
    assert scene.permissions(scene.token(groups=[], own="yes"))["everywhere"] == ["job:read"]


def test_a_linked_user_brings_its_own_roles_and_its_end(scene):
    user = scene.a.post(
        "/v1/users",
        {
            "name": "carol",
            "kind": "person",
            "issuer": scene.issuer["id"],
            "subject": "carol",
            "roles": [{"role": "billing"}],
        },
    )["id"]
    token = scene.token(sub="carol", groups=[])
    assert set(scene.permissions(token)["everywhere"]) == {
        p for p in access.PERMISSIONS if access.role_may("billing", p)
    }
    assert scene.http.json("GET", "/v1/me", token)["user"]["id"] == user
    scene.http.json("PATCH", f"/v1/users/{user}", scene.a.owner, {"disabled": True})
    assert scene.http.request("GET", "/v1/me", token).status == 401


# --- whose issuer ------------------------------------------------------------------------------------


def test_the_issuer_of_one_tenant_never_opens_another(scene):
    mine = Key("ES256", "es256")
    theirs = scene.b.post(
        "/v1/issuers", {"name": "idp", "url": URL, "jwks": {"keys": [mine.jwk()]}, "rules": RULES}
    )
    for key in (mine, scene.keys["ES256"]):
        for audience in (scene.audience, theirs["audience"], [scene.audience, theirs["audience"]]):
            answer = scene.http.request("GET", "/v1/me", signed(key, claims(URL, audience, groups=["sim-admins"])))
            right = (key is mine and audience == theirs["audience"]) or (
                key is not mine and audience == scene.audience
            )
            assert answer.status == (200 if right else 401), (key is mine, audience)
            assert not right or answer.json()["tenant_id"] == (scene.b if key is mine else scene.a).id
    # An audience that is A's own, taken by B with a claim that names B: A's tokens are as before.
    evil = scene.http.request(
        "POST",
        "/v1/issuers",
        scene.b.owner,
        {
            "name": "evil",
            "url": URL,
            "audience": scene.audience,
            "tenant_claim": "tid",
            "jwks": {"keys": [mine.jwk()]},
            "rules": [{"claim": "*", "role": "viewer"}],
        },
    )
    assert evil.status in (201, 422)
    assert scene.http.json("GET", "/v1/me", scene.token())["tenant_id"] == scene.a.id
    for more in ({"tid": scene.a.id}, {"tid": scene.b.id}, {}):
        forged = signed(mine, scene.claims(**more))
        answer = scene.http.request("GET", "/v1/me", forged)
        assert answer.status == 401 or answer.json()["tenant_id"] == scene.b.id


def test_a_tenant_claim_binds_a_shared_audience(scene):
    key = Key("EdDSA", "shared")
    ids = {}
    for tenant in (scene.a, scene.b):
        ids[tenant.id] = tenant.post(
            "/v1/issuers",
            {
                "name": "shared",
                "url": "https://shared.example.com",
                "audience": "simulations",
                "tenant_claim": "org.id",
                "jwks": {"keys": [key.jwk()]},
                "rules": [{"claim": "*", "role": "viewer"}],
            },
        )["id"]
    for tenant in (scene.a, scene.b):
        token = signed(key, claims("https://shared.example.com", "simulations", org={"id": tenant.id}))
        assert scene.http.json("GET", "/v1/me", token)["tenant_id"] == tenant.id
    for org in ({}, {"id": "x"}, {"id": [scene.a.id]}, {"id": scene.a.id.upper()}, [scene.a.id]):
        token = signed(key, claims("https://shared.example.com", "simulations", org=org))
        assert scene.http.request("GET", "/v1/me", token).status == 401, org


def test_a_changed_issuer_ends_its_tokens_at_once(scene):
    key, other = Key("ES256", "first"), Key("ES256", "second")
    made = scene.a.post(
        "/v1/issuers",
        {
            "name": "changing",
            "url": "https://changing.example.com",
            "jwks": {"keys": [key.jwk()]},
            "rules": [{"claim": "*", "role": "admin"}],
        },
    )
    token = signed(key, claims("https://changing.example.com", made["audience"]))
    assert scene.http.request("GET", "/v1/users", token).status == 200
    path = f"/v1/issuers/{made['id']}"
    scene.http.json("PATCH", path, scene.a.owner, {"rules": [{"claim": "*", "role": "billing"}]})
    assert scene.http.request("GET", "/v1/users", token).status == 403
    scene.http.json("PATCH", path, scene.a.owner, {"jwks": {"keys": [other.jwk()]}})
    assert scene.http.request("GET", "/v1/me", token).status == 401
    fresh = signed(other, claims("https://changing.example.com", made["audience"]))
    assert scene.http.request("GET", "/v1/me", fresh).status == 200
    scene.http.json("PATCH", path, scene.a.owner, {"disabled": True})
    assert scene.http.request("GET", "/v1/me", fresh).status == 401
    scene.http.json("PATCH", path, scene.a.owner, {"disabled": False})
    assert scene.http.request("GET", "/v1/me", fresh).status == 200
    assert scene.http.request("DELETE", path, scene.a.owner).status == 204
    assert scene.http.request("GET", "/v1/me", fresh).status == 401


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k", "alg": "HS256"},
        {"kty": "RSA", "n": b64(b"\xc5" + os.urandom(126) + b"\x01"), "e": "AQAB", "kid": "k", "alg": "RS256"},
        {"kty": "EC", "crv": "P-256", "x": b64(bytes(31) + b"\x05"), "y": b64(bytes(31) + b"\x07"), "kid": "k"},
        {"kty": "EC", "crv": "secp256k1", "x": b64(bytes(32)), "y": b64(bytes(32)), "kid": "k"},
        {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(32)), "kid": "k"},
        {"kty": "RSA"},
        {},
    ],
)
def test_keys_that_prove_nothing_are_refused_when_registered(scene, jwk):
    answer = scene.http.request(
        "POST",
        "/v1/issuers",
        scene.a.owner,
        {
            "name": "weak",
            "url": "https://weak.example.com",
            "jwks": {"keys": [jwk]},
            "rules": [{"claim": "*", "role": "viewer"}],
        },
    )
    assert (answer.status, answer.problem()) == (422, "invalid-field")
    assert all(fault["pointer"].startswith("/jwks") for fault in answer.json()["errors"])


def test_private_keys_are_refused_and_nowhere_kept(scene):
    private = json.loads(jose_jwk.JWK.generate(kty="EC", crv="P-256", kid="p", alg="ES256").export_private())
    answer = scene.http.request(
        "POST",
        "/v1/issuers",
        scene.a.owner,
        {
            "name": "private",
            "url": "https://p.example.com",
            "jwks": {"keys": [private]},
            "rules": [{"claim": "*", "role": "viewer"}],
        },
    )
    assert answer.status == 422
    assert private["d"].encode() not in answer.body and private["d"] not in scene.daemon.log()


# --- the daemon's own --------------------------------------------------------------------------------


def test_a_token_never_has_more_than_its_key_has_now(scene):
    user = scene.a.user("engineer")
    key_id, key = scene.a.key_of(user)
    token = scene.http.json("POST", "/v1/auth/token", key, {"scopes": ["job:read", "user:delete"]})
    assert token["scope"] == "job:read"
    assert scene.permissions(token["access_token"])["everywhere"] == ["job:read"]
    whole = scene.http.json("POST", "/v1/auth/token", key, {})["access_token"]
    assert set(scene.permissions(whole)["everywhere"]) == {
        p for p in access.PERMISSIONS if access.role_may("engineer", p)
    }
    assignment = scene.http.json("GET", f"/v1/role-assignments?user={user}", scene.a.owner)["data"][0]["id"]
    assert scene.http.request("DELETE", f"/v1/role-assignments/{assignment}", scene.a.owner).status == 204
    assert scene.permissions(whole)["everywhere"] == []
    assert scene.http.request("DELETE", f"/v1/keys/{key_id}", scene.a.owner).status == 204
    assert scene.http.request("GET", "/v1/me", whole).status == 401


def test_a_token_of_scopes_that_the_key_lacks_opens_nothing(scene):
    key = scene.a.credential("billing")
    answer = scene.http.request("POST", "/v1/auth/token", key, {"scopes": ["user:delete"]})
    if answer.status == 201:
        assert answer.json()["scope"] == ""
        assert scene.permissions(answer.json()["access_token"])["everywhere"] == []
    else:
        assert answer.status in (403, 422)


def test_a_revoked_token_is_refused_in_both_its_forms(scene):
    made = scene.http.json("POST", "/v1/auth/token", scene.a.owner, {"expires_in_s": 60})
    token, twin = made["access_token"], other_half(made["access_token"])
    assert scene.http.request("GET", "/v1/me", token).status == 200
    assert scene.http.request("POST", "/v1/auth/revoke", token).status == 204
    for text in (token, twin):
        assert scene.http.request("GET", "/v1/me", text).status == 401
    assert scene.http.request("GET", "/v1/me", scene.owner).status == 200, "another token of the key goes on"


def test_tokens_are_not_exchanged_for_tokens(scene):
    for token in (scene.owner, scene.token()):
        assert scene.http.request("POST", "/v1/auth/token", token, {}).status == 403


@pytest.mark.parametrize(
    "body",
    [
        {"expires_in_s": 59},
        {"expires_in_s": 3601},
        {"expires_in_s": 0},
        {"expires_in_s": "60"},
        {"scopes": []},
        {"scopes": ["no:such"]},
        {"scopes": "job:read"},
        {"x": 1},
    ],
)
def test_the_limits_of_an_exchange(scene, body):
    assert scene.http.request("POST", "/v1/auth/token", scene.a.owner, body).status == 422


def test_suspended_tenants_tokens_say_so_and_come_back(scene):
    tenant = scene.world.tenant("sleeper")
    key = Key("ES256", "k")
    audience = tenant.post(
        "/v1/issuers",
        {
            "name": "i",
            "url": "https://s.example.com",
            "jwks": {"keys": [key.jwk()]},
            "rules": [{"claim": "*", "role": "viewer"}],
        },
    )["audience"]
    tokens = [
        scene.http.json("POST", "/v1/auth/token", tenant.owner, {})["access_token"],
        signed(key, claims("https://s.example.com", audience)),
    ]
    scene.world.suspend(tenant, "unpaid bills")
    for token in (*tokens, tenant.owner):
        answer = scene.http.request("GET", "/v1/me", token)
        assert (answer.status, answer.problem()) == (403, "tenant-suspended")
        assert "unpaid bills" in answer.json()["detail"]
    scene.world.resume(tenant)
    for token in (*tokens, tenant.owner):
        assert scene.http.request("GET", "/v1/me", token).status == 200
