"""The app in a project: migrations, checks, commands, templates, the admin."""

from inspect import signature
from io import StringIO
from types import ModuleType

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.http import HttpResponse
from django.template import Context, Template
from django.test import Client, override_settings
from django.urls import path
from sqlalchemy import create_engine, inspect

from tenantkit import Actor, Scope, TenantKit
from tenantkit.adapters.django import tenancy
from tenantkit.adapters.django.configuration import Configuration
from tenantkit.adapters.django.models import AuditEvent, Membership, QuotaCounter, Tenant
from tenantkit.core.scope import enter
from tenantkit.exceptions import StatementRefused
from tenantkit.kit import Trust
from tenantkit.resolution import Session, agree
from tests.adapters.django import project
from tests.adapters.django.world import ACME


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request, tmp_path):
    """Give an empty database, to which the project points."""
    if request.param == "sqlite":
        app = owner = project.database(str(tmp_path / "empty.db"))
        pointer = project.Pointer(app, owner)
        with pointer.pointed():
            yield f"sqlite:///{tmp_path / 'created.db'}"
        pointer.close()
        return
    from tenantkit.testing.services import find_postgres

    with find_postgres() as server, server.database() as database, server.database() as other:
        pointer = project.Pointer(project.database(database.app), project.database(database.owner))
        with pointer.pointed():
            yield other.owner_url
        pointer.close()


def described(engine, table):
    """Return what the catalog says of a table, as far as it is the kit's to say."""
    seen = inspect(engine)
    columns = {one["name"]: (str(one["type"]), one["nullable"]) for one in seen.get_columns(table)}
    keys = [
        (one["constrained_columns"], one["referred_table"], one["options"])
        for one in seen.get_foreign_keys(table)
    ]
    unique = [(one["name"], one["column_names"]) for one in seen.get_unique_constraints(table)]
    indexes = [
        (one["name"], one["column_names"])
        for one in seen.get_indexes(table)
        if not one.get("duplicates_constraint")
    ]
    checks = [one["name"] for one in seen.get_check_constraints(table)]
    return columns, seen.get_pk_constraint(table)["constrained_columns"], keys, unique, indexes, checks


def test_whatever_a_kit_takes_can_be_set():
    """TENANTKIT knows each argument of a kit, and hands it on; what has a name of its own there is left out."""
    elsewhere = {"self", "settings", "metadata", "resolve", "engine_options"}
    given = {name: object() for name in signature(TenantKit.__init__).parameters.keys() - elsewhere}
    with override_settings(TENANTKIT={name.upper(): value for name, value in given.items()}):
        assert given == Configuration.read().kit


def test_the_migrations_make_the_same_tables(empty):
    """What `migrate` creates is what the kit creates by itself; and it goes back again."""
    call_command("migrate", database="owner", verbosity=0)
    kit = tenancy.kit
    created = create_engine(empty)
    kit.metadata.create_all(created)
    try:
        for table in kit.metadata.tables:
            assert described(created, table) == described(kit.owner_engine, table)
    finally:
        created.dispose()
    call_command("migrate", "tenantkit", "zero", database="owner", verbosity=0)
    assert [] == [
        name for name in inspect(kit.owner_engine).get_table_names() if name.startswith("tenantkit")
    ]


def test_the_models_are_the_migrations(shop):
    """There is nothing left for `makemigrations`."""
    told = StringIO()
    call_command("makemigrations", "tenantkit", check=True, dry_run=True, stdout=told)
    assert told.getvalue() == "No changes detected in app 'tenantkit'\n"


def test_the_models_read_what_the_kit_wrote(shop):
    """Each kit table is a model; a scope reads its own rows and writes none."""
    kit = tenancy.kit
    with kit.unscoped_session(reason="set up", actor="test") as session:
        for slug in ("acme", "bolt"):
            tenant = kit.directory.create_tenant(session, slug)
            kit.directory.add_member(session, tenant, f"{slug}'s", ["writer"])
        session.commit()
    with kit.scope("acme") as scope, transaction.atomic():
        kit.audit.record("seen", details={"by": "test"})
        kit.quotas.consume("tags", 2)
        kit.session().flush()
        assert [scope.tenant.slug] == [one.slug for one in Tenant.objects.all()]
        assert ["acme's"] == [one.user_id for one in Membership.objects.all()]
        assert [("seen", {"by": "test"})] == [
            (one.action, one.details) for one in AuditEvent.objects.filter(action="seen")
        ]
        assert [2] == [one.used for one in QuotaCounter.objects.all()]
        for write in (
            lambda: QuotaCounter.objects.update(used=0),
            lambda: AuditEvent.objects.all().delete(),
            lambda: Tenant.objects.create(
                slug="x", name="", plan="", status="active", created_at="2026-01-01T00:00Z"
            ),
        ):
            with pytest.raises(StatementRefused, match="the kit writes"):
                write()


def test_the_checks(shop):
    """A sound project is told of what it might regret, and of the model that says nothing."""
    ids = {message.id for message in run_checks() if message.id.startswith("tenantkit")}
    assert {"tenantkit.E004", "tenantkit.W002", "tenantkit.W003"} == ids


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"NONSENSE": 1}, "TENANTKIT holds NONSENSE"),
        ({"RESOLVE": "nowhere.at.all"}, "'nowhere.at.all', which cannot be imported"),
        ({"RESOLVE": None}, "lacks RESOLVE"),
        ({"TOKEN_SECRET": "short"}, "at least 32 bytes"),
        ({"MODELS": {"nothing": {}}}, "names nothing, which is no installed app"),
        ({"OWNER": "nobody"}, "DATABASES has no such alias"),
        ({"PUBLIC": ["about"]}, "'about' cannot be declared public"),
    ],
)
def test_wrong_settings(shop, wrong, told):
    """Each is an error of `manage.py check`, and says what to do."""
    with override_settings(TENANTKIT={**project.TENANCY, **wrong}):
        assert told in " ".join(
            message.msg for message in run_checks() if message.id.startswith("tenantkit.E")
        )


def run(*arguments):
    """Run the command, and return what it prints."""
    told = StringIO()
    call_command("tenantkit", *arguments, stdout=told)
    return told.getvalue()


def test_the_commands(shop):
    """Tenants, members and tokens are made, and errors are those of a command."""
    assert "Created the tenant 'carl'" in run("create-tenant", "carl", "--name", "Carl's")
    with override_settings(TENANTKIT={**project.TENANCY}):
        assert "there is no" not in run("issue-token", "carl", "ann")
    assert "Deleted 0 logins" in run("prune-tokens")
    with pytest.raises(CommandError, match="Another tenant has this slug"):
        run("create-tenant", "carl")
    with pytest.raises(CommandError, match="no tenant 'nobody'"):
        run("issue-token", "nobody", "ann")


@pytest.mark.parametrize("shop", ["postgresql"], indirect=True)
def test_policies_by_migration(shop, tmp_path, monkeypatch):
    """The command writes a migration whose SQL is that of the policies; running it makes them, and back."""
    package = tmp_path / "migrations_of_shop"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with override_settings(MIGRATION_MODULES={"shop": "migrations_of_shop"}):
        assert "with the policies of" in run("policies", "shop")
        (written,) = package.glob("0*_row_policies.py")
        text = written.read_text()
        assert "CREATE POLICY tenantkit_scope ON shop_document" in text
        namespace = {}
        exec(compile(text, str(written), "exec"), namespace)
        made = namespace["Migration"].operations
        connection = connections["owner"]
        for direction, count in (("database_forwards", len(made)), ("database_backwards", 0)):
            with connection.schema_editor() as editor:
                for operation in made:
                    getattr(operation, direction)("shop", editor, None, None)
            with connection.tenancy.unscoped(), connection.cursor() as cursor:
                cursor.execute("SELECT COUNT(DISTINCT polrelid) FROM pg_policy")
                assert (count,) == cursor.fetchone()


def test_templates(shop):
    """A template asks for permissions, the tenant and what was used."""
    asked = "{% if 'tags:write'|allowed %}may{% else %}may not{% endif %}"
    text = "{% load tenancy %}{% tenant as t %}{{ t.slug }} " + asked
    with enter(Scope(ACME.tenant, Actor("ann"), frozenset({"writer"}))):
        assert "acme may" == Template(text).render(Context())
    with enter(Scope(ACME.tenant, Actor("ann"))), transaction.atomic():
        assert "acme may not" == Template(text).render(Context())
        assert "0" == Template("{% load tenancy %}{% used 'tags' %}").render(Context())


def test_the_app_is_kept_where_django_keeps_such_things():
    """There is one app, labelled tenantkit."""
    assert "tenantkit.adapters.django" == apps.get_app_config("tenantkit").name


def test_who_signed_in_by_django_goes_by_its_session(shop, monkeypatch):
    """Django's own user and session name who asks and whose it is, where its middleware stands above tenancy's."""

    def recognize(view):
        user = view.user()
        return None if user is None else {"sub": user}

    def who(request):
        found = tenancy.scope
        return HttpResponse(f"{found.tenant.slug} {found.actor.id} {request.user.username}")

    kit = tenancy.kit
    monkeypatch.setattr(kit, "trust", Trust(recognize=recognize))
    monkeypatch.setattr(kit, "resolve", agree(Session("tenant")))
    with kit.unscoped_session(reason="sign up", actor="test") as session:
        acme = kit.directory.create_tenant(session, "acme", tenant_id=ACME.tenant.id)
        session.commit()
    with connections["owner"].tenancy.unscoped():
        user = get_user_model().objects.db_manager("owner").create_user("ann")
    with kit.unscoped_session(reason="sign up", actor="test") as session:
        kit.directory.add_member(session, acme, str(user.pk), ["writer"])
        session.commit()
    urlconf = ModuleType("urls_of_a_browser")
    urlconf.urlpatterns = [path("who", who)]
    with override_settings(
        ROOT_URLCONF=urlconf,
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "tenantkit.adapters.django.middleware.TenancyMiddleware",
        ],
    ):
        client = Client()
        assert 401 == client.get("/who").status_code
        client.force_login(user)
        assert 400 == client.get("/who").status_code  # no tenant was chosen
        session = client.session
        session["tenant"] = "acme"
        session.save()
        answer = client.get("/who")
        assert (f"acme {user.pk} ann", "Cookie") == (answer.content.decode(), answer["Vary"])
    with connections["owner"].tenancy.unscoped():
        user.delete()
