"""The contract of look-ups: what a directory of an application's own promises to the kit."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from tenantkit.core.tenant import Tenant
from tenantkit.protocols import DirectoryLookup

__all__ = ["LookupContract"]

_HOSTILE: Final = (
    "",
    " ",
    "Acme-One",
    "acme-one ",
    " acme-one",
    "acme-one\n",
    "acme-one\0",
    "acme-one.",
    "acme_one",
    "acme%",
    "acme-onе",  # noqa: RUF001 - its last letter is Cyrillic
    "ａcme-one",  # noqa: RUF001 - its first one is wide
    "\ud800",
    "' OR '1'='1",
    "x" * 100_000,
    "9" * 1000,
    "-1",
    "0x1",
    "1e3",
    "00000000-0000-0000-0000-00000000000g",
    "None",
)
_NEARLY_ANN: Final = ("", "Ann", "ann ", "ann\0", "ann\n", "\ud800", "x" * 100_000, "an%", "' OR '1'='1")


class LookupContract:
    """
    What a directory of the application's own promises.

    Derive from it in a test module, as ``class TestOrganizations(LookupContract)``, and say how the directory is asked
    and filled. Whatever is given a session works in its transaction and commits nothing.

    .. versionadded:: 0.1
    """

    def open_session(self) -> Session:
        """Return a session that sees all tenants, on a database that is empty for each test."""
        raise NotImplementedError("Return a session on the test's database.")

    def lookup(self, session: Session) -> DirectoryLookup:
        """Return the look-ups on a session, as the kit gets them: ``organizations`` of the kit."""
        raise NotImplementedError("Return Organizations(session).")

    def add_tenant(self, session: Session, slug: str) -> Tenant:
        """Insert an active tenant, and return it as it is looked up."""
        raise NotImplementedError("Insert a tenant.")

    def suspend_tenant(self, session: Session, tenant: Tenant) -> None:
        """Have a tenant not served any more."""
        raise NotImplementedError("Change its status.")

    def add_member(self, session: Session, tenant: Tenant, user_id: str, roles: Iterable[str]) -> None:
        """Make a user a member; a directory with one role for each member is given one."""
        raise NotImplementedError("Insert a membership.")

    def end_membership(self, session: Session, tenant: Tenant, user_id: str) -> None:
        """Have a user belong to a tenant no more."""
        raise NotImplementedError("Delete or suspend the membership.")

    #: a role that members of the directory can have
    role: str = "reader"

    @pytest.fixture
    def session(self) -> Iterator[Session]:
        """Open the session of one test."""
        with self.open_session() as session:
            yield session

    @pytest.fixture
    def acme(self, session: Session) -> Tenant:
        """Add a tenant with one member, ann, beside another one with bob."""
        acme, bolt = (self.add_tenant(session, slug) for slug in ("acme-one", "bolt"))
        self.add_member(session, acme, "ann", [self.role])
        self.add_member(session, bolt, "bob", [self.role])
        session.commit()
        return acme

    def test_a_tenant_is_found_by_its_slug_and_its_id(self, session: Session, acme: Tenant) -> None:
        """Both say the same, and another tenant is another."""
        lookup = self.lookup(session)
        assert acme == lookup.by_slug("acme-one") == lookup.by_id(str(acme.id))
        bolt = lookup.by_slug("bolt")
        assert bolt is not None
        assert bolt.id != acme.id

    @pytest.mark.parametrize("question", ["by_slug", "by_id", "by_domain"])
    def test_what_names_no_tenant_exactly_finds_none(
        self, session: Session, acme: Tenant, question: str
    ) -> None:
        """Whatever a stranger writes, it is None: no tenant of a similar name, and no error of the database's."""
        ask = getattr(self.lookup(session), question)
        assert [] == [text for text in (*_HOSTILE, *_nearly(str(acme.id))) if ask(text) is not None]
        assert acme == self.lookup(session).by_slug("acme-one")  # the transaction goes on

    def test_a_tenant_that_is_not_served_is_found(self, session: Session, acme: Tenant) -> None:
        """It is found with its status: the answer to its requests is not that it does not exist."""
        self.suspend_tenant(session, acme)
        session.commit()
        found = self.lookup(session).by_slug("acme-one")
        assert found is not None
        assert (acme.id, False) == (found.id, found.active)

    def test_a_membership(self, session: Session, acme: Tenant) -> None:
        """It says whose it is, where, and in which roles."""
        found = self.lookup(session).membership(acme, "ann")
        assert found is not None
        assert (acme.id, "ann", frozenset({self.role})) == (found.tenant_id, found.user_id, found.roles)

    def test_a_member_of_another_tenant_is_none_here(self, session: Session, acme: Tenant) -> None:
        """Who belongs to one tenant belongs to no other."""
        assert self.lookup(session).membership(acme, "bob") is None

    def test_who_is_not_exactly_the_member_is_none(self, session: Session, acme: Tenant) -> None:
        """An id is compared letter by letter, and one that no database holds is nobody's."""
        ask = self.lookup(session).membership
        assert [] == [user_id for user_id in _NEARLY_ANN if ask(acme, user_id) is not None]
        assert ask(acme, "ann") is not None

    def test_an_ended_membership_does_not_count(self, session: Session, acme: Tenant) -> None:
        """From its end on, whether the row is kept or not."""
        self.end_membership(session, acme, "ann")
        session.commit()
        assert self.lookup(session).membership(acme, "ann") is None

    def test_a_change_is_seen(self, session: Session, acme: Tenant) -> None:
        """Look-ups remember nothing from one session to the next: the kit does, and forgets when it is told."""
        with self.open_session() as other:
            assert self.lookup(other).membership(acme, "cid") is None
        self.add_member(session, acme, "cid", [self.role])
        session.commit()
        with self.open_session() as other:
            assert self.lookup(other).membership(acme, "cid") is not None

    @pytest.mark.parametrize("question", ["by_slug", "by_id", "by_domain", "membership"])
    def test_a_question_costs_one_statement_at_the_most(
        self, session: Session, acme: Tenant, question: str
    ) -> None:
        """And that one reads."""
        lookup = self.lookup(session)
        asked = {"by_slug": ("acme-one",), "by_id": (str(acme.id),), "by_domain": ("acme.example",)}
        with _statements(session) as told:
            getattr(lookup, question)(*asked.get(question, (acme, "ann")))
        assert len(told) <= 1
        assert all(statement.lstrip().upper().startswith(("SELECT", "WITH")) for statement in told)

    def test_nothing_is_left_to_be_written(self, session: Session, acme: Tenant) -> None:
        """A look-up changes no object of the session's."""
        lookup = self.lookup(session)
        lookup.by_slug("acme-one")
        lookup.membership(acme, "ann")
        assert ([], [], []) == (list(session.new), list(session.dirty), list(session.deleted))


def _nearly(own: str) -> tuple[str, ...]:
    """Return other spellings of an id, which some ways of reading take for the same."""
    bare = (own.replace("-", ""),) if "-" in own else ()
    capitals = (own.upper(),) if own != own.upper() else ()
    return f" {own}", f"+{own}", f"0{own}", f"{own}\n", f"{{{own}}}", f"urn:uuid:{own}", *bare, *capitals


@contextmanager
def _statements(session: Session) -> Iterator[list[str]]:
    told: list[str] = []
    engine: Any = session.get_bind()

    def note(_connection: object, _cursor: object, statement: str, *_further: object) -> None:
        told.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield told
    finally:
        event.remove(engine, "before_cursor_execute", note)
