"""Real servers for tests: found on the machine, or started for the run and ended with it."""

from tenantkit.testing.services.errors import ServiceError, ServiceMissing, ServiceUnusable, StartFailed
from tenantkit.testing.services.mariadb import MariaDBServer, find_mariadb
from tenantkit.testing.services.model import Database, Login
from tenantkit.testing.services.postgres import PostgresServer, find_postgres, start_postgres
from tenantkit.testing.services.programs import (
    PostgresPrograms,
    RedisProgram,
    find_pgbouncer,
    postgres_programs,
    redis_programs,
)
from tenantkit.testing.services.redis import RedisServer, find_redis, start_redis
from tenantkit.testing.services.report import service_report

__all__ = [
    "Database",
    "Login",
    "MariaDBServer",
    "PostgresPrograms",
    "PostgresServer",
    "RedisProgram",
    "RedisServer",
    "ServiceError",
    "ServiceMissing",
    "ServiceUnusable",
    "StartFailed",
    "find_mariadb",
    "find_pgbouncer",
    "find_postgres",
    "find_redis",
    "postgres_programs",
    "redis_programs",
    "service_report",
    "start_postgres",
    "start_redis",
]
