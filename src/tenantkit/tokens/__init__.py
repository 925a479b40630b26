"""Who is asking? Tokens, issued and verified."""

from tenantkit.tokens.access import AccessTokens
from tenantkit.tokens.claims import ClaimMap
from tenantkit.tokens.compact import Compact, read_compact
from tenantkit.tokens.issuers import Issuer, TrustedIssuers
from tenantkit.tokens.keys import ALGORITHMS, KeyRing, TokenKey
from tenantkit.tokens.model import AccessToken
from tenantkit.tokens.published import PublishedKeys
from tenantkit.tokens.verified import TokenVerifier, VerifiedTokens

__all__ = [
    "ALGORITHMS",
    "AccessToken",
    "AccessTokens",
    "ClaimMap",
    "Compact",
    "Issuer",
    "KeyRing",
    "PublishedKeys",
    "TokenKey",
    "TokenVerifier",
    "TrustedIssuers",
    "VerifiedTokens",
    "read_compact",
]
