"""Django is configured before any of its models is imported."""

from tests.adapters.django import project

__all__ = ["project"]
