"""Access tokens of this application: JSON Web Tokens for OAuth 2.0 (RFC 9068)."""

import json
from base64 import urlsafe_b64encode
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
        self.keys, self._lifetime, self._clock, self._tenant_claim = keys, lifetime, clock, tenant_claim
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
        if taken := further.keys() & {*REGISTERED, "sub", self._tenant_claim}:
            raise ConfigurationError(f"The claim {min(taken)!r} is the kit's own; it cannot be given.")
        now = int(self._clock.now().timestamp())
        claims = {
            **further,
            "iss": self.issuer.name,
            "aud": self.issuer.audience,
            "sub": user_id,
            "iat": now,
            "exp": now + self._lifetime,
            "jti": str(new_id()),
        }
        if tenant is not None:
            claims[self._tenant_claim] = str(tenant.id)
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
