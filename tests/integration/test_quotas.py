"""Counters that never pass their limit."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread

import pytest
from sqlalchemy import event, select

from tenantkit.exceptions import ConfigurationError, QuotaExceeded
from tenantkit.quotas import Plan, Plans
from tests.integration.office import LIMIT, UPGRADE, Document, Hands, settled, sign_up

THREADS, ATTEMPTS, ROOM = 8, 25, 60


@pytest.fixture
def roomy(kit):
    """Give a kit whose plan `trial` has room for 60 documents."""
    kit.quotas.store.plans = Plans(Plan("trial", {"documents": ROOM}))
    return kit


async def attempted(hands, tenant, *, units=1, attempts=ATTEMPTS):
    """Try to consume in a transaction each, and return how many were let through."""
    let_through = 0
    for _ in range(attempts):
        async with hands.scope(tenant):
            try:
                await hands.consume(units=units)
            except QuotaExceeded:
                continue
            await hands.do("commit")
            let_through += 1
    return let_through


def in_threads(hands, tenant, **options):
    """Attempt from several threads at once, each with a loop of its own."""
    start = Barrier(THREADS)

    def work(_):
        start.wait()
        return asyncio.run(attempted(hands, tenant, **options))

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, range(THREADS)))


@pytest.mark.parametrize("units", [1, 7])
def test_threads_never_pass_the_limit(roomy, acme, units):
    """Of 8 threads with 25 attempts each exactly as many succeed as the limit has room for."""
    let_through = in_threads(Hands(roomy, "sync"), acme, units=units)
    with roomy.scope(acme):
        assert (ROOM // units, ROOM // units * units) == (sum(let_through), roomy.quotas.used("documents"))


async def test_tasks_never_pass_the_limit(roomy, acme):
    """The same holds for 8 tasks of one loop with async sessions."""
    hands = Hands(roomy, "async")
    let_through = await asyncio.gather(*(attempted(hands, acme) for _ in range(THREADS)))
    with roomy.scope(acme):
        assert (ROOM, ROOM) == (sum(let_through), roomy.quotas.used("documents"))
    await roomy.adispose()


def test_the_first_use_is_counted_once(roomy):
    """Eight threads that use a meter for the first time at once open one counter and count all eight."""
    for tenant in [sign_up(roomy, f"acme-{number}") for number in range(5)]:
        assert [1] * THREADS == in_threads(Hands(roomy, "sync"), tenant, attempts=1)
        with roomy.scope(tenant):
            assert roomy.quotas.used("documents") == THREADS


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_competitor_at_the_first_use_is_no_refusal(kit, acme):
    """A counter that another transaction opens between two statements of ours does not make us refuse."""

    def compete():
        with kit.scope(acme):
            kit.quotas.consume("documents")
            kit.session().commit()

    competitors = [Thread(target=compete)]

    def after_the_first_look(_connection, _cursor, sql, *_):
        if sql.startswith("UPDATE") and competitors:
            competitor = competitors.pop()
            competitor.start()
            competitor.join()

    event.listen(kit.engine, "after_cursor_execute", after_the_first_look)
    with kit.scope(acme):
        assert kit.quotas.consume("documents") == 2


async def test_units_add_up(hands, acme):
    """Consuming returns the new total, over transactions and over several units at once."""
    async with hands.scope(acme):
        assert [1, 3] == [await hands.consume(units=1), await hands.consume(units=2)]
        await hands.do("commit")
    async with hands.scope(acme):
        assert (4, 4) == (await hands.consume(), await hands.used())


async def test_the_limit_is_reached_and_not_passed(hands, acme):
    """The last unit is let through, the next refused with the numbers and the link; nothing is counted then."""
    async with hands.scope(acme):
        assert LIMIT == await hands.consume(units=LIMIT)
        with pytest.raises(QuotaExceeded) as caught:
            await hands.consume()
        error = caught.value
        found = (error.meter, error.usage, error.limit, error.plan, error.upgrade_url)
        assert ("documents", LIMIT, LIMIT, "trial", UPGRADE) == found
        assert UPGRADE in error.message
        assert LIMIT == await hands.used()


async def test_what_does_not_fit_is_not_counted_in_part(hands, acme):
    """A request for more units than are left counts none of them, also at the first use."""
    async with hands.scope(acme):
        with pytest.raises(QuotaExceeded) as caught:
            await hands.consume(units=LIMIT + 1)
        assert 0 == caught.value.usage
        await hands.consume(units=LIMIT - 1)
        with pytest.raises(QuotaExceeded):
            await hands.consume(units=2)
        assert LIMIT - 1 == await hands.used()


async def test_a_refusal_leaves_the_transaction_usable(hands, acme):
    """After a refusal the caller's other work can still be committed."""
    async with hands.scope(acme):
        await hands.add(Document(name="before"))
        with pytest.raises(QuotaExceeded):
            await hands.consume(units=LIMIT + 1)
        await hands.do("commit")
        assert ["before"] == await hands.names()


async def test_units_return_on_rollback(hands, acme):
    """Units come back when the caller's transaction is rolled back, and when the scope is left without a commit."""
    async with hands.scope(acme):
        await hands.consume(units=3)
        await hands.do("rollback")
        assert 0 == await hands.used()
        await hands.consume(units=3)
    async with hands.scope(acme):
        assert 0 == await hands.used()


async def test_units_return_with_a_savepoint(hands, acme):
    """Units counted within a savepoint come back when it alone is rolled back."""
    async with hands.scope(acme):
        await hands.consume()
        savepoint = await hands.do("begin_nested")
        await hands.consume(units=3)
        await settled(savepoint.rollback())
        await hands.do("commit")
        assert 1 == await hands.used()


async def test_tenants_and_meters_are_counted_apart(hands, acme, bolt):
    """One tenant's units are not another's, nor those of another meter."""
    for tenant, meter, units in ((acme, "documents", 2), (bolt, "documents", 3), (acme, "pages", 4)):
        async with hands.scope(tenant):
            await hands.consume(meter, units)
            await hands.do("commit")
    async with hands.scope(acme):
        assert (2, 4) == (await hands.used(), await hands.used("pages"))
    async with hands.scope(bolt):
        assert (3, 0) == (await hands.used(), await hands.used("pages"))


async def test_a_meter_that_the_plan_does_not_name_is_not_limited(hands, acme):
    """A meter without a limit is counted all the same."""
    async with hands.scope(acme):
        assert 1_000_000 == await hands.consume("pages", 1_000_000)


async def test_a_meter_that_nobody_named_is_refused(hands, acme):
    """A misspelt meter does not pass for one without a limit."""
    async with hands.scope(acme):
        with pytest.raises(ConfigurationError, match="no meter 'documnets'; known are documents, pages"):
            await hands.consume("documnets")


@pytest.mark.parametrize("units", [0, -1, 1.0, True, "1", None], ids=repr)
async def test_units_are_whole_numbers(hands, acme, units):
    """Nothing but whole numbers from 1 up is counted: a negative one would give units back."""
    async with hands.scope(acme):
        with pytest.raises(ConfigurationError, match="whole numbers from 1 up"):
            await hands.consume(units=units)
        assert 0 == await hands.used()


async def test_a_plan_that_does_not_exist_is_refused(hands, kit):
    """A tenant of an unknown plan is not served without a limit."""
    tenant = sign_up(kit, "acme")
    kit.quotas.store.plans = Plans(Plan("team", {"documents": LIMIT}))
    async with hands.scope(tenant):
        with pytest.raises(ConfigurationError, match="no plan 'trial'; known are team"):
            await hands.consume()


def test_before_the_first_use_there_is_no_counter(kit, acme):
    """The store tells "never used" from "used nothing"; the kit says 0."""
    with kit.scope(acme):
        assert (None, 0) == (kit.quotas.store.used(kit.session(), "documents"), kit.quotas.used("documents"))
        counters = kit.quotas.store.tables.counters
        assert [] == kit.session().execute(select(counters)).all()
