"""Opaque tokens."""

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantkit.core.opaque import derive_opaque, digest_opaque, make_opaque


def test_a_token_is_its_prefix_and_49_letters_and_digits():
    """256 bits need 43 digits of base 62, the checksum 6; all of it can be selected by a double click."""
    for _ in range(100):
        prefix, _, body = make_opaque("tkr").partition("_")
        assert ("tkr", 49) == (prefix, len(body))
        assert set(body) <= set(string.ascii_letters + string.digits)


def test_tokens_differ():
    """No two are alike."""
    assert 1000 == len({make_opaque("tkr") for _ in range(1000)})


def test_what_is_kept_is_the_digest():
    """It is the SHA-256 of the text, from which nobody comes back to it."""
    token = make_opaque("acme_live")
    assert hashlib.sha256(token.encode()).hexdigest() == digest_opaque("acme_live", token)


def test_what_follows_is_known_to_who_has_both():
    """The same token and salt lead to the same token; another of either leads elsewhere."""
    token, other = make_opaque("tkr"), make_opaque("tkr")
    following = derive_opaque("tkr", b"s" * 32, token)
    assert following == derive_opaque("tkr", b"s" * 32, token)
    assert 3 == len(
        {following, derive_opaque("tkr", b"t" * 32, token), derive_opaque("tkr", b"s" * 32, other)}
    )
    assert digest_opaque("tkr", following)


@given(st.integers(4, 52), st.sampled_from(string.ascii_letters + string.digits))
def test_a_letter_that_is_wrong_is_found(place, letter):
    """The checksum finds every single letter that was mistyped."""
    token = derive_opaque("tkr", b"s" * 32, "token")
    changed = token[:place] + letter + token[place + 1 :]
    assert (changed == token) == (digest_opaque("tkr", changed) is not None)


@pytest.mark.parametrize(
    "change", [str.lower, str.upper, str.swapcase, lambda text: text + "0", lambda text: text[:-1]]
)
def test_another_form_is_no_token(change):
    """Case and length count."""
    assert digest_opaque("tkr", change(derive_opaque("tkr", b"s" * 32, "token"))) is None


@pytest.mark.hostile
@given(st.text(max_size=80) | st.builds("tkr_{}".format, st.text(max_size=60)))
def test_whatever_a_stranger_writes_is_no_token(text):
    """Any text is read, and is none."""
    assert digest_opaque("tkr", text) is None


def test_a_token_of_another_kind_is_none():
    """A prefix is part of the kind: an API key is no refresh token."""
    assert digest_opaque("tkr", make_opaque("tka")) is None
    assert digest_opaque("tk", make_opaque("tk_r")) is None
