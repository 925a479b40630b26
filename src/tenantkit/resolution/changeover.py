"""From one way of naming the tenant to another, while clients of both kinds are about."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tenantkit.core.telemetry import counter
from tenantkit.exceptions import ConfigurationError, SourceRetired
from tenantkit.protocols import Source
from tenantkit.resolution.model import Named, RequestView, Silent
from tenantkit.resolution.rules import Hearing, Resolver

__all__ = ["Changeover", "Retired", "changeover"]


class Changeover(Resolver):
    """
    An old way and a new one; made by :func:`changeover`.

    .. versionadded:: 0.1
    """

    _verb = "changeover"

    def speak(self, hearing: Hearing) -> list[Named]:
        """Return what the new way says, beside it what the old one says, for comparison; or the old one alone."""
        old, new = (speak(hearing) for speak in self._speakers)
        used = "both" if old and new else "new" if new else "old" if old else "neither"
        counter("changeover_requests", "Requests by the way in which they named their tenant").add(
            1, {"by": used}
        )
        if not new:
            return old
        compared = [replace(named, decides=False, moved=None) for named in old]
        for said, made in zip(old, compared, strict=True):
            hearing.replace(said, made)
        return [*new, *compared]


def changeover(*, old: Source | Resolver, new: Source | Resolver) -> Changeover:
    """
    Accept two ways of naming the tenant while clients go from one to the other.

    Where both speak, the new one counts; that the old one named another tenant is logged (``tenantkit.resolution``) and
    counted (``tenantkit.changeover_differences``). Where the old one speaks alone it counts, and whoever asks has to be
    a member of the tenant. How many requests used which way says when it is time to retire the old one
    (``tenantkit.changeover_requests``, by ``old``, ``new``, ``both``, ``neither``).

    Args:
        old: such as ``Header("X-Organization")``.
        new: such as ``TokenClaim("org")``.

    .. versionadded:: 0.1
    """
    return Changeover((old, new))


class Retired:
    """
    A source that is not used any more: a request that still carries it is refused, so that its client is noticed.

    Args:
        source: what is not used any more; a single source.

    Raises:
        ConfigurationError: it is several.

    .. versionadded:: 0.1
    """

    authenticated = False

    def __init__(self, source: Source | Resolver) -> None:
        if isinstance(source, Resolver):
            raise ConfigurationError(f"Retired() takes one source, not {source!r}: retire each by itself.")
        self.source: Source = source

    def __repr__(self) -> str:
        return f"Retired({self.source!r})"

    def read(self, request: RequestView, claims: Mapping[str, Any]) -> Silent | None:
        """
        Return None where the place is not there, or names nothing.

        Raises:
            SourceRetired: it names a tenant.
        """
        said = self.source.read(request, claims)
        if isinstance(said, Named):
            raise SourceRetired(f"The {said.source} does not name the tenant any more. Leave it out.")
        return said
