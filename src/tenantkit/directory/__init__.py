"""Who are the tenants and their people?"""

from tenantkit.directory.cache import CachedLookup, DirectoryCache, Lifetimes, NotCached
from tenantkit.directory.domains import Domains
from tenantkit.directory.invitations import Invitations
from tenantkit.directory.model import Domain, Invitation, Membership, NewInvitation, Page, Workspace
from tenantkit.directory.networks import check_networks, is_admitted, read_address
from tenantkit.directory.rules import TRANSITIONS, normalize_domain, slug_candidates, slugify
from tenantkit.directory.settings import TenantSettings
from tenantkit.directory.store import Directory
from tenantkit.directory.tables import DirectoryTables
from tenantkit.directory.tenants import Told
from tenantkit.directory.workspaces import Workspaces

__all__ = [
    "TRANSITIONS",
    "CachedLookup",
    "Directory",
    "DirectoryCache",
    "DirectoryTables",
    "Domain",
    "Domains",
    "Invitation",
    "Invitations",
    "Lifetimes",
    "Membership",
    "NewInvitation",
    "NotCached",
    "Page",
    "TenantSettings",
    "Told",
    "Workspace",
    "Workspaces",
    "check_networks",
    "is_admitted",
    "normalize_domain",
    "read_address",
    "slug_candidates",
    "slugify",
]
