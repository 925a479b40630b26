"""The conditions on a table's rows as text, for SQL that SQLAlchemy does not write: policies, and another ORM's."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ClauseElement, and_
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ColumnElement, FromClause

from tenantkit.isolation.elements import ScopeBind
from tenantkit.isolation.engine import scoped_class
from tenantkit.isolation.hooks import COVERED
from tenantkit.isolation.registry import Registry

__all__ = ["Spell", "plain_dialect", "speller"]

SpellBind = Callable[[ScopeBind, Any], str]
Spell = Callable[[FromClause, Sequence[ColumnElement[bool]]], str]


class _RowCondition(ClauseElement):
    """A condition on the rows of a table or an alias, as it stands outside of any statement."""

    __visit_name__ = "row_condition"

    def __init__(self, element: FromClause, condition: ColumnElement[bool]) -> None:
        self.element, self.condition = element, condition


def plain_dialect(kind: Any) -> Any:
    """Return a dialect that spells SQL as it is read: no percent sign is doubled for a driver's parameters."""
    return kind(paramstyle="named")


def speller(kind: type[Dialect], registry: Registry, spell_bind: SpellBind) -> Spell:
    """
    Return a function that spells conditions, with the scoped compiler: parents that they look for are scoped, too.

    Args:
        kind: the class of a dialect, such as ``PGDialect``.
        registry: knows the tables.
        spell_bind: spells a value of the scope; it is given the value's bind and the dialect.
    """
    scoped: Any = scoped_class(kind)  # type: ignore[arg-type]  # a class is hashable
    dialect = plain_dialect(scoped)
    dialect.tenantkit_registry = registry

    class ConditionCompiler(scoped.statement_compiler):  # type: ignore[misc]
        """The scoped compiler, which spells the values of the scope otherwise than as parameters."""

        def visit_row_condition(self, expression: _RowCondition, **kw: Any) -> str:
            near = {expression.element}
            self.stack.append({"correlate_froms": near, "asfrom_froms": near, COVERED: near})
            text: str = self.process(expression.condition, **kw)
            self.stack.pop()
            return text

        def visit_bindparam(self, bindparam: Any, **kw: Any) -> str:
            if isinstance(bindparam, ScopeBind):
                return spell_bind(bindparam, self.dialect)
            return super().visit_bindparam(bindparam, **kw)  # type: ignore[no-any-return]

    dialect.statement_compiler = ConditionCompiler

    def spell(element: FromClause, criteria: Sequence[ColumnElement[bool]]) -> str:
        return str(_RowCondition(element, and_(*criteria)).compile(dialect=dialect)).replace("\n", "")

    return spell
