"""The application's own tables: ordinary SQLAlchemy classes that say whose rows they hold."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tenantkit.isolation import TenantScoped

__all__ = ["Base", "Flight", "Release"]


class Base(DeclarativeBase):
    """Where the application's tables are declared."""


class Flight(TenantScoped, Base):
    """A scheduled flight; ``tenant_id`` comes from TenantScoped and is never passed by an endpoint."""

    __tablename__ = "flights"

    id: Mapped[int] = mapped_column(primary_key=True)
    carrier: Mapped[str] = mapped_column(String(2))
    number: Mapped[int]
    tail: Mapped[str | None] = mapped_column(String(10))
    origin: Mapped[str] = mapped_column(String(3))
    destination: Mapped[str] = mapped_column(String(3))
    departs_at: Mapped[datetime]
    distance: Mapped[int]
    delay: Mapped[int | None]


class Release(TenantScoped, Base):
    """A dispatcher's release of a flight: what the plan meters."""

    __tablename__ = "releases"

    id: Mapped[int] = mapped_column(primary_key=True)
    flight_id: Mapped[int] = mapped_column(ForeignKey("flights.id"))
    note: Mapped[str] = mapped_column(String(200))
    flight: Mapped[Flight] = relationship()
