"""Whose tokens a kit believes, and whom it believes without one."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tenantkit.core.settings import Settings
from tenantkit.exceptions import ConfigurationError
from tenantkit.kit.support import Support
from tenantkit.resolution import RequestView
from tenantkit.tokens import AccessToken, ApiKey, Backoff, ClaimMap, Issuer, KeyRing, TokenKey

__all__ = ["Trust", "keys_of", "recognized"]


@dataclass(frozen=True, slots=True)
class Trust:
    """
    Whose tokens a kit believes, beside those that it signs with the settings' secret.

    Args:
        keys: the kit's own keys, in place of the settings' secrets.
        issuers: identity providers.
        find_issuer: asked for the provider of a name that is not among them, such as one that a tenant brought; it may
            wait. The name is whatever a stranger wrote.
        backoffs: how long attempts to sign in have to wait that failed; see :class:`~tenantkit.tokens.Lockouts`.
        is_revoked: asked at each request whether its token was revoked. It must be quick.
        recognize: asked who sends a request without a token, such as somebody whom the framework's session signed in;
            None for nobody. It returns claims, of which ``sub`` is who it is. On asyncio it is asked in a thread.
        support: whose tokens open every tenant; nobody's, if nothing is said.

    .. versionadded:: 0.1
    """

    keys: KeyRing | None = None
    issuers: Sequence[Issuer] = ()
    find_issuer: Callable[[str], Issuer | None] | None = None
    backoffs: Mapping[str, Backoff] | None = None
    is_revoked: Callable[[AccessToken], bool] | None = None
    recognize: Callable[[RequestView], Mapping[str, Any] | None] | None = None
    support: Support | None = None

    def support_of(self, found: AccessToken | ApiKey | None) -> Support | None:
        """Return the support, if credentials are those of one of it."""
        return self.support if self.support is not None and self.support.has(found) else None


def recognized(claims: Mapping[str, Any]) -> AccessToken:
    """
    Return what stands for the token of somebody whom the application recognized without one.

    Raises:
        TokenInvalid: `sub` is missing, or no id of a user.
    """
    held = MappingProxyType(dict(claims))
    user_id = ClaimMap().user_of(held)
    return AccessToken(user_id, "", held, -math.inf, math.inf, None, held)


def keys_of(settings: Settings, trust: Trust) -> KeyRing:
    """
    Return the keys that a kit signs with and verifies its own tokens by.

    Raises:
        ConfigurationError: there are none, or they are given twice; or a secret is too short.
    """
    secrets = [secret.get_secret_value() for secret in settings.token_previous_secrets]
    if settings.token_secret is not None:
        secrets.insert(0, settings.token_secret.get_secret_value())
    if trust.keys is not None and not secrets:
        return trust.keys
    if trust.keys is not None or settings.token_secret is None:
        raise ConfigurationError(
            "A kit signs its tokens with the setting `token_secret`, or with the keys of Trust(keys=...): give one of "
            'them. Make a secret with `python -c "import secrets; print(secrets.token_urlsafe(64))"`.'
        )
    return KeyRing(*(TokenKey.secret(secret, settings.token_algorithm) for secret in secrets))
