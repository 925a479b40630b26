"""The nouns of tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenantkit.core.tenant import TenantId

__all__ = ["AccessToken"]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """
    What a token that verified says.

    Args:
        user_id: who it is for.
        issuer: who says so, the ``iss`` of the token.
        claims: what it says further, by the kit's names, whatever its issuer calls them; read-only.
        valid_from: seconds of Unix time, leeway included.
        valid_until: seconds of Unix time, leeway included.
        bound_to: the one tenant that its issuer may speak of, or None for an issuer of all.
        provided: all claims, by the issuer's names; read-only.

    .. versionadded:: 0.1
    """

    user_id: str
    issuer: str
    claims: Mapping[str, Any]
    valid_from: float
    valid_until: float
    bound_to: TenantId | None
    provided: Mapping[str, Any]
