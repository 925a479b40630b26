"""``tenantkit doctor``: is the database what the declarations say, and does it hold by itself?"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine, create_engine, make_url
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
    owner_url: Annotated[
        str | None,
        typer.Option(
            envvar="TENANTKIT_OWNER_DATABASE_URL",
            help="The database as the tables' owner, for --probe. A kit knows its own.",
        ),
    ] = None,
    probe: Annotated[
        bool,
        typer.Option(
            "--probe",
            help="Write rows of two made up tenants, try to reach one from the other, and take them out again.",
        ),
    ] = False,
    policies: Annotated[
        bool, typer.Option(help="Whether row level security is expected (PostgreSQL).")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
) -> None:
    """Examine a database: roles, policies, keys and indexes, each finding with its cure. Without --probe, read only."""
    try:
        found = _examined(subject, database_url, with_policies=policies)
        if probe:
            found += _probed(subject, database_url, owner_url, with_policies=policies)
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
    with _engine(_app_url(subject, database_url)) as engine, engine.connect() as connection:
        return examine(connection, policies_of(subject), with_policies=with_policies)


def _probed(
    subject: str, database_url: str | None, owner_url: str | None, *, with_policies: bool
) -> list[Finding]:
    from tenantkit.testing.probe.standing import attack_database  # noqa: PLC0415 - only where it is asked for

    kit = kit_of(subject)
    known = kit.settings.owner_database_url if kit is not None else None
    url = owner_url or (known.get_secret_value() if known is not None else None)
    if url is None and make_url(_app_url(subject, database_url)).get_backend_name() == "sqlite":
        url = _app_url(subject, database_url)
    if url is None:
        raise typer.BadParameter("Say who owns the tables: --owner-url postgresql+psycopg://owner@host/name.")
    with _engine(url) as owner, _engine(_app_url(subject, database_url)) as app:
        declared = policies_of(subject)
        return attack_database(owner, app, declared, with_policies=with_policies)


def _app_url(subject: str, database_url: str | None) -> str:
    kit = kit_of(subject)
    url = database_url or (kit.settings.database_url.get_secret_value() if kit is not None else None)
    if url is None:
        raise typer.BadParameter("Say which database: --database-url postgresql+psycopg://app@host/name.")
    return url


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _show(console: Console, found: list[Finding]) -> None:
    if (
        found and not console.is_terminal
    ):  # nothing is cut or folded, so that cures can be copied and searched
        for one in found:
            console.print(Text(f"{one.severity} {one.code} {one.object}: {one.why}"), soft_wrap=True)
            for statement in one.cure:
                console.print(Text(f"    {statement};"), soft_wrap=True)
    elif found:
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
