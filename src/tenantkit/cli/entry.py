"""Where the command ``tenantkit`` begins."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; without the extra ``cli``, say how to get it."""
    try:
        from tenantkit.cli.commands import app  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tenantkit"):
            raise
        sys.exit(
            f"The command line needs {error.name}: pip install 'tenantkit[cli]', or 'tenantkit[demo]' for the demo."
        )
    app()
