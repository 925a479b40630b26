"""
What the pages take from the source at build time, so that it cannot differ from it.

``error_catalogue`` and ``settings_table`` write MyST text; the build puts it where a page says ``<!-- errors -->`` or
``<!-- settings -->``. Nothing of Sphinx is needed before ``setup``, so tests can call them without it.
"""  # noqa: INP001 - loaded by conf.py from this folder

import inspect
import re
from typing import Any

from tenantkit import exceptions
from tenantkit.adapters.problems import problem_of
from tenantkit.core.settings import Settings
from tenantkit.exceptions import RowNotFound, TenantKitError

__all__ = ["error_catalogue", "errors", "setting_meanings", "settings_table", "setup"]


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


def _fill_in(_app: Any, _page: str, source: list[str]) -> None:
    for marker, write in (("<!-- errors -->", error_catalogue), ("<!-- settings -->", settings_table)):
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
