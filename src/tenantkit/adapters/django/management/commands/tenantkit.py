"""``manage.py tenantkit``: tenants, members, tokens, policies, and what the doctor finds."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.writer import MigrationWriter

from tenantkit.adapters import operations
from tenantkit.adapters.django.nouns import tenancy
from tenantkit.adapters.django.operations import RowPolicies
from tenantkit.exceptions import TenantKitError

__all__ = ["Command"]


class Command(BaseCommand):
    """Tenants, members, tokens and row policies of the project."""

    help = "Tenants, members, tokens and row policies of the project."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the subcommands."""
        chosen = parser.add_subparsers(dest="what", required=True)
        create = chosen.add_parser("create-tenant", help="Create a tenant.")
        create.add_argument("slug")
        create.add_argument("--name", default="")
        create.add_argument("--plan", default="default")
        member = chosen.add_parser("add-member", help="Make a user a member of a tenant.")
        member.add_argument("slug")
        member.add_argument("user_id")
        member.add_argument("roles", nargs="+")
        token = chosen.add_parser("issue-token", help="Print an access token, for trying by hand.")
        token.add_argument("slug")
        token.add_argument("user_id")
        chosen.add_parser(
            "prune-tokens", help="Delete logins, links, invitations and counters that are over."
        )
        chosen.add_parser("doctor", help="Examine the database: does it hold by itself?")
        policies = chosen.add_parser(
            "policies", help="Write a migration with the row policies of all tables."
        )
        policies.add_argument("app", help="The app that gets the migration.")

    def handle(self, *, what: str, **given: Any) -> None:
        """Run a subcommand."""
        try:
            getattr(self, what.replace("-", "_"))(given)
        except TenantKitError as error:
            raise CommandError(error.message) from error

    def create_tenant(self, given: dict[str, Any]) -> None:
        """Create a tenant."""
        name, plan = given["name"], given["plan"]
        self.stdout.write(operations.create_tenant(tenancy.kit, given["slug"], name=name, plan=plan))

    def add_member(self, given: dict[str, Any]) -> None:
        """Make a user a member of a tenant."""
        self.stdout.write(operations.add_member(tenancy.kit, given["slug"], given["user_id"], given["roles"]))

    def issue_token(self, given: dict[str, Any]) -> None:
        """Print an access token."""
        self.stdout.write(operations.issue_token(tenancy.kit, given["slug"], given["user_id"]))

    def prune_tokens(self, _given: dict[str, Any]) -> None:
        """Delete what is over."""
        self.stdout.write(operations.prune_tokens(tenancy.kit))

    def doctor(self, _given: dict[str, Any]) -> None:
        """Examine the database."""
        for line in operations.diagnose(tenancy.kit):
            self.stdout.write(line)

    def policies(self, given: dict[str, Any]) -> None:
        """Write a migration with the row policies of all tables."""
        try:
            config = apps.get_app_config(given["app"])
        except LookupError as error:
            raise CommandError(str(error)) from None
        migration = _next_migration(config.label)
        migration.operations = [
            RowPolicies(one.name, [*one.drop(), *one.create()], one.drop())
            for one in tenancy.kit.policies.tables
        ]
        writer = MigrationWriter(migration)
        path = Path(writer.path)
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(writer.as_string(), encoding="utf-8")
        self.stdout.write(f"Wrote {path.name} with the policies of {len(migration.operations)} tables.")


def _next_migration(label: str) -> Migration:
    """Return the app's next migration, behind the newest of every app whose tables it covers."""
    loader = MigrationLoader(None)
    leaves = {node[0]: node for node in loader.graph.leaf_nodes()}
    own = leaves.get(label)
    number = 1 + (int(own[1][:4]) if own is not None and own[1][:4].isdigit() else 0)
    migration = Migration(f"{number:04}_row_policies", label)
    migration.dependencies = sorted(leaves.values())
    return migration
