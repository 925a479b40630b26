"""Attempts to sign in, counted before they are looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from math import ceil
from typing import Any, Final

from sqlalchemy import case, delete, insert, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenantkit.core.opaque import digest_text
from tenantkit.core.tenant import central_tenant_id
from tenantkit.exceptions import ConfigurationError, LockedOut
from tenantkit.protocols import Clock
from tenantkit.tokens.tables import TokenTables

__all__ = ["Backoff", "Lockouts"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    How long one has to wait after attempts that failed: not at all at first, then twice as long after each.

    Args:
        free: how many attempts are free.
        first: seconds to wait after those.
        longest: seconds to wait at the most.
        forget: seconds without an attempt after which all is forgotten.

    Raises:
        ConfigurationError: a number is none, or it forgets before one has waited.

    .. versionadded:: 0.1
    """

    free: int = 5
    first: float = 30
    longest: float = 3600
    forget: float = 86_400

    def __post_init__(self) -> None:
        if self.free < 1 or not 0 < self.first <= self.longest <= self.forget:
            raise ConfigurationError(
                "A back-off has free attempts, and 0 < first <= longest <= forget, in seconds."
            )

    def wait(self, attempts: int) -> float:
        """Return the seconds to wait after so many attempts, counted from the last one."""
        above = attempts - self.free
        return 0 if above < 0 else min(self.longest, self.first * 2 ** min(above, 62))


_DEFAULT: Final = {
    "account at address": Backoff(),
    "account": Backoff(free=20),
    "address": Backoff(free=100),
}


class Lockouts:
    """
    Counters of attempts to sign in, by account, by address, and by both, on the session given to each call.

    An attempt is counted **before** the password is looked at, so that a thousand at once are not a thousand guesses,
    and taken back when it succeeds. Accounts and addresses are kept as digests. Every operation runs in the caller's
    transaction and commits nothing; needs an unscoped session.

    Args:
        tables: its tables.
        clock: tells the time.
        backoffs: for ``"account at address"``, which meets one who guesses, at 5 attempts by default; ``"account"``,
            which meets many who guess one account, at 20; and ``"address"``, which meets one who tries many accounts,
            at 100, since many people share one.

    Raises:
        ConfigurationError: there is a back-off for something else.

    .. versionadded:: 0.1
    """

    def __init__(
        self, tables: TokenTables, clock: Clock, *, backoffs: Mapping[str, Backoff] | None = None
    ) -> None:
        self.tables, self._clock = tables, clock
        self._backoffs = {**_DEFAULT, **(backoffs or {})}
        if unknown := self._backoffs.keys() - _DEFAULT:
            raise ConfigurationError(
                f"There is no lockout by {min(unknown)!r}; known are {', '.join(_DEFAULT)}."
            )

    def attempt(self, session: Session, account: str, address: str | None) -> None:
        """
        Count an attempt to sign in, unless nobody may try yet.

        **Commit it before the password is looked at**, and roll back where it is refused. Costs a statement a counter,
        two more at its first attempt: of account and address three counters, of an account one.

        Args:
            session: the session.
            account: who wants to sign in, as typed; whether there is such an account makes no difference.
            address: from where, None where it is not known.

        Raises:
            LockedOut: too many attempts failed; this one was not counted and is not looked at.
        """
        now = self._clock.now().replace(microsecond=0)
        for kind, subject in self._subjects(account, address):
            self._count(session, kind, subject, now)

    def clear(self, session: Session, account: str, address: str | None) -> None:
        """
        Forget the attempts at an account, since one succeeded, and take one back from the address. Two statements.

        Those from the address on other accounts stay counted.
        """
        lockouts, subjects = self.tables.lockouts, self._subjects(account, address)
        of_account = [subject for kind, subject in subjects if kind != "address"]
        session.execute(delete(lockouts).where(lockouts.c.subject.in_(of_account)))
        of_address = [subject for kind, subject in subjects if kind == "address"]
        counted = lockouts.c.subject.in_(of_address), lockouts.c.attempts > 0
        session.execute(update(lockouts).where(*counted).values(attempts=lockouts.c.attempts - 1))

    def prune(self, session: Session, *, limit: int = 1000) -> int:
        """Delete counters that are forgotten, at most so many, and return how many. Costs two statements."""
        lockouts = self.tables.lockouts
        over = self._clock.now() - timedelta(seconds=max(one.forget for one in self._backoffs.values()))
        found = session.scalars(
            select(lockouts.c.subject).where(lockouts.c.last_at < over).limit(limit)
        ).all()
        session.execute(delete(lockouts).where(lockouts.c.subject.in_(found)))
        return len(found)

    def _subjects(self, account: str, address: str | None) -> list[tuple[str, str]]:
        found = [("account", _digest("account", account.strip().casefold()))]
        if address is not None:
            address = _place(address)
            both = f"{account.strip().casefold()}\n{address}"
            found += [("address", _digest("address", address)), ("account at address", _digest("both", both))]
        return found

    def _count(self, session: Session, kind: str, subject: str, now: datetime) -> None:
        backoff, lockouts = self._backoffs[kind], self.tables.lockouts
        if _changed(session, self._allowed(kind, subject, now)):
            return
        row = {"subject": subject, "tenant_id": self._central, "attempts": 1, "last_at": now}
        try:
            with session.begin_nested():
                session.execute(insert(lockouts).values(**row))
        except IntegrityError:  # there is one: nobody may try yet, or it was made just now
            if _changed(session, self._allowed(kind, subject, now)):
                return
            found = session.execute(select(lockouts).where(lockouts.c.subject == subject)).one()
            ends = found.last_at + timedelta(seconds=backoff.wait(found.attempts))
            left = max(1, ceil((ends - now).total_seconds()))
            raise LockedOut(
                f"Too many attempts to sign in failed. Try again in {left} seconds.", retry_after=left
            ) from None

    def _allowed(self, kind: str, subject: str, now: datetime) -> Any:
        """Build the UPDATE that counts an attempt if it may be made at a moment: the check and the count are one."""
        backoff, lockouts = self._backoffs[kind], self.tables.lockouts.c
        forgotten = lockouts.last_at <= now - timedelta(seconds=backoff.forget)
        # by the number of attempts, the moment before which the last one has to be
        steps = [(lockouts.attempts < backoff.free, literal(now, lockouts.last_at.type))]
        attempts = backoff.free
        while backoff.wait(attempts) < backoff.longest:
            steps.append(
                (
                    lockouts.attempts == attempts,
                    literal(now - timedelta(seconds=backoff.wait(attempts)), lockouts.last_at.type),
                )
            )
            attempts += 1
        longest = literal(now - timedelta(seconds=backoff.longest), lockouts.last_at.type)
        counted = {"attempts": case((forgotten, 1), else_=lockouts.attempts + 1), "last_at": now}
        may = lockouts.last_at <= case(*steps, else_=longest)
        return update(self.tables.lockouts).where(lockouts.subject == subject, may).values(**counted)

    @property
    def _central(self) -> Any:
        return central_tenant_id(self.tables.lockouts.c.tenant_id.type.python_type)


def _place(address: str) -> str:
    """Return what an address is counted by: of IPv6 the network of 64 bits, all of which one customer has."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return address
    return str(found.ipv4_mapped or ip_network((int(found) >> 64 << 64, 64)))


def _changed(session: Session, statement: Any) -> bool:
    result: Any = session.execute(statement)
    return bool(result.rowcount)


def _digest(kind: str, text: str) -> str:
    return digest_text(f"{kind}\n{text}")
