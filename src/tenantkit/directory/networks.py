"""Lists of addresses and networks, and whether an address is in one."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from tenantkit.core.tenant import EntryRules
from tenantkit.exceptions import InvalidValue

__all__ = ["check_networks", "is_admitted", "read_address"]

_MAPPED: Final = IPv6Network(
    "::ffff:0:0/96"
)  # addresses in it are compared as the IPv4 addresses that they are
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def read_address(text: str) -> Address | None:
    """
    Return the address that a text spells, or None where it spells none.

    An IPv4 address within IPv6 (``::ffff:192.0.2.1``) is the IPv4 address. A zone (``fe80::1%eth0``) is left away.

    .. versionadded:: 0.1
    """
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def check_networks(entry: EntryRules | None) -> None:
    """
    Refuse lists that hold anything but addresses and networks.

    Raises:
        InvalidValue: one is none, or has bits behind its prefix; the message says which.
    """
    for field in ("allow", "deny"):
        for text in getattr(entry, field, ()):
            network = _network(text)
            if network is None or (network.version == 6 and network.subnet_of(_MAPPED)):  # noqa: PLR2004
                raise InvalidValue(
                    f"{text[:80]!r} is no address and no network, such as 192.0.2.0/24 or 2001:db8::/32; IPv4 within "
                    "IPv6 is written as IPv4.",
                    field=field,
                )


def is_admitted(entry: EntryRules, client: str | None) -> bool:
    """
    Whether an address may enter: it is in the allow list, if there is one, and not in the deny list.

    An address that is not known is in no allow list, and might be in any deny list.

    .. versionadded:: 0.1
    """
    if not entry.allow and not entry.deny:
        return True
    address = read_address(client) if client is not None else None
    if address is None or _is_in(address, entry.deny):
        return False
    return not entry.allow or _is_in(address, entry.allow)


def _is_in(address: Address, networks: Iterable[str]) -> bool:
    found = map(_network, networks)
    return any(one is not None and one.version == address.version and address in one for one in found)


@lru_cache(maxsize=4096)
def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None
