"""Decisions of the directory: slugs made of names, the life of a tenant, names that are known."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Final

from tenantkit.core.tenant import SLUG_MAX_LENGTH, Tenant, TenantStatus, is_slug
from tenantkit.exceptions import ConfigurationError, InvalidValue, StatusRefused

__all__ = ["TRANSITIONS", "check_known", "check_transition", "normalize_domain", "slug_candidates", "slugify"]

TRANSITIONS: Final[Mapping[TenantStatus, frozenset[TenantStatus]]] = {
    "provisioning": frozenset({"active", "purging"}),
    "active": frozenset({"suspended", "offboarding"}),
    "suspended": frozenset({"active", "offboarding"}),
    "offboarding": frozenset({"active", "grace"}),
    "grace": frozenset({"active", "purging"}),
    "purging": frozenset({"purged"}),
    "purged": frozenset(),
}
_MAX_DOMAIN: Final = 253  # RFC 1035, 2.3.4
_TRIES: Final = 100
_OTHER: Final = re.compile(r"[^a-z0-9]+")


def slugify(name: str) -> str:
    """
    Return the slug of a name: its letters without marks, its digits, hyphens for what stands between them.

    The empty text where nothing is left, as of a name in a script without Latin letters.

    .. versionadded:: 0.1
    """
    parted = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(char for char in parted if not unicodedata.combining(char))
    return _OTHER.sub("-", letters).strip("-")[:SLUG_MAX_LENGTH].rstrip("-")


def slug_candidates(name: str, nameless: str = "tenant") -> Iterator[str]:
    """
    Yield the slugs that a tenant of a name can have, the best first: ``acme``, ``acme-2``, ``acme-3`` ... ``acme-100``.

    Args:
        name: the name.
        nameless: the slug of a name of which nothing is left.

    .. versionadded:: 0.1
    """
    slug = slugify(name) or nameless
    yield slug
    for number in range(2, _TRIES + 1):
        end = f"-{number}"
        yield slug[: SLUG_MAX_LENGTH - len(end)].rstrip("-") + end


def check_transition(tenant: Tenant, status: TenantStatus) -> None:
    """
    Refuse what is no step in the life of a tenant.

    Raises:
        StatusRefused: it is none.
    """
    if status not in TRANSITIONS.get(tenant.status, ()):
        to = ", ".join(sorted(TRANSITIONS[tenant.status])) or "nothing else"
        raise StatusRefused(
            f"The tenant {tenant.slug!r} is {tenant.status}, from where it goes to {to}, not to {status!r}."
        )


def check_known(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    """
    Refuse names of roles or plans that there are not.

    Raises:
        ConfigurationError: one is unknown; where none are known, any will do.
    """
    for name in names:
        if known and name not in known:
            raise ConfigurationError(f"There is no {kind} {name!r}; known are {', '.join(sorted(known))}.")


def normalize_domain(text: str) -> str:
    """
    Return a domain as the DNS has it: in lower case, in ASCII, without a dot at the end.

    Raises:
        InvalidValue: it is no domain name with two labels at least, or it is an address.

    .. versionadded:: 0.1
    """
    text = "" if len(text) > _MAX_DOMAIN + 2 else text  # encoding takes time that grows with the square
    try:
        name = text.strip().rstrip(".").lower().encode("idna").decode()
    except UnicodeError:
        name = ""
    labels = name.split(".")
    if len(labels) < 2 or len(name) > _MAX_DOMAIN or not all(map(is_slug, labels)) or _is_address(name):  # noqa: PLR2004
        raise InvalidValue("This is no domain name, such as app.example.com.", field="domain")
    return name


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
