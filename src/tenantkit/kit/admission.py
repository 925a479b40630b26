"""Whether a request may enter a tenant, beside who sends it."""

from collections.abc import Collection
from typing import Final

from tenantkit.core.scope import RequestFacts
from tenantkit.core.tenant import Tenant
from tenantkit.directory import is_admitted
from tenantkit.exceptions import AddressRefused, RegionRefused, SecondFactorRequired, UnderMaintenance
from tenantkit.tokens import AccessToken, ApiKey

__all__ = ["admit", "admit_from"]

_METHODS: Final = "amr"  # RFC 8176
_MULTIPLE: Final = "mfa"


def admit(
    tenant: Tenant, found: AccessToken | ApiKey, request: RequestFacts, regions: Collection[str] = ()
) -> None:
    """
    Refuse what a tenant's entry rules do not let in.

    A program with an API key has no second factor, and needs none.

    Raises:
        RegionRefused: its data is in a region that is not served here.
        UnderMaintenance: nobody may enter for now.
        AddressRefused: the address may not.
        SecondFactorRequired: the token does not say that there was one: its claim ``amr`` lacks ``mfa``.
    """
    admit_from(tenant, request, regions)
    if tenant.entry.second_factor and isinstance(found, AccessToken) and not _had_second_factor(found):
        raise SecondFactorRequired(f"{tenant.slug!r} asks for a second factor. Sign in again with one.")


def admit_from(tenant: Tenant, request: RequestFacts, regions: Collection[str] = ()) -> None:
    """
    Refuse what a tenant lets in from nobody, whoever it is.

    Raises:
        RegionRefused: its data is in a region that is not served here.
        UnderMaintenance: nobody may enter for now.
        AddressRefused: the address may not.
    """
    if regions and tenant.region not in regions:
        raise RegionRefused(f"{tenant.slug!r} is not served in this region.", region=tenant.region)
    if tenant.entry.maintenance is not None:
        raise UnderMaintenance(tenant.entry.maintenance)
    if not is_admitted(tenant.entry, request.client):
        raise AddressRefused(f"{tenant.slug!r} lets no requests in from where this one comes from.")


def _had_second_factor(token: AccessToken) -> bool:
    methods = token.claims.get(_METHODS)
    return isinstance(methods, list) and _MULTIPLE in methods
