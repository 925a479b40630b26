"""Tenants and their people, on real databases."""

from uuid import UUID

import pytest
from sqlalchemy import select

from tenantkit import Tenant, TenantKit, new_id
from tenantkit.directory import Membership
from tenantkit.exceptions import AlreadyTaken, ConfigurationError, InvalidValue
from tests.integration.office import Base, central_events, make_kit, sign_up
from tests.unit.clocks import NOON, FixedClock


@pytest.fixture
def anywhere(kit):
    """Give a session over all tenants."""
    with kit.unscoped_session(reason="look at the directory", actor="test") as session:
        yield session


def test_a_tenant_is_found_by_slug_and_by_id(kit, anywhere):
    """A tenant that was created is found with all that was said of it, and only by its own names."""
    made = kit.directory.create_tenant(anywhere, "acme", name="Acme & Söhne", plan="trial")
    expected = Tenant(made.id, "acme", "Acme & Söhne", "active", "trial")
    assert (
        expected
        == made
        == kit.directory.by_slug(anywhere, "acme")
        == kit.directory.by_id(anywhere, str(made.id))
    )
    assert 7 == made.id.version


def test_defaults(kit, anywhere):
    """A tenant is named by its slug and on the plan `default` unless something else is said."""
    made = kit.directory.create_tenant(anywhere, "acme")
    assert ("acme", "default", "active", None, {}) == (
        made.name,
        made.plan,
        made.status,
        made.region,
        made.settings,
    )


def test_the_clock_says_when_it_was_created(database):
    """The moment of creation is told by the clock that was passed in."""
    kit = make_kit(database, clock=FixedClock())
    with kit.unscoped_session(reason="create", actor="test") as session:
        kit.directory.create_tenant(session, "acme")
        assert NOON == session.scalar(select(kit.directory.tables.tenants.c.created_at))
    kit.dispose()


def test_the_id_may_be_given(kit, anywhere):
    """A host that has ids already gives its own."""
    tenant_id = UUID(int=42)
    assert tenant_id == kit.directory.create_tenant(anywhere, "acme", tenant_id=tenant_id).id
    assert "acme" == kit.directory.by_id(anywhere, str(tenant_id)).slug


def test_the_caller_commits(kit):
    """The directory commits nothing: left without a commit, a new tenant is not there."""
    with kit.unscoped_session(reason="create", actor="test") as session:
        kit.directory.create_tenant(session, "acme")
    with kit.unscoped_session(reason="look", actor="test") as session:
        assert kit.directory.by_slug(session, "acme") is None


@pytest.mark.parametrize(
    "slug", ["", "Acme", "acme\n", "a" * 10_240, "a.b"], ids=["empty", "upper", "LF", "10 kB", "dot"]
)
def test_what_cannot_be_a_slug(kit, anywhere, slug):
    """What is no DNS label is not created, is nobody's, and is not even asked for."""
    with pytest.raises(InvalidValue) as caught:
        kit.directory.create_tenant(anywhere, slug)
    assert 422 == caught.value.status
    assert kit.directory.by_slug(anywhere, slug) is None
    assert not anywhere.in_transaction()


def test_slugs_and_ids_are_unique(kit, anywhere):
    """A second tenant of the same slug or id is refused, and the transaction goes on."""
    made = kit.directory.create_tenant(anywhere, "acme")
    for slug, tenant_id, field in (("acme", new_id(), "slug"), ("bolt", made.id, "id")):
        with pytest.raises(AlreadyTaken) as caught:
            kit.directory.create_tenant(anywhere, slug, tenant_id=tenant_id)
        assert (409, field) == (caught.value.status, caught.value.field)
    assert "bolt" == kit.directory.create_tenant(anywhere, "bolt").slug


UNKNOWN = {
    "another": str(UUID(int=99)),
    "nil": str(UUID(int=0)),
    "empty": "",
    "text": "acme",
    "NUL": "\0",
    "cut": str(UUID(int=99))[:-1],
    "10 kB": "a" * 10_240,
    "10 kB of digits": "1" * 10_240,
    "SQL": "' OR 1=1 --",
    "Unicode": "\u0663" * 32,
}


@pytest.mark.parametrize("tenant_id", UNKNOWN.values(), ids=UNKNOWN)
def test_an_id_that_nobody_has_is_unknown(kit, acme, anywhere, tenant_id):
    """An id that no tenant has, or that is no id, is unknown; it raises nothing."""
    assert kit.directory.by_id(anywhere, tenant_id) is None


def test_a_suspended_tenant_is_found_as_such(kit, acme, anywhere):
    """Suspended tenants stay in the directory, and can be served again."""
    for active in (False, True):
        kit.directory.change_status(anywhere, acme, "active" if active else "suspended")
        assert active is kit.directory.by_slug(anywhere, "acme").active
        assert active is kit.directory.by_id(anywhere, str(acme.id)).active


def test_suspending_one_leaves_the_others(kit, acme, bolt, anywhere):
    """Suspending a tenant changes no other."""
    kit.directory.change_status(anywhere, acme, "suspended")
    assert kit.directory.by_slug(anywhere, "bolt").active


def test_memberships(kit, acme, bolt, anywhere):
    """A member of one tenant has its roles there, and none elsewhere."""
    made = kit.directory.add_member(anywhere, acme, "ann", ["writer", "reader", "writer"])
    assert Membership(acme.id, "ann", frozenset({"writer", "reader"})) == made
    assert made == kit.directory.membership(anywhere, acme, "ann")
    assert kit.directory.membership(anywhere, bolt, "ann") is None
    assert kit.directory.membership(anywhere, acme, "ANN") is None
    assert kit.directory.membership(anywhere, acme, "") is None


def test_a_member_has_a_role(kit, acme, anywhere):
    """Nobody is a member without a role; the message names user and tenant."""
    with pytest.raises(ConfigurationError, match="'ann' needs at least one role to be a member of 'acme'"):
        kit.directory.add_member(anywhere, acme, "ann", [])


@pytest.mark.parametrize(
    ("roles", "named"), [(["wrtier"], "wrtier"), ("writr", "writr"), (["reader", "w"], "w")]
)
def test_a_role_that_does_not_exist_is_refused(kit, acme, anywhere, roles, named):
    """A misspelt role is an error where it is given, not a refusal later; a text is one role, not its letters."""
    with pytest.raises(ConfigurationError, match=f"no role '{named}'; known are reader, writer"):
        kit.directory.add_member(anywhere, acme, "ann", roles)
    assert Membership(acme.id, "ann", frozenset({"writer"})) == kit.directory.add_member(
        anywhere, acme, "ann", "writer"
    )


def test_a_plan_that_does_not_exist_is_refused(kit, anywhere):
    """A tenant begins on a plan that there is."""
    with pytest.raises(ConfigurationError, match="no plan 'gold'; known are default, trial"):
        kit.directory.create_tenant(anywhere, "acme", plan="gold")


def test_without_roles_and_plans_any_name_will_do(database):
    """An application that has no matrix and no plans yet can sign up tenants and members."""
    made = make_kit(database)
    kit = TenantKit(made.settings, metadata=Base.metadata, resolve=made.resolve)
    with kit.unscoped_session(reason="sign up", actor="test") as session:
        tenant = kit.directory.create_tenant(session, "acme", plan="any")
        assert frozenset({"any"}) == kit.directory.add_member(session, tenant, "ann", ["any"]).roles
        session.rollback()
    kit.dispose()


def test_a_member_is_added_once(kit, acme, anywhere):
    """A second membership of the same user is refused, and the first one stays as it was."""
    kit.directory.add_member(anywhere, acme, "ann", ["reader"])
    with pytest.raises(AlreadyTaken):
        kit.directory.add_member(anywhere, acme, "ann", ["writer"])
    assert {"reader"} == kit.directory.membership(anywhere, acme, "ann").roles


def test_an_inactive_membership_is_none(kit, acme, anywhere):
    """A membership that is not active is no membership."""
    members = kit.directory.tables.memberships
    anywhere.execute(members.update().where(members.c.user_id == "writer").values(status="suspended"))
    assert kit.directory.membership(anywhere, acme, "writer") is None
    assert kit.directory.membership(anywhere, acme, "reader") is not None


def test_a_scope_sees_its_own_tenant_and_members_only(kit, acme, bolt):
    """Within a scope the tables of the directory show one tenant."""
    tables = kit.directory.tables
    with kit.scope(acme):
        session = kit.session()
        assert ["acme"] == list(session.scalars(select(tables.tenants.c.slug)))
        assert {acme.id} == set(session.scalars(select(tables.memberships.c.tenant_id)))
        assert kit.directory.by_slug(session, "bolt") is None
        assert kit.directory.by_id(session, str(bolt.id)) is None


def test_signing_up_is_in_the_central_trail(kit):
    """The session that signs a tenant up is recorded with its reason."""
    sign_up(kit, "acme")
    assert [{"reason": "sign up acme"}] == [
        event.details for event in central_events(kit, "session.unscoped")
    ]


def test_a_tenant_keeps_the_type_of_ids(kit, anywhere):
    """A tenant whose id has another type than the application's is refused as a wrong configuration."""
    for tenant_id in (7, "seven"):
        with pytest.raises(ConfigurationError), anywhere.begin_nested():
            kit.directory.create_tenant(anywhere, "acme", tenant_id=tenant_id)
