"""No shape of statement shows, changes or links another tenant's rows; no innocent one is refused."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from tests.leaks.judge import judge, judge_unscoped
from tests.leaks.registry import SHAPES
from tests.leaks.world import WORLD

for path in sorted(Path(__file__).parent.glob("shapes_*.py")):
    import_module(f"tests.leaks.{path.stem}")

ROLES = {"own": (WORLD.acme, WORLD.bolt), "foreign": (WORLD.bolt, WORLD.acme)}
PLACES = ("sqlite", "postgresql", "mariadb")


def rows(dialect, place=None):
    """The shapes that a dialect can run, at a place of its."""
    return [
        pytest.param(place or dialect, shape, id=f"{shape.name}-{place or dialect}")
        for shape in SHAPES.values()
        if shape.applies(dialect)
    ]


EVERYWHERE = [row for dialect in PLACES for row in rows(dialect)]
BEHIND_POLICIES = [row for row in rows("postgresql", "policies") if row.values[1].transactional]


def test_no_attack_is_forgotten():
    """Each of the twenty-one ways in which a first version was broken has a row, here or in ``test_attacks``."""
    written = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    assert set(re.findall(r"def (?:test_)?attack_(\d\d)_", written)) == {f"{n:02}" for n in range(1, 22)}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("name", "shape"), EVERYWHERE + BEHIND_POLICIES)
def test_sync(places, settle, name, shape, role):
    """In a scope, acme with the scope entered and bolt by the session's pin alone, a shape stays inside."""
    place = places(name)
    outcome = place.run(shape, ROLES[role], ambient=shape.ambient and role == "own")
    settle(place, shape, judge(place, shape, ROLES[role], outcome))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("name", "shape"), EVERYWHERE + BEHIND_POLICIES)
def test_async(places, settle, name, shape, role):
    """Under asyncio the same bodies stay inside."""
    place = places(name)
    outcome = place.run_async(shape, ROLES[role], ambient=shape.ambient and role == "own")
    settle(place, shape, judge(place, shape, ROLES[role], outcome))


@pytest.mark.parametrize(
    "shape", [row.values[1] for row in rows("postgresql")], ids=[row.id for row in rows("postgresql")]
)
def test_asyncpg(places, settle, shape):
    """Over asyncpg, which types its parameters by itself, the same bodies stay inside."""
    pytest.importorskip("asyncpg")
    place = places("asyncpg")
    outcome = place.run_async(shape, ROLES["own"])
    settle(place, shape, judge(place, shape, ROLES["own"], outcome))


@pytest.mark.parametrize("bind", ["session", "connection"])
@pytest.mark.parametrize(("name", "shape"), [row for row in EVERYWHERE if not row.values[1].pinned])
def test_none(places, settle, name, shape, bind):
    """Without a scope, over a plain session or a connection of the scoped engine, a shape is refused."""
    place = places(name)
    if bind == "session":
        outcome = place.run_plain(shape, ROLES["own"])
    else:
        with place.engine.connect() as connection:
            outcome = place.run_plain(shape, ROLES["own"], connection)
    settle(place, shape, judge_unscoped(place, outcome))
