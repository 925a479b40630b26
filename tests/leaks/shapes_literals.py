"""Attacks by values that are rendered as SQL: literal execution, types and elements of the application's own."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Integer,
    Numeric,
    String,
    Uuid,
    bindparam,
    cast,
    column,
    delete,
    func,
    literal,
    select,
    update,
    values,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.sql.elements import ClauseElement, ColumnElement
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator, UserDefinedType

try:
    from sqlalchemy.sql import SyntaxExtension
except ImportError:  # SQLAlchemy 2.0

    class SyntaxExtension:  # type: ignore[no-redef]
        """Stands in for what is not there."""


from tenantkit.exceptions import IsolationError
from tests.leaks.phrases import all_memos
from tests.leaks.registry import (
    NOT_MARIADB,
    POSTGRES,
    SQLITE,
    Answer,
    View,
    attack,
    innocent,
    read,
    same,
    stored,
)
from tests.leaks.schema import Comment, Document, Project, Tag, Task, TaskDetail, task_tags
from tests.leaks.shapes_upsert import settle, upsert

documents, tasks, details = Document.__table__, Task.__table__, TaskDetail.__table__


class Verbatim(UserDefinedType[str]):
    """A type whose literals are whatever was given."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The name of the type."""
        return "TEXT"

    def literal_processor(self, dialect: Any) -> Any:
        """Render a value as it is."""
        return str


class Liar(Decimal):
    """A number that spells itself as it likes."""

    said = ""

    @classmethod
    def saying(cls, words: str) -> Decimal:
        """Make a number that spells itself so."""
        made = cls(1)
        made.said = words
        return made

    def __str__(self) -> str:
        """Lie."""
        return self.said


class Reading(UserDefinedType[str]):
    """A type whose name holds more than a name."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Close the CAST and go on."""
        return "VARCHAR), (VALUES (1)), EXISTS (TABLE payroll"


class Smuggler(TypeDecorator[str]):
    """A type that replaces what is bound by a subquery of its own making."""

    impl = String
    cache_ok = True

    def bind_expression(self, bindvalue: Any) -> Any:
        """Read the memos of everybody's, in SQLAlchemy's own words."""
        return func.coalesce(select(func.max(Tag.name)).scalar_subquery(), bindvalue)


class SelfMade(ColumnElement[str]):
    """An element that renders itself, without ``@compiles``."""

    inherit_cache = False
    type = String()

    def _compiler_dispatch(self, visitor: Any, **kw: Any) -> str:
        return all_memos_of(visitor.dialect.name)


class Appended(SyntaxExtension, ClauseElement):
    """What SQLAlchemy 2.1 lets an application append to a statement."""

    inherit_cache = False

    def apply_to_select(self, select_stmt: Any) -> None:
        """Append it after the criterion."""
        select_stmt.apply_syntax_extension_point(lambda existing: [*existing, self], "post_criteria")


@compiles(Appended)
def _appended(element: Appended, compiler: Any, **kw: Any) -> str:
    return "UNION SELECT memo FROM ledger"


def all_memos_of(dialect: str) -> str:
    """A subquery, as text, over the rows of both tenants."""
    joined = "string_agg(memo, ',')" if dialect == "postgresql" else "group_concat(memo)"
    return f"(SELECT {joined} FROM ledger)"


class everyone(GenericFunction[str]):  # noqa: N801 - the name of a function
    """A function that the application renders."""

    inherit_cache = True
    type = String()
    name = "lower"
    identifier = "everyone"


@compiles(everyone)
def _everyone(element: everyone, compiler: Any, **kw: Any) -> str:
    return all_memos_of(compiler.dialect.name)


@attack(IsolationError)
def attack_09_literal_of_number(session: Session, at: View) -> object:
    """A number that is rendered late, and renders as SQL, is refused."""
    number = bindparam("n", Liar.saying(all_memos(at)), type_=Numeric(), literal_execute=True)
    return session.scalars(select(cast(number, String))).all()


@attack(IsolationError)
def attack_09_literal_in_where(session: Session, at: View) -> object:
    """A number that is rendered late cannot close the criterion that it stands in."""
    number = bindparam("n", Liar.saying("0 OR 1 = 1"), type_=Numeric(), literal_execute=True)
    return session.scalars(select(Document.title).where(Document.size < number)).all()


@attack(IsolationError)
def attack_09_literal_in_list(session: Session, at: View) -> object:
    """A number in a list that is rendered late cannot close it."""
    listed = [Liar.saying("0) OR (1 = 1")]
    some = bindparam("n", listed, Numeric(), expanding=True, literal_execute=True)
    return session.scalars(select(Document.title).where(Document.size.in_(some))).all()


@attack(IsolationError)
def attack_09_literal_of_own_type(session: Session, at: View) -> object:
    """A value whose type renders it verbatim is refused."""
    text = bindparam("t", all_memos(at), type_=Verbatim(), literal_execute=True)
    return session.scalars(select(text)).all()


@attack(IsolationError, dialects=POSTGRES)
def attack_09_literal_in_values(session: Session, at: View) -> object:
    """VALUES that render their data verbatim are refused."""
    data = values(column("t", Verbatim()), name="v", literal_binds=True).data([(all_memos(at),)])
    return session.scalars(select(data.c.t)).all()


@attack(IsolationError, dialects=POSTGRES)
def attack_09_type_that_closes_the_cast(session: Session, at: View) -> object:
    """The name of a type that goes on after the CAST is refused."""
    return [
        tuple(row) for row in session.connection().execute(select(cast(documents.c.title, Reading()))).cursor
    ]


@attack(IsolationError)
def attack_09_element_without_compiles(session: Session, at: View) -> object:
    """An element that renders itself is refused."""
    return session.scalars(select(SelfMade())).all()


@attack(IsolationError)
def attack_09_compiled_function(session: Session, at: View) -> object:
    """A function of the application's own is refused, although its name is on the list."""
    return session.scalars(select(everyone())).all()


@attack(IsolationError, since=(2, 1))
def attack_09_syntax_extension(session: Session, at: View) -> object:
    """An extension of the syntax that the application renders is refused."""
    return session.scalars(select(documents.c.title).ext(Appended())).all()


@read()
def bind_expression_that_reads(session: Session, at: View) -> Answer:
    """A subquery that a type puts around a bound value is scoped."""
    return same(session.scalars(select(literal("x", Smuggler()))), [max(at.own.says("red", "blue", "green"))])


@innocent()
def literal_execution_of_numbers(session: Session, at: View) -> Answer:
    """Numbers that are rendered late work."""
    least = bindparam("n", at.own.much(2), type_=Integer(), literal_execute=True)
    numbers = session.scalars(select(Document.size).where(Document.size >= least)).all()
    exact = session.scalar(select(cast(literal(Decimal("1.5"), Numeric()), Numeric(5, 2))))
    return same([*numbers, float(exact)], [*at.own.many(2, 3), 1.5])


def _late(at: View, kind: str, number: int = 1) -> Any:
    return bindparam("late", at.foreign.id(kind, number), type_=Uuid(), literal_execute=True)


@attack(IsolationError, IntegrityError, quiet=True)
def link_by_literal_in_insert(session: Session, at: View) -> None:
    """A foreign key that is rendered late names no foreign parent."""
    row = {"id": at.own.id("task", 94), "title": at.own.say("x"), "priority": 1}
    session.execute(tasks.insert().values(**row, project_id=_late(at, "project")))


@attack(IsolationError, IntegrityError, quiet=True)
def link_by_literal_in_update(session: Session, at: View) -> None:
    """A foreign key that is rendered late moves no row to a foreign parent."""
    session.execute(documents.update().values(project_id=_late(at, "project")))


@attack(IsolationError, IntegrityError, quiet=True)
def link_by_literal_in_child(session: Session, at: View) -> None:
    """A foreign key that is rendered late gives no child to a foreign parent."""
    session.execute(details.update().values(task_id=_late(at, "task")))


@attack(IsolationError, IntegrityError, quiet=True)
def link_by_literal_in_association(session: Session, at: View) -> None:
    """A foreign key that is rendered late links no foreign row."""
    session.execute(task_tags.insert().values(task_id=at.own.id("task", 5), tag_id=_late(at, "tag")))


@attack(IsolationError, IntegrityError, quiet=True)
def link_by_literal_in_upsert(session: Session, at: View) -> None:
    """A foreign key that is rendered late moves no row in an upsert."""
    row = {"id": at.own.id("document", 94), "title": at.own.say("x"), "path": at.own.say("/draft"), "size": 1}
    changed = {"project_id": _late(at, "project")}
    session.execute(settle(upsert(at, documents).values(**row), ["path"], changed))


@attack(IsolationError, StaleDataError, quiet=True)
def link_by_expression_in_flush(session: Session, at: View) -> None:
    """An attribute that is set to an expression over a foreign id is not flushed."""
    document = session.get_one(Document, at.own.id("document", 1))
    document.project_id = func.coalesce(literal(None, Uuid()), literal(at.foreign.id("project", 1), Uuid()))
    session.flush()


@attack(IsolationError, StaleDataError, quiet=True)
def link_by_expression_in_new_object(session: Session, at: View) -> None:
    """A new object whose link is an expression over a foreign id is not flushed."""
    home = func.coalesce(literal(None, Uuid()), literal(at.foreign.id("project", 1), Uuid()))
    session.add(Task(id=at.own.id("task", 95), title=at.own.say("x"), priority=1, project_id=home))
    session.flush()


@attack(IsolationError, StaleDataError, quiet=True, dialects=SQLITE)
def link_by_spelling(session: Session, at: View) -> None:
    """A foreign id that a function spells moves no row to a foreign parent."""
    spelled = func.lower(literal(at.foreign.id("project", 1).hex.upper()))
    session.execute(documents.update().values(project_id=spelled))


class Double(UUID):
    """A foreign id that passes for an own one in sets."""

    twin: UUID

    @classmethod
    def of(cls, foreign: UUID, own: UUID) -> UUID:
        """Make a foreign id that hashes and compares like an own one."""
        made = cls(foreign.hex)
        object.__setattr__(made, "twin", own)
        return made

    __slots__ = ("twin",)

    def __hash__(self) -> int:
        """Hash like the own id."""
        return hash(self.twin)

    def __eq__(self, other: object) -> bool:
        """Compare like the own id."""
        return self.twin == other


@attack(IsolationError, quiet=True)
def link_by_value_that_lies(session: Session, at: View) -> None:
    """A foreign id that passes for one that was looked up before links no foreign row."""
    own = at.own.id("project", 1)
    session.execute(documents.update().values(project_id=own))
    session.execute(documents.update().values(project_id=Double.of(at.foreign.id("project", 1), own)))


@attack(IsolationError, quiet=True)
def link_by_value_that_lies_beside_the_truth(session: Session, at: View) -> None:
    """A foreign id that passes for an own one of the same executemany links no foreign row."""
    own = at.own.id("project", 1)
    keys = [own, Double.of(at.foreign.id("project", 1), own)]
    rows = [
        {"id": at.own.id("task", 96 + n), "title": at.own.say("x"), "priority": 1, "project_id": key}
        for n, key in enumerate(keys)
    ]
    session.execute(tasks.insert(), rows)


@attack(IsolationError, IntegrityError, quiet=True, dialects=SQLITE)
def link_by_failing_executemany(session: Session, at: View) -> None:
    """A foreign id among the new keys of an executemany that fails halfway links no row."""
    foreign = at.foreign.id("task", 1)
    rows = [
        {"id": at.own.id("task", 97), "title": at.own.say("x"), "priority": 1, "parent_id": foreign},
        {"id": foreign, "title": at.own.say("x"), "priority": 1, "parent_id": None},
    ]
    with suppress(IntegrityError):
        session.connection().execute(tasks.insert(), rows)


@attack(IsolationError, IntegrityError, quiet=True, pinned=True)
def link_by_failing_pages(session: Session, at: View) -> None:
    """A foreign id among the new keys of an INSERT of many pages, each committed alone, links no row."""
    foreign = at.foreign.id("task", 1)
    rows = [
        {"id": at.own.id("task", 98), "title": at.own.say("x"), "priority": 1, "parent_id": foreign},
        {"id": foreign, "title": at.own.say("x"), "priority": 1, "parent_id": None},
    ]
    options = {"insertmanyvalues_page_size": 1}
    other = at.open(at.own, bind=at.engine.execution_options(isolation_level="AUTOCOMMIT"))
    with suppress(IntegrityError):
        other.execute(tasks.insert().returning(tasks.c.id), rows, execution_options=options)


@innocent(pinned=True, dialects=POSTGRES, transactional=False)
def autocommit(session: Session, at: View) -> list[Any]:
    """A session whose connection commits each statement works, and keeps its scope."""
    other = at.open(at.own, bind=at.engine.execution_options(isolation_level="AUTOCOMMIT"))
    found = other.scalars(select(Document.title)).all()
    other.execute(documents.update().values(state="x"))
    other.rollback()
    changed = select(func.count()).select_from(documents).where(documents.c.state == "x")
    return [same(found, at.own.says("charter", "notes", "draft")), stored(changed, [3])]


@innocent(dialects=NOT_MARIADB)
def update_of_alias(session: Session, at: View) -> list[Any]:
    """An UPDATE and a DELETE of an alias touch own rows."""
    session.execute(update(documents.alias("d")).values(state="x"))
    gone = session.execute(delete(Comment.__table__.alias("c"))).rowcount
    changed = select(func.count()).select_from(documents).where(documents.c.state == "x")
    return [same(gone, 4), stored(changed, [3])]


@innocent(pinned=True)
def session_in_outer_transaction(session: Session, at: View) -> Answer:
    """A session on a connection with a transaction of its own works, and the outer rollback wins."""
    with at.engine.connect() as connection:
        outer = connection.begin()
        with at.open(at.own, bind=connection, join_transaction_mode="create_savepoint") as other:
            other.add(Project(id=at.own.id("project", 96), name=at.own.say("gone"), budget=1))
            other.commit()
            seen = other.scalar(select(func.count(Project.id)))
        outer.rollback()
    return same([seen, session.scalar(select(func.count(Project.id)))], [4, 3])
