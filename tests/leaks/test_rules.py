"""Row rules beside the tenant's: soft delete, workspaces and shared rows hold in statements of any shape."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    create_engine,
    delete,
    event,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
    subqueryload,
)
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from tenantkit import Scope, Tenant
from tenantkit.core.scope import enter
from tenantkit.exceptions import ConfigurationError, ForeignTenant, ScopeChanged, ScopeRequired
from tenantkit.isolation import (
    SOFT_DELETE,
    Policies,
    RowRule,
    ScopedSession,
    SoftDeletable,
    scope_engine,
    scoped_by,
    scoped_through,
    soft_deletable,
)
from tenantkit.isolation.doctor import examine
from tenantkit.isolation.registry import Registry
from tests.leaks.conftest import mariadb_database, postgres_database
from tests.leaks.places import owner_of, relaxed

GONE = datetime(2013, 1, 1, tzinfo=UTC)
WORKSPACE = RowRule("workspace", "workspace", lambda scope: scope.dimension("workspace"))
LIVE, DELETED, ELSEWHERE, FOREIGN, SHARED = "live", "deleted", "elsewhere", "foreign", "shared"


class Base(DeclarativeBase):
    type_annotation_map: ClassVar = {str: String(40)}


class Folder(SoftDeletable, Base):
    """Where notes are; some folders are everybody's."""

    __tablename__ = "folders"
    __table_args__ = {"info": scoped_by("owner", null_is_shared=True)}
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int | None]
    workspace: Mapped[int | None]
    name: Mapped[str]
    notes: Mapped[list[Note]] = relationship(back_populates="folder")


labelled = Table(
    "labelled",
    Base.metadata,
    Column("note_id", ForeignKey("notes.id"), primary_key=True),
    Column("label_id", ForeignKey("labels.id"), primary_key=True),
    info=scoped_through("note_id", "label_id"),
)


class Note(Base):
    """What a tenant writes in a workspace; the table was there before, so it says how it is ruled."""

    __tablename__ = "notes"
    __table_args__ = {"info": scoped_by("owner") | soft_deletable("removed_at")}
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]
    workspace: Mapped[int]
    text: Mapped[str]
    removed_at: Mapped[datetime | None]
    folder_id: Mapped[int | None] = mapped_column(ForeignKey("folders.id"))
    folder: Mapped[Folder | None] = relationship(back_populates="notes")
    details: Mapped[list[Detail]] = relationship()
    labels: Mapped[list[Label]] = relationship(secondary=labelled)


class Detail(Base):
    """A child without columns of its own for any rule."""

    __tablename__ = "details"
    __table_args__ = {"info": scoped_through("note_id")}
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"))


class Label(SoftDeletable, Base):
    """One end of an association."""

    __tablename__ = "labels"
    __table_args__ = {"info": scoped_by("owner")}
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]
    text: Mapped[str]


OURS, THEIRS = Scope(Tenant(1, "ours"), dimensions={"workspace": 1}), Scope(Tenant(2, "theirs"))
NOTES = (
    (1, LIVE, 1, 1, None),
    (2, DELETED, 1, 1, GONE),
    (3, ELSEWHERE, 1, 2, None),
    (4, FOREIGN, 2, 1, None),
)
FOLDERS = (
    (1, LIVE, 1, 1, None),
    (2, DELETED, 1, 1, GONE),
    (3, SHARED, None, 1, None),
    (4, FOREIGN, 2, 1, None),
)


def rows():
    """Give the rows of each table; each says by its text why it is in sight, or not."""
    folders = [
        {"id": n, "name": text, "owner": owner, "workspace": place, "deleted_at": gone}
        for n, text, owner, place, gone in FOLDERS
    ]
    notes = [
        {"id": n, "text": text, "owner": owner, "workspace": place, "removed_at": gone, "folder_id": n}
        for n, text, owner, place, gone in NOTES
    ]
    labels = [
        {"id": n, "text": text, "owner": owner, "deleted_at": gone} for n, text, owner, _, gone in NOTES
    ]
    details = [{"id": note["id"], "text": note["text"], "note_id": note["id"]} for note in notes]
    pairs = (*((n, n) for n in range(1, 5)), (1, 2), (1, 4))
    links = [{"note_id": note, "label_id": label} for note, label in pairs]
    return {"folders": folders, "notes": notes, "labels": labels, "details": details, "labelled": links}


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "policies", "mariadb"])
def engines(request, tmp_path_factory):
    """Give the owner's and the scoped engine."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            urls = (f"sqlite:///{tmp_path_factory.mktemp('rules') / 'rules.db'}",) * 2
        else:
            made = mariadb_database() if request.param == "mariadb" else postgres_database()
            database = stack.enter_context(made)
            urls = database.owner_url, database.app_url
        owner, policies = relaxed(owner_of(urls[0])), request.param == "policies"
        scoped = scope_engine(urls[1], metadata=Base.metadata, rules=[WORKSPACE], policies=policies)
        stack.callback(owner.dispose)
        stack.callback(scoped.dispose)
        Base.metadata.create_all(owner)
        if policies:
            with owner.begin() as connection:
                Policies(Base.metadata, rules=[WORKSPACE]).create_all(connection)
        yield owner, scoped


@pytest.fixture
def opened(engines):
    """Fill the tables anew, and open sessions."""
    owner, scoped = engines
    with owner.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
        for table in Base.metadata.sorted_tables:
            connection.execute(table.insert(), rows()[table.name])
    with ExitStack() as stack:

        def session(**options):
            return stack.enter_context(ScopedSession(scoped, scope=OURS, **options))

        yield session


@pytest.fixture(params=["live", "with deleted"])
def seen(request, opened):
    """Open a session, and say which notes it must see."""
    if request.param == "live":
        return opened(), {LIVE}
    return opened(lift=[SOFT_DELETE]), {LIVE, DELETED}


def stored(engines, statement):
    """Read as the owner."""
    with engines[0].connect() as connection:
        return connection.execute(statement).all()


OTHER = aliased(Note)
TEXT = Note.__table__.c.text
SHAPES: dict[str, Any] = {
    "entity": lambda s: [note.text for note in s.scalars(select(Note))],
    "column": lambda s: s.scalars(select(Note.text)),
    "core": lambda s: s.scalars(select(TEXT)),
    "connection": lambda s: s.connection().scalars(select(TEXT)),
    "alias": lambda s: s.scalars(select(OTHER.text)),
    "where or": lambda s: s.scalars(select(Note.text).where((Note.id > 0) | (Note.id < 0))),
    "join": lambda s: s.scalars(select(Note.text).join(OTHER, OTHER.id == Note.id)),
    "outer join": lambda s: s.scalars(
        select(OTHER.text).select_from(Note).outerjoin(OTHER, OTHER.id == Note.id)
    ),
    "self join on all": lambda s: s.scalars(select(OTHER.text).join(Note, Note.id <= OTHER.id)),
    "subquery": lambda s: s.scalars(select(select(Note.text).subquery())),
    "cte": lambda s: s.scalars(select(select(Note.text).cte())),
    "union": lambda s: s.scalars(select(Note.text).union_all(select(OTHER.text))),
    "in subquery": lambda s: s.scalars(select(Note.text).where(Note.id.in_(select(OTHER.id)))),
    "exists": lambda s: s.scalars(select(Label.text).where(exists().where(Note.id == Label.id))),
    "scalar subquery": lambda s: s.scalars(
        select(select(Note.text).where(Note.id == OTHER.id).correlate(OTHER).scalar_subquery()).select_from(
            OTHER
        )
    ),
    "child": lambda s: s.scalars(select(Detail.text)),
    "child joined": lambda s: s.scalars(select(Detail.text).join(Note)),
    "association": lambda s: s.scalars(select(TEXT).join(labelled, labelled.c.note_id == Note.id).distinct()),
    "any": lambda s: s.scalars(select(Note.text).where(Note.details.any())),
    "has": lambda s: s.scalars(select(Note.text).where(Note.folder.has())),
    "group": lambda s: s.scalars(select(Note.text).group_by(Note.text)),
    "window": lambda s: s.scalars(select(func.max(Note.text).over(partition_by=Note.id))),
    "relationship": lambda s: [detail.text for note in s.scalars(select(Note)) for detail in note.details],
    "joined load": lambda s: [
        detail.text
        for note in s.scalars(select(Note).options(joinedload(Note.details))).unique()
        for detail in note.details
    ],
    "selectin load": lambda s: [
        label.text
        for note in s.scalars(select(Note).options(selectinload(Note.labels)))
        for label in note.labels
    ],
    "subquery load": lambda s: [
        label.text
        for note in s.scalars(select(Note).options(subqueryload(Note.labels)))
        for label in note.labels
    ],
    "get": lambda s: [note.text for n in range(1, 5) if (note := s.get(Note, n))],
    "stream": lambda s: list(s.scalars(select(Note.text).execution_options(yield_per=1))),
    "update returning": lambda s: (
        s.execute(update(Note).values(folder_id=None)),
        s.scalars(select(Note.text)),
    )[1],
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_rule_holds_in_every_shape(seen, shape):
    """What is deleted, in another workspace or another tenant's is out of sight; a lifted rule is lifted alone."""
    session, expected = seen
    assert expected == set(shape(session))


def test_folders_without_an_owner_are_shared(seen):
    """Rows with NULL are in sight of every tenant, where the table says so."""
    session, expected = seen
    assert expected | {SHARED} == set(session.scalars(select(Folder.name)))
    asked = (Folder.id == 3, Folder.id == 4, (Folder.id == 3) | (Folder.id == 4), Folder.id == -1)
    found = [session.scalars(select(Folder.name).where(one)).all() for one in asked]
    assert [[SHARED], [], [SHARED], []] == found
    other = aliased(Folder)
    joined = select(other.name).select_from(Folder).join(other, (other.id == 4) | (other.id == 3))
    assert {SHARED} == set(session.scalars(joined))


@pytest.mark.parametrize("lift", [[], [SOFT_DELETE]], ids=["live", "with deleted"])
def test_only_rows_in_sight_are_written(opened, engines, lift):
    """UPDATE and DELETE leave the rest as it is."""
    session = opened(lift=lift)
    reached = 2 if lift else 1
    assert reached == session.execute(update(Note.__table__).values(text="x")).rowcount
    session.commit()
    untouched = {LIVE, DELETED, ELSEWHERE, FOREIGN} - {LIVE, *([DELETED] if lift else [])}
    assert untouched | {"x"} == {text for (text,) in stored(engines, select(TEXT))}
    with engines[0].begin() as connection:
        connection.execute(delete(labelled))
        connection.execute(delete(Detail.__table__))
    assert reached == session.execute(delete(Note.__table__)).rowcount
    session.rollback()


def test_what_is_shared_is_not_written(opened, engines):
    """Neither in bulk, nor by an object, nor by an upsert is a row with NULL changed."""
    session = opened()
    session.execute(update(Folder).values(name="x"))
    session.commit()
    folder = session.get(Folder, 3)
    folder.name = "mine"
    with pytest.raises(StaleDataError):
        session.flush()
    session.rollback()
    session.delete(session.get(Folder, 3))
    with pytest.raises(StaleDataError):
        session.flush()
    session.rollback()
    assert [(LIVE,)] != stored(engines, select(Folder.name).where(Folder.id == 1))
    assert [(SHARED,)] == stored(engines, select(Folder.name).where(Folder.id == 3))


def test_an_upsert_leaves_what_is_out_of_sight(opened, engines):
    """Deleted and shared rows that stand in the way keep what they have."""
    session = opened()
    dialect = engines[0].dialect.name
    for number in (2, 3, 4):
        into = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mysql}[dialect].insert(Folder)
        statement = into.values(id=number, name="new")
        if dialect == "mariadb":
            changed = statement.on_duplicate_key_update(name="mine")
        else:
            changed = statement.on_conflict_do_update(index_elements=["id"], set_={"name": "mine"})
        with (
            suppress(ProgrammingError),
            session.begin_nested(),
        ):  # policies say that there is something in the way
            session.execute(changed)
    session.commit()
    names = {name for (name,) in stored(engines, select(Folder.name))}
    assert {LIVE, DELETED, SHARED, FOREIGN} == names


def test_an_upsert_that_deletes_softly_sets_the_rest_too(opened, engines):
    """Where MariaDB assigns from left to right, what the rules look at is set last, whatever order was asked for."""
    if engines[1].dialect.name != "mariadb":
        pytest.skip("others set all columns at once")
    row = {"id": 1, "text": "x", "workspace": 1}
    with opened() as session:
        statement = mysql.insert(Note).values(row)
        session.execute(statement.on_duplicate_key_update([("removed_at", GONE), ("text", "changed")]))
        session.commit()
    found = stored(engines, select(Note.text, Note.removed_at.is_not(None)).where(Note.id == 1))
    assert found == [("changed", True)]


def test_a_row_may_point_at_what_is_shared(opened):
    """A foreign key leads to own and shared rows, and not to deleted ones, other workspaces or tenants."""
    session = opened()
    session.execute(insert(Note).values(id=10, text="x", folder_id=3))
    for number in (2, 4):
        with pytest.raises(ForeignTenant):
            session.execute(insert(Note).values(id=10 + number, text="x", folder_id=number))


def test_every_rule_stamps(opened, engines):
    """A new row gets tenant and workspace, by the ORM and by Core; neither is ever changed."""
    session = opened()
    note = Note(id=10, text="x")
    session.add(note)
    assert (1, 1) == (note.owner, note.workspace)
    session.execute(insert(Note.__table__).values(id=11, text="y"))
    session.commit()
    found = select(Note.owner, Note.workspace).where(Note.id > 9)
    assert [(1, 1), (1, 1)] == stored(engines, found)
    note.workspace = 2
    with pytest.raises(ForeignTenant):
        session.flush()
    session.rollback()
    with pytest.raises(ForeignTenant):
        session.execute(update(Note).values(workspace=2))


def test_soft_deletion_and_restoring(opened, engines):
    """A row is deleted by writing the moment; a session with deleted rows writes it back."""
    session = opened()
    note = session.get(Note, 1)
    note.removed_at = GONE
    session.commit()
    assert [] == session.scalars(select(Note.text)).all()
    with pytest.raises(ObjectDeletedError):
        note.text  # noqa: B018 - loading it again is the point
    session.rollback()
    restoring = opened(lift=[SOFT_DELETE])
    restoring.get(Note, 1).removed_at = None
    restoring.commit()
    assert [LIVE] == session.scalars(select(Note.text)).all()


def test_one_connection_serves_both_kinds_of_sessions(opened, engines):
    """A pooled connection forgets which rules were lifted on it, and each kind has its own compiled statements."""
    _, scoped = engines
    for _ in range(3):
        for lift, expected in (([], {LIVE}), ([SOFT_DELETE], {LIVE, DELETED})):
            with ScopedSession(scoped, scope=OURS, lift=lift) as session:
                assert expected == set(session.scalars(select(Note.text)))
                assert expected == {note.text for note in session.scalars(select(Note))}
    with scoped.connect() as connection:
        for lift, expected in (([SOFT_DELETE], {LIVE, DELETED}), ([], {LIVE})):
            with ScopedSession(connection, scope=OURS, lift=lift) as session:
                session.begin_nested()
                assert expected == set(session.scalars(select(Note.text)))
            assert connection.dialect is scoped.dialect


def test_listeners_of_the_engine_hear_every_session(opened, engines):
    """Events of the dialect fire whichever rules are lifted."""
    _, scoped = engines
    heard = []
    listener = lambda *arguments: heard.append(arguments[1])  # noqa: E731
    event.listen(scoped, "do_execute", listener)
    opened(lift=[SOFT_DELETE]).scalars(select(Note.text)).all()
    event.remove(scoped, "do_execute", listener)
    assert 1 == sum("FROM notes" in statement for statement in heard)


def test_a_scope_that_does_not_say_is_refused(engines):
    """A rule whose dimension the scope does not name sees nothing: it raises."""
    _, scoped = engines
    with (
        ScopedSession(scoped, scope=Scope(Tenant(1, "ours"))) as session,
        pytest.raises(ScopeRequired, match="names no workspace"),
    ):
        session.scalars(select(Note.text))


def test_a_session_belongs_to_its_workspace(opened):
    """Under a scope of another workspace of the same tenant, a session is refused, and so are its objects."""
    session = opened()
    note = session.get(Note, 1)
    other = Scope(Tenant(1, "ours"), dimensions={"workspace": 2})
    with enter(other):
        with pytest.raises(ScopeChanged, match="'workspace': 2"):
            session.get(Note, 1)
        session.expunge(note)
        with ScopedSession(session.get_bind()) as second, pytest.raises(ForeignTenant, match="another scope"):
            second.add(note)


def test_what_cannot_be_lifted_is_said(engines):
    """The tenant's rule, an unknown one and one that is not liftable stay."""
    _, scoped = engines
    other = RowRule("region", "region", lambda _: 1, liftable=True)
    tenant = RowRule("tenant", None, None)
    for rule, message in (
        (other, "not one of this engine"),
        (WORKSPACE, "cannot be lifted"),
        (tenant, "lifted"),
    ):
        with (
            ScopedSession(scoped, scope=OURS, lift=[rule]) as session,
            pytest.raises(ConfigurationError, match=message),
        ):
            session.scalars(select(Note.text))


def test_children_of_shared_rows_need_a_tenant():
    """A table that is scoped through rows of which some are everybody's is refused."""

    class Own(DeclarativeBase):
        pass

    parent = Table(
        "parents",
        Own.metadata,
        Column("id", Integer, primary_key=True),
        Column("owner", Integer),
        info=scoped_by("owner", null_is_shared=True),
    )
    Table(
        "children",
        Own.metadata,
        Column("parent_id", ForeignKey(parent.c.id), primary_key=True),
        info=scoped_through("parent_id"),
    )
    with pytest.raises(ConfigurationError, match="scoped through a table with shared rows"):
        Registry(Own.metadata)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RowRule("no name", "a", None), "Name it by an identifier"),
        (lambda: RowRule("a", "a", None, null_is_shared=True), "asks for NULL and shares NULL"),
        (lambda: Registry(Base.metadata, rules=[WORKSPACE, WORKSPACE]), "Several rules are called workspace"),
        (lambda: Registry(Base.metadata, rules=[RowRule("tenant", "a", None)]), "called tenant"),
    ],
)
def test_wrong_rules_are_refused_at_start(make, message):
    """A rule that says nonsense is an error where it is made or used first."""
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_the_doctor_knows_the_policies_of_all_rules(engines):
    """What the server made of rules that share, of further rules and of children is what was declared."""
    _, scoped = engines
    if not scoped.dialect.tenantkit_telling:
        pytest.skip("no policies here")
    plain = create_engine(scoped.url.set(drivername="postgresql+psycopg"))
    with plain.connect() as connection:
        found = examine(connection, Policies(Base.metadata, rules=[WORKSPACE]))
        other = examine(connection, Policies(Base.metadata))
    plain.dispose()
    assert [] == [one for one in found if one.severity == "error"]
    assert {"other-policy"} == {one.code for one in other if one.severity == "error"}
