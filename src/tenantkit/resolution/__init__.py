"""Whose request is this?"""

from tenantkit.resolution.model import Named
from tenantkit.resolution.rules import Agreement, agree
from tenantkit.resolution.sources import Claim, Host, TokenClaim

__all__ = ["Agreement", "Claim", "Host", "Named", "TokenClaim", "agree"]
