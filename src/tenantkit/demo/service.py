"""The kit and the endpoints: everything that a multi-tenant FastAPI application needs to say."""

import secrets
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from tenantkit import Settings, TenantKit
from tenantkit.adapters.fastapi import Tenancy
from tenantkit.demo.models import Base, Flight, Release
from tenantkit.exceptions import RowNotFound
from tenantkit.quotas import Plans
from tenantkit.rbac import Matrix
from tenantkit.resolution import Host, TokenClaim, agree

__all__ = ["create_app", "create_kit"]

HERE = Path(__file__).parent
LARGEST_ID = 2**31 - 1  # what an Integer column holds; a larger one is a 422 and not an error of the driver
After = Annotated[int, Query(ge=0, le=LARGEST_ID)]
FlightId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]


def create_kit(database_url: str) -> TenantKit:
    """Return the kit of the demo; its secret is new in each run, so tokens of an earlier run are invalid."""
    settings = Settings(database_url=database_url, token_secret=secrets.token_urlsafe(48))
    return TenantKit(
        settings,
        metadata=Base.metadata,
        resolve=agree(TokenClaim("org"), Host("{tenant}.localhost")),
        roles=Matrix.read(HERE / "roles.toml"),
        plans=Plans.read(HERE / "plans.toml"),
    )


class FlightOut(BaseModel):
    """A flight as the API shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    carrier: str
    number: int
    origin: str
    destination: str
    departs_at: datetime


class FlightPage(BaseModel):
    """Some flights, and how many there are in all."""

    total: int
    flights: list[FlightOut]


class NewRelease(BaseModel):
    """What a dispatcher sends to release a flight."""

    note: str = Field(max_length=200, pattern=r"^[^\x00]*$")


class ReleaseOut(BaseModel):
    """A release as the API shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    flight_id: int
    note: str


class EventOut(BaseModel):
    """An audit event as the API shows it."""

    model_config = ConfigDict(from_attributes=True)

    occurred_at: datetime
    actor: str | None
    action: str
    target: str | None
    outcome: str
    details: dict[str, Any]


def create_app(kit: TenantKit) -> FastAPI:
    """Return the application; note that no endpoint names a tenant."""
    app = FastAPI(title="Flights", description="One application, sixteen carriers.", version="1")
    tenancy = Tenancy(app, kit, public=["/health"])

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/flights", dependencies=[tenancy.requires("flights:read")])
    def list_flights(
        session: Tenancy.Session,
        after: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 20,
    ) -> FlightPage:
        total = session.scalar(select(func.count()).select_from(Flight)) or 0
        page = session.scalars(select(Flight).where(Flight.id > after).order_by(Flight.id).limit(limit))
        return FlightPage(total=total, flights=[FlightOut.model_validate(flight) for flight in page])

    @app.get("/flights/{flight_id}", dependencies=[tenancy.requires("flights:read")])
    def show_flight(flight_id: FlightId, session: Tenancy.Session) -> FlightOut:
        return FlightOut.model_validate(_flight(session, flight_id))

    @app.post(
        "/flights/{flight_id}/releases",
        status_code=201,
        dependencies=[tenancy.requires("flights:release"), tenancy.consumes("releases")],
    )
    def release_flight(flight_id: FlightId, body: NewRelease, session: Tenancy.Session) -> ReleaseOut:
        release = Release(flight=_flight(session, flight_id), note=body.note)  # the tenant is stamped
        session.add(release)
        kit.audit.record("flight.released", release)  # same transaction
        return ReleaseOut.model_validate(release)

    @app.get("/audit", dependencies=[tenancy.requires("audit:read")])
    def audit_trail(
        session: Tenancy.Session, limit: Annotated[int, Query(ge=1, le=100)] = 20
    ) -> list[EventOut]:
        return [EventOut.model_validate(event) for event in kit.audit.trail.latest(session, limit)]

    return app


def _flight(session: Tenancy.Session, flight_id: int) -> Flight:
    flight = session.get(Flight, flight_id)
    if flight is None:  # another carrier's flight is not there either
        raise RowNotFound(f"There is no flight {flight_id}.")
    return flight
