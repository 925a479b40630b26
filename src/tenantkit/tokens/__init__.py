"""Who is asking? Access tokens, issued and verified."""

from tenantkit.tokens.access import AccessTokens
from tenantkit.tokens.verified import VerifiedTokens

__all__ = ["AccessTokens", "VerifiedTokens"]
