"""Which paths need a tenant: declared once, decided before the framework looks for a route."""

from collections.abc import Iterable
from typing import Final, Literal

from tenantkit.adapters.endpoints import Endpoints
from tenantkit.exceptions import ConfigurationError
from tenantkit.kit import AuthZen

__all__ = ["PathKind", "Paths"]

PathKind = Literal["tenant", "optional", "central", "public", "live", "ready", "endpoint", "published"]
_BELOW: Final = "/*"


class Paths:
    """
    The paths of an application that do not need a tenant; all others do.

    A path is compared exactly; one that ends in ``/*`` stands for everything below it, too. The longest that fits
    decides. Paths begin where the application is mounted.

    Args:
        public: need no token and have no scope, also where there is one.
        central: need a token and have no tenant: the actor is known.
        optional: are in the scope of a token, if there is one, and in none otherwise.
        health: below it, ``/live`` answers 200 and ``/ready`` 200 or 503, as the kit's checks say.
        context: what a front end asks by GET: who its user is, and what they may do.
        authzen: what is decided for others, below ``/access/v1`` and at ``/.well-known/authzen-configuration``.

    Raises:
        ConfigurationError: a path does not begin with ``/``, has a ``*`` elsewhere, or is declared twice.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        *,
        public: Iterable[str] = (),
        central: Iterable[str] = (),
        optional: Iterable[str] = (),
        health: str | None = None,
        context: str | None = None,
        authzen: AuthZen | None = None,
    ) -> None:
        self.endpoints = Endpoints(context=context, authzen=authzen)
        self._exact: dict[str, PathKind] = {}
        self._below: dict[str, PathKind] = {}
        declared: tuple[tuple[PathKind, Iterable[str]], ...] = (
            ("public", public),
            ("central", central),
            ("optional", optional),
            ("endpoint", self.endpoints.scoped),
            ("published", self.endpoints.published),
        )
        for kind, paths in declared:
            for path in [paths] if isinstance(paths, str) else paths:
                self._declare(path, kind)
        if health is not None:
            base = health.rstrip("/")
            self._declare(f"{base}/live", "live")
            self._declare(f"{base}/ready", "ready")

    def kind(self, path: str) -> PathKind:
        """Return what a path needs; one that nobody declared needs a tenant."""
        found = self._exact.get(path)
        if found is not None or not self._below:
            return found or "tenant"
        base = path
        while base:
            base = base.rpartition("/")[0]
            if (below := self._below.get(base)) is not None:
                return below
        return "tenant"

    def _declare(self, path: str, kind: PathKind) -> None:
        base = path.removesuffix(_BELOW)
        if not path.startswith("/") or "*" in base:
            raise ConfigurationError(
                f"{path!r} cannot be declared {kind}: write a path as '/about', or '/about/*' for what is below it too."
            )
        for known, spelled in ((self._exact, base or "/"), *(((self._below, base),) if base != path else ())):
            if known.setdefault(spelled, kind) != kind:
                raise ConfigurationError(
                    f"{path!r} is declared {known[spelled]} and {kind}. Leave one of them out."
                )
