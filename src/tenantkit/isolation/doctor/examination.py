"""The examination as a whole."""

from sqlalchemy import Connection

from tenantkit.isolation.doctor.model import Finding
from tenantkit.isolation.doctor.postgresql import Catalog
from tenantkit.isolation.doctor.structure import Structure
from tenantkit.isolation.policies import Policies

__all__ = ["examine"]


def examine(connection: Connection, policies: Policies, *, with_policies: bool = True) -> list[Finding]:
    """
    Compare a database with the declarations, and look for ways around the policies.

    Args:
        connection: to the database, as the role that the application works as, on a plain engine. Some catalog queries
            for each table; nothing is changed.
        policies: what is declared.
        with_policies: whether row level security is expected, where the database knows it.

    Returns:
        What was found, errors first.

    .. versionadded:: 0.1
    """
    found = list(Structure(connection, policies.registry).findings())
    if with_policies and connection.dialect.name == "postgresql":
        found += Catalog(connection, policies).findings()
    return sorted(found, key=lambda one: (one.severity != "error", one.code, one.object))
