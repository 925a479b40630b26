"""Whose tokens are believed, and how much."""

import pytest

from tenantkit import new_id
from tenantkit.exceptions import ConfigurationError, TokenInvalid
from tenantkit.tokens import ClaimMap, Issuer, KeyRing, TokenKey, TrustedIssuers
from tests.unit.clocks import FixedClock
from tests.unit.forge import CLAIMS, HEADER, SECRET, signed, without

OTHER_SECRET = "another-secret-of-more-than-thirty-two-bytes"
OURS = Issuer(
    name="issuer",
    audience="audience",
    keys=KeyRing(TokenKey.secret(SECRET)),
    claims=ClaimMap(keeps_names=True),
)


def provider(secret=OTHER_SECRET, **facts):
    """Return a provider whose tokens the forger can sign."""
    given = {"name": "provider", "audience": "api", "keys": KeyRing(TokenKey.secret(secret))}
    return Issuer(**given | facts)


def theirs(header=HEADER, secret=OTHER_SECRET, **claims):
    """Return a token of the provider; a claim of None is left out."""
    given = {**CLAIMS, "iss": "provider", "aud": "api", **claims}
    return signed(header, {name: value for name, value in given.items() if value is not None}, key=secret)


def trusted(*issuers, **options):
    """Return what believes our own issuer and others."""
    return TrustedIssuers(OURS, *issuers, clock=FixedClock(), **options)


def refused(token, *issuers, **options):
    """Return the message with which a token is refused."""
    with pytest.raises(TokenInvalid) as caught:
        trusted(*issuers, **options).verify(token)
    return caught.value.message


def test_a_token_is_verified_by_its_issuers_keys():
    """Each issuer's tokens are verified by its own keys, for its own audience."""
    found = [trusted(provider()).verify(token) for token in (signed(), theirs())]
    assert [("issuer", "ann"), ("provider", "ann")] == [(token.issuer, token.user_id) for token in found]


def test_no_issuer_signs_for_another():
    """A token that names one issuer and is signed by another's key is refused, in both directions."""
    assert "names no key" in refused(theirs(HEADER | {"kid": OURS.keys.first.id}, SECRET), provider())
    assert "not by its key" in refused(theirs(secret=SECRET), provider())
    assert "not by its key" in refused(signed(key=OTHER_SECRET), provider())


NO_ISSUERS = {
    "unknown": "stranger",
    "none": None,
    "empty": "",
    "no text": 1,
    "list": ["provider"],
    "another case": "Provider",
    "a slash more": "provider/",
    "endless": "p" * 501,
}


@pytest.mark.parametrize("name", NO_ISSUERS.values(), ids=NO_ISSUERS)
def test_strangers_are_not_believed(name):
    """An issuer that is not known, letter by letter, is not believed, whatever its signature."""
    refused(theirs(iss=name), provider())
    refused(theirs(iss=name), provider(), find=lambda _name: None)


def test_issuers_that_are_found_later():
    """An issuer that a tenant brought is asked for by its name, and believed under that name only."""
    asked = []

    def find(name):
        asked.append(name)
        return provider() if name in ("provider", "alias") else None

    assert "ann" == trusted(find=find).verify(theirs()).user_id
    assert "not believed" in refused(theirs(iss="alias"), find=find)
    assert "not believed" in refused(theirs(iss="stranger"), find=find)
    trusted(find=find).verify(signed())
    assert ["provider", "alias", "stranger"] == asked


def test_names_of_issuers_differ():
    """Two issuers of one name are an error at the start."""
    with pytest.raises(ConfigurationError, match="same name"):
        trusted(provider(), provider(SECRET))


def test_waiting():
    """Keys at hand make nobody wait; looking for issuers may."""
    assert not trusted(provider()).wait
    assert trusted(find=lambda _name: None).wait


# types --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typ", ["JWT", "", None])
def test_other_types_have_to_be_named(typ):
    """A provider's tokens of another type are refused, unless the type is named; a missing one is the empty one."""
    header = {key: value for key, value in (HEADER | {"typ": typ}).items() if value is not None}
    refused(theirs(header), provider())
    assert "ann" == trusted(provider(types=("JWT", ""))).verify(theirs(header)).user_id


@pytest.mark.parametrize("claim", ["nonce", "at_hash", "c_hash"])
def test_id_tokens_open_nothing(claim):
    """What is no access token by its type and has the claims of an ID token is refused."""
    issuer = provider(types=("JWT", "at+jwt"))
    assert "ID token" in refused(theirs(HEADER | {"typ": "JWT"}, **{claim: "x"}), issuer)
    assert "ann" == trusted(issuer).verify(theirs(**{claim: "x"})).user_id


# claims -------------------------------------------------------------------------------------------------------


def test_a_providers_names_mean_nothing():
    """A claim that has one of the kit's names by chance is not seen; the provider's claims are there beside."""
    found = trusted(provider()).verify(theirs(org="1", scope="superadmin", workspace=7))
    assert {"iss", "aud", "sub", "exp", "iat", "jti"} == set(found.claims)
    assert ("1", "superadmin") == (found.provided["org"], found.provided["scope"])


def test_claims_are_mapped():
    """A path leads to a claim by its name, which may hold dots and slashes, or through claims within claims."""
    names = ClaimMap(
        user=("user", "id"),
        tenant="https://example.com/org",
        further={"amr": "amr", "workspace": ("a", "b"), "missing": ("a", "b", "c")},
        user_prefix="okta|",
        tenant_claim="tid",
    )
    token = theirs(
        **{"user": {"id": 42}, "https://example.com/org": 9, "amr": ["mfa"], "a": {"b": 7}, "tid": "no"}
    )
    claims = trusted(provider(claims=names)).verify(token).claims
    assert ("okta|42", "9", ["mfa"], 7) == tuple(claims[name] for name in ("sub", "tid", "amr", "workspace"))
    assert "missing" not in claims


SHAPES = {"list": ["x"], "object": {"x": 1}, "boolean": True, "fraction": 1.5}


@pytest.mark.parametrize("value", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", ["sub", "tid"])
def test_ids_of_another_shape_are_refused(name, value):
    """A user or tenant that is neither text nor whole number is refused, and never made a text of."""
    assert repr(name) in refused(theirs(**{name: value}), provider(claims=ClaimMap(tenant="tid")))


def test_users_of_a_prefix_are_no_longer_than_others():
    """The length of a user's id counts with its prefix."""
    names = ClaimMap(user_prefix="okta|")
    assert "okta|" + "x" * 195 == trusted(provider(claims=names)).verify(theirs(sub="x" * 195)).user_id
    assert "201 characters" in refused(theirs(sub="x" * 196), provider(claims=names))


def test_claims_that_have_to_be_there():
    """A provider whose audience is elsewhere, and whose tokens say what they are in a claim."""
    cognito = provider(
        audience="client", audience_claim="client_id", required={"token_use": "access", "scope": None}
    )
    good = {"aud": None, "client_id": "client", "token_use": "access", "scope": "x"}
    assert "ann" == trusted(cognito).verify(theirs(**good)).user_id
    for wrong in (
        {"token_use": "id"},
        {"token_use": None},
        {"scope": None},
        {"client_id": "api"},
        {"client_id": None},
    ):
        refused(theirs(**good | wrong), cognito)


@pytest.mark.parametrize("name", ["exp", "iat"])
def test_times_are_required_of_everybody(name):
    """No issuer's token is good for ever."""
    assert name in refused(
        signed(claims=without(name) | {"iss": "provider", "aud": "api"}, key=OTHER_SECRET), provider()
    )


@pytest.mark.parametrize("sid", [["x"], {"x": 1}, 7, True], ids=repr)
def test_a_login_that_is_no_text_is_refused(sid):
    """Whoever maps it, and whoever keeps names."""
    names = ClaimMap(further={"sid": "session"})
    assert "'sid'" in refused(theirs(session=sid), provider(claims=names))
    assert "'sid'" in refused(theirs(sid=sid), provider(claims=ClaimMap(keeps_names=True)))


# issuers of one tenant ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tenant", [new_id(), 7, "t-7"], ids=["UUID", "int", "str"])
def test_an_issuer_of_one_tenant(tenant):
    """It speaks of its tenant without naming it, or naming it; a token that names another is refused."""
    issuer = provider(tenant=tenant, claims=ClaimMap(tenant="org"))
    for org in (None, str(tenant)):
        found = trusted(issuer).verify(theirs(org=org))
        assert (tenant, str(tenant)) == (found.bound_to, found.claims["org"])
    for org in ("8", "", str(tenant) + " "):
        assert "names another" in refused(theirs(org=org), issuer)
    assert trusted(provider()).verify(theirs()).bound_to is None


# configuration ------------------------------------------------------------------------------------------------

WRONG = {
    "no name": lambda: provider(name=""),
    "endless name": lambda: provider(name="p" * 501),
    "no audience": lambda: provider(audience=""),
    "no types": lambda: provider(types=()),
    "types of no tuple": lambda: provider(types="JWT"),
    "negative leeway": lambda: provider(leeway=-1),
    "leeway of an hour": lambda: provider(leeway=3600),
    "leeway that is none": lambda: provider(leeway=float("nan")),
    "empty path": lambda: ClaimMap(user=()),
    "path with an empty name": lambda: ClaimMap(tenant=("a", "")),
    "path of a list": lambda: ClaimMap(user=["a"]),
    "a name of the standard": lambda: ClaimMap(further={"exp": "expires"}),
    "the user twice": lambda: ClaimMap(further={"sub": "uid"}),
    "the tenant twice": lambda: ClaimMap(further={"org": "oid"}),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_wrong_configuration_is_refused_at_the_start(make):
    """What cannot work is an error when it is made."""
    with pytest.raises(ConfigurationError):
        make()
