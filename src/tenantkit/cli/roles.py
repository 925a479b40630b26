"""``tenantkit roles``: matrices to look at, to compare, to test, and to take in and out of a database."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tenantkit import Actor, TenantKit
from tenantkit.cli.subject import imported, kit_of
from tenantkit.exceptions import ConfigurationError, TenantKitError
from tenantkit.rbac import Grid, Matrix, differences, grid_of, read_cases
from tenantkit.rbac.showing import DENIED, GRANTED, NOTHING

__all__ = ["roles"]

roles = typer.Typer(
    name="roles", no_args_is_help=True, help="Who may do what: matrices of roles and permissions."
)

_COLOURS: Final = {GRANTED: "green", DENIED: "red", NOTHING: "dim"}
_FILES: Final = {".toml", ".yaml", ".yml", ".csv", ".md"}
_SHARE: Final = 100
_NARROW: Final = 16  # columns; descriptions in less are no help
Subject = Annotated[
    str,
    typer.Argument(
        metavar="FILE|MODULE:OBJECT",
        help="A file of a matrix, or a Matrix or TenantKit of your application, such as app.main:kit.",
    ),
]
OfTenant = Annotated[
    str | None,
    typer.Option(
        "--tenant", metavar="SLUG", help="With the roles that this tenant made, from the kit's database."
    ),
]


KitSubject = Annotated[
    str,
    typer.Argument(metavar="MODULE:OBJECT", help="A TenantKit of your application, such as app.main:kit."),
]
Whose = Annotated[str, typer.Option("--tenant", metavar="SLUG", help="Whose.")]


@roles.command("show")
def show(
    subject: Subject,
    tenant: OfTenant = None,
    form: Annotated[
        Literal["table", "markdown", "csv", "html"], typer.Option("--format", help="How.")
    ] = "table",
    only: Annotated[list[str] | None, typer.Option("--role", help="Only this role; may be repeated.")] = None,
) -> None:
    """Show a matrix: permissions down, roles across."""
    with _complaining():
        grid = grid_of(_matrix(subject, tenant), only or None)
    if form == "table":
        console = Console()
        console.print(_table(grid, console.width))
    else:
        typer.echo(getattr(grid, form), nl=False)


@roles.command("diff")
def diff(before: Subject, after: Subject, tenant: OfTenant = None) -> None:
    """List what two matrices say differently; exit with 1 if they do. A tenant's roles count in the second one."""
    with _complaining():
        found = differences(_matrix(before, None), _matrix(after, tenant))
    for one in found:
        typer.echo(str(one))
    if found:
        raise typer.Exit(1)


@roles.command("test")
def run_cases(
    cases: Annotated[Path, typer.Argument(help="A file of cases.")],
    subject: Annotated[
        str | None,
        typer.Option(
            "--matrix",
            metavar="FILE|MODULE:OBJECT",
            help="The matrix, if not the one that the file names.",
        ),
    ] = None,
    coverage: Annotated[
        float,
        typer.Option(help="Fail below this share of cells that are asked about, in percent.", min=0, max=100),
    ] = 0,
) -> None:
    """Ask a matrix what a file of cases says; exit with 1 if an answer is another, and name the rule that gave it."""
    with _complaining():
        found = read_cases(cases)
        if subject is None and found.matrix is None:
            raise typer.BadParameter("The file names no matrix; say --matrix.")
        matrix = _matrix(subject or str(found.matrix), None)
        decisions = [(case, case.decide(matrix)) for case in found.cases]
        told = found.coverage(matrix)
    failed = [(case, decision) for case, decision in decisions if decision.allowed != case.expected]
    for case, decision in failed:
        typer.echo(
            f"{cases}:{case.line}: {case}, but is {'allowed' if decision.allowed else 'refused'}. {decision.words}"
        )
    share = told.share * _SHARE
    typer.echo(f"{len(decisions)} cases, {len(failed)} failed. {share:.0f} % of the cells are asked about.")
    if share < coverage:
        typer.echo(f"That is less than {coverage:.0f} %. Not asked about:", err=True)
        for role, permission in told.missing:
            typer.echo(f"    {role} of {permission}", err=True)
    if failed or share < coverage:
        raise typer.Exit(1)


@roles.command("export")
def export(subject: KitSubject, tenant: Whose) -> None:
    """Print the roles and grants that a tenant made, as JSON."""
    with _complaining(), _scoped(subject, tenant) as kit:
        typer.echo(json.dumps(kit.access.export(), indent=2, ensure_ascii=False))


@roles.command("import")
def import_roles(
    subject: KitSubject,
    file: Annotated[Path, typer.Argument(help="What `export` printed.", exists=True, dir_okay=False)],
    tenant: Whose,
) -> None:
    """Define and grant in a tenant what a file says, all or nothing; what it has besides stays."""
    with _complaining(), _scoped(subject, tenant) as kit:
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigurationError(f"{file} is not JSON: {error}.") from None
        made, given = kit.access.load(content)
        kit.session().commit()
    typer.echo(f"{len(made)} roles defined, {len(given)} grants given.")


@roles.command("drift")
def drift(subject: KitSubject) -> None:
    """List what tenants made that does not go with the matrix any more; exit with 1 if there is any."""
    with _complaining():
        kit = _kit(subject)
        with Session(kit.owner_engine) as session:
            found = [str(one) for one in kit.access.store.drift(session)]
    for one in found:
        typer.echo(one)
    if found:
        raise typer.Exit(1)


def _matrix(subject: str, tenant: str | None) -> Matrix:
    """Return a matrix: of a file, of the application, or of a kit with what one of its tenants made."""
    is_file = Path(subject).suffix in _FILES
    found = None if is_file else imported(subject)
    if tenant is not None and not isinstance(found, TenantKit):
        raise typer.BadParameter(f"--tenant needs a TenantKit, which {subject!r} is not.")
    if is_file:
        return Matrix.read(subject)
    if isinstance(found, Matrix):
        return found
    kit = _kit(subject)
    if tenant is None:
        return kit.roles
    with _scoped(subject, tenant):
        made = kit.access.roles()
    own = {**made, **kit.roles.roles}
    return Matrix(kit.roles.permissions, own, separator=kit.roles.separator, conditions=kit.roles.conditions)


def _kit(subject: str) -> TenantKit:
    kit = kit_of(subject)
    if kit is None:
        raise typer.BadParameter(f"{subject!r} is no TenantKit; a Matrix will do where a matrix is shown.")
    return kit


@contextmanager
def _scoped(subject: str, tenant: str) -> Iterator[TenantKit]:
    kit = _kit(subject)
    with kit.scope(tenant, actor=Actor.system("tenantkit roles")):
        yield kit


@contextmanager
def _complaining() -> Iterator[None]:
    """Say what is wrong in a sentence, and exit with 2."""
    try:
        yield
    except TenantKitError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(2) from None
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        typer.echo(f"The database cannot be used: {reason}", err=True)
        raise typer.Exit(2) from None


def _table(grid: Grid, width: int) -> Table:
    table = Table()
    name, description, *held = grid.headings
    table.add_column(name, no_wrap=True)
    left = (
        width - max(len(row[0]) for row in (grid.headings, *grid.rows)) - sum(len(role) + 3 for role in held)
    )
    is_described = left > _NARROW and any(row[1] for row in grid.rows)
    if is_described:
        table.add_column(description)
    for role in held:
        table.add_column(Text(role), no_wrap=True, justify="center")
    for row in grid.rows:
        cells = [Text(cell, _COLOURS.get(cell, "yellow")) for cell in row[2:]]
        table.add_row(Text(row[0]), *([Text(row[1])] if is_described else []), *cells)
    return table
