"""Whose tokens are believed, and how much."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from tenantkit.core.tenant import TenantId
from tenantkit.exceptions import ConfigurationError, TokenInvalid
from tenantkit.protocols import Clock, TokenKeys
from tenantkit.tokens.claims import LOGIN_CLAIM, ClaimMap, audiences_of, times_of
from tenantkit.tokens.compact import Compact, read_compact
from tenantkit.tokens.model import AccessToken

__all__ = ["Issuer", "TrustedIssuers"]

_ACCESS: Final = "at+jwt"  # RFC 9068, 2.1: an ID token or a reset token is no access token
_REQUIRED: Final[dict[str, str | None]] = {"exp": None, "iat": None}
_OF_ID_TOKENS: Final = ("nonce", "at_hash", "c_hash")  # OpenID Connect Core, 2 and 3.3.2.11
_MAX_ISSUER: Final = 500  # characters
_MAX_LEEWAY: Final = 300  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """
    Somebody whose tokens are believed: this application, or an identity provider.

    Args:
        name: the ``iss`` of its tokens, letter by letter.
        audience: whom its tokens have to be for: this application.
        keys: its keys: a :class:`KeyRing`, or a provider's :class:`PublishedKeys`.
        tenant: the id of the one tenant that it may speak of, where a tenant brings its own provider. A token that
            names another one is refused, and so is one on a path of no tenant.
        claims: what it calls what the kit asks.
        types: the ``typ`` of its tokens' headers; ``""`` is for tokens without. By default access tokens by RFC 9068
            only. Where a provider has others (``"JWT"``), what looks like an ID token is refused.
        leeway: seconds of clock difference that are forgiven, up to 300.
        audience_claim: the claim that holds the audience.
        required: claims that have to be there, with their values, such as ``{"token_use": "access"}``, or with None
            where any value will do.

    Raises:
        ConfigurationError: the name or the audience is empty, no type is given, or the leeway is none.

    .. versionadded:: 0.1
    """

    name: str
    audience: str
    keys: TokenKeys
    tenant: TenantId | None = None
    claims: ClaimMap = field(default_factory=ClaimMap)
    types: tuple[str, ...] = (_ACCESS,)
    leeway: float = 0
    audience_claim: str = "aud"
    required: Mapping[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > _MAX_ISSUER or not self.audience:
            raise ConfigurationError(
                f"An issuer has a name of 1 to {_MAX_ISSUER} characters, and an audience that is not empty: the `iss` "
                "and `aud` of its tokens."
            )
        if not isinstance(self.types, tuple) or not self.types:
            raise ConfigurationError(f"The types of {self.name!r} are a tuple such as ('at+jwt', 'JWT').")
        if not 0 <= self.leeway <= _MAX_LEEWAY:
            raise ConfigurationError(f"The leeway is seconds from 0 to {_MAX_LEEWAY}, not {self.leeway!r}.")

    def verify(self, token: Compact, now: float) -> AccessToken:
        """
        Return what a token says that names this issuer.

        Args:
            token: the token.
            now: seconds of Unix time.

        Raises:
            TokenInvalid: key, algorithm, signature, type, audience or time are wrong, or a claim is missing.
            KeysUnavailable: the issuer's keys could not be fetched.
        """
        self._check_signature(token)
        claims = token.claims
        kind = self._check_type(token.header.get("typ", ""))
        if kind != _ACCESS and not claims.keys().isdisjoint(_OF_ID_TOKENS):
            raise TokenInvalid("The token is an ID token, which says who somebody is and opens nothing.")
        if claims.get("iss") != self.name:
            raise TokenInvalid(f"The token is not one of {self.name!r}.")
        if self.audience not in audiences_of(claims.get(self.audience_claim)):
            raise TokenInvalid(f"The token is not for {self.audience!r}.")
        for name, wanted in {**_REQUIRED, **self.required}.items():
            found = claims.get(name)
            if found is None or wanted not in (None, found):
                raise TokenInvalid(
                    f"The token needs the claim {name!r}" + (f" to be {wanted!r}." if wanted else ".")
                )
        if not isinstance(claims.get("jti", ""), str):
            raise TokenInvalid("The id of the token is no text.")
        since, until = times_of(claims, now, self.leeway)
        return self._read(claims, since, until)

    def _check_signature(self, token: Compact) -> None:
        key_id, algorithm = token.header.get("kid"), token.header.get("alg")
        if "kid" in token.header and not isinstance(key_id, str):
            raise TokenInvalid("The `kid` of the token is no text.")
        key = self.keys.find(key_id)
        if key is None:
            raise TokenInvalid(f"The token names no key of {self.name!r}.")
        if key.algorithm != algorithm:  # the key says how it is used, and the token does not
            raise TokenInvalid(
                f"The token says it is signed with {algorithm!r}, and its key is for {key.algorithm}."
            )
        if not key.verify(token.signed, token.signature):
            raise TokenInvalid("The signature of the token is not by its key.")

    def _check_type(self, said: object) -> str:
        kind = str(said).lower().removeprefix("application/")  # RFC 7515, 4.1.9
        if kind not in map(str.lower, self.types):
            raise TokenInvalid(f"The token is of type {said!r}, not {' or '.join(map(repr, self.types))}.")
        return kind

    def _read(self, provided: dict[str, Any], since: float, until: float) -> AccessToken:
        claims, name = self.claims.read(provided), self.claims.tenant_claim
        if self.tenant is not None and claims.setdefault(name, str(self.tenant)) != str(self.tenant):
            raise TokenInvalid(f"{self.name!r} speaks of one tenant, and the token names another.")
        if not isinstance(claims.get(LOGIN_CLAIM, ""), str):
            raise TokenInvalid(f"The claim {LOGIN_CLAIM!r} of the token is no text.")
        return AccessToken(
            user_id=claims["sub"],
            issuer=self.name,
            claims=MappingProxyType(claims),
            valid_from=since,
            valid_until=until,
            bound_to=self.tenant,
            provided=MappingProxyType(provided),
        )


class TrustedIssuers:
    """
    All issuers whose tokens are believed, each by its ``iss``.

    Args:
        issuers: those that are known from the start.
        clock: tells the time.
        find: asked for the issuer of a name that is not among them, such as the provider that a tenant brought; None
            where there is none. The name is whatever a stranger wrote into a token, up to 500 characters.

    Raises:
        ConfigurationError: two issuers have the same name.

    .. versionadded:: 0.1
    """

    def __init__(
        self, *issuers: Issuer, clock: Clock, find: Callable[[str], Issuer | None] | None = None
    ) -> None:
        self._issuers = {issuer.name: issuer for issuer in issuers}
        if len(self._issuers) < len(issuers):
            raise ConfigurationError(
                "Two issuers of tokens have the same name; the name decides whose keys are used."
            )
        self._clock, self._find = clock, find

    @property
    def wait(self) -> bool:
        """Whether verifying may wait for an answer, that of who publishes keys or of who finds issuers."""
        return self._find is not None or any(issuer.keys.wait for issuer in self._issuers.values())

    def verify(self, token: str) -> AccessToken:
        """
        Return what a token says, if it verifies.

        Raises:
            TokenInvalid: it does not. The message is for the operator; the answer to the client does not tell which.
            KeysUnavailable: the keys of its issuer could not be fetched.
        """
        compact = read_compact(token)
        issuer = self._issuer(compact.claims.get("iss"))
        return issuer.verify(compact, self._clock.now().timestamp())

    def _issuer(self, name: object) -> Issuer:
        if not isinstance(name, str) or len(name) > _MAX_ISSUER:
            raise TokenInvalid("The token does not say who issued it.")
        found = self._issuers.get(name) or (self._find(name) if self._find else None)
        if found is None or found.name != name:
            raise TokenInvalid(f"Tokens of {name[:80]!r} are not believed here.")
        return found
