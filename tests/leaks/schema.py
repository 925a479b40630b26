"""The tables of a host with two tenants: every way in which a table can belong to one."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    select,
)
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.declarative import ConcreteBase
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    WriteOnlyMapped,
    column_property,
    mapped_column,
    relationship,
)

from tenantkit.isolation import TenantScoped, scoped_by, scoped_through, shared


class Base(DeclarativeBase):
    """The declarative base of the host; MariaDB wants a length of each text."""

    type_annotation_map: ClassVar = {str: String(200)}


class Currency(Base):
    """A table that is the same for all tenants."""

    __tablename__ = "currencies"
    __table_args__ = {"info": shared()}

    code: Mapped[str] = mapped_column(String(3), primary_key=True)
    name: Mapped[str]


class Project(TenantScoped, Base):
    """A parent of tasks, documents and assets."""

    __tablename__ = "projects"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]
    budget: Mapped[int]
    currency_code: Mapped[str | None] = mapped_column(ForeignKey("currencies.code"))

    currency: Mapped[Currency | None] = relationship()
    tasks: Mapped[list[Task]] = relationship(back_populates="project", overlaps="task_stream,task_query")
    documents: Mapped[list[Document]] = relationship(back_populates="project")
    assets: Mapped[list[Asset]] = relationship(back_populates="project")
    task_stream: WriteOnlyMapped[Task] = relationship(passive_deletes=True, overlaps="tasks,task_query")
    task_query: DynamicMapped[Task] = relationship(overlaps="tasks,task_stream")


class Document(TenantScoped, Base):
    """A leaf with a path that is unique over all tenants, JSON, a default of the server and a hybrid."""

    __tablename__ = "documents"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    title: Mapped[str] = mapped_column()
    path: Mapped[str] = mapped_column(unique=True)
    size: Mapped[int]
    state: Mapped[str] = mapped_column(server_default="new")
    labels: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey("projects.id"))

    project: Mapped[Project | None] = relationship(back_populates="documents")
    title_length: Mapped[int] = column_property(func.length(title))

    @hybrid_property
    def weight(self) -> int:
        """Twice the size, in Python and in SQL."""
        return self.size * 2


task_tags = Table(
    "task_tags",
    Base.metadata,
    Column("task_id", ForeignKey("tasks.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
    info=scoped_through("task_id", "tag_id"),
)


class Tag(TenantScoped, Base):
    """One end of an association, with table arguments of its own."""

    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str]

    tasks: Mapped[list[Task]] = relationship(secondary=task_tags, back_populates="tags")


class Task(TenantScoped, Base):
    """A table that points at itself, at a project and, through an association, at tags."""

    __tablename__ = "tasks"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    title: Mapped[str]
    priority: Mapped[int]
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey("projects.id"))
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("tasks.id"))

    project: Mapped[Project | None] = relationship(back_populates="tasks", overlaps="task_stream,task_query")
    parent: Mapped[Task | None] = relationship(back_populates="children", remote_side="Task.id")
    children: Mapped[list[Task]] = relationship(back_populates="parent")
    tags: Mapped[list[Tag]] = relationship(secondary=task_tags, back_populates="tasks")
    comments: Mapped[list[Comment]] = relationship(back_populates="task", cascade="all, delete-orphan")
    details: Mapped[list[TaskDetail]] = relationship(back_populates="task", cascade="all, delete-orphan")
    tag_names: AssociationProxy[list[str]] = association_proxy("tags", "name")


Project.task_count = column_property(
    select(func.count(Task.id)).where(Task.project_id == Project.id).correlate_except(Task).scalar_subquery()
)


class TaskDetail(Base):
    """A child without a tenant column: it is whose its task is."""

    __tablename__ = "task_details"
    __table_args__ = {"info": scoped_through("task_id")}

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    note: Mapped[str]
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"))

    task: Mapped[Task] = relationship(back_populates="details")
    steps: Mapped[list[Step]] = relationship(back_populates="detail", cascade="all, delete-orphan")


class Step(Base):
    """A grandchild without a tenant column."""

    __tablename__ = "steps"
    __table_args__ = {"info": scoped_through("detail_id")}

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    words: Mapped[str]
    detail_id: Mapped[UUID] = mapped_column(ForeignKey("task_details.id"))

    detail: Mapped[TaskDetail] = relationship(back_populates="steps")


class Comment(TenantScoped, Base):
    """A child with a tenant column of its own."""

    __tablename__ = "comments"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    body: Mapped[str]
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"))

    task: Mapped[Task] = relationship(back_populates="comments")


class Milestone(TenantScoped, Base):
    """A child whose foreign key carries the tenant."""

    __tablename__ = "milestones"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "board_id"], ["boards.tenant_id", "boards.id"]),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    label: Mapped[str]
    board_id: Mapped[UUID | None]

    board: Mapped[Board | None] = relationship(back_populates="milestones")


class Board(TenantScoped, Base):
    """A parent that can be named together with its tenant."""

    __tablename__ = "boards"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    label: Mapped[str]

    milestones: Mapped[list[Milestone]] = relationship(back_populates="board")


class Asset(TenantScoped, Base):
    """The root of a joined inheritance."""

    __tablename__ = "assets"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "asset"}

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str]
    name: Mapped[str]
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey("projects.id"))

    project: Mapped[Project | None] = relationship(back_populates="assets")


class Image(Asset):
    """A joined subclass: its table has no tenant column."""

    __tablename__ = "images"
    __table_args__ = {"info": scoped_through("id")}
    __mapper_args__ = {"polymorphic_identity": "image"}

    id: Mapped[UUID] = mapped_column(ForeignKey("assets.id"), primary_key=True)
    caption: Mapped[str]


class Photo(Image):
    """A joined subclass of a joined subclass."""

    __tablename__ = "photos"
    __table_args__ = {"info": scoped_through("id")}
    __mapper_args__ = {"polymorphic_identity": "photo"}

    id: Mapped[UUID] = mapped_column(ForeignKey("images.id"), primary_key=True)
    camera: Mapped[str]


class Video(Asset):
    """A sibling in the joined inheritance."""

    __tablename__ = "videos"
    __table_args__ = {"info": scoped_through("id")}
    __mapper_args__ = {"polymorphic_identity": "video"}

    id: Mapped[UUID] = mapped_column(ForeignKey("assets.id"), primary_key=True)
    codec: Mapped[str]


class Event(TenantScoped, Base):
    """The root of a single-table inheritance, with a version counter."""

    __tablename__ = "events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str]
    name: Mapped[str]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "event", "version_id_col": version}


class Meeting(Event):
    """A single-table subclass."""

    __mapper_args__ = {"polymorphic_identity": "meeting"}


class Receipt(ConcreteBase, TenantScoped, Base):
    """The root of a concrete inheritance."""

    __tablename__ = "receipts"
    __mapper_args__ = {"polymorphic_identity": "receipt", "concrete": True}

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    memo: Mapped[str]


class Refund(Receipt):
    """A concrete subclass: its table has its own tenant column."""

    __tablename__ = "refunds"
    __table_args__ = {"info": scoped_by("tenant_id")}
    __mapper_args__ = {"polymorphic_identity": "refund", "concrete": True}

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    tenant_id: Mapped[UUID] = mapped_column(index=True)
    memo: Mapped[str]


ledger = Table(
    "ledger",
    Base.metadata,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("memo", String(200), nullable=False),
    Column("amount", Integer, nullable=False),
    info=scoped_by("org_id"),
)


class Preference(Base):
    """A table that was there before: the tenant is in the primary key, the attribute has another name."""

    __tablename__ = "preferences"
    __table_args__ = {"info": scoped_by("org_id")}

    org: Mapped[UUID] = mapped_column("org_id", primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


tickets = Table(
    "tickets",
    Base.metadata,
    Column("org_id", Uuid, primary_key=True),
    Column(
        "number", Integer, primary_key=True, default=select(func.count(ledger.c.id) + 1).scalar_subquery()
    ),
    Column("subject", String(200), nullable=False),
    info=scoped_by("org_id"),
)


STRAYS = MetaData()
payroll = Table(
    "payroll", STRAYS, Column("id", Uuid, primary_key=True), Column("name", String(200), nullable=False)
)
VAULT = "vault"


def tenant_columns() -> dict[str, str]:
    """Map each table that carries its tenant to the name of the column."""
    own_names = {"ledger": "org_id", "preferences": "org_id", "tickets": "org_id"}
    carried = {table.name: "tenant_id" for table in Base.metadata.tables.values() if "tenant_id" in table.c}
    return {**carried, **own_names}


PARENTS: dict[str, tuple[tuple[str, str], ...]] = {
    "task_tags": (("task_id", "tasks"), ("tag_id", "tags")),
    "task_details": (("task_id", "tasks"),),
    "steps": (("detail_id", "task_details"),),
    "images": (("id", "assets"),),
    "photos": (("id", "images"),),
    "videos": (("id", "assets"),),
}
"""The tables without a tenant column, each with the columns that lead to its parents."""
