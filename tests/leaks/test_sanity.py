"""The matrix can fail: on plain sessions its shapes do harm; and its expectations are those of one tenant alone."""

import pytest

from tests.leaks.judge import harm, leaks, wrong_answers
from tests.leaks.places import Place, owner_of, relaxed, unprotected
from tests.leaks.registry import ALL, SHAPES, Kind
from tests.leaks.test_matrix import ROLES
from tests.leaks.world import WORLD

LEAKING_READS = 150
# What all share, a value that is the same in all rows, a question about one own object.
RIGHT_WITHOUT_THE_LIBRARY = {"select_shared", "select_distinct", "relationship_contains"}
ACME, BOLT = WORLD.acme, WORLD.bolt


def shapes(*kinds):
    """The shapes of some kinds, each on the first dialect that can run it."""
    wanted = [shape for shape in SHAPES.values() if shape.kind in kinds]
    return [
        pytest.param(dialect, shape, id=f"{shape.name}-{dialect}")
        for shape in wanted
        for dialect in [name for name in ALL if shape.applies(name)][:1]
    ]


@pytest.fixture(scope="module")
def engines(plain_url):
    """Plain engines on tables without any protection, by dialect and by tenant at work."""
    made = {}

    def engine(dialect, own):
        if (dialect, own) not in made:
            made[dialect, own] = unprotected(relaxed(owner_of(plain_url(dialect))), own)
        return made[dialect, own]

    yield engine
    for one in made.values():
        one.dispose()


@pytest.fixture(scope="module")
def houses(engines):
    """Databases without protection, by dialect and the tenants in them; the first is at work."""
    made = {}

    def house(dialect, *sides):
        key = dialect, sides
        if key not in made:
            engine = engines(dialect, sides[0][0])
            made[key] = Place("unprotected", dialect, engine, engine, sides=sides)
        if made[key].look() != made[key].pristine:
            made[key].restore()
        return made[key]

    return house


def test_reads_leak_without_the_library(houses):
    """On a plain session nearly all read shapes show one of the tenants the other, or count it."""
    house = houses("sqlite", (ACME, BOLT), (BOLT, ACME))
    reads = [shape for shape in SHAPES.values() if shape.kind is Kind.READ and shape.applies("sqlite")]
    shown = {shape.name for shape in reads if leaks(house.run_plain(shape, (ACME, BOLT)), BOLT)}
    hidden = [shape for shape in reads if shape.name not in shown]
    right = {
        shape.name
        for shape in hidden
        if not any(wrong_answers(house, house.run_plain(shape, sides)) for sides in ROLES.values())
    }
    assert len(shown) >= LEAKING_READS
    assert right <= RIGHT_WITHOUT_THE_LIBRARY


@pytest.mark.parametrize(("dialect", "shape"), shapes(Kind.ATTACK))
def test_attacks_do_harm_without_the_library(houses, dialect, shape):
    """On a plain session each attack shows or changes the other tenant's rows, or says why it can't."""
    house = houses(dialect, (ACME, BOLT), (BOLT, ACME))
    outcome = house.run_plain(shape, (ACME, BOLT))
    assert bool(harm(house, (ACME, BOLT), outcome)) != bool(shape.inert), outcome


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("dialect", "shape"), shapes(Kind.READ, Kind.INNOCENT))
def test_expectations_are_those_of_a_tenant_alone(houses, dialect, shape, role):
    """Where there is physically one tenant only, a plain session gives what the matrix expects of a scope."""
    if shape.pinned or not shape.alone:
        pytest.skip("needs two tenants, or the library's stamp")
    house = houses(dialect, ROLES[role])
    outcome = house.run_plain(shape, ROLES[role])
    assert [str(finding) for finding in wrong_answers(house, outcome)] == []
