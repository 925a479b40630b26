"""UUIDs of version 7."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from uuid import RFC_4122, UUID

import pytest

from tenantkit import new_id
from tenantkit.core import ids

MILLISECOND = 1_000_000
MOMENT = 0x0199_ABCD_EF01  # milliseconds


@pytest.fixture
def at(monkeypatch):
    """Set the clock that ids are made by, and give the counter back afterwards."""
    monkeypatch.setattr(ids, "_last", 0)

    def set_(milliseconds):
        monkeypatch.setattr(time, "time_ns", lambda: milliseconds * MILLISECOND)

    return set_


def test_ids_increase_strictly():
    """A hundred thousand ids made in turn increase strictly, as numbers and as text."""
    made = [new_id() for _ in range(100_000)]
    texts = [str(one) for one in made]
    assert all(before < after for before, after in pairwise(made))
    assert sorted(texts) == texts


def test_ids_increase_over_threads():
    """Eight threads at once make no id twice, and each sees its own increase."""
    start = Barrier(8)

    def make(_):
        start.wait()
        return [new_id() for _ in range(5_000)]

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(8)))
    assert all(sorted(row) == row for row in made)
    ticks = {one.int >> 64 for row in made for one in row}
    assert 8 * 5_000 == len(ticks)


def test_version_and_variant():
    """Each id says that it is of version 7 and of the variant of RFC 9562, bit by bit."""
    for one in (new_id() for _ in range(1_000)):
        assert (7, 0x7, 0b10) == (one.version, one.int >> 76 & 0xF, one.int >> 62 & 0b11)
        assert RFC_4122 == one.variant


def test_the_time_comes_first(at):
    """The first 48 bits are the milliseconds since 1970."""
    at(MOMENT)
    assert MOMENT == new_id().int >> 80


def test_ids_of_one_millisecond_count_on(at):
    """Within a millisecond a counter of 12 bits goes on, and runs into the next millisecond when it is full."""
    at(MOMENT)
    made = [new_id().int for _ in range(4097)]
    ticks = [(value >> 80) << 12 | value >> 64 & 0xFFF for value in made]
    assert [(MOMENT << 12) + number for number in range(4097)] == ticks
    assert MOMENT + 1 == made[-1] >> 80


def test_a_clock_set_back_does_not_stop_the_order(at):
    """Ids increase even where the machine's clock is set back by an hour."""
    at(MOMENT)
    before = new_id()
    at(MOMENT - 3_600_000)
    assert before < new_id()


def test_the_rest_is_random(at):
    """Two processes at the same moment make different ids: 62 bits are random."""
    at(MOMENT)
    first = [new_id().int & (1 << 62) - 1 for _ in range(100)]
    assert 100 == len(set(first))
    assert any(value >> 61 for value in first)


def test_ids_survive_their_text():
    """An id is a plain UUID: read back from its text it is the same."""
    made = new_id()
    assert made == UUID(str(made))
