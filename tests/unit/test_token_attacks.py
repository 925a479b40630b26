"""Tokens by somebody who wants in."""

import base64
import json
import time
from functools import partial

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from tenantkit.exceptions import TokenInvalid
from tenantkit.tokens import AccessTokens, Issuer, KeyRing, TokenKey
from tenantkit.tokens.compact import read_compact
from tests.unit.clocks import FixedClock
from tests.unit.forge import CLAIMS, HEADER, NOW, SECRET, encoded, signed

OTHER_SECRET = "another-secret-of-more-than-thirty-two-bytes"
make = partial(AccessTokens, issuer="issuer", audience="audience", lifetime=900, leeway=0, clock=FixedClock())


def by_secret(algorithm="HS256"):
    """Return tokens that the forger's secret signs."""
    return make(KeyRing(TokenKey.secret(SECRET, algorithm)))


TOKENS = by_secret()
GOOD = signed()


def refused(token, tokens=TOKENS):
    """Return the message with which a token is refused."""
    with pytest.raises(TokenInvalid) as caught:
        tokens.verify(token)
    return caught.value.message


@pytest.fixture(scope="module")
def rsa_key():
    """Give a private key and its public one as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return key, public.decode()


def test_the_good_token_is_good():
    """The token that all attacks of this file start from verifies."""
    assert CLAIMS == TOKENS.verify(GOOD).claims


# algorithms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", None, 0, ["HS256"], {"alg": "HS256"}], ids=repr
)
@pytest.mark.parametrize("signature", ["", "nothing", GOOD.split(".")[2]], ids=["empty", "any", "stolen"])
def test_alg_none_is_refused(alg, signature):
    """A token that says it is not signed, in any spelling, is refused with and without a signature."""
    refused(f"{encoded(HEADER | {'alg': alg})}.{encoded(CLAIMS)}.{signature}")


@pytest.mark.parametrize("alg", ["HS384", "HS512"])
def test_another_hash_is_refused(alg):
    """A good signature by the same secret with a hash that is not the pinned one is refused."""
    token = signed(HEADER | {"alg": alg}, algorithm=alg)
    refused(token)
    assert "ann" == by_secret(alg).verify(token).user_id


@pytest.mark.parametrize("said", ["HS512", "RS256", "none", "hs256"])
def test_the_header_does_not_choose(said):
    """A header that names another algorithm than its signature's is refused, also in lower case."""
    refused(signed(HEADER | {"alg": said}))


def test_a_key_of_rsa_is_refused(rsa_key):
    """A good signature by an RSA key is refused where HMAC is pinned."""
    refused(jwt.encode(CLAIMS, rsa_key[0], algorithm="RS256", headers={"typ": "at+jwt"}))


def believing(key, **facts):
    """Return an issuer of the forger's claims that is believed by a key."""
    return Issuer(name="issuer", audience="audience", keys=KeyRing(key), **facts)


def refused_by(issuer, token):
    """Return the message with which an issuer's token is refused."""
    with pytest.raises(TokenInvalid) as caught:
        issuer.verify(read_compact(token), NOW)
    return caught.value.message


def test_a_public_key_is_no_secret(rsa_key):
    """Where RS256 is pinned, an HMAC keyed with the public key, which everybody has, is refused."""
    key, public = rsa_key
    issuer = believing(TokenKey.pem(public, "RS256"))
    honest = jwt.encode(CLAIMS, key, algorithm="RS256", headers={"typ": "at+jwt"})
    assert "ann" == issuer.verify(read_compact(honest), NOW).user_id
    for said in ("HS256", "RS256"):
        refused_by(issuer, signed(HEADER | {"alg": said}, key=public))


def test_a_key_signs_with_its_own_algorithm_only(rsa_key):
    """A good signature by the right RSA key with another hash or padding is refused: the key says how it is used."""
    key, public = rsa_key
    issuer = believing(TokenKey.pem(public, "RS256"))
    for other in ("RS384", "RS512", "PS256"):
        token = jwt.encode(CLAIMS, key, algorithm=other, headers={"typ": "at+jwt"})
        assert "its key is for RS256" in refused_by(issuer, token)


# keys that a token brings along -------------------------------------------------------------------------------

_JWK = {"kty": "oct", "k": encoded(OTHER_SECRET), "alg": "HS256"}
BROUGHT = {
    "jwk": {"jwk": _JWK},
    "jku": {"jku": "https://evil.example/keys.json"},
    "x5u": {"x5u": "https://evil.example/cert.pem"},
    "x5c": {"x5c": [base64.b64encode(b"certificate").decode()]},
    "kid of a path": {"kid": "../../../../dev/null"},
    "kid of SQL": {"kid": "' UNION SELECT 'key"},
    "kid of a command": {"kid": "| whoami"},
    "kid of NUL": {"kid": "\0"},
    "all": {"jwk": _JWK, "jku": "https://evil.example", "kid": "1"},
}


@pytest.mark.parametrize("brought", BROUGHT.values(), ids=BROUGHT)
@pytest.mark.parametrize("key", [OTHER_SECRET, "", b"\0"], ids=["its key", "empty key", "NUL"])
def test_a_token_brings_no_key_along(brought, key):
    """A key in the header, or a place to fetch one from, is never used."""
    refused(signed(HEADER | brought, key=key))


@pytest.mark.parametrize("brought", BROUGHT.values(), ids=BROUGHT)
def test_what_is_brought_is_ignored(brought, monkeypatch):
    """With a good signature such headers change nothing, and nothing is fetched; a `kid` that is unknown is refused."""
    monkeypatch.setattr("socket.socket", None)
    token = signed(HEADER | brought)
    if "kid" in brought:
        assert refused(token)
    else:
        assert CLAIMS == TOKENS.verify(token).claims


@pytest.mark.parametrize("kid", [None, 0, True, ["1"], {"kid": "1"}], ids=repr)
def test_a_kid_is_a_text(kid):
    """The id of a key that is no text is refused."""
    assert "is no text" in refused(signed(HEADER | {"kid": kid}))


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["unheard-of"], [], "exp", None, 1], ids=repr)
def test_what_is_critical_and_unknown_is_refused(crit):
    """A header that must be understood (RFC 7515, 4.1.11) and is not makes a token invalid."""
    refused(signed(HEADER | {"crit": crit, "unheard-of": True}))


def test_a_detached_payload_is_refused():
    """A token whose payload is not encoded (RFC 7797) is refused."""
    refused(signed(HEADER | {"b64": False, "crit": ["b64"]}))


# tampering ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sub", "org", "exp", "aud"])
def test_a_changed_claim_is_refused(name):
    """A claim that was changed after signing is refused."""
    header, _, signature = GOOD.split(".")
    refused(f"{header}.{encoded(CLAIMS | {name: 'mallory'})}.{signature}")


def test_every_bit_of_the_signature_counts():
    """Turning any one bit of the signature makes a token invalid."""
    message, signature = GOOD.rsplit(".", 1)
    raw = base64.urlsafe_b64decode(signature + "=")
    assert 32 == len(raw)
    for position in range(256):
        turned = bytearray(raw)
        turned[position // 8] ^= 1 << position % 8
        refused(f"{message}.{encoded(bytes(turned))}")


def test_a_cut_signature_is_refused():
    """A signature of which something is missing is refused at any length."""
    message, signature = GOOD.rsplit(".", 1)
    for length in range(len(signature)):
        refused(f"{message}.{signature[:length]}")


def test_parts_of_two_tokens_make_none():
    """Header, claims and signature of different good tokens do not go together."""
    other = signed(claims=CLAIMS | {"sub": "bob"})
    mixed = [
        a if number != 1 else b
        for number, (a, b) in enumerate(zip(GOOD.split("."), other.split("."), strict=True))
    ]
    refused(".".join(mixed))


SHAPES = {
    "empty": "",
    "dots": "..",
    "one part": "a",
    "two parts": ".".join(GOOD.split(".")[:2]),
    "four parts": GOOD + ".a",
    "five parts": "a.b.c.d.e",
    "space before": " " + GOOD,
    "line feed after": GOOD + "\n",
    "padding": GOOD + "==",
    "no base64": "ä.ö.ü",
    "NUL": GOOD.replace(".", "\0", 1),
    "JSON serialization": json.dumps({"payload": GOOD.split(".")[1], "protected": GOOD.split(".")[0]}),
    "no object in the header": signed("[]"),
    "no object in the claims": signed(claims="[]"),
    "number in the claims": signed(claims="1"),
    "no JSON in the header": signed("{"),
    "no JSON in the claims": signed(claims="{"),
    "no UTF-8 in the header": signed(b"\xff\xfe"),
    "no UTF-8 in the claims": signed(claims=b"\xff\xfe"),
    "a number of 5,000 digits": signed(claims='{"exp": ' + "9" * 5_000 + "}"),
    "deep header": signed("[" * 5_000),
    "deep claims": signed(claims='{"a":' * 1_000 + "1" + "}" * 1_000),
}


@pytest.mark.parametrize("token", SHAPES.values(), ids=SHAPES)
def test_what_is_no_token_is_refused(token):
    """What has not the shape of a token is refused as an invalid token, and raises nothing else."""
    refused(token)


def test_half_a_character_is_no_token():
    """A text that no encoding can write is refused as an invalid token."""
    refused("\ud800.a.b")


DOUBLED = {
    "claim": lambda: signed(claims=json.dumps(CLAIMS)[:-1] + ', "sub": "bob"}'),
    "claim, equal": lambda: signed(claims=json.dumps(CLAIMS)[:-1] + ', "sub": "ann"}'),
    "claim, escaped": lambda: signed(claims=json.dumps(CLAIMS)[:-1] + ', "s\\u0075b": "bob"}'),
    "inside a claim": lambda: signed(claims=json.dumps(CLAIMS)[:-1] + ', "x": {"a": 1, "a": 2}}'),
    "header": lambda: signed(json.dumps(HEADER)[:-1] + ', "alg": "HS256"}'),
}


@pytest.mark.parametrize("make_token", DOUBLED.values(), ids=DOUBLED)
def test_what_is_named_twice_is_refused(make_token):
    """Of JSON that names a member twice, two readers read two things (RFC 8725, 2.4): it is refused, though signed."""
    assert "named twice" in refused(make_token())


def test_a_deep_token_with_an_escape_is_refused():
    """What makes the check of texts go deep is refused as well, and needs no signature for it."""
    for depth in range(100, 1_500, 100):
        deep = '{"a":' + "[" * depth + r'"\u0041"' + "]" * depth + "}"
        refused(signed(claims=deep))
        refused(signed(deep))


UNSTORABLE = {"NUL": "a\0b", "half a pair": "\ud800", "the other half": "x\udfff"}


@pytest.mark.parametrize("text", UNSTORABLE.values(), ids=UNSTORABLE)
@pytest.mark.parametrize(
    "where", [lambda text: {"sub": text}, lambda text: {"x": [{text: 1}]}], ids=["sub", "deep"]
)
def test_texts_that_no_database_holds_are_refused(text, where):
    """A signed text with NUL or half a character is refused here, before it is an error of the database's."""
    assert "holds NUL" in refused(signed(claims=CLAIMS | where(text)))


def test_what_looks_escaped_and_is_not():
    """A backslash, escaped, with `u0000` behind it is a text like others; so is a whole pair of surrogates."""
    claims = CLAIMS | {"sub": "a\\u0000", "name": "\U0001f600"}
    assert claims == TOKENS.verify(signed(claims=claims)).claims


def test_another_spelling_of_the_same_bytes_is_refused():
    """The bits that base64url leaves over have to be 0, so that one token has one text."""
    for length in (1, 2):
        claims = CLAIMS | {"pad": "x" * length}
        token = signed(claims=claims)
        assert claims == TOKENS.verify(token).claims
        for place, part in enumerate(token.split(".")):
            for last in "BCDEFGH":
                parts = token.split(".")
                parts[place] = part[:-1] + last
                if parts[place] != part:
                    refused(".".join(parts))


@pytest.mark.parametrize("size", [8_193, 1_000_000, 20_000_000])
def test_huge_tokens_are_not_looked_at(size, monkeypatch):
    """A token longer than 8,192 characters is refused before anything is decoded or hashed."""
    monkeypatch.setattr("tenantkit.tokens.compact._read_object", None)
    message = refused("a" * size)
    assert f"The token has {size} characters; 8192 are allowed." == message


def test_the_longest_token_is_looked_at():
    """A token of exactly 8,192 characters is looked at."""
    room = 8_192 - len(signed(claims=CLAIMS | {"pad": ""}))
    token = signed(claims=CLAIMS | {"pad": "x" * (room * 3 // 4)})
    assert 8_192 - 8 < len(token) <= 8_192
    assert "ann" == TOKENS.verify(token).user_id


def test_the_machines_clock_is_not_asked(monkeypatch):
    """Whether a token has expired is decided by the clock that was passed in."""
    monkeypatch.setattr(time, "time", lambda: 1e12)
    assert CLAIMS == TOKENS.verify(GOOD).claims


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
JSON_OBJECTS = st.dictionaries(st.sampled_from(sorted(CLAIMS)), JSON, max_size=4)
HEADERS = st.dictionaries(
    st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk", "cty", "zip"]), JSON, max_size=4
)
FORGED = st.one_of(
    st.text(max_size=200),
    st.builds("{}.{}.{}".format, *[st.text("aZ09-_=.", max_size=40)] * 3),
    st.builds(lambda header, claims: f"{encoded(header)}.{encoded(claims)}.AAAA", JSON, JSON),
    st.builds(lambda header: signed(HEADER | header, key=OTHER_SECRET), HEADERS),
    st.builds(lambda header, claims: signed(header, claims, key=OTHER_SECRET), JSON, JSON),
)


@pytest.mark.hostile
@given(FORGED)
def test_forged_tokens_are_invalid_and_nothing_else(token):
    """Whatever a stranger makes up raises TokenInvalid: no other error, no claims."""
    refused(token)


@pytest.mark.hostile
@given(HEADERS, JSON_OBJECTS)
def test_signed_nonsense_is_verified_or_refused(header, claims):
    """Even an issuer that signs nonsense causes no error but TokenInvalid; what verifies has its times checked."""
    try:
        found = TOKENS.verify(signed(HEADER | header, CLAIMS | claims))
    except TokenInvalid:
        return
    assert ("issuer", str(claims.get("sub", "ann"))) == (found.issuer, found.user_id)
    assert found.valid_until > FixedClock().now().timestamp()


@pytest.mark.hostile
@given(
    st.one_of(
        FORGED,
        st.builds(lambda header, claims: signed(HEADER | header, CLAIMS | claims), HEADERS, JSON_OBJECTS),
    )
)
def test_what_is_accepted_here_is_accepted_by_pyjwt(token):
    """Whatever verifies here verifies with PyJWT, with the same claims: being quicker made nothing looser."""
    try:
        found = TOKENS.verify(token)
    except TokenInvalid:
        return
    options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_sub": False}
    theirs = jwt.decode(token, SECRET, ["HS256"], audience="audience", issuer="issuer", options=options)
    assert theirs == found.provided
