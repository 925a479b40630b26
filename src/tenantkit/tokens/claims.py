"""What the claims of a token mean: times, audiences, and the names that an issuer has for what the kit asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tenantkit.exceptions import ConfigurationError, TokenInvalid

__all__ = ["LOGIN_CLAIM", "REGISTERED", "ClaimMap", "audiences_of", "times_of"]

LOGIN_CLAIM: Final = "sid"  # OpenID Connect Front-Channel Logout, 3
REGISTERED: Final = ("iss", "aud", "exp", "nbf", "iat", "jti")  # RFC 7519, 4.1; `sub` is mapped
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999, the last that datetime knows; NaN is not below it
_MAX_USER_ID: Final = 200  # characters, as the column of memberships

ClaimPath = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClaimMap:
    """
    Where a provider's token says what the kit asks.

    A path is the name of a claim, which may hold dots and slashes (``"https://example.com/org"``), or a tuple of names,
    one inside the other (``("realm_access", "roles")``). What is not mapped, the kit does not see: a claim that has one
    of its names by chance (``org``, ``scope``) means nothing.

    Args:
        user: the id of the user.
        tenant: the id of the tenant, as text or a whole number.
        further: other claims, by the kit's names, such as ``{"workspace": "wsp", "amr": "amr"}``.
        user_prefix: put before the id of the user, so that users of two providers are never the same, as
            ``"okta|"``.
        tenant_claim: the kit's name for the tenant, as :class:`TokenClaim` asks for it.
        keeps_names: whether claims that are not mapped are seen by the names that they have; for issuers that have
            the kit's names, such as another service with tenantkit.

    Raises:
        ConfigurationError: a path is none, or a claim is mapped to a name of RFC 7519 or to the tenant's.

    .. versionadded:: 0.1
    """

    user: ClaimPath = "sub"
    tenant: ClaimPath | None = None
    further: Mapping[str, ClaimPath] = field(default_factory=dict)
    user_prefix: str = ""
    tenant_claim: str = "org"
    keeps_names: bool = False

    def __post_init__(self) -> None:
        tenant = () if self.tenant is None else (self.tenant,)
        for path in (self.user, *tenant, *self.further.values()):
            names = (path,) if isinstance(path, str) else path
            if (
                not isinstance(names, tuple)
                or not names
                or not all(isinstance(name, str) and name for name in names)
            ):
                raise ConfigurationError(
                    f"{path!r} is the path of no claim: use a name, or a tuple of names."
                )
        if taken := self.further.keys() & {*REGISTERED, "sub", self.tenant_claim}:
            raise ConfigurationError(
                f"No claim can be mapped to {min(taken)!r}, which has a meaning of its own."
            )

    def user_of(self, provided: Mapping[str, Any]) -> str:
        """
        Return the id of the user.

        Raises:
            TokenInvalid: there is none, it is neither text nor a whole number, or it is too long.
        """
        found = _spelled(self.user, _at(provided, self.user))
        if not found:
            raise TokenInvalid(f"The token names no user: the claim {self.user!r} is missing or empty.")
        user = f"{self.user_prefix}{found}"
        if len(user) > _MAX_USER_ID:
            raise TokenInvalid(f"The id of the user has {len(user)} characters; {_MAX_USER_ID} are allowed.")
        return user

    def tenant_of(self, provided: Mapping[str, Any]) -> str | None:
        """
        Return the id of the tenant as text, or None where the token names none.

        Raises:
            TokenInvalid: it is neither text nor a whole number.
        """
        return None if self.tenant is None else _spelled(self.tenant, _at(provided, self.tenant))

    def read(self, provided: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the claims by the kit's names: the user as ``sub``, the tenant, those of RFC 7519, and the others.

        Raises:
            TokenInvalid: as for :meth:`user_of` and :meth:`tenant_of`.
        """
        names = provided if self.keeps_names else REGISTERED
        found = {name: provided.get(name) for name in names}
        found |= {name: _at(provided, path) for name, path in self.further.items()}
        found |= {"sub": self.user_of(provided), self.tenant_claim: self.tenant_of(provided)}
        return {name: value for name, value in found.items() if value is not None}


def times_of(claims: Mapping[str, Any], now: float, leeway: float) -> tuple[float, float]:
    """
    Return from when and until when a token is valid, leeway included; all in seconds, of Unix time.

    Raises:
        TokenInvalid: it has expired, is not valid yet, or a time is no number.
    """
    for name in ("exp", "iat", "nbf"):
        value = claims.get(name, now)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
            raise TokenInvalid(f"The claim {name!r} is no number of seconds.")
        if name == "exp" and value <= now - leeway:
            raise TokenInvalid("The token has expired. Sign in again.")
        if name != "exp" and value > now + leeway:
            raise TokenInvalid(f"The token is not valid yet ({name}); compare the clocks.")
    return max(claims["iat"], claims.get("nbf", 0)) - leeway, claims["exp"] + leeway


def audiences_of(value: object) -> list[str]:
    """Return whom a token is for: RFC 7519, 4.1.3, one text or several."""
    named = [value] if isinstance(value, str) else value
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise TokenInvalid("The audience of the token is no text and no list of texts.")
    return named


def _at(claims: Mapping[str, Any], path: ClaimPath) -> Any:
    if isinstance(path, str):
        return claims.get(path)
    found: Any = claims
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _spelled(path: ClaimPath, value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise TokenInvalid(f"The claim {path!r} is {type(value).__name__}, not a text or a whole number.")
    return None if value is None else str(value)
