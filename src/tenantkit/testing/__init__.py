"""What users run against their own code: the leak matrix, a plugin of pytest, real servers for tests."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenantkit.testing.probe import LeakFinding as LeakFinding
    from tenantkit.testing.probe import LeakReport as LeakReport
    from tenantkit.testing.probe import leak_matrix as leak_matrix

__all__ = ["LeakFinding", "LeakReport", "leak_matrix"]


def __getattr__(name: str) -> Any:
    # loaded at first use: the plugin of pytest is imported in every run of every application
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tenantkit.testing import probe  # noqa: PLC0415

    return getattr(probe, name)
