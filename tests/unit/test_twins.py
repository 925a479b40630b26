"""The async twins of the kit: the same but for the `a`."""

import inspect

import pytest

from tenantkit.adapters.fastapi import Tenancy
from tenantkit.kit import KitAudit, KitQuotas, TenantKit

ROOMS = {"kit": TenantKit, "audit": KitAudit, "quotas": KitQuotas}
# async_session() is named as SQLAlchemy names it; what makes no sense within a request has no twin
TWINS = [
    ("kit", "release"),
    ("kit", "require_owner"),
    ("kit", "dispose"),
    ("audit", "record"),
    ("audit", "latest"),
    ("quotas", "consume"),
    ("quotas", "used"),
]


@pytest.mark.parametrize(("room", "name"), TWINS)
def test_a_twin_takes_and_gives_the_same(room, name):
    """A twin has the parameters, defaults and return type of its original."""
    original, twin = getattr(ROOMS[room], name), getattr(ROOMS[room], f"a{name}")
    assert inspect.signature(original) == inspect.signature(twin)
    assert inspect.iscoroutinefunction(twin)
    assert not inspect.iscoroutinefunction(original)


@pytest.mark.parametrize(("room", "name"), [("quotas", "used"), ("kit", "scope"), ("kit", "impersonation")])
def test_what_uses_the_session_has_a_twin(room, name):
    """What works with, or closes, the session of a scope works with an async session too."""
    assert hasattr(ROOMS[room], f"a{name}")


def test_every_coroutine_is_a_twin():
    """There is no coroutine without an original of the same name."""
    found = {
        (room, name[1:])
        for room, one in ROOMS.items()
        for name, method in inspect.getmembers(one)
        if inspect.iscoroutinefunction(method)
    }
    assert set(TWINS) == found


def test_annotations_resolve():
    """The annotations of the face can be read at run time."""
    for one in (*ROOMS.values(), Tenancy):
        for method in (getattr(one, name) for name in dir(one) if not name.startswith("_")):
            if inspect.isfunction(method):
                assert isinstance(inspect.get_annotations(method, eval_str=True), dict)
