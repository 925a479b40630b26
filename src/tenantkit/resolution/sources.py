"""The places of a request that can name a tenant. Reads; looks nothing up."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

from tenantkit.core.tenant import is_slug
from tenantkit.exceptions import ConfigurationError, HostMalformed, TokenInvalid
from tenantkit.resolution.model import Named

__all__ = ["Claim", "Host", "TokenClaim"]

_MAX_HOST: Final = 253  # RFC 1035, 2.3.4
_HOST: Final = re.compile(r"([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::([0-9]{1,5}))?\Z", re.IGNORECASE | re.ASCII)
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\Z")
_MAX_PORT: Final = 65_535
_PLACE: Final = "{tenant}"


class TokenClaim:
    """
    The claim of a verified access token: an authenticated source.

    Args:
        claim: the name of the claim, which holds the tenant's id as text.

    .. versionadded:: 0.1
    """

    authenticated = True

    def __init__(self, claim: str) -> None:
        self.claim = claim

    def __repr__(self) -> str:
        return f"TokenClaim({self.claim!r})"

    def read(self, host: str | None, claims: Mapping[str, Any]) -> Named | None:  # noqa: ARG002 - one shape for all
        """Return what the claim names, or None where the token has no such claim."""
        value = claims.get(self.claim)
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise TokenInvalid(
                f"The claim {self.claim!r} is {type(value).__name__}, not the text of a tenant id."
            )
        return Named("id", value, f"token claim {self.claim!r}", authenticated=True)


class Claim:
    """
    The claim of a verified access token that holds a dimension of the scope, such as the workspace.

    Args:
        claim: the name of the claim.
        kind: the type of its value: ``str``, ``int``, or ``UUID``, which a token spells as text.

    Raises:
        ConfigurationError: the type is another one.

    .. versionadded:: 0.1
    """

    def __init__(self, claim: str, kind: type[str | int | UUID] = str) -> None:
        if kind not in (str, int, UUID):
            raise ConfigurationError(f"A dimension is a str, an int or a UUID, not {kind!r}.")
        self.claim, self.kind = claim, kind

    def __repr__(self) -> str:
        return f"Claim({self.claim!r}, {self.kind.__name__})"

    def read(self, claims: Mapping[str, Any]) -> str | int | UUID | None:
        """
        Return the value, or None where the token has no such claim.

        Raises:
            TokenInvalid: the value has another type.
        """
        value = claims.get(self.claim)
        if value is None:
            return None
        if self.kind is UUID and isinstance(value, str):
            with suppress(ValueError):
                return UUID(value)
        if self.kind is UUID or isinstance(value, bool) or not isinstance(value, self.kind):
            raise TokenInvalid(f"The claim {self.claim!r} holds no {self.kind.__name__}.")
        return value


class Host:
    """
    One label of the host name: a source that the client chooses, so it never decides alone.

    Args:
        pattern: the host with ``{tenant}`` in place of one label, for example ``"{tenant}.example.com"``.
        reserved: labels that name no tenant.

    Raises:
        ConfigurationError: the pattern has not exactly one ``{tenant}`` that is a whole label.

    .. versionadded:: 0.1
    """

    authenticated = False

    def __init__(self, pattern: str, *, reserved: tuple[str, ...] = ("www", "api")) -> None:
        labels = pattern.lower().split(".")
        if labels.count(_PLACE) != 1 or not all(_LABEL.match(label) for label in labels if label != _PLACE):
            raise ConfigurationError(
                f"Host({pattern!r}) needs {_PLACE} as one whole label among labels of ASCII letters, digits and inner "
                f"hyphens, without a port, as in Host('{_PLACE}.example.com')."
            )
        self.pattern = pattern.lower()
        self.reserved = frozenset(reserved)

    def __repr__(self) -> str:
        return f"Host({self.pattern!r})"

    def read(self, host: str | None, claims: Mapping[str, Any]) -> Named | None:  # noqa: ARG002
        """
        Return what the host names, or None where it is another host.

        Raises:
            HostMalformed: the header is no host and port.
        """
        if not host:
            return None
        match = _HOST.match(host) if len(host) <= _MAX_HOST + 6 else None
        if match is None or len(match[1]) > _MAX_HOST or int(match[2] or 0) > _MAX_PORT:
            raise HostMalformed("The Host header is not a host name with an optional port.")
        labels, pattern = match[1].lower().split("."), self.pattern.split(".")
        if len(labels) != len(pattern):
            return None
        if any(wanted not in (_PLACE, label) for label, wanted in zip(labels, pattern, strict=True)):
            return None
        slug = labels[pattern.index(_PLACE)]
        if slug in self.reserved or not is_slug(slug):
            return None
        return Named("slug", slug, "host", authenticated=False)
