"""What a session may see: every engine has one dialect with all rules, and one for each set of rules lifted."""

from collections.abc import Callable, Iterable
from itertools import chain, combinations
from typing import Any, Final

from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation.local_settings import refuse_several_texts, telling_scope
from tenantkit.isolation.registry import Registry
from tenantkit.isolation.rules import RowRule

__all__ = ["Sights", "names_of"]

_MOST: Final = 4  # liftable rules in use; each doubles the dialects


class Sights:
    """
    The dialects of one engine, by the rules that are lifted in each.

    SQLAlchemy caches compiled statements by the dialect object, so statements with and without a rule need two.

    Args:
        dialect: the engine's, new and not yet connected.
        registry: makes what is known of the tables, without some rules; for rehearsals, too.
        policies: whether each transaction tells the database its scope.
    """

    def __init__(self, dialect: Any, registry: Callable[..., Registry], *, policies: bool) -> None:
        self._main = dialect
        self._known = registry(frozenset())
        self._dialects = {frozenset[str](): dialect}
        liftable = sorted(rule.name for rule in self._known.rules_in_use if rule.liftable)
        if len(liftable) > _MOST:
            raise ConfigurationError(
                f"There are {len(liftable)} liftable rules in use; up to {_MOST} can be."
            )
        sets = chain.from_iterable(combinations(liftable, count) for count in range(1, len(liftable) + 1))
        for lifted in map(frozenset, sets):
            self._dialects[lifted] = dialect.twin()
        for lifted, each in self._dialects.items():
            each.tenantkit_registry = self._known if each is dialect else registry(lifted)
            each.tenantkit_sights = self
            each.tenantkit_telling = (
                telling_scope(each.tenantkit_registry).compile(dialect=each) if policies else None
            )
            each.dispatch = dialect.dispatch  # listeners of the engine hear all of them
        if policies:
            refuse_several_texts(self._known, dialect)
        if self._known.has_shadows:
            for lifted, each in self._dialects.items():
                each.tenantkit_enforced = enforced = dialect.twin()
                enforced.tenantkit_registry = registry(lifted, is_rehearsal=True)
                enforced.tenantkit_is_rehearsal = True
                enforced.dispatch = dialect.dispatch

    def initialize_others(self, connection: Any) -> None:
        """Let the other dialects learn of the database what the engine's has just learnt."""
        others = {each.tenantkit_enforced for each in self._dialects.values()} | set(self._dialects.values())
        for dialect in others - {self._main, None}:
            dialect.initialize(connection)

    def of(self, lifted: frozenset[str]) -> Any:
        """
        Return the dialect without some rules; a rule that no table follows is lifted anyway.

        Raises:
            ConfigurationError: a rule is not known, or cannot be lifted.
        """
        found = self._dialects.get(lifted)
        if found is None:
            self._check(lifted)
            in_use = {rule.name for rule in self._known.rules_in_use}
            found = self._dialects[lifted] = self._dialects[lifted & in_use]
        for each in (found, found.tenantkit_enforced):
            if each is not None:
                each._has_events = self._main._has_events  # set when somebody begins to listen
        return found

    def _check(self, lifted: frozenset[str]) -> None:
        rules = {rule.name: rule for rule in self._known.rules}
        for name in sorted(lifted):
            if name not in rules:
                raise ConfigurationError(f"The rule {name!r} is not one of this engine: {', '.join(rules)}.")
            if not rules[name].liftable:
                raise ConfigurationError(
                    f"The rule {name!r} cannot be lifted. Rules that can say liftable=True."
                )


def names_of(rules: Iterable[RowRule]) -> frozenset[str]:
    """Return the names of rules."""
    return frozenset(rule.name for rule in rules)
