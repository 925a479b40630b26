"""Whose request is this?"""

from tenantkit.resolution.changeover import Changeover, Retired, changeover
from tenantkit.resolution.forwarded import client_of
from tenantkit.resolution.hosts import CustomDomain, Host
from tenantkit.resolution.model import Evidence, Named, RequestView, Resolution, Silent
from tenantkit.resolution.rules import Agreement, Hearing, Precedence, Resolver, agree, first
from tenantkit.resolution.sources import (
    Claim,
    Default,
    Header,
    PathPrefix,
    QueryParam,
    Session,
    TokenClaim,
)

__all__ = [
    "Agreement",
    "Changeover",
    "Claim",
    "CustomDomain",
    "Default",
    "Evidence",
    "Header",
    "Hearing",
    "Host",
    "Named",
    "PathPrefix",
    "Precedence",
    "QueryParam",
    "RequestView",
    "Resolution",
    "Resolver",
    "Retired",
    "Session",
    "Silent",
    "TokenClaim",
    "agree",
    "changeover",
    "client_of",
    "first",
]
