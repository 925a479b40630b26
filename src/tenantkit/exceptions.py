"""
Every error of tenantkit; this module imports nothing.

Each class knows its problem type (RFC 9457): a stable slug, an HTTP status and a title. The adapters turn an
error into an answer by these three and by :attr:`TenantKitError.details`; nothing else decides a status.
"""

__all__ = [
    "AddressRefused",
    "AlreadyTaken",
    "AuditError",
    "CanaryFailed",
    "ConfigurationError",
    "DependencyMissing",
    "ForeignCredentials",
    "ForeignTenant",
    "HostMalformed",
    "InvalidValue",
    "InvitationInvalid",
    "IsolationError",
    "KeysUnavailable",
    "LastOwner",
    "LinkInvalid",
    "LockNotGranted",
    "LockedOut",
    "NotAMember",
    "NotAuthenticated",
    "NotTheOwner",
    "PermissionDenied",
    "QuestionMalformed",
    "QuotaExceeded",
    "ReasonRequired",
    "RefreshTokenReplayed",
    "RegionRefused",
    "ResolutionError",
    "RoleRequired",
    "RowNotFound",
    "ScopeChanged",
    "ScopeNotLeft",
    "ScopeRequired",
    "SecondFactorRequired",
    "SourceMalformed",
    "SourceRetired",
    "SourcesDisagree",
    "StatementRefused",
    "StatusRefused",
    "SupportRequired",
    "TenantClosed",
    "TenantKitError",
    "TenantMoved",
    "TenantProvisioning",
    "TenantRequired",
    "TenantSuspended",
    "TokenInvalid",
    "UndeclaredTable",
    "UnderMaintenance",
    "UnknownTenant",
    "WorkspaceRequired",
]


class TenantKitError(Exception):
    """
    Base of every error raised by tenantkit.

    Attributes:
        message: what happened, why, and what to do next. Shown to the operator; shown to the client only where
            :attr:`public` is true.
        details: JSON-able facts that belong to the error (permission, usage, limit ...).

    .. versionadded:: 0.1
    """

    problem = "internal-error"
    status = 500
    title = "Internal error"
    public = False

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __reduce__(self) -> tuple[object, ...]:
        # what the constructors ask for by name is in the details
        kind = getattr(type(self), "public_class", type(self))
        return _restored, (kind, self.message, self.details, self.__dict__)


def _restored(
    kind: type[TenantKitError], message: str, details: dict[str, object], attributes: dict[str, object]
) -> TenantKitError:
    error = kind(message, **details)
    error.__dict__.update(attributes)
    return error


class ConfigurationError(TenantKitError, ValueError):
    """
    The application is configured wrongly; raised when configuring, never in the middle of a request.

    .. versionadded:: 0.1
    """

    problem = "misconfigured"
    title = "The application is misconfigured"


class LockNotGranted(TenantKitError, TimeoutError):
    """
    A migration waited for the lock of a table as long as it was told to; nothing of its step is done.

    .. versionadded:: 0.1
    """

    problem = "lock-not-granted"
    status = 503
    title = "A lock was not granted"


class InvalidValue(TenantKitError, ValueError):
    """
    A value that came from outside cannot be used; the message says why, and which can.

    Attributes:
        field: what the value was for.

    .. versionadded:: 0.1
    """

    problem = "invalid-value"
    status = 422
    title = "A value cannot be used"
    public = True

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message, field=field)
        self.field = field


class DependencyMissing(TenantKitError, ImportError):
    """
    An optional dependency is not installed; the message names the extra that brings it.

    .. versionadded:: 0.1
    """

    problem = "dependency-missing"
    title = "An optional dependency is not installed"


# Scope and isolation ------------------------------------------------------------------------------------------


class IsolationError(TenantKitError):
    """
    A statement or session was refused because its isolation could not be guaranteed.

    .. versionadded:: 0.1
    """

    problem = "isolation-refused"
    title = "Refused to keep tenants apart"


class ScopeRequired(IsolationError, LookupError):
    """
    There is no tenant in scope, so nothing can be read or written.

    .. versionadded:: 0.1
    """


class ScopeChanged(IsolationError, RuntimeError):
    """
    A session of one tenant was used while another tenant was in scope.

    .. versionadded:: 0.1
    """


class ScopeNotLeft(IsolationError, RuntimeError):
    """
    A scope was left that is not the innermost one: scopes nest like brackets.

    .. versionadded:: 0.1
    """


class UndeclaredTable(IsolationError, LookupError):
    """
    A statement names a table of which the registry does not know whose rows it holds.

    .. versionadded:: 0.1
    """


class StatementRefused(IsolationError, ValueError):
    """
    A statement holds something that cannot be scoped: raw text, an unlisted function, an unknown FROM ...

    .. versionadded:: 0.1
    """


class ForeignTenant(IsolationError, PermissionError):
    """
    A write names, links or moves a row of another tenant.

    .. versionadded:: 0.1
    """

    # the same answer as for a row that does not exist: whether another tenant has it is not told
    problem = "not-found"
    status = 404
    title = "There is no such resource"


class CanaryFailed(IsolationError, RuntimeError):
    """
    The self-test of the compiler failed: this SQLAlchemy or dialect does not honour the hooks.

    .. versionadded:: 0.1
    """


# Who is asking ------------------------------------------------------------------------------------------------


class NotAuthenticated(TenantKitError, PermissionError):
    """
    The request carries no credentials.

    .. versionadded:: 0.1
    """

    problem = "not-authenticated"
    status = 401
    title = "Authentication is required"
    public = True


class TokenInvalid(NotAuthenticated):
    """
    The request carries a token that does not verify; the message says why, the answer does not.

    .. versionadded:: 0.1
    """

    problem = "token-invalid"
    title = "The token is not valid"
    public = False


class RefreshTokenReplayed(TokenInvalid):
    """
    A refresh token came a second time, so that somebody has it who should not; its login was ended.

    .. versionadded:: 0.1
    """

    problem = "refresh-token-replayed"


class LockedOut(TenantKitError, PermissionError):
    """
    Too many attempts to sign in failed; nobody looked at this one.

    Attributes:
        retry_after: seconds until the next attempt is looked at.

    .. versionadded:: 0.1
    """

    problem = "locked-out"
    status = 429
    title = "Too many attempts failed"
    public = True

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, retry_after=retry_after)
        self.retry_after = retry_after


class LinkInvalid(TenantKitError, LookupError):
    """
    A share link does not exist, has expired, was revoked or is used up; the answer does not say which.

    .. versionadded:: 0.1
    """

    problem = "link-invalid"
    status = 404
    title = "There is no such link"


class KeysUnavailable(TenantKitError, ConnectionError):
    """
    The keys of an identity provider could not be fetched, so nobody knows whether its token is good.

    .. versionadded:: 0.1
    """

    problem = "keys-unavailable"
    status = 503
    title = "The keys of the identity provider are not available"


# Whose request is it ------------------------------------------------------------------------------------------


class ResolutionError(TenantKitError, LookupError):
    """
    The tenant of a request could not be settled.

    Attributes:
        heard: what each source said that was asked, in words, for the trail.

    .. versionadded:: 0.1
    """

    problem = "tenant-required"
    status = 400
    title = "The tenant of the request could not be settled"
    public = True
    heard: tuple[str, ...] = ()


class TenantRequired(ResolutionError):
    """
    No source named a tenant.

    .. versionadded:: 0.1
    """


class WorkspaceRequired(ResolutionError):
    """
    The request is for one workspace of the tenant, and names none.

    .. versionadded:: 0.1
    """

    problem = "workspace-required"
    title = "The workspace of the request is not known"


class HostMalformed(ResolutionError, ValueError):
    """
    The Host header is no host name.

    .. versionadded:: 0.1
    """

    problem = "malformed-host"
    title = "The host name is malformed"


class SourceMalformed(ResolutionError, ValueError):
    """
    A header or parameter that should name a tenant holds what cannot name one.

    .. versionadded:: 0.1
    """

    problem = "malformed-source"
    title = "What should name the tenant is malformed"


class SourceRetired(ResolutionError, ValueError):
    """
    The request names its tenant in a way that is not used any more.

    .. versionadded:: 0.1
    """

    problem = "source-retired"
    title = "The tenant is not named in this way any more"


class TenantMoved(ResolutionError):
    """
    The tenant has another slug now; the answer says where the request belongs.

    Attributes:
        location: the reference of the URL.

    .. versionadded:: 0.1
    """

    problem = "tenant-moved"
    status = 308
    title = "The tenant has another name now"

    def __init__(self, message: str, *, location: str) -> None:
        super().__init__(message, location=location)
        self.location = location


class UnknownTenant(ResolutionError):
    """
    A source named a tenant that does not exist.

    .. versionadded:: 0.1
    """

    problem = "unknown-tenant"
    status = 404
    title = "There is no such tenant"


class TenantSuspended(ResolutionError, PermissionError):
    """
    The tenant exists and is not active.

    .. versionadded:: 0.1
    """

    problem = "tenant-suspended"
    status = 403
    title = "The tenant is suspended"


class TenantClosed(ResolutionError, PermissionError):
    """
    The tenant is being closed, or was; while its days of grace last it can be restored.

    .. versionadded:: 0.1
    """

    problem = "tenant-closed"
    status = 403
    title = "The tenant is closed"


class TenantProvisioning(ResolutionError, PermissionError):
    """
    The tenant is being made ready and is not served yet.

    .. versionadded:: 0.1
    """

    problem = "tenant-provisioning"
    status = 503
    title = "The tenant is being made ready"


class UnderMaintenance(ResolutionError, PermissionError):
    """
    Nobody may enter the tenant for now; the message is what the tenant has to say.

    .. versionadded:: 0.1
    """

    problem = "under-maintenance"
    status = 503
    title = "The tenant is under maintenance"


class AddressRefused(ResolutionError, PermissionError):
    """
    The tenant does not let requests in from this address.

    .. versionadded:: 0.1
    """

    problem = "address-refused"
    status = 403
    title = "Requests from this address are not let in"


class RegionRefused(ResolutionError, PermissionError):
    """
    The tenant's data is in a region that is not served here.

    Attributes:
        region: the region, by the application's name for it.

    .. versionadded:: 0.1
    """

    problem = "region-refused"
    status = 421
    title = "The tenant is served in another region"

    def __init__(self, message: str, *, region: str | None) -> None:
        super().__init__(message, region=region)
        self.region = region


class SecondFactorRequired(ResolutionError, PermissionError):
    """
    The tenant asks for a second factor, and the token does not say that there was one.

    .. versionadded:: 0.1
    """

    problem = "second-factor-required"
    status = 401
    title = "A second factor is required"


class SourcesDisagree(ResolutionError, PermissionError):
    """
    Two sources name different tenants, for example a token of one tenant on the host of another.

    .. versionadded:: 0.1
    """

    problem = "tenant-mismatch"
    status = 403
    title = "The request names two tenants"


class ForeignCredentials(ResolutionError, PermissionError):
    """
    The credentials are good in one tenant, and the request is another's, or none's.

    .. versionadded:: 0.1
    """

    problem = "foreign-credentials"
    status = 403
    title = "The credentials are good in another tenant"


class SupportRequired(ResolutionError, PermissionError):
    """
    Only who may see all tenants may do this, and the token does not say so.

    .. versionadded:: 0.1
    """

    problem = "support-required"
    status = 403
    title = "This is for the support of the application"


class ReasonRequired(ResolutionError, PermissionError):
    """
    Who enters a tenant from outside, or sees all of them, has to say why; the request gives no reason.

    .. versionadded:: 0.1
    """

    problem = "reason-required"
    status = 403
    title = "A reason is required"


class NotAMember(ResolutionError, PermissionError):
    """
    The actor is known and is not an active member of the tenant.

    .. versionadded:: 0.1
    """

    problem = "not-a-member"
    status = 403
    title = "The actor is not a member of the tenant"


# Who they are and who belongs to them --------------------------------------------------------------------------


class AlreadyTaken(TenantKitError, ValueError):
    """
    Somebody or something has the name already.

    Attributes:
        field: what is taken: ``slug``, ``id``, ``user_id``, ``domain``.

    .. versionadded:: 0.1
    """

    problem = "already-taken"
    status = 409
    title = "This is taken"
    public = True

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message, field=field)
        self.field = field


class StatusRefused(TenantKitError, ValueError):
    """
    A tenant cannot go from its status to another one.

    .. versionadded:: 0.1
    """

    problem = "status-refused"
    status = 409
    title = "The tenant cannot change to this status"
    public = True


class LastOwner(TenantKitError, PermissionError):
    """
    The last owner of a tenant cannot leave it, nor be anything less.

    .. versionadded:: 0.1
    """

    problem = "last-owner"
    status = 409
    title = "A tenant needs an owner"
    public = True


class InvitationInvalid(TenantKitError, LookupError):
    """
    An invitation does not exist, has expired, was revoked or accepted, or is somebody else's; the answer does not say.

    .. versionadded:: 0.1
    """

    problem = "invitation-invalid"
    status = 404
    title = "There is no such invitation"


# May they, can they afford it ---------------------------------------------------------------------------------


class PermissionDenied(TenantKitError, PermissionError):
    """
    The actor lacks a permission.

    Attributes:
        permission: the permission that is missing, for example ``flights:cancel``.
        roles: the roles that the actor holds.
        granted_by: roles that grant it.

    .. versionadded:: 0.1
    """

    problem = "permission-denied"
    status = 403
    title = "A permission is missing"
    public = True

    def __init__(
        self,
        message: str,
        *,
        permission: str,
        roles: list[str] | None = None,
        granted_by: list[str] | None = None,
    ) -> None:
        told = {"roles": roles, "granted_by": granted_by}
        super().__init__(message, permission=permission, **{key: one for key, one in told.items() if one})
        self.permission, self.roles, self.granted_by = permission, roles or [], granted_by or []


class RoleRequired(TenantKitError, PermissionError):
    """
    The actor holds none of the roles that may do this.

    Attributes:
        required: roles of which one is enough.
        roles: the roles that the actor holds.

    .. versionadded:: 0.1
    """

    problem = "role-required"
    status = 403
    title = "A role is missing"
    public = True

    def __init__(self, message: str, *, required: list[str], roles: list[str]) -> None:
        super().__init__(message, required=required, roles=roles)
        self.required, self.roles = required, roles


class QuestionMalformed(TenantKitError, ValueError):
    """
    What somebody asks to be decided is no question: a part is missing, of the wrong shape, or not known here.

    .. versionadded:: 0.1
    """

    problem = "question-malformed"
    status = 400
    title = "This is no question about access"
    public = True


class NotTheOwner(TenantKitError, PermissionError):
    """
    The row is the tenant's and not the actor's.

    .. versionadded:: 0.1
    """

    problem = "not-the-owner"
    status = 403
    title = "The resource is somebody else's"
    public = True


class QuotaExceeded(TenantKitError):
    """
    A limit of the plan is reached; nothing was counted.

    Attributes:
        meter: the meter that refused.
        usage: units used so far.
        limit: units the plan allows.
        upgrade_url: where more can be bought, or None.

    .. versionadded:: 0.1
    """

    problem = "quota-exceeded"
    status = 402
    title = "The plan's limit is reached"
    public = True

    def __init__(
        self, message: str, *, meter: str, usage: int, limit: int, plan: str, upgrade_url: str | None
    ) -> None:
        super().__init__(message, meter=meter, usage=usage, limit=limit, plan=plan, upgrade_url=upgrade_url)
        self.meter, self.usage, self.limit, self.plan, self.upgrade_url = (
            meter,
            usage,
            limit,
            plan,
            upgrade_url,
        )


class RowNotFound(TenantKitError, LookupError):
    """
    There is no such row for this tenant; another tenant's row answers the same.

    .. versionadded:: 0.1
    """

    problem = "not-found"
    status = 404
    title = "There is no such resource"
    public = True


class AuditError(TenantKitError, RuntimeError):
    """
    An audit event could not be recorded.

    .. versionadded:: 0.1
    """

    problem = "audit-unavailable"
    status = 503
    title = "The action could not be recorded"
