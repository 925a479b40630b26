"""The served application of the adapter contract, and who asks it."""

import http.client
import itertools
import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from sqlalchemy import select

from tenantkit import Tenant, TenantKit
from tenantkit.audit import Event
from tenantkit.testing.contracts.application import Document
from tenantkit.testing.contracts.meters import Meters

__all__ = ["Answer", "Endings", "Office", "World"]

_PATIENCE: Final = 30.0  # seconds
_SET_UP: Final = frozenset(
    {"tenant.created", "member.added"}
)  # what the trail tells of how the world was made
_number = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the value of a header; one that comes twice is an error."""
        found = [value for key, value in self.headers if key.lower() == name]
        if len(found) > 1:
            raise AssertionError(f"{name} comes {len(found)} times: {found}")
        return found[0] if found else None

    @property
    def json(self) -> Any:
        """The document."""
        return json.loads(self.body)

    @property
    def problem(self) -> str | None:
        """The slug of the problem type, where the answer is a problem."""
        if self.header("content-type") != "application/problem+json":
            return None
        return str(self.json["type"]).removeprefix("urn:tenantkit:problem:")


class Endings(logging.Handler):
    """Hears the line that is logged when a request is over, and knows each by its id."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._heard: dict[str, logging.LogRecord] = {}
        self._news = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        if hasattr(record, "duration"):
            with self._news:
                self._heard[record.request_id] = record  # type: ignore[attr-defined]  # ours
                self._news.notify_all()

    def wait(self, request_id: str) -> logging.LogRecord:
        """Return the line of a request, once it is over."""
        with self._news:
            if not self._news.wait_for(lambda: request_id in self._heard, _PATIENCE):
                raise AssertionError(f"Request {request_id} was not over within {_PATIENCE:.0f} seconds.")
            return self._heard[request_id]

    def wait_for_tenant(self, slug: str) -> logging.LogRecord:
        """Return the line of the one request that was served for a tenant, once it is over."""
        with self._news:
            found: list[logging.LogRecord] = []

            def is_over() -> bool:
                found[:] = [one for one in self._heard.values() if getattr(one, "tenant", None) == slug]
                return bool(found)

            if not self._news.wait_for(is_over, _PATIENCE):
                raise AssertionError(f"No request of {slug} was over within {_PATIENCE:.0f} seconds.")
            return found[-1]

    @contextmanager
    def listening(self) -> Iterator["Endings"]:
        """Listen for the length of the block."""
        heard = logging.getLogger("tenantkit.requests")
        level = heard.level
        heard.addHandler(self)
        heard.setLevel(logging.INFO)
        try:
            yield self
        finally:
            heard.removeHandler(self)
            heard.setLevel(level)


class Spans(SpanExporter):
    """Keeps the attributes of spans that are over."""

    def __init__(self) -> None:
        self._ended: list[dict[str, Any]] = []
        self._news = threading.Condition()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Keep what is over."""
        with self._news:
            self._ended += [dict(span.attributes or {}) for span in spans]
            self._news.notify_all()
        return SpanExportResult.SUCCESS

    def wait(self, attributes: Mapping[str, Any]) -> bool:
        """Whether a span with exactly these attributes ended; it may be about to."""
        with self._news:
            return self._news.wait_for(lambda: dict(attributes) in self._ended, _PATIENCE)


@dataclass
class Office:
    """A served application, the kit of the tests, the kit that serves, and what is heard of it."""

    endings: Endings
    meters: Meters
    spans: Spans
    is_down: threading.Event = field(default_factory=threading.Event)
    kit: TenantKit = field(init=False)
    serving_kit: TenantKit = field(init=False)
    port: int = field(init=False)


@dataclass
class World:
    """Two tenants of their own for one test, with a writer, a reader and a manager each."""

    office: Office
    acme: Tenant
    bolt: Tenant

    @classmethod
    def make(cls, office: Office) -> "World":
        """Create the tenants."""
        number, kit = next(_number), office.kit
        made = []
        with kit.unscoped_session(reason="set up the contract", actor="test") as session:
            for name in ("acme", "bolt"):
                tenant = kit.directory.create_tenant(session, f"{name}-{number}", plan="trial")
                for role in ("writer", "reader", "manager"):
                    kit.directory.add_member(session, tenant, role, [role])
                made.append(tenant)
            session.commit()
        return cls(office, *made)

    @property
    def kit(self) -> TenantKit:
        """The kit."""
        return self.office.kit

    def headers(
        self, tenant: Tenant | None = None, user: str = "writer", host: str | None = None, **claims: Any
    ) -> list[tuple[str, str]]:
        """Return what a member sends."""
        tenant = tenant or self.acme
        token = self.kit.tokens.issue(user, tenant, **claims)
        return [("Host", host or f"{tenant.slug}.localhost"), ("Authorization", f"Bearer {token}")]

    def ask(
        self, method: str, path: str, tenant: Tenant | None = None, user: str = "writer", **further: Any
    ) -> Answer:
        """Ask as a member of a tenant, on a connection of its own, and wait until the request is over."""
        return self.bare(method, path, self.headers(tenant, user, **further))

    def bare(self, method: str, path: str, headers: list[tuple[str, str]]) -> Answer:
        """Ask with any headers, on a connection of its own, and wait until the request is over."""
        with self.connected() as connection:
            answer = self.on(connection, method, path, headers)
        if request_id := answer.header("x-request-id"):
            self.office.endings.wait(request_id)
        return answer

    def post(
        self, path: str, document: Any, tenant: Tenant | None = None, user: str = "writer", **further: Any
    ) -> Answer:
        """Ask as a member of a tenant with a body: a document of JSON, or bytes."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        with self.connected() as connection:
            headers = self.headers(tenant, user, **further)
            response = self.begun(connection, "POST", path, headers, body=body)
            answer = Answer(response.status, tuple(response.getheaders()), response.read())
        self.office.endings.wait(answer.header("x-request-id") or "")
        return answer

    @contextmanager
    def connected(self) -> Iterator[http.client.HTTPConnection]:
        """Open a connection for several requests."""
        connection = http.client.HTTPConnection("127.0.0.1", self.office.port, timeout=_PATIENCE)
        try:
            yield connection
        finally:
            connection.close()

    def on(
        self, connection: http.client.HTTPConnection, method: str, path: str, headers: list[tuple[str, str]]
    ) -> Answer:
        """Ask on a connection."""
        response = self.begun(connection, method, path, headers)
        return Answer(response.status, tuple(response.getheaders()), response.read())

    def begun(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: list[tuple[str, str]],
        *,
        body: bytes = b"",
    ) -> http.client.HTTPResponse:
        """Ask on a connection, and return the answer with its body unread."""
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        host = [] if any(name == "Host" for name, _ in headers) else [("Host", "localhost")]
        for name, value in (*host, *headers, ("Content-Length", str(len(body)))):
            connection.putheader(name, value)
        connection.endheaders(body)
        return connection.getresponse()

    def documents(self, tenant: Tenant | None = None) -> list[str]:
        """Return the names of a tenant's documents as the owner of the database sees them."""
        query = select(Document.name).where(Document.tenant_id == (tenant or self.acme).id)
        with self.kit.unscoped_session(reason="look", actor="test") as session:
            return list(session.scalars(query.order_by(Document.id)))

    def add_document(self, tenant: Tenant, name: str, author: str | None = None) -> int:
        """Write a document, and return its id."""
        with self.kit.scope(tenant):
            session = self.kit.session()
            document = Document(name=name, author=author)
            session.add(document)
            session.commit()
            return document.id

    def used(self, tenant: Tenant | None = None) -> int:
        """Return the units of documents that a tenant used."""
        with self.kit.scope(tenant or self.acme):
            return self.kit.quotas.used("documents")

    def trail(self, tenant: Tenant | None = None) -> list[Event]:
        """Return a tenant's events, newest first."""
        with self.kit.scope(tenant or self.acme):
            return [event for event in self.kit.audit.latest() if event.action not in _SET_UP]

    def central_trail(self, request_id: str) -> list[Event]:
        """Return the events of no tenant that a request left."""
        events = self.kit.audit.trail.tables.events
        with self.kit.unscoped_session(reason="look", actor="test") as session:
            rows = session.execute(select(events).where(events.c.request_id == request_id)).mappings()
            return [Event(**{key: row[key] for key in row if key != "tenant_id"}) for row in rows]

    def held_connections(self) -> int:
        """Return how many connections are not back in their pools."""
        kit = self.office.serving_kit
        pools = [kit.apart_engine.pool, kit.owner_engine.pool]
        if "async_engine" in kit.__dict__:
            pools.append(kit.async_engine.pool)
        return sum(pool.checkedout() for pool in pools)
