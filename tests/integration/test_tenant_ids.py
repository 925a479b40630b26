"""Applications whose tenant ids are numbers or texts, end to end."""

from typing import Any

import pytest
from sqlalchemy import BigInteger, Integer, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantkit.audit import central_tenant_id
from tenantkit.core.scope import RequestFacts
from tenantkit.exceptions import ConfigurationError, ForeignTenant, QuotaExceeded
from tenantkit.isolation import scoped_by
from tenantkit.kit import RequestCredentials
from tests.integration.office import LIMIT, Hands, Place, central_events, make_kit, sign_up

IDS = {"int": (7, 8), "str": ("t-7", "ü 8")}


def application(kind):
    """Declare an application whose tenant column is `owner`, of a type."""

    class Base(DeclarativeBase):
        pass

    class Note(Base):
        __tablename__ = "notes"
        __table_args__ = {"info": scoped_by("owner")}
        id: Mapped[int] = mapped_column(primary_key=True)
        owner: Mapped[Any] = mapped_column({"int": Integer, "str": String(64)}[kind], nullable=False)
        text: Mapped[str]

    return Base.metadata, Note


@pytest.fixture(params=IDS)
def kind(request):
    """Name a type of tenant ids."""
    return request.param


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """Give an empty database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'ids.db'}"
        yield Place("sqlite", url, url)
        return
    with request.getfixturevalue("server").database() as made:
        yield Place("postgresql", made.app_url, made.owner_url)


@pytest.fixture
def world(place, kind):
    """Give a kit, the class of rows, and two tenants."""
    metadata, note = application(kind)
    kit = make_kit(place, metadata=metadata, tenant_id_type=kind)
    kit.create_tables()
    tenants = [
        sign_up(kit, slug, tenant_id=tenant_id)
        for slug, tenant_id in zip(("acme", "bolt"), IDS[kind], strict=True)
    ]
    yield kit, note, tenants
    kit.dispose()


@pytest.fixture(params=["sync", "async"])
async def hands(request, world):
    """Give hands that work by each kind of session."""
    yield Hands(world[0], request.param)
    await world[0].adispose()


async def test_rows_quotas_and_events_are_kept_apart(hands, world):
    """Rows are stamped and filtered, units counted and events recorded per tenant."""
    _, note, tenants = world
    for tenant in tenants:
        async with hands.scope(tenant):
            row = note(text=tenant.slug)
            await hands.add(row)
            assert tenant.id == row.owner
            assert LIMIT == await hands.consume(units=LIMIT)
            with pytest.raises(QuotaExceeded):
                await hands.consume()
            await hands.twin("audit", "record", "noted", row)
            await hands.do("commit")
    for tenant in tenants:
        async with hands.scope(tenant.slug):
            assert [tenant.slug] == list(await hands.do("scalars", select(note.text)))
            assert 1 == len(await hands.twin("audit", "latest"))
            with pytest.raises(ForeignTenant):
                hands.session.add(note(text="x", owner=next(one.id for one in tenants if one != tenant)))


def test_a_token_names_its_tenant(world):
    """A token carries the id as text, and the kit finds the tenant by it."""
    kit, _, tenants = world
    for tenant in tenants:
        scope = kit.identify(RequestCredentials(None, kit.tokens.issue("writer", tenant), RequestFacts()))
        assert (tenant, frozenset({"writer"})) == (scope.tenant, scope.roles)


@pytest.mark.parametrize(
    "tenant_id", ["9", "0", "-1", "", "seven", " ", "7.0", "0x7", str(2**31 - 1)], ids=repr
)
def test_unknown_ids(world, tenant_id):
    """An id of nobody, or that is none, is an unknown tenant."""
    kit, _, _ = world
    with kit.unscoped_session(reason="look", actor="test") as session:
        assert kit.directory.by_id(session, tenant_id) is None


@pytest.mark.parametrize("kind", ["int"], indirect=True)
def test_numbers_that_no_column_holds(world):
    """A number too large for the column is an unknown tenant, not an error of the driver."""
    kit, _, _ = world
    with kit.unscoped_session(reason="look", actor="test") as session:
        for number in (2**31, 2**63, -(2**64), 10**100):
            assert kit.directory.by_id(session, str(number)) is None


@pytest.mark.parametrize("kind", ["str"], indirect=True)
def test_texts_that_no_column_holds(world):
    """A text that a database cannot hold is an unknown tenant, not an error of the driver."""
    kit, _, _ = world
    with kit.unscoped_session(reason="look", actor="test") as session:
        for text in ("a\0b", "\ud800"):
            assert kit.directory.by_id(session, text) is None


@pytest.mark.parametrize("kind", ["int"], indirect=True)
def test_a_number_has_one_spelling(world):
    """An id is known by the one spelling that tokens carry."""
    kit, _, _ = world
    with kit.unscoped_session(reason="look", actor="test") as session:
        for spelled in (" 7", "7\n", "+7", "0_7", "007", "\u0667"):
            assert kit.directory.by_id(session, spelled) is None


def test_the_central_trail_is_nobodys(world, kind):
    """Events of no tenant are kept under an id that no tenant can have."""
    kit, _, _ = world
    nobody = central_tenant_id({"int": int, "str": str}[kind])
    assert {nobody} == {event.tenant_id for event in central_events(kit)}
    with kit.unscoped_session(reason="try it", actor="test") as session, pytest.raises(ConfigurationError):
        kit.directory.create_tenant(session, "zero", tenant_id=nobody)


def test_the_id_must_be_given(world):
    """Without an id of its own type a tenant cannot be created: the message says to give one."""
    kit, _, _ = world
    with kit.unscoped_session(reason="try it", actor="test") as session, pytest.raises(ConfigurationError):
        kit.directory.create_tenant(session, "third")


def test_columns_of_another_type_are_refused(place, kind):
    """An application whose tenant column is not of the type in the settings is refused when the engine is made."""
    metadata, _ = application(kind)
    kit = make_kit(place, metadata=metadata, tenant_id_type="uuid")
    with pytest.raises(ConfigurationError, match="Tenant ids have one type"):
        _ = kit.engine


def test_wide_numbers(place):
    """A tenant column wider than the kit's own is filtered by the same id."""

    class Base(DeclarativeBase):
        pass

    class Note(Base):
        __tablename__ = "notes"
        __table_args__ = {"info": scoped_by("owner")}
        id: Mapped[int] = mapped_column(primary_key=True)
        owner: Mapped[int] = mapped_column(BigInteger, nullable=False)

    kit = make_kit(place, metadata=Base.metadata, tenant_id_type="int")
    kit.create_tables()
    acme = sign_up(kit, "acme", tenant_id=7)
    with kit.scope(acme):
        kit.session().add(Note())
        kit.audit.record("noted")
        kit.session().commit()
        assert [7] == list(kit.session().scalars(select(Note.owner)))
    kit.dispose()
