"""Who are the tenants and their people?"""

from tenantkit.directory.cache import CachedLookup, DirectoryCache, NotCached
from tenantkit.directory.invitations import Invitations
from tenantkit.directory.model import Invitation, Membership, NewInvitation, Page
from tenantkit.directory.networks import check_networks, is_admitted, read_address
from tenantkit.directory.rules import TRANSITIONS, slug_candidates, slugify
from tenantkit.directory.store import Directory
from tenantkit.directory.tables import DirectoryTables

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
    "check_networks",
    "is_admitted",
    "read_address",
    "slug_candidates",
    "slugify",
]
