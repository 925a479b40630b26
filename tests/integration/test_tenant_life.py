"""A tenant from its creation to its end."""

import threading
from itertools import pairwise

import pytest

from tenantkit.core.scope import RequestFacts
from tenantkit.core.tenant import TENANT_STATUSES, EntryRules
from tenantkit.directory import TRANSITIONS
from tenantkit.exceptions import (
    AlreadyTaken,
    ConfigurationError,
    InvalidValue,
    StatusRefused,
    TenantClosed,
    TenantProvisioning,
    TenantSuspended,
    UnknownTenant,
)
from tenantkit.kit import RequestCredentials
from tests.integration.office import make_kit, sign_up

PATHS = {  # how a tenant comes to each status from the one that it begins with
    "provisioning": ("provisioning",),
    "active": ("active",),
    "suspended": ("active", "suspended"),
    "offboarding": ("active", "offboarding"),
    "grace": ("active", "offboarding", "grace"),
    "purging": ("active", "offboarding", "grace", "purging"),
    "purged": ("active", "offboarding", "grace", "purging", "purged"),
}
ANSWERS = {
    "provisioning": (TenantProvisioning, 503),
    "suspended": (TenantSuspended, 403),
    "offboarding": (TenantClosed, 403),
    "grace": (TenantClosed, 403),
    "purging": (UnknownTenant, 404),
    "purged": (UnknownTenant, 404),
}


@pytest.fixture
def anywhere(kit):
    """Give a session over all tenants."""
    with kit.unscoped_session(reason="look at the directory", actor="test") as session:
        yield session


def brought_to(kit, session, status):
    """Create a tenant and bring it to a status."""
    first, *steps = PATHS[status]
    tenant = kit.directory.create_tenant(session, "carl", status=first)
    for step in steps:
        tenant = kit.directory.change_status(session, tenant, step)
    return tenant


def told(kit, tenant):
    """Return what a tenant's trail says, oldest first, as a session over all tenants sees it."""
    with kit.unscoped_session(reason="look", actor="test") as session:
        found = kit.audit.trail.latest(session)
        events = kit.audit.trail.tables.events
        ids = {row.id for row in session.execute(events.select().where(events.c.tenant_id == tenant.id))}
    return [event for event in reversed(found) if event.id in ids]


# status -------------------------------------------------------------------------------------------------------


def test_every_status_is_tried_here():
    """The paths and answers of this file cover all statuses there are."""
    assert set(TENANT_STATUSES) == set(PATHS) == set(TRANSITIONS) == {"active", *ANSWERS}


@pytest.mark.parametrize("status", TENANT_STATUSES)
def test_the_steps_from_a_status(kit, anywhere, status):
    """From each status a tenant takes the steps that there are, stays where it is, and takes no other."""
    for step in TENANT_STATUSES:
        tenant = brought_to(kit, savepoint := anywhere, status)
        if step == status or step in TRANSITIONS[status]:
            assert step == kit.directory.change_status(savepoint, tenant, step).status
            assert step == kit.directory.by_slug(savepoint, "carl").status
        else:
            with pytest.raises(StatusRefused) as caught:
                kit.directory.change_status(savepoint, tenant, step)
            assert 409 == caught.value.status
            assert status == kit.directory.by_slug(savepoint, "carl").status
        anywhere.rollback()


@pytest.mark.parametrize("status", ANSWERS)
def test_what_is_not_served_says_why(kit, status):
    """A request, a script and a command are refused alike, each status with its own answer."""
    with kit.unscoped_session(reason="set up", actor="test") as session:
        tenant = brought_to(kit, session, status)
        kit.directory.add_member(session, tenant, "writer", ["writer"])
        session.commit()
    error, code = ANSWERS[status]
    with pytest.raises(error) as caught:
        kit.identify(RequestCredentials(None, kit.tokens.issue("writer", tenant), RequestFacts()))
    assert code == caught.value.status
    with pytest.raises(error), kit.scope("carl"):
        pass


def test_a_tenant_begins_as_one_that_it_can_be(kit, anywhere):
    """It is active, or is being made ready."""
    with pytest.raises(StatusRefused):
        kit.directory.create_tenant(anywhere, "carl", status="grace")


def test_each_step_is_told(kit):
    """The trail of the tenant says who took it from where to where, and why."""
    with kit.unscoped_session(reason="set up", actor="billing") as session:
        tenant = brought_to(kit, session, "active")
        kit.directory.change_status(session, tenant, "suspended", reason="unpaid")
        kit.directory.change_status(session, tenant, "suspended", reason="again")
        session.commit()
    created, suspended = told(kit, tenant)
    assert ("tenant.created", "billing", "carl") == (created.action, created.actor, created.details["slug"])
    assert ("tenant.suspended", "billing") == (suspended.action, suspended.actor)
    assert {"from": "active", "to": "suspended", "reason": "unpaid"} == suspended.details


def test_a_step_that_was_not_committed_is_not_told(kit):
    """Step and event are kept together, or neither is."""
    tenant = sign_up(kit, "acme")
    with kit.unscoped_session(reason="try", actor="test") as session:
        kit.directory.change_status(session, tenant, "suspended")
    assert [] == told(kit, tenant)
    with kit.scope("acme"):
        pass


def test_a_step_from_where_a_tenant_is_no_more(kit, anywhere):
    """What counts is the status in the database: who looked earlier takes the step from there, or none."""
    seen = kit.directory.create_tenant(anywhere, "carl")
    kit.directory.change_status(anywhere, seen, "offboarding")
    with pytest.raises(StatusRefused, match="is offboarding"):
        kit.directory.change_status(anywhere, seen, "suspended")
    assert "active" == kit.directory.change_status(anywhere, seen, "active").status


def test_of_two_steps_at_once_one_is_taken(kit):
    """Two that look at once and go different ways: one step is in the trail, the other one is refused or follows."""
    tenant = sign_up(kit, "acme")
    barrier, outcomes = threading.Barrier(2), []

    def step(to):
        with kit.unscoped_session(reason=to, actor="test") as session:
            barrier.wait()
            try:
                outcomes.append(kit.directory.change_status(session, tenant, to).status)
                session.commit()
            except StatusRefused:
                outcomes.append("refused")

    threads = [threading.Thread(target=step, args=[to]) for to in ("suspended", "offboarding")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    steps = [(event.details["from"], event.details["to"]) for event in told(kit, tenant)]
    assert steps[0][0] == "active"
    assert len(steps) == sum(outcome != "refused" for outcome in outcomes)
    assert all(before[1] == after[0] for before, after in pairwise(steps))


# slugs --------------------------------------------------------------------------------------------------------


def test_a_slug_is_made_of_the_name(kit, anywhere):
    """With a number behind it where it is taken or reserved."""
    made = [
        kit.directory.create_tenant(anywhere, name=name)
        for name in ("Acme Söhne", "ACME sohne", "API", "東京", "!")
    ]
    assert ["acme-sohne", "acme-sohne-2", "api-2", "tenant", "tenant-2"] == [tenant.slug for tenant in made]
    assert "ACME sohne" == kit.directory.by_slug(anywhere, "acme-sohne-2").name


def test_many_of_one_name_at_once(kit):
    """Each gets a slug of its own."""
    barrier, slugs = threading.Barrier(6), []

    def create():
        with kit.unscoped_session(reason="sign up", actor="test") as session:
            barrier.wait()
            slugs.append(kit.directory.create_tenant(session, name="Acme").slug)
            session.commit()

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["acme", *(f"acme-{number}" for number in range(2, 7))] == sorted(slugs)


@pytest.mark.parametrize("slug", ["www", "api"])
def test_reserved_slugs(kit, anywhere, slug):
    """A slug that is a host of the application's own is nobody's."""
    with pytest.raises(InvalidValue) as caught:
        kit.directory.create_tenant(anywhere, slug)
    assert "slug" == caught.value.field
    tenant = kit.directory.create_tenant(anywhere, "acme")
    with pytest.raises(InvalidValue):
        kit.directory.rename(anywhere, tenant, slug=slug)


def test_names(kit, anywhere):
    """A tenant has a name of up to 200 characters, or a slug that stands for it."""
    for name in ("", "x" * 201, "a\0", "\ud800"):
        with pytest.raises(InvalidValue):
            kit.directory.create_tenant(anywhere, name=name)


def test_old_slugs_lead_to_the_tenant(kit, anywhere):
    """A tenant that was renamed is found by all slugs that it had, and has the new one."""
    tenant = kit.directory.create_tenant(anywhere, "acme")
    renamed = kit.directory.rename(anywhere, tenant, name="Bolt", slug="bolt")
    assert ("bolt", "Bolt") == (renamed.slug, renamed.name)
    assert renamed == kit.directory.by_slug(anywhere, "acme") == kit.directory.by_slug(anywhere, "bolt")
    again = kit.directory.rename(anywhere, renamed, slug="acme")
    assert again == kit.directory.by_slug(anywhere, "bolt")
    assert "acme" == again.slug


def test_old_slugs_are_nobody_elses(kit, anywhere):
    """Nobody takes over the links to a tenant by taking the slug that it had."""
    tenant = kit.directory.create_tenant(anywhere, "acme")
    kit.directory.rename(anywhere, tenant, slug="bolt")
    other = kit.directory.create_tenant(anywhere, "carl")
    for attempt in (
        lambda: kit.directory.create_tenant(anywhere, "acme"),
        lambda: kit.directory.rename(anywhere, other, slug="acme"),
        lambda: kit.directory.rename(anywhere, other, slug="bolt"),
    ):
        with pytest.raises(AlreadyTaken):
            attempt()
    assert "acme-2" == kit.directory.create_tenant(anywhere, name="Acme").slug
    assert "carl" == kit.directory.by_slug(anywhere, "carl").slug


def test_renaming_is_told(kit):
    """With both names."""
    tenant = sign_up(kit, "acme")
    with kit.unscoped_session(reason="rename", actor="test") as session:
        kit.directory.rename(session, tenant, slug="bolt")
        session.commit()
    (event,) = told(kit, tenant)
    assert ("tenant.renamed", "acme", "bolt") == (
        event.action,
        event.details["from"]["slug"],
        event.details["to"]["slug"],
    )


def test_strict_slugs(database):
    """Where the slug has to be the name's, no other is accepted, a name that is taken is refused, and it follows."""
    kit = make_kit(database, strict_slugs=True)
    with kit.unscoped_session(reason="try", actor="test") as session:
        create = kit.directory.create_tenant
        tenant = create(session, name="Acme Tours")
        assert ["acme-tours", "bolt"] == [tenant.slug, create(session, "bolt", name="Bolt").slug]
        for slug, name, error in (
            ("acme", "Acme GmbH", InvalidValue),
            (None, "ACME tours", AlreadyTaken),
            (None, "東京", InvalidValue),
        ):
            with pytest.raises(error):
                create(session, slug, name=name)
        assert "acme-travel" == kit.directory.rename(session, tenant, name="Acme Travel").slug
        with pytest.raises(InvalidValue):
            kit.directory.rename(session, tenant, slug="other")
    kit.dispose()


# what else a tenant has ---------------------------------------------------------------------------------------


def test_what_else_a_tenant_has(kit, anywhere):
    """Region, settings and entry rules are kept and found; what is changed is changed, and nothing else."""
    entry = EntryRules(guests=True, second_factor=True, allow=("192.0.2.0/24",), deny=("192.0.2.9",))
    made = kit.directory.create_tenant(
        anywhere, "acme", region="eu", settings={"theme": {"dark": True}}, entry=entry
    )
    assert made == kit.directory.by_slug(anywhere, "acme")
    assert (entry, "eu", {"theme": {"dark": True}}) == (made.entry, made.region, made.settings)
    changed = kit.directory.change_tenant(anywhere, made, plan="trial", settings={}, entry=EntryRules())
    assert ("trial", "eu", {}, EntryRules()) == (
        changed.plan,
        changed.region,
        changed.settings,
        changed.entry,
    )
    assert changed == kit.directory.by_slug(anywhere, "acme")


def test_settings_are_in_no_event(kit):
    """They may hold secrets; the trail says that they were changed."""
    tenant = sign_up(kit, "acme")
    with kit.unscoped_session(reason="change", actor="test") as session:
        kit.directory.change_tenant(session, tenant, settings={"key": "hunter2"}, region="eu")
        session.commit()
    (event,) = told(kit, tenant)
    assert {"changed": ["region", "settings"], "region": "eu"} == event.details


def test_wrong_values_are_refused(kit, anywhere):
    """A plan that is none, and a network that is none."""
    tenant = kit.directory.create_tenant(anywhere, "acme")
    with pytest.raises(ConfigurationError, match="no plan"):
        kit.directory.change_tenant(anywhere, tenant, plan="gold")
    for wrong in (
        lambda: kit.directory.change_tenant(anywhere, tenant, entry=EntryRules(allow=("office",))),
        lambda: kit.directory.create_tenant(anywhere, "bolt", entry=EntryRules(deny=("192.0.2.1/8",))),
    ):
        with pytest.raises(InvalidValue):
            wrong()


# pages --------------------------------------------------------------------------------------------------------


def test_pages_of_tenants(kit, anywhere):
    """By slug, each once, of one status or all; the last page says that it is the last."""
    slugs = [f"t{number}" for number in range(7)]
    for slug in slugs:
        kit.directory.create_tenant(anywhere, slug)
    kit.directory.change_status(anywhere, kit.directory.by_slug(anywhere, "t3"), "suspended")
    found, after = [], None
    while True:
        page = kit.directory.tenants(anywhere, after=after, limit=3)
        found += [tenant.slug for tenant in page.items]
        if (after := page.after) is None:
            break
    assert slugs == found
    assert ["t3"] == [one.slug for one in kit.directory.tenants(anywhere, status="suspended").items]
    assert [] == kit.directory.tenants(anywhere, after="t6").items


def test_a_scope_sees_one_tenant(kit):
    """Within a scope the list has its own."""
    acme = sign_up(kit, "acme")
    sign_up(kit, "bolt")
    with kit.scope("acme"):
        assert [acme] == kit.directory.tenants(kit.session()).items
