"""Who are the tenants and their people?"""

from tenantkit.directory.cache import CachedLookup, DirectoryCache, NotCached
from tenantkit.directory.invitations import Invitations
from tenantkit.directory.model import Invitation, Membership, NewInvitation, Page
from tenantkit.directory.networks import check_networks, is_admitted, read_address
from tenantkit.directory.rules import TRANSITIONS, slug_candidates, slugify
from tenantkit.directory.settings import TenantSettings
from tenantkit.directory.store import Directory
from tenantkit.directory.tables import DirectoryTables
from tenantkit.directory.tenants import Told

__all__ = [
    "TRANSITIONS",
    "CachedLookup",
    "Directory",
    "DirectoryCache",
    "DirectoryTables",
    "Invitation",
    "Invitations",
    "Membership",
    "NewInvitation",
    "NotCached",
    "Page",
    "TenantSettings",
    "Told",
    "check_networks",
    "is_admitted",
    "read_address",
    "slug_candidates",
    "slugify",
]
