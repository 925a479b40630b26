"""Entering and leaving a scope."""

import asyncio
import contextvars
import threading
from contextlib import ExitStack
from functools import partial

import pytest

from tenantkit import Actor, Scope, Tenant, current
from tenantkit.core import scope as scope_room
from tenantkit.core.scope import current_or_none, enter
from tenantkit.exceptions import ScopeNotLeft, ScopeRequired

ACME, BOLT = Scope(Tenant(1, "acme")), Scope(Tenant(2, "bolt"))


@pytest.fixture(autouse=True)
def _nothing_left():
    """A test that fails takes no scope into the next one."""
    yield
    scope_room._scope.set(None)


def test_no_scope_is_a_refusal():
    """Outside of any scope `current()` raises and says how to enter one."""
    with pytest.raises(ScopeRequired, match=r"kit\.scope"):
        current()


def test_scopes_nest_like_brackets():
    """The innermost scope is the current one, and leaving it brings the outer one back."""
    seen = []
    with enter(ACME) as outer:
        seen.append(current())
        with enter(BOLT):
            seen.append(current())
        seen.append(current())
    assert outer is ACME
    assert [ACME, BOLT, ACME] == seen


def test_an_error_leaves_the_scope():
    """An exception goes through and takes the scope along."""
    with pytest.raises(ZeroDivisionError), enter(ACME):
        _ = 1 // 0
    assert current_or_none() is None


def test_the_same_scope_can_be_entered_again():
    """A scope may be entered within itself, by a second `enter`."""
    with enter(ACME):
        with enter(ACME):
            assert ACME is current()
        assert ACME is current()


def test_entering_twice_is_refused():
    """One `enter` is for one block: a second entry is refused and changes nothing."""
    door = enter(ACME)
    with door:
        with pytest.raises(ScopeNotLeft, match="entered already"):
            door.__enter__()
        assert ACME is current()


def test_leaving_twice_is_refused():
    """A scope that was left cannot be left again."""
    door = enter(ACME)
    with door:
        pass
    with pytest.raises(ScopeNotLeft, match="acme"):
        door.__exit__(None, None, None)


def test_leaving_without_entering_is_refused():
    """A scope that was never entered cannot be left."""
    with enter(BOLT):
        with pytest.raises(ScopeNotLeft):
            enter(ACME).__exit__(None, None, None)
        assert BOLT is current()


def test_leaving_in_the_wrong_order_is_refused():
    """An outer scope cannot be left before the inner one; the message names the tenant and says to use `with`."""
    outer, inner = enter(ACME), enter(BOLT)
    outer.__enter__()
    inner.__enter__()
    with pytest.raises(ScopeNotLeft, match=r"'acme' is not the innermost.*`with` blocks"):
        outer.__exit__(None, None, None)
    assert BOLT is current()
    inner.__exit__(None, None, None)
    outer.__exit__(None, None, None)
    assert current_or_none() is None


def test_the_refusal_keeps_the_error_it_met():
    """Leaving in the wrong order during an error does not lose that error: it is the cause of the refusal."""
    outer, inner = enter(ACME), enter(BOLT)
    outer.__enter__()
    with inner:
        error = ValueError("first")
        with pytest.raises(ScopeNotLeft) as caught:
            outer.__exit__(ValueError, error, None)
    assert error is caught.value.__cause__


async def test_tasks_do_not_share_scopes():
    """Two tasks at the same time are each in their own scope, and a new task starts in its parent's."""
    seen = {}

    async def work(scope, ready, go):
        before = current_or_none()
        with enter(scope):
            ready.set()
            await go.wait()
            seen[scope.tenant.slug] = (before, current())

    ready, go = [asyncio.Event(), asyncio.Event()], asyncio.Event()
    with enter(ACME):
        first = asyncio.create_task(work(BOLT, ready[0], go))
    second = asyncio.create_task(work(ACME, ready[1], go))
    for one in ready:
        await one.wait()
    assert current_or_none() is None
    go.set()
    await asyncio.gather(first, second)
    assert {"bolt": (ACME, BOLT), "acme": (None, ACME)} == seen


async def test_another_task_cannot_leave_a_scope():
    """A task that is outside of the scope is refused when it leaves it, and the owner can still leave."""
    door = enter(ACME)
    leave = asyncio.Event()

    async def intruder():
        await leave.wait()
        with pytest.raises(ScopeNotLeft):
            door.__exit__(None, None, None)

    task = asyncio.create_task(intruder())
    door.__enter__()
    leave.set()
    await task
    assert ACME is current()
    door.__exit__(None, None, None)


async def test_a_child_task_cannot_leave_its_parents_scope():
    """A task that was started within the scope is refused when it leaves it, and the parent can still leave."""
    door = enter(ACME)
    door.__enter__()

    async def child():
        with pytest.raises(ScopeNotLeft):
            door.__exit__(None, None, None)

    await asyncio.create_task(child())
    assert ACME is current()
    door.__exit__(None, None, None)


def test_a_thread_starts_outside():
    """A thread starts without a scope unless it runs in a copy of the context."""
    seen = []

    def look():
        seen.append(current_or_none())

    with enter(ACME):
        context = contextvars.copy_context()
        for target in (look, partial(context.run, look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert [None, ACME] == seen


def test_scopes_work_on_an_exit_stack():
    """Several scopes on one stack are left in the reverse order."""
    with ExitStack() as stack:
        for scope in (ACME, BOLT, ACME):
            stack.enter_context(enter(scope))
        assert ACME is current()


def test_what_a_scope_holds_is_its_own():
    """Equal scopes do not share what was opened in them, and neither equality nor `repr` looks at it."""
    first, second = Scope(ACME.tenant, Actor("ann")), Scope(ACME.tenant, Actor("ann"))
    first.held["kit"] = "session"
    assert first == second
    assert {} == second.held
    assert "session" not in repr(first)
