"""The leak matrix, for the models and queries of any application."""

from tenantkit.testing.probe.matrix import LeakFinding, LeakReport, Server, leak_matrix

__all__ = ["LeakFinding", "LeakReport", "Server", "leak_matrix"]
