"""``flask tenantkit``: tables, tenants, members, tokens, and what the doctor finds."""

import click
from flask.cli import AppGroup

from tenantkit.adapters import operations
from tenantkit.exceptions import TenantKitError
from tenantkit.kit import TenantKit

__all__ = ["make_commands"]


class _Group(AppGroup):
    """A group whose commands end with the message of an error of ours, and not with its trace."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except TenantKitError as error:
            raise click.ClickException(error.message) from error


def make_commands(kit: TenantKit) -> AppGroup:
    """Return the commands over a kit."""
    group = _Group("tenantkit", help="Tables, tenants, members and tokens of the application.")

    @group.command("create-tables")
    def create_tables() -> None:
        """Create what is missing of the tables, as their owner."""
        click.echo(operations.create_tables(kit))

    @group.command("create-tenant")
    @click.argument("slug")
    @click.option("--name", default="", help="Its name for people.")
    @click.option("--plan", default="default", show_default=True)
    def create_tenant(slug: str, name: str, plan: str) -> None:
        """Create a tenant."""
        click.echo(operations.create_tenant(kit, slug, name=name, plan=plan))

    @group.command("add-member")
    @click.argument("slug")
    @click.argument("user_id")
    @click.argument("roles", nargs=-1, required=True)
    def add_member(slug: str, user_id: str, roles: tuple[str, ...]) -> None:
        """Make a user a member of a tenant."""
        click.echo(operations.add_member(kit, slug, user_id, roles))

    @group.command("issue-token")
    @click.argument("slug")
    @click.argument("user_id")
    def issue_token(slug: str, user_id: str) -> None:
        """Print an access token, for trying the application by hand."""
        click.echo(operations.issue_token(kit, slug, user_id))

    @group.command("prune-tokens")
    def prune_tokens() -> None:
        """Delete logins, links, invitations and counters that are over; once a day is enough."""
        click.echo(operations.prune_tokens(kit))

    @group.command("doctor")
    def doctor() -> None:
        """Examine the database: is it what the models declare, and does it hold by itself?"""
        for line in operations.diagnose(kit):
            click.echo(line)

    return group
