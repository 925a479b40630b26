"""What a request holds while it is served: a transaction, and the sessions of its scope."""

from typing import Any

from django.db import transaction

from tenantkit.adapters.django.configuration import Configuration
from tenantkit.adapters.exchange import Exchange

__all__ = ["Work"]


class Work:
    """The transaction of a request, and afterwards of its body; all of it runs in one thread."""

    def __init__(self, exchange: Exchange, said: Configuration) -> None:
        self.exchange = exchange
        self._database = said.database
        self._is_atomic = said.atomic
        self._block: Any = None

    def begin(self) -> None:
        """Begin a transaction, if the request is in a scope and the settings want one."""
        if self._is_atomic and self.exchange.scope is not None:
            block = transaction.atomic(using=self._database)
            block.__enter__()
            self._block = block

    def end(self, *, commit: bool | None = None) -> None:
        """
        End the transaction as the status promises, and record what was refused or failed.

        Raises:
            TenantKitError: what was held back cannot be written.
        """
        self._settle(commit=self.exchange.commits if commit is None else commit)
        self.exchange.record()

    def _settle(self, *, commit: bool) -> None:
        block, self._block = self._block, None
        if block is None:
            return
        if not commit:
            transaction.set_rollback(True, using=self._database)
        block.__exit__(None, None, None)

    def leave(self) -> None:
        """Give back what the request holds."""
        try:
            if self.exchange.scope is not None:
                self.exchange.kit.release(self.exchange.scope)
        finally:
            self.exchange.end()

    def abandon(self, error: BaseException | None) -> None:
        """Undo what is not committed, record why, and give back what the request holds."""
        try:
            self._settle(commit=False)
            if isinstance(error, Exception):
                self.exchange.error, self.exchange.status = error, 500
                self.exchange.record()
        finally:
            self.leave()
