"""The command line; one file per group of commands."""

from tenantkit.cli.entry import main

__all__ = ["main"]
