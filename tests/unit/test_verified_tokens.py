"""Tokens that were seen before."""

from datetime import UTC, datetime, timedelta

import pytest

from tenantkit import Tenant, new_id
from tenantkit.exceptions import ConfigurationError, TokenInvalid
from tenantkit.tokens import AccessTokens, KeyRing, TokenKey, VerifiedTokens
from tests.unit.clocks import FixedClock

ACME = Tenant(new_id(), "acme")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Counted(AccessTokens):
    """Tokens that count how often a signature is checked."""

    checked = 0

    def verify(self, token):
        self.checked += 1
        return super().verify(token)


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock(NOW)


@pytest.fixture
def tokens(clock):
    """Tokens of 900 seconds."""
    keys = KeyRing(TokenKey.secret("x" * 32))
    return Counted(keys, issuer="i", audience="a", lifetime=900, leeway=5, clock=clock)


def test_a_signature_is_checked_once(tokens, clock):
    """The second time a token is known, and its claims are the same."""
    verified, token = VerifiedTokens(tokens, clock), tokens.issue("ann", ACME)
    assert verified.verify(token) == verified.verify(token)
    assert 1 == tokens.checked


def test_time_is_looked_at_each_time(tokens, clock):
    """A token that was seen expires when it expires, leeway included."""
    verified, token = VerifiedTokens(tokens, clock), tokens.issue("ann", ACME)
    verified.verify(token)
    clock.moment = NOW + timedelta(seconds=904)
    assert "ann" == verified.verify(token).user_id
    clock.moment = NOW + timedelta(seconds=905)
    with pytest.raises(TokenInvalid, match="expired"):
        verified.verify(token)


def test_a_clock_that_is_set_back(tokens, clock):
    """A token of the future is refused, seen before or not."""
    verified, token = VerifiedTokens(tokens, clock), tokens.issue("ann", ACME)
    verified.verify(token)
    clock.moment = NOW - timedelta(seconds=6)
    with pytest.raises(TokenInvalid, match="not valid yet"):
        verified.verify(token)


def test_revocation_is_asked_each_time(tokens, clock):
    """A token that is revoked after it was seen is refused from then on."""
    revoked = set()
    verified = VerifiedTokens(tokens, clock, is_revoked=lambda token: token.claims["jti"] in revoked)
    token = tokens.issue("ann", ACME)
    revoked.add(verified.verify(token).claims["jti"])
    for _ in range(2):
        with pytest.raises(TokenInvalid, match="revoked"):
            verified.verify(token)


def test_what_does_not_verify_is_not_remembered(tokens, clock):
    """Forged tokens fill no memory, and are looked at anew."""
    verified = VerifiedTokens(tokens, clock)
    for _ in range(2):
        with pytest.raises(TokenInvalid):
            verified.verify(tokens.issue("ann", ACME)[:-4] + "xxxA")
    assert (2, 0) == (tokens.checked, len(verified))


@pytest.mark.parametrize("token", ["", "\ud800", "é.é.é", "a" * 10_000])
def test_what_is_no_token(tokens, clock, token):
    """A text of any kind is refused, and is no error of another kind."""
    with pytest.raises(TokenInvalid):
        VerifiedTokens(tokens, clock).verify(token)


def test_the_least_recently_seen_is_forgotten_first(tokens, clock):
    """The memory has a size, and keeps what is used."""
    verified = VerifiedTokens(tokens, clock, size=2)
    first, second, third = (tokens.issue(name, ACME) for name in ("ann", "bob", "cid"))
    for token in (first, second, first, third):
        verified.verify(token)
    assert (3, 2) == (tokens.checked, len(verified))
    verified.verify(first)
    assert 3 == tokens.checked
    verified.verify(second)
    assert 4 == tokens.checked


def test_a_key_that_was_dropped_is_not_believed_for_long(clock):
    """A signature is checked anew after the lifetime, however long the token itself is good."""
    keys = KeyRing(TokenKey.secret("x" * 32))
    endless = Counted(keys, issuer="i", audience="a", lifetime=86_400 * 365, clock=clock)
    verified, token = VerifiedTokens(endless, clock, lifetime=60), endless.issue("ann", ACME)
    verified.verify(token)
    clock.moment = NOW + timedelta(seconds=59)
    verified.verify(token)
    assert 1 == endless.checked
    clock.moment = NOW + timedelta(seconds=60)
    assert verified.recall(token) is None
    verified.verify(token)
    assert 2 == endless.checked


@pytest.mark.parametrize("lifetime", [0, -1, float("nan")])
def test_a_lifetime_that_is_none(tokens, clock, lifetime):
    """It is an error when it is made."""
    with pytest.raises(ConfigurationError):
        VerifiedTokens(tokens, clock, lifetime=lifetime)


def test_nothing_is_remembered_where_nothing_may_be(tokens, clock):
    """Size 0 checks each time."""
    verified, token = VerifiedTokens(tokens, clock, size=0), tokens.issue("ann", ACME)
    verified.verify(token)
    verified.verify(token)
    assert (2, 0) == (tokens.checked, len(verified))


def test_forgetting(tokens, clock):
    """One token can be forgotten, and all of them."""
    verified = VerifiedTokens(tokens, clock)
    first, second = tokens.issue("ann", ACME), tokens.issue("bob", ACME)
    for token in (first, second):
        verified.verify(token)
    verified.forget(first)
    assert 1 == len(verified)
    verified.clear()
    assert 0 == len(verified)


def test_claims_cannot_be_changed(tokens, clock):
    """What one request is given is what the next one is given, too."""
    claims = VerifiedTokens(tokens, clock).verify(tokens.issue("ann", ACME)).claims
    with pytest.raises(TypeError):
        claims["sub"] = "bob"


@pytest.mark.parametrize("size", [-1, 1.5, True, "10"])
def test_a_size_that_is_none(tokens, clock, size):
    """It is an error when it is made."""
    with pytest.raises(ConfigurationError):
        VerifiedTokens(tokens, clock, size=size)


def test_further_claims(tokens, clock):
    """A token may say more, and not other than what every token says."""
    claims = tokens.verify(tokens.issue("ann", ACME, workspace=7)).claims
    assert (7, str(ACME.id)) == (claims["workspace"], claims["org"])
    for name in ("sub", "exp", "org"):
        with pytest.raises((ConfigurationError, TypeError)):
            tokens.issue("ann", ACME, **{name: "other"})


def test_a_token_of_no_tenant(tokens):
    """It names none."""
    assert "org" not in tokens.verify(tokens.issue("ann")).claims
