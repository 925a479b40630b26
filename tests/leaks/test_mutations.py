"""
The matrix watches every hook: with any one of them taken out, it goes red.

Each takes the matrix from its start again, so a run of all tests takes a sample; `nox -s mutations` takes all.
"""

import inspect
import os
import random
from contextlib import ExitStack

import pytest
from sqlalchemy import event
from sqlalchemy.dialects.mysql.base import MySQLCompiler
from sqlalchemy.dialects.postgresql.base import PGCompiler
from sqlalchemy.engine.default import DefaultDialect, DefaultExecutionContext
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import GenericTypeCompiler, IdentifierPreparer, SQLCompiler

from tenantkit.exceptions import CanaryFailed
from tenantkit.isolation import ScopedSession, engine, session
from tenantkit.isolation.canary import check_hooks
from tenantkit.isolation.entry import Entry
from tenantkit.isolation.hooks import ScopedContext, ScopedDialect, ScopedPreparer, ScopedTypeCompiler
from tenantkit.isolation.hooks.raw import RawHooks
from tenantkit.isolation.hooks.reading import ReadingHooks
from tenantkit.isolation.hooks.upserts import UpsertHooks
from tenantkit.isolation.hooks.writing import WritingHooks
from tenantkit.isolation.pin import Pin
from tenantkit.isolation.writes import WritePlan
from tests.leaks.conftest import MUTATION, mariadb_database, postgres_database
from tests.leaks.judge import judge, judge_unscoped
from tests.leaks.places import open_place
from tests.leaks.registry import SHAPES
from tests.leaks.test_matrix import ROLES

HOW_MANY = os.environ.get("TENANTKIT_TEST_MUTATIONS", "a sample")  # or "each", or "each with all its shapes"
SAMPLE = 4
SEED = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")[:8]  # the same for all workers, another for each run
COMPILERS = (SQLCompiler, PGCompiler, MySQLCompiler)
HOOKS = {
    ReadingHooks: COMPILERS,
    WritingHooks: COMPILERS,
    UpsertHooks: COMPILERS,
    RawHooks: COMPILERS,
    ScopedPreparer: (IdentifierPreparer,),
    ScopedTypeCompiler: (GenericTypeCompiler,),
    ScopedContext: (DefaultExecutionContext,),
    ScopedDialect: (DefaultDialect,),
    ScopedSession: (Session,),
}


NOT_TAKEN_OUT = {
    "visit_table": "the net below all others: the canary falls into it where _compose_select_body is taken out",
    "visit_tstring": "t-strings are of Python 3.14",
    "do_commit_twophase": "without it a prepared transaction stays in the server, with its locks",
    "do_rollback_twophase": "the same",
}


def sampled(mutations):
    """All mutations, or those that the seed picks."""
    mutations = list(mutations)
    return mutations if HOW_MANY != "a sample" else random.Random(SEED).sample(mutations, SAMPLE)


def hooks():
    """The methods that stand before one of SQLAlchemy's own."""
    for kind, bases in HOOKS.items():
        for name, made in vars(kind).items():
            if name.startswith("__") or not callable(getattr(kind, name)) or inspect.isclass(made):
                continue
            if name not in NOT_TAKEN_OUT and any(hasattr(base, name) for base in bases):
                yield pytest.param(kind, name, id=f"{kind.__name__}.{name}")


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Open places whose dialects are made anew, without what was taken out."""
    with ExitStack() as stack:

        def place(name):
            engine.scoped_class.cache_clear()
            check_hooks.cache_clear()
            if name == "sqlite":
                path = tmp_path / "mutant.db"
                urls = f"sqlite:///{path}", f"sqlite:///{path}", f"sqlite+aiosqlite:///{path}"
            else:
                made = mariadb_database() if name == "mariadb" else postgres_database()
                database = stack.enter_context(made)
                app_url = database.app_url
                urls = database.owner_url, app_url, app_url.replace("+pymysql", "+aiomysql")
            return stack.enter_context(open_place(name, *urls))

        yield place
    engine.scoped_class.cache_clear()
    check_hooks.cache_clear()


def caught(place, *, first_only):
    """The rows of the matrix that go red."""
    found = []
    for shape in SHAPES.values():
        if not shape.applies(place.dialect):
            continue
        for role, sides in ROLES.items():
            outcome = place.run(shape, sides, ambient=shape.ambient and role == "own")
            findings = judge(place, shape, sides, outcome)
            _restored(place)
            if not (findings or shape.pinned or role == "foreign"):
                findings = judge_unscoped(place, place.run_plain(shape, sides))
                _restored(place)
            if findings:
                found.append(shape.name)
                if first_only:
                    return found
                break
    return found


def _restored(place):
    if place.seen != place.pristine:
        place.restore()


def watched(opened, dialects=("sqlite", "postgresql", "mariadb")):
    """What tells that something is missing: the canary, or shapes."""
    for dialect in dialects:
        try:
            place = opened(dialect)
        except CanaryFailed:
            return ["the canary"]
        if found := caught(place, first_only=HOW_MANY != "each with all its shapes"):
            return [f"{dialect}: {name}" for name in found]
    return []


@pytest.mark.skipif(HOW_MANY == "a sample", reason="the matrix itself is run in the same run")
def test_nothing_is_missed_where_nothing_is_missing(opened):
    """With every hook in its place the same rows are green."""
    assert [] == watched(opened)


@pytest.mark.parametrize(("kind", "name"), sampled(hooks()))
def test_the_matrix_misses_each_hook(opened, monkeypatch, record_property, kind, name):
    """Without this hook there is a leak, a foreign write, a wrong refusal or a wrong answer; or the canary sings."""
    monkeypatch.delattr(kind, name)
    found = watched(opened)
    record_property(MUTATION, f"{kind.__name__}.{name}: {', '.join(found)} (seed {SEED!r})")
    assert found, f"missed by nobody; the sample's seed is {SEED!r}"


LISTENERS = {
    "after_begin": session._pin_connection,
    "after_transaction_end": session._unpin_connections,
    "before_attach": session._stamp,
    "before_flush": session._guard,
    "persistent_to_detached": session._mark_owner,
}


@pytest.mark.parametrize("moment", LISTENERS)
def test_the_matrix_misses_each_listener(opened, record_property, moment):
    """Without this listener of the scoped session the matrix goes red, too."""
    listener = LISTENERS[moment]
    event.remove(ScopedSession, moment, listener)
    try:
        found = watched(opened)
    finally:
        event.listen(ScopedSession, moment, listener)
    record_property(MUTATION, f"{listener.__name__}: {', '.join(found)}")
    assert found


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Pin, "check_ambient"), (Pin, "detach"), (WritePlan, "fill"), (WritePlan, "check"), (Entry, "criteria")],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_the_matrix_misses_each_decision(opened, monkeypatch, record_property, kind, name):
    """What the hooks ask is watched as well: answers that let everything pass are seen."""
    indulgent = {
        "check_ambient": lambda _self: None,
        "detach": lambda _self, _connection: None,
        "fill": lambda _self, parameters, pin: {**pin.values, **parameters},
        "check": lambda _self, *_arguments: {},
        "criteria": lambda _self, _element, **_options: [],
    }
    monkeypatch.setattr(kind, name, indulgent[name])
    found = watched(opened)
    record_property(MUTATION, f"{kind.__name__}.{name}: {', '.join(found)}")
    assert found
