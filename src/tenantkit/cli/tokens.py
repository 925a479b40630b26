"""``tenantkit tokens``: what is kept of tokens."""

from typing import Annotated

import typer

from tenantkit.adapters import operations
from tenantkit.cli.subject import kit_of
from tenantkit.exceptions import TenantKitError

__all__ = ["tokens"]

tokens = typer.Typer(name="tokens", no_args_is_help=True, help="What is kept of tokens.")


@tokens.callback()
def _group() -> None:
    """A group also while it has one command."""


@tokens.command()
def prune(
    subject: Annotated[
        str,
        typer.Argument(metavar="MODULE:KIT", help="The TenantKit of your application, such as app.main:kit."),
    ],
) -> None:
    """Delete logins, share links, invitations and counters of attempts that are over. Once a day is enough."""
    try:
        kit = kit_of(subject)
        if kit is None:
            raise typer.BadParameter(f"{subject} is no TenantKit.")
        typer.echo(operations.prune_tokens(kit))
    except TenantKitError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from None
