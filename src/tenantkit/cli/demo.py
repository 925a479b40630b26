"""``tenantkit demo``: real flights, a real server, a real client."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from tenantkit import TenantKit
from tenantkit.exceptions import TenantKitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from tenantkit.demo.story import Story

__all__ = ["demo"]

DATABASE = Path("tenantkit-demo.db")
_ERROR = 400


def demo(
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over with an empty database.")] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Leave the server running, with its OpenAPI page.")
    ] = False,
    database_url: Annotated[
        str | None,
        typer.Option(help="Use this database, such as postgresql+psycopg://..., instead of a file."),
    ] = None,
) -> None:
    """Load 336,776 flights of 16 carriers, serve them to tenants, and show that nobody sees a foreign row."""
    console = Console()
    try:
        _run(console, database_url or f"sqlite:///{DATABASE}", fresh=fresh, serve=serve)
    except KeyboardInterrupt:
        console.print("\nStopped. Nothing is half done: run it again to go on.")
        raise typer.Exit(130) from None
    except TenantKitError as error:
        _complain(console, error.message)
        raise typer.Exit(1) from None
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        _complain(console, f"The database cannot be used: {reason}")
        raise typer.Exit(1) from None
    except ModuleNotFoundError as error:
        _complain(console, f"The demo needs {error.name}: pip install 'tenantkit[demo]'.")
        raise typer.Exit(1) from None


def _complain(console: Console, sentence: str) -> None:
    console.print(_plain(sentence, "red"), soft_wrap=True)


def _plain(text: str, style: str = "") -> Text:
    """Return a text that is printed to the letter: brackets are no markup, control characters are spelled out."""
    return Text("".join(one if one.isprintable() else repr(one)[1:-1] for one in text), style)


def _run(console: Console, database_url: str, *, fresh: bool, serve: bool) -> None:
    from tenantkit.demo import data, service  # noqa: PLC0415 - needs the extra `demo`

    kit = service.create_kit(database_url)
    try:
        if fresh:
            _drop_everything(kit)
        with _progress(console) as progress:
            task = progress.add_task("Loading flights", total=data.FLIGHTS)
            loaded = data.load(kit, lambda rows: progress.advance(task, rows))
            progress.update(task, completed=data.FLIGHTS)
        console.print(f"{loaded} carriers loaded." if loaded else "The flights are there already.")
        data.reset_story(kit)
        _play(console, kit, serve=serve)
    finally:
        kit.dispose()


def _drop_everything(kit: TenantKit) -> None:
    from tenantkit.demo.models import Base  # noqa: PLC0415

    for metadata in (Base.metadata, kit.metadata):
        metadata.drop_all(kit.owner_engine)


def _play(console: Console, kit: TenantKit, *, serve: bool) -> None:
    import httpx  # noqa: PLC0415 - needs the extra `demo`

    from tenantkit.demo.service import create_app  # noqa: PLC0415
    from tenantkit.demo.story import Story  # noqa: PLC0415
    from tenantkit.testing.serving import serve_asgi  # noqa: PLC0415

    with serve_asgi(create_app(kit)) as port, httpx.Client(timeout=60) as client:
        console.print(f"Serving on http://127.0.0.1:{port}\n")
        story = Story(kit, client, port)
        story.play()
        _print_transcript(console, story)
        _print_trail(console, "UA's audit trail of it (times in UTC)", story.trail("ua"))
        _print_trail(console, "The central trail, for what belongs to no tenant", story.central_trail())
        console.print(_summary(story))
        console.print(_verdict(story))
        if serve:
            _wait(console, kit, port)


def _print_transcript(console: Console, story: "Story") -> None:
    console.rule("The story", align="left")
    widths = [
        max(len(part) for part in column)
        for column in zip(*((x.who, x.request) for x in story.transcript), strict=True)
    ]
    for one in story.transcript:
        asks = _plain(f"{one.who:<{widths[0]}}  {one.request:<{widths[1]}}")
        status = (f"  {one.status}  ", "green" if one.status < _ERROR else "yellow")
        console.print(Text.assemble(asks, status, _plain(one.said)), soft_wrap=True)


def _print_trail(console: Console, title: str, events: "Sequence[Mapping[str, Any]]") -> None:
    console.rule(title, align="left")
    for event in events:
        facts = event["details"]
        told = [str(facts[key]) for key in ("reason", "method", "path", "problem") if key in facts]
        what = event["target"] or " ".join(told)
        who = event["actor"] or "unknown"
        line = (
            f"{event['occurred_at'][11:19]}  {who:<24}  {event['action']:<16}  {event['outcome']:<8}  {what}"
        )
        console.print(_plain(line), soft_wrap=True)


def _summary(story: "Story") -> Table:
    table = Table(
        "tenant", "flights by total", "rows shown", "foreign rows", title="Who saw what", title_justify="left"
    )
    for carrier, shown in story.shown.items():
        table.add_row(carrier, f"{story.totals[carrier]:,}", f"{shown:,}", str(story.foreign[carrier]))
    return table


def _verdict(story: "Story") -> str:
    shown = ", ".join(f"{carrier} was shown {count:,} rows" for carrier, count in story.shown.items())
    foreign = story.foreign.total()
    colour = "green" if foreign == 0 else "red"
    return f"[bold {colour}]{shown}; {foreign} of these {story.shown.total():,} were another carrier's.[/]"


def _wait(console: Console, kit: TenantKit, port: int) -> None:
    with kit.scope("ua") as scope:
        token = kit.tokens.issue("dispatcher@ua.example", scope.tenant)
    console.print(
        f"\nOpenAPI page: http://ua.localhost:{port}/docs   (Ctrl-C stops)\nA token of UA's dispatcher:"
    )
    console.print(token, soft_wrap=True)
    while True:
        time.sleep(3600)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)
