"""What the catalog of PostgreSQL tells: roles, policies, and what goes around them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, text

from tenantkit.isolation.catalog import StoredPolicy, StoredTable
from tenantkit.isolation.doctor.model import Finding
from tenantkit.isolation.policies import Policies, Policy, TablePolicies

__all__ = ["Catalog"]

_ROLE: Final = """
    SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user
"""
_PARTITIONS: Final = """
    SELECT t.relid::regclass::text AS name
    FROM pg_partition_tree(CAST(:oid AS oid)) t JOIN pg_class c ON c.oid = t.relid
    WHERE t.level > 0 AND NOT (c.relrowsecurity AND EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = c.oid))
      AND has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE')
"""
_VIEWS: Final = """
    SELECT DISTINCT v.oid::regclass::text AS name, v.relkind = 'm' AS materialized
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = ANY(CAST(:oids AS oid[])) AND v.relkind IN ('v', 'm') AND has_table_privilege(v.oid, 'SELECT')
      AND (v.relkind = 'm' OR NOT coalesce(v.reloptions::text[] && ARRAY['security_invoker=true', 'security_invoker=on',
                                                                         'security_invoker=1'], false))
"""
_FUNCTIONS: Final = """
    SELECT p.oid::regprocedure::text AS name, pg_get_userbyid(p.proowner) AS owner
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND has_function_privilege(p.oid, 'EXECUTE') AND pg_get_userbyid(p.proowner) <> current_user
"""
_LOOSE: Final = """
    SELECT a.attname AS column, c.collname AS collation, format_type(a.atttypid, a.atttypmod) AS type
    FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation
    WHERE a.attrelid = CAST(:oid AS oid) AND a.attname = ANY(:columns) AND NOT c.collisdeterministic
"""
_SEQUENCES: Final = """
    SELECT DISTINCT s.oid::regclass::text AS name, d.refobjid::regclass::text AS table
    FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_class'::regclass AND d.refobjid = ANY(CAST(:oids AS oid[])) AND d.deptype IN ('a', 'i')
      AND has_table_privilege(s.oid, 'SELECT')
"""


def _declared(stored: StoredTable) -> Iterator[Policy]:
    for one in stored.policies.values():
        yield Policy(one.name, "ALL", one.role, "true", None)


class Catalog:
    """
    Compares the policies of a database with the declared ones.

    Args:
        connection: to the database, as the application's role.
        policies: what is declared.
    """

    def __init__(self, connection: Connection, policies: Policies) -> None:
        self._connection = connection
        self._policies = policies

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong with the role, each table and what reads it."""
        yield from self._role()
        oids = []
        for one in self._policies.tables:
            stored = StoredTable.read(self._connection, one.name)
            if stored is not None:
                oids.append(stored.oid)
                yield from self._table(one, stored)
                yield from self._collations(one, stored)
        for one in self._policies.without:
            stored = StoredTable.read(self._connection, one.name)
            entry = self._policies.registry.entry(one.table)
            if stored is not None and stored.enabled and entry.mode != "enforce":
                yield Finding(
                    "error",
                    "enforced-by-policy",
                    one.name,
                    f"The table is in the mode {entry.mode!r}, and row level security is enabled: the database "
                    "enforces what the engine does not yet, or no more.",
                    tuple(TablePolicies(one.table, tuple(_declared(stored))).drop()),
                )
        yield from self._around(oids)

    def _rows(self, statement: str, **parameters: Any) -> Sequence[Any]:
        return self._connection.execute(text(statement), parameters).all()

    def _role(self) -> Iterator[Finding]:
        (role,) = self._rows(_ROLE)
        if role.rolsuper or role.rolbypassrls:
            word = "SUPERUSER" if role.rolsuper else "BYPASSRLS"
            yield Finding(
                "error",
                "role-bypasses",
                role.rolname,
                f"The application works as a role with {word}: no policy holds for it. Use a role of its own.",
                (f"ALTER ROLE {role.rolname} NOSUPERUSER NOBYPASSRLS",),
            )

    def _table(self, expected: TablePolicies, stored: StoredTable) -> Iterator[Finding]:
        name = expected.name
        if stored.is_owner:
            yield Finding(
                "error",
                "role-owns",
                name,
                f"The application's role owns the table, or is a member of its owner {stored.owner!r}: it can switch "
                "the policies off. Let another role own it.",
            )
        if stored.truncates:
            yield Finding(
                "error",
                "truncate",
                name,
                "The application's role may TRUNCATE, which no policy stops: all tenants' rows would go.",
                (f"REVOKE TRUNCATE ON {name} FROM CURRENT_USER",),
            )
        if not stored.enabled:
            yield Finding(
                "error",
                "not-enabled",
                name,
                "Row level security is not enabled: its policies, if there are any, do nothing.",
                (f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",),
            )
        if not stored.forced:
            yield Finding(
                "error",
                "not-forced",
                name,
                "Row level security is not forced: it does not hold for the owner.",
                (f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY",),
            )
        yield from self._policies_of(expected, dict(stored.policies))
        if stored.partitioned:
            for partition in self._rows(_PARTITIONS, oid=stored.oid):
                yield Finding(
                    "error",
                    "partition-without-policy",
                    partition.name,
                    f"A partition of {name} that the application can name itself, and policies hold for the named "
                    "table only.",
                    (f"REVOKE ALL ON {partition.name} FROM CURRENT_USER",),
                )

    def _collations(self, expected: TablePolicies, stored: StoredTable) -> Iterator[Finding]:
        conditions = self._policies.registry.entry(expected.table).conditions
        columns = [one.column.name for one in conditions if one.bind is not None]
        for loose in self._rows(_LOOSE, oid=stored.oid, columns=columns):
            column = f"{expected.name}.{loose.column}"
            yield Finding(
                "error",
                "loose-collation",
                column,
                f"The collation {loose.collation!r} takes texts for equal that differ: two tenants could be one, in "
                "policies and in statements.",
                (
                    f'ALTER TABLE {expected.name} ALTER COLUMN "{loose.column}" TYPE {loose.type} COLLATE "default"',
                ),
            )

    def _policies_of(self, expected: TablePolicies, found: dict[str, StoredPolicy]) -> Iterator[Finding]:
        for policy in expected.policies:
            yield from self._policy(expected, policy, found.pop(policy.name, None))
        for other in found.values():
            if other.permissive:
                yield Finding(
                    "error",
                    "extra-policy",
                    f"{expected.name}.{other.name}",
                    f"A permissive policy for {other.command} that nobody declared: what it shows ({other.using}) is "
                    "shown besides what the declared ones show.",
                    (f"DROP POLICY {other.name} ON {expected.name}",),
                )

    def _policy(
        self, expected: TablePolicies, policy: Policy, found: StoredPolicy | None
    ) -> Iterator[Finding]:
        name, create = f"{expected.name}.{policy.name}", expected.statement(policy)
        drop = f"DROP POLICY {policy.name} ON {expected.name}"
        if found is None:
            yield Finding(
                "error", "missing-policy", name, "The policy is declared, and not there.", (create,)
            )
            return
        if policy.check is not None and found.check is None:
            yield Finding(
                "error",
                "missing-check",
                name,
                "The policy has no WITH CHECK of its own. Create it anew.",
                (drop, create),
            )
        elif not found.is_as_declared(policy, expected.table.name):
            yield Finding(
                "error",
                "other-policy",
                name,
                f"The policy is not the declared one. It says {found.command} USING ({found.using}) WITH CHECK "
                f"({found.check}); a cast of the column, among others, loses its index.",
                (drop, create),
            )

    def _around(self, oids: list[int]) -> Iterator[Finding]:
        for view in self._rows(_VIEWS, oids=oids):
            why = (
                "A materialized view holds rows of all tenants, and can have no policy. Revoke it, or give each tenant "
                "its rows by another way."
                if view.materialized
                else "The view reads as its owner, past the policies that hold for the application."
            )
            cure = (
                f"REVOKE ALL ON {view.name} FROM CURRENT_USER"
                if view.materialized
                else f"ALTER VIEW {view.name} SET (security_invoker = true)"
            )
            yield Finding("error", "view-of-owner", view.name, why, (cure,))
        for sequence in self._rows(_SEQUENCES, oids=oids):
            yield Finding(
                "warning",
                "sequence-readable",
                sequence.name,
                f"The application may read how far the keys of {sequence.table} have come, which tells how many rows "
                "all tenants write. New rows need USAGE only.",
                (f"REVOKE SELECT ON SEQUENCE {sequence.name} FROM CURRENT_USER",),  # noqa: S608 - to be read
            )
        for function in self._rows(_FUNCTIONS):
            yield Finding(
                "warning",
                "security-definer",
                function.name,
                f"The application may call a function that runs as {function.owner!r}, past its own policies. Look "
                "what it reads.",
                (f"ALTER FUNCTION {function.name} SECURITY INVOKER",),
            )
