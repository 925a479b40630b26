"""``tenantkit policies``: the row level security of an application's tables, to look at or to run."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tenantkit.cli.subject import Subject, policies_of
from tenantkit.exceptions import TenantKitError
from tenantkit.isolation import Policies

__all__ = ["policies"]


def policies(
    subject: Subject,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the SQL that makes them, for the tables' owner.")
    ] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Print the SQL that drops them.")] = False,
) -> None:
    """Show the policies of PostgreSQL that belong to an application's tables; nothing is run."""
    try:
        found = policies_of(subject)
    except TenantKitError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from None
    if not (sql or drop):
        _show(Console(), found)
        return
    for one in reversed(found.tables) if drop else found.tables:
        typer.echo(f"-- {one.name}")
        for statement in one.drop() if drop else one.create():
            typer.echo(f"{statement};")


def _show(console: Console, found: Policies) -> None:
    table = Table(title="Row level security", title_justify="left")
    for heading in ("table", "policy", "for", "role", "rows in sight"):
        table.add_column(heading, overflow="fold")
    for one in found.tables:
        for policy in one.policies:
            table.add_row(one.name, policy.name, policy.command, policy.role, policy.using)
    console.print(table)
    console.print(f"{len(found.tables)} tables. Print the statements with --sql.")
