"""The leak matrix of an application's own models: every table and class, attacked in every way we know."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, Protocol
from uuid import uuid5

from sqlalchemy import Engine, MetaData, Table, create_engine, select
from sqlalchemy.orm import Mapper, Session, configure_mappers, mapperlib

from tenantkit.core.scope import Scope, enter
from tenantkit.core.tenant import Tenant
from tenantkit.exceptions import ConfigurationError, IsolationError
from tenantkit.isolation import Policies, RowRule, ScopedSession, scope_engine
from tenantkit.isolation.entry import Entry
from tenantkit.isolation.registry import Registry
from tenantkit.isolation.rules import TENANT
from tenantkit.testing.probe import reading, writing  # noqa: F401 - their shapes are registered
from tenantkit.testing.probe.houses import Dump, House
from tenantkit.testing.probe.population import Population, Side, ValueOf
from tenantkit.testing.probe.shapes import SHAPES, Inapplicable, Shape
from tenantkit.testing.probe.subjects import Subject
from tenantkit.testing.probe.values import SPACE

__all__ = ["LeakFinding", "LeakReport", "Probe", "Server", "leak_matrix", "mappers_of", "tenant_id"]

Verdict = Literal["leaked", "changed", "refused", "failed", "open"]
Query = Callable[[Session], Any]
OWN, FOREIGN = "acme", "bolt"
_SHOWN: Final = 200


class Server(Protocol):
    """
    What ``find_postgres()`` gives: a server that makes databases.

    .. versionadded:: 0.1
    """

    def database(self) -> Any:
        """Make a database with an ``owner_url`` and an ``app_url``, in a ``with``."""


@dataclass(frozen=True, slots=True)
class LeakFinding:
    """
    One way that does not hold.

    Attributes:
        verdict: ``"leaked"``: the answer depends on the other tenant; ``"changed"``: a row of the other tenant's was
            written or pointed to; ``"open"``: it answers without a scope; ``"refused"``: an innocent question is
            refused; ``"failed"``: another error.
        subject: the table, class or query.
        shape: the way.
        detail: what was seen.

    .. versionadded:: 0.1
    """

    verdict: Verdict
    subject: str
    shape: str
    detail: str

    def __str__(self) -> str:
        return f"{self.subject}, {self.shape}: {self.verdict}: {self.detail}"


@dataclass(frozen=True, slots=True)
class LeakReport:
    """
    What came of it.

    Attributes:
        runs: how many ways were tried, by subject.
        findings: those that do not hold.

    .. versionadded:: 0.1
    """

    runs: dict[str, int] = field(default_factory=dict)
    findings: tuple[LeakFinding, ...] = ()

    def check(self) -> None:
        """
        Raise what was found.

        Raises:
            AssertionError: there is something.
        """
        if self.findings:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        counts = Counter(one.verdict for one in self.findings)
        found = (
            ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())) or "nothing found"
        )
        head = f"{sum(self.runs.values())} ways to {len(self.runs)} tables, classes and queries: {found}"
        return "\n".join([head, *(f"- {one}" for one in self.findings)])


def leak_matrix(  # noqa: PLR0913 - each is an option
    models: Any,
    *,
    queries: Mapping[str, Query] | None = None,
    server: Server | None = None,
    policies: bool = False,
    rules: Sequence[RowRule] = (),
    scope: Callable[[Tenant], Scope] = Scope,
    rows: int = 3,
    values: Mapping[str, ValueOf] | None = None,
    engine_options: Mapping[str, Any] | None = None,
) -> LeakReport:
    """
    Attack an application's own models, and its own queries, and report what does not hold.

    Rows of two tenants are made for every table, with foreign keys in their tenant, in one database; in another one
    there are the rows of the first tenant only. What the first tenant reads must be the same in both, and what it
    writes must leave the other's rows as they are: so sums, counts and anything else that depends on the other tenant
    are found.

    Args:
        models: a declarative base, a ``MetaData``, or a list of them.
        queries: functions of the application that get a session, by name; what one returns is compared, with
            mapped objects by their columns. It must not return what is made anew each time.
        server: makes the two databases, such as ``find_postgres()``; files of SQLite by default.
        policies: whether row level security is made and told (PostgreSQL).
        rules: further row rules.
        scope: makes the scope of a tenant, where rules ask for dimensions.
        rows: rows for each class and tenant.
        values: values for columns that cannot be made up, by ``table.column``: functions of the tenant's slug, or
            ``nobody``, and a number that is another for each row.
        engine_options: as for ``scope_engine``.

    Returns:
        the report; ``leak_matrix(Base).check()`` is a test.

    Raises:
        ConfigurationError: the models cannot be filled.

    .. versionadded:: 0.1
    """
    with ExitStack() as stack:
        found = Probe(
            models,
            stack,
            server=server,
            policies=policies,
            rules=rules,
            scope=scope,
            rows=rows,
            values=values,
            engine_options=engine_options,
        )
        return found.report(queries or {})


class Probe:
    """
    Two databases filled with rows for some models, opened when they are needed, and every way to attack them.

    Args:
        models: as for :func:`leak_matrix`, and so are the others.
        stack: closes what is opened.
    """

    def __init__(  # noqa: PLR0913 - each is an option
        self,
        models: Any,
        stack: ExitStack,
        *,
        server: Server | None = None,
        policies: bool = False,
        rules: Sequence[RowRule] = (),
        scope: Callable[[Tenant], Scope] = Scope,
        rows: int = 3,
        values: Mapping[str, ValueOf] | None = None,
        engine_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._metadata = _metadata_of(models)
        self._policies, self._rules, self._stack = policies, rules, stack
        self._options = dict(engine_options or {})
        registry = Registry(
            *self._metadata, rules=rules, is_rehearsal=True
        )  # what is asked once all is enforced
        self._sides = tuple(
            Side(slug, scope(Tenant(tenant_id(registry, slug, 1), slug))) for slug in (OWN, FOREIGN)
        )
        mappers = mappers_of(self._metadata)
        self._population = Population(registry, mappers, self._sides, count=rows, values=values)
        self._server = server
        ruled = [entry for entry in registry.entries if entry.table not in self._population.empty]
        self.subjects = [Subject(entry, None, self._population, *self._sides) for entry in ruled]
        known = {entry.table: entry for entry in ruled}
        self.subjects += [
            Subject(known[mapper.local_table], mapper, self._population, *self._sides)
            for mapper in mappers
            if isinstance(mapper.local_table, Table) and mapper.local_table in known
        ]

    @cached_property
    def _both(self) -> House:
        return self._house((OWN, FOREIGN))

    @cached_property
    def _alone(self) -> House:
        return self._house((OWN,))

    @cached_property
    def _before(self) -> Dump:
        return self._both.look()

    def shapes_of(self, subject: Subject) -> list[Shape]:
        """Return the ways that are tried on a subject: a class's on the class, all others on the table."""
        shapes = [one for one in SHAPES if one.needs_class == (subject.mapper is not None)]
        return [one for one in shapes if not one.is_write or subject.entry.is_ruled]

    def report(self, queries: Mapping[str, Query]) -> LeakReport:
        """Try everything on every subject, and the queries."""
        tried = [(subject.name, self.attack_all(subject)) for subject in self.subjects]
        tried += [(name, [self.ask(name, query)]) for name, query in queries.items()]
        runs: Counter[str] = Counter()
        for name, found in tried:
            runs[name] += len(found)
        return LeakReport(
            dict(runs), tuple(one for _, found in tried for several in found for one in several)
        )

    def attack_all(self, subject: Subject) -> list[list[LeakFinding]]:
        """Try everything on one subject; return what was found in each way that could be tried."""
        tried = [self.attack(subject, shape) for shape in self.shapes_of(subject)]
        if subject.mapper is None and subject.entry.is_ruled:
            tried.append(self.ask_unscoped(subject))
        return [found for found in tried if found is not None]

    def attack(self, subject: Subject, shape: Shape) -> list[LeakFinding] | None:
        """Try one way; return what was found, or None where there is nothing to try."""
        try:
            if shape.is_write:
                return self._write(subject, shape)
            return self._read(subject, shape)
        except Inapplicable:
            return None

    def ask_unscoped(self, subject: Subject) -> list[LeakFinding]:
        """Ask for rows without a scope."""
        with Session(self._both.engine) as session:
            try:
                seen = session.execute(select(subject.table)).all()
            except IsolationError:
                return []
        return [LeakFinding("open", subject.name, "without a scope", f"answered with {len(seen)} rows")]

    def ask(self, name: str, query: Query) -> list[LeakFinding]:
        """Run a function of the application as the first tenant, with and without the other one."""
        _ = self._foreign  # what there was before
        answers = [self._outcome(self._scoped(house), query) for house in (self._both, self._alone)]
        found = self._changes(name, "query")
        self._alone.fill()  # it may have written there, too
        (answer, error), (expected, expected_error) = answers
        if error is not None and expected_error is None:
            found.append(_error(name, "query", error))
        elif expected_error is not None:
            found.append(LeakFinding("failed", name, "query", _short(expected_error)))
        elif answer != expected:
            found.append(_differs(name, "query", answer, expected))
        return found

    def _read(self, subject: Subject, shape: Shape) -> list[LeakFinding]:
        expected, wrong = self._outcome(
            Session(self._alone.owner), lambda session: shape.body(session, subject)
        )
        if wrong is not None:
            raise Inapplicable  # it cannot be asked at all: by tenants or without
        answer, error = self._outcome(self._scoped(self._both), lambda session: shape.body(session, subject))
        if error is not None:
            return [_error(subject.name, shape.name, error)]
        return [] if answer == expected else [_differs(subject.name, shape.name, answer, expected)]

    def _write(self, subject: Subject, shape: Shape) -> list[LeakFinding]:
        def written(session: Session) -> Any:
            shape.body(session, subject)
            session.commit()

        _ = self._foreign  # what there was before
        self._outcome(self._scoped(self._both), written)  # refused or not: what counts is what is there then
        return self._changes(subject.name, shape.name)

    def _scoped(self, house: House) -> Session:
        return ScopedSession(house.engine, scope=self._sides[0].scope)

    def _outcome(self, session: Session, body: Query) -> tuple[Any, Exception | None]:
        """Return what a body answers, so that it can be compared, or its error."""
        with session, enter(self._sides[0].scope):
            try:
                return comparable(body(session)), None
            except Inapplicable:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is judged
                return None, error

    def _changes(self, subject: str, shape: str) -> list[LeakFinding]:
        """Compare the database with what it was, put it right, and return what was done to the other tenant."""
        after = self._both.look()
        if after == self._before:
            return []
        found = [LeakFinding("changed", subject, shape, what) for what in self._harm(after)]
        self._both.fill()
        return found

    @cached_property
    def _foreign(self) -> Dump:
        """The other tenant's rows: those that are in one house only, as the database gives them."""
        alone = self._alone.look()
        return {
            table: {key: row for key, row in rows.items() if key not in alone[table]}
            for table, rows in self._before.items()
        }

    def _harm(self, after: Dump) -> Iterator[str]:
        for entry in self._population.entries:
            table, before, now = entry.table, self._before[entry.table], after[entry.table]
            held = self._foreign[table] if entry.is_writable else before
            gone = [key for key, row in before.items() if key in held and now.get(key) != row]
            if gone:
                yield f"{len(gone)} rows of {table.fullname} that are not its own"
            for key, row in now.items():
                if before.get(key) != row and key not in held:
                    yield from _strays(entry, row, self._foreign)

    def _house(self, slugs: Sequence[str]) -> House:
        if self._server is None:
            folder = Path(self._stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True)))
            owner_url = app_url = f"sqlite:///{folder / 'probe.db'}"
        else:
            database = self._stack.enter_context(self._server.database())
            owner_url, app_url = database.owner_url, database.app_url
        owner = create_engine(owner_url, enable_from_linting=False)  # pairs of rows are meant
        engine = self._engine(app_url)
        house = House(owner, engine, self._population, slugs)
        self._stack.callback(house.close)
        for one in self._metadata:
            one.create_all(owner)
        if self._policies and FOREIGN in slugs:  # the other house is asked by its owner
            with owner.begin() as connection:
                Policies(self._metadata, rules=self._rules).create_all(connection)
        house.fill()
        return house

    def _engine(self, url: str) -> Engine:
        return scope_engine(
            url,
            metadata=self._metadata,
            rules=self._rules,
            policies=self._policies,
            **{"enable_from_linting": False, **self._options},
        )


def _strays(entry: Entry, row: Mapping[str, Any], foreign: Dump) -> Iterator[str]:
    """Say what of the other tenant a new or changed row has."""
    for stamp in entry.stamps:
        theirs = {one[stamp.column.key] for one in foreign[entry.table].values()}
        if stamp.rule is TENANT and row[stamp.column.key] in theirs:
            yield f"a row of {entry.table.fullname} for the other tenant"
    for link in entry.links:
        pointed = tuple(row[column.key] for column in link.columns)
        parents = foreign[link.table].values()
        if any(pointed == tuple(parent[column.key] for column in link.parents) for parent in parents):
            yield f"a row of {entry.table.fullname} that points to the other tenant's {link.table.fullname}"


def _error(subject: str, shape: str, error: Exception) -> LeakFinding:
    verdict: Verdict = "refused" if isinstance(error, IsolationError) else "failed"
    return LeakFinding(verdict, subject, shape, _short(error))


def _differs(subject: str, shape: str, answer: Any, expected: Any) -> LeakFinding:
    detail = f"{_short(answer)} where the other tenant is, {_short(expected)} where it is not"
    return LeakFinding("leaked", subject, shape, detail)


def _short(value: object) -> str:
    shown = " ".join(
        (f"{type(value).__name__}: {value}" if isinstance(value, Exception) else repr(value)).split()
    )
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def comparable(value: Any) -> Any:
    """Return a value so that two answers of one question are equal: rows in any order, objects by their columns."""
    mapper = getattr(type(value), "__mapper__", None)
    if isinstance(mapper, Mapper):
        return {one.key: comparable(getattr(value, one.key)) for one in mapper.column_attrs}
    if isinstance(value, Mapping):
        return {key: comparable(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return tuple(comparable(one) for one in value)
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return value
    return sorted((comparable(one) for one in value), key=repr)


def _metadata_of(models: Any) -> tuple[MetaData, ...]:
    several = models if isinstance(models, list | tuple) else (models,)
    found = [one if isinstance(one, MetaData) else getattr(one, "metadata", None) for one in several]
    if not found or not all(isinstance(one, MetaData) for one in found):
        raise ConfigurationError(
            f"{models!r} is no declarative base and no MetaData. Give one, or a list of them."
        )
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _registries() -> Any:
    return mapperlib._all_registries()  # noqa: SLF001 - a MetaData does not know what is mapped to its tables


def mappers_of(metadata: Sequence[MetaData]) -> list[Mapper[Any]]:
    """Return what is mapped to the tables."""
    configure_mappers()  # the tables of some classes are known only then
    mappers = [mapper for registry in _registries() for mapper in registry.mappers]
    ours = [
        one for one in mappers if isinstance(one.local_table, Table) and one.local_table.metadata in metadata
    ]
    return sorted(ours, key=lambda one: one.class_.__name__)


def tenant_id(registry: Registry, slug: str, start: int) -> Any:
    """Return an id of a made up tenant, of the type that the application has; numbers begin at ``start``."""
    kinds = [bind.type.python_type for rule, bind in registry.binds_by_name if rule is TENANT]
    if not kinds:
        raise ConfigurationError("None of the tables belongs to a tenant, so there is nothing to attack.")
    if kinds[0] is int:
        return start + sum(slug.encode())
    return slug if kinds[0] is str else uuid5(SPACE, f"{slug} {start}")
