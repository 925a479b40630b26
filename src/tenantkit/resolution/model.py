"""The nouns of resolution."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Named", "RequestView"]


def _no_header(_name: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class RequestView:
    """
    What sources see of a request, whatever the framework.

    Args:
        host: the Host header; the empty text where there are several.
        path: the path, decoded.
        query: the query string, as the client spelled it.
        header: returns a header by its name in lower case; equal headers are joined by a comma, None stands for none.
        peer: the address that the request came from: the client's, or that of the last proxy.

    .. versionadded:: 0.1
    """

    host: str | None = None
    path: str = "/"
    query: str = ""
    header: Callable[[str], str | None] = _no_header
    peer: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """
    What one source said: which tenant, by slug, by id or by domain, and whether the source can be trusted.

    .. versionadded:: 0.1
    """

    by: Literal["slug", "id", "domain"]
    value: str
    source: str
    authenticated: bool
