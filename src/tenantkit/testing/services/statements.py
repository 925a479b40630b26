"""
SQL that makes and removes a test database with its roles; builds only, runs nothing.

Names are random hexadecimal made here, so that they need no quoting, and so that nobody else's database or role
is ever taken for one of ours: what may be swept is told by the name, the comment and the silence of its maker.
"""

import secrets

from tenantkit.testing.services.model import Login

__all__ = [
    "application_name",
    "clone_grants",
    "create_database",
    "create_roles",
    "cut",
    "databases_of",
    "drop_database",
    "drop_roles",
    "facts",
    "forsaken_owners",
    "fresh_grants",
    "fresh_name",
]

PREFIX = "tenantkit"
COMMENT = "tenantkit test role, made by "


def application_name(run: str) -> str:
    """
    Name the connection that a run keeps open: its sign of life.

    Args:
        run: Token of the run, 16 hexadecimal digits.

    Returns:
        What the server lists as the name of the application.

    .. versionadded:: 0.1
    """
    return f"{PREFIX}_{run}"


def fresh_name(run: str) -> str:
    """
    Make a name that nobody else has.

    Args:
        run: Token of the run, 16 hexadecimal digits.

    Returns:
        A name for a database; roles append ``_owner`` and ``_app``.

    .. versionadded:: 0.1
    """
    return f"{application_name(run)}_{secrets.token_hex(4)}"


def facts() -> str:
    """
    Ask what the server is, and what our login may do there.

    Returns:
        A query for one row: version, version number, whether fsync is on, port, database, user, whether it may
        create roles and databases.

    .. versionadded:: 0.1
    """
    return (
        "SELECT current_setting('server_version'), current_setting('server_version_num')::int,"
        " current_setting('fsync')::bool, current_setting('port')::int,"
        " current_database()::text, rolname::text, rolsuper OR (rolcreaterole AND rolcreatedb)"
        " FROM pg_catalog.pg_roles WHERE rolname = current_user"
    )


def create_roles(owner: Login, app: Login, *, maker: str) -> str:
    """
    Create the two roles in one transaction.

    Args:
        owner: Who will own the database.
        app: Who will use its rows.
        maker: Our own role, who becomes a member of both: without that only a superuser could go on.

    Returns:
        Several statements.

    .. versionadded:: 0.1
    """
    rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    comment = (COMMENT + maker).replace("'", "''")
    return "".join(
        f"CREATE ROLE {role.user} {rights} PASSWORD '{role.password}';"
        f"COMMENT ON ROLE {role.user} IS '{comment}';"
        f"GRANT {role.user} TO CURRENT_USER;"
        for role in (owner, app)
    )


def create_database(name: str, *, owner: str, like: str | None, copying: bool) -> str:
    """
    Create a database.

    Args:
        name: Its name.
        owner: Its owner.
        like: Database to copy, or None for an empty one.
        copying: Whether to copy files, which wins where fsync is off; else pages go through the log.

    Returns:
        One statement, which must run outside a transaction.

    .. versionadded:: 0.1
    """
    strategy = "FILE_COPY" if copying else "WAL_LOG"
    encoding = "" if like else " ENCODING 'UTF8'"
    return (
        f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {like or 'template0'} STRATEGY {strategy}{encoding}"
    )


def clone_grants(name: str, *, app: str) -> str:
    """
    Let the application's role in, and nobody else; the owner runs this.

    Args:
        name: Name of the database.
        app: Name of the application's role.

    Returns:
        Several statements.

    .. versionadded:: 0.1
    """
    return f"REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {app};"


def fresh_grants(name: str, *, app: str) -> str:
    """
    Do as :func:`clone_grants`, and let the application's role use what the owner will create.

    Args:
        name: Name of the database.
        app: Name of the application's role.

    Returns:
        Several statements.

    .. versionadded:: 0.1
    """
    return clone_grants(name, app=app) + (
        f"GRANT USAGE ON SCHEMA public TO {app};"
        f"ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app};"
        f"ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO {app};"
    )


def cut(name: str) -> str:
    """
    Cut the connections to a database, as far as our role may.

    Args:
        name: Its name.

    Returns:
        A query for one row for each connection that is still there.

    .. versionadded:: 0.1
    """
    return (
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"  # noqa: S608 - our own name
        f" WHERE datname = '{name}' AND backend_type = 'client backend' AND pg_catalog.pg_has_role(usesysid, 'MEMBER')"
    )


def drop_database(name: str, *, force: bool = True) -> str:
    """
    Drop a database.

    Args:
        name: Its name.
        force: Whether to cut the connections that still use it.

    Returns:
        One statement, which must run outside a transaction.

    .. versionadded:: 0.1
    """
    return f"DROP DATABASE IF EXISTS {name}{' WITH (FORCE)' if force else ''}"


def drop_roles(*names: str) -> str:
    """
    Drop roles, whose databases are gone already.

    Args:
        names: Names of the roles.

    Returns:
        One statement.

    .. versionadded:: 0.1
    """
    return f"DROP ROLE IF EXISTS {', '.join(names)}"


def forsaken_owners(maker: str) -> str:
    """
    Find the owners that dead runs left behind.

    Forsaken is a role with a name and a comment of ours, made by the login that asks (which therefore sees all
    connections of its runs), whose run has no connection any more, and whose databases nobody is connected to.

    Args:
        maker: Our own role.

    Returns:
        A query for rows of one name each.

    .. versionadded:: 0.1
    """
    comment = (COMMENT + maker).replace("'", "''")
    return (
        "SELECT rolname::text FROM pg_catalog.pg_roles AS r"  # noqa: S608 - no input but our own role's name
        f" WHERE rolname ~ '^{PREFIX}_[0-9a-f]{{16}}_[0-9a-f]{{8}}_owner$'"
        f" AND pg_catalog.shobj_description(r.oid, 'pg_authid') = '{comment}'"
        " AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS a"
        " LEFT JOIN pg_catalog.pg_database AS d ON d.oid = a.datid"
        f" WHERE a.application_name = substr(r.rolname, 1, {len(PREFIX) + 17}) OR d.datdba = r.oid)"
    )


def databases_of(owner: str) -> str:
    """
    Find the databases of a role.

    Args:
        owner: Name of the role.

    Returns:
        A query for rows of one name each.

    .. versionadded:: 0.1
    """
    return (
        "SELECT datname::text FROM pg_catalog.pg_database AS d"  # noqa: S608 - a name found by us
        f" JOIN pg_catalog.pg_roles AS r ON r.oid = d.datdba WHERE r.rolname = '{owner}'"
    )
