"""One transaction for Django's ORM and the kit."""

from contextlib import suppress
from uuid import uuid4

import pytest
from django.apps import AppConfig
from django.db import connection, connections, transaction
from django.db.models.signals import post_migrate
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import registry

import tests
from tenantkit.adapters.django import tenancy
from tenantkit.core.scope import RequestFacts
from tenantkit.exceptions import ConfigurationError, ForeignTenant, ScopeRequired
from tenantkit.kit import RequestCredentials
from tests.adapters.django.shop.models import Document, Person, Tag
from tests.adapters.django.world import ACME, BOLT


@pytest.fixture
def kit(shop):
    """Give the kit of the project, with two tenants in its directory."""
    with tenancy.kit.unscoped_session(reason="set up", actor="test") as session:
        for side in (ACME, BOLT):
            tenancy.kit.directory.create_tenant(session, side.slug, tenant_id=side.tenant.id)
        session.commit()
    return tenancy.kit


def events(kit, tenant="acme"):
    """What the trail holds, as a connection of its own sees it."""
    with kit.scope(tenant) as scope, transaction.atomic():
        found = [event.action for event in reversed(kit.audit.trail.latest(kit.session()))] if scope else []
    return [action for action in found if action != "tenant.created"]


def labels():
    """The labels of new tags, as the owner sees them."""
    owner = connections["owner"]
    with owner.tenancy.unscoped():
        return list(
            Tag.objects.using("owner").filter(pk__gte=10_000).order_by("pk").values_list("label", flat=True)
        )


def test_both_are_committed(kit):
    """What the ORM and the kit write is there after atomic()."""
    with kit.scope("acme"), transaction.atomic():
        Tag.objects.create(label="new")
        kit.audit.record("tag.created")
    assert (["new"], ["tag.created"]) == (labels(), events(kit))


def test_the_order_of_blocks_does_not_matter(kit):
    """A scope within atomic() ends before it, and what was written in it stays."""
    with transaction.atomic(), kit.scope("acme"):
        kit.audit.record("tag.created")
        Tag.objects.create(label="new")
    assert (["new"], ["tag.created"]) == (labels(), events(kit))


def test_both_are_rolled_back(kit):
    """An error takes both away."""
    with pytest.raises(ZeroDivisionError), kit.scope("acme"), transaction.atomic():
        Tag.objects.create(label="new")
        kit.audit.record("tag.created")
        raise ZeroDivisionError
    assert ([], []) == (labels(), events(kit))


def test_each_sees_what_the_other_wrote(kit):
    """They work on one connection."""
    mirror = {table.name: table for table in kit.all_metadata[-1].tables.values()}
    with kit.scope("acme"), transaction.atomic():
        Tag.objects.create(label="new")
        rows = kit.session().execute(mirror["shop_tag"].select()).mappings().all()
        assert "new" in [row["label"] for row in rows]
        assert {ACME.tenant.id} == {row["tenant_id"] for row in rows}


def test_what_the_session_holds_back_is_written(kit):
    """A session that was not flushed is, before Django commits."""
    with kit.scope("acme"), transaction.atomic():
        events_ = kit.audit.trail.tables.events
        session = kit.session()
        session.execute(events_.select())
        kit.audit.record("tag.created")
        session.commit()
        kit.audit.record("tag.renamed")
    assert ["tag.created", "tag.renamed"] == events(kit)


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
def test_the_functions_of_django_stay(kit):
    """SQLAlchemy's `regexp` does not take the place of Django's, which knows numbers, on Django's connection."""
    with kit.scope("acme"), transaction.atomic():
        kit.session().execute(kit.audit.trail.tables.events.select())
        driver = connections["default"].connection
        assert (1,) == tuple(driver.execute("SELECT 12 REGEXP '2'").fetchone())


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
def test_a_result_that_nobody_read_holds_nothing_up(kit):
    """Django may write after the transaction, even where another connection did so, though the result is still held."""
    with kit.scope("acme"), transaction.atomic():
        result = kit.session().execute(kit.directory.tables.tenants.select())
    with kit.unscoped_session(reason="another connection", actor="test") as session:
        session.commit()
    with kit.scope("acme"), transaction.atomic():
        Tag.objects.create(label="new")
    assert ["new"] == labels()
    with pytest.raises(ProgrammingError, match="closed cursor"):
        result.all()


def test_a_savepoint_takes_both_away(kit):
    """A nested atomic() that fails takes away what the kit wrote in it, and nothing from before."""
    with kit.scope("acme"), transaction.atomic():
        kit.audit.record("first")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Tag.objects.create(label="new")
            kit.audit.record("second")
            raise ZeroDivisionError
        kit.audit.record("third")
    assert ([], ["first", "third"]) == (labels(), events(kit))


def test_a_session_that_begins_in_a_savepoint(kit):
    """It may go on after the savepoint was rolled back or released."""
    with kit.scope("acme"), transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            kit.audit.record("lost")
            raise ZeroDivisionError
        with transaction.atomic():
            kit.audit.record("kept")
        kit.audit.record("after")
    assert ["kept", "after"] == events(kit)


def test_savepoints_within_savepoints(kit):
    """The inner one's loss is not the outer one's."""
    with kit.scope("acme"), transaction.atomic():
        kit.audit.record("1")
        with transaction.atomic():
            kit.audit.record("2")
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                kit.audit.record("3")
                raise ZeroDivisionError
            kit.audit.record("4")
    assert ["1", "2", "4"] == events(kit)


def test_two_transactions_in_one_scope(kit):
    """Each ends for itself."""
    with kit.scope("acme"):
        with transaction.atomic():
            kit.audit.record("first")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            kit.audit.record("second")
            raise ZeroDivisionError
        with transaction.atomic():
            kit.audit.record("third")
    assert ["first", "third"] == events(kit)


def test_outside_of_a_transaction(kit):
    """The kit's session is refused where nothing would commit it."""
    with pytest.raises(ConfigurationError, match="atomic"), kit.scope("acme"):
        kit.audit.record("tag.created")
    assert [] == events(kit)


def test_on_commit(kit):
    """What is to happen after the commit finds it done, and nothing happens after a rollback."""
    seen = []
    with kit.scope("acme"), transaction.atomic():
        kit.audit.record("tag.created")
        transaction.on_commit(lambda: seen.append(events(kit)))
        assert [] == seen
    with pytest.raises(ZeroDivisionError), kit.scope("acme"), transaction.atomic():
        transaction.on_commit(lambda: seen.append("never"))
        raise ZeroDivisionError
    assert [["tag.created"]] == seen


def test_the_quota_is_counted_with_the_row(kit):
    """A row that is rolled back was not counted."""
    for fails in (False, True):
        with pytest.raises(ZeroDivisionError) if fails else transaction.atomic(), kit.scope("acme"):
            with transaction.atomic():
                Tag.objects.create(label=f"{fails}")
                kit.quotas.consume("tags")
                if fails:
                    raise ZeroDivisionError
    with kit.scope("acme"), transaction.atomic():
        assert (["False"], 1) == (labels(), kit.quotas.used("tags"))


def test_statements_are_counted(kit):
    """Django's log of queries, by which assertNumQueries counts, holds the kit's statements, too."""
    with kit.scope("acme"), transaction.atomic(), CaptureQueriesContext(connection) as told:
        Person.objects.count()
        kit.audit.record("tag.created")
    assert ["shop_person", "tenantkit_audit_event"] == [
        next(table for table in ("shop_person", "tenantkit_audit_event") if table in query["sql"])
        for query in told.captured_queries
    ]


def test_a_key_is_looked_up_once(kit):
    """In a transaction a foreign key costs one look-up, and one of a row just created none."""
    with kit.scope("acme"), transaction.atomic():
        with CaptureQueriesContext(connection) as told:
            for _ in range(3):
                Document.objects.create(title="new", owner_id=ACME.key())
        assert 4 == len(told)
        with CaptureQueriesContext(connection) as told:
            Document.objects.create(title="new", owner=Person.objects.create(name="x", email="x"))
        assert 2 == len(told)


def test_nested_scopes(kit):
    """Two tenants may be worked for in one transaction, each seeing its own, also behind policies."""
    with transaction.atomic():
        for slug in ("acme", "bolt", "acme"):
            with kit.scope(slug):
                assert {slug} == {
                    name.split(":")[0] for name in Person.objects.values_list("name", flat=True)
                }
                kit.audit.record(f"{slug} seen")
    assert (["acme seen", "acme seen"], ["bolt seen"]) == (events(kit), events(kit, "bolt"))


def test_a_session_is_told_of_its_own_scope(kit):
    """A session that goes on after the ORM worked for another tenant still works for its own."""
    with transaction.atomic(), kit.scope("acme"):
        kit.audit.record("before")
        with kit.scope("bolt"):
            Person.objects.count()
        kit.audit.record("after")
        assert ["after", "before"] == [event.action for event in kit.audit.latest(2)]


def test_unscoped(kit):
    """The owner's database shows all rows in unscoped(), which is recorded, and nothing outside of it."""
    with tenancy.unscoped(reason="monthly report", actor="reports") as alias:
        assert {"acme", "bolt"} == {
            name.split(":")[0] for name in Person.objects.using(alias).values_list("name", flat=True)
        }
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM shop_person")
            assert (4,) == cursor.fetchone()
    with pytest.raises(ScopeRequired, match="nobody said why"):
        Person.objects.using("owner").count()
    with pytest.raises(ScopeRequired), tenancy.unscoped(reason="monthly report", actor="reports"):
        Person.objects.count()
    table = kit.audit.trail.tables.events
    with kit.unscoped_session(reason="look", actor="test") as session:
        told = session.execute(table.select().where(table.c.actor == "reports")).mappings().all()
    assert ["monthly report", "monthly report"] == [row["details"]["reason"] for row in told]


def test_unscoped_needs_a_reason(kit):
    """Without one, and without a name, nothing is shown."""
    with pytest.raises(ConfigurationError, match="reason"), tenancy.unscoped(reason=" ", actor="reports"):
        pass
    with pytest.raises(ConfigurationError, match="who"), tenancy.unscoped(reason="monthly report"):
        pass


def test_refusals_are_kept(kit):
    """What is recorded apart stays, though the transaction around it does not."""
    with pytest.raises(ZeroDivisionError), kit.scope("acme") as scope, transaction.atomic():
        if connection.vendor == "postgresql":  # SQLite has one writer
            Tag.objects.create(label="lost")
        kit.audit.record_apart(scope, "tried", outcome="refused", details={})
        raise ZeroDivisionError
    assert ([], ["tried"]) == (labels(), events(kit))


def test_an_error_of_the_kits_session_at_the_commit(kit):
    """What cannot be written when Django commits takes everything back."""
    table = kit.audit.trail.tables.events

    class Nameless:
        """An event without an action."""

        def __init__(self, **values):
            for name, value in values.items():
                setattr(self, name, value)

    registry().map_imperatively(Nameless, table)
    with pytest.raises(IntegrityError), kit.scope("acme"), transaction.atomic():
        Tag.objects.create(label="lost")
        kit.session().add(Nameless(id=uuid4()))
    assert ([], []) == (labels(), events(kit))
    with kit.scope("acme"), transaction.atomic():
        kit.audit.record("works again")


class InTestCase(TestCase):
    """A case of Django's, which rolls back at its end whatever both wrote."""

    databases = ("default", "owner")

    def work(self, kit):
        """Write as a test would."""
        with kit.unscoped_session(reason="set up", actor="test") as session:
            tenant = kit.directory.create_tenant(session, "carl")
            session.commit()
        with kit.scope("carl") as scope:
            assert scope.tenant == tenant
            with self.assertNumQueries(2, using="default"):
                Tag.objects.create(label="of a test")
                kit.audit.record("tag.created")
            kit.audit.record_apart(scope, "tried", outcome="refused", details={})
            assert ["tried", "tag.created"] == [event.action for event in kit.audit.latest()]
        with kit.unscoped_session(reason="set up", actor="test") as session:
            kit.directory.add_member(session, tenant, "ann", ["writer"])
            session.commit()
        token = kit.tokens.issue("ann", tenant)
        for _ in range(2):
            assert tenant == kit.identify(RequestCredentials("carl.localhost", token, RequestFacts())).tenant
        assert 0 == len(kit.directory_cache)
        return tenant


@pytest.mark.parametrize("shop", ["postgresql", "policies"], indirect=True)
def test_in_a_test_case(kit):
    """A TestCase sees what both write, the directory too, and leaves nothing."""
    case = InTestCase("work")
    InTestCase.setUpClass()
    try:
        case._pre_setup()
        case.work(kit)
        case._post_teardown()
    finally:
        InTestCase.tearDownClass()
    assert [] == labels()
    with kit.unscoped_session(reason="look", actor="test") as session:
        assert kit.directory.by_slug(session, "carl") is None


def test_the_directory_is_asked_again_after_a_flush(kit):
    """The end of a TransactionTestCase, and migrations, may have changed it: what was found is forgotten."""
    kit.directory_cache.remember("slug", ACME.tenant, changes=kit.directory_cache.changes)
    empty = AppConfig("tests", tests)
    post_migrate.send(sender=empty, app_config=empty, using="owner", verbosity=0, interactive=False)
    assert 0 == len(kit.directory_cache)


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_change_of_the_directory_is_seen_when_django_commits(kit, ends):
    """Looked up before, a tenant is asked for again once the change is there, and not when only the kit is done."""
    with suppress(ZeroDivisionError), kit.scope("acme") as scope, transaction.atomic():
        kit.directory.change_status(kit.session(), scope.tenant, "suspended")
        kit.session().commit()
        kit.directory_cache.remember("slug", ACME.tenant, changes=kit.directory_cache.changes)
        if ends == "rollback":
            raise ZeroDivisionError
    assert {"commit": 0, "rollback": 1}[ends] == len(kit.directory_cache)


def test_a_row_that_a_savepoint_of_the_kit_undid_is_not_known(kit):
    """A key that was seen before is looked up again after a part of the transaction was rolled back."""
    with kit.scope("acme"), transaction.atomic():
        with suppress(ZeroDivisionError), kit.session().begin_nested():
            kit.session().connection()  # the savepoint is set at the first use
            gone = Person.objects.create(name="x", email="x")
            raise ZeroDivisionError
        with pytest.raises(ForeignTenant):
            Document.objects.create(title="x", owner_id=gone.pk)
