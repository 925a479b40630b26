"""Ways that follow relations."""

from django.contrib.contenttypes.models import ContentType
from django.db.models import Count, F, FilteredRelation, Max, Prefetch, Q, Sum, prefetch_related_objects

from tests.adapters.django.paths import path
from tests.adapters.django.shop.models import (
    Comment,
    Document,
    Folder,
    Line,
    Person,
    Place,
    Reading,
    Restaurant,
    Summary,
    Tag,
)  # fmt: skip


def found(model, key):
    """The row of a key, or a row that was never loaded and claims to have it."""
    return model.objects.filter(pk=key).first() or model(pk=key)


@path
def forward(side):
    return [(one.owner.name, one.folder and one.folder.name) for one in Document.objects.all()]


@path
def forward_to_a_given_key(side):
    try:
        return Document(owner_id=side.key()).owner
    except Person.DoesNotExist:
        return "missing"


@path
def reverse(side):
    return found(Person, side.key()).documents.all()


@path
def reverse_counted(side):
    person = found(Person, side.key())
    return [person.documents.count(), person.documents.exists(), list(person.documents.values_list("title"))]


@path
def reverse_one_to_one(side):
    try:
        return found(Document, side.key()).summary
    except Summary.DoesNotExist:
        return "missing"


@path
def forward_one_to_one(side):
    return [one.document for one in Summary.objects.all()]


@path
def children_of_children(side):
    return [
        found(Summary, side.key()).lines.all(),
        Line.objects.filter(summary__document__owner__name__contains=":"),
    ]


@path
def tree(side):
    return [(one.parent, list(one.children.all())) for one in Folder.objects.all()]


@path
def select_related(side):
    rows = Document.objects.select_related("owner", "folder__parent", "summary")
    return [(one.owner, one.folder and one.folder.parent, getattr(one, "summary", None)) for one in rows]


@path
def select_related_of_a_child(side):
    return [one.summary.document.owner for one in Line.objects.select_related("summary__document__owner")]


@path
def prefetched(side):
    rows = Person.objects.prefetch_related("documents__tags", "documents__summary__lines", "readings")
    return [[(one, list(one.tags.all())) for one in person.documents.all()] for person in rows]


@path
def prefetched_by_a_queryset(side):
    several = Prefetch("documents", Document.objects.filter(size__gt=0), to_attr="several")
    return [person.several for person in Person.objects.prefetch_related(several)]


@path
def prefetched_afterwards(side):
    person = Person(pk=side.key())
    prefetch_related_objects([person], "documents", "readings")
    return [person.documents.all(), person.readings.all()]


@path
def many_to_many(side):
    return found(Document, side.key()).tags.all()


@path
def many_to_many_reverse(side):
    return found(Tag, side.key()).documents.all()


@path
def many_to_many_through(side):
    return [found(Document, side.key()).readers.all(), found(Person, side.key()).readings.all()]


@path
def the_table_between(side):
    return [
        Document.tags.through.objects.all(),
        Reading.objects.all(),
        Reading.objects.aggregate(Sum("stars")),
    ]


@path
def filter_through_a_join(side):
    return Document.objects.filter(owner__name__contains=":", tags__label__contains=":")


@path
def filter_through_a_join_to_the_other(side):
    return Person.objects.filter(documents__pk=side.key())


@path
def exclude_through_a_join(side):
    return Person.objects.exclude(documents__tags__pk=side.key())


@path
def missing_relation(side):
    return [Person.objects.filter(documents__isnull=True), Folder.objects.filter(documents__isnull=True)]


@path
def count_over_a_relation(side):
    return Person.objects.annotate(n=Count("documents"), t=Count("documents__tags", distinct=True)).values(
        "name", "n", "t"
    )


@path
def aggregate_over_a_relation(side):
    return Person.objects.aggregate(Sum("documents__size"), Max("documents__tags__label"), Count("readings"))


@path
def aggregate_over_deleted_rows(side):
    return Person.objects.annotate(n=Count("documents")).values("name", "n")


@path
def filtered_relation(side):
    big = FilteredRelation("documents", condition=Q(documents__size__gt=0))
    return Person.objects.annotate(big=big).values("name", "big__title")


@path
def annotated_by_a_join(side):
    return Document.objects.annotate(who=F("owner__name"), up=F("folder__parent__name")).values("who", "up")


@path
def ordered_by_a_join(side):
    return Document.objects.order_by("owner", "folder__parent__name", "pk").values_list("title")


@path
def left_join(side):
    return Folder.objects.values("name", "documents__title", "documents__owner__name")


@path
def or_through_joins(side):
    return Document.objects.filter(
        Q(owner__pk=side.key()) | Q(tags__pk=side.key()) | Q(folder__isnull=True)
    ).distinct()


@path
def generic_relation(side):
    return [found(Document, side.key()).comments.all(), Document.objects.filter(comments__text__contains=":")]


@path
def generic_foreign_key(side):
    return [one.subject for one in Comment.objects.all()]


@path
def generic_foreign_key_to_the_other(side):
    kind = ContentType.objects.get_for_model(Document)
    return Comment(content_type=kind, object_id=side.key()).subject


@path
def generic_prefetch(side):
    return [one.subject for one in Comment.objects.prefetch_related("subject__owner")]


@path
def content_type_of_any(side):
    kind = ContentType.objects.get_for_model(Document)
    return kind.get_all_objects_for_this_type(pk__gt=0)


@path
def parent_link(side):
    return [one.place_ptr for one in Restaurant.objects.all()]


@path
def child_link(side):
    try:
        return found(Place, side.key()).restaurant
    except Restaurant.DoesNotExist:
        return "missing"


@path
def deferred_parent(side):
    return [one.city for one in Restaurant.objects.only("kitchen")]
