"""What a FastAPI application's OpenAPI document says of tenancy."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI, routing
from fastapi.routing import APIRoute

from tenantkit.adapters.fastapi.dependencies import Check
from tenantkit.adapters.paths import PathKind, Paths
from tenantkit.adapters.problems import MEDIA_TYPE, PROBLEM_SCHEMA
from tenantkit.kit import TenantKit
from tenantkit.resolution import Host, PathPrefix

__all__ = ["document"]

_SCHEME: Final = "tenantkit"
_ANSWERS: Final = {
    308: "The tenant has another name now; `Location` says where the request belongs.",
    400: "The tenant or the workspace of the request could not be settled.",
    401: "No access token, or one that does not verify.",
    402: "The plan's limit is reached; usage, limit and an upgrade link are given.",
    403: "A permission is missing and named, the resource is somebody else's, or the token is of another tenant.",
    404: "There is no such tenant, or no such resource of it.",
    421: "The tenant is served in another region, which is named.",
    503: "The tenant is being made ready or under maintenance, or what must answer is down.",
}
_CENTRAL: Final = {400, 401, 403, 503}
_IN_SCOPE: Final = {400, 401, 403, 404, 503}


def document(app: FastAPI, kit: TenantKit, paths: Paths) -> None:
    """Let the OpenAPI document show the security scheme, where a tenant is named, and every problem answer."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            _describe(app, kit, paths, generate())
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # the documented way to extend it


def _describe(app: FastAPI, kit: TenantKit, paths: Paths, schema: dict[str, Any]) -> None:
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    components.setdefault("securitySchemes", {})[_SCHEME] = scheme
    if not schema.get("servers") and (servers := list(_servers(kit))):
        schema["servers"] = servers
    for route in _api_routes(app):
        kind = paths.kind(route.path_format)
        if kind == "public":
            continue
        for method in route.methods or ():
            operation = schema["paths"].get(route.path_format, {}).get(method.lower())
            if operation is not None:
                operation["security"] = [{_SCHEME: []}, *([{}] if kind == "optional" else [])]
                operation["responses"] = (
                    _responses(kit, route, kind) | operation["responses"]
                )  # the host's own stay


def _servers(kit: TenantKit) -> Iterator[dict[str, Any]]:
    """Yield the hosts that name a tenant, as servers with a variable."""
    for source in kit.resolve.sources:
        if isinstance(source, Host):
            tenant = {"default": "tenant", "description": "The slug of the tenant."}
            yield {"url": f"https://{source.pattern}", "variables": {"tenant": tenant}}


def _api_routes(app: FastAPI) -> Iterator[Any]:
    """Yield the API routes, those of included routers too, which newer FastAPI keeps nested."""
    walk = getattr(routing, "iter_route_contexts", iter)
    for route in walk(app.routes):
        if isinstance(getattr(route, "original_route", route), APIRoute):
            yield route


def _responses(kit: TenantKit, route: Any, kind: PathKind) -> dict[str, Any]:
    statuses = (_CENTRAL if kind == "central" else _IN_SCOPE | _elsewhere(kit)) | {
        check.status for check in _checks(route.dependant)
    }
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {str(status): {"description": _ANSWERS[status], "content": content} for status in sorted(statuses)}


def _elsewhere(kit: TenantKit) -> set[int]:
    """Return the statuses that send a request somewhere else."""
    redirects = any(isinstance(one, Host | PathPrefix) and one.redirects for one in kit.resolve.sources)
    return ({308} if redirects else set()) | ({421} if kit.settings.regions else set())


def _checks(dependant: Any) -> Iterator[Check]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Check):
            yield inner.call
        yield from _checks(inner)
