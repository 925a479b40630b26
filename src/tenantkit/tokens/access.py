"""Access tokens of this application: JSON Web Tokens for OAuth 2.0 (RFC 9068)."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

from tenantkit.core.ids import new_id
from tenantkit.core.tenant import Tenant
from tenantkit.exceptions import ConfigurationError
from tenantkit.protocols import Clock
from tenantkit.tokens.claims import REGISTERED, ClaimMap
from tenantkit.tokens.compact import read_compact
from tenantkit.tokens.issuers import Issuer
from tenantkit.tokens.keys import KeyRing
from tenantkit.tokens.model import AccessToken

__all__ = ["AccessTokens"]

_TYPE: Final = "at+jwt"  # RFC 9068, 2.1


class AccessTokens:
    """
    Issues access tokens, and verifies those that it issued.

    Args:
        keys: its keys; the first signs.
        issuer: value of ``iss``.
        audience: value of ``aud``.
        lifetime: seconds until a token expires.
        leeway: seconds of clock difference that are forgiven.
        clock: tells the time.
        tenant_claim: the claim that holds the tenant's id.

    Attributes:
        keys: its keys.
        lifetime: seconds until a token expires.
        tenant_claim: the claim that holds the tenant's id.
        issuer: what others need to verify its tokens.

    Raises:
        ConfigurationError: the first key is a public one, or the issuer's facts are unusable.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        keys: KeyRing,
        *,
        issuer: str,
        audience: str,
        lifetime: int,
        leeway: float = 0,
        clock: Clock,
        tenant_claim: str = "org",
    ) -> None:
        if not keys.first.can_sign:
            raise ConfigurationError(
                "The first key of the ring is a public one, and signs nothing; put a private key first."
            )
        self.keys, self.lifetime, self._clock, self.tenant_claim = keys, lifetime, clock, tenant_claim
        self.issuer = Issuer(
            name=issuer,
            audience=audience,
            keys=keys,
            claims=ClaimMap(tenant=tenant_claim, tenant_claim=tenant_claim, keeps_names=True),
            leeway=leeway,
            required={"jti": None},
        )
        self._header = _encoded({"alg": keys.first.algorithm, "kid": keys.first.id, "typ": _TYPE})

    def issue(self, user_id: str, tenant: Tenant | None = None, **further: Any) -> str:
        """
        Return a token for a user, valid from now for the lifetime.

        Args:
            user_id: who it is for.
            tenant: where it is good for; without one it opens central routes only.
            further: claims beside those that every token has, such as ``workspace``; JSON-able.

        Raises:
            ConfigurationError: a further claim has the name of one that every token has, or is not JSON-able.
        """
        tenant_id = None if tenant is None else str(tenant.id)
        now = int(self._clock.now().timestamp())
        return self.issue_again(user_id, tenant_id, token_id=str(new_id()), at=now, further=further)

    def issue_again(
        self,
        user_id: str,
        tenant_id: str | None,
        *,
        token_id: str,
        at: int,
        until: int | None = None,
        further: Mapping[str, Any] | None = None,
    ) -> str:
        """
        Return the token that was issued at a moment under an id: the same each time.

        With ``ES`` and ``PS``, whose signatures draw random numbers, the claims are the same.

        Args:
            user_id: who it is for.
            tenant_id: the id of the tenant as text, or None.
            token_id: value of ``jti``.
            at: when, in seconds of Unix time.
            until: when it expires at the latest, in seconds of Unix time.
            further: claims beside those that every token has.

        Raises:
            ConfigurationError: as for :meth:`issue`.
        """
        given = dict(further or {})
        if taken := given.keys() & {*REGISTERED, "sub", self.tenant_claim}:
            raise ConfigurationError(f"The claim {min(taken)!r} is the kit's own; it cannot be given.")
        expires = at + self.lifetime
        claims = {
            **given,
            "iss": self.issuer.name,
            "aud": self.issuer.audience,
            "sub": user_id,
            "iat": at,
            "exp": expires if until is None else min(expires, until),
            "jti": token_id,
        }
        if tenant_id is not None:
            claims[self.tenant_claim] = tenant_id
        return self._signed(claims)

    def verify(self, token: str) -> AccessToken:
        """
        Return what a token says, if this application issued it and it verifies; see :meth:`TrustedIssuers.verify`.

        Raises:
            TokenInvalid: it does not verify.
        """
        return self.issuer.verify(read_compact(token), self._clock.now().timestamp())

    def _signed(self, claims: dict[str, Any]) -> str:
        try:
            message = f"{self._header}.{_encoded(claims)}"
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"The claims of a token are JSON: {error}.") from None
        signature = self.keys.first.sign(message.encode())
        return f"{message}.{_base64(signature)}"


def _encoded(part: dict[str, Any]) -> str:
    return _base64(json.dumps(part, separators=(",", ":"), allow_nan=False).encode())


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
