"""The places of a request that can name a tenant. Reads; looks nothing up."""

import re
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote
from uuid import UUID

from tenantkit.core.tenant import is_slug
from tenantkit.exceptions import ConfigurationError, SourceMalformed, TokenInvalid
from tenantkit.resolution.model import Named, RequestView, Silent

__all__ = [
    "Claim",
    "Default",
    "Header",
    "PathPrefix",
    "QueryParam",
    "Session",
    "TokenClaim",
]

_PLACE: Final = "{tenant}"
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")  # RFC 9110, 5.6.2
_TAKEN: Final = frozenset({"authorization", "cookie", "host"})
_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
_MAX_FIELDS: Final = 100
_IN_PATHS: Final = "/:@!$&'()*+,;=~"  # RFC 3986, 3.3; what is not among them is spelled in percents
_IN_QUERIES: Final = _IN_PATHS + "?%"  # which the client has spelled already


class TokenClaim:
    """
    The claim of a verified access token: an authenticated source.

    Args:
        claim: the name of the claim, which holds the tenant's id as text, or its slug.
        by: which of the two.

    .. versionadded:: 0.1
    """

    authenticated = True

    def __init__(self, claim: str, *, by: Literal["id", "slug"] = "id") -> None:
        self.claim = claim
        self.by: Literal["id", "slug"] = by

    def __repr__(self) -> str:
        return f"TokenClaim({self.claim!r})"

    def read(self, request: RequestView, claims: Mapping[str, Any]) -> Named | Silent | None:  # noqa: ARG002 - one shape
        """Return what the claim names; None where there is no token."""
        value = claims.get(self.claim)
        if value is None:
            return Silent("the token has no such claim") if claims else None
        if not isinstance(value, str) or not value:
            raise TokenInvalid(
                f"The claim {self.claim!r} is {type(value).__name__}, not the text of a tenant id."
            )
        return Named(self.by, value, f"token claim {self.claim!r}", authenticated=True)


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


class PathPrefix:
    """
    A part of the path: a source that the client chooses.

    Args:
        pattern: the beginning of the path with ``{tenant}`` in place of one part, for example ``"/t/{tenant}"``.
        redirects: whether a request by a slug of before is sent to the one that the tenant has now (308). Otherwise it
            is served as it is.

    Raises:
        ConfigurationError: the pattern has not exactly one ``{tenant}`` that is a whole part.

    .. versionadded:: 0.1
    """

    authenticated = False

    def __init__(self, pattern: str, *, redirects: bool = True) -> None:
        parts = pattern.split("/")
        if (
            parts[0] != ""
            or parts.count(_PLACE) != 1
            or "" in parts[1:]
            or "{" in pattern.replace(_PLACE, "")
        ):
            raise ConfigurationError(
                f"PathPrefix({pattern!r}) begins with '/' and has {_PLACE} as one whole part, as in "
                f"PathPrefix('/t/{_PLACE}')."
            )
        self.pattern, self.redirects = pattern, redirects

    def __repr__(self) -> str:
        return f"PathPrefix({self.pattern!r})"

    def read(self, request: RequestView, claims: Mapping[str, Any]) -> Named | Silent | None:  # noqa: ARG002
        """Return what the path names, or None where it begins otherwise."""
        pattern, parts = self.pattern.split("/"), request.path.split("/")
        if len(parts) < len(pattern):
            return None
        if any(wanted not in (_PLACE, part) for part, wanted in zip(parts, pattern, strict=False)):
            return None
        place = pattern.index(_PLACE)
        slug = parts[place]
        if not is_slug(slug):
            return Silent("what stands there is no slug")

        def moved(new: str) -> str:
            return quoted(request.mount + "/".join([*parts[:place], new, *parts[place + 1 :]]), request.query)

        return Named("slug", slug, "path", authenticated=False, moved=moved if self.redirects else None)


class Header:
    """
    A header of one's own: a source that the client chooses, unless a proxy of one's own writes it.

    Args:
        name: the name of the header.
        by: whether it holds the slug or the id.
        trusted: addresses and networks (CIDR) of the proxies that write it. From elsewhere it is not read then, and
            from there it is an authenticated source.

    Raises:
        ConfigurationError: the name is no header's, or a network is none.

    .. versionadded:: 0.1
    """

    def __init__(self, name: str, *, by: Literal["slug", "id"] = "slug", trusted: Iterable[str] = ()) -> None:
        if not _TOKEN.match(name) or name.lower() in _TAKEN:
            raise ConfigurationError(f"{name!r} is not the name of a header that could name a tenant.")
        try:
            self.trusted = tuple(ip_network(one) for one in trusted)
        except ValueError as error:
            raise ConfigurationError(
                f"Header({name!r}, trusted=...) needs addresses or networks: {error}."
            ) from None
        self.name = name
        self.by: Literal["slug", "id"] = by
        self.authenticated = bool(self.trusted)

    def __repr__(self) -> str:
        return f"Header({self.name!r})"

    def read(self, request: RequestView, claims: Mapping[str, Any]) -> Named | Silent | None:  # noqa: ARG002
        """
        Return what the header names, or None where there is none.

        Raises:
            SourceMalformed: it holds no slug or id, or there are several.
        """
        value = request.header(self.name.lower())
        if value is None:
            return None
        if self.trusted and not _is_in(request.peer, self.trusted):
            return Silent("it comes from nobody who is trusted")
        return _named(value, self.by, f"header {self.name}", authenticated=self.authenticated)


class QueryParam:
    """
    A parameter of the query: a source that the client chooses, and that stands in logs and links.

    Args:
        name: the name of the parameter.
        by: whether it holds the slug or the id.

    .. versionadded:: 0.1
    """

    authenticated = False

    def __init__(self, name: str, *, by: Literal["slug", "id"] = "slug") -> None:
        self.name = name
        self.by: Literal["slug", "id"] = by

    def __repr__(self) -> str:
        return f"QueryParam({self.name!r})"

    def read(self, request: RequestView, claims: Mapping[str, Any]) -> Named | None:  # noqa: ARG002
        """
        Return what the parameter names, or None where there is none.

        Raises:
            SourceMalformed: it holds no slug or id, there are several, or the query is none.
        """
        if not request.query:
            return None
        try:
            pairs = parse_qsl(request.query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        except ValueError:
            raise SourceMalformed("The query string cannot be read, or has too many parameters.") from None
        values = [value for name, value in pairs if name == self.name]
        if not values:
            return None
        value = values[0] if len(values) == 1 else ""
        return _named(value, self.by, f"query parameter {self.name!r}", authenticated=False)


class Session:
    """
    A value of the framework's session: an authenticated source, since the server wrote it.

    The framework's own middleware for sessions stands outside of tenancy's, so that there is one to read.

    Args:
        key: the name of the value, which your application set when somebody chose a tenant.
        by: whether it holds the slug or the id.

    .. versionadded:: 0.1
    """

    authenticated = True

    def __init__(self, key: str, *, by: Literal["slug", "id"] = "slug") -> None:
        self.key = key
        self.by: Literal["slug", "id"] = by

    def __repr__(self) -> str:
        return f"Session({self.key!r})"

    def read(self, request: RequestView, claims: Mapping[str, Any]) -> Named | Silent | None:  # noqa: ARG002
        """
        Return what the session names, or None where there is none.

        Raises:
            SourceMalformed: the value is no slug or id.
        """
        session = request.session()
        if session is None:
            return None
        value = session.get(self.key)
        if value in (None, ""):
            return Silent("it holds no such value")
        return _named(str(value), self.by, f"session {self.key!r}", authenticated=True)


class Default:
    """
    One tenant for whatever nobody else names: for development, where there are no hosts and tokens yet.

    Args:
        slug: the tenant's slug.

    .. versionadded:: 0.1
    """

    authenticated = False

    def __init__(self, slug: str) -> None:
        if not is_slug(slug):
            raise ConfigurationError(f"Default({slug!r}) needs the slug of a tenant.")
        warnings.warn(
            f"Default({slug!r}) takes requests that name no tenant for {slug!r}'s. Leave it out in production.",
            RuntimeWarning,
            stacklevel=2,
        )
        self.slug = slug

    def __repr__(self) -> str:
        return f"Default({self.slug!r})"

    def read(self, request: RequestView, claims: Mapping[str, Any]) -> Named | None:  # noqa: ARG002
        """Return the default."""
        return Named("slug", self.slug, "default", authenticated=False)


def quoted(path: str, query: str) -> str:
    """Return a path and a query as the reference of a URL, in which nothing can end a header or begin a host."""
    place = "/" + quote(path, safe=_IN_PATHS, errors="replace").lstrip("/")
    return f"{place}?{quote(query, safe=_IN_QUERIES, errors='replace')}" if query else place


def _named(value: str, by: Literal["slug", "id"], source: str, *, authenticated: bool) -> Named:
    is_good = is_slug(value) if by == "slug" else bool(_ID.match(value))
    if not is_good:
        raise SourceMalformed(f"The {source} holds no {by} of a tenant, or is there several times.")
    return Named(by, value, source, authenticated=authenticated)


def _is_in(peer: str | None, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    return any(address.version == network.version and address in network for network in networks)
