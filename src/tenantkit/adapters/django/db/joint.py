"""SQLAlchemy sessions that work in the transaction of a Django connection: they begin, nest and end with it."""

from typing import Any
from weakref import WeakSet

from sqlalchemy.orm import Session, SessionTransaction

__all__ = ["JointSessions"]


class JointSessions:
    """
    The sessions that one connection of Django's is lent to.

    Attributes:
        is_flushing: whether they are writing what they hold back, when Django is about to commit.
    """

    def __init__(self) -> None:
        self._sessions: WeakSet[Session] = WeakSet()
        self.is_flushing = False
        self._savepoints: dict[str, list[tuple[Session, SessionTransaction]]] = {}

    def join(self, session: Session) -> None:
        """Let a session end with the connection's transactions."""
        self._sessions.add(session)

    @property
    def _working(self) -> list[Session]:
        return [session for session in self._sessions if session.in_transaction()]

    def flush(self) -> None:
        """Write what the sessions hold back, before Django commits or releases a savepoint."""
        self.is_flushing = True
        try:
            for session in self._working:
                session.flush()
        finally:
            self.is_flushing = False

    def committed(self) -> None:
        """End the sessions' transactions after Django's."""
        self._savepoints.clear()
        for session in self._working:
            session.commit()

    def rolled_back(self) -> None:
        """Forget what the sessions did."""
        self._savepoints.clear()
        for session in self._working:
            session.rollback()

    def nest(self, sid: str) -> None:
        """Begin a part that Django may roll back."""
        self._savepoints[sid] = [(session, session.begin_nested()) for session in self._working]

    def release(self, sid: str) -> None:
        """End that part, and keep what was done in it."""
        for _, nested in reversed(self._savepoints.pop(sid, [])):
            if nested.is_active:
                nested.commit()
        self.flush()

    def undo(self, sid: str) -> None:
        """End that part, and forget what was done in it; also in sessions that began in it."""
        begun_before = self._savepoints.pop(sid, [])
        for _, nested in reversed(begun_before):
            if nested.is_active:
                nested.rollback()
        before: set[Any] = {session for session, _ in begun_before}
        for session in self._working:
            if session not in before:
                session.rollback()
