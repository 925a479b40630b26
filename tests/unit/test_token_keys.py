"""Keys of tokens, and the gate that they pass."""

import json
from base64 import urlsafe_b64encode

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from tenantkit.exceptions import ConfigurationError, DependencyMissing
from tenantkit.tokens import ALGORITHMS, AccessTokens, KeyRing, TokenKey
from tests.unit.clocks import FixedClock

SECRET = "a-secret-of-sixty-four-bytes-so-that-each-of-the-hashes-has-enough"
MESSAGE = b"a message"


def pem(key):
    """Return a private key as PEM."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


def public_pem(key):
    """Return the public key of a private one as PEM."""
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key.public_key().public_bytes(*form).decode()


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256, P384, P521 = (ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1))
EDWARDS = ed25519.Ed25519PrivateKey.generate()
PAIRS = {f"{kind}{bits}": RSA for kind in ("RS", "PS") for bits in (256, 384, 512)} | {
    "ES256": P256,
    "ES384": P384,
    "ES512": P521,
    "EdDSA": EDWARDS,
}
SECRETS = ("HS256", "HS384", "HS512")


def refused(make, *arguments, **options):
    """Return the message with which a key is refused."""
    with pytest.raises(ConfigurationError) as caught:
        make(*arguments, **options)
    return caught.value.message


def jwk_of(algorithm, **changes):
    """Return the public key of a pair as a JSON Web Key, with changes; a change to None takes a member away."""
    found = TokenKey.pem(public_pem(PAIRS[algorithm]), algorithm).public_jwk() | changes
    return {name: value for name, value in found.items() if value is not None}


def test_every_algorithm_is_tried_here():
    """The secrets and pairs of this file are all algorithms there are."""
    assert {*SECRETS, *PAIRS} == ALGORITHMS


@pytest.mark.parametrize("algorithm", SECRETS)
def test_a_secret_signs_and_verifies(algorithm):
    """What a secret signs it verifies, and nothing else."""
    key = TokenKey.secret(SECRET, algorithm)
    assert key.can_sign
    assert key.verify(MESSAGE, key.sign(MESSAGE))
    assert not key.verify(b"another", key.sign(MESSAGE))
    assert key.public_jwk() is None


@pytest.mark.parametrize("algorithm", PAIRS)
def test_a_pair_signs_and_verifies(algorithm):
    """What a private key signs its public key verifies, read from PEM and from JWK; a public key signs nothing."""
    private, public = (
        TokenKey.pem(pem(PAIRS[algorithm]), algorithm),
        TokenKey.pem(public_pem(PAIRS[algorithm]), algorithm),
    )
    for key in (private, public, TokenKey.jwk(private.public_jwk())):
        assert key.verify(MESSAGE, private.sign(MESSAGE))
        assert not key.verify(b"another", private.sign(MESSAGE))
        assert (algorithm, private.id) == (key.algorithm, key.id)
    assert (True, False) == (private.can_sign, public.can_sign)
    assert "is a public one" in refused(public.sign, MESSAGE)


@pytest.mark.parametrize("algorithm", PAIRS)
def test_pyjwt_verifies_what_is_issued(algorithm):
    """A token signed by any pair is one that PyJWT verifies with the published key."""
    ring = KeyRing(TokenKey.pem(pem(PAIRS[algorithm]), algorithm))
    tokens = AccessTokens(ring, issuer="i", audience="a", lifetime=900, clock=FixedClock())
    published = jwt.PyJWKSet.from_dict(ring.jwks())
    token = tokens.issue("ann")
    key = published[jwt.get_unverified_header(token)["kid"]]
    options = {"verify_exp": False, "verify_iat": False}
    assert "ann" == jwt.decode(token, key, [algorithm], audience="a", issuer="i", options=options)["sub"]
    assert "ann" == tokens.verify(token).user_id


def test_an_id_is_the_thumbprint():
    """The id of a pair is its thumbprint (RFC 7638), which the example of the standard has."""
    example = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV"
        "4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHz"
        "u6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8a"
        "wapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
    }
    assert "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" == TokenKey.jwk(example).id


def test_the_id_of_a_secret_tells_nothing_of_it():
    """Equal secrets have equal ids, so that every process has them; others have others, and the secret is not in it."""
    ids = {TokenKey.secret(SECRET).id, TokenKey.secret(SECRET).id, TokenKey.secret(SECRET + "2").id}
    assert 2 == len(ids)
    shown = repr(TokenKey.secret(SECRET)) + repr(KeyRing(TokenKey.secret(SECRET)))
    assert SECRET not in shown


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_short_secrets_are_refused(algorithm, size):
    """A secret shorter than the hash is refused, where PyJWT warns (RFC 7518, 3.2)."""
    assert f"at least {size} bytes" in refused(TokenKey.secret, "s" * (size - 1), algorithm)
    assert TokenKey.secret("s" * size, algorithm).can_sign
    short = urlsafe_b64encode(b"s" * (size - 1)).decode().rstrip("=")
    assert f"at least {size} bytes" in refused(TokenKey.jwk, {"kty": "oct", "k": short, "alg": algorithm})


@pytest.mark.parametrize("bits", [1024, 2047])
def test_small_rsa_keys_are_refused(bits):
    """An RSA key below 2048 bits is refused, as PEM and as JWK, where PyJWT warns (RFC 7518, 3.3)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    for algorithm in ("RS256", "PS512"):
        assert f"this one {bits}" in refused(TokenKey.pem, pem(key), algorithm)
        assert f"this one {bits}" in refused(TokenKey.pem, public_pem(key), algorithm)
        members = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
        assert f"this one {bits}" in refused(TokenKey.jwk, members, algorithm)


def test_huge_rsa_keys_are_refused():
    """A modulus of more than 8192 bits, which would keep a server busy with each token, is refused."""
    modulus = urlsafe_b64encode(((1 << 8200) + 1).to_bytes(1026, "big")).decode().rstrip("=")
    assert "this one 8201" in refused(TokenKey.jwk, {"kty": "RSA", "n": modulus, "e": "AQAB"}, "RS256")


CONFUSED = {
    "public key as a secret": lambda: TokenKey.secret(public_pem(RSA)),
    "private key as a secret": lambda: TokenKey.secret(pem(P256), "HS512"),
    "JWK as a secret": lambda: TokenKey.secret(json.dumps(jwk_of("RS256"))),
    "bytes of a public key": lambda: TokenKey.secret(
        RSA.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ),
    "SSH key as a secret": lambda: TokenKey.secret("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 32),
    "secret for a pair": lambda: TokenKey.secret(SECRET, "RS256"),
    "pair for a secret": lambda: TokenKey.pem(public_pem(RSA), "HS256"),
    "secret as PEM": lambda: TokenKey.pem(SECRET, "RS256"),
    "oct for RS256": lambda: TokenKey.jwk({"kty": "oct", "k": "A" * 86, "alg": "RS256"}),
    "RSA for HS256": lambda: TokenKey.jwk(jwk_of("RS256", alg="HS256")),
    "RSA for ES256": lambda: TokenKey.pem(public_pem(RSA), "ES256"),
    "EC for RS256": lambda: TokenKey.pem(public_pem(P256), "RS256"),
    "EC for EdDSA": lambda: TokenKey.pem(public_pem(P256), "EdDSA"),
    "P-384 for ES256": lambda: TokenKey.pem(public_pem(P384), "ES256"),
    "P-256 for ES512": lambda: TokenKey.jwk(jwk_of("ES256", alg="ES512")),
    "Ed448 for EdDSA": lambda: TokenKey.pem(public_pem(ed448.Ed448PrivateKey.generate()), "EdDSA"),
    "no type": lambda: TokenKey.jwk(jwk_of("RS256", kty=None)),
    "type of no text": lambda: TokenKey.jwk(jwk_of("RS256") | {"kty": ["RSA"]}),
}


@pytest.mark.parametrize("make", CONFUSED.values(), ids=CONFUSED)
def test_a_key_of_another_kind_is_refused(make):
    """A key that is not of its algorithm's kind, and above all a public key as a secret, is refused at the start."""
    refused(make)


@pytest.mark.parametrize("algorithm", ["none", "None", "", "hs256", "ES256K", "RS1", "HS257"])
@pytest.mark.parametrize("make", [TokenKey.secret, TokenKey.pem], ids=["secret", "pem"])
def test_algorithms_that_are_not_known_are_refused(make, algorithm):
    """`none` is no algorithm, in no spelling; neither is what the standards do not register for this."""
    refused(make, SECRET, algorithm)
    refused(TokenKey.jwk, jwk_of("RS256", alg=algorithm))


USES = {
    "for encryption": {"use": "enc"},
    "use of no text": {"use": ["sig"]},
    "to encrypt": {"key_ops": ["encrypt"]},
    "to sign, public": {"key_ops": ["sign"]},
    "for nothing": {"key_ops": []},
    "operations of no list": {"key_ops": "verify"},
    "another algorithm": {"alg": "PS256"},
    "algorithm of no text": {"alg": 256},
    "kid of no text": {"kid": 7},
    "empty kid": {"kid": ""},
    "endless kid": {"kid": "k" * 201},
}


@pytest.mark.parametrize("changes", USES.values(), ids=USES)
def test_a_key_made_for_another_use_is_refused(changes):
    """`use`, `key_ops` and `alg` of a JWK are believed (RFC 7517, 4.2 to 4.4), where PyJWT does not look."""
    refused(TokenKey.jwk, jwk_of("RS256") | changes, "RS256")


def test_a_key_that_says_it_verifies():
    """A JWK that names the operation is one to verify with."""
    assert not TokenKey.jwk(jwk_of("RS256", key_ops=["verify"])).can_sign


def test_the_algorithm_of_a_jwk_must_be_said():
    """A JWK without `alg` needs to be told; one with `alg` needs no telling."""
    bare = jwk_of("RS256", alg=None)
    refused(TokenKey.jwk, bare)
    assert "PS256" == TokenKey.jwk(bare, "PS256").algorithm


SPELLINGS = {
    "padding": lambda text: text + "=" * (-len(text) % 4 or 4),
    "plain base64": lambda text: "+" + text[1:],
    "line feed": lambda text: text + "\n",
    "no text": lambda text: 65537,
    "empty": lambda text: "",
    "list": lambda text: [text],
    "bits left over": lambda text: text[:-1] + {"B": "C"}.get(text[-1], "B"),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize(("algorithm", "member"), [("RS256", "n"), ("ES256", "x"), ("EdDSA", "x")])
def test_numbers_have_one_spelling(algorithm, member, spell):
    """A number of a JWK that is not base64url as the standard spells it is refused, where PyJWT reads it."""
    jwk = jwk_of(algorithm)
    refused(TokenKey.jwk, jwk | {member: spell(jwk[member])})


def test_a_point_that_is_not_on_the_curve_is_refused():
    """A public key that is none is refused, and is no error of another kind."""
    refused(TokenKey.jwk, jwk_of("ES256", x="A" * 43, y="A" * 43))


def test_without_cryptography(monkeypatch):
    """Where `cryptography` is missing, the error names the extra that brings it."""

    def missing(_name):
        raise NotImplementedError

    monkeypatch.setattr("jwt.get_algorithm_by_name", missing)
    with pytest.raises(DependencyMissing, match=r"tenantkit\[crypto\]"):
        TokenKey.pem(public_pem(RSA), "RS256")


# rings --------------------------------------------------------------------------------------------------------


def tokens_of(*keys):
    """Return tokens signed by the first of some keys."""
    return AccessTokens(KeyRing(*keys), issuer="i", audience="a", lifetime=900, clock=FixedClock())


def test_keys_are_changed_without_a_gap():
    """A token by the old key is good while a ring has it; the new key is published before it signs."""
    old, new = TokenKey.secret(SECRET), TokenKey.pem(pem(EDWARDS), "EdDSA")
    before, announced, after, at_last = (
        tokens_of(old),
        tokens_of(old, new),
        tokens_of(new, old),
        tokens_of(new),
    )
    for issued, believed in (
        (before, [before, announced, after]),
        (announced, [before, announced, after]),
        (after, [announced, after, at_last]),
    ):
        for tokens in (before, announced, after, at_last):
            if tokens in believed:
                assert "ann" == tokens.verify(issued.issue("ann")).user_id
            else:
                with pytest.raises(PermissionError, match="names no key"):
                    tokens.verify(issued.issue("ann"))


def test_a_token_without_kid_is_good_where_there_is_one_key():
    """With one key there is no question; with two a token has to say which."""
    one, two = KeyRing(TokenKey.secret(SECRET)), KeyRing(TokenKey.secret(SECRET), TokenKey.secret(SECRET * 2))
    assert one.first is one.find(None)
    assert two.find(None) is None


def test_rings_that_are_none():
    """A ring has keys, each with its own id; what signs tokens is no public key."""
    key = TokenKey.secret(SECRET)
    assert "at least one" in refused(KeyRing)
    assert "id of its own" in refused(KeyRing, key, TokenKey.secret(SECRET))
    assert "signs nothing" in refused(tokens_of, TokenKey.pem(public_pem(RSA), "RS256"), key)
    assert [key] == list(KeyRing(key))


def test_no_secret_is_published():
    """The key set has the public keys, and of secrets and private keys nothing."""
    pairs = (TokenKey.pem(pem(PAIRS[name]), name) for name in ("RS256", "ES256", "EdDSA"))
    ring = KeyRing(TokenKey.secret(SECRET), *pairs)
    published = ring.jwks()["keys"]
    assert {"RSA", "EC", "OKP"} == {jwk["kty"] for jwk in published}
    for jwk in published:
        assert set(jwk) <= {"kty", "n", "e", "crv", "x", "y", "kid", "alg", "use", "key_ops"}
        assert not TokenKey.jwk(jwk).can_sign
