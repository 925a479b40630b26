"""Whose a row is."""

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantkit import Actor, Scope, Tenant, new_id
from tenantkit.exceptions import ConfigurationError, NotTheOwner
from tenantkit.rbac import Ownership, check_owner


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    author: Mapped[str]


class Pair(Base):
    __tablename__ = "pairs"
    one: Mapped[int] = mapped_column(primary_key=True)
    other: Mapped[int] = mapped_column(primary_key=True)
    author: Mapped[str]


ACME = Tenant(new_id(), "acme")


@pytest.mark.parametrize("owner", [None, "", "bob", "Ann", "ann "])
def test_somebody_elses(owner):
    """Who is not named is not the owner, and nobody's row is nobody's."""
    with pytest.raises(NotTheOwner):
        check_owner(Scope(tenant=ACME, actor=Actor("ann")), owner, "note")


def test_ones_own():
    """The actor's id is compared as text: hosts have ids of any type."""
    check_owner(Scope(tenant=ACME, actor=Actor("ann")), "ann", "note")
    check_owner(Scope(tenant=ACME, actor=Actor("7")), 7, "note")


def test_without_an_actor():
    """Where nobody acts nobody owns, not even what has no owner."""
    for owner in ("ann", None, "None"):
        with pytest.raises(NotTheOwner):
            check_owner(Scope(tenant=ACME), owner, "note")


@pytest.mark.parametrize(
    ("model", "by", "why"),
    [
        (Note, "writer", "no column attribute"),
        (Pair, "author", "2 primary key"),
        (dict, "author", "no mapped"),
    ],
)
def test_declared_wrongly(model, by, why):
    """It is an error when it is declared."""
    with pytest.raises(ConfigurationError, match=why):
        Ownership(model, by)
