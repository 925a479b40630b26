"""Values: tenants, actors, scopes, settings, errors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal, assert_type
from uuid import UUID

from tenantkit import Actor, Scope, Settings, Tenant, TenantKitError, __version__, current, new_id
from tenantkit.core.scope import RequestFacts, current_or_none, enter
from tenantkit.exceptions import PermissionDenied, QuotaExceeded, RowNotFound
from tenantkit.protocols import Clock, Source
from tenantkit.quotas import Plan, Plans
from tenantkit.rbac import Authorizer, Basis, Matrix, Role, Rule, owner_of
from tenantkit.resolution import (
    Agreement,
    CustomDomain,
    Host,
    Named,
    PathPrefix,
    Precedence,
    RequestView,
    TokenClaim,
    agree,
    first,
)

assert_type(__version__, str)
assert_type(new_id(), UUID)

tenant = Tenant(new_id(), "acme", plan="trial")
assert_type(tenant.id, UUID | int | str)
assert_type(tenant.active, bool)
Tenant(7, "acme")
Tenant("t-7", "acme")
Tenant(1.5, "acme")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

actor = Actor.system("nightly")
assert_type(actor, Actor)
assert_type(actor.kind, Literal["user", "system", "key", "link"])

scope = Scope(tenant, actor, frozenset({"writer"}), RequestFacts(request_id="r-1"))
assert_type(scope.roles, frozenset[str])
assert_type(current(), Scope)
assert_type(current_or_none(), Scope | None)
with enter(scope) as entered:
    assert_type(entered, Scope)
scope.tenant = tenant  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]

settings = Settings(database_url="sqlite:///app.db", token_secret="s" * 32, tenant_id_type="int")
assert_type(settings.database_url.get_secret_value(), str)
assert_type(settings.tenant_id_type, Literal["uuid", "int", "str"])

matrix = Matrix({"a:b": "Do b to a"}, {"all": ["*"]})
assert_type(matrix.granted(["all"]), frozenset[str])
assert_type(matrix.roles, Mapping[str, Role])
assert_type(Matrix.read("roles.toml", conditions={"own": owner_of("author")}), Matrix)
Rule("a:b", "permit")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

authorizer = Authorizer(matrix)
assert_type(authorizer.check(scope, "a:b"), bool)
assert_type(authorizer.explain(scope, "a:b").bases, tuple[Basis, ...])
assert_type(authorizer.check_many(scope, [("a:b", None)], "until_denied"), list[bool])
assert_type(authorizer.allowed_actions(scope), frozenset[str])

plans = Plans(Plan("trial", {"documents": 3}, upgrade_url=None))
assert_type(plans.of("trial"), Plan)
assert_type(Plans.read("plans.toml"), Plans)

try:
    pass
except PermissionDenied as denied:
    assert_type(denied.permission, str)
except QuotaExceeded as exceeded:
    assert_type(exceeded.usage, int)
    assert_type(exceeded.upgrade_url, str | None)
except RowNotFound as missing:
    assert_type(missing.message, str)
except TenantKitError as error:
    assert_type(error.status, int)
    assert_type(error.details, dict[str, object])
PermissionDenied("no")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


class Noon:
    """A clock of the host's own."""

    def now(self) -> datetime:
        """Return noon."""
        return datetime(2026, 3, 14, 12, tzinfo=UTC)


class Proxy:
    """A source of the host's own."""

    authenticated = True

    def read(self, request: RequestView, claims: object) -> Named | None:
        """Return what the proxy says."""
        told = request.header("x-tenant")
        return Named("slug", told, "proxy", authenticated=True) if told and claims else None


clock: Clock = Noon()
source: Source = Proxy()
assert_type(agree(TokenClaim("org"), Host("{tenant}.example.com"), source), Agreement)
assert_type(
    first(agree(TokenClaim("org"), source), PathPrefix("/t/{tenant}"), CustomDomain("example.com")),
    Precedence,
)


@contextmanager
def support(one: Tenant) -> Iterator[Scope]:
    """Wrap a scope."""
    with enter(Scope(one)) as inner:
        yield inner
