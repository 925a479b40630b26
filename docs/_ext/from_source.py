"""
What the pages take from the source at build time, so that it cannot differ from it.

The writers below return MyST text; the build puts it where a page has the marker of one, such as ``<!-- errors -->``.
Nothing of Sphinx is needed before ``setup``, so tests can call them without it.
"""  # noqa: INP001 - loaded by conf.py from this folder

import inspect
import re
from typing import Any

from tenantkit import exceptions
from tenantkit.adapters import django, fastapi, flask
from tenantkit.adapters.problems import problem_of
from tenantkit.core.settings import Settings
from tenantkit.exceptions import RowNotFound, TenantKitError
from tenantkit.testing.contracts import AdapterContract, BackgroundTaskPromises, WebSocketPromises

__all__ = [
    "error_catalogue",
    "errors",
    "nouns",
    "nouns_table",
    "promises",
    "setting_meanings",
    "settings_table",
    "setup",
]


ADAPTERS: dict[str, type] = {"FastAPI": fastapi.Tenancy, "Flask": flask.Tenancy, "Django": django.Tenancy}


def errors() -> list[type[TenantKitError]]:
    """Return every error of tenantkit, in the order of the source."""
    named = [getattr(exceptions, name) for name in exceptions.__all__]
    return sorted(named, key=lambda kind: inspect.getsourcelines(kind)[1])


def problem_type(kind: type[TenantKitError]) -> str:
    """Return the type of the problem that the adapters answer with."""
    known: str = problem_of(RowNotFound("")).content["type"]
    return known.removesuffix(RowNotFound.problem) + kind.problem


def error_catalogue() -> str:
    """Return a table of all errors, then each with its documentation."""
    lines = [
        "| class | status | problem type | title | message shown to the client |",
        "|---|---|---|---|---|",
    ]
    entries = []
    for kind in errors():
        shown = "yes" if kind.public else "no"
        problem, title, status = problem_type(kind), kind.title, kind.status
        lines.append(
            f"| {{py:exc}}`~tenantkit.exceptions.{kind.__name__}` | {status} | `{problem}` | {title} | {shown} |"
        )
        seen = "the title, the message and the details" if kind.public else "the title only"
        entries += [
            f"### {kind.__name__}\n",
            "```{eval-rst}",
            f".. autoexception:: tenantkit.exceptions.{kind.__name__}",
            "   :show-inheritance:",
            "   :no-members:\n",
            f"   Answered with **{status}**, ``{problem}``, *{title}*; the client sees {seen}.",
            "```\n",
        ]
    return "\n".join([*lines, "\n## Each error\n", *entries])


def setting_meanings() -> dict[str, str]:
    """Return what the documentation of Settings says of each setting."""
    described = inspect.cleandoc(Settings.__doc__ or "").partition("Args:\n")[2].partition("\n\n")[0]
    entries = re.split(r"\n(?=    \w+:)", described)
    return {name.strip(): " ".join(text.split()) for name, _, text in (one.partition(":") for one in entries)}


def settings_table() -> str:
    """Return a table of all settings."""
    lines = ["| setting | variable | type | default | meaning |", "|---|---|---|---|---|"]
    prefix = Settings.model_config["env_prefix"]
    meanings = setting_meanings()
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else f"`{field.default!r}`"
        kind = inspect.formatannotation(field.annotation).replace("typing.", "").rpartition("types.")[2]
        bounds = ", ".join(
            f"{sign} {getattr(one, key)}"
            for one in field.metadata
            for key, sign in (("ge", ">="), ("le", "<="))
            if hasattr(one, key)
        )
        cells = [
            f"`{name}`",
            f"`{prefix}{name.upper()}`",
            f"`{kind}` {bounds}".strip(),
            default,
            meanings[name],
        ]
        lines.append("| " + " | ".join(cell.replace("``", "`").replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def nouns() -> dict[str, dict[str, str]]:
    """Return how each adapter spells each of its nouns, by noun and adapter."""
    found: dict[str, dict[str, str]] = {}
    for adapter, tenancy in ADAPTERS.items():
        for name, member in inspect.getmembers(tenancy):
            if name.startswith("_") or name == "init_app":
                continue
            noun = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
            owner = "Tenancy" if name[0].isupper() else "tenancy"
            taken = _taken(member) if inspect.isfunction(member) else ""
            found.setdefault(noun, {})[adapter] = f"{owner}.{name}{taken}"
    return found


def _taken(method: Any) -> str:
    """Return the parameters of a method, without their types."""
    signature = inspect.signature(method)
    bare = [one.replace(annotation=one.empty) for name, one in signature.parameters.items() if name != "self"]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def nouns_table() -> str:
    """Return a table of the nouns, one column for each adapter."""
    lines = ["| noun | " + " | ".join(ADAPTERS) + " |", "|---" * (len(ADAPTERS) + 1) + "|"]
    for noun, spelled in sorted(nouns().items()):
        cells = [f"`{spelled[adapter]}`" if adapter in spelled else "-" for adapter in ADAPTERS]
        lines.append(
            f"| {noun.replace('_', ' ')} | " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        )
    return "\n".join(lines)


def promises() -> str:
    """Return what the contract of adapters promises, each promise in its own words."""
    kinds = (*AdapterContract.__mro__[1:-1], BackgroundTaskPromises, WebSocketPromises)
    lines = []
    for kind in kinds:
        about = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].partition(";")[0].rstrip(".")
        lines.append(f"\n### {about}\n")
        for name, test in vars(kind).items():
            if name.startswith("test_"):
                said = " ".join(inspect.cleandoc(test.__doc__ or "").split())
                words = name.removeprefix("test_").replace("_", " ")
                lines.append(f"{words[0].upper()}{words[1:]}\n: {said}\n")
    return "\n".join(lines)


def _fill_in(_app: Any, _page: str, source: list[str]) -> None:
    markers = {
        "<!-- errors -->": error_catalogue,
        "<!-- settings -->": settings_table,
        "<!-- nouns -->": nouns_table,
        "<!-- promises -->": promises,
    }
    for marker, write in markers.items():
        if marker in source[0]:
            source[0] = source[0].replace(marker, write())


def _by_short_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Find what a docstring calls by its short name, such as ``AuditTrail.record``, where one thing is called so."""
    from sphinx.util.nodes import make_refnode  # noqa: PLC0415 - only in a build

    if node.get("refdomain") != "py":
        return None
    found = env.domains["py"].find_obj(env, None, None, node["reftarget"].lstrip(".~"), None, 1)
    ours = {entry.node_id: entry for _, entry in found if not entry.aliased}
    if len(ours) != 1:
        return None
    (entry,) = ours.values()
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content)


def setup(app: Any) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.connect("source-read", _fill_in)
    app.connect("missing-reference", _by_short_name)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
