"""What a client sees: the same application, asked by people of two carriers and by strangers."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from sqlalchemy import select

from tenantkit import Tenant, TenantKit
from tenantkit.audit import central_tenant_id
from tenantkit.demo.data import LOADER

__all__ = ["Exchange", "Story"]

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, what it shows, and what came back."""

    who: str
    request: str
    status: int
    said: str


@dataclass
class Story:
    """
    Plays the story over HTTP and remembers what was answered; nothing in it is known beforehand.

    ``totals`` holds the totals that the service told each carrier, ``shown`` counts the rows it was shown, and
    ``foreign`` those among them that are another carrier's.
    """

    kit: TenantKit
    client: httpx.Client
    port: int
    transcript: list[Exchange] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    shown: Counter[str] = field(default_factory=Counter)
    foreign: Counter[str] = field(default_factory=Counter)
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))

    def ask(
        self, who: str, slug: str, method: str, path: str, *, token: str | None = None, body: Any = None
    ) -> httpx.Response:
        """Send one request to a tenant's host and write it into the transcript."""
        answer = self._send(slug, method, path, token=token, body=body)
        self.transcript.append(
            Exchange(who, f"{method} {slug}.localhost{path}", answer.status_code, _gist(answer))
        )
        return answer

    def play(self) -> None:
        """Play every scene."""
        ua, ha = self._tenant("ua"), self._tenant("ha")
        first = {}
        for tenant in (ua, ha):
            page = self.ask(*self._dispatcher(tenant), "GET", "/flights?limit=1", token=self._token(tenant))
            first[tenant.slug] = page.json()["flights"][0]["id"]
            self.totals[tenant.slug.upper()] = page.json()["total"]
        token = self._token(ua)
        self.ask(*self._dispatcher(ua), "GET", f"/flights/{first['ua']}", token=token)
        self.ask(*self._dispatcher(ua), "GET", f"/flights/{first['ha']}", token=token)
        self._write(ua, first["ua"], token)
        self._strangers(ua, ha, token)
        for tenant in (ua, ha):
            self._read_everything(tenant)

    def trail(self, slug: str) -> list[dict[str, Any]]:
        """Return what a tenant's audit trail holds of this story, oldest first, as its dispatcher sees it."""
        tenant = self._tenant(slug)
        events = self._send(slug, "GET", "/audit?limit=100", token=self._token(tenant)).json()
        return [one for one in reversed(events) if datetime.fromisoformat(one["occurred_at"]) >= self.begun]

    def central_trail(self) -> list[dict[str, Any]]:
        """Return what the central trail holds of this story, oldest first; only an unscoped session sees it."""
        events = self.kit.audit.trail.tables.events
        nobody = central_tenant_id(events.c.tenant_id.type.python_type)
        with self.kit.unscoped_session(reason="show the central trail", actor=LOADER) as session:
            query = select(events).where(events.c.tenant_id == nobody, events.c.occurred_at >= self.begun)
            rows = session.execute(query.order_by(events.c.id)).mappings()
            return [{**row, "occurred_at": row["occurred_at"].isoformat()} for row in rows]

    def _write(self, tenant: Tenant, flight_id: int, token: str) -> None:
        path = f"/flights/{flight_id}/releases"
        viewer = self._token(tenant, "viewer")
        self.ask(
            f"viewer of {tenant.slug.upper()}", tenant.slug, "POST", path, token=viewer, body={"note": "go"}
        )
        for number in range(1, 10):  # until the plan says no
            answer = self.ask(
                *self._dispatcher(tenant), "POST", path, token=token, body={"note": f"release {number}"}
            )
            if answer.status_code != httpx.codes.CREATED:
                break

    def _strangers(self, tenant: Tenant, other: Tenant, token: str) -> None:
        header, payload, signature = token.split(".")
        tampered = ".".join((header, payload, signature[::-1]))
        self.ask("nobody", tenant.slug, "GET", "/flights", token=None)
        self.ask("a forger", tenant.slug, "GET", "/flights", token=tampered)
        self.ask(self._dispatcher(tenant)[0], other.slug, "GET", "/flights", token=token)

    def _read_everything(self, tenant: Tenant) -> None:
        """Page through all that a tenant may see and look at whose it is, by the carrier written in the data."""
        carrier, token, after = tenant.slug.upper(), self._token(tenant), 0
        while True:
            path = f"/flights?after={after}&limit={_PAGE}"
            flights = self._send(tenant.slug, "GET", path, token=token).json()["flights"]
            self.shown[carrier] += len(flights)
            self.foreign[carrier] += sum(flight["carrier"] != carrier for flight in flights)
            if len(flights) < _PAGE:
                return
            after = flights[-1]["id"]

    def _send(
        self, slug: str, method: str, path: str, *, token: str | None, body: Any = None
    ) -> httpx.Response:
        headers = {"Host": f"{slug}.localhost:{self.port}"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return self.client.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers, json=body)

    def _tenant(self, slug: str) -> Tenant:
        with self.kit.scope(slug) as scope:
            return scope.tenant

    def _token(self, tenant: Tenant, role: str = "dispatcher") -> str:
        """Sign in: the identity provider's part, which here is the kit itself."""
        return self.kit.tokens.issue(f"{role}@{tenant.slug}.example", tenant)

    @staticmethod
    def _dispatcher(tenant: Tenant) -> tuple[str, str]:
        return f"dispatcher of {tenant.slug.upper()}", tenant.slug


def _gist(answer: httpx.Response) -> str:
    """Return the telling part of an answer."""
    content = answer.json()
    if "total" in content:
        return f"{content['total']:,} flights"
    if "carrier" in content:
        return f"flight {content['carrier']} {content['number']} {content['origin']}-{content['destination']}"
    if "note" in content:
        return f"{content['note']!r} written"
    telling = [
        f"{key} {content[key]}" for key in ("permission", "usage", "limit", "upgrade_url") if key in content
    ]
    return f"{content['title']}" + (f" ({', '.join(telling)})" if telling else "")
