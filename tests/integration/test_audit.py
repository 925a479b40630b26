"""Events: kept if and only if what they tell of is kept."""

from datetime import timedelta, timezone

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, Uuid, delete, insert, select, update
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import registry
from sqlalchemy.orm.session import make_transient_to_detached

from tenantkit import Actor, Scope, Tenant, new_id
from tenantkit.audit import central_tenant_id
from tenantkit.audit.store import _spelled
from tenantkit.core.scope import RequestFacts
from tenantkit.exceptions import AuditError, ConfigurationError
from tenantkit.isolation import scoped_by
from tests.integration.office import Document, Page, central_events, counted, make_kit
from tests.unit.clocks import NOON, FixedClock

ANN = Actor("ann")


@pytest.fixture
def clock():
    """Give a clock that stands still."""
    return FixedClock()


@pytest.fixture
def kit(database, clock):
    """Give a kit of the office whose events happen at noon."""
    made = make_kit(database, clock=clock)
    yield made
    made.dispose()


async def test_an_event_is_kept_with_its_transaction(hands, acme):
    """An event is committed with the caller's change, and says who did what to which row, and when."""
    async with hands.scope(acme, actor=ANN):
        document = Document(name="a")
        hands.session.add(document)
        event = await hands.twin(
            "audit", "record", "document.uploaded", document, details={"size": [1, {"é": None}]}
        )
        await hands.do("commit")
    async with hands.scope(acme):
        (found,) = await hands.twin("audit", "latest")
        assert event == found
        (shown,) = await hands.do("scalars", select(Document))
        assert f"documents:{shown.id}" == found.target
    expected = (NOON, "ann", "user", "document.uploaded", "success", {"size": [1, {"é": None}]})
    assert expected == (
        found.occurred_at,
        found.actor,
        found.actor_kind,
        found.action,
        found.outcome,
        found.details,
    )


async def test_an_event_goes_with_its_transaction(hands, acme, kit):
    """Rolled back, or left without a commit, there is neither the change nor the event."""
    for end in ("rollback", None):
        async with hands.scope(acme):
            document = Document(name="a")
            hands.session.add(document)
            await hands.twin("audit", "record", "document.uploaded", document)
            if end:
                await hands.do(end)
    async with hands.scope(acme):
        assert [] == await hands.twin("audit", "latest")
    assert 0 == counted(kit)


async def test_an_event_goes_with_its_savepoint(hands, acme):
    """An event within a savepoint that is rolled back is gone, one before it is kept."""
    async with hands.scope(acme):
        await hands.twin("audit", "record", "before")
        savepoint = await hands.do("begin_nested")
        await hands.twin("audit", "record", "within")
        rolled_back = savepoint.rollback()
        if hands.kind == "async":
            await rolled_back
        await hands.do("commit")
        assert ["before"] == [event.action for event in await hands.twin("audit", "latest")]


def test_an_event_apart_survives_the_rollback(kit, acme):
    """An event of a failed request has a transaction of its own: it is kept when the request's is rolled back."""
    with kit.scope(acme, actor=ANN) as scope:
        kit.audit.record("document.uploaded", "document:1")
        kit.session().rollback()
        kit.audit.record_apart(scope, "request.failed", outcome="failed", details={"status": 500})
    with kit.scope(acme):
        (event,) = kit.audit.latest()
    assert ("request.failed", "failed", "ann", {"status": 500}) == (
        event.action,
        event.outcome,
        event.actor,
        event.details,
    )


def test_an_event_apart_leaves_the_session_alone(kit, acme):
    """Recording apart neither commits nor uses the session of the scope."""
    with kit.scope(acme) as scope:
        kit.audit.record_apart(scope, "request.refused", outcome="refused", details={})
        assert {} == scope.held
    with kit.scope(acme) as scope:
        session = kit.session()
        kit.audit.record_apart(scope, "request.refused", outcome="refused", details={})
        assert kit.session() is session
        assert not session.in_transaction()


async def test_a_trail_is_its_tenants(hands, acme, bolt):
    """A tenant's scope sees its own events only."""
    for tenant in (acme, bolt):
        async with hands.scope(tenant):
            await hands.twin("audit", "record", f"{tenant.slug}.acted")
            await hands.do("commit")
    async with hands.scope(bolt):
        assert ["bolt.acted"] == [event.action for event in await hands.twin("audit", "latest")]


def test_the_central_trail_is_in_no_scope(kit, acme):
    """Events of no tenant are seen by no scope, by no statement on the table of events."""
    kit.audit.record_central("host.unknown", details={"host": "x"})
    assert ["session.unscoped", "host.unknown"] == [event.action for event in central_events(kit)]
    events = kit.audit.trail.tables.events
    with kit.scope(acme):
        session = kit.session()
        assert [] == kit.audit.latest()
        assert [] == session.execute(select(events)).all()
        assert (
            []
            == session.execute(
                select(events).where(events.c.tenant_id == central_tenant_id(type(acme.id)))
            ).all()
        )
        assert 0 == session.execute(update(events).values(action="forged")).rowcount
        assert 0 == session.execute(delete(events)).rowcount
        session.commit()
    assert 2 == len(central_events(kit))


def test_the_central_id_is_nobodys(kit):
    """A tenant cannot have the id under which the central trail is kept, so no scope can be of it."""
    kit.audit.record_central("host.unknown")
    with (
        kit.unscoped_session(reason="try it", actor="test") as session,
        pytest.raises(ConfigurationError),
    ):
        kit.directory.create_tenant(session, "zero", tenant_id=central_tenant_id(type(new_id())))


def test_a_central_event_has_no_tenant(kit):
    """A central event names actor and request where they are known."""
    kit.audit.record_central(
        "token.tampered", actor=Actor.system("gate"), request=RequestFacts("r-1"), outcome="refused"
    )
    (event,) = central_events(kit, "token.tampered")
    assert ("gate", "system", "r-1", "refused", None) == (
        event.actor,
        event.actor_kind,
        event.request_id,
        event.outcome,
        event.target,
    )


def test_newest_first(kit, acme, clock):
    """Events come newest first, those of one moment in the order in which they were made, up to the limit."""
    with kit.scope(acme):
        for number in range(4):
            kit.audit.record(f"a{number}")
            clock.move(number % 2)
        assert ["a3", "a2", "a1", "a0"] == [event.action for event in kit.audit.latest()]
        assert ["a3", "a2"] == [event.action for event in kit.audit.latest(2)]
        assert ["a3"] == [event.action for event in kit.audit.latest(0)]
        assert 4 == len(kit.audit.latest(1_000_000))


def test_moments_are_in_utc(kit, acme, clock):
    """A moment comes back as the aware moment it was, whatever zone the clock is in."""
    clock.moment = NOON.astimezone(timezone(timedelta(hours=5)))
    with kit.scope(acme):
        kit.audit.record("acted")
        (event,) = kit.audit.latest()
    assert (NOON, timedelta(0)) == (event.occurred_at, event.occurred_at.utcoffset())


def test_the_request_is_remembered(kit, acme):
    """An event carries the id of the request it happened in."""
    scope = Scope(acme, ANN, request=RequestFacts("r-7", "192.0.2.1", "curl"))
    kit.audit.record_apart(scope, "acted", outcome="success", details={})
    with kit.scope(acme):
        assert ["r-7"] == [event.request_id for event in kit.audit.latest()]


# targets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [None, "document:42", "ä", ""])
def test_a_text_is_its_own_target(kit, acme, target):
    """A text, or nothing, is the target as it stands."""
    with kit.scope(acme):
        assert target == kit.audit.record("acted", target).target


def test_a_row_is_spelled_by_table_and_key(kit, acme):
    """A mapped object is spelled `<table>:<key>`: new, loaded, changed and deleted."""
    with kit.scope(acme):
        session = kit.session()
        document = Document(name="a")
        page = Page(document=document, text="t")
        session.add(page)
        spelled = [kit.audit.record("added", page).target, kit.audit.record("added", document).target]
        assert [f"pages:{page.id}", f"documents:{document.id}"] == spelled
        session.commit()
        page.text = "u"
        assert spelled[0] == kit.audit.record("changed", page).target
        session.delete(page)
        assert spelled[0] == kit.audit.record("deleted", page).target


def test_a_key_of_several_columns_is_joined():
    """A row whose key has several columns is spelled with commas."""
    mapping, metadata = registry(), MetaData()
    table = Table(
        "seats",
        metadata,
        Column("row", Integer, primary_key=True),
        Column("letter", String(1), primary_key=True),
        Column("tenant", Uuid),
        info=scoped_by("tenant"),
    )
    seat = type("Seat", (), {})
    mapping.map_imperatively(seat, table)
    one = seat()
    one.row, one.letter = 12, "C"
    make_transient_to_detached(one)
    assert "seats:12,C" == _spelled(one)


WRONG = [lambda: Document(name="transient"), lambda: Document, object, lambda: 42, lambda: ["document:42"]]


@pytest.mark.parametrize("target", WRONG, ids=["transient", "class", "object", "number", "list"])
def test_what_has_no_identity_is_no_target(kit, acme, target):
    """What is neither a text nor a row with a key is refused, with what to pass instead."""
    with kit.scope(acme):
        with pytest.raises(AuditError, match=r"pass a mapped object .* or a text such as 'document:42'"):
            kit.audit.record("acted", target())
        assert [] == kit.audit.latest()


@pytest.mark.parametrize(
    "details", [{"id": new_id()}, {"at": NOON}, {"it": object()}], ids=["UUID", "datetime", "object"]
)
def test_details_that_are_no_json_are_refused(kit, acme, details):
    """Facts that cannot be written are refused: no event is kept without them."""
    with kit.scope(acme):
        with pytest.raises((AuditError, StatementError, TypeError)):
            kit.audit.record("acted", details=details)
        kit.session().rollback()
        assert [] == kit.audit.latest()


def test_a_forged_tenant_is_refused(kit, acme, bolt):
    """An event for another tenant cannot be written in a scope, not even past the trail."""
    events = kit.audit.trail.tables.events
    row = {"id": new_id(), "occurred_at": NOON, "action": "forged", "outcome": "success", "details": {}}
    with kit.scope(acme):
        for tenant_id in (bolt.id, central_tenant_id(type(acme.id))):
            with pytest.raises(PermissionError):
                kit.session().execute(insert(events).values(tenant_id=tenant_id, **row))


def test_a_scope_of_somebody_else_is_refused(kit, acme, bolt):
    """The trail writes into the session's tenant only, whatever scope it is given."""
    with kit.scope(acme), pytest.raises(PermissionError):
        kit.audit.trail.record(kit.session(), Scope(Tenant(bolt.id, "bolt")), "acted")
