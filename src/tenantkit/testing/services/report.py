"""What a test summary says about the servers."""

import os
from collections.abc import Callable, Mapping

from tenantkit.exceptions import DependencyMissing
from tenantkit.testing.services.errors import ServiceUnusable
from tenantkit.testing.services.mariadb import MariaDBServer, find_mariadb
from tenantkit.testing.services.postgres import PostgresServer, running_postgres
from tenantkit.testing.services.programs import find_pgbouncer, postgres_programs, redis_programs
from tenantkit.testing.services.redis import RedisServer, running_redis

__all__ = ["service_report"]

Server = PostgresServer | RedisServer | MariaDBServer


def service_report(*servers: Server, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """
    Say which servers the tests use, one line each: PostgreSQL, Redis, MariaDB, PgBouncer.

    Args:
        servers: What was found for this run. For a kind that is not among them, say what would be found now:
            nothing is started for that, and nothing is claimed.
        environ: Environment variables, by default this process' own.

    Returns:
        Lines such as ``PostgreSQL 15.20: standard port`` and ``PgBouncer: not found``.

    .. versionadded:: 0.1
    """
    environ = os.environ if environ is None else environ
    found = {type(server): described(server) for server in servers}
    bouncer = find_pgbouncer()
    return (
        found.get(PostgresServer) or surveyed("PostgreSQL", lambda tried: postgres_line(environ, tried)),
        found.get(RedisServer) or surveyed("Redis", lambda tried: redis_line(environ, tried)),
        found.get(MariaDBServer) or surveyed("MariaDB", lambda tried: mariadb_line(environ, tried)),
        f"PgBouncer: {bouncer or 'not found'}",
    )


def described(server: Server) -> str:
    """Give the line of a server that was found."""
    if isinstance(server, PostgresServer):
        return f"PostgreSQL {server.version}: {server.origin}"
    product = server.product if isinstance(server, RedisServer) else "MariaDB"
    return f"{product} {server.version}: {server.origin}"


def surveyed(service: str, look: Callable[[list[str]], str]) -> str:
    """Give what a look finds, or why it finds nothing."""
    tried: list[str] = []
    try:
        line = look(tried)
    except (ServiceUnusable, DependencyMissing) as error:
        return f"{service}: not found ({error})"
    return line or f"{service}: not found ({'; '.join(dict.fromkeys(tried))})"


def postgres_line(environ: Mapping[str, str], tried: list[str]) -> str:
    """Look for PostgreSQL."""
    if server := running_postgres(environ=environ, tried=tried):
        server.close()
        return described(server)
    programs = next(postgres_programs(), None)
    return f"PostgreSQL {programs.version}: private, {programs.source} (not started)" if programs else ""


def redis_line(environ: Mapping[str, str], tried: list[str]) -> str:
    """Look for Redis."""
    if server := running_redis(environ=environ, tried=tried, claiming=False):
        return described(server)
    program = next(redis_programs(), None)
    return f"Redis {program.version}: private, {program.source} (not started)" if program else ""


def mariadb_line(environ: Mapping[str, str], tried: list[str]) -> str:
    """Look for MariaDB."""
    server = find_mariadb(environ=environ, tried=tried)
    return described(server) if server else ""
