"""What is done when a session's transaction ends, however it ends."""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

__all__ = ["at_transaction_end"]

_KEY: Final = "tenantkit.endings"


def at_transaction_end(session: Session, key: object, do: Callable[[], object]) -> None:
    """
    Call a function once when the outermost transaction of a session ends; the end of a savepoint is none.

    Where no transaction is open it is called now, and when the next one ends: nobody knows whether the change was made
    before or comes after.

    Args:
        session: the session. One that is joined to a transaction of somebody else's ends before that one.
        key: what is done; of several calls with one key, within one transaction, the last one counts.
        do: does it.

    .. versionadded:: 0.1
    """
    session.info.setdefault(_KEY, {})[key] = do
    if not event.contains(session, "after_transaction_end", _ended):
        event.listen(session, "after_transaction_end", _ended)
    if not session.in_transaction():
        do()


def _ended(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        endings: dict[object, Callable[[], Any]] = session.info.pop(_KEY, {})
        for do in endings.values():
            do()
