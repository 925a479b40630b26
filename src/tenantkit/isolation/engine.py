"""Engines whose every statement is scoped."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import URL, Engine, MetaData, create_engine, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation.canary import check_hooks
from tenantkit.isolation.hooks import (
    ScopedCompiler,
    ScopedContext,
    ScopedDialect,
    ScopedPreparer,
    ScopedTypeCompiler,
)
from tenantkit.isolation.registry import Registry
from tenantkit.isolation.rules import RowRule
from tenantkit.isolation.sights import Sights
from tenantkit.sql.sqlite import prepare_sqlite

__all__ = ["scope_async_engine", "scope_engine"]


def scope_engine(
    url: str | URL,
    *,
    metadata: MetaData | Sequence[MetaData],
    rules: Sequence[RowRule] = (),
    functions: Iterable[str] = (),
    elements: Iterable[type] = (),
    policies: bool = False,
    **options: Any,
) -> Engine:
    """
    Create an engine on which every statement is scoped, for use by :class:`ScopedSession`.

    A statement that cannot be scoped is refused by name. The declarations are frozen here: import your models
    first. Connections outside a ScopedSession are refused at the first statement; DDL, reflection and migrations
    use an engine of their own, of the role that owns the tables.

    Args:
        url: database URL of the role that the application works as.
        metadata: where the tables are declared.
        rules: further row rules, beside the tenant's.
        functions: names of SQL functions that statements may call, beside the built-in list.
        elements: classes of the application's own ``@compiles`` elements that statements may hold.
        policies: whether each transaction tells the database its scope, in one statement, for row level security
            (PostgreSQL, :class:`Policies`).
        options: as for ``sqlalchemy.create_engine``.

    Raises:
        ConfigurationError: a declaration or option is wrong.
        CanaryFailed: this SQLAlchemy or dialect does not call the hooks.

    .. versionadded:: 0.1
    """
    known = _registry(metadata, rules, functions, elements)
    return _scoped(create_engine(_scoped_url(url), **_checked(options)), known, policies=policies)


def scope_async_engine(
    url: str | URL,
    *,
    metadata: MetaData | Sequence[MetaData],
    rules: Sequence[RowRule] = (),
    functions: Iterable[str] = (),
    elements: Iterable[type] = (),
    policies: bool = False,
    **options: Any,
) -> AsyncEngine:
    """
    Create an async engine on which every statement is scoped; otherwise the same as :func:`scope_engine`.

    .. versionadded:: 0.1
    """
    known = _registry(metadata, rules, functions, elements)
    engine = create_async_engine(_scoped_url(url, is_async=True), **_checked(options))
    _scoped(engine.sync_engine, known, policies=policies)
    return engine


def _registry(
    metadata: MetaData | Sequence[MetaData],
    rules: Sequence[RowRule],
    functions: Iterable[str],
    elements: Iterable[type],
) -> Callable[..., Registry]:
    several = (metadata,) if isinstance(metadata, MetaData) else tuple(metadata)

    def known(lifted: frozenset[str], *, is_rehearsal: bool = False) -> Registry:
        return Registry(
            *several,
            rules=rules,
            functions=functions,
            elements=elements,
            lifted=lifted,
            is_rehearsal=is_rehearsal,
        )

    known(frozenset())  # what is declared wrongly is said before anything else
    return known


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    if options.get("use_ansi") is False:
        raise ConfigurationError("use_ansi=False renders joins without ON, past the scoping. Leave it out.")
    return options


def _scoped(engine: Engine, known: Callable[..., Registry], *, policies: bool) -> Engine:
    dialect: Any = engine.dialect  # new, so nothing is compiled or cached under it yet
    if policies and dialect.name != "postgresql":
        raise ConfigurationError(
            f"policies=True needs PostgreSQL, and this is {dialect.name}. Leave it out here: every statement is scoped "
            "without it."
        )
    Sights(dialect, known, policies=policies)
    check_hooks(type(dialect))  # type: ignore[arg-type]  # a class is hashable
    prepare_sqlite(engine)
    return engine


def _scoped_url(url: str | URL, *, is_async: bool = False) -> URL:
    """
    Return the URL with the name of a scoped dialect, registered with SQLAlchemy as any third-party dialect is.

    So the engine is made by ``create_engine`` with the scoped dialect from the start: caches, preparers and type
    compilers all hold the dialect object, and a copy or an exchange afterwards would miss some of them.
    """
    url = make_url(url)
    kind = url.get_dialect()
    kind = kind.get_async_dialect_cls(url) if is_async else kind
    scoped: type[Dialect] = scoped_class(kind)  # type: ignore[arg-type]  # a class is hashable
    name = f"tenantkit_{kind.name}.{kind.driver}" + ("_async" if is_async else "")
    registry.register(name, __name__, scoped.__name__)
    return url.set(drivername=name.replace(".", "+"))


@cache
def scoped_class(kind: type[Dialect]) -> type[Dialect]:
    """Return the dialect class with the hooks mixed in, as an attribute of this module under its name."""
    original: Any = kind
    made: type[Dialect] = type(
        f"Scoped{kind.__name__}",
        (ScopedDialect, kind),
        {
            "__module__": __name__,
            "statement_compiler": _mixed(ScopedCompiler, original.statement_compiler),
            "execution_ctx_cls": _mixed(ScopedContext, original.execution_ctx_cls),
            "preparer": _mixed(ScopedPreparer, original.preparer),
            "type_compiler_cls": _mixed(ScopedTypeCompiler, original.type_compiler_cls),
            # SQLAlchemy asks each class for its own; the hooks change what is rendered, the same way each time
            "supports_statement_cache": original.supports_statement_cache,
        },
    )
    globals()[made.__name__] = made
    return made


def _mixed(hooks: type, original: type) -> type:
    return type(f"Scoped{original.__name__}", (hooks, original), {"__module__": __name__})
