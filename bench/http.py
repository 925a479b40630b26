"""
What tenancy adds to a request: each part of it, over the bare framework.

``python -m bench.http [--quick]``. The applications are called as a server calls them, without a network between. The
parts, each with those before it:

- bare: the framework and a handler that returns a constant
- public: the middleware around it, on a path that needs nothing; log line and meters
- identified: a token, a tenant and a member that were seen before
- required: a permission of the member's role
- whole: the session of the scope, opened and closed without a statement
- whole with SQL: one row selected in a transaction that is committed

In Django everything from `identified` on is within `atomic()`, whose BEGIN and COMMIT count. fastapi-tenancy, where it
is installed (``pip install fastapi-tenancy==0.5.0``), verifies a token and finds its tenant in memory; it looks up no
member and no permission, so it is to be compared with `identified`.
"""

import argparse
import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

from bench._sites import django_sites, fastapi_sites, flask_sites, kit_and_token, peer_site
from bench.contest import Result, measure, print_bar, print_table

PEER = "fastapi-tenancy"
REQUESTS = 50  # in one turn: as on a server, whose processor has seen its own application before


def asgi_turn(loop: asyncio.AbstractEventLoop, app: Any, token: str) -> Callable[[], object]:
    """Return a function that asks an ASGI application some times."""
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    statuses: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def ask() -> None:
        for _ in range(REQUESTS):
            scope = {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": "GET",
                "scheme": "http",
                "path": "/",
                "raw_path": b"/",
                "query_string": b"",
                "root_path": "",
                "headers": headers,
                "client": ("127.0.0.1", 1),
                "server": ("127.0.0.1", 80),
                "state": {},
            }
            await app(scope, receive, send)

    def turn() -> None:
        statuses.clear()
        loop.run_until_complete(ask())
        _check(statuses)

    return turn


def wsgi_turn(app: Any, token: str, path: str = "/") -> Callable[[], object]:
    """Return a function that asks a WSGI application some times."""
    statuses: list[int] = []

    def start_response(status: str, _headers: object, _exc_info: object = None) -> None:
        statuses.append(int(status[:3]))

    def turn() -> None:
        statuses.clear()
        for _ in range(REQUESTS):
            environ = {
                "REQUEST_METHOD": "GET",
                "SCRIPT_NAME": "",
                "PATH_INFO": path,
                "QUERY_STRING": "",
                "wsgi.input": BytesIO(),
                "SERVER_NAME": "localhost",
                "SERVER_PORT": "80",
                "SERVER_PROTOCOL": "HTTP/1.1",
                "HTTP_HOST": "localhost",
                "HTTP_AUTHORIZATION": f"Bearer {token}",
                "REMOTE_ADDR": "127.0.0.1",
                "wsgi.url_scheme": "http",
            }
            body = app(environ, start_response)
            b"".join(body)
            close = getattr(body, "close", None)
            if close is not None:
                close()
        _check(statuses)

    return turn


def _check(statuses: list[int]) -> None:
    if set(statuses) != {200}:
        raise SystemExit(f"answered {statuses}, which is no measurement")


def show(framework: str, results: Sequence[Result]) -> None:
    """Print what each part adds to the bare framework, in microseconds a request."""
    print_table(f"{framework}, {REQUESTS} requests a turn", list(results))
    medians = {one.name: one.median / REQUESTS * 1e6 for one in results}
    added = {name: medians[name] - medians["bare"] for name in medians}
    for name in list(added)[1:]:
        print(f"  {name:<28} adds {added[name]:>8.1f} us a request")
    print_bar(f"http/{framework}/identify-resolve-authorize", added["required"], 100, "us")
    print_bar(f"http/{framework}/whole-without-SQL", added["whole"], 250, "us")
    if PEER in added:
        print_bar(f"http/{framework}/identify-resolve", added["identified"] / added[PEER], 1, f"of {PEER}")


def main() -> None:
    """Measure the frameworks, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a look")
    rounds = 60 if parser.parse_args().quick else 400
    logging.disable(logging.INFO)  # as where nobody wants the lines
    print(f"{os.cpu_count()} cores")
    with kit_and_token() as (kit, token), asyncio.Runner() as runner:
        loop, peer = runner.get_loop(), peer_site()
        on_asgi = {name: asgi_turn(loop, app, token) for name, app in fastapi_sites(kit).items()}
        if peer is not None:
            on_asgi[PEER] = asgi_turn(loop, *peer)
        show("FastAPI", measure(on_asgi, reference="bare", rounds=rounds, repeats=1))
        on_wsgi = {name: wsgi_turn(app, token) for name, app in flask_sites(kit).items()}
        show("Flask", measure(on_wsgi, reference="bare", rounds=rounds, repeats=1))
    with django_sites() as (sites, token):
        in_django = {name: wsgi_turn(app, token, where) for name, (app, where) in sites.items()}
        show("Django", measure(in_django, reference="bare", rounds=rounds, repeats=1))


if __name__ == "__main__":
    main()
