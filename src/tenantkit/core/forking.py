"""What a process that was forked makes anew: locks that somebody held, threads and connections that stayed behind."""

import os
from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

__all__ = ["renew_after_fork"]

_renewals: list["WeakMethod[Callable[[], Any]]"] = []


def renew_after_fork(renew: Callable[[], object]) -> None:
    """
    Call a bound method in each process that is forked from this one, before anything else of it runs there.

    The object is not kept alive by it.

    .. versionadded:: 0.1
    """
    if not _renewals and "register_at_fork" in dir(os):  # where processes can be forked
        os.register_at_fork(after_in_child=_renew_all)
    _renewals[:] = [*(one for one in _renewals if one() is not None), WeakMethod(renew)]


def _renew_all() -> None:
    for one in _renewals:
        renew = one()
        if renew is not None:
            renew()
