"""Whether what a kit needs answers: for the probes of an orchestrator and of a load balancer."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from tenantkit.exceptions import ConfigurationError, DependencyMissing

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["Health", "connect_redis", "examine", "ping_database"]

logger = logging.getLogger("tenantkit.health")
_PATIENCE = 2.0  # seconds that Redis has; a probe that waits longer is given up by whoever sent it


@dataclass(frozen=True, slots=True)
class Health:
    """
    What answered, by name.

    .. versionadded:: 0.1
    """

    checks: Mapping[str, bool]

    @property
    def is_ready(self) -> bool:
        """Whether everything answered."""
        return all(self.checks.values())

    @property
    def status(self) -> int:
        """200 where everything answered, else 503."""
        return 200 if self.is_ready else 503

    @property
    def content(self) -> dict[str, object]:
        """The same as a JSON document; it names no reason, which is for the log."""
        told = {name: "ok" if answers else "down" for name, answers in self.checks.items()}
        return {"status": "ok" if self.is_ready else "down", "checks": told}


def examine(checks: Mapping[str, Callable[[], object]]) -> Health:
    """Run each check; one that raises is down, and the log says why."""
    found = {}
    for name, check in checks.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, it does not answer
            logger.warning("%s does not answer: %s: %s", name, type(error).__name__, error)
            found[name] = False
        else:
            found[name] = True
    return Health(found)


def ping_database(engine: Engine) -> None:
    """Ask a database for a sign of life, on a connection of the pool; costs a round trip and no transaction."""
    connection = engine.raw_connection()
    try:
        engine.dialect.do_ping(connection.dbapi_connection)  # type: ignore[arg-type]  # it was opened just now
    except Exception:
        connection.invalidate()
        raise
    finally:
        connection.close()


def connect_redis(url: str) -> "Redis":
    """
    Return a client, which connects at first use.

    Raises:
        ConfigurationError: the URL is none of a Redis server.
        DependencyMissing: redis is not installed.
    """
    try:
        from redis import Redis  # noqa: PLC0415 - only where the settings name a server
    except ImportError as error:
        raise DependencyMissing(
            "redis_url is set and redis is not installed: pip install 'tenantkit[redis]'."
        ) from error
    try:
        return Redis.from_url(url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE)
    except ValueError:
        raise ConfigurationError(
            "redis_url is no URL of a Redis server, such as redis://localhost:6379/0."
        ) from None
