"""Attacks by objects that claim to be stored already."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from tenantkit.exceptions import IsolationError
from tests.leaks.phrases import forged
from tests.leaks.registry import View, attack
from tests.leaks.schema import (
    Asset,
    Document,
    Event,
    Image,
    Step,
    Task,
    TaskDetail,
)

tasks, documents, details = Task.__table__, Document.__table__, TaskDetail.__table__
FORGED = (StaleDataError, ObjectDeletedError, IsolationError)
NOTHING_FOUND = (IsolationError, IntegrityError)


@attack(*FORGED)
def forged_update(session: Session, at: View) -> None:
    """A change of a forged foreign object is not flushed."""
    document = forged(Document, id=at.foreign.id("document", 1))
    session.add(document)
    document.state = "stolen"
    session.flush()


@attack(*FORGED)
def forged_update_with_foreign_tenant(session: Session, at: View) -> None:
    """A change of a forged object that names its foreign tenant is not flushed."""
    document = forged(Document, id=at.foreign.id("document", 1), tenant_id=at.foreign.tenant, title="x")
    session.add(document)
    document.state = "stolen"
    session.flush()


@attack(*FORGED)
def forged_delete(session: Session, at: View) -> None:
    """The deletion of a forged foreign object is not flushed."""
    session.delete(forged(Document, id=at.foreign.id("document", 1), tenant_id=at.own.tenant))
    session.flush()


@attack(*FORGED)
def forged_child_update(session: Session, at: View) -> None:
    """A change of a forged foreign child without a tenant column is not flushed."""
    detail = forged(TaskDetail, id=at.foreign.id("detail", 1))
    session.add(detail)
    detail.note = "stolen"
    session.flush()


@attack(*FORGED)
def forged_child_delete(session: Session, at: View) -> None:
    """The deletion of a forged foreign child without a tenant column is not flushed."""
    session.delete(forged(Step, id=at.foreign.id("step", 1), detail_id=at.own.id("detail", 1)))
    session.flush()


@attack(*FORGED)
def forged_subclass_update(session: Session, at: View) -> None:
    """A change of a forged foreign object of a joined subclass is not flushed."""
    image = forged(Image, id=at.foreign.id("asset", 1), kind="image", tenant_id=at.own.tenant)
    session.add(image)
    image.caption = "stolen"
    session.flush()


@attack(*FORGED)
def forged_subclass_delete(session: Session, at: View) -> None:
    """The deletion of a forged foreign object of a joined subclass is not flushed."""
    session.delete(forged(Asset, id=at.foreign.id("asset", 4), kind="asset", tenant_id=at.own.tenant))
    session.flush()


@attack(*FORGED)
def forged_versioned_update(session: Session, at: View) -> None:
    """A change of a forged foreign object with a version counter is not flushed."""
    event = forged(Event, id=at.foreign.id("event", 1), version=1, kind="event", tenant_id=at.own.tenant)
    session.add(event)
    event.name = "stolen"
    session.flush()
