"""The contract of adapters: what a host is promised, whatever its framework."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tenantkit import Settings, TenantKit
from tenantkit.testing.contracts.afterwards import AfterwardsPromises
from tenantkit.testing.contracts.application import make_kit
from tenantkit.testing.contracts.decisions import DecisionPromises
from tenantkit.testing.contracts.meters import Meters
from tenantkit.testing.contracts.permissions import PermissionPromises
from tenantkit.testing.contracts.telling import TellingPromises
from tenantkit.testing.contracts.transactions import TransactionPromises
from tenantkit.testing.contracts.whose import WhosePromises
from tenantkit.testing.contracts.wire import WirePromises
from tenantkit.testing.contracts.world import Endings, Office, Spans, World
from tenantkit.testing.services import find_postgres
from tenantkit.testing.serving import serve_asgi, serve_wsgi

__all__ = ["AdapterContract", "open_office"]

SECRET = "a secret of the contract, long enough for HS256"  # noqa: S105 - of tests


class AdapterContract(
    WhosePromises,
    TransactionPromises,
    PermissionPromises,
    DecisionPromises,
    AfterwardsPromises,
    TellingPromises,
    WirePromises,
):
    """
    What every adapter promises, against a real application on a real server and a real database.

    Derive from it in a test module, as ``class TestMyAdapter(AdapterContract)``, and say how the contract's
    application (``tenantkit.testing.contracts.application``) is built with the adapter. Derive it from
    :class:`BackgroundTaskPromises` and :class:`WebSocketPromises`, too, where the framework has such.

    Attributes:
        interface: what kind of application it is.
        template: how the framework spells the template of the path ``/documents/{name}``.
        databases: on what the contract is run. PostgreSQL is worked with as a role without privileges.

    .. versionadded:: 0.1
    """

    interface: ClassVar[Literal["asgi", "wsgi"]] = "asgi"
    template: ClassVar[str] = "/documents/{name}"
    databases: ClassVar[tuple[str, ...]] = ("sqlite", "postgresql")

    def application(self, kit: TenantKit) -> Any:
        """Return the contract's application."""
        raise NotImplementedError("Build the contract's application with your adapter, and return it.")

    def settings(self, database_url: str, owner_url: str) -> Settings:
        """Return the settings of the kit on a database."""
        return Settings(database_url=database_url, owner_database_url=owner_url, token_secret=SECRET)

    def make_kit(self, settings: Settings, **options: Any) -> TenantKit:
        """Return the kit; an adapter that builds kits of its own does it here."""
        return make_kit(settings, **options)

    def serving_kit(self, kit: TenantKit) -> TenantKit:
        """Return the kit that the application works with, where it makes another one by itself."""
        return kit

    @pytest.fixture
    def world(self, adapter_office: Office) -> World:
        """Make two tenants for one test."""
        return World.make(adapter_office)


@contextmanager
def open_office(contract: AdapterContract, database: str, folder: Path) -> Iterator[Office]:
    """Serve a contract's application on a new database."""
    with ExitStack() as stack:
        if database == "sqlite":
            urls = (f"sqlite:///{folder / 'contract.db'}",) * 2
        else:
            made = stack.enter_context(stack.enter_context(find_postgres()).database())
            urls = made.app_url, made.owner_url
        spans = Spans()
        endings = stack.enter_context(Endings().listening())
        office = Office(endings=endings, meters=Meters.installed(), spans=spans)

        def switch() -> None:
            if office.is_down.is_set():
                raise ConnectionError("switched off")

        kit = office.kit = contract.make_kit(contract.settings(*urls), checks={"switch": switch})
        kit.create_tables()
        stack.callback(kit.dispose)
        is_asgi = contract.interface == "asgi"
        traced = (_traced_asgi if is_asgi else _traced_wsgi)(contract.application(kit), spans)
        office.serving_kit = contract.serving_kit(kit)
        office.port = stack.enter_context((serve_asgi if is_asgi else serve_wsgi)(traced))
        yield office


def _tracer(spans: Spans) -> trace.Tracer:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return provider.get_tracer("contract")


def _traced_asgi(app: Any, spans: Spans) -> Any:
    """Put a span around each request, as a host's instrumentation does."""
    tracer = _tracer(spans)

    async def traced(scope: Any, receive: Any, send: Any) -> None:
        with tracer.start_as_current_span("request"):
            await app(scope, receive, send)

    return traced


def _traced_wsgi(app: Any, spans: Spans) -> Any:
    tracer = _tracer(spans)

    def traced(environ: Any, start_response: Any) -> Any:
        with tracer.start_as_current_span("request"):
            return app(environ, start_response)

    return traced
