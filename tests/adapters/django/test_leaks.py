"""
No access path of Django's ORM leaks: each is tried for own keys, for another tenant's, and without a scope.

It runs on a database with two tenants and on one where the second never was. What it returns, what it raises and what
it leaves in the first tenant's rows must be the same on both, and the second tenant's rows stay as they are.
"""

from contextlib import nullcontext

import pytest
from django.db import models

from tenantkit.core.scope import enter
from tenantkit.exceptions import IsolationError
from tests.adapters.django import paths_reading, paths_relations, paths_surfaces, paths_writing, project  # noqa: F401
from tests.adapters.django.paths import PATHS
from tests.adapters.django.world import ACME, BOLT, FIRST_NEW, TABLES, columns


def plain(value):
    """Return what was seen, in a form that can be compared: keys of new rows are all alike."""
    if isinstance(value, models.Model):
        return (value._meta.label, [plain(value.__dict__.get(name)) for name in columns(type(value))])
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items()}
    if isinstance(value, models.QuerySet | list | tuple):
        return sorted((plain(one) for one in value), key=repr)
    return "new" if isinstance(value, int) and value >= FIRST_NEW else value


def observed(world, path, target, scope):
    """Run a path; return what it returned or raised, and what the database holds afterwards."""
    with world.opened():
        try:
            with enter(scope) if scope is not None else nullcontext():
                seen = plain(path.run(target))
        except Exception as error:  # noqa: BLE001 - which one is compared
            seen = error
        after = world.dump()
        if after != world.pristine:
            world.restore()
        return seen, after


def rows_of(dump, side):
    """Return the rows that are not another tenant's, as far as a key shows."""
    foreign = BOLT if side is ACME else ACME
    return {
        model.__name__: [plain(row) for row in rows if not is_of(foreign, row)]
        for model, rows in dump.items()
    }


def foreign_rows(dump):
    """Return the other tenant's rows."""
    return {model.__name__: [row for row in rows if is_of(BOLT, row)] for model, rows in dump.items()}


def is_of(side, row):
    """Whether a row's first column is a key of a tenant, or the tenant."""
    first = row[0]
    return first in range(side.key(0), side.key(99)) or str(first).replace("-", "") == side.tenant.id.hex


@pytest.mark.parametrize("place", ["sqlite", "postgresql", "policies"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_path(worlds, place, path):
    """Own keys work, another tenant's are as if they were not there, and without a scope nothing is answered."""
    both, alone = worlds(place)
    for target in (ACME, BOLT):
        seen, after = observed(both, path, target, ACME.scope)
        expected, alone_after = observed(alone, path, target, ACME.scope)
        if path.refused is not None:
            assert isinstance(seen, path.refused), seen
        elif isinstance(expected, Exception):
            raise expected
        elif isinstance(seen, Exception):
            raise seen
        else:
            assert seen == expected
        assert rows_of(after, ACME) == rows_of(alone_after, ACME)
        assert foreign_rows(after) == foreign_rows(both.pristine)
    seen, after = observed(both, path, ACME, None)
    if not path.shared:
        cause = getattr(seen, "__context__", None)  # a command of Django's says it in its own words
        assert isinstance(seen, IsolationError) or isinstance(cause, IsolationError), seen
        assert after == both.pristine


def test_the_matrix_is_as_large_as_promised():
    """There are at least 100 access paths, and every model is in it."""
    assert len(PATHS) >= 100
    assert len({path.name for path in PATHS}) == len(PATHS)
    assert len(TABLES) >= 15
