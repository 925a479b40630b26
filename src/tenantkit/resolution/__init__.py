"""Whose request is this?"""

from tenantkit.resolution.forwarded import client_of
from tenantkit.resolution.model import Named, RequestView
from tenantkit.resolution.rules import Agreement, Precedence, Resolver, agree, first
from tenantkit.resolution.sources import (
    Claim,
    CustomDomain,
    Default,
    Header,
    Host,
    PathPrefix,
    QueryParam,
    TokenClaim,
)

__all__ = [
    "Agreement",
    "Claim",
    "CustomDomain",
    "Default",
    "Header",
    "Host",
    "Named",
    "PathPrefix",
    "Precedence",
    "QueryParam",
    "RequestView",
    "Resolver",
    "TokenClaim",
    "agree",
    "client_of",
    "first",
]
