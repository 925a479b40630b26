"""Opaque tokens: random texts that mean nothing to who holds them, of which only a digest is kept."""

import hashlib
import hmac
import re
import secrets
import zlib
from string import ascii_letters, digits
from typing import Final

__all__ = ["SALT_BYTES", "derive_opaque", "digest_opaque", "digest_text", "make_opaque"]

_DIGITS: Final = digits + ascii_letters
_BODY: Final = 43  # digits of base 62 for 256 bits
_SUM: Final = 6  # and for the 32 bits of a CRC
_BYTES: Final = 32
_FORM: Final = re.compile(f"[0-9A-Za-z]{{{_BODY + _SUM}}}")

SALT_BYTES: Final = 32


def make_opaque(prefix: str) -> str:
    """
    Return a new token: the prefix, 256 random bits, and a checksum, in letters and digits.

    The prefix tells people and scanners of source code what they found; the checksum lets a token that was mistyped or
    made up be refused without asking a database.

    .. versionadded:: 0.1
    """
    return _spelled(prefix, secrets.token_bytes(_BYTES))


def derive_opaque(prefix: str, salt: bytes, token: str) -> str:
    """
    Return the token that follows from another one and a salt: always the same, and known to nobody without both.

    .. versionadded:: 0.1
    """
    return _spelled(prefix, hmac.new(salt, token.encode(), hashlib.sha256).digest())


def digest_opaque(prefix: str, token: str) -> str | None:
    """
    Return what is kept of a token, its SHA-256 in hexadecimal digits, or None for a text that is no such token.

    .. versionadded:: 0.1
    """
    head, body = f"{prefix}_", token[len(prefix) + 1 :]
    if not token.startswith(head) or not _FORM.fullmatch(body):
        return None
    if body[_BODY:] != _checksum(token[:-_SUM]):
        return None
    return digest_text(token)


def digest_text(text: str) -> str:
    """
    Return the SHA-256 of a text in hexadecimal digits.

    .. versionadded:: 0.1
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _spelled(prefix: str, raw: bytes) -> str:
    text = f"{prefix}_{_base62(int.from_bytes(raw, 'big'), _BODY)}"
    return text + _checksum(text)


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _SUM)


def _base62(number: int, length: int) -> str:
    found = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        found.append(_DIGITS[digit])
    return "".join(reversed(found))
