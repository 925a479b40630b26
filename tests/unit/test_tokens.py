"""Access tokens, and what of them is checked."""

import contextlib
import json
import math
from uuid import UUID

import jwt
import pytest

from tenantkit import Tenant, new_id
from tenantkit.exceptions import TokenInvalid
from tenantkit.tokens import AccessTokens, KeyRing, TokenKey
from tests.unit.clocks import FixedClock
from tests.unit.forge import CLAIMS, HEADER, NOW, SECRET, signed, without

ACME = Tenant(UUID(int=7), "acme")
KEY = TokenKey.secret(SECRET)


def tokens_of(clock=None, **options):
    """Return tokens of the issuer and audience that the forger knows."""
    given = {"issuer": "issuer", "audience": "audience", "lifetime": 900, "leeway": 0}
    return AccessTokens(KeyRing(KEY), **given | options, clock=clock or FixedClock())


def refused(token, tokens=None):
    """Return the message with which a token is refused."""
    with pytest.raises(TokenInvalid) as caught:
        (tokens or tokens_of()).verify(token)
    return caught.value.message


def test_a_token_that_was_issued_verifies():
    """What is issued verifies, and says who, for whom, by whom, when, and for which tenant."""
    claims = tokens_of().verify(tokens_of().issue("ann", ACME)).claims
    expected = {
        "iss": "issuer",
        "aud": "audience",
        "sub": "ann",
        "iat": NOW,
        "exp": NOW + 900,
        "org": str(ACME.id),
    }
    assert expected == {key: claims[key] for key in expected}


def test_a_token_is_of_the_registered_type():
    """A token says in its header that it is an access token (RFC 9068, 2.1), and which key signed it."""
    assert HEADER | {"kid": KEY.id} == jwt.get_unverified_header(tokens_of().issue("ann", ACME))


def test_each_token_has_an_id_of_its_own():
    """Two tokens of one second differ in `jti`, which is a UUID."""
    tokens = tokens_of()
    ids = {tokens.verify(tokens.issue("ann", ACME)).claims["jti"] for _ in range(2)}
    assert 2 == len({UUID(one) for one in ids})


@pytest.mark.parametrize("tenant_id", [new_id(), 42, "t-42"], ids=["UUID", "int", "str"])
def test_the_claim_of_the_tenant_can_be_named(tenant_id):
    """The tenant's id is text, under the name that was chosen."""
    tokens = tokens_of(tenant_claim="tid")
    claims = tokens.verify(tokens.issue("ann", Tenant(tenant_id, "acme"))).claims
    assert str(tenant_id) == claims["tid"]
    assert "org" not in claims


def test_the_secret_is_not_shown():
    """Neither `repr` nor `str` of the object shows the secret."""
    assert SECRET not in f"{tokens_of()!r} {tokens_of()}"


# time ---------------------------------------------------------------------------------------------------------


def test_a_token_expires_exactly_at_its_second():
    """A token is good one microsecond before `exp` and expired at `exp`."""
    clock = FixedClock()
    tokens = tokens_of(clock)
    token = tokens.issue("ann", ACME)
    clock.move(899.999999)
    assert "ann" == tokens.verify(token).user_id
    clock.move(0.000001)
    assert "The token has expired" in refused(token, tokens)


def test_leeway_forgives_exactly_its_seconds():
    """With a leeway of 10 s a token is good until just before 10 s after `exp`, and 10 s before `iat`."""
    clock = FixedClock()
    tokens = tokens_of(clock, leeway=10)
    token = tokens.issue("ann", ACME)
    clock.move(909.999999)
    assert "ann" == tokens.verify(token).user_id
    clock.move(0.000001)
    assert "expired" in refused(token, tokens)
    clock.move(-910 - 10)
    assert "ann" == tokens.verify(token).user_id
    clock.move(-1)
    assert "not valid yet (iat)" in refused(token, tokens)


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_tokens_of_the_future_are_refused(name):
    """A token is not valid before `nbf`, nor before it was issued; at that second it is."""
    assert f"not valid yet ({name})" in refused(signed(claims=CLAIMS | {name: NOW + 1}))
    assert "ann" == tokens_of().verify(signed(claims=CLAIMS | {name: NOW})).user_id


NO_TIMES = {
    "text": "9999999999",
    "boolean": True,
    "null": None,
    "list": [NOW + 900],
    "object": {"at": NOW + 900},
    "empty": "",
}


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", NO_TIMES.values(), ids=NO_TIMES)
def test_times_are_numbers(name, value):
    """A time that is no number makes a token invalid, never valid for ever."""
    refused(signed(claims=CLAIMS | {name: value}))


def test_times_may_have_fractions():
    """NumericDate allows fractions of a second (RFC 7519, section 2), and they count."""
    clock = FixedClock()
    token = signed(claims=CLAIMS | {"exp": NOW + 0.5})
    assert "ann" == tokens_of(clock).verify(token).user_id
    clock.move(0.5)
    assert "expired" in refused(token, tokens_of(clock))


@pytest.mark.parametrize("exp", [math.nan, math.inf], ids=["NaN", "Infinity"])
def test_a_time_that_never_comes_is_refused(exp):
    """`NaN` and `Infinity`, which Python's JSON reads, make no token that never expires."""
    refused(signed(claims=CLAIMS | {"exp": exp}))


def test_a_number_too_large_for_a_float_is_no_error():
    """An `exp` of a thousand digits is compared or refused, and nothing else."""
    claims = json.dumps(CLAIMS).replace(str(NOW + 900), "1" + "0" * 1000)
    with contextlib.suppress(TokenInvalid):
        assert "ann" == tokens_of().verify(signed(claims=claims)).user_id


# other claims -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exp", "iat", "iss", "aud", "sub", "jti"])
def test_required_claims(name):
    """A token that lacks a registered claim is refused, and the message names it."""
    assert name in refused(signed(claims=without(name)))


WRONG = {
    "another issuer": {"iss": "other"},
    "issuer that begins alike": {"iss": "issuer2"},
    "issuer of no text": {"iss": 1},
    "list of issuers": {"iss": ["issuer"]},
    "another audience": {"aud": "other"},
    "audience that begins alike": {"aud": "audienc"},
    "list of other audiences": {"aud": ["other", "third"]},
    "empty list of audiences": {"aud": []},
    "audience of no text": {"aud": 1},
    "audience in an object": {"aud": {"audience": True}},
    "subject of no text": {"sub": [1]},
    "empty subject": {"sub": ""},
    "subject that is no id": {"sub": True},
    "endless subject": {"sub": "x" * 201},
    "id of no text": {"jti": 1},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_claims_are_refused(wrong):
    """A token for somebody else, by somebody else, or with a claim of another shape is refused."""
    refused(signed(claims=CLAIMS | wrong))


def test_a_subject_that_is_a_number():
    """Providers have users with numbers; the id is the number's text."""
    assert "42" == tokens_of().verify(signed(claims=CLAIMS | {"sub": 42})).user_id


def test_one_of_several_audiences():
    """A token may be for several audiences, of which this is one."""
    assert "ann" == tokens_of().verify(signed(claims=CLAIMS | {"aud": ["other", "audience"]})).user_id


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_types_of_an_access_token(typ):
    """The type is a media type: its case, and `application/`, make no difference."""
    assert "ann" == tokens_of().verify(signed(HEADER | {"typ": typ})).user_id


@pytest.mark.parametrize(
    "typ", ["JWT", "", "refresh+jwt", "at+jwt ", "reset+jwt", None, ["at+jwt"], 1], ids=repr
)
def test_tokens_of_another_type_are_refused(typ):
    """An ID token, a refresh token or a reset token is no access token, whoever signed it."""
    refused(signed(HEADER | {"typ": typ}))


def test_tokens_without_a_type_are_refused():
    """A token that does not say what it is for is refused."""
    assert "is of type ''" in refused(signed({"alg": "HS256"}))
