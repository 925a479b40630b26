"""``tenantkit lint``: where an application's source leaves the scope."""

from pathlib import Path
from typing import Annotated

import typer

from tenantkit.exceptions import ConfigurationError
from tenantkit.lint import Allowance, look_through

__all__ = ["lint"]


def lint(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files and folders of Python source.")],
    config: Annotated[Path, typer.Option(help="The file with [tool.tenantkit.lint.allow].")] = Path(
        "pyproject.toml"
    ),
) -> None:
    """List unscoped sessions, vouched text, plain engines and sessions, and raw cursors that nobody allowed."""
    try:
        allowance = Allowance.read(config) if config.is_file() else Allowance()
    except ConfigurationError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(2) from None
    found = look_through(paths, allowance)
    for place in found:
        typer.echo(str(place))
    if found:
        typer.echo(
            f"{len(found)} places. Allow one by a comment, `# tenantkit: allow {found[0].code} - why`, or a file in "
            "[tool.tenantkit.lint.allow].",
            err=True,
        )
        raise typer.Exit(1)
