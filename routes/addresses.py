"""``/ext/addresses``: where other devices of the network find this server, for a QR code and the log."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from typing import Any, cast

import psutil
from aiohttp import web

from ..errors import JSON
from ._http import known_query, reply

VIRTUAL = ("docker", "br-", "veth", "virbr", "vmnet", "vbox", "vethernet", "utun", "podman", "cni", "lxc")
"""How the names of interfaces begin that lead to no other device: listed last."""

ANNOUNCED = 3
"""As many addresses are told in the log, the likeliest first."""


async def addresses(request: web.Request) -> web.StreamResponse:
    """``GET /ext/addresses`` → ``{"port", "listens_on", "reachable", "items"}``."""
    known_query(request)
    transport = request.transport
    here: Any = None if transport is None else transport.get_extra_info("sockname")
    # a socket of the file system has no port
    port = cast("tuple[str, int]", here)[1] if isinstance(here, tuple) else None
    secure = transport is not None and transport.get_extra_info("sslcontext") is not None
    return reply(await asyncio.to_thread(described, port, "https" if secure else "http"))


def described(port: int | None, scheme: str) -> JSON:
    """Say where this process listens on *port*, and under which addresses others reach that."""
    bound = [] if port is None else listening(port)
    found = reachable(bound, interfaces())
    return {
        "port": port,
        "listens_on": bound,
        "reachable": bool(found),
        "items": [
            {
                "address": address,
                "interface": name,
                "url": f"{scheme}://{f'[{address}]' if ':' in address else address}:{port}/ext/app/",
            }
            for name, address in found
        ],
    }


def announcement(port: int, scheme: str) -> str:
    """Tell a person who reads the log where the phone app is; and how a phone gets to it, if none can."""
    told = described(port, scheme)
    if told["reachable"]:
        return "The phone app is at " + " or ".join(item["url"] for item in told["items"][:ANNOUNCED])
    here = next((each for each in told["listens_on"] if ipaddress.ip_address(each).is_loopback), "127.0.0.1")
    return (
        f"The phone app is at {scheme}://{f'[{here}]' if ':' in here else here}:{port}/ext/app/ for this "
        "computer alone. Start with --listen 0.0.0.0 to reach it from a phone, in a network that you trust."
    )


def listening(port: int) -> list[str]:
    """Give the addresses on which this process listens on *port*."""
    process: Any = psutil.Process()
    connections = getattr(process, "net_connections", None) or process.connections  # before psutil 6
    try:
        found = [
            each.laddr.ip
            for each in connections(kind="tcp")
            if each.status == psutil.CONN_LISTEN and each.laddr.port == port
        ]
    except (psutil.Error, OSError):
        return []
    return sorted(set(found))


def interfaces() -> list[tuple[str, str]]:
    """Give (name, address) of all interfaces that are up."""
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    return [
        (name, entry.address.partition("%")[0])
        for name, entries in psutil.net_if_addrs().items()
        if name in up
        for entry in entries
        if entry.family in {socket.AF_INET, socket.AF_INET6}
    ]


def reachable(bound: Sequence[str], known: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Give those of the *known* addresses that others reach if the server is *bound* so; the likeliest first.

    Loopback and link-local addresses are none, and IPv6 only counts where the server is bound to it.
    """
    found: list[tuple[str, str]] = []
    for name, address in known:
        ip = ipaddress.ip_address(address)
        taken = address in bound or ("::" if ip.version == 6 else "0.0.0.0") in bound  # noqa: S104
        # Python's asyncio binds "::" to IPv6 alone; a server that takes both is bound to both.
        if taken and not (ip.is_loopback or ip.is_link_local):
            found.append((name, address))
    return sorted(found, key=lambda each: _rank(*each))


def _rank(name: str, address: str) -> tuple[bool, bool, bool, str]:
    ip = ipaddress.ip_address(address)
    home = ip.version == 4 and address.startswith("192.168.")
    return (name.lower().startswith(VIRTUAL), ip.version == 6, not home, address)
