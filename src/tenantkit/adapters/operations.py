"""What the frameworks' own commands offer: tables, tenants, members, tokens, health and the doctor's findings."""

from collections.abc import Iterable, Iterator

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation.doctor import examine
from tenantkit.kit import TenantKit
from tenantkit.kit.logins import pruned

__all__ = ["add_member", "create_tables", "create_tenant", "diagnose", "issue_token", "prune_tokens"]

_WHY = "a command of the application"
_WHO = Actor.system("command line")


def create_tables(kit: TenantKit) -> str:
    """Create what is missing of the tables."""
    kit.create_tables()
    return "All tables are there."


def create_tenant(kit: TenantKit, slug: str, *, name: str = "", plan: str = "default") -> str:
    """
    Create a tenant.

    Raises:
        AlreadyTaken: the slug is taken.
        InvalidValue: it is none.
        ConfigurationError: there is no such plan, or the application has a directory of its own.
    """
    _check_directory(kit)
    with kit.unscoped_session(reason=_WHY, actor=_WHO) as session:
        tenant = kit.directory.create_tenant(session, slug, name=name, plan=plan)
        session.commit()
    return f"Created the tenant {tenant.slug!r} with the id {tenant.id}."


def add_member(kit: TenantKit, slug: str, user_id: str, roles: Iterable[str]) -> str:
    """
    Make a user a member of a tenant.

    Raises:
        ConfigurationError: there is no such role, or the application has a directory of its own.
        AlreadyTaken: the user is a member already.
        UnknownTenant: there is no such tenant.
    """
    _check_directory(kit)
    held = sorted(roles)
    with kit.scope(slug, actor=_WHO) as scope, kit.unscoped_session(reason=_WHY, actor=_WHO) as session:
        kit.directory.add_member(session, scope.tenant, user_id, held)
        session.commit()
    return f"{user_id!r} is a member of {slug!r} as {', '.join(held)}."


def _check_directory(kit: TenantKit) -> None:
    """Refuse to write into a directory that nobody asks."""
    if kit.organizations != kit.directory.on:
        raise ConfigurationError(
            "This application has a directory of its own (`organizations=`), and the kit's is not asked. Create "
            "tenants and members there."
        )


def issue_token(kit: TenantKit, slug: str, user_id: str) -> str:
    """
    Return an access token of a user in a tenant, as for trying the application by hand.

    Raises:
        UnknownTenant: there is no such tenant.
    """
    with kit.scope(slug, actor=_WHO) as scope:
        return kit.tokens.issue(user_id, scope.tenant)


def prune_tokens(kit: TenantKit) -> str:
    """Delete logins, share links, invitations and counters of attempts that are over."""
    invitations = pruned(lambda: Session(kit.owner_engine), kit.invitations, 1000)
    logins, links, attempts = kit.logins.prune(), kit.share_links.prune(), kit.lockouts.prune()
    return (
        f"Deleted {logins} logins, {links} share links, {invitations} invitations and {attempts} counters of attempts "
        "that are over."
    )


def diagnose(kit: TenantKit) -> Iterator[str]:
    """Yield what `tenantkit doctor` finds in the database, as lines, and in the last one how much it is."""
    engine = create_engine(kit.settings.database_url.get_secret_value())
    try:
        with engine.connect() as connection:
            found = examine(connection, kit.policies, with_policies=kit.settings.policies)
    finally:
        engine.dispose()
    for one in found:
        yield f"{one.severity} {one.code} {one.object}: {one.why}"
        yield from (f"    {statement};" for statement in one.cure)
    errors = sum(one.severity == "error" for one in found)
    yield f"{errors} errors, {len(found) - errors} warnings."
