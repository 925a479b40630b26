"""What is read of a request, head and body, as each interface between server and application holds it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["RequestHead", "asgi_body", "asgi_head", "wsgi_body", "wsgi_head", "wsgi_path"]


def _no_header(_name: str) -> str | None:
    return None


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class RequestHead:
    """
    What an adapter reads from a request.

    Args:
        method: GET, POST ...; ``websocket`` for a socket.
        path: the whole path, decoded.
        host: the Host header; the empty text where there are several.
        authorization: the Authorization header; the empty text where there are several.
        request_id: the X-Request-Id header.
        client: the address that the server was called from: the client's, or that of the last proxy.
        user_agent: the User-Agent header.
        query: the query string, as the client spelled it.
        header: returns any other header by its name in lower case; equal ones are joined by a comma.
        session: returns the framework's session of the client, if there is one.
        user: returns the id of the user whom the framework says is signed in, if anybody is.
        mount: the beginning of the path, where the application is mounted.

    .. versionadded:: 0.1
    """

    method: str
    path: str
    host: str | None = None
    authorization: str | None = None
    request_id: str | None = None
    client: str | None = None
    user_agent: str | None = None
    query: str = ""
    header: Callable[[str], str | None] = _no_header
    session: Callable[[], Mapping[str, Any] | None] = _nothing
    user: Callable[[], str | None] = _nothing
    mount: str = ""


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
    client, path = scope.get("client"), str(scope["path"])
    mount = str(scope.get("root_path", "")).rstrip("/")
    return RequestHead(
        method=scope.get("method", "websocket"),
        path=path if f"{path}/".startswith(f"{mount}/") else mount + path,  # a proxy may have taken it away
        host=found.get("host"),
        authorization=found.get("authorization"),
        request_id=found.get("x-request-id"),
        client=client[0] if client else None,
        user_agent=found.get("user-agent"),
        query=scope.get("query_string", b"").decode("latin-1"),
        header=found.get,
        session=lambda: scope.get("session"),
        user=lambda: _user(scope),
        mount=mount,
    )


def _user(scope: Mapping[str, Any]) -> str | None:
    """Return who a middleware of Starlette's kind says is signed in; a user without an identity is nobody."""
    user = scope.get("user")
    if not getattr(user, "is_authenticated", False):  # others keep something of their own there
        return None
    try:
        return str(user.identity)  # type: ignore[union-attr]
    except NotImplementedError:  # of a plain user, who has only a name, which users choose
        return None


async def asgi_body(receive: Callable[[], Awaitable[Mapping[str, Any]]], most: int) -> bytes | None:
    """Return the body of a request, or None for one of more bytes."""
    parts, size, is_whole = list[bytes](), 0, False
    while not is_whole and size <= most:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        is_whole = not message.get("more_body")
    return b"".join(parts) if size <= most else None


def wsgi_head(environ: Mapping[str, Any], session: Callable[[Any], Mapping[str, Any] | None]) -> RequestHead:
    """Return what is read of a request; servers join equal headers by a comma, and joined credentials are none."""
    host: str | None = environ.get("HTTP_HOST")
    mount = _text(environ.get("SCRIPT_NAME"))
    return RequestHead(
        method=environ.get("REQUEST_METHOD", ""),
        path=mount + wsgi_path(environ),
        host="" if host is not None and "," in host else host,
        authorization=environ.get("HTTP_AUTHORIZATION"),
        request_id=environ.get("HTTP_X_REQUEST_ID"),
        client=environ.get("REMOTE_ADDR"),
        user_agent=environ.get("HTTP_USER_AGENT"),
        query=environ.get("QUERY_STRING", ""),
        header=lambda name: environ.get(f"HTTP_{name.upper().replace('-', '_')}"),
        session=lambda: session(environ),
        user=lambda: environ.get("REMOTE_USER") or None,
        mount=mount,
    )


def wsgi_body(environ: Mapping[str, Any], most: int) -> bytes | None:
    """Return the body of a request, or None for one of more bytes, or of a length that is none."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isascii() or not length.isdigit() or len(length) > len(str(most)) or int(length) > most:
        return None
    found: bytes = environ["wsgi.input"].read(int(length))
    return found


def wsgi_path(environ: Mapping[str, Any]) -> str:
    """Return the path below where the application is mounted."""
    return _text(environ.get("PATH_INFO"))


def _text(native: str | None) -> str:
    """Return what WSGI holds as bytes in a str (PEP 3333) as the text that they spell."""
    return (native or "").encode("latin-1").decode("utf-8", "replace")
