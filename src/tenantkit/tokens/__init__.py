"""Who is asking? Tokens, issued and verified."""

from tenantkit.tokens.access import AccessTokens
from tenantkit.tokens.api_keys import ApiKeys
from tenantkit.tokens.claims import LOGIN_CLAIM, ClaimMap
from tenantkit.tokens.compact import Compact, read_compact
from tenantkit.tokens.issuers import Issuer, TrustedIssuers
from tenantkit.tokens.keys import ALGORITHMS, KeyRing, TokenKey
from tenantkit.tokens.lockouts import Backoff, Lockouts
from tenantkit.tokens.logins import Logins
from tenantkit.tokens.model import (
    AccessToken,
    ApiKey,
    Login,
    NewApiKey,
    NewShareLink,
    Replay,
    ShareLink,
    TokenPair,
)
from tenantkit.tokens.published import PublishedKeys
from tenantkit.tokens.revoked import RevokedLogins
from tenantkit.tokens.share_links import ShareLinks
from tenantkit.tokens.tables import TokenTables
from tenantkit.tokens.verified import TokenVerifier, VerifiedTokens

__all__ = [
    "ALGORITHMS",
    "LOGIN_CLAIM",
    "AccessToken",
    "AccessTokens",
    "ApiKey",
    "ApiKeys",
    "Backoff",
    "ClaimMap",
    "Compact",
    "Issuer",
    "KeyRing",
    "Lockouts",
    "Login",
    "Logins",
    "NewApiKey",
    "NewShareLink",
    "PublishedKeys",
    "Replay",
    "RevokedLogins",
    "ShareLink",
    "ShareLinks",
    "TokenKey",
    "TokenPair",
    "TokenTables",
    "TokenVerifier",
    "TrustedIssuers",
    "VerifiedTokens",
    "read_compact",
]
