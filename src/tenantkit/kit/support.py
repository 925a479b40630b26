"""People of the application's own, who may enter every tenant, and see all of them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from tenantkit.core.texts import is_storable
from tenantkit.exceptions import ConfigurationError, ReasonRequired
from tenantkit.resolution import RequestView
from tenantkit.tokens import AccessToken, ApiKey

__all__ = ["Support"]

_SCOPE: Final = "scope"  # RFC 8693, 4.2: words with spaces between them
_MAX_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Support:
    """
    Whose tokens open every tenant, and what they may do there.

    Who has one enters the tenant that the request names, whether a member or not, as an impersonator: every event says
    so, and entering is one. All tenants at once are seen only where a route asks for it. Each time the request has to
    say why.

    Args:
        roles: the roles that they have in every tenant.
        scope: the word in the token's claim ``scope`` that makes it one. Only tokens of issuers of all tenants count.
        reason_header: the header in which a request says why.

    Raises:
        ConfigurationError: the scope is no single word.

    .. versionadded:: 0.1
    """

    roles: Collection[str] = ()
    scope: str = "superadmin"
    reason_header: str = "X-Support-Reason"

    def __post_init__(self) -> None:
        if not self.scope or len(self.scope.split()) != 1:
            raise ConfigurationError(f"The scope of the support is one word, not {self.scope!r}.")

    def has(self, found: AccessToken | ApiKey | None) -> bool:
        """Whether credentials are the support's."""
        if not isinstance(found, AccessToken) or found.bound_to is not None:
            return False
        words = found.claims.get(_SCOPE)
        return isinstance(words, str) and self.scope in words.split()

    def reason(self, request: RequestView) -> str:
        """
        Return why a request enters.

        Raises:
            ReasonRequired: it does not say, or says nothing that a trail can hold.
        """
        given = _as_written(request.header(self.reason_header.lower()) or "").strip()
        if not any(map(str.isalnum, given)) or len(given) > _MAX_REASON or not is_storable(given):
            raise ReasonRequired(
                f"Say in the header {self.reason_header} why you need this, in 1 to {_MAX_REASON} characters: the "
                "audit trail keeps it."
            )
        return given


def _as_written(header: str) -> str:
    """Return a header as UTF-8, if it is; interfaces hold it as if every byte were a letter of Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header
