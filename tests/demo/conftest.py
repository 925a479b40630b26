"""The demo on its real flights, loaded once for each kind of database."""

import shutil

import httpx
import pytest

from tenantkit.demo import data, service
from tenantkit.demo.story import Story
from tenantkit.testing.serving import serve_asgi


@pytest.fixture(scope="session")
def flights(tmp_path_factory):
    """Give an SQLite file with every flight."""
    path = tmp_path_factory.mktemp("flights") / "flights.db"
    kit = service.create_kit(f"sqlite:///{path}")
    data.load(kit, lambda rows: None)
    kit.dispose()
    return path


@pytest.fixture
def kit(flights, tmp_path):
    """Give a kit on a copy of the flights."""
    path = tmp_path / "flights.db"
    shutil.copy(flights, path)
    made = service.create_kit(f"sqlite:///{path}")
    yield made
    made.dispose()


@pytest.fixture
def story(kit):
    """Give a story that can be told to a served application."""
    with serve_asgi(service.create_app(kit)) as port, httpx.Client(timeout=60) as client:
        yield Story(kit, client, port)
