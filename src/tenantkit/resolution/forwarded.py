"""Where a request comes from, behind proxies that are counted."""

from ipaddress import ip_address

__all__ = ["client_of"]


def client_of(peer: str | None, forwarded: str | None, hops: int) -> str | None:
    """
    Return the address of the client behind so many proxies of one's own.

    Each proxy adds the address that it was called from at the end of ``X-Forwarded-For``; what stands further left a
    client can have written itself. So the address that counts is the one that the outermost of the proxies added: the
    ``hops``-th from the right.

    Args:
        peer: the address that the server was called from.
        forwarded: the header ``X-Forwarded-For``, several joined by commas; None where there is none.
        hops: how many proxies of one's own stand before the server. 0 believes the peer alone.

    Returns:
        The address, or None where the header is shorter than the proxies make it, or what stands there is no address.

    .. versionadded:: 0.1
    """
    if hops == 0:
        return peer
    entries = (forwarded or "").split(",")
    return _address(entries[-hops].strip()) if len(entries) >= hops else None


def _address(text: str) -> str | None:
    if text.startswith("["):  # [2001:db8::1]:443
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.1:443
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
