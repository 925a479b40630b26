"""A database of our own on a Redis server that is not ours."""

import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tenantkit.exceptions import DependencyMissing
from tenantkit.testing.services.errors import ServiceUnusable

__all__ = [
    "SERVICE",
    "Claim",
    "chosen_database",
    "claimed",
    "connection",
    "driver",
    "farewell",
    "give_back",
    "place_of",
    "with_database",
]

logger = logging.getLogger(__name__)

SERVICE = "Redis"
SCHEMES = ("redis://", "rediss://", "unix://")
# Seconds; every place is on this machine, or named by the reader.
CONNECTING = 5
# Database 0 is everybody's default, and holds the claims.
CANDIDATES = range(1, 16)
# A claim is given back by its owner or its guard; this is for the day when both were killed. Longer than any run.
CLAIM_SECONDS = 24 * 3600
# In one step, so that a database is never emptied after its claim was lost.
RELEASE = (
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
    "redis.call('SELECT', ARGV[2]) redis.call('FLUSHDB') "
    "redis.call('SELECT', 0) return redis.call('DEL', KEYS[1])"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A database that is ours for a while.

    Attributes:
        number: Number of the database.
        token: What its claim holds, so that only its owner gives it back.

    .. versionadded:: 0.1
    """

    number: int
    token: str

    @property
    def key(self) -> str:
        """
        Name of the claim, a key in database 0.

        .. versionadded:: 0.1
        """
        return f"tenantkit:test:database:{self.number}"

    def release(self) -> tuple[str, ...]:
        """
        Give the command that empties the database and gives it back, if it is still ours.

        Returns:
            The words of the command, for a connection to database 0.

        .. versionadded:: 0.1
        """
        return ("EVAL", RELEASE, "1", self.key, self.token, str(self.number))


def driver() -> Any:
    """
    Import redis-py, here and nowhere else.

    Returns:
        The module.

    Raises:
        DependencyMissing: It is not installed.

    .. versionadded:: 0.1
    """
    try:
        return import_module("redis")
    except ImportError as error:
        message = "the driver redis is not installed: pip install 'tenantkit[test]'"
        raise DependencyMissing(message, package="redis", extra="test") from error


@contextmanager
def connection(url: str) -> Iterator[Any]:
    """
    Connect for a while.

    Args:
        url: URL of a server and a database.

    Yields:
        A client that answers text.

    Raises:
        ServiceUnusable: The server does not answer, or refuses something.

    .. versionadded:: 0.1
    """
    redis = driver()
    if not url.startswith(SCHEMES):
        raise ServiceUnusable(
            SERVICE, place=place_of(url), reason=f"its URL must start with {', '.join(SCHEMES)}"
        )
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=CONNECTING, decode_responses=True) as client:
            client.ping()
            yield client
    except (redis.RedisError, OSError, ValueError) as error:
        raise ServiceUnusable(SERVICE, place=place_of(url), reason=str(error)) from error


def claimed(client: Any, url: str) -> Claim:
    """
    Claim the first database that is empty and that nobody else has claimed.

    Args:
        client: Client of database 0.
        url: URL of the server; a number above 0 in it leaves no other choice.

    Returns:
        The claim.

    Raises:
        ServiceUnusable: There is no such database.

    .. versionadded:: 0.1
    """
    token = secrets.token_hex(16)
    chosen = chosen_database(url)
    for number in [chosen] if chosen else CANDIDATES:
        claim = Claim(number, token)
        if not client.set(claim.key, token, nx=True, ex=CLAIM_SECONDS):
            continue
        if is_empty(with_database(url, number)):
            return claim
        client.delete(claim.key)
    which = f"database {chosen} is" if chosen else "the databases 1 to 15 are all"
    raise ServiceUnusable(SERVICE, place=place_of(url), reason=f"{which} in use, or claimed by another run")


def is_empty(url: str) -> bool:
    """Say whether there is a database of that number, without keys."""
    try:
        with connection(url) as client:
            return bool(client.dbsize() == 0)
    except ServiceUnusable:  # a server that was configured with fewer databases
        return False


def give_back(client: Any, claim: Claim, owner: int) -> None:
    """
    Empty a claimed database and give it back; a failure is logged, for the claim ends by itself within a day.

    Args:
        client: Client of database 0.
        claim: The claim.
        owner: Process id of who claimed; a forked child of that does nothing.

    .. versionadded:: 0.1
    """
    if os.getpid() != owner:
        return
    try:
        client.execute_command(*claim.release())
    except (driver().RedisError, OSError):
        logger.warning("a database was not given back", exc_info=True, extra={"database": claim.number})


def farewell(url: str, claim: Claim) -> tuple[str, int, str] | None:
    """
    Write what a guard sends in our place if we are killed.

    Args:
        url: URL of the server.
        claim: The claim to give back.

    Returns:
        Host, port and bytes as Latin-1; None for a URL with TLS or a socket's file, which the guard does not speak.

    .. versionadded:: 0.1
    """
    parts = urlsplit(url)
    if parts.scheme != "redis":
        return None
    login = [unquote(part) for part in (parts.username, parts.password) if part]
    commands = ([["AUTH", *login]] if login else []) + [claim.release(), ["QUIT"]]
    return parts.hostname or "127.0.0.1", parts.port or 6379, "".join(map(spoken, commands))


def spoken(command: Sequence[str]) -> str:
    """Write a command in the protocol of the server."""
    parts = [part.encode().decode("latin-1") for part in command]
    return f"*{len(parts)}\r\n" + "".join(f"${len(part)}\r\n{part}\r\n" for part in parts)


def place_of(url: str) -> str:
    """
    Give the address in a URL, without its password.

    Args:
        url: URL of a server.

    Returns:
        Host and port, or the file of a socket.

    .. versionadded:: 0.1
    """
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or parts.path.strip("/")


def chosen_database(url: str) -> int:
    """
    Give the number of the database in a URL.

    Args:
        url: URL of a server.

    Returns:
        The number; 0 for none.

    .. versionadded:: 0.1
    """
    parts = urlsplit(url)
    number = dict(parse_qsl(parts.query)).get("db", "" if parts.scheme == "unix" else parts.path.strip("/"))
    return int(number) if number.isdecimal() else 0


def with_database(url: str, number: int) -> str:
    """
    Give the URL of another database of the same server.

    Args:
        url: URL of a server.
        number: Number of the database.

    Returns:
        The URL.

    .. versionadded:: 0.1
    """
    parts = urlsplit(url)
    options = [option for option in parse_qsl(parts.query) if option[0] != "db"]
    path = parts.path if parts.scheme == "unix" else f"/{number}"
    if parts.scheme == "unix":
        options.append(("db", str(number)))
    query = f"?{urlencode(options)}" if options else ""
    return f"{parts.scheme}://{parts.netloc}{path}{query}"
