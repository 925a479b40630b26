"""Who are the tenants and their people?"""

from tenantkit.directory.model import Membership
from tenantkit.directory.store import Directory
from tenantkit.directory.tables import DirectoryTables

__all__ = ["Directory", "DirectoryTables", "Membership"]
