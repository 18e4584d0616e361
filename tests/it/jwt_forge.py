# SPDX-License-Identifier: Apache-2.0
"""Tokens, right and wrong, made byte by byte: no library stands between a test and what is sent."""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from jwcrypto import jwk

HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def b64(data):
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Key:
    """A private key with the one algorithm that it signs with."""

    def __init__(self, alg, kid=None, private=None):
        self.alg, self.kid = alg, kid or alg.lower()
        self.private = (
            private
            or {
                "RS": lambda: rsa.generate_private_key(65537, 2048),
                "PS": lambda: rsa.generate_private_key(65537, 2048),
                "ES": lambda: ec.generate_private_key(ec.SECP256R1() if alg == "ES256" else ec.SECP384R1()),
                "Ed": ed25519.Ed25519PrivateKey.generate,
            }[alg[:2]]()
        )

    def sign(self, data, alg=None):
        """The raw signature of JWS; alg: as another algorithm of the same kind of key would."""
        alg = alg or self.alg
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        if isinstance(self.private, rsa.RSAPrivateKey):
            digest = HASHES[alg[2:]]()
            scheme = (
                padding.PKCS1v15()
                if alg.startswith("RS")
                else padding.PSS(padding.MGF1(digest), digest.digest_size)
            )
            return self.private.sign(data, scheme, digest)
        digest = hashes.SHA256() if self.private.curve.key_size == 256 else hashes.SHA384()
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(digest)))
        n = self.private.curve.key_size // 8
        return r.to_bytes(n, "big") + s.to_bytes(n, "big")

    def public_pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def jwk(self):
        """The public part, exported by another implementation."""
        made = json.loads(jwk.JWK.from_pyca(self.private.public_key()).export_public())
        return {**made, "kid": self.kid, "alg": self.alg, "use": "sig"}


def compact(head, payload, sign):
    """head and payload: JSON values or raw text; sign(bytes) -> signature."""
    parts = [p if isinstance(p, (str, bytes)) else json.dumps(p) for p in (head, payload)]
    text = ".".join(b64(p) for p in parts)
    return f"{text}.{b64(sign(text.encode()))}"


def signed(key, claims, head=None, **more):
    """A token of this key; `more` changes its header, None takes a member away."""
    full = {"alg": key.alg, "kid": key.kid, "typ": "at+jwt", **(head or {}), **more}
    return compact({k: v for k, v in full.items() if v is not None}, claims, key.sign)


def claims(issuer, audience, **more):
    """None takes a claim away."""
    now = int(time.time())
    full = {"iss": issuer, "aud": audience, "sub": "alice", "iat": now, "nbf": now, "exp": now + 600, **more}
    return {k: v for k, v in full.items() if v is not None}


def hmac_signed(head, payload, secret):
    return compact(head, payload, lambda data: hmac.new(secret, data, hashlib.sha256).digest())


def with_payload(token, change):
    """The token with another payload under its old signature."""
    head, payload, signature = token.split(".")
    changed = json.loads(unb64(payload))
    change(changed)
    return f"{head}.{b64(json.dumps(changed))}.{signature}"


def other_half(token):
    """The same ES256 signature in its other form: (r, n - s)."""
    head, payload, signature = token.split(".")
    raw = unb64(signature)
    s = P256_ORDER - int.from_bytes(raw[32:], "big")
    return f"{head}.{payload}.{b64(raw[:32] + s.to_bytes(32, 'big'))}"
