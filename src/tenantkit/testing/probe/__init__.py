"""The leak matrix, for the models and queries of any application."""

from tenantkit.testing.probe.matrix import LeakFinding, LeakReport, Probe, leak_matrix, probe
from tenantkit.testing.probe.shapes import Shape
from tenantkit.testing.probe.subjects import Subject

__all__ = ["LeakFinding", "LeakReport", "Probe", "Shape", "Subject", "leak_matrix", "probe"]
