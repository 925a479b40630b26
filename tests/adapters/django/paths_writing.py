"""Ways that write rows."""

import uuid

from django.core import serializers
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Case, F, Subquery, Value, When
from django.db.models.deletion import Collector
from django.utils import timezone

from tenantkit.adapters.django.models import with_deleted
from tenantkit.exceptions import ForeignTenant, StatementRefused
from tests.adapters.django.paths import path
from tests.adapters.django.paths_relations import found
from tests.adapters.django.shop.models import (
    Comment,
    Country,
    Document,
    Folder,
    Line,
    Memo,
    Note,
    Person,
    Place,
    Restaurant,
    Sale,
    Shelf,
    Summary,
    Tag,
    Template,
)  # fmt: skip


@path
def create(side):
    return Person.objects.create(name="new", email="new")


@path
def create_of_every_kind(side):
    person = Person.objects.create(name="new", email="new")
    folder = Folder.objects.create(name="new")
    document = Document.objects.create(title="new", owner=person, folder=folder)
    summary = Summary.objects.create(document=document, text="new")
    line = Line.objects.create(summary=summary, text="new")
    return [line, Restaurant.objects.create(city="new", kitchen="new"), Template.objects.create(name="new")]


@path
def create_under_a_rule(side):
    return Sale.objects.create(amount=1)


@path
def create_with_a_key(side):
    """A child of whatever the key names: an own row, or one that is not there."""
    try:
        return Document.objects.create(title="new", owner_id=side.key())
    except ForeignTenant:
        return "refused"


@path
def create_with_a_nullable_key(side):
    try:
        return Folder.objects.create(name="new", parent_id=side.key())
    except ForeignTenant:
        return "refused"


@path
def create_of_a_child(side):
    try:
        return Line.objects.create(summary_id=side.key(), text="new")
    except ForeignTenant:
        return "refused"


@path
def get_or_create(side):
    return [
        Tag.objects.get_or_create(label=side.text("new")),
        Person.objects.get_or_create(email="new", name="new"),
    ]


@path
def get_or_create_by_a_key(side):
    return (
        Person.objects.get_or_create(pk=side.key(), defaults={"name": "x", "email": "x"})
        if side.number == 1
        else None
    )


@path
def update_or_create(side):
    return Person.objects.update_or_create(email=side.text("ann@x"), defaults={"name": "changed"})


@path
def save_again(side):
    for one in Document.objects.all():
        one.title += "!"
        one.save()


@path
def save_some_fields(side):
    for one in Document.objects.all():
        one.size += 1
        one.save(update_fields=["size"])


@path
def save_a_row_never_loaded(side):
    try:
        with transaction.atomic():
            Folder(pk=side.key(), name="changed").save(force_update=True)
    except DatabaseError:
        return "missing"


@path
def save_with_a_foreign_key_changed(side):
    one = Document.objects.order_by("pk").first()
    one.owner_id = side.key(2)
    try:
        one.save()
    except ForeignTenant:
        return "refused"


@path
def update(side):
    return Document.objects.update(title="changed")


@path
def update_of_a_key(side):
    return Document.objects.filter(pk=side.key()).update(title="changed")


@path
def update_by_an_expression(side):
    return Document.objects.update(size=F("size") + 1)


@path
def update_by_cases(side):
    return Document.objects.update(title=Case(When(pk=side.key(), then=Value("changed")), default=F("title")))


@path
def update_by_a_subquery(side):
    name = Person.objects.filter(pk=side.key()).values("name")
    return Document.objects.update(title=Subquery(name)) if side.number == 1 else None


@path
def update_through_a_join(side):
    return Document.objects.filter(owner__pk=side.key()).update(title="changed")


@path
def update_a_foreign_key(side):
    try:
        return Document.objects.update(folder=side.key())
    except ForeignTenant:
        return "refused"


@path
def update_a_foreign_key_by_an_object(side):
    try:
        return Document.objects.update(folder=found(Folder, side.key()))
    except ForeignTenant:
        return "refused"


@path
def update_a_foreign_key_by_an_expression(side):
    return Document.objects.filter(folder__isnull=False).update(folder=F("folder"))


@path
def update_a_foreign_key_by_arithmetic(side):
    return Document.objects.filter(folder__isnull=False).update(folder=F("folder") + side.key() - 101)


@path
def update_a_foreign_key_by_cases(side):
    try:
        return Document.objects.update(folder=Case(When(pk=101, then=Value(side.key())), default=Value(None)))
    except ForeignTenant:
        return "refused"


@path
def update_of_a_child_table(side):
    return Restaurant.objects.update(city="changed", kitchen="changed")


@path
def update_of_a_parent_table(side):
    return Restaurant.objects.filter(pk=side.key()).update(city="changed")


@path
def update_of_a_proxy(side):
    return Memo.objects.update(title="changed")


@path
def bulk_create(side):
    return Tag.objects.bulk_create([Tag(label="one"), Tag(label="two")])


@path
def bulk_create_of_children(side):
    try:
        return Line.objects.bulk_create(
            [Line(summary_id=101, text="1"), Line(summary_id=side.key(), text="2")]
        )
    except ForeignTenant:
        return "refused"


@path
def bulk_create_ignoring_conflicts(side):
    Tag.objects.bulk_create([Tag(pk=101, label="x"), Tag(label="y")], ignore_conflicts=True)


@path
def bulk_create_updating_own(side):
    own = [Person(email="acme:ann@x", name="changed"), Person(email="new", name="new")]
    fields = {"unique_fields": ["tenant_id", "email"], "update_fields": ["name"]}
    return Person.objects.bulk_create(own, update_conflicts=True, **fields)


@path
def bulk_update(side):
    rows = [Document(pk=101, title="changed", size=5), Document(pk=side.key(2), title="changed", size=6)]
    return Document.objects.bulk_update(rows, ["title", "size"])


@path
def bulk_update_of_keys(side):
    rows = [Document(pk=101, folder_id=102), Document(pk=102, folder_id=side.key())]
    try:
        return Document.objects.bulk_update(rows, ["folder"])
    except ForeignTenant:
        return "refused"


@path
def delete(side):
    return Document.objects.all().delete()


@path
def delete_of_a_key(side):
    return Document.objects.filter(pk=side.key()).delete()


@path
def delete_of_a_row_never_loaded(side):
    return Folder(pk=side.key()).delete()


@path
def delete_through_a_join(side):
    return Document.objects.filter(owner__pk=side.key()).delete()


@path
def delete_that_cascades(side):
    return found(Person, side.key()).delete()


@path
def delete_that_sets_null(side):
    return Folder.objects.filter(pk=side.key(2)).delete()


@path
def delete_without_loading(side):
    return Line.objects.filter(summary__document__owner__pk=side.key())._raw_delete("default")


@path
def delete_by_a_collector(side):
    collector = Collector(using="default")
    collector.collect([found(Document, side.key())])
    return collector.delete()


@path
def delete_of_a_child_table(side):
    return [Restaurant.objects.all().delete(), Place.objects.all().delete()]


@path
def delete_of_generic_relations(side):
    return [found(Document, side.key()).delete(), Comment.objects.count()]


@path
def soft_delete_and_restore(side):
    gone = Document.objects.filter(pk=side.key()).update(deleted_at=timezone.now())
    back = with_deleted(Document.objects.filter(pk__in=[side.key(), side.key(3)])).update(deleted_at=None)
    return [gone, back]


@path
def many_to_many_add(side):
    try:
        Document.objects.get(pk=101).tags.add(side.key(2))
    except ForeignTenant:
        return "refused"


@path
def many_to_many_add_to_the_other(side):
    try:
        found(Document, side.key()).tags.add(102)
    except (ForeignTenant, IntegrityError):
        return "refused"


@path
def many_to_many_set_and_clear(side):
    document = found(Document, side.key())
    document.tags.set([])
    document.readers.clear()


@path
def many_to_many_remove(side):
    found(Document, side.key()).tags.remove(side.key())


@path
def many_to_many_through_add(side):
    try:
        Document.objects.get(pk=101).readers.add(side.key(2), through_defaults={"stars": 3})
    except ForeignTenant:
        return "refused"


@path
def reverse_add(side):
    folder = Folder.objects.get(pk=101)
    folder.documents.add(*Document.objects.filter(pk__in=[side.key(2)]))


@path
def reverse_add_of_rows_never_loaded(side):
    document = Document(pk=side.key(2))
    document._state.adding, document._state.db = False, "default"
    Folder.objects.get(pk=101).documents.add(document)


@path
def reverse_clear(side):
    found(Folder, side.key()).documents.clear()


@path
def fixture(side):
    rows = Document.objects.filter(pk=side.key())
    text = serializers.serialize("json", rows).replace("plan", "changed")
    for one in serializers.deserialize("json", text):
        one.save()
    return text


@path(shared=True)
def write_to_shared(side):
    return [Note.objects.create(text="new"), Note.objects.update(text="changed")]


# refused -----------------------------------------------------------------------------------------------------------


@path(refused=StatementRefused)
def write_to_what_is_read_only(side):
    return Country.objects.create(code="xx")


@path(refused=StatementRefused)
def delete_what_is_read_only(side):
    return Country.objects.all().delete()


@path(refused=ForeignTenant)
def create_for_another_tenant(side):
    return Person.objects.create(name="x", email="x", tenant_id=uuid.UUID(int=2))


@path(refused=ForeignTenant)
def update_the_tenant(side):
    return Document.objects.update(tenant_id=uuid.UUID(int=2))


@path(refused=StatementRefused)
def update_the_tenant_by_an_expression(side):
    return Document.objects.update(tenant_id=Subquery(Person.objects.values("tenant_id")[:1]))


@path(refused=ForeignTenant)
def save_with_the_tenant_changed(side):
    one = Document.objects.first()
    one.tenant_id = uuid.UUID(int=2)
    one.save()


class Liar(uuid.UUID):
    """Says that it is equal to anything."""

    def __eq__(self, other):
        return True

    __hash__ = uuid.UUID.__hash__


@path
def create_with_a_tenant_that_lies(side):
    return Person.objects.create(name="x", email="x", tenant_id=Liar(int=2))


@path
def update_with_a_tenant_that_lies(side):
    return Document.objects.filter(pk=side.key()).update(tenant_id=Liar(int=2))


class Chameleon(int):
    """A key that says it is another."""

    def __new__(cls, number, *, as_if=101):
        made = super().__new__(cls, number)
        made.as_if = as_if
        return made

    def __eq__(self, other):
        return int(other) == self.as_if if isinstance(other, int) else False

    def __hash__(self):
        return hash(self.as_if)


@path
def create_with_a_key_that_lies(side):
    """A key that says it is one that was just seen to be in sight."""
    with transaction.atomic():
        Line.objects.create(summary_id=101, text="x")
        try:
            Line.objects.create(summary_id=Chameleon(side.key(2)), text="y")
        except ForeignTenant:
            return "refused"
    return list(Line.objects.values_list("summary_id", "text"))


@path
def create_with_a_key_that_was_claimed(side):
    """A new row whose key says that it is another's."""
    with transaction.atomic():
        Folder.objects.create(pk=Chameleon(7777, as_if=side.key()), name="x")
        try:
            Document.objects.create(title="y", owner_id=101, folder_id=side.key())
        except ForeignTenant:
            return "refused"
    return list(Document.objects.filter(title="y").values_list("folder_id"))


class Turning:
    """A key that is another one each time it is read."""

    def __init__(self, *numbers):
        self._numbers = [*numbers]

    def __int__(self):
        return self._numbers.pop(0) if len(self._numbers) > 1 else self._numbers[0]


@path
def create_with_a_key_that_turns(side):
    Line.objects.create(summary_id=Turning(102, side.key(2)), text="x")
    return list(Line.objects.filter(text="x").values_list("summary_id"))


@path
def update_with_a_key_that_turns(side):
    Document.objects.filter(pk=101).update(folder_id=Turning(102, side.key(2)))
    return list(Document.objects.filter(pk=101).values_list("folder_id"))


@path
def upsert_of_a_row_with_two_keys(side):
    shelf = Shelf(number=side.key(), label="x")
    Shelf.objects.bulk_create(
        [shelf], update_conflicts=True, unique_fields=["tenant_id", "number"], update_fields=["label"]
    )
    return list(Shelf.objects.values_list("number", "label"))


@path
def create_and_delete_a_row_with_two_keys(side):
    made = Shelf.objects.create(number=77, label="x")
    Shelf.objects.filter(pk=made.pk).update(label="y")
    found = list(Shelf.objects.filter(number__in=[1, 77, side.key()]).values_list("number", "label"))
    made.delete()
    return found


@path(refused=StatementRefused)
def create_with_a_key_that_the_database_rounds(side):
    return Line.objects.create(summary_id=Value(200.7), text="x")


@path
def update_with_a_key_that_the_database_rounds(side):
    own = Document.objects.filter(pk__in=[101, side.key()])
    return own.update(folder=Value(200.7, output_field=Folder._meta.pk))


@path(refused=StatementRefused)
def upsert_of_children(side):
    rows = [Line(pk=201, summary_id=101, text="x")]
    return Line.objects.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=["text"])


@path(refused=StatementRefused)
def insert_compiled_by_hand(side):
    from django.db.models.sql import InsertQuery

    query = InsertQuery(Line)
    query.insert_values(Line._meta.local_concrete_fields, [Line(pk=77, summary_id=201, text="x")])
    ((sql, params),) = query.get_compiler("default").as_sql()
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
