"""The compact serialization of a signed token (RFC 7515, 7.1), read strictly: one spelling for one token."""

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any, Final

from tenantkit.core.texts import is_storable
from tenantkit.exceptions import TokenInvalid

__all__ = ["Compact", "read_base64", "read_compact"]

_MAX_LENGTH: Final = 8192  # characters; no honest token is longer, and hashing is not free
_PARTS: Final = 3
_BASE64: Final = re.compile(r"[A-Za-z0-9_-]+")
_PAD: Final = ("", None, "==", "=")  # by the length modulo 4; no text of bytes has length 1
_LAST: Final = ("", "", "AQgw", "AEIMQUYcgkosw048")  # what can end such a text: the bits left over are 0


@dataclass(frozen=True, slots=True)
class Compact:
    """A token in its parts, none of them checked but for their form."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def read_compact(token: str) -> Compact:
    """
    Take a token apart.

    Raises:
        TokenInvalid: it is no three parts of canonical base64url, the first two no JSON objects in UTF-8 that name
            each member once, or it asks for something to be understood (``crit``, ``b64``), of which nothing is.
    """
    if len(token) > _MAX_LENGTH:
        raise TokenInvalid(f"The token has {len(token)} characters; {_MAX_LENGTH} are allowed.")
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise TokenInvalid("The token is not three parts with dots between them.")
    header = _read_object(parts[0], "header")
    if "crit" in header or "b64" in header:
        raise TokenInvalid(
            "The token's header has members that must be understood, and are not: crit or b64."
        )
    claims, signature = _read_object(parts[1], "payload"), _read_part(parts[2], "signature")
    return Compact(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def read_base64(text: str) -> bytes | None:
    """Return the bytes of a text in base64url without padding, or None where it is no such text in its one spelling."""
    rest = len(text) % 4
    padding = _PAD[rest]
    if padding is None or not _BASE64.fullmatch(text) or (rest and text[-1] not in _LAST[rest]):
        return None
    return urlsafe_b64decode(text + padding)


def _read_part(text: str, part: str) -> bytes:
    found = read_base64(text)
    if found is None:
        raise TokenInvalid(f"The token's {part} is not base64url in its one spelling.")
    return found


def _read_object(text: str, part: str) -> dict[str, Any]:
    try:
        spelled = _read_part(text, part).decode()
        found = _JSON.decode(spelled)
        is_text = "\\u" not in spelled or _is_text(found)
    except (ValueError, RecursionError) as error:
        raise TokenInvalid(f"The token's {part} is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise TokenInvalid(f"The token's {part} is no JSON object.")
    if not is_text:
        raise TokenInvalid(f"The token's {part} holds NUL, or half a surrogate pair.")
    return found


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member is named twice")
    return found


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _is_text(value: object) -> bool:
    """Whether all texts in a value are ones that a database can hold."""
    if isinstance(value, dict):
        return all(_is_text(name) and _is_text(member) for name, member in value.items())
    if isinstance(value, list):
        return all(map(_is_text, value))
    return not isinstance(value, str) or is_storable(value)


_JSON: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
