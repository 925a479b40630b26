"""What a command works on: an object of the application, named ``module:attribute``."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import MetaData

from tenantkit import TenantKit
from tenantkit.isolation import Policies

__all__ = ["Subject", "imported", "kit_of", "policies_of"]

Subject = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:OBJECT",
        help="A TenantKit, a MetaData or a Policies of your application, such as app.main:kit.",
    ),
]


def kit_of(subject: str) -> TenantKit | None:
    """Import an object of the application, and return it if it is a kit."""
    found = imported(subject)
    return found if isinstance(found, TenantKit) else None


def policies_of(subject: str) -> Policies:
    """
    Import an object of the application and return its policies.

    Raises:
        typer.BadParameter: there is no such object, or it is of another kind.
    """
    found = imported(subject)
    if isinstance(found, Policies):
        return found
    if isinstance(found, TenantKit):
        return found.policies
    if isinstance(found, MetaData):
        return Policies(found)
    if isinstance(found, Sequence) and found and all(isinstance(one, MetaData) for one in found):
        return Policies(found)
    raise typer.BadParameter(
        f"{subject} is a {type(found).__name__}, and no TenantKit, MetaData or Policies."
    )


def imported(subject: str) -> object:
    """
    Import an object of the application.

    Raises:
        typer.BadParameter: there is none.
    """
    module, _, path = subject.partition(":")
    if not (module and path):
        raise typer.BadParameter(f"{subject!r} names no object. Write it as app.main:kit.")
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` has it
    try:
        found: object = import_module(module)
    except ModuleNotFoundError as error:
        raise typer.BadParameter(f"{module} cannot be imported from here: {error}.") from error
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise typer.BadParameter(f"{module} has no {path}: there is no {name}.") from None
    return found
