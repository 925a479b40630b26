"""Share links: access to one resource for whoever holds one."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tenantkit import Actor, current, new_id
from tenantkit.core.opaque import make_opaque
from tenantkit.core.scope import RequestFacts, current_or_none
from tenantkit.core.tenant import EntryRules
from tenantkit.exceptions import (
    AddressRefused,
    InvalidValue,
    LinkInvalid,
    PermissionDenied,
    TenantSuspended,
    UnderMaintenance,
)
from tests.integration.office import Document, make_kit, settled, sign_up
from tests.unit.clocks import FixedClock

DAY = 86_400
RESOURCE = "document:42"


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock()


@pytest.fixture
def kit(database, clock):
    """Give the kit of one process."""
    kit = make_kit(database, clock=clock)
    yield kit
    kit.dispose()


@pytest.fixture
def acme(kit):
    """Give a tenant with a writer and a reader."""
    return sign_up(kit, "acme")


def share(kit, tenant, **options):
    """Make a link to a resource of a tenant, committed."""
    with kit.scope(tenant, actor=Actor("ann")):
        made = kit.share_links.create(RESOURCE, "viewer", **options)
        kit.session().commit()
    return made


def open_link(kit, text):
    """Open a link and return it."""
    with kit.share_links.opened(text) as (_, link):
        return link


def refused(kit, text):
    """Say whether a link is refused."""
    with pytest.raises(LinkInvalid) as caught:
        open_link(kit, text)
    return 404 == caught.value.status


def test_whoever_holds_a_link_is_in_its_tenant(kit, acme):
    """In the scope of the tenant, as the link, without roles and for no permission; afterwards in none."""
    sign_up(kit, "bolt")
    made = share(kit, acme, email="bob@example.com")
    with kit.share_links.opened(made.text) as (scope, link):
        assert scope is current()
        assert (acme, Actor(str(link.id), kind="link"), frozenset(), frozenset()) == (
            scope.tenant,
            scope.actor,
            scope.roles,
            scope.limits,
        )
        assert not any(kit.access.authorizer.check(scope, name) for name in kit.roles.permissions)
        assert [] == kit.session().scalars(select(Document)).all()
    assert (RESOURCE, "viewer", "bob@example.com", "ann", 1) == (
        link.resource,
        link.level,
        link.email,
        link.shared_by,
        link.uses,
    )
    assert current_or_none() is None


def test_a_link_expires(kit, acme, clock):
    """After 30 days if nothing else is said, or after 1 to 90; at that second it is refused."""
    for days, options in ((30, {}), (1, {"days": 1}), (90, {"days": 90})):
        made = share(kit, acme, **options)
        assert made.link.created_at + timedelta(days=days) == made.link.expires_at
        clock.move(days * DAY - 1)
        assert open_link(kit, made.text)
        clock.move(1)
        assert refused(kit, made.text)


def test_a_link_has_so_many_uses(kit, acme):
    """When they are used up it is refused; one without a limit is counted."""
    made, open_made = share(kit, acme, max_uses=2), share(kit, acme)
    assert [1, 2] == [open_link(kit, made.text).uses for _ in range(2)]
    assert refused(kit, made.text)
    assert [1, 2, 3] == [open_link(kit, open_made.text).uses for _ in range(3)]


def test_no_more_come_in_than_may(kit, acme):
    """Of 16 at once with a link of 5 uses, 5 are let in."""
    made, barrier, let_in = share(kit, acme, max_uses=5), threading.Barrier(16), []

    def come():
        barrier.wait()
        try:
            let_in.append(open_link(kit, made.text))
        except LinkInvalid:
            let_in.append(None)

    threads = [threading.Thread(target=come) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [1, 2, 3, 4, 5] == sorted(link.uses for link in let_in if link)
    assert 16 == len(let_in)


def test_revoking(kit, acme):
    """A link that was revoked is refused and no more listed; another tenant's is none here."""
    made, stays = share(kit, acme), share(kit, acme)
    with kit.scope(sign_up(kit, "bolt")):
        assert not kit.share_links.revoke(made.link.id)
        assert [] == kit.share_links.list_of()
    with kit.scope("acme"):
        assert [True, False] == [kit.share_links.revoke(made.link.id) for _ in range(2)]
        assert not kit.share_links.revoke(new_id())
        kit.session().commit()
        assert [stays.link.id] == [link.id for link in kit.share_links.list_of()]
        assert [] == kit.share_links.list_of("document:43")
        assert [stays.link.id] == [link.id for link in kit.share_links.list_of(RESOURCE)]
    assert refused(kit, made.text)


def test_each_use_is_recorded(kit, acme):
    """The trail says who made it, and from where it was opened; the text is in no event."""
    made = share(kit, acme)
    with kit.share_links.opened(made.text, request=RequestFacts("r-1", "192.0.2.7")):
        pass
    with kit.scope("acme"):
        events = kit.audit.latest()
    assert ["share_link.opened", "share_link.created"] == [event.action for event in events]
    assert ("link", "192.0.2.7", "r-1") == (
        events[0].actor_kind,
        events[0].details["client"],
        events[0].request_id,
    )
    assert made.text not in repr(events)


def test_what_is_no_link(kit, acme):
    """A text that is none, a link that nobody made, and another kind of token are refused alike."""
    for text in ("", "tks_", make_opaque("tks"), make_opaque("tka"), "\ud800", share(kit, acme).text[:-1]):
        assert refused(kit, text)


def test_a_suspended_tenants_link(kit, acme):
    """It is refused, and not counted."""
    made = share(kit, acme, max_uses=1)
    for active in (False, True):
        with kit.unscoped_session(reason="bill", actor="test") as session:
            kit.directory.change_status(session, acme, "active" if active else "suspended")
            session.commit()
        if active:
            assert open_link(kit, made.text)
        else:
            with pytest.raises(TenantSuspended):
                open_link(kit, made.text)


def test_a_link_is_let_in_from_where_anybody_is(kit, acme):
    """Maintenance and the lists of addresses hold for who has no account, too; such a use is not counted."""
    for entry, error in (
        (EntryRules(maintenance="Back at noon."), UnderMaintenance),
        (EntryRules(allow=("10.0.0.0/8",)), AddressRefused),
    ):
        made = share(kit, acme, max_uses=1)
        for rules in (entry, EntryRules()):
            with kit.unscoped_session(reason="change", actor="test") as session:
                kit.directory.change_tenant(session, acme, entry=rules)
                session.commit()
            if rules is entry:
                with pytest.raises(error):
                    open_link(kit, made.text)
            else:
                assert 1 == open_link(kit, made.text).uses


def test_no_link_is_kept(kit, acme):
    """The table holds the digest."""
    made = share(kit, acme)
    with Session(kit.owner_engine) as session:
        kept = repr(session.execute(select(kit.share_links.store.tables.share_links)).all())
    assert made.text not in kept + repr(made)


def test_pruning(kit, acme, clock):
    """Expired links are deleted, at most so many at once; others stay."""
    for _ in range(3):
        share(kit, acme, days=1)
    stays = share(kit, acme, days=90)
    clock.move(DAY + 1)
    with Session(kit.owner_engine) as session:
        assert [2, 1, 0] == [kit.share_links.store.prune(session, limit=2) for _ in range(3)]
        session.commit()
        assert 1 == session.scalar(select(func.count()).select_from(kit.share_links.store.tables.share_links))
    assert open_link(kit, stays.text)


WRONG = {
    "0 days": {"days": 0},
    "91 days": {"days": 91},
    "half a day": {"days": 0.5},
    "truth": {"days": True},
    "no uses": {"max_uses": 0},
    "endless uses": {"max_uses": 2**70},
    "half a character": {"email": "\ud800"},
    "no address": {"email": ""},
    "an endless address": {"email": "x" * 321},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_links_that_cannot_be_made(kit, acme, options):
    """The error says which value and why, with 422; nothing is kept."""
    with kit.scope("acme"), pytest.raises(InvalidValue) as caught:
        kit.share_links.create(RESOURCE, "viewer", **options)
    assert (422, next(iter(options))) == (caught.value.status, caught.value.field)


@pytest.mark.anyio
async def test_the_twins(kit, acme):
    """The twins do the same on the async session, and enter the same scope."""
    async with kit.ascope(acme, actor=Actor("ann")):
        made = await kit.share_links.acreate(RESOURCE, "viewer")
        await settled(kit.async_session().commit())
    async with kit.share_links.aopened(made.text) as (scope, link):
        assert (acme, made.link.id) == (scope.tenant, link.id)
        assert [link.id] == [one.id for one in await kit.share_links.alist_of(RESOURCE)]
        assert await kit.share_links.arevoke(link.id)
    await kit.adispose()


def test_a_link_makes_no_key(kit, acme):
    """Whoever holds a link is good for nothing, and so is a key that they would make."""
    with kit.share_links.opened(share(kit, acme).text), pytest.raises(PermissionDenied):
        kit.api_keys.create("mine", lifetime=60, roles=["reader"])
