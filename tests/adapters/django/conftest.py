"""Django is configured before any of its models is imported; and the databases of its project."""

from contextlib import ExitStack

import pytest

from tests.adapters.django import project


@pytest.fixture(scope="session")
def worlds(tmp_path_factory):
    """Give the two databases of a place, made when they are first asked for."""
    from tests.adapters.django.world import ACME, BOLT

    with ExitStack() as stack:
        made = {}

        def give(place):
            if place not in made:
                made[place] = [
                    _world(place, sides, stack, tmp_path_factory) for sides in ((ACME, BOLT), (ACME,))
                ]
            return made[place]

        yield give


def _world(place, sides, stack, tmp_path_factory):
    from tests.adapters.django.world import World

    if place == "sqlite":
        app = owner = project.database(str(tmp_path_factory.mktemp("shop") / "shop.db"))
    else:
        from tenantkit.testing.services import find_postgres

        database = stack.enter_context(stack.enter_context(find_postgres()).database())
        app, owner = project.database(database.app), project.database(database.owner)
    world = World(app, owner, *sides, policies=place == "policies")
    stack.callback(world.close)
    return world.create()


@pytest.fixture(params=["sqlite", "postgresql", "policies"])
def shop(request, worlds):
    """Give a database of the project with two tenants in it, and put all rows back."""
    world, _ = worlds(request.param)
    with world.opened():
        yield world
        world.restore()
