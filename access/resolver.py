"""Resolves names for outbound requests, and judges what they lead to."""

from __future__ import annotations

import logging
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from .rules import Rules

log = logging.getLogger("backplane")


class GuardedResolver(AbstractResolver):
    """Resolves a name once and gives its addresses only if *rules* admit every one of them.

    Raises OSError otherwise, with the same words as for a name that does not exist.
    """

    def __init__(self, rules: Rules, inner: AbstractResolver) -> None:
        self._rules = rules
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the addresses of *host*."""
        found = await self._inner.resolve(host, port, family)
        if not found or not all(self._rules.admits_text(each["host"], port) for each in found):
            if found:
                log.info("A request to %s was refused: it leads to an address that is not public", host)
            raise OSError("no public address")
        return found

    async def close(self) -> None:
        """Close the resolver that is asked."""
        await self._inner.close()
