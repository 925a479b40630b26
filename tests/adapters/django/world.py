"""A database with two tenants, another without the second, and what is in them."""

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connections, models, transaction

from tenantkit import Scope, Tenant
from tests.adapters.django import project
from tests.adapters.django.shop import models as shop

FIRST_NEW = 10_000


@dataclass(frozen=True)
class Side:
    """One tenant, and where its keys begin."""

    slug: str
    number: int

    @property
    def tenant(self):
        return Tenant(id=uuid.UUID(int=self.number), slug=self.slug, name=self.slug)

    @property
    def scope(self):
        return Scope(tenant=self.tenant, dimensions={"region": self.number})

    def key(self, number=1):
        """The key of one of its rows."""
        return self.number * 100 + number

    def text(self, word):
        """A text of its own."""
        return f"{self.slug}:{word}"


ACME, BOLT = Side("acme", 1), Side("bolt", 2)
TABLES = [
    shop.Country, shop.Note, shop.Person, shop.Folder, shop.Tag, shop.Document, shop.Document.tags.through,
    shop.Reading, shop.Summary, shop.Line, shop.Place, shop.Restaurant, shop.Comment, shop.Template, shop.Sale,
    shop.Shelf,
]  # fmt: skip


def populate(*sides):
    """Fill the tables, as their owner."""

    def add(model, **values):
        return model._base_manager.using("owner").create(**values)

    ContentType.objects.clear_cache()
    subject = ContentType.objects.db_manager("owner").get_for_model(shop.Document).pk
    add(shop.Country, code="ch")
    add(shop.Note, id=1, text="for all")
    add(shop.Template, id=1, tenant_id=None, name="for all")
    for side in sides:
        own = {"tenant_id": side.tenant.id}
        first, second = side.key(1), side.key(2)
        for number, word in ((first, "ann"), (second, "bob")):
            joined = date(2026, 1, side.number)
            add(
                shop.Person,
                id=number,
                name=side.text(word),
                email=side.text(f"{word}@x"),
                joined=joined,
                **own,
            )
        add(shop.Folder, id=first, name=side.text("root"), **own)
        add(shop.Folder, id=second, name=side.text("leaf"), parent_id=first, **own)
        for number, word in ((first, "red"), (second, "blue")):
            add(shop.Tag, id=number, label=side.text(word), weight=number, **own)
        for number, word in ((first, "plan"), (second, "bill")):
            add(
                shop.Document,
                id=number,
                title=side.text(word),
                size=number,
                created=datetime(2026, side.number, number % 10, tzinfo=UTC),
                facts={"word": side.text(word)},
                folder_id=first if word == "plan" else second,
                owner_id=first,
                **own,
            )
            add(shop.Document.tags.through, id=number, document_id=number, tag_id=number)
            add(shop.Reading, id=number, document_id=number, person_id=number, stars=number)
            add(shop.Summary, id=number, document_id=number, text=side.text(word))
            add(shop.Line, id=number, summary_id=number, text=side.text(word))
            add(
                shop.Comment,
                id=number,
                content_type_id=subject,
                object_id=number,
                text=side.text(word),
                **own,
            )
        gone = datetime(2026, 3, 3, tzinfo=UTC)
        add(shop.Document, id=side.key(3), title=side.text("gone"), owner_id=second, deleted_at=gone, **own)
        add(shop.Restaurant, id=first, city=side.text("rome"), kitchen=side.text("pasta"), **own)
        add(shop.Place, id=second, city=side.text("oslo"), **own)
        add(shop.Template, id=side.key(1), name=side.text("own"), **own)
        add(shop.Sale, id=first, region=side.number, amount=5, **own)
        add(shop.Sale, id=second, region=9, amount=7, **own)
        add(shop.Shelf, number=1, label=side.text("left"), **own)
        add(shop.Shelf, number=side.key(), label=side.text("right"), **own)


class World:
    """A database of the project, with what was in it at first."""

    def __init__(self, app, owner, *sides, policies=False):
        self._app, self._sides, self._policies = app, sides, policies
        self._pointer = project.Pointer(app, owner, POLICIES=policies)
        self.close = self._pointer.close

    def create(self):
        """Create the tables, fill them, and keep a copy of what is in them."""
        with self.opened():
            connection = connections["owner"]
            with connection.schema_editor() as editor:
                for app in ("contenttypes", "auth", "admin", "sessions", "shop"):
                    for model in apps.get_app_config(app).get_models():
                        if not model._meta.proxy:
                            editor.create_model(model)
                if connection.vendor == "postgresql":
                    role = self._app["USER"]
                    editor.execute(f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{role}"')
                    editor.execute(f'GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO "{role}"')
            with unscoped() as cursor:
                populate(*self._sides)
                for model in TABLES:
                    _begin_keys(connection, cursor, model)
                    name = model._meta.db_table
                    cursor.execute(f"CREATE TABLE copy_of_{name} AS SELECT * FROM {name}")
            project.create_kit_tables(self._app.get("USER"), policies=self._policies)
            self.pristine = self.dump()
        return self

    def opened(self):
        """Point the project at this database."""
        return self._pointer.pointed()

    def dump(self):
        """Read all rows, as their owner."""
        with unscoped() as cursor:
            found = {}
            for model in TABLES:
                names = ", ".join(field.column for field in model._meta.local_concrete_fields)
                cursor.execute(f"SELECT {names} FROM {model._meta.db_table}")
                found[model] = sorted(cursor.fetchall(), key=repr)
            return found

    def restore(self):
        """Put all rows back."""
        names = [model._meta.db_table for model in TABLES]
        with unscoped() as cursor, transaction.atomic("owner"):
            for name in ("audit_event", "quota_counter", "membership", "tenant"):
                cursor.execute(f"DELETE FROM tenantkit_{name}")
            for name in reversed(names):
                cursor.execute(f"DELETE FROM {name}")
            for name in names:
                cursor.execute(f"INSERT INTO {name} SELECT * FROM copy_of_{name}")


def columns(model):
    """The names of a model's own columns."""
    return [field.attname for field in model._meta.local_concrete_fields]


@contextmanager
def unscoped():
    """See all rows, as their owner, and speak any SQL."""
    connection = connections["owner"]
    with connection.tenancy.unscoped(), connection.cursor() as cursor:
        yield cursor


def _begin_keys(connection, cursor, model):
    """Let new rows have keys that cannot be taken for the first ones'."""
    key = model._meta.pk
    if not isinstance(key, models.AutoField) or model is shop.Restaurant:
        return
    table = model._meta.db_table
    if connection.vendor == "postgresql":
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {FIRST_NEW})")
    else:
        cursor.execute(f"UPDATE sqlite_sequence SET seq = {FIRST_NEW} WHERE name = '{table}'")
