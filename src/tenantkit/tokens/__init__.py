"""Who is asking? Access tokens, issued and verified."""

from tenantkit.tokens.access import AccessTokens

__all__ = ["AccessTokens"]
