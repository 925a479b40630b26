"""The nouns of tenancy: the same in every adapter."""

import inspect

import pytest

from tenantkit.adapters import fastapi, flask

GUARDS = ["requires", "consumes", "owns", "requires_workspace"]


def taken(tenancy, name):
    """What a noun takes, without what it returns, which is the framework's."""
    signature = inspect.signature(getattr(tenancy, name))
    return signature.replace(return_annotation=signature.empty)


@pytest.mark.parametrize("name", GUARDS)
def test_guards_take_the_same(name):
    """A guard has the same parameters, defaults and types, whatever the framework."""
    assert taken(fastapi.Tenancy, name) == taken(flask.Tenancy, name)


@pytest.mark.parametrize("name", ["public", "central", "optional", "health"])
def test_paths_are_declared_the_same(name):
    """Paths are declared by the same words."""
    given = [inspect.signature(one).parameters[name] for one in (fastapi.Tenancy, flask.Tenancy)]
    assert given[0] == given[1]
