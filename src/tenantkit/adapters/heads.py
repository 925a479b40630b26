"""What is read of a request, as each interface between server and application holds it."""

from collections.abc import Callable, Mapping
from typing import Any

from tenantkit.adapters.exchange import RequestHead

__all__ = ["asgi_head", "wsgi_head", "wsgi_path"]


def asgi_head(scope: Mapping[str, Any]) -> RequestHead:
    """Return what is read of a request; equal headers are joined, and doubled credentials are none."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope.get("headers", ()):
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1")
        if name not in found:
            found[name] = value
        else:
            found[name] = "" if name in ("authorization", "host") else f"{found[name]}, {value}"
    client = scope.get("client")
    return RequestHead(
        method=scope.get("method", "websocket"),
        path=scope["path"],
        host=found.get("host"),
        authorization=found.get("authorization"),
        request_id=found.get("x-request-id"),
        client=client[0] if client else None,
        user_agent=found.get("user-agent"),
        query=scope.get("query_string", b"").decode("latin-1"),
        header=found.get,
        session=lambda: scope.get("session"),
        user=lambda: _user(scope),
    )


def _user(scope: Mapping[str, Any]) -> str | None:
    """Return who a middleware of Starlette's kind says is signed in."""
    user = scope.get("user")
    if user is None or not user.is_authenticated:
        return None
    try:
        return str(user.identity)
    except NotImplementedError:  # of a plain user, who has a name only
        return str(user.display_name)


def wsgi_head(environ: Mapping[str, Any], session: Callable[[Any], Mapping[str, Any] | None]) -> RequestHead:
    """Return what is read of a request; servers join equal headers by a comma, and joined credentials are none."""
    host: str | None = environ.get("HTTP_HOST")
    return RequestHead(
        method=environ.get("REQUEST_METHOD", ""),
        path=_text(environ.get("SCRIPT_NAME")) + wsgi_path(environ),
        host="" if host is not None and "," in host else host,
        authorization=environ.get("HTTP_AUTHORIZATION"),
        request_id=environ.get("HTTP_X_REQUEST_ID"),
        client=environ.get("REMOTE_ADDR"),
        user_agent=environ.get("HTTP_USER_AGENT"),
        query=environ.get("QUERY_STRING", ""),
        header=lambda name: environ.get(f"HTTP_{name.upper().replace('-', '_')}"),
        session=lambda: session(environ),
        user=lambda: environ.get("REMOTE_USER") or None,
    )


def wsgi_path(environ: Mapping[str, Any]) -> str:
    """Return the path below where the application is mounted."""
    return _text(environ.get("PATH_INFO"))


def _text(native: str | None) -> str:
    """Return what WSGI holds as bytes in a str (PEP 3333) as the text that they spell."""
    return (native or "").encode("latin-1").decode("utf-8", "replace")
