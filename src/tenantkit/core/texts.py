"""Texts that strangers send, as every database can hold them."""

__all__ = ["storable"]


def storable(text: str, length: int) -> str:
    """
    Return the beginning of a text in which half surrogate pairs and NUL are spelled out.

    Args:
        text: any text.
        length: how many characters at the most.

    .. versionadded:: 0.1
    """
    return text[:length].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:length]
