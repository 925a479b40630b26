"""The sessions of a kit: one per scope, closed with it, committed by the caller."""

import asyncio
import gc
import threading

import pytest
from sqlalchemy import Column, MetaData, String, Table, create_engine, delete, event, insert, select, update
from sqlalchemy.orm import Session

from tenantkit import Actor, Scope, Tenant, current, new_id
from tenantkit.core.scope import current_or_none
from tenantkit.exceptions import (
    ConfigurationError,
    ForeignTenant,
    ScopeChanged,
    ScopeRequired,
    StatementRefused,
    TenantSuspended,
    UnknownTenant,
)
from tenantkit.isolation import ScopedSession, scope_engine, shared
from tests.integration.office import (
    Country,
    Document,
    Page,
    Place,
    central_events,
    counted,
    make_kit,
    settled,
)


async def test_a_scope_by_slug_or_by_tenant(kit, acme):
    """A scope is entered by a tenant or by its slug, with the actor, and is the current one."""
    ann = Actor("ann")
    for tenant in (acme, "acme"):
        with kit.scope(tenant, actor=ann) as scope:
            assert scope is current()
            assert (acme, ann, frozenset()) == (scope.tenant, scope.actor, scope.roles)
    assert current_or_none() is None


@pytest.mark.parametrize("slug", ["nobody", "", "Acme", "acme\n", "x" * 10_240], ids=repr)
def test_an_unknown_slug_enters_nothing(kit, acme, slug):
    """A slug of nobody is refused before anything is entered; a long one is not repeated."""
    with pytest.raises(UnknownTenant) as caught, kit.scope(slug):
        pytest.fail("entered")
    assert current_or_none() is None
    assert len(caught.value.message) < 200


def test_a_suspended_tenant_is_not_entered(kit, acme):
    """A suspended tenant is refused by its slug."""
    with kit.unscoped_session(reason="suspend", actor="test") as session:
        kit.directory.change_status(session, acme, "suspended")
        session.commit()
    with pytest.raises(TenantSuspended), kit.scope("acme"):
        pytest.fail("entered")


def test_a_suspended_tenant_is_not_entered_as_an_object(kit):
    """A tenant that says of itself that it is not active is refused as well."""
    with pytest.raises(TenantSuspended), kit.scope(Tenant(new_id(), "acme", status="suspended")):
        pytest.fail("entered")


async def test_one_session_in_a_scope(hands, acme, bolt):
    """Every call in a scope gives the same session, a nested scope another, and the outer one is there again."""
    async with hands.scope(acme):
        outer = hands.session
        assert outer is hands.session
        async with hands.scope(bolt):
            inner = hands.session
            assert inner is not outer
        assert outer is hands.session
        async with hands.scope(acme):
            assert hands.session is not outer


async def test_kinds_are_not_mixed(hands, kit, acme):
    """A scope works with one kind of session; asking for the other says which to use."""
    async with hands.scope(acme):
        assert hands.session is not None
        other, name = (
            (kit.async_session, r"kit\.session")
            if hands.kind == "sync"
            else (kit.session, r"kit\.async_session")
        )
        with pytest.raises(ConfigurationError, match=name):
            other()
        assert [] == await hands.names()


def test_no_scope_no_session(kit):
    """Outside of any scope there is no session of either kind."""
    for open_session in (kit.session, kit.async_session):
        with pytest.raises(ScopeRequired):
            open_session()


async def test_the_caller_commits(hands, acme, kit):
    """What was committed is there afterwards, what was not is rolled back on leaving."""
    async with hands.scope(acme):
        await hands.add(Document(name="kept"))
        await hands.do("commit")
        await hands.add(Document(name="lost"))
    async with hands.scope(acme):
        assert ["kept"] == await hands.names()
    assert 1 == counted(kit)


async def test_leaving_closes(hands, acme):
    """On leaving, the session is closed: its objects are detached, its connection is back in the pool."""
    async with hands.scope(acme) as scope:
        document = Document(name="a")
        await hands.add(document)
        session = hands.session
        assert (1, document in session) == (hands.pool.checkedout(), True)
    assert (0, {}) == (hands.pool.checkedout(), scope.held)
    assert document not in session


async def test_an_error_rolls_back(hands, acme, kit):
    """An exception leaves the scope, rolls back and closes."""

    async def work():
        async with hands.scope(acme):
            await hands.add(Document(name="a"))
            _ = 1 // 0

    with pytest.raises(ZeroDivisionError):
        await work()
    assert (0, 0, None) == (counted(kit), hands.pool.checkedout(), current_or_none())


# psycopg complains, once collected, of a connection that could only be dropped
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_error_with_an_async_session_is_not_hidden(kit, acme):
    """Leaving with an async session that nobody released keeps the error that led there, and closes the session."""
    opened, others = [], set(threading.enumerate())

    async def work():
        with kit.scope(acme):
            opened.append(kit.async_session())
            await opened[0].scalars(select(Document))
            _ = 1 // 0

    try:
        with pytest.raises(ZeroDivisionError):
            await work()
        assert kit.async_engine.pool.checkedout() == 0
    finally:
        await opened[0].close()
        await kit.adispose()
        opened.clear()
        gc.collect()
        await _threads_of_aiosqlite_end(others)


async def _threads_of_aiosqlite_end(others):
    """Wait for threads whose connection was thrown away; their last word is for the loop, which must still be there."""
    for thread in set(threading.enumerate()) - others:
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 20)


async def test_leaving_with_an_async_session_says_how(kit, acme):
    """A plain `with` cannot close an async session: it says what to await."""
    session = None
    with pytest.raises(ConfigurationError, match=r"await kit\.arelease\(scope\)"), kit.scope(acme):
        session = kit.async_session()
    await session.close()
    await kit.adispose()


async def test_an_async_scope_takes_both_kinds(kit, acme):
    """An async scope closes a sync session too, and one that opened nothing."""
    async with kit.ascope("acme", actor=Actor("ann")) as scope:
        assert (acme, Actor("ann")) == (scope.tenant, scope.actor)
    async with kit.ascope(acme):
        kit.session().scalars(select(Document)).all()
    assert 0 == kit.engine.pool.checkedout()


async def test_releasing_twice_does_no_harm(hands, kit, acme):
    """A session can be released by hand, again, and before leaving; the next call opens a new one."""
    async with hands.scope(acme) as scope:
        first = hands.session
        await hands.add(Document(name="lost"))
        for _ in range(2):
            await kit.arelease(scope)
        assert hands.session is not first
        assert [] == await hands.names()


def test_release_without_a_session(kit, acme):
    """Releasing a scope that opened nothing does nothing."""
    with kit.scope(acme) as scope:
        for _ in range(2):
            kit.release(scope)
            assert [] == kit.opened(scope)


def test_two_kits_in_one_scope(database, kit, acme):
    """Each kit has its own session in a scope."""
    other = make_kit(database)
    with kit.scope(acme) as scope:
        assert kit.session() is not other.session()
        other.release(scope)
        assert ([kit.session()], []) == (kit.opened(scope), other.opened(scope))
    other.dispose()


async def test_a_session_is_its_scopes(hands, acme, bolt):
    """A session that is used while another tenant is in scope is refused, and works again afterwards."""
    async with hands.scope(acme):
        session = hands.session
        await hands.add(Document(name="a"))
        async with hands.scope(bolt):
            with pytest.raises(ScopeChanged):
                await settled(session.scalars(select(Document)))
        assert ["a"] == await hands.names()


async def test_the_tenant_is_stamped(hands, acme, bolt):
    """A new row belongs to the tenant in scope without saying so; saying another tenant is refused."""
    async with hands.scope(acme):
        document = Document(name="a")
        await hands.add(document)
        assert acme.id == document.tenant_id
        with pytest.raises(ForeignTenant):
            hands.session.add(Document(name="b", tenant_id=bolt.id))


def test_building_a_kit_connects_to_nothing(tmp_path):
    """A kit can be built where there is no database."""
    url = f"sqlite:///{tmp_path / 'none' / 'office.db'}"
    kit = make_kit(Place("sqlite", url, url))
    kit.dispose()
    assert not (tmp_path / "none").exists()


async def test_disposing_twice_does_no_harm(kit, acme):
    """Engines can be disposed of again, and open new connections when they are asked."""
    for _ in range(2):
        kit.dispose()
        await kit.adispose()
    with kit.scope("acme"):
        assert [] == list(kit.session().scalars(select(Document)))


# all tenants --------------------------------------------------------------------------------------------------


def test_an_unscoped_session_sees_all(kit, acme, bolt):
    """It shows and writes the rows of all tenants, and the caller commits."""
    with kit.unscoped_session(reason="move in", actor="test") as session:
        session.add_all([Document(name=one.slug, tenant_id=one.id) for one in (acme, bolt)])
        session.commit()
        session.add(Document(name="lost", tenant_id=acme.id))
        session.flush()
        assert 3 == len(session.scalars(select(Document)).all())
    assert 2 == counted(kit)


def test_it_is_recorded_before_it_opens(kit, acme):
    """The record is there, committed, before the session is handed out, and stays if the block fails."""
    found = []

    def work():
        with kit.unscoped_session(reason="nightly totals", actor=Actor("ann")):
            found.append(central_events(kit, "session.unscoped")[-1])
            _ = 1 // 0

    with pytest.raises(ZeroDivisionError):
        work()
    assert ("ann", {"reason": "nightly totals"}) == (found[0].actor, found[0].details)
    assert 2 == len(central_events(kit, "session.unscoped"))


def test_without_a_record_there_is_no_session(kit, acme):
    """Where the record cannot be written the session is not opened."""

    def fail(_session):
        raise OSError("the disk is full")

    event.listen(Session, "before_commit", fail)
    try:
        with pytest.raises(OSError, match="full"), kit.unscoped_session(reason="look", actor="test"):
            pytest.fail("opened")
    finally:
        event.remove(Session, "before_commit", fail)


def test_the_actor_in_scope_is_recorded(kit, acme):
    """Without an actor of its own it is recorded for the one in scope."""
    with kit.scope(acme, actor=Actor("ann")), kit.unscoped_session(reason="support"):
        pass
    assert "ann" == central_events(kit, "session.unscoped")[-1].actor


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_a_reason_is_needed(kit, reason):
    """Without a reason there is neither session nor record."""
    with pytest.raises(ConfigurationError, match="needs a reason"), kit.unscoped_session(reason=reason):
        pytest.fail("opened")
    assert [] == central_events(kit)


@pytest.mark.parametrize("actor", [None, "", " ", Actor("")])
def test_somebody_must_ask(kit, acme, actor):
    """Without an actor or the name of a program, and with no actor in scope, there is neither session nor record."""
    before = len(central_events(kit))
    with (
        kit.scope(acme),
        pytest.raises(ConfigurationError, match="who asks"),
        kit.unscoped_session(reason="look", actor=actor),
    ):
        pytest.fail("opened")
    assert before == len(central_events(kit))


def test_a_program_can_ask_by_its_name(kit):
    """A text is the name of a program that acts by itself."""
    with kit.unscoped_session(reason="look", actor="nightly totals"):
        pass
    (found,) = central_events(kit, "session.unscoped")
    assert ("nightly totals", "system") == (found.actor, found.actor_kind)


# somebody from outside ------------------------------------------------------------------------------------------


async def test_an_impersonation_is_told_to_the_tenant(hands, kit, acme, bolt):
    """Its beginning is committed to the tenant's trail with the reason; what is done in it names both."""
    support, ann = Actor("support-1"), Actor("ann")
    async with hands.impersonation(acme, impersonator=support, actor=ann, reason="ticket 42") as scope:
        assert (support, ann) == (scope.impersonator, scope.actor)
        assert ["tenant.impersonated"] == [event.action for event in await hands.twin("audit", "latest")]
        await hands.add(Document(name="mended"))
        await hands.twin("audit", "record", "document.mended")
        await hands.do("commit")
    async with hands.scope(acme):
        mended, begun = await hands.twin("audit", "latest")
    assert ("support-1", "ann", {"reason": "ticket 42"}) == (begun.impersonator, begun.actor, begun.details)
    assert ("support-1", "ann") == (mended.impersonator, mended.actor)
    async with hands.scope(bolt):
        assert [] == await hands.twin("audit", "latest")


async def test_an_impersonation_needs_a_reason(hands, acme):
    """Without one nobody gets in, and nothing is recorded."""
    with pytest.raises(ConfigurationError, match="needs a reason"):
        async with hands.impersonation(acme, impersonator=Actor("support-1"), reason=" "):
            pytest.fail("entered")
    async with hands.scope(acme):
        assert [] == await hands.twin("audit", "latest")


def test_it_can_be_switched_off(database):
    """An application that never needs it can forbid it by a setting."""
    kit = make_kit(database, unscoped_sessions=False)
    with (
        pytest.raises(ConfigurationError, match="unscoped_sessions"),
        kit.unscoped_session(reason="x", actor="test"),
    ):
        pytest.fail("opened")
    assert [] == central_events(kit)
    kit.dispose()


@pytest.mark.parametrize("way", ["add", "merge"])
def test_what_it_loaded_stays_outside(kit, acme, way):
    """An object that an unscoped session loaded is refused by a scoped one, even in its own tenant."""
    with kit.unscoped_session(reason="look", actor="test") as session:
        session.add(Document(name="a", tenant_id=acme.id))
        session.commit()
        session.expunge_all()
        document = session.scalars(select(Document)).one()
        session.expunge(document)
    with kit.scope(acme), pytest.raises(ForeignTenant, match="loaded by an unscoped session"):
        getattr(kit.session(), way)(document)


def test_what_it_made_stays_outside(kit, acme, bolt):
    """An object that an unscoped session wrote is refused by a scoped one as well, whatever of it is loaded."""
    with kit.unscoped_session(reason="write", actor="test") as session:
        document = Document(name="bolt's", tenant_id=bolt.id)
        session.add(document)
        session.commit()
        session.refresh(document, ["name"])
        session.expunge(document)
    with kit.scope(acme), pytest.raises(ForeignTenant, match="unscoped session"):
        kit.session().add(document)


def test_related_objects_are_refused_too(kit, acme, bolt):
    """An object of another tenant does not come in by a relationship."""
    with kit.unscoped_session(reason="write", actor="test") as session:
        document = Document(name="bolt's", tenant_id=bolt.id)
        session.add(document)
        session.commit()
        foreign = document.id
    with kit.scope(acme):
        kit.session().add(Page(document_id=foreign, text="t"))
        with pytest.raises(ForeignTenant):
            kit.session().flush()


def test_shared_rows_are_everybodys(kit, acme, bolt):
    """A shared table is read in any scope, and written in none: that takes a session over all tenants."""
    with kit.unscoped_session(reason="a new country", actor="test") as session:
        session.add(Country(code="AT"))
        session.commit()
    for tenant in (acme, bolt):
        with kit.scope(tenant):
            assert ["AT"] == list(kit.session().scalars(select(Country.code)))
            kit.session().add(Country(code="NO"))
            with pytest.raises(StatementRefused, match="unscoped_session"):
                kit.session().flush()


def test_a_writable_shared_table(tmp_path):
    """A shared table that says so is written in any scope, in every way."""
    metadata = MetaData()
    tag = Table("tag", metadata, Column("name", String(9), primary_key=True), info=shared(writable=True))
    url = f"sqlite:///{tmp_path / 'tags.db'}"
    owner = create_engine(url)
    metadata.create_all(owner)
    owner.dispose()
    engine = scope_engine(url, metadata=metadata)
    for number, slug in enumerate(["acme", "bolt"]):
        with ScopedSession(engine, scope=Scope(Tenant(number, slug))) as session:
            session.execute(insert(tag).values(name=slug))
            session.commit()
    with ScopedSession(engine, scope=Scope(Tenant(0, "acme"))) as session:
        session.execute(delete(tag).where(tag.c.name == "bolt"))
        session.execute(update(tag).values(name="both"))
        assert ["both"] == list(session.scalars(select(tag.c.name)))
    engine.dispose()
