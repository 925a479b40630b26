"""The nouns of resolution."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tenantkit.core.actor import Actor
from tenantkit.core.tenant import Tenant

if TYPE_CHECKING:
    from tenantkit.protocols import Source

__all__ = ["Evidence", "Named", "RequestView", "Resolution", "Silent"]


def _no_header(_name: str) -> str | None:
    return None


def _no_session() -> Mapping[str, Any] | None:
    return None


def _nobody() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class RequestView:
    """
    What sources see of a request, whatever the framework.

    Args:
        host: the Host header; the empty text where there are several.
        path: the path below where the application is mounted, decoded.
        query: the query string, as the client spelled it.
        header: returns a header by its name in lower case; equal headers are joined by a comma, None stands for none.
        peer: the address that the request came from: the client's, or that of the last proxy.
        session: returns the framework's session of the client, None where there is none. May wait.
        user: returns the id of the user whom the framework says is signed in, None where nobody is. May wait.
        mount: where the application is mounted, decoded; the empty text where it is not.

    .. versionadded:: 0.1
    """

    host: str | None = None
    path: str = "/"
    query: str = ""
    header: Callable[[str], str | None] = _no_header
    peer: str | None = None
    session: Callable[[], Mapping[str, Any] | None] = _no_session
    user: Callable[[], str | None] = _nobody
    mount: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """
    What one source said: which tenant, by slug, by id or by domain, and whether the source can be trusted.

    Args:
        by: what names the tenant.
        value: its name.
        source: which source said so, in words.
        authenticated: whether the client could not choose it.
        decides: whether it counts. One that does not is compared, and a difference noted.
        moved: returns where the request belongs, as the reference of a URL, if the tenant's slug is another one now.

    .. versionadded:: 0.1
    """

    by: Literal["slug", "id", "domain"]
    value: str
    source: str
    authenticated: bool
    decides: bool = True
    moved: Callable[[str], str] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Silent:
    """
    What a source says whose place is there and names no tenant; a place that is not there is None.

    Args:
        why: what is there instead, for the operator; nothing that a stranger wrote.

    .. versionadded:: 0.1
    """

    why: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What the sources of a request said.

    Args:
        spoken: what counts, at least one.
        heard: each source that was asked, and what it said; None where its place is not there.

    .. versionadded:: 0.1
    """

    spoken: tuple[Named, ...]
    heard: tuple[tuple["Source", Named | Silent | None], ...] = ()

    @property
    def resolved_by(self) -> str:
        """The sources that decide, in words."""
        return " and ".join([named.source for named in self.spoken if named.decides])

    @property
    def told(self) -> tuple[str, ...]:
        """Each source and what it said, in words, for a log or a trail."""
        return tuple(f"{source!r}: {_in_words(said)}" for source, said in self.heard)


def _in_words(said: Named | Silent | None) -> str:
    if said is None:
        return "absent"
    if isinstance(said, Silent):
        return f"silent ({said.why})"
    return f"{said.by} {said.value!r}" + ("" if said.decides else ", compared only")


@dataclass(frozen=True, slots=True)
class Resolution:
    """
    Whose a request is, and who says so.

    Args:
        tenant: the tenant.
        evidence: what the sources said.
        actor: who acts, once that is known.

    .. versionadded:: 0.1
    """

    tenant: Tenant
    evidence: Evidence
    actor: Actor | None = None

    @property
    def resolved_by(self) -> str:
        """The sources that decided, in words."""
        return self.evidence.resolved_by

    @property
    def by_old_slug(self) -> Named | None:
        """What a source said that named the tenant by a slug of before, if the request can be made elsewhere."""
        slug = self.tenant.slug
        for named in self.evidence.spoken:
            if named.moved is not None and named.value != slug and named.by == "slug":
                return named
        return None
