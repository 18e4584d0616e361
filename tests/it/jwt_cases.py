# SPDX-License-Identifier: Apache-2.0
"""Tokens that must be refused: (what is wrong, token) of a scene with a tenant's issuer, its keys, the
daemon's own key and a token of its own."""
import json
import time

import access
from jwt_forge import b64, compact, hmac_signed, signed, unb64, with_payload

URL = "https://id.example.com/realms/sim"


def header_cases(s):
    """The issuer's ES256 key signs, whatever the header says."""
    k = s.keys["ES256"]
    for value in (
        "none",
        "None",
        "nOnE",
        "es256",
        "ES256 ",
        "",
        None,
        256,
        ["ES256"],
        "HS256",
        "ES512",
        "ES256K",
        "dir",
    ):
        yield f"alg {value!r}", (
            signed(k, s.claims(), alg=value) if value is not None else signed(k, s.claims(), alg=None)
        )
    for name, value in (
        ("crit", ["b64"]),
        ("crit", []),
        ("b64", False),
        ("zip", "DEF"),
        ("enc", "A128GCM"),
        ("cty", "JWT"),
        ("jku", "http://127.0.0.1:9/jwks"),
        ("jku", "file:///etc/passwd"),
        ("x5u", "http://127.0.0.1:9/pem"),
        ("x5c", ["MIIB"]),
        ("jwk", s.stranger.jwk()),
    ):
        yield f"{name} {str(value)[:24]}", signed(s.stranger if name == "jwk" else k, s.claims(), {name: value})
    for value in (
        "../../../../dev/null",
        "x' or '1'='1",
        "es256|sleep 9",
        "es257",
        "ES256",
        "",
        0,
        ["es256"],
        "k" * 129,
        "es256\0x",
        None,
    ):
        yield f"kid {str(value)[:20]!r}", signed(k, s.claims(), kid=value)
    for value in ("logout+jwt", 1, ["at+jwt"], "at+jwt ", "text/at+jwt", "JWE"):
        yield f"typ {value!r}", signed(k, s.claims(), typ=value)
    yield "alg twice", compact('{"alg":"ES256","kid":"es256","typ":"at+jwt","alg":"ES256"}', s.claims(), k.sign)
    yield "alg twice, escaped", compact(
        '{"alg":"ES256","kid":"es256","typ":"at+jwt","\\u0061lg":"none"}', s.claims(), k.sign
    )
    yield "header an array", compact("[]", s.claims(), k.sign)


def confusion_cases(s):
    """The right kid with another algorithm or another key."""
    rs, ec = s.keys["RS256"], s.keys["ES256"]
    for kid, alg, signer, how in (
        ("rs256", "PS256", rs, "PS256"),
        ("rs256", "RS384", rs, "RS384"),
        ("rs256", "RS512", rs, "RS512"),
        ("ps256", "RS256", s.keys["PS256"], "RS256"),
        ("ps256", "PS256", s.keys["PS256"], "RS256"),
        ("rs256", "RS256", rs, "PS256"),
        ("es256", "ES384", ec, None),
        ("es384", "ES256", s.keys["ES384"], None),
        ("es256", "ES256", s.keys["ES384"], None),
        ("es256", "EdDSA", s.keys["EdDSA"], None),
        ("eddsa", "ES256", ec, None),
        ("es256", "ES256", s.stranger, None),
        ("es256", "RS256", rs, None),
    ):
        text = compact(
            {"alg": alg, "kid": kid, "typ": "at+jwt"}, s.claims(), lambda d, k=signer, h=how: k.sign(d, h)
        )
        yield f"{alg} for {kid}, signed by {signer.kid} as {how}", text
    for kid, secret in (
        ("rs256", rs.public_pem()),
        ("es256", ec.public_pem()),
        ("rs256", json.dumps(rs.jwk()).encode()),
        ("es256", b""),
        ("es256", b"secret"),
    ):
        yield f"HS256 with {secret[:12]!r} of {kid}", hmac_signed(
            {"alg": "HS256", "kid": kid, "typ": "at+jwt"}, s.claims(), secret
        )
    yield "RS256 header over an HMAC", hmac_signed(
        {"alg": "RS256", "kid": "rs256", "typ": "at+jwt"}, s.claims(), rs.public_pem()
    )


def form_cases(s):
    """What is left of a right token."""
    right = s.token()
    head, payload, signature = right.split(".")
    raw = unb64(signature)
    yield from (
        ("no signature", f"{head}.{payload}."),
        ("two parts", f"{head}.{payload}"),
        ("four parts", right + ".x"),
        ("five parts", right + ".x.y"),
        ("no payload", f"{head}..{signature}"),
        ("no header", f".{payload}.{signature}"),
        ("only dots", ".."),
        ("padding", right + "=="),
        ("text behind", right + "!!!!"),
        ("standard alphabet", f"{head}.{payload}.{signature[:-2]}+/"),
        ("cut signature", right[:-4]),
        ("longer signature", right + "AAAA"),
        ("signature of nothing but zeros", f"{head}.{payload}.{b64(bytes(64))}"),
        ("r of zero", f"{head}.{payload}.{b64(bytes(32) + raw[32:])}"),
        (
            "s of the order",
            f"{head}.{payload}.{b64(raw[:32] + bytes.fromhex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'))}",
        ),
        ("DER in place of r and s", f"{head}.{payload}.{b64(b'0D' + raw)}"),
        ("the payload of another token", f"{head}.{s.token(sub='bob').split('.')[1]}.{signature}"),
        ("the header of another token", f"{s.token('ES384').split('.')[0]}.{payload}.{signature}"),
        ("8,193 bytes", signed(s.keys["ES256"], s.claims(pad="x" * 6000))),
        ("alg none, no signature", b64('{"alg":"none"}') + "." + payload + "."),
    )


def payload_cases(s):
    """Signed by the right key, and yet not for us, or not now."""
    now, k = int(time.time()), s.keys["ES256"]
    for name, value in (
        ("iss", "https://evil.example.com"),
        ("iss", URL + "/"),
        ("iss", URL.upper()),
        ("iss", None),
        ("iss", ""),
        ("iss", [URL]),
        ("aud", "wardian"),
        ("aud", None),
        ("aud", []),
        ("aud", ["x", 1]),
        ("aud", s.audience.upper()),
        ("aud", f"wardian:{s.b.id}"),
        ("aud", [[s.audience]]),
        ("aud", {s.audience: 1}),
        ("sub", None),
        ("sub", ""),
        ("sub", 7),
        ("sub", "s" * 256),
        ("exp", None),
        ("exp", str(now + 600)),
        ("exp", now + 600.5),
        ("exp", 1),
        ("exp", now - 61),
        ("exp", now + 25 * 3600),
        ("exp", (now + 600) * 1000),
        ("exp", -1),
        ("exp", True),
        ("nbf", now + 120),
        ("nbf", "0"),
        ("nbf", -1),
        ("iat", now + 120),
        ("iat", "x"),
        ("iat", now - 25 * 3600),
    ):
        yield f"{name} {str(value)[:24]}", signed(k, s.claims(**{name: value}))
    body = json.dumps(s.claims())
    yield "a claim twice", compact(
        {"alg": "ES256", "kid": "es256", "typ": "at+jwt"}, body[:-1] + ',"sub":"bob"}', k.sign
    )
    yield "payload an array", compact({"alg": "ES256", "kid": "es256", "typ": "at+jwt"}, "[]", k.sign)
    yield "payload not JSON", compact({"alg": "ES256", "kid": "es256", "typ": "at+jwt"}, "sub=alice", k.sign)
    yield "nested 500,000 deep", compact(
        {"alg": "ES256", "kid": "es256", "typ": "at+jwt"}, "[" * 2500 + "]" * 2500, k.sign
    )
    yield "nobody's claims", signed(k, s.claims(groups=["others"]))
    yield "groups as one text", signed(k, s.claims(groups="sim-admins,others"))


def own_cases(s):
    """The daemon's own tokens: changed, and signed anew with the daemon's very key."""
    key, own = s.daemon_key, s.own_claims
    other = s.http.json("POST", "/v1/auth/token", s.b.owner, {})["access_token"]
    head, payload, signature = s.owner.split(".")
    yield from (
        ("another tenant named", with_payload(s.owner, lambda c: c.update(ten=s.b.id))),
        ("another key named", with_payload(s.owner, lambda c: c.update(key=s.b.owner_key_id))),
        ("a longer life", with_payload(s.owner, lambda c: c.update(exp=c["exp"] + 60))),
        ("a support access added", with_payload(s.owner, lambda c: c.update(sup=access.random_id("sup")))),
        ("B's payload under A's signature", f"{head}.{other.split('.')[1]}.{signature}"),
        ("alg none", b64('{"alg":"none","typ":"at+jwt"}') + f".{payload}."),
        (
            "HS256 with the public key",
            hmac_signed({"alg": "HS256", "kid": key.kid, "typ": "at+jwt"}, own, key.public_pem()),
        ),
        ("signed by a stranger", compact({"alg": "ES256", "kid": key.kid, "typ": "at+jwt"}, own, s.stranger.sign)),
        (
            "signed by A's issuer",
            compact({"alg": "ES256", "kid": "es256", "typ": "at+jwt"}, own, s.keys["ES256"].sign),
        ),
        (
            "the daemon's key as an issuer's",
            compact({"alg": "ES256", "kid": key.kid, "typ": "at+jwt"}, s.claims(), key.sign),
        ),
    )
    for name, change in (
        ("key of another tenant", {"key": s.b.owner_key_id}),
        ("tenant of another key", {"ten": s.b.id}),
        ("unknown key", {"key": access.random_id("key")}),
        ("no key", {"key": None}),
        ("no tenant", {"ten": None}),
        ("no jti", {"jti": None}),
        ("jti of another type", {"jti": own["key"]}),
        ("expired", {"exp": int(time.time()) - 61}),
        ("longer than an hour", {"exp": own["iat"] + 3700}),
        ("aud another", {"aud": "other"}),
        ("no exp", {"exp": None}),
        ("scope a number", {"scope": 1}),
        ("unknown support access", {"sup": access.random_id("sup")}),
        ("unknown tenant", {"ten": access.random_id("ten")}),
        ("no subject", {"sub": None}),
    ):
        made = {k: v for k, v in {**own, **change}.items() if v is not None}
        yield f"ours, {name}", signed(key, made)
    for typ in ("JWT", None, "checkpoint+jwt"):
        yield f"ours, typ {typ}", signed(key, own, typ=typ)


def forgeries(s):
    for cases in (header_cases, confusion_cases, form_cases, payload_cases, own_cases):
        yield from cases(s)
