"""Who are the tenants and their people?"""

from tenantkit.directory.cache import CachedLookup, DirectoryCache, NotCached
from tenantkit.directory.model import Membership
from tenantkit.directory.store import Directory
from tenantkit.directory.tables import DirectoryTables

__all__ = ["CachedLookup", "Directory", "DirectoryCache", "DirectoryTables", "Membership", "NotCached"]
