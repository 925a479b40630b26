"""Requests with tokens of identity providers, those of all tenants and those that a tenant brought."""

import json
from uuid import UUID

import pytest

from tenantkit.core.scope import RequestFacts
from tenantkit.exceptions import ConfigurationError, ForeignCredentials, KeysUnavailable, TokenInvalid
from tenantkit.kit import RequestCredentials, Trust
from tenantkit.tokens import AccessTokens, ClaimMap, Issuer, KeyRing, PublishedKeys, TokenKey
from tests.integration.office import make_kit, sign_up
from tests.unit.clocks import FixedClock
from tests.unit.test_token_keys import EDWARDS, P256, pem

ACME, BOLT = UUID(int=1), UUID(int=2)
MAP = ClaimMap(tenant="organization")


class Provider:
    """An identity provider with a key pair, which publishes it and says what it is told to."""

    def __init__(self, name, key, algorithm):
        self.name, self.asked, self.away = name, 0, False
        self.keys = KeyRing(TokenKey.pem(pem(key), algorithm))
        self._tokens = AccessTokens(self.keys, issuer=name, audience="api", lifetime=900, clock=FixedClock())

    def token(self, user, **claims):
        """Return a token as the provider writes it."""
        return self._tokens.issue(user, **claims)

    def issuer(self, **facts):
        """Return what a kit has to know of it."""
        published = PublishedKeys(
            "https://login.example.com/keys",
            clock=FixedClock(),
            algorithms=["ES256", "EdDSA"],
            fetch=self._publish,
        )
        return Issuer(name=self.name, audience="api", keys=published, **{"claims": MAP} | facts)

    def _publish(self, _url):
        self.asked += 1
        if self.away:
            raise OSError("away")
        return json.dumps(self.keys.jwks()).encode()


@pytest.fixture
def of_all():
    """Give a provider for the users of all tenants."""
    return Provider("https://login.example.com/", P256, "ES256")


@pytest.fixture
def of_acme():
    """Give the provider that acme brought."""
    return Provider("https://sso.acme.example/", EDWARDS, "EdDSA")


@pytest.fixture
def kit(database, of_all, of_acme):
    """Give a kit of two tenants that believes one provider, and finds acme's."""

    def find(name):
        return of_acme.issuer(tenant=ACME) if name == of_acme.name else None

    kit = make_kit(database, clock=FixedClock(), trust=Trust(issuers=[of_all.issuer()], find_issuer=find))
    for slug, tenant_id in (("acme", ACME), ("bolt", BOLT)):
        sign_up(kit, slug, tenant_id=tenant_id)
    yield kit
    kit.dispose()


def request_of(token, host=None):
    """Return what a request says of itself."""
    return RequestCredentials(host, token, RequestFacts())


def test_a_provider_of_all_tenants(kit, of_all):
    """Its token names tenant and user by its own names, and its key is fetched once."""
    for tenant in (ACME, BOLT):
        scope = kit.identify(request_of(of_all.token("writer", organization=str(tenant))))
        assert (tenant, "writer", {"writer"}) == (scope.tenant.id, scope.actor.id, scope.roles)
    assert 1 == of_all.asked
    assert "reader" == kit.authenticate(request_of(of_all.token("reader"))).id


def test_the_kits_own_tokens_are_good_beside(kit):
    """A kit that believes a provider believes itself as before."""
    with kit.scope("acme") as scope:
        token = kit.tokens.issue("writer", scope.tenant)
    assert ACME == kit.identify(request_of(token)).tenant.id


def test_a_tenants_own_provider_speaks_of_its_tenant(kit, of_acme):
    """Its token is for its tenant without naming it, and no request of another tenant, and of none, is opened by it."""
    token = of_acme.token("writer")
    assert ACME == kit.identify(request_of(token, "acme.localhost")).tenant.id
    with pytest.raises(TokenInvalid, match="names another"):
        kit.identify(request_of(of_acme.token("writer", organization=str(BOLT))))
    with pytest.raises(ForeignCredentials) as caught:
        kit.authenticate(request_of(token))
    assert 403 == caught.value.status


def test_a_tenants_own_provider_on_the_path_of_another(database, of_acme):
    """Where another source names the tenant, the provider of one tenant opens no other's door all the same."""

    class OfTheProxy:
        authenticated = True

        def read(self, _host, _claims):
            from tenantkit.resolution import Named

            return Named("slug", "bolt", "proxy", authenticated=True)

    kit = make_kit(database, clock=FixedClock(), trust=Trust(issuers=[of_acme.issuer(tenant=ACME)]))
    kit.resolve = type(kit.resolve)([OfTheProxy()])
    sign_up(kit, "bolt", tenant_id=BOLT)
    with pytest.raises(ForeignCredentials):
        kit.identify(request_of(of_acme.token("writer")))
    kit.dispose()


def test_a_provider_that_is_away_is_503(kit, of_all):
    """Nobody is refused as a forger because keys could not be fetched; the kit's own tokens go on."""
    of_all.away = True
    with pytest.raises(KeysUnavailable):
        kit.identify(request_of(of_all.token("writer", organization=str(ACME))))
    assert "anybody" == kit.authenticate(request_of(kit.tokens.issue("anybody"))).id


def test_an_event_loop_fetches_no_keys(kit, of_all):
    """What may wait is not asked from a loop; a token that was seen before is recalled there."""
    request = request_of(of_all.token("writer", organization=str(ACME)))
    assert kit.recall(request) is None
    assert 0 == of_all.asked
    kit.identify(request)
    assert ACME == kit.recall(request).tenant.id


# own keys -----------------------------------------------------------------------------------------------------


def test_a_kit_that_signs_with_a_key_pair(database):
    """Its tokens are by the first key of the ring, and good by each; others verify them with what it publishes."""
    old = TokenKey.pem(pem(EDWARDS), "EdDSA")
    new = TokenKey.pem(pem(P256), "ES256")
    before = make_kit(database, token_secret=None, trust=Trust(keys=KeyRing(old)))
    after = make_kit(database, token_secret=None, trust=Trust(keys=KeyRing(new, old)))
    for kit in (before, after):
        assert "ann" == after.authenticate(request_of(kit.tokens.issue("ann"))).id
    assert {old.id, new.id} == {jwk["kid"] for jwk in after.tokens.keys.jwks()["keys"]}
    before.dispose()
    after.dispose()


def test_a_secret_is_changed_without_a_gap(database):
    """A token by a secret of before is good while the setting lists it."""
    old, new = "o" * 32, "n" * 32
    token = make_kit(database, token_secret=old).tokens.issue("ann")
    changed = make_kit(database, token_secret=new, token_previous_secrets=[old])
    assert "ann" == changed.authenticate(request_of(token)).id
    with pytest.raises(TokenInvalid):
        make_kit(database, token_secret=new).authenticate(request_of(token))


@pytest.mark.parametrize(
    "trust", [Trust(), Trust(keys=KeyRing(TokenKey.secret("s" * 32)))], ids=["none", "two"]
)
def test_a_kit_has_keys_from_one_place(database, trust):
    """Without any, or with a secret and a ring, it is an error at the start."""
    with pytest.raises(ConfigurationError, match="token_secret"):
        make_kit(database, token_secret="x" * 32 if trust.keys else None, trust=trust)
