"""``tenantkit doctor``: is the database what the declarations say, and does it hold by itself?"""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import create_engine
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tenantkit.cli.subject import Subject, kit_of, policies_of
from tenantkit.exceptions import TenantKitError
from tenantkit.isolation.doctor import Finding, examine

__all__ = ["doctor"]

_COLOURS = {"error": "red", "warning": "yellow"}


def doctor(  # noqa: PLR0917 - each is an option
    subject: Subject,
    database_url: Annotated[
        str | None,
        typer.Option(
            envvar="TENANTKIT_DATABASE_URL",
            help="The database, as the role that the application works as. A kit knows its own.",
        ),
    ] = None,
    policies: Annotated[
        bool, typer.Option(help="Whether row level security is expected (PostgreSQL).")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
) -> None:
    """Examine a database: roles, policies, keys and indexes, each finding with its cure. Changes nothing."""
    try:
        found = _examined(subject, database_url, with_policies=policies)
    except TenantKitError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(2) from None
    except (SQLAlchemyError, ArgumentError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        typer.echo(f"The database cannot be examined: {reason}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        _show(Console(), found)
    if any(one.severity == "error" or strict for one in found):
        raise typer.Exit(1)


def _examined(subject: str, database_url: str | None, *, with_policies: bool) -> list[Finding]:
    kit = kit_of(subject)
    url = database_url or (kit.settings.database_url.get_secret_value() if kit is not None else None)
    if url is None:
        raise typer.BadParameter("Say which database: --database-url postgresql+psycopg://app@host/name.")
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return examine(connection, policies_of(subject), with_policies=with_policies)
    finally:
        engine.dispose()


def _show(console: Console, found: list[Finding]) -> None:
    if found:
        table = Table(show_lines=True)
        for heading in ("", "object", "why", "cure"):
            table.add_column(heading, overflow="fold")
        for one in found:
            named = Text.assemble((one.severity, _COLOURS[one.severity]), "\n", one.code)
            cure = "\n".join(f"{statement};" for statement in one.cure)
            table.add_row(named, *(Text(words) for words in (one.object, one.why, cure)))
        console.print(table)
    errors = sum(one.severity == "error" for one in found)
    console.print(f"{errors} errors, {len(found) - errors} warnings.")
