"""The host of a request as the place that names a tenant. Reads; looks nothing up."""

import re
from collections.abc import Mapping
from typing import Any, Final

from tenantkit.core.tenant import is_slug
from tenantkit.exceptions import ConfigurationError, HostMalformed
from tenantkit.resolution.model import Named, RequestView, Silent
from tenantkit.resolution.sources import quoted

__all__ = ["CustomDomain", "Host"]

_MAX_HOST: Final = 253  # RFC 1035, 2.3.4
_HOST: Final = re.compile(r"([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::([0-9]{1,5}))?\Z", re.IGNORECASE | re.ASCII)
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\Z")
_MAX_PORT: Final = 65_535
_PLACE: Final = "{tenant}"
_OTHER: Final = Silent("it is another host")


class Host:
    """
    One label of the host name: a source that the client chooses, so it never decides alone.

    Args:
        pattern: the host with ``{tenant}`` in place of one label, for example ``"{tenant}.example.com"``.
        reserved: labels that name no tenant.
        redirects: whether a request by a slug of before is sent to the one that the tenant has now (308). Otherwise it
            is served as it is.

    Raises:
        ConfigurationError: the pattern has not exactly one ``{tenant}`` that is a whole label.

    .. versionadded:: 0.1
    """

    authenticated = False

    def __init__(
        self, pattern: str, *, reserved: tuple[str, ...] = ("www", "api"), redirects: bool = True
    ) -> None:
        labels = pattern.lower().split(".")
        if labels.count(_PLACE) != 1 or not all(_LABEL.match(label) for label in labels if label != _PLACE):
            raise ConfigurationError(
                f"Host({pattern!r}) needs {_PLACE} as one whole label among labels of ASCII letters, digits and inner "
                f"hyphens, without a port, as in Host('{_PLACE}.example.com')."
            )
        self.pattern = pattern.lower()
        self._labels, self._place = tuple(labels), labels.index(_PLACE)
        self.reserved, self.redirects = frozenset(reserved), redirects

    def __repr__(self) -> str:
        return f"Host({self.pattern!r})"

    def read(self, request: RequestView, claims: Mapping[str, Any]) -> Named | Silent | None:  # noqa: ARG002
        """
        Return what the host names, or None where there is none.

        Raises:
            HostMalformed: the header is no host and port.
        """
        name, port = _host_of(request)
        if name is None:
            return None
        labels, place = name.split("."), self._place
        if len(labels) != len(self._labels):
            return _OTHER
        for label, wanted in zip(labels, self._labels, strict=True):
            if label != wanted and wanted != _PLACE:  # noqa: PLR1714 - every request comes by
                return _OTHER
        slug = labels[place]
        if slug in self.reserved:
            return Silent("the label is reserved")
        if not is_slug(slug):
            return Silent("the label is no slug")

        def moved(new: str) -> str:
            host = ".".join([*labels[:place], new, *labels[place + 1 :]])
            return f"//{host}{port}{quoted(request.mount + request.path, request.query)}"

        return Named("slug", slug, "host", authenticated=False, moved=moved if self.redirects else None)


class CustomDomain:
    """
    The host name, where it is a domain that a tenant brought: a source that the client chooses.

    Args:
        own: the application's own domains. Neither they nor what is below them is a tenant's.

    Raises:
        ConfigurationError: no own domain is given.

    .. versionadded:: 0.1
    """

    authenticated = False

    def __init__(self, *own: str) -> None:
        if not own or not all(own):
            raise ConfigurationError(
                "CustomDomain() needs to know the application's own domains, as in CustomDomain('example.com'): every "
                "other host is looked up."
            )
        self.own = tuple(domain.lower() for domain in own)

    def __repr__(self) -> str:
        return f"CustomDomain({', '.join(map(repr, self.own))})"

    def read(self, request: RequestView, claims: Mapping[str, Any]) -> Named | Silent | None:  # noqa: ARG002
        """
        Return what the host names, or None where there is none.

        Raises:
            HostMalformed: the header is no host and port.
        """
        name, _ = _host_of(request)
        if name is None:
            return None
        if "." not in name or name.rpartition(".")[2].isdigit():
            return Silent("it is an address, or the name of a machine")
        if any(name == own or name.endswith(f".{own}") for own in self.own):
            return Silent("it is the application's own")
        return Named("domain", name, "host", authenticated=False)


def _host_of(request: RequestView) -> tuple[str | None, str]:
    """Return the host name of a request in lower case, or None where there is none, and the port with its colon."""
    host = request.host
    if not host:
        return None, ""
    match = _HOST.match(host) if len(host) <= _MAX_HOST + 6 else None
    if match is None or len(match[1]) > _MAX_HOST or int(match[2] or 0) > _MAX_PORT:
        raise HostMalformed("The Host header is not a host name with an optional port.")
    return match[1].lower(), f":{match[2]}" if match[2] else ""
