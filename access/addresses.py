"""Which network addresses an outbound request may reach. Pure.

The blocks are those of IANA's special-purpose address registries (RFC 6890 and its updates), written out
here because :mod:`ipaddress` answers differently from one Python version to the next.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

Address = IPv4Address | IPv6Address
Kind = Literal["public", "private", "never"]
"""``public``: for all to reach. ``private``: where private networks are allowed. ``never``: for nobody."""

PRIVATE_V4 = tuple(
    IPv4Network(block)
    for block in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and Tailscale
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks; in practice the made-up addresses of some VPN clients
    )
)
NEVER_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "100.100.100.200/32",  # Alibaba's metadata service
        "168.63.129.16/32",  # Azure's, in the midst of public addresses
        "169.254.0.0/16",  # link-local, with most clouds' metadata service
        "192.0.0.0/24",  # protocol assignments, Oracle's metadata service
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",  # reserved, with the broadcast address
    )
)
PRIVATE_V6 = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))
NEVER_V6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments, among them Teredo, which wraps any IPv4 address
        "2001:db8::/32",
        "2002::/16",  # 6to4 wraps any IPv4 address; given up by RFC 7526
        "3fff::/20",
        "fd00:ec2::/32",  # Amazon's metadata service
        "fd20:ce::/32",  # Google's
    )
)
GLOBAL_V6 = IPv6Network("2000::/3")
MAPPED = IPv6Network("::ffff:0:0/96")
NAT64 = IPv6Network("64:ff9b::/96")

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")


def kind_of(address: Address) -> Kind:
    """Say whether an address may be reached. An IPv4 address wrapped in IPv6 is judged as itself."""
    if isinstance(address, IPv6Address):
        return _kind_v6(address)
    if any(address in block for block in NEVER_V4):
        return "never"
    return "private" if any(address in block for block in PRIVATE_V4) else "public"


def _kind_v6(address: IPv6Address) -> Kind:
    if address.scope_id is not None:
        return "never"  # a zone is meant for link-local addresses alone
    if address in MAPPED or address in NAT64:
        return kind_of(IPv4Address(int(address) & 0xFFFFFFFF))
    if any(address in block for block in NEVER_V6):
        return "never"
    if any(address in block for block in PRIVATE_V6):
        return "private"
    return "public" if address in GLOBAL_V6 else "never"


def parsed(text: str) -> Address | None:
    """Read an address as a resolver answers it; None if it is none."""
    try:
        return IPv6Address(text) if ":" in text else IPv4Address(text)
    except ValueError:
        return None


def literal(host: str) -> Address | None:
    """Give the address that *host* (ASCII, without brackets) spells in any notation; None for a name.

    Reads IPv4 as browsers and ``inet_aton`` do: decimal, octal and hexadecimal parts, one to four of them,
    and one dot at the end. Raises ValueError where it ends in a number, as only addresses do, and is none.
    """
    if ":" in host:
        return IPv6Address(host)
    parts = host.removesuffix(".").split(".")
    if _NUMBER.fullmatch(parts[-1]) is None:
        return None
    numbers = [_number(part) for part in parts]
    *heads, last = numbers
    if len(numbers) > 4 or any(head > 255 for head in heads) or last >= 256 ** (5 - len(numbers)):
        raise ValueError("not an IPv4 address")
    return IPv4Address(sum(head << (24 - 8 * place) for place, head in enumerate(heads)) + last)


def _number(part: str) -> int:
    if _NUMBER.fullmatch(part) is None or len(part) > 20:
        raise ValueError("not an IPv4 address")
    if part[:2] in {"0x", "0X"}:
        return int(part[2:] or "0", 16)
    return int(part, 8 if len(part) > 1 and part[0] == "0" else 10)
