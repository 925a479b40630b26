"""Whose row is it? A column of the row names its owner."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Mapper, Session

from tenantkit.core.scope import Scope
from tenantkit.exceptions import ConfigurationError, NotTheOwner, RowNotFound
from tenantkit.rbac.authorizer import Authorizer
from tenantkit.sql.spelling import read_key

__all__ = ["Ownership", "check_owner"]


def check_owner(scope: Scope, owner: object, what: str) -> None:
    """
    Refuse where a row is not the actor's.

    Args:
        scope: names the actor.
        owner: the id in the row.
        what: what the row is, for the message.

    Raises:
        NotTheOwner: the row names somebody else, or nobody; or there is no actor.

    .. versionadded:: 0.1
    """
    if scope.actor is None or owner is None or str(owner) != scope.actor.id:
        raise NotTheOwner(f"This {what} is not yours. Ask its owner, or an administrator of the tenant.")


@dataclass(frozen=True, slots=True)
class Ownership:
    """
    Rows of a class belong to the user whose id a column holds.

    Args:
        model: a mapped class with one primary key column.
        by: the attribute that holds the user's id.
        unless: a permission that stands in for owning.

    Raises:
        ConfigurationError: the class is not mapped so.

    .. versionadded:: 0.1
    """

    model: type[Any]
    by: str
    unless: str | None = None

    def __post_init__(self) -> None:
        mapper = self._mapper
        if self.by not in mapper.column_attrs:
            raise ConfigurationError(f"{self.model.__name__} has no column attribute {self.by!r}.")
        if len(mapper.primary_key) != 1:
            raise ConfigurationError(
                f"{self.model.__name__} has {len(mapper.primary_key)} primary key columns; one part of a path can name "
                "one. Compare the owner in the handler, with check_owner()."
            )

    def find(self, session: Session, scope: Scope, authorizer: Authorizer, key: str) -> Any:
        """
        Return the row that a text names, if it is the actor's. Costs one statement.

        The session knows the row from then on: ``session.get`` of it in the handler costs none.

        Raises:
            RowNotFound: the tenant has no such row.
            NotTheOwner: it is somebody else's, and the actor has not the permission that stands in.
        """
        identity = read_key(self._mapper.primary_key[0].type, key)
        row = None if identity is None else session.get(self.model, identity)
        if row is None:
            raise RowNotFound(f"There is no {self.model.__name__} {key[:80]!r}.")
        if self.unless is None or not authorizer.check(scope, self.unless):
            check_owner(scope, getattr(row, self.by), self.model.__name__)
        return row

    @property
    def _mapper(self) -> Mapper[Any]:
        try:
            found = inspect(self.model)
        except NoInspectionAvailable:
            found = None
        if not isinstance(found, Mapper):
            raise ConfigurationError(f"{self.model!r} is no mapped class, so its rows have no owner.")
        return found
