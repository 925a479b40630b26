"""Texts that strangers send, as every database can hold them."""

from tenantkit.exceptions import InvalidValue

__all__ = ["check_text", "is_storable", "storable"]


def storable(text: str, length: int) -> str:
    """
    Return the beginning of a text in which half surrogate pairs and NUL are spelled out.

    Args:
        text: any text.
        length: how many characters at the most.

    .. versionadded:: 0.1
    """
    return text[:length].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:length]


def is_storable(text: str) -> bool:
    """
    Whether every database can hold a text: it has no NUL and no half of a surrogate pair.

    .. versionadded:: 0.1
    """
    return not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text)


def check_text(text: str, field: str, length: int) -> None:
    """
    Refuse a text that a column cannot hold.

    Args:
        text: the text.
        field: what it is for.
        length: how many characters at the most; one at the least that is no blank.

    Raises:
        InvalidValue: it is empty, blank, too long, or holds NUL or half a surrogate pair.

    .. versionadded:: 0.1
    """
    if not text.strip() or len(text) > length or not is_storable(text):
        raise InvalidValue(f"A {field} is a text of 1 to {length} characters.", field=field)
