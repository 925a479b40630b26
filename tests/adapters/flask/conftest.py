"""The office behind Flask."""

import pytest

from tests.integration import office


@pytest.fixture
def documents(kit):
    """Count the documents of all tenants."""
    return lambda: office.counted(kit)
