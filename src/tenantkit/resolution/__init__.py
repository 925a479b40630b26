"""Whose request is this?"""

from tenantkit.resolution.model import Named
from tenantkit.resolution.rules import Agreement, agree
from tenantkit.resolution.sources import Host, TokenClaim

__all__ = ["Agreement", "Host", "Named", "TokenClaim", "agree"]
