"""What Django and its extensions say past the compilers, and what they are shown."""

import pytest
from django.contrib.postgres.aggregates import ArrayAgg, BoolOr, JSONBAgg
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.search import SearchHeadline, SearchQuery, SearchRank, SearchVector
from django.db import connection, connections, transaction
from django.db.backends.signals import connection_created
from django.db.models import OuterRef, Q

from tenantkit.core.scope import enter
from tests.adapters.django.shop.models import Document, Person, Tag
from tests.adapters.django.world import ACME, BOLT


def test_handlers_of_new_connections_may_speak(shop):
    """PostgreSQL's types are asked for so; it is no scoped statement, and needs no scope."""
    told = []

    def ask(sender, connection, **facts):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'asked'")
            told.append(cursor.fetchone()[0])

    connection.close()
    connection_created.connect(ask)
    try:
        connection.ensure_connection()
    finally:
        connection_created.disconnect(ask)
    assert ["asked"] == told


def test_what_listens_to_djangos_own_calls_sees_its_scope(shop):
    """A wrapper of statements that asks the ORM while Django sets a savepoint is shown the rows of the scope."""
    seen = []

    def look(execute, sql, params, many, context):
        if "SAVEPOINT" in str(sql) and "RELEASE" not in str(sql):
            seen.extend(Tag.objects.values_list("pk", flat=True))
        return execute(sql, params, many, context)

    with enter(ACME.scope), transaction.atomic(), connection.execute_wrapper(look), transaction.atomic():
        pass
    assert [ACME.key(1), ACME.key(2)] == sorted(seen)


def test_a_compiled_statement_takes_other_parameters_where_all_rows_are_in_sight(shop):
    """The owner's cursor runs what it is given, also where the text was compiled before."""
    owner = connections["owner"]
    with owner.tenancy.unscoped(), owner.cursor() as cursor:
        rows = Tag.objects.filter(pk=ACME.key()).values_list("pk")
        sql, _ = rows.query.get_compiler("owner").as_sql()
        cursor.execute(sql, (BOLT.key(),))
        assert [(BOLT.key(),)] == cursor.fetchall()


@pytest.mark.parametrize("shop", ["postgresql", "policies"], indirect=True)
def test_headlines_of_a_search(shop):
    """Django composes the options of a headline on a cursor of its own; the rows are the scope's."""
    headline = SearchHeadline("label", SearchQuery("red"), start_sel="<", stop_sel=">")
    with enter(ACME.scope):
        found = Tag.objects.annotate(found=headline).order_by("pk").values_list("found", flat=True)
        assert ["acme:<red>", "acme:blue"] == list(found)


OF_POSTGRESQL = {
    "vector": lambda: Document.objects.annotate(
        v=SearchVector("title", "owner__name", config="simple")
    ).filter(v="plan"),
    "rank": lambda: Document.objects.annotate(
        rank=SearchRank(SearchVector("title"), SearchQuery("plan | bill", search_type="raw"))
    ).filter(rank__gt=0),
    "sums": lambda: Document.objects.annotate(v=SearchVector("title") + SearchVector("owner__name")).filter(
        v=SearchQuery("ann") & ~SearchQuery("x")
    ),
    "subquery": lambda: Person.objects.annotate(
        titles=ArraySubquery(Document.objects.filter(owner=OuterRef("pk")).values("title"))
    ),
    "aggregates": lambda: Person.objects.annotate(
        array=ArrayAgg("documents__title"),
        json=JSONBAgg("documents__title"),
        large=BoolOr(Q(documents__size__gt=9)),
    ),
    "overlap": lambda: Person.objects.annotate(titles=ArrayAgg("documents__title")).filter(
        titles__overlap=["acme:plan", "bolt:plan"]
    ),
}


@pytest.mark.parametrize("ask", OF_POSTGRESQL.values(), ids=OF_POSTGRESQL)
@pytest.mark.parametrize("shop", ["postgresql", "policies"], indirect=True)
def test_what_only_postgresql_has(shop, ask):
    """Searches, arrays and their aggregates work, and show the scope's rows."""
    with enter(ACME.scope):
        seen = repr(list(ask().values()))
    assert "acme" in seen
    assert "bolt" not in seen
