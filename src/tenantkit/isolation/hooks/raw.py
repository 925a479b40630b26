"""Raw pieces of a statement: text, literal columns, functions, operators, names and types are checked one by one."""

import re
from typing import Any, Final

from tenantkit.isolation import raw_sql
from tenantkit.isolation.elements import RESERVED_PREFIX, OwnFunction, ScopeBind
from tenantkit.isolation.hooks.statement import Statement
from tenantkit.isolation.refusals import refusal, statement_refused
from tenantkit.isolation.vouch import VouchedLiteral, VouchedText, logger

__all__ = ["RawHooks", "ScopedPreparer", "ScopedTypeCompiler"]

_NO_WORD: Final = re.compile(r"\W")


class ScopedPreparer:
    """Identifier preparer: a name that asks not to be quoted must be a plain identifier."""

    def quote(self, ident: str, *args: Any) -> str:
        raw_sql.check_identifier(ident)
        return super().quote(ident, *args)  # type: ignore[misc,no-any-return]


class ScopedTypeCompiler:
    """Type compiler: the text of a type, wherever it is rendered, is a name with sizes."""

    def process(self, type_: Any, **kw: Any) -> str:
        text: str = super().process(type_, **kw)  # type: ignore[misc]
        raw_sql.check_type(text)
        return text


class RawHooks(Statement):
    """Statement compiler: every raw piece is refused, unless it is harmless or vouched for."""

    def visit_textclause(self, textclause: Any, **kw: Any) -> str:
        if textclause.text in raw_sql.HARMLESS_TEXTS and not textclause._bindparams:
            return super().visit_textclause(textclause, **kw)  # type: ignore[misc,no-any-return]
        if textclause.text in raw_sql.TWO_PHASES and not self.stack:  # only the dialect itself may execute it
            return super().visit_textclause(textclause, **kw)  # type: ignore[misc,no-any-return]
        if not isinstance(textclause, VouchedText):
            raise refusal(raw_sql.text_refused(textclause.text))
        _note(textclause.text, textclause.reason)
        return super().visit_textclause(textclause, **kw)  # type: ignore[misc,no-any-return]

    def visit_tstring(self, tstring: Any, **kw: Any) -> str:
        raise refusal(raw_sql.text_refused(str(tstring)))

    def visit_column(self, column: Any, **kw: Any) -> str:
        if column.is_literal:
            if isinstance(column, VouchedLiteral):
                _note(column.name, column.reason)
            else:
                raw_sql.check_literal(column.name)
        return super().visit_column(column, **kw)  # type: ignore[misc,no-any-return]

    def visit_function(self, func: Any, **kw: Any) -> str:
        if not isinstance(func, OwnFunction):
            packages = tuple(getattr(func, "packagenames", ()))
            raw_sql.check_function(func.name, packages, self.registry.functions)
        return super().visit_function(func, **kw)  # type: ignore[misc,no-any-return]

    def visit_custom_op_binary(self, element: Any, operator: Any, **kw: Any) -> str:
        raw_sql.check_operator(operator, is_question_parameter=self.dialect.paramstyle == "qmark")
        return super().visit_custom_op_binary(element, operator, **kw)  # type: ignore[misc,no-any-return]

    def visit_custom_op_unary_operator(self, element: Any, operator: Any, **kw: Any) -> str:
        raw_sql.check_operator(operator, is_question_parameter=self.dialect.paramstyle == "qmark")
        return super().visit_custom_op_unary_operator(element, operator, **kw)  # type: ignore[misc,no-any-return]

    def visit_custom_op_unary_modifier(self, element: Any, operator: Any, **kw: Any) -> str:
        raw_sql.check_operator(operator, is_question_parameter=self.dialect.paramstyle == "qmark")
        return super().visit_custom_op_unary_modifier(element, operator, **kw)  # type: ignore[misc,no-any-return]

    def visit_extract(self, extract: Any, **kw: Any) -> str:
        raw_sql.check_keyword(extract.field)
        return super().visit_extract(extract, **kw)  # type: ignore[misc,no-any-return]

    def render_literal_value(self, value: Any, type_: Any) -> str:
        text: str = super().render_literal_value(value, type_)  # type: ignore[misc]
        raw_sql.check_rendered_literal(text, backslash_escapes=self.dialect.name in ("mysql", "mariadb"))
        return text

    def visit_bindparam(self, bindparam: Any, **kw: Any) -> str:
        # the name as it is sent: 2.0 spells what is no letter as an underscore, and so two names as one
        name = _NO_WORD.sub("_", self._truncate_bindparam(bindparam))
        is_reserved = bindparam.key.startswith(RESERVED_PREFIX) or name in self.registry.bind_names
        if is_reserved and not isinstance(bindparam, ScopeBind):
            raise statement_refused(
                f"{bindparam.key!r} is reserved: parameters named {RESERVED_PREFIX}... are filled from the scope."
            )
        return super().visit_bindparam(bindparam, **kw)  # type: ignore[misc,no-any-return]


def _note(text: str, reason: str) -> None:
    """Log raw SQL that somebody answers for; once per compilation, since compiled statements are kept."""
    logger.info("vouched SQL compiled: %s (%s)", text, reason)
