"""Access tokens: JSON Web Tokens for OAuth 2.0 (RFC 9068), signed with one pinned algorithm."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import jwt

from tenantkit.core.ids import new_id
from tenantkit.core.tenant import Tenant
from tenantkit.exceptions import ConfigurationError, TokenInvalid
from tenantkit.protocols import Clock

__all__ = ["AccessTokens"]

_TYPE: Final = "at+jwt"  # RFC 9068, 2.1: an ID token or a reset token is no access token
_REQUIRED: Final = ("exp", "iat", "iss", "aud", "sub", "jti")
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999, the last that datetime knows; NaN is not below it
_MAX_LENGTH: Final = 8192  # characters; no honest token is longer, and hashing is not free


class AccessTokens:
    """
    Issues and verifies access tokens.

    Args:
        secret: key of the HMAC.
        algorithm: the only algorithm that is issued and accepted.
        issuer: value of ``iss``.
        audience: value of ``aud``.
        lifetime: seconds until a token expires.
        leeway: seconds of clock difference that are forgiven.
        clock: tells the time.
        tenant_claim: the claim that holds the tenant's id.

    .. versionadded:: 0.1
    """

    def __init__(  # noqa: PLR0913
        self,
        secret: str,
        *,
        algorithm: str,
        issuer: str,
        audience: str,
        lifetime: int,
        leeway: int,
        clock: Clock,
        tenant_claim: str = "org",
    ) -> None:
        self._secret = secret
        self.algorithm, self.issuer, self.audience = algorithm, issuer, audience
        self.lifetime, self.leeway = timedelta(seconds=lifetime), timedelta(seconds=leeway)
        self._clock = clock
        self.tenant_claim = tenant_claim

    def issue(self, user_id: str, tenant: Tenant | None = None, **further: Any) -> str:
        """
        Return a token for a user, valid from now for the lifetime.

        Args:
            user_id: who it is for.
            tenant: where it is good for; without one it opens central routes only.
            further: claims beside those that every token has, such as ``workspace``.

        Raises:
            ConfigurationError: a further claim has the name of one that every token has.
        """
        if taken := further.keys() & {*_REQUIRED, self.tenant_claim}:
            raise ConfigurationError(f"The claim {min(taken)!r} is the kit's own; it cannot be given.")
        now = self._clock.now()
        claims = {
            **further,
            "iss": self.issuer,
            "aud": self.audience,
            "sub": user_id,
            "iat": now,
            "exp": now + self.lifetime,
            "jti": str(new_id()),
        }
        if tenant is not None:
            claims[self.tenant_claim] = str(tenant.id)
        return jwt.encode(claims, self._secret, algorithm=self.algorithm, headers={"typ": _TYPE})

    def verify(self, token: str) -> Mapping[str, Any]:
        """
        Return the claims of a token that verifies.

        Raises:
            TokenInvalid: signature, algorithm, type, issuer, audience or time are wrong, or a claim is missing. The
                message is for the operator; the answer to the client does not tell which.
        """
        if len(token) > _MAX_LENGTH:
            raise TokenInvalid(f"The token has {len(token)} characters; {_MAX_LENGTH} are allowed.")
        try:
            decoded = jwt.decode_complete(
                token,
                self._secret,
                algorithms=[self.algorithm],
                issuer=self.issuer,
                audience=self.audience,
                # times are compared below, with the clock that was passed in
                options={
                    "require": list(_REQUIRED),
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.InvalidTokenError, UnicodeError) as error:
            raise TokenInvalid(f"The token does not verify: {error}.") from error
        if str(decoded["header"].get("typ", "")).lower() not in (_TYPE, f"application/{_TYPE}"):
            raise TokenInvalid(f"The token is of type {decoded['header'].get('typ')!r}, not {_TYPE!r}.")
        claims: dict[str, Any] = decoded["payload"]
        self._check_times(claims)
        return claims

    def span(self, claims: Mapping[str, Any]) -> tuple[float, float]:
        """Return from when and until when verified claims are valid, in seconds of Unix time, leeway included."""
        leeway = self.leeway.total_seconds()
        return max(claims["iat"], claims.get("nbf", 0)) - leeway, claims["exp"] + leeway

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._clock.now().timestamp()
        leeway = self.leeway.total_seconds()
        for name in ("exp", "iat", "nbf"):
            value = claims.get(name, now)
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not 0 <= value <= _LAST_SECOND
            ):
                raise TokenInvalid(f"The claim {name!r} is no number.")
            if name == "exp" and value <= now - leeway:
                raise TokenInvalid("The token has expired. Sign in again.")
            if name != "exp" and value > now + leeway:
                raise TokenInvalid(f"The token is not valid yet ({name}); compare the clocks.")
