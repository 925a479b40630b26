"""
What it costs to know who asks and whose request it is, without HTTP.

``python -m bench.resolution [--quick]``, on SQLite, with 10 and with 100,000 tenants. The contestants:

- a token at first sight: PyJWT's ``decode`` with the same checks, and ours, for HS256, RS256, ES256 and EdDSA
- a token seen before: ours, signature remembered, times and revocation looked at
- from request to scope, warm: ``kit.recall``, over the token seen before; with each form of ``resolve``
- from request to scope, cold: ``kit.identify`` with an empty cache, by number of tenants
- an API key, seen before
- where there is a Redis: from the commit of a change in one process to another that has forgotten what it knew
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from sqlalchemy import event, insert
from sqlalchemy.orm import DeclarativeBase, Session

from bench.contest import Result, measure, print_bar, print_table
from tenantkit import Settings, Tenant, TenantKit, new_id
from tenantkit.core.clock import SystemClock
from tenantkit.core.scope import RequestFacts
from tenantkit.kit import RequestCredentials
from tenantkit.resolution import CustomDomain, Header, Host, PathPrefix, RequestView, TokenClaim, agree, first
from tenantkit.testing.services import ServiceMissing, find_redis
from tenantkit.tokens import AccessTokens, KeyRing, TokenKey

SECRET: Final = "a secret of the benchmark, long enough for HS256"  # noqa: S105 - of a benchmark
FEW, MANY = 10, 100_000
ISSUER, AUDIENCE = "bench", "bench"
REQUIRED: Final = ["exp", "iat", "iss", "aud", "sub", "jti"]


class Base(DeclarativeBase):
    """An application without tables of its own."""


def _pem(key: Any) -> bytes:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    made: bytes = key.private_bytes(*form)
    return made


def keys() -> dict[str, tuple[TokenKey, Any]]:
    """Return a key of each kind, for us and for PyJWT."""
    pairs: dict[str, Any] = {
        "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    found: dict[str, tuple[TokenKey, Any]] = {"HS256": (TokenKey.secret(SECRET), SECRET)}
    return found | {name: (TokenKey.pem(_pem(key), name), key.public_key()) for name, key in pairs.items()}


def at_first_sight(rounds: int, repeats: int) -> None:
    """Compare with PyJWT."""
    tenant = Tenant(new_id(), "acme")
    for name, (key, theirs) in keys().items():
        tokens = AccessTokens(
            KeyRing(key), issuer=ISSUER, audience=AUDIENCE, lifetime=900, clock=SystemClock()
        )
        token = tokens.issue("ann", tenant, workspace=7)

        def by_pyjwt(token: str = token, key: Any = theirs, name: str = name) -> object:
            return jwt.decode(
                token, key, [name], audience=AUDIENCE, issuer=ISSUER, options={"require": REQUIRED}
            )

        results = measure(
            {"PyJWT": by_pyjwt, "tenantkit": partial(tokens.verify, token)},
            reference="PyJWT",
            rounds=rounds,
            repeats=repeats,
        )
        print_table(f"A token at first sight, {name}", results)
        print_bar(f"first sight over PyJWT, {name}", results[1].ratio, 1.15)


@contextmanager
def kit_of(tenants: int) -> Iterator[tuple[TenantKit, Tenant]]:
    """Give a kit whose directory holds so many tenants, and one of them."""
    with tempfile.TemporaryDirectory() as folder:
        kit = TenantKit(
            Settings(database_url=f"sqlite:///{Path(folder) / 'bench.db'}", token_secret=SECRET),
            metadata=Base.metadata,
            resolve=agree(TokenClaim("org"), Host("{tenant}.example.com")),
        )
        kit.create_tables()
        tenant = _fill(kit, tenants)
        yield kit, tenant
        kit.dispose()


def _fill(kit: TenantKit, tenants: int) -> Tenant:
    now, tables = kit.clock.now(), kit.directory.tables
    rows = [
        {
            "id": new_id(),
            "slug": f"t{number}",
            "name": f"t{number}",
            "status": "active",
            "plan": "default",
            "settings": {},
            "entry": {},
            "created_at": now,
            "status_since": now,
        }
        for number in range(tenants - 1)
    ]
    with Session(kit.owner_engine) as session:
        session.execute(insert(tables.tenants), rows)
        session.execute(
            insert(tables.slugs),
            [{"slug": row["slug"], "tenant_id": row["id"], "since": now} for row in rows],
        )
        member = {"roles": ["reader"], "permissions": [], "guest": False, "owner": False, "status": "active"}
        session.execute(
            insert(tables.memberships),
            [{**member, "tenant_id": row["id"], "user_id": "ann", "joined_at": now} for row in rows],
        )
        tenant = kit.directory.create_tenant(session, "acme")
        kit.directory.add_member(session, tenant, "ann", ["reader"])
        session.commit()
    return tenant


def warm(kit: TenantKit, tenant: Tenant, rounds: int, repeats: int) -> None:
    """Compare what is remembered: the token, and the way from request to scope."""
    token = kit.tokens.issue("ann", tenant)
    with kit.scope(tenant):
        key = kit.api_keys.create("bench", lifetime=900, roles=["reader"]).text
        kit.session().commit()
    ways: dict[str, tuple[Any, RequestView, str]] = {
        "claim and host": (kit.resolve, RequestView(host="acme.example.com"), token),
        "claim": (agree(TokenClaim("org")), RequestView(), token),
        "path": (first(PathPrefix("/t/{tenant}")), RequestView(path="/t/acme/notes"), token),
        "header": (first(Header("X-Tenant")), RequestView(header={"x-tenant": "acme"}.get), token),
        "fifth of five": (
            first(
                TokenClaim("missing"), CustomDomain("example.com"), PathPrefix("/t/{tenant}"), Header("X-T"),
                Host("{tenant}.example.com"),
            ),
            RequestView(host="acme.example.com"),
            token,
        ),
        "API key": (kit.resolve, RequestView(), key),
    }  # fmt: skip
    contestants: dict[str, Callable[[], object]] = {"token alone": lambda: kit.verified_tokens.verify(token)}
    for name, (resolve, view, text) in ways.items():
        contestants[name] = _way(kit, resolve, RequestCredentials(view.host, text, RequestFacts(), view))
    results = measure(contestants, reference="token alone", rounds=rounds, repeats=repeats)
    print_table("From request to scope, warm", results)
    alone, *over = (one.median * 1e6 for one in results)
    print_bar("token seen before", alone, 3, "us")
    for name, median in zip(ways, over, strict=True):
        print_bar(f"resolution over the token, {name}", median - alone, 20, "us")


def _way(kit: TenantKit, resolve: Any, request: RequestCredentials) -> Callable[[], object]:
    def ask() -> object:
        kit.resolve = resolve
        return kit.recall(request)

    kit.resolve = resolve
    kit.identify(request)
    if ask() is None:
        raise SystemExit("What should be remembered is not.")
    return ask


def cold(kits: dict[int, tuple[TenantKit, Tenant]], rounds: int, repeats: int) -> None:
    """Compare look-ups by the number of tenants, and count their statements."""
    contestants = {}
    for number, (kit, tenant) in kits.items():
        kit.resolve = agree(TokenClaim("org"))
        request = RequestCredentials(None, kit.tokens.issue("ann", tenant), RequestFacts())

        def ask(kit: TenantKit = kit, request: RequestCredentials = request) -> object:
            kit.directory_cache.clear()
            return kit.identify(request)

        contestants[f"{number} tenants"] = ask
        told: list[str] = []
        note = lambda *facts, told=told: told.append(facts[2])  # noqa: E731
        event.listen(kit.owner_engine, "before_cursor_execute", note)
        ask()
        event.remove(kit.owner_engine, "before_cursor_execute", note)
        print_bar(f"statements of a cold request, {number} tenants", len(told), 3, "statements")
    results: list[Result] = measure(contestants, reference=f"{FEW} tenants", rounds=rounds, repeats=repeats)
    print_table(
        "From request to scope, cold: a statement for the tenant, its rules, and the membership", results
    )
    print_bar("growth of a cold request", results[1].ratio, 2)


def told(rounds: int) -> None:
    """Measure until another process, which has the tenant in memory, knows of a change."""
    try:
        server = find_redis()
    except ServiceMissing as error:
        print(f"No Redis, so what it tells is not measured: {error}")
        return
    with server, tempfile.TemporaryDirectory() as folder:
        place = {
            "database_url": f"sqlite:///{Path(folder) / 'bench.db'}",
            "redis_url": server.url,
            "redis_prefix": f"bench-{new_id()}",
        }
        kit = TenantKit(
            Settings(**place, token_secret=SECRET), metadata=Base.metadata, resolve=agree(TokenClaim("org"))
        )
        kit.create_tables()
        with kit.unscoped_session(reason="bench", actor="bench") as session:
            tenant = kit.directory.create_tenant(session, "acme")
            session.commit()
        arguments = json.dumps(place | {"token_secret": SECRET, "tenant": str(tenant.id)})
        command = [sys.executable, "-c", _LISTENER, arguments]
        with subprocess.Popen(  # noqa: S603 - this program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            took = sorted(_seconds_until_told(kit, tenant, other) for _ in range(rounds))
            other.stdin.close()  # type: ignore[union-attr]
        kit.dispose()
    median, worst = took[len(took) // 2], took[-1]
    print(f"\nA change known to another process: median {median * 1e3:.2f} ms, longest {worst * 1e3:.2f} ms")
    print_bar("a change known to another process, longest", worst, 1, "s")


# remembers the tenant, says so, waits until it is forgotten, and says when that was
_LISTENER: Final = """
import json, sys, threading, time
from sqlalchemy.orm import Session
from bench.resolution import Base
from tenantkit import Settings, TenantKit
from tenantkit.resolution import TokenClaim, agree
given = json.loads(sys.argv[1])
tenant = given.pop("tenant")
kit = TenantKit(Settings(**given), metadata=Base.metadata, resolve=agree(TokenClaim("org")))
cache, forgotten = kit.directory_cache, threading.Event()
forget = cache.forget
cache.forget = lambda tenant_id: (forget(tenant_id), forgotten.set())
while not kit.announcements.is_heard():
    time.sleep(0.01)
while sys.stdin.readline():
    forgotten.clear()
    with Session(kit.owner_engine) as session:
        kit._lookup(lambda: session).by_id(tenant)
    print("ready", flush=True)
    forgotten.wait()
    print(time.time(), flush=True)
kit.dispose()
"""


def _seconds_until_told(kit: TenantKit, tenant: Tenant, other: "subprocess.Popen[str]") -> float:
    if other.stdin is None or other.stdout is None:
        raise SystemExit("The other process cannot be talked to.")
    other.stdin.write("again\n")
    other.stdin.flush()
    if other.stdout.readline().strip() != "ready":
        raise SystemExit("The other process did not begin.")
    with kit.unscoped_session(reason="bench", actor="bench") as session:
        kit.directory.change_tenant(session, tenant, region=str(new_id()))
        session.commit()
    began = time.time()
    return max(float(other.stdout.readline()) - began, 0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds, repeats = (12, 300) if parser.parse_args().quick else (60, 2000)
    at_first_sight(rounds, max(50, repeats // 4))
    with kit_of(FEW) as few, kit_of(MANY) as many:
        warm(*few, rounds, repeats)
        cold({FEW: few, MANY: many}, rounds, max(50, repeats // 10))
    told(rounds)


if __name__ == "__main__":
    main()
