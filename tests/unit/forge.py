"""Tokens made by hand: what a library would refuse to sign is signed here."""

import base64
import hashlib
import hmac
import json

from tests.unit.clocks import NOON

SECRET = "a-secret-of-sixty-four-bytes-so-that-each-of-the-hashes-has-enough"
NOW = int(NOON.timestamp())
HEADER = {"alg": "HS256", "typ": "at+jwt"}
CLAIMS = {
    "iss": "issuer",
    "aud": "audience",
    "sub": "ann",
    "iat": NOW,
    "exp": NOW + 900,
    "jti": "1",
    "org": "1",
}
_HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def encoded(part):
    """Return a part as base64url; text and bytes as they are, anything else as JSON."""
    if not isinstance(part, str | bytes):
        part = json.dumps(part)
    raw = part.encode() if isinstance(part, str) else part
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header=HEADER, claims=CLAIMS, *, key=SECRET, algorithm="HS256"):
    """Return a token of any header and claims with a good signature."""
    message = f"{encoded(header)}.{encoded(claims)}"
    secret = key.encode() if isinstance(key, str) else key
    digest = hmac.new(secret, message.encode(), _HASHES[algorithm]).digest()
    return f"{message}.{encoded(digest)}"


def without(name):
    """Return the claims without one."""
    return {key: value for key, value in CLAIMS.items() if key != name}
