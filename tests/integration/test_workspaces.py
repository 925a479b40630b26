"""Parts of tenants."""

import pytest

from tenantkit import new_id
from tenantkit.exceptions import AlreadyTaken, InvalidValue
from tests.integration.office import sign_up


@pytest.fixture
def acme(kit):
    """Give a tenant."""
    return sign_up(kit, "acme")


@pytest.fixture
def bolt(kit):
    """Give another one."""
    return sign_up(kit, "bolt")


@pytest.fixture
def session(kit, acme, bolt):
    """Give a session in acme's scope."""
    with kit.scope(acme):
        yield kit.session()


def test_a_workspace_has_a_slug_in_its_tenant(kit, acme, bolt, session):
    """Made of the name, or given; another tenant may have the same."""
    names = [kit.workspaces.create(session, acme, name) for name in ("Research", "RESEARCH", "東京")]
    assert ["research", "research-2", "workspace"] == [workspace.slug for workspace in names]
    given = kit.workspaces.create(session, acme, "Sales", slug="vertrieb")
    assert given == kit.workspaces.by_slug(session, acme, "vertrieb")
    with pytest.raises(AlreadyTaken):
        kit.workspaces.create(session, acme, "Sales", slug="vertrieb")
    session.commit()
    with kit.scope(bolt):
        assert "research" == kit.workspaces.create(kit.session(), bolt, "Research").slug


def test_archiving(kit, acme, session):
    """An archived workspace is listed on demand, is not open, and can be restored."""
    made = kit.workspaces.create(session, acme, "Research")
    assert kit.workspaces.is_open(session, acme, made.id)
    archived = kit.workspaces.archive(session, acme, made)
    assert archived.archived_at is not None
    assert [] == kit.workspaces.list_of(session, acme)
    assert [archived] == kit.workspaces.list_of(session, acme, with_archived=True)
    assert not kit.workspaces.is_open(session, acme, made.id)
    assert made == kit.workspaces.restore(session, acme, archived)
    assert [made] == kit.workspaces.list_of(session, acme)


def test_renaming(kit, acme, session):
    """The name changes, the slug stays."""
    made = kit.workspaces.create(session, acme, "Research")
    renamed = kit.workspaces.rename(session, acme, made, "Development")
    assert ("research", "Development") == (renamed.slug, renamed.name)
    assert renamed == kit.workspaces.by_slug(session, acme, "research")


def test_another_tenants_workspace_is_none(kit, acme, bolt, session):
    """It is not found, not changed, not open; nor is one that nobody has."""
    made = kit.workspaces.create(session, acme, "Research")
    session.commit()
    with kit.scope(bolt):
        theirs = kit.session()
        assert kit.workspaces.by_slug(theirs, acme, "research") is None
        assert not kit.workspaces.is_open(theirs, bolt, made.id)
        assert not kit.workspaces.is_open(theirs, bolt, new_id())
        for attempt in (
            lambda: kit.workspaces.archive(theirs, bolt, made),
            lambda: kit.workspaces.rename(theirs, acme, made, "Stolen"),
        ):
            with pytest.raises(InvalidValue):
                attempt()
    assert made == kit.workspaces.by_slug(session, acme, "research")


def test_each_step_is_told(kit, acme, session):
    """In the tenant's trail."""
    made = kit.workspaces.create(session, acme, "Research")
    kit.workspaces.archive(session, acme, kit.workspaces.rename(session, acme, made, "Development"))
    kit.workspaces.restore(session, acme, made)
    actions = ["workspace.restored", "workspace.archived", "workspace.renamed", "workspace.created"]
    assert actions == [event.action for event in kit.audit.latest()]


@pytest.mark.parametrize(
    ("name", "slug", "field"),
    [("", None, "name"), ("x" * 201, None, "name"), ("a\0", None, "name"), ("x", "A B", "slug")],
)
def test_wrong_values_are_refused(kit, acme, session, name, slug, field):
    """With 422, and which value it was."""
    with pytest.raises(InvalidValue) as caught:
        kit.workspaces.create(session, acme, name, slug=slug)
    assert field == caught.value.field
    made = kit.workspaces.create(session, acme, "Research")
    if slug is None:
        with pytest.raises(InvalidValue):
            kit.workspaces.rename(session, acme, made, name)
    assert kit.workspaces.by_slug(session, acme, "A B") is None
