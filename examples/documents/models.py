"""Whose rows they are is said here, and nowhere else."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tenantkit.isolation import SoftDeletable, TenantScoped


class Base(DeclarativeBase):
    """Where the tables are declared."""


class Folder(TenantScoped, Base):
    """A folder of documents."""

    __tablename__ = "folders"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Document(TenantScoped, SoftDeletable, Base):
    """A document in a folder; deleting it takes it out of sight."""

    __tablename__ = "documents"
    id: Mapped[int] = mapped_column(primary_key=True)
    folder_id: Mapped[int] = mapped_column(ForeignKey(Folder.id))
    title: Mapped[str]
    author: Mapped[str]
    folder: Mapped[Folder] = relationship()
