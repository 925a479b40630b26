"""Attempts to sign in, counted before they are looked at."""

import threading

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tenantkit.exceptions import ConfigurationError, LockedOut
from tenantkit.kit import Trust
from tenantkit.tokens import Backoff
from tests.integration.office import make_kit
from tests.unit.clocks import FixedClock

ANN, HOME, CAFE = "ann@example.com", "192.0.2.1", "192.0.2.2"


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock()


@pytest.fixture
def kit(database, clock):
    """Give a kit."""
    kit = make_kit(database, clock=clock)
    yield kit
    kit.dispose()


def wait_of(kit, account=ANN, address=HOME):
    """Return the seconds that an attempt has to wait, 0 if it was counted."""
    try:
        kit.lockouts.attempt(account, address)
    except LockedOut as error:
        return error.retry_after
    return 0


def counters(kit):
    """Return the number of counters."""
    with Session(kit.owner_engine) as session:
        return session.scalar(select(func.count()).select_from(kit.lockouts.store.tables.lockouts))


def test_some_attempts_are_free(kit):
    """Five; before the sixth one waits, and is told with 429 for how long."""
    assert [0, 0, 0, 0, 0, 30] == [wait_of(kit) for _ in range(6)]
    with pytest.raises(LockedOut) as caught:
        kit.lockouts.attempt(ANN, HOME)
    assert (429, {"retry_after": 30}) == (caught.value.status, caught.value.details)


def test_each_further_attempt_waits_twice_as_long(kit, clock):
    """30 seconds, a minute, two, and an hour at the most; a second before that it is refused."""
    for _ in range(5):
        wait_of(kit)
    waits = []
    for _ in range(9):
        waits.append(wait_of(kit))
        clock.move(waits[-1] - 1)
        assert 1 == wait_of(kit)
        clock.move(1)
        assert 0 == wait_of(kit)
    assert [30, 60, 120, 240, 480, 960, 1920, 3600, 3600] == waits


def test_refused_attempts_are_not_counted(kit, clock):
    """Who keeps knocking waits no longer for it."""
    for _ in range(5):
        wait_of(kit)
    for _ in range(50):
        assert 30 == wait_of(kit)
    clock.move(30)
    assert 0 == wait_of(kit)


def test_success_forgets(kit):
    """After it all attempts are free again, from that address."""
    for _ in range(5):
        wait_of(kit)
    kit.lockouts.clear(ANN, HOME)
    assert [0, 0, 0, 0, 0, 30] == [wait_of(kit) for _ in range(6)]


def test_a_day_forgets(kit, clock):
    """A counter that nobody touched for a day begins anew."""
    for _ in range(5):
        wait_of(kit)
    clock.move(86_400)
    assert [0, 0, 0, 0, 0, 30] == [wait_of(kit) for _ in range(6)]


def test_an_owner_is_not_locked_out_by_one_who_guesses(kit):
    """Attempts from another address leave the owner's address free."""
    for _ in range(20):
        wait_of(kit, address=CAFE)
    assert 0 == wait_of(kit, address=HOME)


def test_many_who_guess_one_account_meet_its_own_counter(kit):
    """From a new address each, the twenty-first waits."""
    waits = [wait_of(kit, address=f"198.51.100.{number}") for number in range(21)]
    assert [0] * 20 + [30] == waits


def test_one_who_tries_many_accounts_meets_the_addresss_counter(kit):
    """A hundred accounts from one address, and the next one waits; a success takes back its own attempt alone."""
    for number in range(100):
        assert 0 == wait_of(kit, account=f"user{number}")
    assert 30 == wait_of(kit, account="another")
    kit.lockouts.clear("user1", HOME)
    assert [0, 30] == [wait_of(kit, account="another") for _ in range(2)]
    assert 0 == wait_of(kit, account="another", address=CAFE)


def test_many_who_succeed_lock_nobody_out(kit):
    """An office where everybody knows their password signs in all day."""
    for number in range(150):
        assert 0 == wait_of(kit, account=f"user{number}")
        kit.lockouts.clear(f"user{number}", HOME)


@pytest.mark.parametrize(
    "same", [["2001:db8::1", "2001:db8::ffff:2"], [HOME, f"::ffff:{HOME}"]], ids=["network", "mapped"]
)
def test_addresses_that_are_one_customers(kit, same):
    """A network of 64 bits is one address, and IPv4 within IPv6 is IPv4."""
    for number in range(5):
        assert 0 == wait_of(kit, address=same[number % 2])
    assert [30, 30, 0] == [wait_of(kit, address=address) for address in (*same, "2001:db8:0:1::1")]


@pytest.mark.parametrize("spelling", ["ANN@example.com", " ann@example.com ", "Ann@Example.Com"])
def test_an_account_has_one_counter(kit, spelling):
    """However its name is typed."""
    for _ in range(5):
        wait_of(kit)
    assert 30 == wait_of(kit, account=spelling)


@pytest.mark.parametrize(
    "account", ["", "a\0b", "\ud800", "x" * 100_000, "\n"], ids=["empty", "NUL", "half", "endless", "line"]
)
def test_whatever_is_typed_is_counted(kit, account):
    """Any text has a counter."""
    assert [0, 0, 0, 0, 0, 30] == [wait_of(kit, account=account) for _ in range(6)]


def test_an_account_from_nowhere(kit):
    """Where the address is not known, the account's counter counts."""
    assert [0] * 20 + [30] == [wait_of(kit, address=None) for _ in range(21)]
    kit.lockouts.clear(ANN, None)
    assert 0 == wait_of(kit, address=None)


def test_many_at_once_are_not_many_guesses(kit):
    """Of 24 attempts at once 5 are looked at."""
    barrier, waits = threading.Barrier(24), []

    def guess():
        barrier.wait()
        waits.append(wait_of(kit))

    threads = [threading.Thread(target=guess) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [0] * 5 + [30] * 19 == sorted(waits)


def test_nothing_of_them_is_kept(kit):
    """Neither account nor address is in the table, and no tenant sees it."""
    wait_of(kit)
    table = kit.lockouts.store.tables.lockouts
    with Session(kit.owner_engine) as session:
        kept = repr(session.execute(select(table)).all())
    assert ANN not in kept
    assert HOME not in kept


def test_pruning(kit, clock):
    """Counters that are forgotten are deleted, at most so many at once."""
    wait_of(kit)
    clock.move(86_401)
    wait_of(kit, account="bob", address=CAFE)
    with Session(kit.owner_engine) as session:
        assert [2, 1, 0] == [kit.lockouts.store.prune(session, limit=2) for _ in range(3)]
        session.commit()
    assert 3 == counters(kit)


def test_back_offs_of_ones_own(database, clock):
    """Each counter's can be replaced."""
    trust = Trust(backoffs={"account at address": Backoff(free=1, first=5, longest=5, forget=10)})
    kit = make_kit(database, clock=clock, trust=trust)
    assert [0, 5] == [wait_of(kit) for _ in range(2)]
    clock.move(5)
    assert [0, 5] == [wait_of(kit) for _ in range(2)]
    kit.dispose()


WRONG = {
    "no attempt": {"free": 0},
    "no time": {"first": 0},
    "longer than the longest": {"first": 7200},
    "forgotten at once": {"forget": 10},
    "no number": {"first": float("nan")},
}


@pytest.mark.parametrize("facts", WRONG.values(), ids=WRONG)
def test_back_offs_that_are_none(facts):
    """They are errors when they are made."""
    with pytest.raises(ConfigurationError):
        Backoff(**facts)


def test_a_counter_that_is_not_known(database):
    """It is an error at the start."""
    with pytest.raises(ConfigurationError, match="moon"):
        make_kit(database, trust=Trust(backoffs={"moon": Backoff()}))


@pytest.mark.anyio
async def test_the_twins(kit):
    """They do the same, in a thread."""
    for _ in range(5):
        await kit.lockouts.aattempt(ANN, HOME)
    with pytest.raises(LockedOut):
        await kit.lockouts.aattempt(ANN, HOME)
    await kit.lockouts.aclear(ANN, HOME)
    await kit.lockouts.aattempt(ANN, HOME)
