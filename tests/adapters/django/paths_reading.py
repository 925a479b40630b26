"""Ways that read rows of one model."""

from django.core.paginator import Paginator
from django.db import connection, models
from django.db.models import (
    Avg,
    Case,
    Count,
    Exists,
    F,
    FilteredRelation,
    Max,
    Min,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)
from django.db.models.expressions import CombinedExpression, RawSQL, Ref, RowRange
from django.db.models.fields.json import HasKey
from django.db.models.functions import Cast, Collate, Concat, Lower, RowNumber, TruncMonth
from django.db.models.lookups import Exact, In
from django.db.models.sql.where import WhereNode
from django.http import Http404
from django.shortcuts import get_list_or_404, get_object_or_404

from tenantkit.adapters.django.models import with_deleted
from tenantkit.exceptions import StatementRefused, UndeclaredTable
from tests.adapters.django.paths import path
from tests.adapters.django.shop.models import (
    Country,
    Document,
    Folder,
    Memo,
    Note,
    Person,
    Place,
    Restaurant,
    Sale,
    Stray,
    Summary,
    Tag,
    Template,
)  # fmt: skip


@path
def all_rows(side):
    return Document.objects.all()


@path
def all_rows_of_every_model(side):
    models_ = (Person, Folder, Tag, Summary, Place, Template, Sale)
    return [list(model.objects.all()) for model in models_]


@path
def base_manager(side):
    return Document._base_manager.all()


@path
def default_manager(side):
    return Document._default_manager.all()


@path
def get_by_key(side):
    return Document.objects.filter(pk=side.key()).first()


@path
def get(side):
    try:
        return Document.objects.get(pk=side.key())
    except Document.DoesNotExist:
        return "missing"


@path
def get_or_404(side):
    try:
        return get_object_or_404(Document, pk=side.key())
    except Http404:
        return "missing"


@path
def list_or_404(side):
    return get_list_or_404(Person)


@path
def by_tenant_of_the_other(side):
    return Document.objects.filter(tenant_id=side.tenant.id)


@path
def excluding_a_tenant(side):
    return Document.objects.exclude(tenant_id=side.tenant.id)


@path
def or_anything(side):
    return Document.objects.filter(Q(pk=side.key()) | Q(pk__gt=0))


@path
def negated(side):
    return Document.objects.filter(~Q(pk=side.key()))


@path
def exclusive_or(side):
    return Document.objects.filter(Q(pk=side.key()) ^ Q(size__gt=0))


@path
def in_bulk(side):
    return Document.objects.in_bulk([side.key(1), side.key(2), 101, 201])


@path
def in_bulk_of_all(side):
    return Document.objects.in_bulk()


@path
def count(side):
    return Document.objects.count()


@path
def exists(side):
    return Document.objects.filter(pk=side.key()).exists()


@path
def contains(side):
    return Document.objects.contains(Document(pk=side.key()))


@path
def first_and_last(side):
    return [Document.objects.first(), Document.objects.last()]


@path
def earliest_and_latest(side):
    return [
        Document.objects.earliest("created"),
        Document.objects.filter(created__isnull=False).latest("created"),
    ]


@path
def slices(side):
    return [list(Document.objects.order_by("pk")[1:2]), Document.objects.order_by("pk")[0]]


@path
def pages(side):
    pages = Paginator(Document.objects.order_by("pk"), 1)
    return [pages.count, list(pages.page(1))]


@path
def iterator(side):
    return list(Document.objects.iterator(chunk_size=1))


@path
def iterator_with_prefetch(side):
    return [
        [one, list(one.tags.all())]
        for one in Document.objects.prefetch_related("tags").iterator(chunk_size=1)
    ]


@path
def values(side):
    return Document.objects.values()


@path
def values_list(side):
    return [
        list(Document.objects.values_list("title", "owner__name")),
        list(Tag.objects.values_list("pk", flat=True)),
    ]


@path
def named_values(side):
    return [row.title for row in Document.objects.values_list("title", named=True)]


@path
def only_and_defer(side):
    loaded = [*Document.objects.only("pk"), *Document.objects.defer("title")]
    return [one.title for one in loaded]


@path
def refreshed(side):
    one = Document(pk=side.key())
    try:
        one.refresh_from_db()
    except Document.DoesNotExist:
        return "missing"
    return one


@path
def dates(side):
    return [
        list(Person.objects.dates("joined", "month")),
        list(Document.objects.datetimes("created", "month")),
    ]


@path
def distinct(side):
    return Document.objects.order_by().values("owner").distinct()


@path
def distinct_on(side):
    rows = Document.objects.order_by("owner_id", "pk")
    return rows.distinct("owner_id") if connection.vendor == "postgresql" else rows


@path
def reverse_order(side):
    return Document.objects.order_by("pk").reverse()


@path
def random_order(side):
    return sorted(one.pk for one in Document.objects.order_by("?"))


@path
def aggregate(side):
    return Document.objects.aggregate(Count("pk"), Sum("size"), Avg("size"), Max("title"), Min("created"))


@path
def aggregate_of_a_slice(side):
    return Document.objects.order_by("pk")[:1].aggregate(Sum("size"))


@path
def aggregate_of_distinct(side):
    return Document.objects.values("owner").distinct().aggregate(Count("owner"))


@path
def filtered_aggregate(side):
    return Document.objects.aggregate(n=Count("pk", filter=Q(size__gt=1)))


@path
def grouped(side):
    return (
        Document.objects.values("owner__name")
        .annotate(n=Count("pk"), most=Max("size"))
        .order_by("owner__name")
    )


@path
def grouped_having(side):
    return Document.objects.values("owner").annotate(n=Count("pk")).filter(n__gt=1)


@path
def functions(side):
    return Document.objects.annotate(low=Lower("title"), both=Concat("title", Value("-"), "title")).values(
        "low", "both"
    )


@path
def truncated(side):
    return Document.objects.annotate(month=TruncMonth("created")).values("month").annotate(n=Count("pk"))


@path
def windows(side):
    return Document.objects.annotate(n=Window(RowNumber(), order_by="pk")).values("pk", "n")


@path
def filtered_windows(side):
    return Document.objects.annotate(n=Window(RowNumber(), order_by="pk")).filter(n=1)


@path
def json_keys(side):
    return [
        list(Document.objects.filter(facts__word=side.text("plan"))),
        list(Document.objects.values("facts__word")),
    ]


@path
def subquery(side):
    newest = Document.objects.filter(owner=OuterRef("pk")).order_by("-pk")
    return Person.objects.annotate(newest=Subquery(newest.values("title")[:1])).values("name", "newest")


@path
def subquery_of_the_other(side):
    title = Document.objects.filter(pk=side.key()).values("title")
    return Person.objects.annotate(title=Subquery(title)).values("name", "title")


@path
def exists_subquery(side):
    return Person.objects.filter(Exists(Document.objects.filter(owner=OuterRef("pk"))))


@path
def not_exists_subquery(side):
    return Person.objects.filter(~Exists(Document.objects.filter(owner=OuterRef("pk"))))


@path
def in_a_queryset(side):
    return Person.objects.filter(pk__in=Document.objects.values("owner"))


@path
def not_in_a_queryset(side):
    return Person.objects.exclude(pk__in=Document.objects.values("owner"))


@path
def compared_with_an_aggregate(side):
    biggest = Document.objects.order_by().values("tenant_id").annotate(m=Max("size")).values("m")
    return Document.objects.filter(size__gte=Subquery(biggest))


@path
def union(side):
    return Document.objects.values_list("title").union(Tag.objects.values_list("label"))


@path
def union_with_the_other(side):
    return Document.objects.filter(pk=101).union(Document.objects.filter(pk=side.key()), all=True)


@path
def intersection_and_difference(side):
    everything, one = Document.objects.all(), Document.objects.filter(pk=side.key())
    return [list(everything.intersection(one)), list(everything.difference(one))]


@path
def count_of_a_union(side):
    return Document.objects.values("pk").union(Tag.objects.values("pk")).count()


@path
def combined_querysets(side):
    return (Document.objects.filter(pk=101) | Document.objects.filter(pk=side.key())) & Document.objects.all()


@path
def compared_columns(side):
    return Document.objects.filter(size=F("pk"))


@path
def locked(side):
    from django.db import transaction

    with transaction.atomic():
        return list(Document.objects.select_for_update(of=("self",)).select_related("owner"))


@path
def proxy(side):
    return Memo.objects.all()


@path
def child_of_a_table(side):
    return [
        list(Restaurant.objects.all()),
        list(Restaurant.objects.values("kitchen")),
        Restaurant.objects.count(),
    ]


@path
def parent_of_a_table(side):
    return [(one.city, hasattr(one, "restaurant")) for one in Place.objects.all()]


@path
def deleted_rows(side):
    return [Document.objects.filter(pk=side.key(3)).exists(), list(with_deleted(Document.objects.all()))]


@path
def deleted_rows_counted(side):
    return [
        with_deleted(Document.objects).count(),
        with_deleted(Document.objects.filter(pk=side.key(3))).exists(),
    ]


@path
def rows_of_all(side):
    return Template.objects.order_by("pk")


@path
def rows_of_a_rule(side):
    return Sale.objects.aggregate(Sum("amount"), Count("pk"))


@path
def compiled_by_hand(side):
    sql, params = Document.objects.filter(pk=side.key()).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


@path(shared=True)
def shared_rows(side):
    return [list(Country.objects.all()), list(Note.objects.all())]


@path(shared=True)
def nothing(side):
    return [list(Document.objects.none()), list(Document.objects.filter(pk__in=[]))]


# refused -----------------------------------------------------------------------------------------------------------


@path(refused=StatementRefused)
def raw(side):
    return list(Document.objects.raw("SELECT * FROM shop_document"))


@path(refused=StatementRefused)
def raw_with_parameters_of_another_tenant(side):
    sql, params = Document.objects.filter(pk=side.key()).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(sql, tuple(201 if one == side.key() else one for one in (*params, 1)))
        return cursor.fetchall()


@path(refused=StatementRefused)
def cursor(side):
    with connection.cursor() as cursor:
        cursor.execute("SELECT title FROM shop_document")
        return cursor.fetchall()


@path(refused=StatementRefused)
def cursor_of_the_driver(side):
    with connection.cursor() as cursor:
        cursor.copy(
            "COPY shop_document TO STDOUT"
        ) if connection.vendor == "postgresql" else cursor.executescript("")


@path(refused=StatementRefused)
def many_executions(side):
    with connection.cursor() as cursor:
        cursor.executemany("DELETE FROM shop_line WHERE id = %s", [(side.key(),)])


@path(refused=StatementRefused)
def procedure(side):
    with connection.cursor() as cursor:
        cursor.callproc("pg_sleep", [0])


@path(refused=StatementRefused)
def extra_where(side):
    return list(Document.objects.extra(where=["1 = 1) OR (1 = 1"]))


@path(refused=StatementRefused)
def extra_select(side):
    return list(Document.objects.extra(select={"n": "SELECT COUNT(*) FROM shop_document"}))


@path(refused=StatementRefused)
def extra_tables(side):
    return list(Document.objects.extra(tables=["shop_tag"]))


@path(refused=StatementRefused)
def extra_order(side):
    return list(
        Document.objects.extra(
            order_by=["title"], select={"title2": "(SELECT max(title) FROM shop_document)"}
        )
    )


@path(refused=StatementRefused)
def raw_expression(side):
    return list(Document.objects.annotate(n=RawSQL("(SELECT COUNT(*) FROM shop_document)", ())))


@path(refused=StatementRefused)
def raw_expression_in_a_filter(side):
    return list(Document.objects.filter(pk__in=RawSQL("SELECT id FROM shop_document", ())))


@path(refused=StatementRefused)
def function_by_template(side):
    count = models.Func(template="(SELECT COUNT(*) FROM shop_document)", output_field=models.IntegerField())
    return list(Document.objects.annotate(n=count))


@path(refused=StatementRefused)
def function_by_joiner(side):
    made = models.Func("pk", "pk", function="MAX", arg_joiner=") FROM shop_document UNION SELECT (")
    return list(Document.objects.annotate(n=made).values("n"))


@path(refused=StatementRefused)
def function_by_name(side):
    made = models.Func(Value("SELECT 1"), function="query_to_xml", output_field=models.TextField())
    return list(Document.objects.annotate(n=made))


class Everything(models.Func):
    """An expression of one's own that reads what it likes."""

    def as_sql(self, compiler, connection, **options):
        return "(SELECT COUNT(*) FROM shop_document)", []


@path(refused=StatementRefused)
def expression_of_ones_own(side):
    return list(Document.objects.annotate(n=Everything(output_field=models.IntegerField())))


@path(refused=StatementRefused)
def expression_whose_sql_was_exchanged(side):
    made = Lower("title")
    made.as_sqlite = made.as_postgresql = lambda *_arguments: ("(SELECT max(title) FROM shop_document)", [])
    return list(Document.objects.annotate(n=made))


@path(refused=StatementRefused)
def expression_that_claims_to_be_djangos(side):
    made = type(
        "Lower", (Everything,), {"__module__": "django.db.models.functions.text", "as_sql": Everything.as_sql}
    )
    return list(Document.objects.annotate(n=made(output_field=models.IntegerField())))


@path(refused=StatementRefused)
def parameters_changed_after_the_compilation(side):
    class Changing(list):
        """Parameters that are others when they are looked at again."""

        def __iter__(self):
            return iter((201,))

    sql, params = Document.objects.filter(pk=side.key()).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(sql, Changing(params))
        return cursor.fetchall()


EVERYTHING = "(SELECT max(title) FROM shop_document)"


@path(refused=StatementRefused)
def connector_of_ones_own(side):
    made = CombinedExpression(Value("x"), f"|| {EVERYTHING} ||", Value("y"), output_field=models.TextField())
    return list(Document.objects.annotate(n=made))


@path(refused=StatementRefused)
def case_by_template(side):
    made = Case(
        When(pk=1, then=Value("x")), default=Value("y"), template=f"{EVERYTHING} || CASE %(cases)s END"
    )
    return list(Document.objects.annotate(n=made))


@path(refused=StatementRefused)
def subquery_by_template(side):
    made = Subquery(Person.objects.values("name")[:1], template=f"{EVERYTHING} || (%(subquery)s)")
    return list(Document.objects.annotate(n=made))


@path(refused=StatementRefused)
def template_set_afterwards(side):
    made = Lower("title")
    made.template = EVERYTHING
    return list(Document.objects.annotate(n=made))


@path(refused=StatementRefused)
def cast_to_a_type_that_is_sql(side):
    kind = models.CharField(max_length=f"9)) || {EVERYTHING} || ((''")
    return list(Document.objects.annotate(n=Cast("title", kind)).values("n"))


@path(refused=StatementRefused)
def value_of_a_field_that_was_changed(side):
    kind = models.TextField()
    kind.get_placeholder = lambda *_arguments: f"{EVERYTHING} || %s"
    return list(Document.objects.annotate(n=Value("x", output_field=kind)).values("n"))


class Wrapped(models.TextField):
    """A field of one's own that writes SQL around a column."""

    def select_format(self, compiler, sql, params):
        return f"{EVERYTHING} || {sql}", params


@path(refused=StatementRefused)
def field_of_ones_own(side):
    return list(Document.objects.annotate(n=Lower("title", output_field=Wrapped())).values("n"))


class Resolved(Lower):
    """A function of Django's, read by a field of one's own."""

    def _resolve_output_field(self):
        return Wrapped()


@path(refused=StatementRefused)
def field_that_is_found_out_late(side):
    return list(Document.objects.annotate(n=Resolved("title")).values("n"))


class Peeking(Exact):
    """A lookup of one's own that writes its right side."""

    def get_rhs_op(self, connection, rhs):
        return f"= {rhs} OR {EVERYTHING} LIKE '%%'"


@path(refused=StatementRefused)
def lookup_of_ones_own(side):
    return list(Document.objects.filter(Peeking(F("title"), Value("x"))))


class Calm(Exact):
    """A lookup of one's own that writes nothing."""


@path
def lookup_that_writes_nothing(side):
    return list(Document.objects.filter(Calm(F("pk"), Value(side.key()))))


class Plain(models.TextField):
    """A field of one's own that writes nothing."""

    def from_db_value(self, value, expression, connection):
        return f"<{value}>"


@path
def field_that_writes_nothing(side):
    rows = Document.objects.filter(pk=side.key())
    return list(rows.annotate(n=Lower("title", output_field=Plain())).values("n"))


class Citext(models.TextField):
    """A field of one's own whose type is written where the table is created, and that keeps a size of its own."""

    size = None

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.size = [300, 200]

    def db_type(self, connection):
        return "citext"


@path
def field_of_a_type_of_its_own(side):
    rows = Document.objects.filter(pk=side.key())
    return list(rows.annotate(n=Lower("title", output_field=Citext())).values("n"))


@path(refused=StatementRefused)
def cast_to_a_field_of_a_type_of_its_own(side):
    return list(Document.objects.annotate(n=Cast("title", Citext())).values("n"))


@path(shared=True)
def what_is_left_of_a_description(side):
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, "shop_document")
        return len(columns), list(cursor.fetchall()) if cursor.description else []


@path(refused=StatementRefused)
def description_of_what_is_no_table(side):
    with connection.cursor() as cursor:
        return connection.introspection.get_table_description(cursor, '"shop_document" UNION ALL "shop_tag"')


class Agreeing(str):
    """A text that says it is equal to any."""

    __slots__ = ()

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = str.__hash__


@path(refused=StatementRefused)
def template_that_agrees(side):
    made = models.Func(Value("x"), function="ARRAY", template=Agreeing(f"{EVERYTHING} || %(expressions)s"))
    return list(Document.objects.annotate(n=made).values("n"))


@path(refused=StatementRefused)
def connector_that_agrees(side):
    made = CombinedExpression(Value("x"), "+", Value("y"), output_field=models.TextField())
    made.connector = Agreeing(f"|| {EVERYTHING} ||")
    return list(Document.objects.annotate(n=made).values("n"))


@path(refused=StatementRefused)
def where_set_afterwards(side):
    rows = Document.objects.filter(pk=side.key())
    rows.query.where.connector = f"OR {EVERYTHING} LIKE '%%' OR"
    rows.query.where.children *= 2
    return list(rows)


@path(refused=StatementRefused)
def reference_that_is_quoted_already(side):
    made = Ref(f'"id" || {EVERYTHING} || "id"', Value("x"))
    return list(Document.objects.annotate(n=made).values("n"))


@path(refused=StatementRefused)
def collation_set_afterwards(side):
    made = Collate(Lower("title"), "nocase")
    made.collation = f'"nocase" || {EVERYTHING} || "x"'
    return list(Document.objects.annotate(n=made).values("n"))


@path(refused=StatementRefused)
def cast_to_a_type_within(side):
    inner = models.CharField(max_length=f"9)) || {EVERYTHING} || ((''")
    kind = models.GeneratedField(expression=F("title"), output_field=inner, db_persist=True)
    return list(Document.objects.annotate(n=Cast("title", kind)).values("n"))


class Unseen(Value):
    """A value that has its SQL where nobody looks."""

    def __getattribute__(self, name):
        if name in ("as_sqlite", "as_postgresql"):
            return lambda *_arguments, **_options: (EVERYTHING, [])
        return super().__getattribute__(name)


@path(refused=StatementRefused)
def value_with_unseen_sql(side):
    made = Unseen("x", output_field=models.TextField())
    return list(Document.objects.annotate(n=made).values("n"))


class UnseenField(models.TextField):
    """A field that has its SQL where nobody looks."""

    def __getattr__(self, name):
        if name == "select_format":
            return lambda _compiler, sql, params: (f"{EVERYTHING} || {sql}", params)
        raise AttributeError(name)


@path(refused=StatementRefused)
def field_with_unseen_sql(side):
    return list(Document.objects.annotate(n=Lower("title", output_field=UnseenField())).values("n"))


class Parameter(In):
    """A lookup that spells its parameters."""

    def resolve_expression_parameter(self, *_arguments):
        return EVERYTHING, []


@path(refused=StatementRefused)
def lookup_that_spells_parameters(side):
    return list(Document.objects.filter(Parameter(F("title"), [Value("x")])))


@path(refused=StatementRefused)
def operator_set_afterwards(side):
    made = HasKey(F("facts"), "word")
    made.logical_operator = f" OR {EVERYTHING} = "
    return list(Document.objects.filter(made))


@path(refused=StatementRefused)
def window_set_afterwards(side):
    frame = RowRange(start=None, end=0)
    frame.frame_type = f"ROWS /* {EVERYTHING} */"
    made = Window(RowNumber(), order_by="pk", frame=frame)
    return list(Document.objects.annotate(n=made).values("n"))


class Nosy:
    """A cursor that asks something else than it is told."""

    def __init__(self, cursor):
        self._cursor = cursor

    def execute(self, *_statement):
        return self._cursor.execute("SELECT title, title FROM shop_document")

    def __getattr__(self, name):
        return getattr(self._cursor, name)

    def __iter__(self):
        return iter(self._cursor)


@path(shared=True)
def catalog_by_another_cursor(side):
    with connection.cursor() as cursor:
        return "shop_document" in {one.name for one in connection.introspection.get_table_list(Nosy(cursor))}


@path(refused=StatementRefused)
def flush_by_hand(side):
    return connection.ops.execute_sql_flush(["UPDATE shop_tag SET label = 'x'"])


@path(refused=StatementRefused)
def where_of_ones_own(side):
    class Or(WhereNode):
        """A WHERE that says OR."""

        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.connector = "OR"

    rows = Document.objects.filter(pk=side.key())
    rows.query.where = Or(rows.query.where.children)
    return list(rows)


@path(refused=StatementRefused)
def alias_of_scoping(side):
    named = {"tenantkit_row": FilteredRelation("documents")}
    return list(Person.objects.annotate(**named).values("tenantkit_row__title"))


@path(refused=StatementRefused)
def explained(side):
    return Document.objects.explain()


@path(refused=UndeclaredTable)
def undeclared(side):
    return list(Stray.objects.all())
