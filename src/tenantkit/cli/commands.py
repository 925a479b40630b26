"""The commands, gathered."""

from importlib.metadata import version

import typer

from tenantkit.cli.demo import demo
from tenantkit.cli.doctor import doctor
from tenantkit.cli.lint import lint
from tenantkit.cli.policies import policies
from tenantkit.cli.roles import roles
from tenantkit.cli.tokens import tokens

__all__ = ["app"]

app = typer.Typer(
    name="tenantkit", no_args_is_help=True, help="Let one application serve many organizations."
)
app.command()(demo)
app.command()(policies)
app.command()(doctor)
app.command()(lint)
app.add_typer(roles)
app.add_typer(tokens)


@app.command("version")
def show_version() -> None:
    """Show the version."""
    typer.echo(version("tenantkit"))
