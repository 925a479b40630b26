"""Rows that a decision lets through, in the database and in Python."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    CHAR,
    BigInteger,
    DateTime,
    Float,
    ForeignKey,
    Numeric,
    StaticPool,
    String,
    TypeDecorator,
    create_engine,
    delete,
    event,
    select,
)
from sqlalchemy import Enum as SqlEnum
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    WriteOnlyMapped,
    aliased,
    attribute_keyed_dict,
    mapped_column,
    relationship,
)
from sqlalchemy.types import UserDefinedType

from tenantkit import Actor, Scope, Tenant
from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac import (
    AllOf,
    Attribute,
    Authorizer,
    FromScope,
    Grant,
    Matrix,
    MemberRules,
    Not,
    Owner,
    Related,
    Resource,
    Rule,
    owner_of,
)
from tenantkit.sql.types import UtcDateTime
from tests.unit import rules

ACME = Tenant(1, "acme")


class Base(DeclarativeBase):
    pass


class Folder(Base):
    __tablename__ = "folders"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str | None]
    items: Mapped[list["Item"]] = relationship(back_populates="folder")


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str | None]
    number: Mapped[int | None]
    flag: Mapped[bool | None]
    folder_id: Mapped[int | None] = mapped_column(ForeignKey("folders.id"))
    folder: Mapped[Folder | None] = relationship(back_populates="items")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def rows(request):
    """Give a session over all combinations of values, on a real database."""
    if request.param == "sqlite":
        engine = create_engine("sqlite://", poolclass=StaticPool)
        yield from _filled(engine)
        return
    with request.getfixturevalue("server").database() as made:
        yield from _filled(create_engine(made.owner_url))


def _filled(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        folders = [Folder(owner=owner) for owner in (None, "ann", "bob")]
        session.add_all(folders)
        session.add_all(
            Item(owner=owner, number=number, flag=flag, folder=folder)
            for owner in (None, "ann", "bob")
            for number in (None, 0, 1, 3)
            for flag in (None, True, False)
            for folder in (None, *folders)
        )
        session.commit()
        yield session
    engine.dispose()


def authorizer(case):
    """Return one at the moment of a case, of a tenant that has all features."""
    return Authorizer(
        case.matrix,
        SimpleNamespace(now=lambda: case.now),
        features=SimpleNamespace(has_feature=lambda _tenant, _feature: True),
    )


def shown(session, asked, scope, permission, entity=Item):
    """Return the ids that a filtered select shows."""
    return set(session.scalars(asked.filter(scope, select(entity.id), permission, model=entity)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=rules.cases(), permission=st.sampled_from(rules.NAMES))
def test_the_filter_is_the_check(rows, case, permission):
    """A filtered select shows exactly the rows for which `check` is true, NULLs among them."""
    asked = authorizer(case)
    allowed = {item.id for item in rows.scalars(select(Item)) if asked.check(case.scope, permission, item)}
    assert allowed == shown(rows, asked, case.scope, permission)
    assert allowed == shown(rows, asked, case.scope, permission, aliased(Item))


of_items = st.one_of(
    rules.conditions, st.builds(Related, st.just("folder"), st.builds(Owner, st.just("owner")))
)
of_folders = st.one_of(
    st.builds(Owner, st.just("owner")),
    st.builds(Related, st.just("items"), rules.conditions),
    st.builds(Not, st.builds(Related, st.just("items"), rules.conditions)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(allows=st.none() | of_items, denies=st.none() | of_items)
def test_relations_of_an_item(rows, allows, denies):
    """The same of what rows are related to: an item of a folder."""
    checked, filtered = _answers(rows, Item, allows, denies)
    assert checked == filtered


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(allows=st.none() | of_folders, denies=st.none() | of_folders)
def test_relations_of_a_folder(rows, allows, denies):
    """The same of what rows are related to: the items of a folder."""
    checked, filtered = _answers(rows, Folder, allows, denies)
    assert checked == filtered


def _answers(session, entity, allows, denies):
    """Return the ids of the rows for which `check` is true, and of those that a filtered select shows."""
    given_rules = [Rule("items:read", when=allows)]
    given_rules += [Rule("items:read", "deny", when=denies)] if denies else []
    matrix = Matrix({"items:read": "", "pages:write": ""}, {"reader": given_rules})
    asked, scope = Authorizer(matrix), Scope(ACME, Actor("ann"), roles=frozenset({"reader"}))
    checked = {row.id for row in session.scalars(select(entity)) if asked.check(scope, "items:read", row)}
    return checked, shown(session, asked, scope, "items:read", entity)


@pytest.mark.parametrize("actor", ["1", "01", "ann", None])
@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_ids_that_no_row_can_have(rows, actor, effect):
    """An actor whose id fits into no integer column owns no row; whose a row without an owner is, is unknown."""
    rule = Rule("items:read", effect, when=owner_of("number"))
    matrix = Matrix({"items:read": ""}, {"reader": [rule, *(["items:read"] if effect == "deny" else [])]})
    asked, who = Authorizer(matrix), Actor(actor) if actor else None
    scope = Scope(ACME, who, roles=frozenset({"reader"}))
    allowed = {item.id for item in rows.scalars(select(Item)) if asked.check(scope, "items:read", item)}
    assert allowed == shown(rows, asked, scope, "items:read")


@pytest.mark.parametrize("dimensions", [{"number": 1}, {"number": 0}, {}], ids=str)
@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_values_of_the_scope(rows, dimensions, effect):
    """A condition can compare with what the scope knows; what it does not know opens nothing."""
    rule = Rule("items:read", effect, when=Attribute("number", "is", FromScope("number")))
    matrix = Matrix({"items:read": ""}, {"reader": [rule, *(["items:read"] if effect == "deny" else [])]})
    asked, scope = Authorizer(matrix), Scope(ACME, roles=frozenset({"reader"}), dimensions=dimensions)
    allowed = {item.id for item in rows.scalars(select(Item)) if asked.check(scope, "items:read", item)}
    assert allowed == shown(rows, asked, scope, "items:read")
    assert bool(allowed) == bool(dimensions)


def test_a_filter_costs_no_statement(rows):
    """The decision is part of the select: one statement, whatever the rules."""
    matrix = Matrix({"items:read": ""}, {"reader": [Rule("items:read", when=owner_of("owner"))]})
    grant = Grant("1", "ann", Rule("items:read", resource="items:7"))
    scope = Scope(ACME, Actor("ann"), roles=frozenset({"reader"}), rules=MemberRules(grants=(grant,)))
    told = []
    engine = rows.get_bind()
    note = lambda *facts: told.append(facts[2])  # noqa: E731
    event.listen(engine, "before_cursor_execute", note)
    found = rows.scalars(Authorizer(matrix).filter(scope, select(Item), "items:read")).all()
    event.remove(engine, "before_cursor_execute", note)
    assert 1 == len(told)
    assert {"ann"} == {item.owner for item in found if item.id != 7}


def test_who_may_all_selects_as_before():
    """Where all rows are allowed, the statement is left as it is; where none is, it finds nothing."""
    asked = Authorizer(Matrix({"items:read": ""}, {"reader": ["items:read"]}))
    statement = select(Item)
    assert statement is asked.filter(Scope(ACME, roles=frozenset({"reader"})), statement, "items:read")
    assert "false" in str(asked.filter(Scope(ACME), statement, "items:read")).lower() or "0 = 1" in str(
        asked.filter(Scope(ACME), statement, "items:read")
    )


@pytest.mark.parametrize(
    ("when", "why"),
    [
        (owner_of("author"), "Item has no column attribute 'author'"),
        (owner_of("folder"), "Item has no column attribute 'folder'"),
        (Related("owner", owner_of("owner")), "Item has no relationship 'owner'"),
        (Attribute("number", "is", "1"), "'number' holds int, and is compared with '1'"),
        (Attribute("number", "is", value=True), "'number' holds int, and is compared with True"),
        (AllOf(Attribute("owner", "in", ["ann", 1])), "'owner' holds str, and is compared with 1"),
    ],
    ids=str,
)
def test_rules_that_do_not_fit_are_errors(when, why):
    """A rule about what a class does not have, or has of another type, is an error and no filter that lets through."""
    asked = Authorizer(Matrix({"items:read": ""}, {"reader": [Rule("items:read", when=when)]}))
    who = Scope(ACME, Actor("ann"), roles=frozenset({"reader"}))
    with pytest.raises(ConfigurationError, match=why):
        asked.filter(who, select(Item), "items:read")


@pytest.mark.parametrize("effect", ["allow", "deny"])
@pytest.mark.parametrize(
    ("when", "why"),
    [
        (owner_of("ownr"), "Item has no column attribute 'ownr'. Did you mean 'owner'"),
        (Attribute("deleted", "missing"), "Item has no column attribute 'deleted'"),
        (Attribute("deleted", "present"), "Item has no column attribute 'deleted'"),
        (Related("foldr", owner_of("owner")), "Item has no relationship 'foldr'. Did you mean 'folder'"),
        (Related("folder", Attribute("secrt", "present")), "Folder has no column attribute 'secrt'"),
        (Attribute("owner", "less", 3), "'owner' holds str, and is compared with 3"),
    ],
    ids=str,
)
def test_an_object_is_asked_as_its_rows_are(when, why, effect):
    """What the class of an object does not have is the same error: an unknown attribute must not open anything."""
    rules_ = [Rule("items:read"), Rule("items:read", effect, when=when)][effect == "allow" :]
    asked = Authorizer(Matrix({"items:read": ""}, {"reader": rules_}))
    who = Scope(ACME, Actor("ann"), roles=frozenset({"reader"}))
    item = Item(id=1, owner="ann", number=1, folder=Folder(id=1))
    with pytest.raises(ConfigurationError, match=why):
        asked.check(who, "items:read", item)


class Kind(Enum):
    DRAFT = 1
    FINAL = 2
    ENDED = 2  # noqa: PIE796 - another name of FINAL


class Level(StrEnum):
    LOW = "low"
    HIGH = "high"


class Rank(IntEnum):
    FIRST = 1
    SECOND = 2


class Large(TypeDecorator):
    """A number, by another name."""

    impl = BigInteger
    cache_ok = True


class Thing(Base):
    __tablename__ = "things"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[Kind]
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    other: Mapped[UUID]
    number: Mapped[int]
    level: Mapped[Level]
    written: Mapped[Level] = mapped_column(
        SqlEnum(Level, name="written", values_callable=lambda kind: [one.value for one in kind])
    )
    text: Mapped[str]
    large: Mapped[int] = mapped_column(Large)


KEY = UUID("0190a1b2-0000-7000-8000-000000000001")
OTHER = UUID("0190a1b2-0000-7000-8000-000000000002")


@pytest.mark.parametrize("effect", ["allow", "deny"])
@pytest.mark.parametrize(
    "when",
    [
        Attribute("kind", "is", Kind.DRAFT),
        Attribute("kind", "is_not", Kind.DRAFT),
        Attribute("kind", "is", "DRAFT"),
        Attribute("kind", "is_not", "ENDED"),
        Attribute("kind", "in", ["DRAFT", "ENDED"]),
        Attribute("price", "less", 0.1),
        Attribute("price", "is", 0.1),
        Attribute("price", "at_least", Decimal("0.10")),
        Attribute("other", "is", str(OTHER)),
        Attribute("other", "is_not", str(OTHER)),
        Attribute("number", "is", FromScope("workspace")),
        Attribute("other", "is", FromScope("workspace")),
        owner_of("other"),
        owner_of("number"),
        owner_of("large"),
        Attribute("level", "is", Level.HIGH),
        Attribute("level", "is_not", "HIGH"),
        Attribute("written", "is", Level.HIGH),
        Attribute("written", "in", ["HIGH"]),
        Attribute("text", "is", Level.HIGH),
        Attribute("text", "not_in", [Level.HIGH]),
        Attribute("number", "is", Rank.SECOND),
        Attribute("number", "more", Rank.FIRST),
        Attribute("large", "is", 2**40),
        Attribute("large", "is", FromScope("workspace")),
    ],
    ids=str,
)
def test_every_type_compares_alike(rows, when, effect):
    """Members of enums, decimals, UUIDs and texts of requests are the same for Python and for the database."""
    rows.query(Thing).delete()
    rows.add_all(
        [
            Thing(
                id=KEY,
                kind=Kind.DRAFT,
                price=Decimal("0.10"),
                other=OTHER,
                number=7,
                level=Level.LOW,
                written=Level.LOW,
                text="low",
                large=2**40,
            ),
            Thing(
                id=OTHER,
                kind=Kind.FINAL,
                price=Decimal("1.50"),
                other=KEY,
                number=2,
                level=Level.HIGH,
                written=Level.HIGH,
                text="high",
                large=7,
            ),
        ]
    )
    rows.flush()
    rows.expire_all()
    rules_ = [Rule("items:read", effect, when=when), *([Rule("items:read")] if effect == "deny" else [])]
    asked = Authorizer(Matrix({"items:read": ""}, {"reader": rules_}))
    for actor, place in (("7", "7"), (str(OTHER), str(KEY)), ("ann", "none")):
        who = Scope(ACME, Actor(actor), roles=frozenset({"reader"}), dimensions={"workspace": place})
        allowed = {one.id for one in rows.scalars(select(Thing)) if asked.check(who, "items:read", one)}
        assert allowed == shown(rows, asked, who, "items:read", Thing)


class Unsaid(UserDefinedType):
    """A type of which nobody says what it is in Python."""


class Unfilled(DeclarativeBase):
    pass


class Odd(Unfilled):
    __tablename__ = "odds"
    id: Mapped[int] = mapped_column(primary_key=True)
    padded: Mapped[str] = mapped_column(CHAR(8))
    folded: Mapped[str] = mapped_column(String(8, collation="NOCASE"))
    floating: Mapped[float] = mapped_column(Float)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    unsaid: Mapped[str] = mapped_column(Unsaid)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("odds.id"))
    parts: WriteOnlyMapped["Odd"] = relationship(lazy="write_only")


@pytest.mark.parametrize("effect", ["allow", "deny"])
@pytest.mark.parametrize(
    ("when", "why"),
    [
        (Attribute("padded", "is", "ann"), "'padded' holds CHAR.*compare differently"),
        (Attribute("folded", "is_not", "ann"), "'folded' holds VARCHAR.*compare differently"),
        (Attribute("floating", "less", 0.1), "'floating' holds FLOAT.*compare differently"),
        (Attribute("unsaid", "is", "ann"), "'unsaid' holds .*compare differently"),
        (owner_of("unsaid"), "'unsaid' holds .*compare differently"),
        (owner_of("padded"), "'padded' holds CHAR.*compare differently"),
        (owner_of("folded"), "'folded' holds VARCHAR.*compare differently"),
        (owner_of("price"), "'price' holds Decimal, and a user's id is"),
        (Related("parts", owner_of("id")), "'parts' of Odd is not read: it is 'write_only'"),
    ],
    ids=str,
)
def test_columns_that_python_cannot_compare(when, why, effect):
    """What a database compares by rules of its own is refused, asked of rows and of objects."""
    rules_ = [Rule("items:read"), Rule("items:read", effect, when=when)][effect == "allow" :]
    asked = Authorizer(Matrix({"items:read": ""}, {"reader": rules_}))
    who = Scope(ACME, Actor("ann"), roles=frozenset({"reader"}))
    odd = Odd(id=1, padded="ann", folded="Ann", floating=0.1, price=Decimal(1), unsaid="ann")
    for ask in (
        lambda: asked.check(who, "items:read", odd),
        lambda: asked.filter(who, select(Odd), "items:read"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            ask()


@pytest.mark.parametrize(
    "name", ["items:03", "items:+3", "items: 3", "items:3 ", "items:-0", f"things:{str(OTHER).upper()}"]
)
def test_names_of_another_spelling_are_unknown(name):
    """A name that spells a key otherwise is granted nothing, and what is denied of one thing is denied of it."""
    scope = Scope(ACME, Actor("ann"), roles=frozenset({"reader"}))
    granted = Matrix({"items:read": ""}, {"reader": [Rule("items:read", resource="items:3")]})
    denied = Matrix(
        {"items:read": ""}, {"reader": [Rule("items:read"), Rule("items:read", "deny", resource="items:3")]}
    )
    kind, _, key = name.partition(":")
    for resource in (name, Resource(kind, key)):
        assert not Authorizer(granted).check(scope, "items:read", resource)
        assert not Authorizer(denied).check(scope, "items:read", resource)
    assert Authorizer(granted).check(scope, "items:read", "items:3")
    assert Authorizer(denied).check(scope, "items:read", "items:30")


class Shelf(Unfilled):
    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[dict[str, "Book"]] = relationship(collection_class=attribute_keyed_dict("title"))


class Book(Unfilled):
    __tablename__ = "books"
    title: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str | None]
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelves.id"))


@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_relations_kept_by_keys(effect):
    """A collection that is a dict is asked as the rows that it holds."""
    rule = Rule("items:read", effect, when=Related("books", owner_of("owner")))
    rules_ = [rule, *([Rule("items:read")] if effect == "deny" else [])]
    asked = Authorizer(Matrix({"items:read": ""}, {"reader": rules_}))
    who = Scope(ACME, Actor("ann"), roles=frozenset({"reader"}))
    engine = create_engine("sqlite://", poolclass=StaticPool)
    for table in (Shelf.__table__, Book.__table__):
        table.create(engine)
    with Session(engine) as session:
        owners = [("ann",), ("bob",), ("bob", "ann"), ()]
        for number, names in enumerate(owners, 1):
            books = {f"{number}-{name}": Book(title=f"{number}-{name}", owner=name) for name in names}
            session.add(Shelf(id=number, books=books))
        session.commit()
        allowed = {one.id for one in session.scalars(select(Shelf)) if asked.check(who, "items:read", one)}
        assert ({1, 3} if effect == "allow" else {2, 4}) == allowed
        assert allowed == shown(session, asked, who, "items:read", Shelf)
    engine.dispose()


@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_relations_that_lead_back(rows, effect):
    """A relation of a relation to the same class is another row of it, also where an alias is asked about."""
    back = Related("folder", Related("items", AllOf(owner_of("owner"), Attribute("number", "is", 3))))
    rules_ = [Rule("items:read", effect, when=back), *([Rule("items:read")] if effect == "deny" else [])]
    asked = Authorizer(Matrix({"items:read": ""}, {"reader": rules_}))
    who = Scope(ACME, Actor("ann"), roles=frozenset({"reader"}))
    allowed = {one.id for one in rows.scalars(select(Item)) if asked.check(who, "items:read", one)}
    assert allowed == shown(rows, asked, who, "items:read")
    assert allowed == shown(rows, asked, who, "items:read", aliased(Item))
    assert 0 < len(allowed) < rows.query(Item).count()


@pytest.mark.parametrize(
    "when",
    [Attribute("title", "is_not", "x"), Not(Attribute("count", "is", "x")), Attribute("index", "present")],
    ids=str,
)
def test_a_name_says_nothing_of_what_it_names(when):
    """A resource that is only named has no attributes; those of a text are not its."""
    asked = Authorizer(Matrix({"items:read": ""}, {"reader": [Rule("items:read", when=when)]}))
    assert not asked.check(Scope(ACME, roles=frozenset({"reader"})), "items:read", "items:1")


@pytest.mark.parametrize("operator", ["present", "missing"])
@pytest.mark.parametrize("resource", [{}, Resource("items", "1")], ids=["a mapping", "a resource"])
def test_what_data_does_not_say_is_unknown(operator, resource):
    """An attribute of which data says nothing is neither there nor missing; what it says is missing is."""
    allowing = Matrix({"items:read": ""}, {"reader": [Rule("items:read", when=Attribute("flag", operator))]})
    who = Scope(ACME, Actor("ann"), roles=frozenset({"reader"}))
    assert not Authorizer(allowing).check(who, "items:read", resource)
    assert (operator == "missing") == Authorizer(allowing).check(who, "items:read", {"flag": None})


@pytest.mark.parametrize("statement", [select(Item, Folder), select(1)], ids=["two classes", "none"])
def test_whose_rows_has_to_be_clear(statement):
    """A statement over two classes, or over none, needs to be told which is meant."""
    asked = Authorizer(Matrix({"items:read": ""}, {}))
    with pytest.raises(ConfigurationError, match="say whose rows are meant"):
        asked.filter(Scope(ACME), statement, "items:read")


class Moment(Base):
    """Moments as columns hold them: with a zone, without one, and as the kit holds its own."""

    __tablename__ = "moments"
    id: Mapped[int] = mapped_column(primary_key=True)
    zoned: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    bare: Mapped[datetime | None]
    kept: Mapped[datetime | None] = mapped_column(UtcDateTime)
    day: Mapped[date | None]


NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
EAST = timezone(timedelta(hours=11))


@pytest.fixture(scope="module")
def moments(rows):
    """Give the session with rows from three hours before noon to three after it, and one of nothing."""
    for hours in range(-3, 4):
        moment = NOON + timedelta(hours=hours)
        rows.add(Moment(zoned=moment, bare=moment.replace(tzinfo=None), kept=moment, day=moment.date()))
    rows.add(Moment())
    rows.commit()
    yield rows
    rows.execute(delete(Moment))
    rows.commit()


@pytest.mark.parametrize("effect", ["allow", "deny"])
@pytest.mark.parametrize("operator", ["is", "is_not", "less", "at_most", "more", "at_least"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("zoned", NOON),
        ("zoned", NOON.astimezone(EAST)),
        ("bare", NOON.replace(tzinfo=None)),
        ("kept", NOON),
        ("kept", NOON.astimezone(EAST)),
        ("day", NOON.date()),
    ],
    ids=str,
)
def test_moments_compare_as_rows_do(moments, name, value, operator, effect):
    """Moments are the same in Python and in the database, wherever they are written, also where it holds no zone."""
    when = Attribute(name, operator, value)
    own = [Rule("items:read"), Rule("items:read", effect, when=when)][effect == "allow" :]
    asked = Authorizer(Matrix({"items:read": ""}, {"reader": own}))
    who = Scope(ACME, Actor("ann"), roles=frozenset({"reader"}))
    found = moments.scalars(select(Moment).order_by(Moment.id)).all()
    allowed = {one.id for one in found if asked.check(who, "items:read", one)}
    assert allowed == shown(moments, asked, who, "items:read", Moment)
    if name != "day" and operator in ("less", "more"):
        assert 3 == len(allowed) if effect == "allow" else 4 == len(allowed)


class Oddity(Base):
    """What databases compare, and Python does not do alike."""

    __tablename__ = "oddities"
    id: Mapped[int] = mapped_column(primary_key=True)
    raw: Mapped[bytes] = mapped_column(default=b"1")
    hour: Mapped[time] = mapped_column(default=time(12))
    span: Mapped[timedelta] = mapped_column(default=timedelta(1))
    zoned: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=NOON)
    bare: Mapped[datetime] = mapped_column(default=NOON.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("raw", b"1", "compare differently"),
        ("hour", time(12), "compare differently"),
        ("span", timedelta(1), "compare differently"),
        ("zoned", NOON.replace(tzinfo=None), "which has none"),
        ("bare", NOON, "which has a time zone"),
    ],
)
@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_what_does_not_compare_alike_is_an_error(name, value, why, effect):
    """Neither a check nor a filter answers by a comparison that the other one would make otherwise."""
    own = [Rule("items:read"), Rule("items:read", effect, when=Attribute(name, "is", value))][
        effect == "allow" :
    ]
    asked = Authorizer(Matrix({"items:read": ""}, {"reader": own}))
    who = Scope(ACME, Actor("ann"), roles=frozenset({"reader"}))
    with pytest.raises(ConfigurationError, match=why):
        asked.filter(who, select(Oddity), "items:read")
    with pytest.raises(ConfigurationError, match=why):
        asked.check(who, "items:read", Oddity(id=1, **{name: value}))
